//! What members have earned, as votes: matured, ageing, never to be bought, sold or spent.
//!
//! Threats. Bought or borrowed votes (Beanstalk, April 2022): there is no transfer. Last-minute
//! earnings: a credit votes when it has matured. Old holders who decide for ever: weight halves in
//! each half-life. Credits that were got by fraud: slashing takes the newest first, which count most.

use std::collections::BTreeMap;

use privacy_identity::VerifyingKey;

use crate::decay::{DAY_MS, scaled};
use crate::{CharterParameters, Decay, GovernanceError};

/// Voting weight by member.
pub type Weights = BTreeMap<VerifyingKey, u128>;

/// All that was ever earned and taken, so that weights can be looked up at any past time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Votes {
    changes: BTreeMap<VerifyingKey, Vec<Change>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    at_ms: u64,
    amount: u128,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Earned,
    Taken,
}

/// How credits become weight: when they have matured, and how they age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ageing {
    maturity_ms: u64,
    decay: Decay,
}

impl Ageing {
    /// As a charter says.
    #[must_use]
    pub fn new(parameters: &CharterParameters) -> Self {
        let decay = Decay::new(parameters.half_life_days);
        Self { maturity_ms: parameters.maturity_ms, decay }
    }
}

impl Votes {
    /// Notes that `member` earned `amount`. Times must not go backwards.
    pub fn earn(&mut self, member: VerifyingKey, amount: u128, at_ms: u64) {
        self.push(member, Change { at_ms, amount, kind: Kind::Earned });
    }

    /// Takes up to `amount` away from `member`, the newest first. Returns how much it was.
    pub fn take(&mut self, member: VerifyingKey, amount: u128, at_ms: u64) -> u128 {
        let held = self.lots(&member, u64::MAX).iter().map(|(_, left)| left).sum();
        let amount = amount.min(held);
        self.push(member, Change { at_ms, amount, kind: Kind::Taken });
        amount
    }

    /// Takes everything away from a member that leaves.
    pub fn take_all(&mut self, member: VerifyingKey, at_ms: u64) -> u128 {
        self.take(member, u128::MAX, at_ms)
    }

    fn push(&mut self, member: VerifyingKey, change: Change) {
        if change.amount > 0 {
            self.changes.entry(member).or_default().push(change);
        }
    }

    /// What `member` holds of each time, changes up to `at_ms` included, oldest first.
    fn lots(&self, member: &VerifyingKey, at_ms: u64) -> Vec<(u64, u128)> {
        let changes = self.changes.get(member).map_or(&[][..], Vec::as_slice);
        let mut lots: Vec<(u64, u128)> = Vec::new();
        for change in changes.iter().take_while(|change| change.at_ms <= at_ms) {
            match change.kind {
                Kind::Earned => lots.push((change.at_ms, change.amount)),
                Kind::Taken => take_newest(&mut lots, change.amount),
            }
        }
        lots
    }

    /// A member's weight at `at_ms`, changes of that very moment included.
    #[must_use]
    pub fn weight(&self, member: &VerifyingKey, at_ms: u64, ageing: &Ageing) -> u128 {
        let aged = |(earned_ms, left): &(u64, u128)| {
            let age_ms = at_ms.saturating_sub(*earned_ms);
            if age_ms < ageing.maturity_ms { 0 } else { ageing.decay.left(*left, age_ms) }
        };
        // What is issued fits 128 bits together: the ledger saw to it.
        self.lots(member, at_ms).iter().map(aged).fold(0, u128::saturating_add)
    }

    /// Everybody's weight at `at_ms`, those above zero.
    #[must_use]
    pub fn weights(&self, at_ms: u64, ageing: &Ageing) -> Weights {
        let weight = |member: &VerifyingKey| (*member, self.weight(member, at_ms, ageing));
        self.changes.keys().map(weight).filter(|(_, weight)| *weight > 0).collect()
    }

    /// The same, and until when it stays so if nothing is earned or taken: up to that moment, without it.
    ///
    /// Credits are paid by rounds, so that many are of one age: each factor is computed once.
    #[must_use]
    pub fn weights_until(&self, at_ms: u64, ageing: &Ageing) -> (Weights, u64) {
        let (mut factors, mut until_ms) = (BTreeMap::new(), u64::MAX);
        let mut weights = Weights::new();
        for (member, changes) in &self.changes {
            let later = changes.iter().rev().take_while(|change| change.at_ms > at_ms).last();
            until_ms = until_ms.min(later.map_or(u64::MAX, |change| change.at_ms));
            let mut weight = 0_u128;
            for (earned_ms, left) in self.lots(member, at_ms) {
                let age_ms = at_ms.saturating_sub(earned_ms);
                let days = age_ms / DAY_MS;
                let next_age_ms = if age_ms < ageing.maturity_ms {
                    ageing.maturity_ms
                } else {
                    let factor = *factors.entry(days).or_insert_with(|| ageing.decay.factor(days));
                    weight = weight.saturating_add(scaled(left, factor));
                    (days + 1).saturating_mul(DAY_MS)
                };
                until_ms = until_ms.min(earned_ms.saturating_add(next_age_ms));
            }
            if weight > 0 {
                weights.insert(*member, weight);
            }
        }
        (weights, until_ms)
    }

    /// Everybody's weight at a time that is over, so that nothing can change it any more.
    ///
    /// # Errors
    /// [`GovernanceError::FutureLookup`] if `at_ms` is not before `now_ms` (`ERC5805FutureLookup`).
    pub fn past_weights(
        &self,
        at_ms: u64,
        now_ms: u64,
        ageing: &Ageing,
    ) -> Result<Weights, GovernanceError> {
        if at_ms >= now_ms {
            return Err(GovernanceError::FutureLookup { at_ms, now_ms });
        }
        Ok(self.weights(at_ms, ageing))
    }
}

fn take_newest(lots: &mut Vec<(u64, u128)>, mut amount: u128) {
    while amount > 0
        && let Some((_, left)) = lots.last_mut()
    {
        let taken = amount.min(*left);
        *left -= taken;
        amount -= taken;
        if *left == 0 {
            lots.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn member(number: u8) -> VerifyingKey {
        SigningKey::from_seed(&[number; 32]).verifying_key()
    }

    fn ageing(maturity_ms: u64) -> Ageing {
        Ageing::new(&CharterParameters { maturity_ms, ..CharterParameters::DEMONSTRATION })
    }

    fn supply(votes: &Votes, at_ms: u64) -> u128 {
        votes.weights(at_ms, &ageing(0)).values().sum()
    }

    #[test]
    fn vector_10_past_supply_is_exact_at_each_change() {
        let mut votes = Votes::default();
        votes.earn(member(1), 10, 5);
        votes.earn(member(2), 7, 8);
        assert_eq!(votes.take(member(1), 4, 9), 4);
        for (at_ms, expected) in [(0, 0), (4, 0), (5, 10), (7, 10), (8, 17), (9, 13), (20, 13)] {
            assert_eq!(supply(&votes, at_ms), expected, "at {at_ms}");
        }
        for at_ms in [20, 21, u64::MAX] {
            let refused = votes.past_weights(at_ms, 20, &ageing(0));
            assert_eq!(refused, Err(GovernanceError::FutureLookup { at_ms, now_ms: 20 }));
        }
        assert_eq!(votes.past_weights(19, 20, &ageing(0)).unwrap().len(), 2);
        assert_eq!(votes.past_weights(4, 20, &ageing(0)), Ok(Weights::new()));
    }

    #[test]
    fn a_credit_votes_only_when_it_has_matured() {
        let mut votes = Votes::default();
        votes.earn(member(1), 100, DAY_MS);
        let weight = |at_ms| votes.weight(&member(1), at_ms, &ageing(21 * DAY_MS));
        assert_eq!((weight(22 * DAY_MS - 1), weight(22 * DAY_MS) > 0), (0, true));
    }

    #[test]
    fn weight_halves_in_a_half_life_and_earning_again_does_not_refresh_it() {
        let mut votes = Votes::default();
        votes.earn(member(1), 1_000, 0);
        votes.earn(member(1), 1_000, 180 * DAY_MS);
        assert_eq!(votes.weight(&member(1), 180 * DAY_MS, &ageing(0)), 1_500);
        assert_eq!(votes.weight(&member(1), 360 * DAY_MS, &ageing(0)), 750);
    }

    #[test]
    fn weights_stay_until_the_moment_that_is_told_and_are_those_of_each_member() {
        let mut votes = Votes::default();
        votes.earn(member(1), 1_000, 5);
        votes.earn(member(2), 700, 2 * DAY_MS + 7);
        votes.take(member(1), 300, 2 * DAY_MS + 9);
        votes.earn(member(3), 1, 9 * DAY_MS);
        let ageing = ageing(3 * DAY_MS + 1);
        let each = |at_ms| -> Weights {
            let weight = |number| (member(number), votes.weight(&member(number), at_ms, &ageing));
            (1..=3).map(weight).filter(|(_, weight)| *weight > 0).collect()
        };
        let (mut at_ms, mut moments) = (0, 0);
        while at_ms < 40 * DAY_MS {
            let (weights, until_ms) = votes.weights_until(at_ms, &ageing);
            assert!(until_ms > at_ms);
            for same_ms in [at_ms, at_ms + (until_ms - at_ms) / 2, until_ms - 1] {
                assert_eq!(weights, each(same_ms), "at {same_ms}");
                assert_eq!(weights, votes.weights(same_ms, &ageing), "at {same_ms}");
            }
            (at_ms, moments) = (until_ms, moments + 1);
        }
        assert!(moments < 130, "three lots age three times a day: {moments}");
        assert_eq!(Votes::default().weights_until(3, &ageing), (Weights::new(), u64::MAX));
    }

    #[test]
    fn slashing_takes_the_newest_first_and_never_more_than_there_is() {
        let mut votes = Votes::default();
        votes.earn(member(1), 1_000, 0);
        votes.earn(member(1), 1_000, 180 * DAY_MS);
        assert_eq!(votes.take(member(1), 1_200, 180 * DAY_MS), 1_200);
        assert_eq!(votes.weight(&member(1), 180 * DAY_MS, &ageing(0)), 400);
        assert_eq!(votes.take_all(member(1), 180 * DAY_MS), 800);
        assert_eq!(votes.take(member(2), 5, 180 * DAY_MS), 0);
        assert_eq!(votes.weights(180 * DAY_MS, &ageing(0)), Weights::new());
    }
}
