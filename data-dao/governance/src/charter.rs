//! How a DAO votes: parameters, each within bounds.

use serde::{Deserialize, Serialize};

use crate::CharterError;

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Which bounds the parameters keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds {
    /// For members with something to lose: time to see a proposal, to vote, to object.
    Standard,
    /// For a DAO that declares itself a demonstration in its first entry: from one millisecond
    /// and one voter.
    Demonstration,
}

/// The parameters as they are written down, not yet checked. This is the wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterParameters {
    /// From the proposal to the first vote. Standard: 1 h to 7 d.
    pub voting_delay_ms: u64,
    /// How long votes are taken. Standard: 1 d to 30 d.
    pub voting_period_ms: u64,
    /// For and Abstain together reach this part of all weight, in parts per hundred: 1 to 100.
    pub quorum_percent: u8,
    /// Fewest members with weight who vote For or Abstain. Standard: at least 3.
    pub minimum_voters: u32,
    /// Weight that may propose, in parts per thousand of all weight: 0 to 100.
    pub proposal_threshold_per_mille: u16,
    /// From success to execution. Standard: 48 h to 30 d.
    pub timelock_ms: u64,
    /// How long an execution may be late. Standard: 1 d to 30 d.
    pub grace_ms: u64,
}

impl CharterParameters {
    /// The recommended parameters of a real DAO.
    pub const STANDARD: Self = Self {
        voting_delay_ms: DAY_MS,
        voting_period_ms: 7 * DAY_MS,
        quorum_percent: 10,
        minimum_voters: 3,
        proposal_threshold_per_mille: 5,
        timelock_ms: 2 * DAY_MS,
        grace_ms: 14 * DAY_MS,
    };
}

/// Parameters that were checked. [`Charter::new`] is the only constructor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charter(CharterParameters);

impl Charter {
    /// Checks `parameters` against `bounds`.
    ///
    /// # Errors
    /// [`CharterError::OutOfBounds`], naming the first parameter outside.
    ///
    /// Source of the bounds: those of `OpenZeppelin` Governor and Compound's timelock, so that no
    /// vote can brick the DAO or rush a decision.
    pub fn new(parameters: CharterParameters, bounds: Bounds) -> Result<Self, CharterError> {
        let least = |standard: u64| match bounds {
            Bounds::Standard => standard,
            Bounds::Demonstration => 1,
        };
        let p = &parameters;
        let checks = [
            ("voting_delay_ms", p.voting_delay_ms, least(HOUR_MS), 7 * DAY_MS),
            ("voting_period_ms", p.voting_period_ms, least(DAY_MS), 30 * DAY_MS),
            ("quorum_percent", u64::from(p.quorum_percent), 1, 100),
            ("minimum_voters", u64::from(p.minimum_voters), least(3), u64::from(u32::MAX)),
            ("proposal_threshold_per_mille", u64::from(p.proposal_threshold_per_mille), 0, 100),
            ("timelock_ms", p.timelock_ms, least(2 * DAY_MS), 30 * DAY_MS),
            ("grace_ms", p.grace_ms, least(DAY_MS), 30 * DAY_MS),
        ];
        for (parameter, got, low, high) in checks {
            if !(low..=high).contains(&got) {
                return Err(CharterError::OutOfBounds { parameter, got, low, high });
            }
        }
        Ok(Self(parameters))
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &CharterParameters {
        &self.0
    }

    /// The least weight of For and Abstain that makes a quorum of `supply`.
    #[must_use]
    pub fn quorum(&self, supply: u128) -> u128 {
        part_rounded_up(supply, u128::from(self.0.quorum_percent), 100)
    }

    /// The least weight of `supply` that may propose.
    #[must_use]
    pub fn proposal_threshold(&self, supply: u128) -> u128 {
        part_rounded_up(supply, u128::from(self.0.proposal_threshold_per_mille), 1000)
    }
}

/// ⌈whole · parts / of⌉ for `parts ≤ of`, without overflow. Rounded up: never in favour.
const fn part_rounded_up(whole: u128, parts: u128, of: u128) -> u128 {
    (whole / of) * parts + ((whole % of) * parts).div_ceil(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recommended_charter_is_within_the_standard_bounds() {
        assert!(Charter::new(CharterParameters::STANDARD, Bounds::Standard).is_ok());
    }

    #[test]
    fn each_parameter_outside_its_bounds_is_refused_by_name() {
        let base = CharterParameters::STANDARD;
        let cases = [
            ("voting_delay_ms", CharterParameters { voting_delay_ms: HOUR_MS - 1, ..base }),
            ("voting_period_ms", CharterParameters { voting_period_ms: 0, ..base }),
            ("quorum_percent", CharterParameters { quorum_percent: 101, ..base }),
            ("quorum_percent", CharterParameters { quorum_percent: 0, ..base }),
            ("minimum_voters", CharterParameters { minimum_voters: 2, ..base }),
            (
                "proposal_threshold_per_mille",
                CharterParameters { proposal_threshold_per_mille: 101, ..base },
            ),
            ("timelock_ms", CharterParameters { timelock_ms: 2 * DAY_MS - 1, ..base }),
            ("grace_ms", CharterParameters { grace_ms: 31 * DAY_MS, ..base }),
        ];
        for (name, parameters) in cases {
            let error = Charter::new(parameters, Bounds::Standard).unwrap_err();
            let CharterError::OutOfBounds { parameter, .. } = error;
            assert_eq!(parameter, name);
        }
    }

    #[test]
    fn a_demonstration_may_be_quick_but_not_instant() {
        let quick = CharterParameters {
            voting_delay_ms: 1,
            voting_period_ms: 1,
            timelock_ms: 1,
            grace_ms: 1,
            minimum_voters: 1,
            ..CharterParameters::STANDARD
        };
        assert!(Charter::new(quick, Bounds::Demonstration).is_ok());
        assert!(Charter::new(quick, Bounds::Standard).is_err());
        let instant = CharterParameters { timelock_ms: 0, ..quick };
        assert!(Charter::new(instant, Bounds::Demonstration).is_err());
    }

    #[test]
    fn parts_are_rounded_up_and_do_not_overflow() {
        assert_eq!(part_rounded_up(1_000_000_000, 1, 100), 10_000_000);
        assert_eq!(part_rounded_up(101, 1, 100), 2);
        assert_eq!(part_rounded_up(u128::MAX, 100, 100), u128::MAX);
        assert_eq!(part_rounded_up(u128::MAX, 1000, 1000), u128::MAX);
        assert_eq!(part_rounded_up(0, 100, 100), 0);
    }
}
