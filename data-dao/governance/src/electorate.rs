//! Who votes on one proposal, with which weight, for whom: frozen at its snapshot.

use std::collections::BTreeMap;

use privacy_identity::{Digest, VerifyingKey};

use crate::{GovernanceError, Weights};

/// Where in the log a snapshot was taken: whoever replays these entries finds the same weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// How many entries came before.
    pub tree_size: u64,
    /// The root over them (RFC 6962 §2.1).
    pub root: Digest,
}

/// Weights and delegations as they were at the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Electorate {
    weights: Weights,
    delegates: BTreeMap<VerifyingKey, VerifyingKey>,
    supply: u128,
    position: LogPosition,
}

impl Electorate {
    /// Freezes weights and delegations. A delegation of no weight, or to oneself, is left out.
    ///
    /// # Errors
    /// [`GovernanceError::WeightOverflow`] if the weights do not fit 128 bits together.
    pub fn new(
        weights: Weights,
        delegations: impl IntoIterator<Item = (VerifyingKey, VerifyingKey)>,
        position: LogPosition,
    ) -> Result<Self, GovernanceError> {
        let supply = weights
            .values()
            .try_fold(0_u128, |sum, weight| sum.checked_add(*weight))
            .ok_or(GovernanceError::WeightOverflow)?;
        let delegates = delegations
            .into_iter()
            .filter(|(from, to)| from != to && weights.get(from).is_some_and(|w| *w > 0))
            .collect();
        Ok(Self { weights, delegates, supply, position })
    }

    /// Everybody's own weight.
    #[must_use]
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// A member's own weight.
    #[must_use]
    pub fn own(&self, member: &VerifyingKey) -> u128 {
        self.weights.get(member).copied().unwrap_or(0)
    }

    /// To whom a member entrusted its weight.
    #[must_use]
    pub fn delegate_of(&self, member: &VerifyingKey) -> Option<VerifyingKey> {
        self.delegates.get(member).copied()
    }

    /// The weight with which each member votes, its own included unless it is entrusted to
    /// another. One level: what was entrusted is not handed on, so each weight stands with exactly
    /// one member, whatever the graph.
    #[must_use]
    pub fn voices(&self) -> Weights {
        let mut voices = Weights::new();
        for (member, weight) in &self.weights {
            let votes = self.delegates.get(member).unwrap_or(member);
            // At most the supply, which fits.
            *voices.entry(*votes).or_default() += weight;
        }
        voices
    }

    /// The sum of all weights.
    #[must_use]
    pub const fn supply(&self) -> u128 {
        self.supply
    }

    /// How many members have weight.
    #[must_use]
    pub fn holders(&self) -> u64 {
        let holders = self.weights.values().filter(|weight| **weight > 0).count();
        u64::try_from(holders).unwrap_or(u64::MAX)
    }

    /// Where in the log this was.
    #[must_use]
    pub const fn position(&self) -> LogPosition {
        self.position
    }
}
