//! Whom the DAO lets into a cohort.

use std::collections::BTreeSet;

use privacy_identity::VerifyingKey;

/// The keys that the DAO admitted to the federation.
///
/// The caller takes it from a roster whose signature it has checked. It is the only authority over who
/// joins and who goes: a commit may add only keys on it, and remove only keys that are not. So a
/// malicious member can neither let a puppet in nor throw an honest member out, and committing is
/// mere bookkeeping that any member may do.
///
/// Two members that look at different versions of the list may judge a commit differently. A refusal
/// changes nothing, so the one that is behind fetches the list and processes the commit again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(BTreeSet<VerifyingKey>);

impl AllowList {
    /// The list of `members`.
    pub fn new(members: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self(members.into_iter().collect())
    }

    /// Whether `member` is on the list.
    #[must_use]
    pub fn contains(&self, member: &VerifyingKey) -> bool {
        self.0.contains(member)
    }
}
