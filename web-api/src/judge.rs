//! Whoever decides whether a party lied about a member's update: put in by the composition root, as this crate knows no
//! aggregation.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use data_dao_journal::{Dispute, FaultProven};
use privacy_identity::{Signature, VerifyingKey};
use tokio::sync::Semaphore;

/// Most disclosures that are taken in or judged at a time: each takes memory for a part of an update.
const DISCLOSURES_MAX: usize = 2;

/// Why a disclosure has no consequence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// It proves nothing, or the accused told the truth.
    #[error("{0}")]
    Unfounded(String),
    /// The node cannot say.
    #[error("{0}")]
    Unable(String),
}

/// What decides: an objection with its signature, every key that its complainant has or had, and what it shows.
type Decide = dyn Fn((Dispute, Signature), &[VerifyingKey], &[u8]) -> Result<FaultProven, JudgeError>
    + Send
    + Sync;

/// A judge of disclosures. Clones are the same.
#[derive(Clone)]
pub struct Judge {
    bytes_max: Arc<AtomicUsize>,
    decide: Arc<Decide>,
    pub(crate) turns: Arc<Semaphore>,
}

impl Judge {
    /// A judge that takes disclosures of at most `bytes_max` bytes.
    pub fn new(
        bytes_max: usize,
        decide: impl Fn((Dispute, Signature), &[VerifyingKey], &[u8]) -> Result<FaultProven, JudgeError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(DISCLOSURES_MAX));
        Self { bytes_max: Arc::new(bytes_max.into()), decide: Arc::new(decide), turns }
    }

    /// Takes disclosures of up to `bytes_max` bytes from now on. A bound that was higher stays: who objects to a round under former
    /// terms shows what was long under these.
    pub fn take_up_to(&self, bytes_max: usize) {
        self.bytes_max.fetch_max(bytes_max, Ordering::Relaxed);
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// Decides; takes as long as reading a part of an update and the answers about it.
    pub(crate) fn decide(
        &self,
        objection: (Dispute, Signature),
        keys: &[VerifyingKey],
        disclosure: &[u8],
    ) -> Result<FaultProven, JudgeError> {
        (self.decide)(objection, keys, disclosure)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_longer_terms_and_keeps_that_of_former_ones() {
        let judge = Judge::new(10, |_, _, _| Err(JudgeError::Unable("asleep".to_owned())));
        let served = judge.clone();
        for (bytes_max, expected) in [(20, 20), (5, 20)] {
            judge.take_up_to(bytes_max);
            assert_eq!(served.bytes_max(), expected);
        }
    }
}
