//! Proof that an entry is in the log, as a file to keep (C2SP tlog-proof, `.tlog-proof`).

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use privacy_identity::{InclusionProof, ProofError};
use thiserror::Error;

use crate::text::{base64_from_hash, hash_from_base64, number_from_text};
use crate::{Checkpoint, CheckpointError};

/// First line of every such file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes: a tree of 2^63 leaves.
const HASHES_MAX: usize = 63;
/// Longest extra data, in bytes: a leaf has at most 65 535.
const EXTRA_BYTES_MAX: usize = 65_535;

/// Where an entry stands in a log, with the way from it to a signed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Whatever was put in; nobody vouches for it. Ours have the leaf in it, which the proof then vouches for.
    pub extra: Option<Vec<u8>>,
    /// The path from the leaf to the root; its size is the checkpoint's.
    pub inclusion: InclusionProof,
    /// The checkpoint with that root, and the witnesses' lines.
    pub checkpoint: Checkpoint,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// The file is not of this form.
    #[error("line {line} is not of a tlog-proof: {what}")]
    Malformed {
        /// Which line, from 1.
        line: usize,
        /// What was expected.
        what: &'static str,
    },
    /// Its checkpoint was refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is nothing to look up: the file has no leaf in it, and none was given.
    #[error("the file has no entry in it: give the entry, too")]
    NoLeaf,
    /// The entry is not where the proof says, or the proof is another entry's.
    #[error("the entry is not proven")]
    NotIncluded(#[from] ProofError),
}

impl TlogProof {
    /// Reads a file and checks nothing but its form.
    ///
    /// # Errors
    /// [`TlogProofError::Malformed`], [`TlogProofError::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        let malformed = |line, what| TlogProofError::Malformed { line, what };
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(malformed(1, "an empty line before the checkpoint"))?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(malformed(1, HEADER));
        }
        let extra = lines.next_if(|(_, line)| line.starts_with("extra "));
        let extra = extra.map(|(line, text)| {
            let bytes = BASE64_STANDARD.decode(text.trim_start_matches("extra ")).ok();
            let bytes = bytes.filter(|bytes| bytes.len() <= EXTRA_BYTES_MAX);
            bytes.ok_or(malformed(line, "base64 of at most 65535 bytes"))
        });
        let extra = extra.transpose()?;
        let index =
            lines.next().and_then(|(_, text)| number_from_text(text.strip_prefix("index ")?));
        let index =
            index.ok_or(malformed(2 + usize::from(extra.is_some()), "index and a number"))?;
        let mut path = Vec::new();
        for (line, text) in lines {
            let hash = hash_from_base64(text).filter(|_| path.len() < HASHES_MAX);
            path.push(hash.ok_or(malformed(line, "one of at most 63 hashes"))?);
        }
        let checkpoint = Checkpoint::parse(checkpoint)?;
        let inclusion = InclusionProof { index, size: checkpoint.head().size, path };
        Ok(Self { extra, inclusion, checkpoint })
    }

    /// Checks that `leaf` (or the one in the file) stands at its index in the checkpoint's tree, and returns it.
    ///
    /// Whether the checkpoint is to be believed is for [`crate::Policy::check`] or [`Checkpoint::signed_by`] to say.
    ///
    /// # Errors
    /// [`TlogProofError::NoLeaf`], [`TlogProofError::NotIncluded`].
    pub fn verify<'a>(&'a self, leaf: Option<&'a [u8]>) -> Result<&'a [u8], TlogProofError> {
        let leaf = leaf.or(self.extra.as_deref()).ok_or(TlogProofError::NoLeaf)?;
        self.inclusion.verify(leaf, &self.checkpoint.head().root)?;
        Ok(leaf)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.inclusion.index)?;
        for hash in &self.inclusion.path {
            writeln!(f, "{}", base64_from_hash(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
