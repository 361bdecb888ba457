//! Whom to believe: which logs, which witnesses, and how many of them (C2SP tlog-policy).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{Checkpoint, CheckpointError, Cosignature, Kind, Verifier};

/// Longest policy, in bytes.
const BYTES_MAX: usize = 256 << 10;
/// Most logs, witnesses and groups; the specification asks for 32 of each.
const NAMES_MAX: usize = 256;

/// Which checkpoints are to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<(Verifier, Option<String>)>,
    /// In the order of their definition: members stand before the groups that have them.
    names: Vec<(Vec<u8>, Party)>,
    /// The place in `names`; none for `quorum none`.
    quorum: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Party {
    Witness { verifier: Verifier, url: Option<String> },
    Group { threshold: usize, members: Vec<usize> },
}

/// A checkpoint that satisfies a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The log that signed.
    pub log: Verifier,
    /// The witnesses that cosigned, whether they were needed or not.
    pub cosignatures: Vec<Cosignature>,
}

/// Why a policy or a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A line of the file.
    #[error("line {line} of the policy: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// There is no quorum line, or the file is too long.
    #[error("the policy has no quorum line")]
    NoQuorum,
    /// The file is longer than policies are.
    #[error("the policy has {got} bytes, at most {max} are read")]
    TooLong {
        /// Its length.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// The log is none of the policy's.
    #[error("the policy does not name the log {got:?}")]
    UnknownLog {
        /// The checkpoint's origin.
        got: String,
    },
    /// A signature is missing or false.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses cosigned.
    #[error("the quorum is not reached: cosigned by {}", if got.is_empty() { "nobody whom the policy names".to_owned() } else { got.join(", ") })]
    NoQuorumReached {
        /// Names of the witnesses that did.
        got: Vec<String>,
    },
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`], naming the line.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        if text.len() > BYTES_MAX {
            return Err(PolicyError::TooLong { got: text.len(), max: BYTES_MAX });
        }
        let mut draft = Draft::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            draft.line(line).map_err(|what| PolicyError::Line { line: number, what })?;
        }
        let quorum = draft.quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(Self { logs: draft.logs, names: draft.names, quorum })
    }

    /// The policy that this log's signature is enough.
    #[must_use]
    pub fn of_log(log: Verifier) -> Self {
        Self { logs: vec![(log, None)], names: Vec::new(), quorum: None }
    }

    /// The policy that so many of these witnesses are enough, beside this log's signature.
    ///
    /// Threat: one witness under two names, counted twice. Only the first with a key counts.
    #[must_use]
    pub fn of_quorum(
        log: Verifier,
        witnesses: impl IntoIterator<Item = Verifier>,
        quorum: usize,
    ) -> Self {
        let (mut names, mut keys) = (Vec::new(), std::collections::BTreeSet::new());
        for verifier in witnesses {
            // `<name>+<hash>+<key>`: the key alone says who it is.
            let key = verifier.to_string().splitn(3, '+').nth(2).map(str::to_owned);
            // A log's key is no witness's, whoever names it.
            if verifier.kind() == Kind::Witness && keys.insert(key) {
                let name = verifier.name().as_bytes().to_vec();
                names.push((name, Party::Witness { verifier, url: None }));
            }
        }
        let members = (0..names.len()).collect();
        names.push((b"quorum".to_vec(), Party::Group { threshold: quorum, members }));
        let quorum = Some(names.len() - 1);
        Self { logs: vec![(log, None)], names, quorum }
    }

    /// The logs, each with its URL if the policy has one.
    pub fn logs(&self) -> impl Iterator<Item = (&Verifier, Option<&str>)> {
        self.logs.iter().map(|(log, url)| (log, url.as_deref()))
    }

    /// The witnesses, each with the URL to which checkpoints are submitted, if the policy has one.
    pub fn witnesses(&self) -> impl Iterator<Item = (&Verifier, Option<&str>)> {
        self.names.iter().filter_map(|(_, party)| match party {
            Party::Witness { verifier, url } => Some((verifier, url.as_deref())),
            Party::Group { .. } => None,
        })
    }

    /// Whether no cosignature is asked for.
    #[must_use]
    pub const fn is_without_witnesses(&self) -> bool {
        self.quorum.is_none()
    }

    /// Checks that a log of this policy signed the checkpoint, and a quorum of its witnesses cosigned.
    ///
    /// * `known` — the log, where it is known from elsewhere; a policy without logs needs it.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn check(
        &self,
        checkpoint: &Checkpoint,
        known: Option<&Verifier>,
    ) -> Result<Witnessed, PolicyError> {
        let mut logs: Vec<&Verifier> = self.logs.iter().map(|(log, _)| log).collect();
        if let Some(known) = known {
            // Both have to agree, where both say something.
            logs.retain(|log| *log == known);
            if self.logs.is_empty() {
                logs.push(known);
            }
        }
        let of_origin = logs.iter().filter(|log| log.name() == checkpoint.origin());
        let mut refused = PolicyError::UnknownLog { got: checkpoint.origin().to_owned() };
        for log in of_origin {
            match checkpoint.signed_by(log) {
                Ok(()) => {
                    let cosignatures = self.quorum_of(checkpoint)?;
                    return Ok(Witnessed { log: (*log).clone(), cosignatures });
                }
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }

    fn quorum_of(&self, checkpoint: &Checkpoint) -> Result<Vec<Cosignature>, PolicyError> {
        let witnesses: Vec<Verifier> =
            self.witnesses().map(|(witness, _)| witness.clone()).collect();
        let cosignatures = checkpoint.cosignatures(&witnesses)?;
        let mut holds = Vec::with_capacity(self.names.len());
        for (_, party) in &self.names {
            // Members stand before their groups, so what they are is known.
            holds.push(match party {
                Party::Witness { verifier, .. } => {
                    cosignatures.iter().any(|cosignature| cosignature.witness == *verifier)
                }
                Party::Group { threshold, members } => {
                    members.iter().filter(|member| holds[**member]).count() >= *threshold
                }
            });
        }
        if self.quorum.is_none_or(|quorum| holds[quorum]) {
            return Ok(cosignatures);
        }
        let got = cosignatures.iter().map(|c| c.witness.name().to_owned()).collect();
        Err(PolicyError::NoQuorumReached { got })
    }
}

/// A policy that is being read.
#[derive(Default)]
struct Draft {
    logs: Vec<(Verifier, Option<String>)>,
    names: Vec<(Vec<u8>, Party)>,
    places: BTreeMap<Vec<u8>, usize>,
    /// Names that are a member of a group already: each may be one once.
    members: Vec<usize>,
    quorum: Option<Option<usize>>,
}

impl Draft {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line.iter().any(|byte| *byte < b' ' && *byte != b'\t' || *byte == 0x7F) {
            return Err("a control character".to_owned());
        }
        let words = line.split(|byte| matches!(byte, b' ' | b'\t'));
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] => self.log(key, None),
            [b"log", key, url] => self.log(key, Some(url)),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(url)),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            _ => Err("expected log, witness, group or quorum, and what belongs to it".to_owned()),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let log = verifier(key, Kind::Log)?;
        if self.logs.iter().any(|(known, _)| known.key() == log.key()) {
            return Err(format!("the key of {} is in the policy already", log.name()));
        }
        if self.logs.len() >= NAMES_MAX {
            return Err(format!("more than {NAMES_MAX} logs"));
        }
        self.logs.push((log, url.map(text)));
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let verifier = verifier(key, Kind::Witness)?;
        let same = |(_, party): &(Vec<u8>, Party)| match party {
            Party::Witness { verifier: known, .. } => known.key() == verifier.key(),
            Party::Group { .. } => false,
        };
        if self.names.iter().any(same) {
            return Err(format!("the key of {} is in the policy already", verifier.name()));
        }
        self.define(name, Party::Witness { verifier, url: url.map(text) })
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), String> {
        let threshold = match threshold {
            b"any" => 1,
            b"all" => members.len(),
            number => {
                let number = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok());
                number.ok_or("expected all, any or a number of members")?
            }
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(format!("{threshold} of {} members", members.len()));
        }
        let places: Result<Vec<usize>, String> =
            members.iter().map(|member| self.place(member)).collect();
        let places = places?;
        for place in &places {
            if self.members.contains(place) {
                return Err(format!("{} is a member twice", text(&self.names[*place].0)));
            }
            self.members.push(*place);
        }
        self.define(name, Party::Group { threshold, members: places })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second quorum".to_owned());
        }
        self.quorum = Some(if name == b"none" { None } else { Some(self.place(name)?) });
        Ok(())
    }

    fn place(&self, name: &[u8]) -> Result<usize, String> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| format!("{:?} is not defined above", text(name)))
    }

    fn define(&mut self, name: &[u8], party: Party) -> Result<(), String> {
        if name == b"none" {
            return Err("the name none is taken".to_owned());
        }
        if self.names.len() >= NAMES_MAX {
            return Err(format!("more than {NAMES_MAX} witnesses and groups"));
        }
        if self.places.insert(name.to_vec(), self.names.len()).is_some() {
            return Err(format!("{:?} is defined twice", text(name)));
        }
        self.names.push((name.to_vec(), party));
        Ok(())
    }
}

fn verifier(key: &[u8], kind: Kind) -> Result<Verifier, String> {
    let verifier: Verifier = text(key).parse().map_err(|error| format!("{error}"))?;
    if verifier.kind() == kind {
        Ok(verifier)
    } else {
        Err(format!("{} is the key of a {:?}", verifier.name(), verifier.kind()).to_lowercase())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
