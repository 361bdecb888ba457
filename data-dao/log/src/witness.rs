//! The witness: cosigns the newest checkpoint of a log that continues the last one it saw (C2SP tlog-witness).

use std::collections::BTreeMap;

use privacy_identity::{ConsistencyProof, TreeHead};
use thiserror::Error;

use crate::text::{base64_from_hash, hash_from_base64, number_from_text};
use crate::{Checkpoint, CheckpointError, ForkProof, Kind, Verifier, WitnessKey};

/// Most hashes of a proof of consistency (C2SP tlog-witness).
const HASHES_MAX: usize = 63;
/// Most logs of one witness.
const LOGS_MAX: usize = 1_024;

/// A witness and what it saw.
///
/// The order that keeps it honest through a crash: [`Self::check`], then whoever calls makes the new checkpoint
/// durable, then [`Self::accept`], then the answer leaves. From check to accept nobody else may come in between.
#[derive(Debug)]
pub struct Witness {
    key: WitnessKey,
    logs: BTreeMap<String, Witnessing>,
}

#[derive(Debug)]
struct Witnessing {
    verifiers: Vec<Verifier>,
    /// The last checkpoint that was cosigned, with the log's line and this witness's.
    latest: Option<Checkpoint>,
}

/// A checkpoint that may be cosigned, once it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// To be kept, and served to monitors: with the log's line and this witness's.
    pub checkpoint: Checkpoint,
    /// To be answered: this witness's line.
    pub line: String,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The request is not of the form.
    #[error("the request is malformed: {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// The checkpoint is not one.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// The log is none of this witness's.
    #[error("the log {origin:?} is not known")]
    UnknownLog {
        /// Its name.
        origin: String,
    },
    /// No known key of the log signed.
    #[error("the signature is refused: {0}")]
    Signature(#[source] CheckpointError),
    /// A tree does not shrink.
    #[error("the old size {old} is above the checkpoint's {new}")]
    Shrinks {
        /// The old size, as the request has it.
        old: u64,
        /// The checkpoint's size.
        new: u64,
    },
    /// The request begins elsewhere than this witness stands.
    #[error("the last checkpoint has {latest} entries, not {old}")]
    Stale {
        /// The old size, as the request has it.
        old: u64,
        /// Where this witness stands.
        latest: u64,
        /// If both sizes are equal and the roots are not.
        fork: Option<Box<ForkProof>>,
    },
    /// The same size with another root: the log has forked.
    #[error("the log signed another root for {size} entries")]
    OtherRoot {
        /// The size of both.
        size: u64,
        /// The log's own signatures against it.
        fork: Option<Box<ForkProof>>,
    },
    /// The checkpoint is not shown to continue the last.
    #[error("the proof of consistency from {old} to {new} entries does not hold")]
    Inconsistent {
        /// Where this witness stands.
        old: u64,
        /// The checkpoint's size.
        new: u64,
        /// If the proof itself says what the log's other past was.
        fork: Option<Box<ForkProof>>,
    },
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";

impl Rejected {
    /// What is answered: the status that the specification asks for, and the size where it asks for that.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let status = match self {
            Self::Malformed { .. } | Self::Checkpoint(_) | Self::Shrinks { .. } => 400,
            Self::UnknownLog { .. } => 404,
            Self::Signature(_) => 403,
            Self::Stale { latest, .. } => {
                let (content_type, body) = ("text/x.tlog.size", format!("{latest}\n"));
                return Reply { status: 409, content_type, body };
            }
            Self::OtherRoot { .. } => 409,
            Self::Inconsistent { .. } => 422,
        };
        Reply { status, content_type: TEXT, body: format!("{self}\n") }
    }

    /// The proof that the log has forked, if this request was one.
    #[must_use]
    pub fn fork(&self) -> Option<&ForkProof> {
        match self {
            Self::Stale { fork, .. }
            | Self::OtherRoot { fork, .. }
            | Self::Inconsistent { fork, .. } => fork.as_deref(),
            _ => None,
        }
    }
}

impl Cosigned {
    /// What is answered, once the checkpoint is on disk.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply { status: 200, content_type: TEXT, body: self.line.clone() }
    }
}

impl Witness {
    /// A witness that knows no log yet.
    #[must_use]
    pub const fn new(key: WitnessKey) -> Self {
        Self { key, logs: BTreeMap::new() }
    }

    /// Who cosigns.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        self.key.verifier()
    }

    /// Witnesses a log from now on, or with a further key.
    ///
    /// * `latest` — what [`Cosigned::checkpoint`] was the last time, as it was kept.
    ///
    /// # Errors
    /// [`Rejected::Malformed`] if the key is none of a log or there are too many; [`Rejected::Signature`] if what was
    /// kept is not by log and witness.
    pub fn add_log(&mut self, log: Verifier, latest: Option<Checkpoint>) -> Result<(), Rejected> {
        if log.kind() != Kind::Log {
            return Err(Rejected::Malformed { what: "the key of a log" });
        }
        if let Some(latest) = &latest {
            latest.signed_by(&log).map_err(Rejected::Signature)?;
            let own = std::slice::from_ref(self.key.verifier());
            if latest.cosignatures(own).map_err(Rejected::Signature)?.is_empty() {
                let name = self.key.verifier().name().to_owned();
                return Err(Rejected::Signature(CheckpointError::Unsigned { name }));
            }
        }
        if self.logs.len() >= LOGS_MAX && !self.logs.contains_key(log.name()) {
            return Err(Rejected::Malformed { what: "at most 1024 logs" });
        }
        let name = log.name().to_owned();
        let known =
            self.logs.entry(name).or_insert(Witnessing { verifiers: Vec::new(), latest: None });
        known.verifiers.push(log);
        known.latest = latest.or(known.latest.take());
        Ok(())
    }

    /// The last checkpoint of this log that was cosigned.
    #[must_use]
    pub fn latest(&self, origin: &str) -> Option<&Checkpoint> {
        self.logs.get(origin)?.latest.as_ref()
    }

    /// The logs' names.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(String::as_str)
    }

    /// Judges the body of an `add-checkpoint` request, in the order of the specification.
    ///
    /// * `now_s` — seconds since 1970. A clock that went back does not show: no cosignature is older than the last.
    ///
    /// # Errors
    /// [`Rejected`], with nothing changed.
    pub fn check(&self, body: &[u8], now_s: u64) -> Result<Cosigned, Rejected> {
        let request = Request::parse(body)?;
        let checkpoint = request.checkpoint;
        let origin = checkpoint.origin();
        let unknown = || Rejected::UnknownLog { origin: origin.to_owned() };
        let log = self.logs.get(origin).ok_or_else(unknown)?;
        let signer = log.signer_of(&checkpoint)?;
        let (old, new) = (request.old, checkpoint.head());
        if old > new.size {
            return Err(Rejected::Shrinks { old, new: new.size });
        }
        let latest = log.latest.as_ref();
        let at = latest.map_or(0, |latest| latest.head().size);
        let fork = || {
            let fork = ForkProof::from_failed(latest?, &checkpoint, &request.proof, signer);
            fork.map(Box::new)
        };
        if old != at {
            let fork = if new.size == at { fork() } else { None };
            return Err(Rejected::Stale { old, latest: at, fork });
        }
        if let Some(latest) = latest
            && new.size == at
            && new.root != latest.head().root
        {
            return Err(Rejected::OtherRoot { size: at, fork: fork() });
        }
        let inconsistent = |fork| Err(Rejected::Inconsistent { old, new: new.size, fork });
        // Of the empty tree there is one root, whatever the log signs.
        let empty = privacy_identity::Frontier::default().root();
        let from = latest.map_or(TreeHead { size: 0, root: empty }, |latest| *latest.head());
        if new.size == 0 && new.root != empty || !continues(&request.proof, &from, new) {
            return inconsistent(fork());
        }
        self.cosigned(&checkpoint, signer, latest, now_s)
    }

    fn cosigned(
        &self,
        checkpoint: &Checkpoint,
        signer: &Verifier,
        latest: Option<&Checkpoint>,
        now_s: u64,
    ) -> Result<Cosigned, Rejected> {
        let own = std::slice::from_ref(self.key.verifier());
        let before = latest.and_then(|latest| latest.cosignatures(own).ok()?.pop());
        let time_s = now_s.max(before.map_or(0, |cosignature| cosignature.time_s));
        // Other lines are none of this witness's business.
        let bare = checkpoint.only(std::slice::from_ref(signer)).map_err(Rejected::Checkpoint)?;
        let line = self.key.cosign(&bare, time_s);
        let checkpoint = bare.with_lines(&line).map_err(Rejected::Checkpoint)?;
        Ok(Cosigned { checkpoint, line })
    }

    /// Takes over what [`Self::check`] judged and whoever calls has made durable.
    pub fn accept(&mut self, cosigned: &Cosigned) {
        if let Some(log) = self.logs.get_mut(cosigned.checkpoint.origin()) {
            log.latest = Some(cosigned.checkpoint.clone());
        }
    }
}

impl Witnessing {
    /// The key of the log that signed.
    fn signer_of(&self, checkpoint: &Checkpoint) -> Result<&Verifier, Rejected> {
        let mut refused = CheckpointError::Unsigned { name: checkpoint.origin().to_owned() };
        let mut signer = None;
        for verifier in &self.verifiers {
            match checkpoint.signed_by(verifier) {
                Ok(()) => signer = Some(verifier),
                // A line that claims to be by a known key and is not spoils it all.
                Err(error @ CheckpointError::BadSignature { .. }) => {
                    return Err(Rejected::Signature(error));
                }
                Err(error) => refused = error,
            }
        }
        signer.ok_or(Rejected::Signature(refused))
    }
}

/// Whether the proof leads from one head to the other; from the empty tree an empty one does.
fn continues(proof: &ConsistencyProof, old: &TreeHead, new: &TreeHead) -> bool {
    if old.size == 0 { proof.path.is_empty() } else { proof.verify(old, new).is_ok() }
}

/// The body of an `add-checkpoint` request.
#[must_use]
pub fn add_checkpoint_body(old: u64, proof: &ConsistencyProof, checkpoint: &Checkpoint) -> String {
    let mut body = format!("old {old}\n");
    for hash in &proof.path {
        body.push_str(&base64_from_hash(hash));
        body.push('\n');
    }
    body.push('\n');
    body.push_str(checkpoint.as_str());
    body
}

struct Request {
    old: u64,
    proof: ConsistencyProof,
    checkpoint: Checkpoint,
}

impl Request {
    fn parse(body: &[u8]) -> Result<Self, Rejected> {
        let malformed = |what| Rejected::Malformed { what };
        let text = std::str::from_utf8(body).map_err(|_source| malformed("UTF-8"))?;
        let parts = text.split_once("\n\n");
        let (head, checkpoint) = parts.ok_or(malformed("an empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| number_from_text(line.strip_prefix("old ")?));
        let old = old.ok_or(malformed("old and a size"))?;
        let mut path = Vec::new();
        for line in lines {
            let hash = hash_from_base64(line).filter(|_| path.len() < HASHES_MAX);
            path.push(hash.ok_or(malformed("one of at most 63 hashes"))?);
        }
        let checkpoint = Checkpoint::parse(checkpoint).map_err(Rejected::Checkpoint)?;
        Ok(Self { old, proof: ConsistencyProof { path }, checkpoint })
    }
}
