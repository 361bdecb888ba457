//! Everybody's votes, for as long as they stay what they are.
//!
//! A weight changes when something is earned or taken, when it matures, and when it is a whole day older: between two such
//! moments it is the same, whatever else the log takes. So who shows members again and again counts their credits once.

use std::collections::BTreeMap;

use data_dao_governance::{Ageing, Votes, Weights};
use data_dao_ledger::Shared;
use privacy_identity::VerifyingKey;

use crate::{Membership, State};

/// The votes of all active members, from one moment up to another.
#[derive(Debug)]
pub struct Roll {
    /// From what it was counted. Held, so that another value can never be taken for it.
    source: Source,
    /// From when on it holds, in ledger time, and up to when, without that moment.
    from_ms: u64,
    until_ms: u64,
    weights: Weights,
}

#[derive(Debug, Clone)]
struct Source {
    votes: Shared<Votes>,
    members: Shared<BTreeMap<VerifyingKey, Membership>>,
    /// Maturity in milliseconds and half-life in days, as the charter has them; none before there is one.
    ageing: Option<(u64, u16)>,
}

impl Source {
    fn of(state: &State) -> Self {
        let parameters = state.charter().map(data_dao_governance::Charter::parameters);
        Self {
            votes: state.assembly().votes.clone(),
            members: state.assembly().members.clone(),
            ageing: parameters.map(|charter| (charter.maturity_ms, charter.half_life_days)),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.votes.is(&other.votes)
            && self.members.is(&other.members)
            && self.ageing == other.ageing
    }
}

impl Roll {
    /// Counts everybody's votes at `at_ms`, in ledger time.
    #[must_use]
    pub fn new(state: &State, at_ms: u64) -> Self {
        let source = Source::of(state);
        let counted = state
            .charter()
            .map(|charter| source.votes.weights_until(at_ms, &Ageing::new(charter.parameters())));
        let (mut weights, until_ms) = counted.unwrap_or((Weights::new(), u64::MAX));
        weights.retain(|member, _| state.is_active(member));
        Self { source, from_ms: at_ms, until_ms, weights }
    }

    /// Whether a roll of `state` at `at_ms` would be this one.
    #[must_use]
    pub fn holds(&self, state: &State, at_ms: u64) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms) && self.source.is(&Source::of(state))
    }

    /// A member's weight: none of who is not active.
    #[must_use]
    pub fn weight(&self, member: &VerifyingKey) -> u128 {
        self.weights.get(member).copied().unwrap_or_default()
    }

    /// Everybody's weight, those above zero.
    #[must_use]
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Up to when it holds if nothing happens, without that moment, in ledger time.
    #[must_use]
    pub const fn until_ms(&self) -> u64 {
        self.until_ms
    }
}
