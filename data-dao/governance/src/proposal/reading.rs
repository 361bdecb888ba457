//! What can be asked of a proposal.

use std::collections::BTreeMap;

use privacy_identity::{Digest, VerifyingKey};

use super::{Progress, Proposal};
use crate::{Capacity, Charter, Class, Electorate, ProposalContent, ProposalId, Spent, Tally};

impl Proposal {
    /// The digest of the content.
    #[must_use]
    pub const fn id(&self) -> ProposalId {
        self.id
    }

    /// What is proposed.
    #[must_use]
    pub const fn content(&self) -> &ProposalContent {
        &self.content
    }

    /// How hard it is to pass.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The charter that it was made under.
    #[must_use]
    pub const fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The votes counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.poll.as_ref().map_or_else(Tally::default, |poll| *poll.tally())
    }

    /// Frozen weights and delegations, from the snapshot on.
    #[must_use]
    pub fn electorate(&self) -> Option<&Electorate> {
        self.poll.as_ref().map(super::Poll::electorate)
    }

    /// Who spent what, from the first ballot on.
    #[must_use]
    pub fn spent(&self) -> Option<&BTreeMap<VerifyingKey, Spent>> {
        self.poll.as_ref().map(super::Poll::spent)
    }

    /// Sealed ballots that were not opened yet.
    #[must_use]
    pub const fn commitments(&self) -> &BTreeMap<(VerifyingKey, Capacity), Digest> {
        &self.commitments
    }

    /// When the proposal was made, in ledger time.
    #[must_use]
    pub const fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// The last moment before voting begins, in ledger time.
    #[must_use]
    pub const fn snapshot_ms(&self) -> u64 {
        self.snapshot_ms
    }

    /// The last moment of voting, in ledger time: of committing, if ballots are sealed.
    #[must_use]
    pub const fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The last moment of opening sealed ballots, if they are sealed.
    #[must_use]
    pub fn reveal_deadline_ms(&self) -> Option<u64> {
        (self.reveal_ms > 0).then(|| self.ballots_end_ms())
    }

    /// The entry that executed it.
    #[must_use]
    pub const fn executed_by(&self) -> Option<u64> {
        match self.progress {
            Progress::Executed { index } => Some(index),
            _ => None,
        }
    }

    /// Why the guardian stopped it.
    #[must_use]
    pub fn veto_reason(&self) -> Option<&str> {
        match &self.progress {
            Progress::Vetoed { reason } => Some(reason),
            _ => None,
        }
    }
}
