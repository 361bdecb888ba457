//! Checkpoints: signed tree heads (C2SP tlog-checkpoint, on signed-note), with the lines of witnesses.

use std::{fmt, str};

use privacy_identity::{Digest, TreeHead};
use signed_note::{Note, VerifierList};
use thiserror::Error;

use crate::{Kind, Verifier};

/// Most signature lines of a checkpoint: the log's and those of 64 witnesses. The specification asks for 16.
pub const LINES_MAX: usize = 65;
/// Longest checkpoint, in bytes: 65 lines of ML-DSA signatures would fit, too.
const BYTES_MAX: usize = 320 << 10;
/// What a cosignature begins with: a time.
const TIME_BYTES: usize = 8;

/// A checkpoint as it was received. Nothing of it is to be believed before [`Checkpoint::signed_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    text: String,
    /// How much of the text is signed: all but the empty line and the signatures.
    body: usize,
    origin: String,
    head: TreeHead,
}

/// That a witness saw a checkpoint, and no inconsistent one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness.
    pub witness: Verifier,
    /// When, in seconds since 1970, by the witness's clock.
    pub time_s: u64,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a signed note, or its text is not a checkpoint.
    #[error("this is not a checkpoint: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The checkpoint is of another log.
    #[error("the checkpoint is of {got:?}, not of {expected:?}")]
    OtherLog {
        /// The log's own name.
        expected: String,
        /// The checkpoint's.
        got: String,
    },
    /// There is no signature by this key.
    #[error("the checkpoint is not signed by {name}")]
    Unsigned {
        /// Whose signature is missing.
        name: String,
    },
    /// A signature claims to be by this key and is not.
    #[error("the checkpoint's signature by {name} does not hold")]
    BadSignature {
        /// Whose it claims to be.
        name: String,
    },
}

const fn malformed(what: &'static str) -> CheckpointError {
    CheckpointError::Malformed { what }
}

impl Checkpoint {
    /// Reads a checkpoint and checks no signature.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let (signed, lines) = text.rsplit_once("\n\n").ok_or(malformed("it has no signatures"))?;
        if lines.lines().count() > LINES_MAX {
            return Err(malformed("it has too many signatures"));
        }
        let note = Note::from_bytes(text.as_bytes());
        let note = note.map_err(|_source| malformed("it is not a signed note"))?;
        let content = tlog_tiles::Checkpoint::from_bytes(note.text());
        let content =
            content.map_err(|_source| malformed("its text is not origin, size and root"))?;
        let head = TreeHead { size: content.size(), root: Digest(content.hash().0) };
        let (origin, body) = (content.origin().to_owned(), signed.len() + 1);
        Ok(Self { text: text.to_owned(), body, origin, head })
    }

    /// The log's name, as the checkpoint claims.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the checkpoint claims of the tree.
    #[must_use]
    pub const fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The whole text, signatures included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text that is signed.
    pub(crate) fn body(&self) -> &str {
        &self.text[..self.body]
    }

    /// The lines of signatures.
    fn lines(&self) -> &str {
        &self.text[self.body + 1..]
    }

    /// Checks that the log with this key signed it, as its own.
    ///
    /// # Errors
    /// [`CheckpointError`]. A signature that claims to be by the key and is not spoils the checkpoint, whatever else
    /// it has.
    pub fn signed_by(&self, log: &Verifier) -> Result<(), CheckpointError> {
        if self.origin != log.name() {
            let (expected, got) = (log.name().to_owned(), self.origin.clone());
            return Err(CheckpointError::OtherLog { expected, got });
        }
        let signed = self.signatures_of(std::slice::from_ref(log))?;
        if signed.is_empty() {
            return Err(CheckpointError::Unsigned { name: log.name().to_owned() });
        }
        Ok(())
    }

    /// The cosignatures by `witnesses`, at most one each. Lines of others are ignored.
    ///
    /// # Errors
    /// [`CheckpointError::BadSignature`] if a line claims to be by one of them and is not.
    pub fn cosignatures(
        &self,
        witnesses: &[Verifier],
    ) -> Result<Vec<Cosignature>, CheckpointError> {
        let of = |witness: &&Verifier| witness.kind() == Kind::Witness;
        let witnesses: Vec<Verifier> = witnesses.iter().filter(of).cloned().collect();
        let signed = self.signatures_of(&witnesses)?;
        let cosignature = |(witness, signature): (Verifier, Vec<u8>)| {
            let time_s = time_of(&signature).map_or(0, |(time_s, _)| time_s);
            Cosignature { witness, time_s }
        };
        Ok(signed.into_iter().map(cosignature).collect())
    }

    /// Who of `verifiers` signed, with what; at most once each.
    fn signatures_of(
        &self,
        verifiers: &[Verifier],
    ) -> Result<Vec<(Verifier, Vec<u8>)>, CheckpointError> {
        let boxed = |verifier: &Verifier| {
            Box::new(NoteVerifier(verifier.clone())) as Box<dyn signed_note::Verifier>
        };
        let known = VerifierList::new(verifiers.iter().map(boxed).collect());
        let note = Note::from_bytes(self.text.as_bytes());
        let note = note.map_err(|_source| malformed("it is not a signed note"))?;
        let signed = match note.verify(&known) {
            Ok((signed, _)) => signed,
            Err(signed_note::NoteError::UnverifiedNote) => Vec::new(),
            Err(signed_note::NoteError::InvalidSignature { name, .. }) => {
                return Err(CheckpointError::BadSignature { name });
            }
            Err(_) => return Err(malformed("two of the keys have one name and id")),
        };
        let of = |signature: signed_note::Signature| {
            let by = verifiers.iter().find(|verifier| {
                verifier.name() == signature.name() && verifier.id() == signature.id()
            });
            by.map(|by| (by.clone(), signature.signature().to_vec()))
        };
        Ok(signed.into_iter().filter_map(of).collect())
    }

    /// The same checkpoint with further lines of signatures; those that it has already are not repeated.
    ///
    /// Nothing is checked but the form: do that before, with [`Self::cosignatures`] of the result.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] if the lines are none, or too many.
    pub fn with_lines(&self, lines: &str) -> Result<Self, CheckpointError> {
        let mut text = self.text.clone();
        for line in lines.lines() {
            if !self.lines().lines().any(|known| known == line) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Self::parse(&text)
    }

    /// The same checkpoint with the lines of these keys alone.
    ///
    /// # Errors
    /// As [`Self::cosignatures`].
    pub fn only(&self, verifiers: &[Verifier]) -> Result<Self, CheckpointError> {
        // Each claimed signature holds, or the checkpoint is refused as a whole.
        self.signatures_of(verifiers)?;
        let kept = self.lines().lines().filter(|line| {
            signed_note::Signature::from_bytes(line.as_bytes()).is_ok_and(|signature| {
                verifiers
                    .iter()
                    .any(|by| by.name() == signature.name() && by.id() == signature.id())
            })
        });
        let kept: Vec<&str> = kept.collect();
        Self::parse(&format!("{}\n{}\n", self.body(), kept.join("\n")))
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a witness signs: a header that no other message begins with, the time, and the body.
pub(crate) fn cosigned_message(time_s: u64, body: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{body}").into_bytes()
}

/// Time and Ed25519 signature of a cosignature.
fn time_of(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = signature.split_first_chunk::<TIME_BYTES>()?;
    let time_s = u64::from_be_bytes(*time);
    // A witness makes a statement about a moment: 0 is none, and the specification ends at 2^63.
    (1..=i64::MAX.cast_unsigned()).contains(&time_s).then_some((time_s, signature))
}

/// Teaches signed-note our two kinds of key.
struct NoteVerifier(Verifier);

impl signed_note::Verifier for NoteVerifier {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn key_id(&self) -> u32 {
        self.0.id()
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.0.kind() {
            Kind::Log => self.0.verifies(text, signature),
            Kind::Witness => {
                let (Ok(body), Some((time_s, signature))) =
                    (str::from_utf8(text), time_of(signature))
                else {
                    return false;
                };
                self.0.verifies(&cosigned_message(time_s, body), signature)
            }
        }
    }
}
