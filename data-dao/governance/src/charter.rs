//! How a DAO votes: parameters, each within bounds.

use serde::{Deserialize, Serialize};

use crate::{CharterError, Class, Counting, MINIMUM_VOTERS_MAX, Parameter};

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

/// The parameters as they are written down, not yet checked. This is the wire form. What a
/// configuration leaves out is as in [`CharterParameters::STANDARD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CharterParameters {
    /// From the proposal to the snapshot of weights, after which votes are taken. Standard: 1 h to 7 d.
    pub voting_delay_ms: u64,
    /// How long votes are taken. Standard: 1 d to 30 d.
    pub voting_period_ms: u64,
    /// For and Abstain together reach this part of all weight, in parts per hundred: 1 to 100.
    pub quorum_percent: u8,
    /// Fewest members with weight who vote For or Abstain: at most 100, and all of them where there are fewer
    /// ([`Counting::Reachable`]). Standard: at least 3.
    pub minimum_voters: u32,
    /// The same as a part of all members with weight, in parts per thousand, rounded up: 0 to
    /// 1000. The larger of the two counts.
    pub minimum_voters_per_mille: u16,
    /// Weight that may propose, in parts per thousand of all weight, or what a member has on average if that is less
    /// ([`Counting::Reachable`]): 0 to 100.
    pub proposal_threshold_per_mille: u16,
    /// From the queue to execution. Standard: 48 h to 30 d.
    pub timelock_ms: u64,
    /// The same for critical proposals ([`Class::Critical`]): at least `timelock_ms`, at most 30 d.
    pub critical_timelock_ms: u64,
    /// How long an execution may be late. Standard: 1 d to 30 d.
    pub grace_ms: u64,
    /// How long votes are taken at least after the quorum was first reached: at most the period.
    pub late_extension_ms: u64,
    /// A proposal that begins to succeed so shortly before the end can be objected to: at most
    /// the period.
    pub objection_window_ms: u64,
    /// For how long: only votes against are taken then. At most the period; 0: not at all.
    pub objection_period_ms: u64,
    /// Weight For, in parts per hundred of all weight, that ends a vote early: at least the
    /// quorum, or 0: never. Standard: 0, since it would cut off who overrides a delegate.
    pub super_quorum_percent: u8,
    /// How old a credit is before it votes. Standard: 1 d to 90 d.
    pub maturity_ms: u64,
    /// After so many days a credit votes with half its weight. 30 to 3650.
    pub half_life_days: u16,
    /// How long a delegation lasts at most. Standard: 1 d to 365 d.
    pub delegation_ms_max: u64,
    /// How long sealed ballots are opened after the vote. Standard: 1 d to 7 d.
    pub reveal_period_ms: u64,
    /// How long a guardian serves at most. Standard: 1 d to 365 d.
    pub guardian_term_ms_max: u64,
}

impl Default for CharterParameters {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl CharterParameters {
    /// The recommended parameters of a real DAO. Source: the project's study of governance (`OpenZeppelin`
    /// Governor, Compound, Nouns, Vana); 21 days of maturity are those of Vana's VRC-8.
    pub const STANDARD: Self = Self {
        voting_delay_ms: DAY_MS,
        voting_period_ms: 7 * DAY_MS,
        quorum_percent: 10,
        minimum_voters: 3,
        minimum_voters_per_mille: 10,
        proposal_threshold_per_mille: 5,
        timelock_ms: 2 * DAY_MS,
        critical_timelock_ms: 7 * DAY_MS,
        grace_ms: 14 * DAY_MS,
        late_extension_ms: 2 * DAY_MS,
        objection_window_ms: DAY_MS,
        objection_period_ms: 2 * DAY_MS,
        super_quorum_percent: 0,
        maturity_ms: 21 * DAY_MS,
        half_life_days: 180,
        delegation_ms_max: 180 * DAY_MS,
        reveal_period_ms: 2 * DAY_MS,
        guardian_term_ms_max: 365 * DAY_MS,
    };

    /// A demonstration's: a vote takes two seconds, and credits vote as soon as they are earned.
    pub const DEMONSTRATION: Self = Self {
        voting_delay_ms: 50,
        voting_period_ms: 2_000,
        minimum_voters: 1,
        minimum_voters_per_mille: 0,
        timelock_ms: 100,
        critical_timelock_ms: 100,
        late_extension_ms: 0,
        objection_window_ms: 0,
        objection_period_ms: 0,
        maturity_ms: 0,
        reveal_period_ms: 1_000,
        ..Self::STANDARD
    };

    /// The parameters with one of them changed; [`Charter::new`] checks the result.
    ///
    /// # Errors
    /// [`CharterError::OutOfBounds`] if the value does not fit the parameter's width.
    pub fn with(mut self, parameter: Parameter, value: u64) -> Result<Self, CharterError> {
        match parameter {
            Parameter::VotingDelayMs => self.voting_delay_ms = value,
            Parameter::VotingPeriodMs => self.voting_period_ms = value,
            Parameter::QuorumPercent => self.quorum_percent = narrow(parameter, value)?,
            Parameter::MinimumVoters => self.minimum_voters = narrow(parameter, value)?,
            Parameter::MinimumVotersPerMille => {
                self.minimum_voters_per_mille = narrow(parameter, value)?;
            }
            Parameter::ProposalThresholdPerMille => {
                self.proposal_threshold_per_mille = narrow(parameter, value)?;
            }
            Parameter::TimelockMs => self.timelock_ms = value,
            Parameter::CriticalTimelockMs => self.critical_timelock_ms = value,
            Parameter::GraceMs => self.grace_ms = value,
            Parameter::LateExtensionMs => self.late_extension_ms = value,
            Parameter::ObjectionWindowMs => self.objection_window_ms = value,
            Parameter::ObjectionPeriodMs => self.objection_period_ms = value,
            Parameter::SuperQuorumPercent => self.super_quorum_percent = narrow(parameter, value)?,
            Parameter::MaturityMs => self.maturity_ms = value,
            Parameter::HalfLifeDays => self.half_life_days = narrow(parameter, value)?,
            Parameter::DelegationMsMax => self.delegation_ms_max = value,
            Parameter::RevealPeriodMs => self.reveal_period_ms = value,
            Parameter::GuardianTermMsMax => self.guardian_term_ms_max = value,
        }
        Ok(self)
    }
}

fn narrow<T: TryFrom<u64>>(parameter: Parameter, got: u64) -> Result<T, CharterError> {
    T::try_from(got).map_err(|_source| CharterError::OutOfBounds {
        parameter: parameter.as_str(),
        got,
        low: 0,
        high: u64::MAX >> (64 - 8 * size_of::<T>()),
    })
}

/// Parameters that were checked. [`Charter::new`] is the only constructor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charter {
    parameters: CharterParameters,
    bounds: Bounds,
    counting: Counting,
}

impl Charter {
    /// Checks `parameters` against `bounds`, with demands that are [`Counting::Reachable`].
    ///
    /// # Errors
    /// [`CharterError::OutOfBounds`], naming the first parameter outside.
    ///
    /// Source of the bounds: those of `OpenZeppelin` Governor 5.7 (late extension at most the
    /// period) and Compound's timelock (2 to 30 days), so that no vote can brick the DAO or rush
    /// a decision.
    pub fn new(parameters: CharterParameters, bounds: Bounds) -> Result<Self, CharterError> {
        Self::counted(parameters, bounds, Counting::Reachable)
    }

    /// [`Self::new`] with the counting of the log's rules.
    ///
    /// # Errors
    /// As [`Charter::new`].
    pub fn counted(
        parameters: CharterParameters,
        bounds: Bounds,
        counting: Counting,
    ) -> Result<Self, CharterError> {
        for (parameter, got, (low, high)) in limits(&parameters, bounds, counting) {
            if !(low..=high).contains(&got) {
                return Err(CharterError::OutOfBounds {
                    parameter: parameter.as_str(),
                    got,
                    low,
                    high,
                });
            }
        }
        Ok(Self { parameters, bounds, counting })
    }

    /// The charter under other rules: demands that they do not know are brought to the nearest that they do.
    #[must_use]
    pub fn recounted(mut self, counting: Counting) -> Self {
        let most = minimum_voters_max(counting);
        self.counting = counting;
        self.parameters.minimum_voters = self.parameters.minimum_voters.min(most);
        self
    }

    /// How demands are counted.
    #[must_use]
    pub const fn counting(&self) -> Counting {
        self.counting
    }

    /// The charter with the quorum of `other`, where that is the higher one.
    pub(crate) fn at_least(mut self, other: &Self) -> Self {
        let (own, other) = (&mut self.parameters, &other.parameters);
        own.quorum_percent = own.quorum_percent.max(other.quorum_percent);
        own.minimum_voters = own.minimum_voters.max(other.minimum_voters);
        own.minimum_voters_per_mille =
            own.minimum_voters_per_mille.max(other.minimum_voters_per_mille);
        self
    }

    /// The charter with one parameter changed, within the same bounds.
    ///
    /// # Errors
    /// As [`Charter::new`].
    pub fn with(&self, parameter: Parameter, value: u64) -> Result<Self, CharterError> {
        Self::counted(self.parameters.with(parameter, value)?, self.bounds, self.counting)
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &CharterParameters {
        &self.parameters
    }

    /// The least weight of For and Abstain that makes a quorum of `supply`.
    #[must_use]
    pub fn quorum(&self, supply: u128) -> u128 {
        part_rounded_up(supply, u128::from(self.parameters.quorum_percent), 100)
    }

    /// The least number of members that vote For or Abstain, of `holders` with weight.
    #[must_use]
    pub fn quorum_voters(&self, holders: u64) -> u64 {
        let part = u128::from(self.parameters.minimum_voters_per_mille);
        // At most `holders`, as the part is at most 1000 per mille.
        let part =
            u64::try_from(part_rounded_up(u128::from(holders), part, 1000)).unwrap_or(holders);
        let fewest = u64::from(self.parameters.minimum_voters);
        part.max(match self.counting {
            Counting::Fixed => fewest,
            Counting::Reachable => fewest.min(holders.max(voters_least(self.bounds))),
        })
    }

    /// The weight For that ends a vote early, if any does.
    #[must_use]
    pub fn super_quorum(&self, supply: u128) -> Option<u128> {
        let percent = self.parameters.super_quorum_percent;
        (percent > 0).then(|| part_rounded_up(supply, u128::from(percent), 100))
    }

    /// The least weight of `supply`, which `holders` have together, that may propose: above zero.
    ///
    /// Among more than 200 equal members nobody has 0.5 % of all weight. Somebody always has the average.
    #[must_use]
    pub fn proposal_threshold(&self, supply: u128, holders: u64) -> u128 {
        let part = u128::from(self.parameters.proposal_threshold_per_mille);
        let part = part_rounded_up(supply, part, 1000);
        let average = supply / u128::from(holders.max(1));
        let needed = match self.counting {
            Counting::Fixed => part,
            Counting::Reachable => part.min(average),
        };
        needed.max(1)
    }

    /// From the queue to execution.
    #[must_use]
    pub const fn timelock_ms(&self, class: Class) -> u64 {
        match class {
            Class::Ordinary => self.parameters.timelock_ms,
            Class::Critical => self.parameters.critical_timelock_ms,
        }
    }
}

type Limit = (Parameter, u64, (u64, u64));

/// Every parameter with its value and what it may be.
fn limits(p: &CharterParameters, bounds: Bounds, counting: Counting) -> [Limit; 18] {
    let standard = bounds == Bounds::Standard;
    let least = |least: u64| if standard { least } else { 1 };
    let from_zero = |least: u64| if standard { least } else { 0 };
    let period = p.voting_period_ms;
    let quorum = u64::from(p.quorum_percent);
    let voters = (voters_least(bounds), minimum_voters_max(counting).into());
    let super_quorum = match (p.super_quorum_percent, bounds) {
        (0, _) | (_, Bounds::Standard) => (0, 0),
        (_, Bounds::Demonstration) => (quorum, 100),
    };
    [
        (Parameter::VotingDelayMs, p.voting_delay_ms, (least(HOUR_MS), 7 * DAY_MS)),
        (Parameter::VotingPeriodMs, period, (least(DAY_MS), 30 * DAY_MS)),
        (Parameter::QuorumPercent, quorum, (1, 100)),
        (Parameter::MinimumVoters, p.minimum_voters.into(), voters),
        (Parameter::MinimumVotersPerMille, p.minimum_voters_per_mille.into(), (0, 1000)),
        (Parameter::ProposalThresholdPerMille, p.proposal_threshold_per_mille.into(), (0, 100)),
        (Parameter::TimelockMs, p.timelock_ms, (least(2 * DAY_MS), 30 * DAY_MS)),
        (Parameter::CriticalTimelockMs, p.critical_timelock_ms, (p.timelock_ms, 30 * DAY_MS)),
        (Parameter::GraceMs, p.grace_ms, (least(DAY_MS), 30 * DAY_MS)),
        (Parameter::LateExtensionMs, p.late_extension_ms, (0, period)),
        (Parameter::ObjectionWindowMs, p.objection_window_ms, (0, period)),
        (Parameter::ObjectionPeriodMs, p.objection_period_ms, (0, period)),
        (Parameter::SuperQuorumPercent, p.super_quorum_percent.into(), super_quorum),
        (Parameter::MaturityMs, p.maturity_ms, (from_zero(DAY_MS), 90 * DAY_MS)),
        (Parameter::HalfLifeDays, p.half_life_days.into(), (30, 3650)),
        (Parameter::DelegationMsMax, p.delegation_ms_max, (least(DAY_MS), 365 * DAY_MS)),
        (Parameter::RevealPeriodMs, p.reveal_period_ms, (least(DAY_MS), 7 * DAY_MS)),
        (Parameter::GuardianTermMsMax, p.guardian_term_ms_max, (least(DAY_MS), 365 * DAY_MS)),
    ]
}

/// Fewest voters that a charter may be content with, whoever is there.
const fn voters_least(bounds: Bounds) -> u64 {
    match bounds {
        Bounds::Standard => 3,
        Bounds::Demonstration => 1,
    }
}

const fn minimum_voters_max(counting: Counting) -> u32 {
    match counting {
        Counting::Fixed => u32::MAX,
        Counting::Reachable => MINIMUM_VOTERS_MAX,
    }
}

/// ⌈whole · parts / of⌉ for `parts ≤ of`, without overflow. Rounded up: never in favour.
const fn part_rounded_up(whole: u128, parts: u128, of: u128) -> u128 {
    (whole / of) * parts + ((whole % of) * parts).div_ceil(of)
}

#[cfg(test)]
mod tests;
