//! A robust rule over the groups of a sealed round, as a federation agrees on it.

use std::fmt;

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use crate::{RobustError, RobustRule};

/// Why a rule over groups was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GroupRuleError {
    /// Too few groups for any rule, or too many to open.
    #[error("{got} groups: {min} to {max} can be taken", min = GroupRule::GROUPS_MIN, max = GroupRule::GROUPS_MAX)]
    Groups {
        /// How many.
        got: u32,
    },
    /// A rule that helps against nobody.
    #[error(
        "{rule} over {groups} groups withstands nobody: groups would show more of each update and protect no model"
    )]
    Withstands {
        /// The rule.
        rule: RobustRule,
        /// How many groups.
        groups: u32,
    },
    /// Fewer groups than the rule takes.
    #[error("{groups} groups: {source}")]
    Rule {
        /// How many groups.
        groups: u32,
        /// Why not.
        source: RobustError,
    },
}

/// Into how many groups the contributors of a round are dealt, each with a sealed sum of its own, and the rule that makes one
/// step of the groups' means.
///
/// Threat: F attackers are in F groups at most, whichever those are; the rule withstands [`GroupRule::withstands`] groups. More
/// groups withstand more and hide less: an update hides among its group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupRule {
    groups: u32,
    rule: RobustRule,
}

impl GroupRule {
    /// Fewest groups among which one can be outvoted.
    pub const GROUPS_MIN: u32 = 3;
    /// Most groups: each is a sum and two probes as long as the model, in one message.
    pub const GROUPS_MAX: u32 = 64;

    /// Takes `rule` over `groups` groups.
    ///
    /// # Errors
    /// [`GroupRuleError`].
    pub fn new(groups: u32, rule: RobustRule) -> Result<Self, GroupRuleError> {
        if !(Self::GROUPS_MIN..=Self::GROUPS_MAX).contains(&groups) {
            return Err(GroupRuleError::Groups { got: groups });
        }
        let count = groups as usize;
        rule.check_count(count).map_err(|source| GroupRuleError::Rule { groups, source })?;
        if rule.withstands(count) == 0 {
            return Err(GroupRuleError::Withstands { rule, groups });
        }
        Ok(Self { groups, rule })
    }

    /// How many groups.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups as usize
    }

    /// The rule over their means.
    #[must_use]
    pub const fn rule(&self) -> RobustRule {
        self.rule
    }

    /// How many attackers may take part, at least 1.
    #[must_use]
    pub fn withstands(&self) -> usize {
        self.rule.withstands(self.groups())
    }
}

impl fmt::Display for GroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} groups", self.rule, self.groups)
    }
}

impl Encode for GroupRule {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.groups);
        self.rule.encode(writer);
    }
}

impl Decode for GroupRule {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (groups, rule) = (reader.u32()?, Decode::decode(reader)?);
        Self::new(groups, rule).map_err(|error| DecodeError::invalid("groups", error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_that_withstand_nobody_or_need_more_groups_are_refused() {
        let check = |groups, rule: &str, expected: &str| {
            let refused = GroupRule::new(groups, rule.parse().unwrap()).unwrap_err().to_string();
            assert!(refused.contains(expected), "{rule} of {groups}: {refused}");
        };
        check(2, "median", "2 groups: 3 to 64 can be taken");
        check(65, "median", "65 groups: 3 to 64 can be taken");
        check(4, "krum:f=1", "krum needs at least 5 updates to withstand 1 liars, got 4");
        check(7, "multi-krum:f=2,m=4", "averages 1..=3 updates here, asked for 4");
        check(5, "krum:f=0", "withstands nobody");
        check(5, "trimmed-mean:beta=0.1", "trimmed-mean:beta=0.1 over 5 groups withstands nobody");
        check(5, "mean", "withstands nobody");
        check(5, "norm-bound:norm=1", "withstands nobody");
        for (groups, rule, withstands) in [
            (3, "median", 1),
            (5, "krum:f=1", 1),
            (7, "multi-krum:f=2,m=3", 2),
            (10, "trimmed-mean:beta=0.2", 2),
            (9, "geometric-median", 4),
        ] {
            let rule = GroupRule::new(groups, rule.parse().unwrap()).unwrap();
            assert_eq!(rule.withstands(), withstands, "{rule}");
        }
    }

    /// A changed byte is a new version of a federation's terms.
    #[test]
    fn bytes_are_pinned() {
        let rule = GroupRule::new(5, RobustRule::Krum { byzantine: 1 }).unwrap();
        let bytes = [0, 0, 0, 5, 3, 0, 0, 0, 1];
        assert_eq!(rule.to_bytes(), bytes);
        assert_eq!(GroupRule::from_bytes(&bytes).unwrap(), rule);
        assert!(GroupRule::from_bytes(&[0, 0, 0, 4, 3, 0, 0, 0, 1]).is_err());
        assert_eq!(rule.to_string(), "krum:f=1 of 5 groups");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
            if let Ok(rule) = GroupRule::from_bytes(&bytes) {
                prop_assert_eq!(rule.to_bytes(), bytes);
            }
        }
    }
}
