//! The charter's parameters by name, so that a vote can change one of them.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! parameters {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal),+ $(,)?) => {
        /// A parameter of the charter; each is described at the field of
        /// [`CharterParameters`](crate::CharterParameters) with its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Parameter {
            $($(#[$doc])* $variant,)+
        }

        impl Parameter {
            /// All parameters.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name: that of the field.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The byte that stands for it in a proposal's canonical encoding.
            pub(crate) const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

parameters! {
    /// See `voting_delay_ms`.
    VotingDelayMs = 1 "voting_delay_ms",
    /// See `voting_period_ms`.
    VotingPeriodMs = 2 "voting_period_ms",
    /// See `quorum_percent`.
    QuorumPercent = 3 "quorum_percent",
    /// See `minimum_voters`.
    MinimumVoters = 4 "minimum_voters",
    /// See `minimum_voters_per_mille`.
    MinimumVotersPerMille = 5 "minimum_voters_per_mille",
    /// See `proposal_threshold_per_mille`.
    ProposalThresholdPerMille = 6 "proposal_threshold_per_mille",
    /// See `timelock_ms`.
    TimelockMs = 7 "timelock_ms",
    /// See `critical_timelock_ms`.
    CriticalTimelockMs = 8 "critical_timelock_ms",
    /// See `grace_ms`.
    GraceMs = 9 "grace_ms",
    /// See `late_extension_ms`.
    LateExtensionMs = 10 "late_extension_ms",
    /// See `objection_window_ms`.
    ObjectionWindowMs = 11 "objection_window_ms",
    /// See `objection_period_ms`.
    ObjectionPeriodMs = 12 "objection_period_ms",
    /// See `super_quorum_percent`.
    SuperQuorumPercent = 13 "super_quorum_percent",
    /// See `maturity_ms`.
    MaturityMs = 14 "maturity_ms",
    /// See `half_life_days`.
    HalfLifeDays = 15 "half_life_days",
    /// See `delegation_ms_max`.
    DelegationMsMax = 16 "delegation_ms_max",
    /// See `reveal_period_ms`.
    RevealPeriodMs = 17 "reveal_period_ms",
    /// See `guardian_term_ms_max`.
    GuardianTermMsMax = 18 "guardian_term_ms_max",
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|parameter| parameter.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|parameter| parameter.as_str()).collect();
            format!("{text:?} is no parameter of the charter; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_codes_tell_parameters_apart() {
        let names: BTreeSet<_> = Parameter::ALL.iter().map(|p| p.as_str()).collect();
        let codes: BTreeSet<_> = Parameter::ALL.iter().map(|p| p.code()).collect();
        assert_eq!((names.len(), codes.len()), (Parameter::ALL.len(), Parameter::ALL.len()));
        for parameter in Parameter::ALL {
            assert_eq!(parameter.as_str().parse(), Ok(*parameter));
        }
        assert!("quorum".parse::<Parameter>().is_err());
    }
}
