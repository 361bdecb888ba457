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

use privacy_identity::{Digest, Tag};

use crate::Refusal;

/// Rules that this program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rules {
    /// Those of every log so far.
    V1,
}

impl Rules {
    /// All of them, oldest first.
    pub const ALL: &[Self] = &[Self::V1];

    /// What a vote is about, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "sahakar/rules/v1",
        }
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
