//! The rules by which a log is read, named so that members can vote for others.
//!
//! ```text
//!  … UpgradeRules executed ─► entries by the new rules      a program that has them goes on
//!                           └► refused from here on         a program that does not: it stops, and never guesses
//! ```
//! Threat: two programs that read one log differently, each sure of its balances. A digest of the rules stands in the state;
//! every change of what [`crate::State::apply`] does to an entry is a new member of [`Rules`], which keeps doing the old thing
//! for the entries before the vote. What a program has never decides what the log says: an upgrade that nobody's program has is
//! executed all the same, and stops every log keeper until one is written. That is why it is critical, and can be vetoed.

use data_dao_governance::Counting;
use privacy_identity::{Digest, Tag};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Rules that this program has, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rules {
    /// Those of every log whose first entry names none.
    #[default]
    V1,
    /// What a charter asks for is never more than those who are there can give ([`Counting::Reachable`]), and votes do not
    /// go back to older rules.
    V2,
}

impl Rules {
    /// All of them, oldest first.
    pub const ALL: &[Self] = &[Self::V1, Self::V2];

    /// Those by which a DAO is founded now.
    pub const NEWEST: Self = Self::V2;

    /// What a vote is about, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "sahakar/rules/v1",
            Self::V2 => "sahakar/rules/v2",
        }
    }

    /// How a charter's demands are counted.
    #[must_use]
    pub const fn counting(self) -> Counting {
        match self {
            Self::V1 => Counting::Fixed,
            Self::V2 => Counting::Reachable,
        }
    }

    /// Leaves of before there was a choice keep their bytes.
    pub(crate) const fn is_first(&self) -> bool {
        matches!(self, Self::V1)
    }

    /// What stands in a proposal: the digest of the name.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest::of(Tag::Rules, self.name().as_bytes())
    }

    /// The rules with this digest.
    ///
    /// # Errors
    /// [`Refusal::UnknownRules`] if this program does not have them.
    pub fn of(digest: Digest) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|rules| rules.digest() == digest);
        found.ok_or(Refusal::UnknownRules { rules: digest })
    }
}
