//! Proof that a log showed two pasts: its own signatures convict it.

use std::fmt;

use privacy_identity::{ConsistencyProof, Digest, TreeHead};
use thiserror::Error;

use crate::text::{base64_from_hash, hash_from_base64};
use crate::{Checkpoint, CheckpointError, Verifier};

/// First line of every such file.
const HEADER: &str = "sahakar/fork@v1";
/// Most hashes of the path.
const HASHES_MAX: usize = 63;

/// Two checkpoints of one log, both signed by it, of which no tree can have both.
///
/// The second tree is as large as the first or larger. [`Self::path`] leads from its root, which the log signed, to the
/// root that it has over the first one's leaves; and that is not the root that the log signed for the first.
///
/// As a file: a header, `prefix` and the hash, `path` and the hashes, an empty line, then both checkpoints, each after a
/// line `checkpoint` with its number of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    first: Checkpoint,
    second: Checkpoint,
    /// The root of the second tree over as many leaves as the first has.
    prefix: Digest,
    path: ConsistencyProof,
}

/// Why something is not the proof of a fork.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The file is not of this form.
    #[error("this is not the proof of a fork: {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// A checkpoint is not the log's: nothing convicts it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead to the second root: it says nothing about the log.
    #[error("the path does not lead from one root to the other")]
    NoPath,
    /// The second tree continues the first: there is no fork.
    #[error("the second checkpoint continues the first")]
    Consistent,
}

impl ForkProof {
    /// The proof that these two checkpoints do not belong together, if it is one.
    ///
    /// * `prefix` — the root of the larger tree over as many leaves as the smaller has.
    /// * `path` — from there to the larger tree's root; empty if they are of one size.
    ///
    /// # Errors
    /// [`ForkError`], as [`Self::verify`].
    pub fn new(
        (one, other): (Checkpoint, Checkpoint),
        prefix: Digest,
        path: ConsistencyProof,
        log: &Verifier,
    ) -> Result<Self, ForkError> {
        let in_order = one.head().size <= other.head().size;
        let (first, second) = if in_order { (one, other) } else { (other, one) };
        let proof = Self { first, second, prefix, path };
        proof.verify(log)?;
        Ok(proof)
    }

    /// As [`Self::new`], for a checkpoint and a proof of consistency that fails against one that was seen before.
    ///
    /// The path alone says what the prefix is unless the size seen is a power of two; then none is returned, although
    /// there may be a fork.
    #[must_use]
    pub fn from_failed(
        seen: &Checkpoint,
        shown: &Checkpoint,
        path: &ConsistencyProof,
        log: &Verifier,
    ) -> Option<Self> {
        let both = (seen.clone(), shown.clone());
        if seen.head().size == shown.head().size {
            return Self::new(both, shown.head().root, ConsistencyProof::default(), log).ok();
        }
        let (prefix, _) = path.roots(seen.head(), shown.head().size).ok()?;
        Self::new(both, prefix, path.clone(), log).ok()
    }

    /// Checks that the log with this key signed both, and that no tree has both roots.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn verify(&self, log: &Verifier) -> Result<(), ForkError> {
        self.first.signed_by(log)?;
        self.second.signed_by(log)?;
        let (first, second) = (self.first.head(), self.second.head());
        if first.size == 0 {
            // Every tree continues the empty one.
            return Err(ForkError::Consistent);
        }
        let prefix = TreeHead { size: first.size, root: self.prefix };
        self.path.verify(&prefix, second).map_err(|_source| ForkError::NoPath)?;
        if self.prefix == first.root { Err(ForkError::Consistent) } else { Ok(()) }
    }

    /// The checkpoint of the smaller tree.
    #[must_use]
    pub const fn first(&self) -> &Checkpoint {
        &self.first
    }

    /// The checkpoint of the larger tree, or of another one of the same size.
    #[must_use]
    pub const fn second(&self) -> &Checkpoint {
        &self.second
    }

    /// Reads a file and checks nothing but its form.
    ///
    /// # Errors
    /// [`ForkError::Malformed`], [`ForkError::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, ForkError> {
        let malformed = |what| ForkError::Malformed { what };
        let (head, rest) = text.split_once("\n\n").ok_or(malformed("an empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed(HEADER));
        }
        let prefix = lines.next().and_then(|line| hash_from_base64(line.strip_prefix("prefix ")?));
        let prefix = prefix.ok_or(malformed("prefix and a hash"))?;
        let mut path = Vec::new();
        for line in lines {
            let hash = line.strip_prefix("path ").and_then(hash_from_base64);
            let hash = hash.filter(|_| path.len() < HASHES_MAX);
            path.push(hash.ok_or(malformed("path and one of at most 63 hashes"))?);
        }
        let (first, rest) = counted(rest).ok_or(malformed("checkpoint and its lines"))?;
        let (second, rest) = counted(rest).ok_or(malformed("checkpoint and its lines"))?;
        if !rest.is_empty() {
            return Err(malformed("nothing after the second checkpoint"));
        }
        let (first, second) = (Checkpoint::parse(first)?, Checkpoint::parse(second)?);
        Ok(Self { first, second, prefix, path: ConsistencyProof { path } })
    }
}

/// The lines after `checkpoint <number>`, and what follows them.
fn counted(text: &str) -> Option<(&str, &str)> {
    let (header, rest) = text.split_once('\n')?;
    let count = crate::text::number_from_text(header.strip_prefix("checkpoint ")?)?;
    let ends = rest.match_indices('\n').map(|(at, _)| at + 1);
    let end = ends.take(usize::try_from(count).ok()?).enumerate().last();
    let (last, end) = end?;
    (u64::try_from(last).ok()? + 1 == count).then(|| rest.split_at(end))
}

impl fmt::Display for ForkProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nprefix {}", base64_from_hash(&self.prefix))?;
        for hash in &self.path.path {
            writeln!(f, "path {}", base64_from_hash(hash))?;
        }
        writeln!(f)?;
        for checkpoint in [&self.first, &self.second] {
            write!(f, "checkpoint {}\n{checkpoint}", checkpoint.as_str().lines().count())?;
        }
        Ok(())
    }
}
