//! A proposal, its votes and its way to execution.

use std::{collections::BTreeMap, fmt, str::FromStr};

use privacy_identity::list_to_writer;
use privacy_identity::{
    Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer,
};
use serde::{Deserialize, Serialize};

use crate::{ACTIONS_MAX, Action, Ballot, Charter, Choice, GovernanceError, text};

/// Longest title.
pub const TITLE_BYTES_MAX: usize = 200;
/// Longest description.
pub const DESCRIPTION_BYTES_MAX: usize = 8_000;

/// Votes per member, frozen when a proposal is made.
pub type Weights = BTreeMap<VerifyingKey, u128>;

/// The digest of a proposal's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProposalId(pub Digest);

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProposalId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self)
    }
}

/// What is proposed, by whom: all that its id and signature cover. This is the wire form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalContent {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// One line.
    pub title: String,
    /// Why.
    pub description: String,
    /// What happens on execution, all or nothing, in this order.
    pub actions: Vec<Action>,
    /// Who proposes.
    #[serde(with = "text")]
    pub proposer: VerifyingKey,
    /// Makes the same proposal possible again.
    #[serde(with = "text")]
    pub salt: u64,
}

impl ProposalContent {
    /// The content's digest under [`Tag::Proposal`].
    #[must_use]
    pub fn id(&self) -> ProposalId {
        ProposalId(Digest::of_encoded(Tag::Proposal, self))
    }

    /// Signs the content; `key` must be the proposer's.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Tag::Proposal, &self.to_bytes())
    }

    /// Checks that the proposer signed.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify(&self, signature: &Signature) -> Result<(), KeyError> {
        self.proposer.verify(Tag::Proposal, &self.to_bytes(), signature)
    }

    fn check_lengths(&self) -> Result<(), GovernanceError> {
        let lengths = [
            ("title", self.title.len(), TITLE_BYTES_MAX),
            ("description", self.description.len(), DESCRIPTION_BYTES_MAX),
            ("actions", self.actions.len(), ACTIONS_MAX),
        ];
        for (field, got, max) in lengths {
            if !(1..=max).contains(&got) {
                return Err(GovernanceError::Length { field, got, max });
            }
        }
        Ok(())
    }
}

impl Encode for ProposalContent {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        writer.text(&self.title);
        writer.text(&self.description);
        list_to_writer(&self.actions, writer);
        self.proposer.encode(writer);
        writer.u64(self.salt);
    }
}

/// The proposer's wish to withdraw a proposal: what the signature of a cancellation covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancellation {
    /// The DAO.
    pub dao: Digest,
    /// The proposal to withdraw.
    pub proposal: ProposalId,
}

impl Cancellation {
    /// Signs the cancellation; `key` must be the proposer's.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Tag::MemberRequest, &self.to_bytes())
    }

    /// Checks that `proposer` signed.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify(&self, proposer: &VerifyingKey, signature: &Signature) -> Result<(), KeyError> {
        proposer.verify(Tag::MemberRequest, &self.to_bytes(), signature)
    }
}

impl Encode for Cancellation {
    fn encode(&self, writer: &mut Writer) {
        writer.text("cancel-proposal");
        self.dao.encode(writer);
        self.proposal.0.encode(writer);
    }
}

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalState {
    /// Voting has not begun.
    Pending,
    /// Votes are taken.
    Active,
    /// The proposer withdrew it.
    Canceled,
    /// No quorum, or not more For than Against.
    Defeated,
    /// It may be queued.
    Succeeded,
    /// The timelock runs or has ended: executable from `eta_ms` on, until the grace ends.
    Queued {
        /// When the timelock ends, in ledger time.
        eta_ms: u64,
    },
    /// It was not executed in time.
    Expired,
    /// Its actions took effect.
    Executed,
}

/// Weight and voters by choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Weight against.
    pub against: u128,
    /// Weight for.
    pub in_favour: u128,
    /// Weight abstaining.
    pub abstain: u128,
    /// Members who voted For or Abstain: those who make the quorum.
    pub quorum_voters: u32,
    /// Members who voted.
    pub voters: u32,
}

/// What was done to the proposal; the rest of its state follows from time and tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    Canceled,
    Queued { eta_ms: u64 },
    Executed,
}

/// A proposal with its frozen weights and its votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    id: ProposalId,
    content: ProposalContent,
    charter: Charter,
    weights: Weights,
    supply: u128,
    created_ms: u64,
    snapshot_ms: u64,
    deadline_ms: u64,
    tally: Tally,
    choices: BTreeMap<VerifyingKey, Choice>,
    progress: Progress,
}

impl Proposal {
    /// Takes a proposal in, with `weights` and `charter` as they are at `now_ms`: later changes
    /// of either do not touch it. The signature is the caller's to check.
    ///
    /// # Errors
    /// [`GovernanceError`] if a part is empty or too long, the proposer is below the threshold,
    /// or an amount or time overflows.
    pub fn new(
        content: ProposalContent,
        weights: Weights,
        charter: Charter,
        now_ms: u64,
    ) -> Result<Self, GovernanceError> {
        content.check_lengths()?;
        let supply = weights
            .values()
            .try_fold(0_u128, |sum, weight| sum.checked_add(*weight))
            .ok_or(GovernanceError::WeightOverflow)?;
        let got = weights.get(&content.proposer).copied().unwrap_or(0);
        let needed = charter.proposal_threshold(supply);
        if got < needed || got == 0 {
            return Err(GovernanceError::BelowThreshold { got, needed: needed.max(1) });
        }
        let after = |start: u64, length: u64| {
            start.checked_add(length).ok_or(GovernanceError::TimeOverflow)
        };
        let snapshot_ms = after(now_ms, charter.parameters().voting_delay_ms)?;
        let deadline_ms = after(snapshot_ms, charter.parameters().voting_period_ms)?;
        Ok(Self {
            id: content.id(),
            content,
            charter,
            weights,
            supply,
            created_ms: now_ms,
            snapshot_ms,
            deadline_ms,
            tally: Tally::default(),
            choices: BTreeMap::new(),
            progress: Progress::Open,
        })
    }

    /// Where the proposal stands at `now_ms`.
    ///
    /// Pending up to and including the snapshot, Active up to and including the deadline.
    #[must_use]
    pub fn state(&self, now_ms: u64) -> ProposalState {
        match self.progress {
            Progress::Canceled => ProposalState::Canceled,
            Progress::Executed => ProposalState::Executed,
            Progress::Queued { eta_ms } => {
                let end_ms = eta_ms.saturating_add(self.charter.parameters().grace_ms);
                if now_ms >= end_ms {
                    ProposalState::Expired
                } else {
                    ProposalState::Queued { eta_ms }
                }
            }
            Progress::Open if now_ms <= self.snapshot_ms => ProposalState::Pending,
            Progress::Open if now_ms <= self.deadline_ms => ProposalState::Active,
            Progress::Open if self.quorum_reached() && self.more_for_than_against() => {
                ProposalState::Succeeded
            }
            Progress::Open => ProposalState::Defeated,
        }
    }

    /// Counts `ballot`. Its signature, DAO and proposal are the caller's to check.
    ///
    /// Returns the weight with which it counts.
    ///
    /// # Errors
    /// [`GovernanceError`] outside the voting period, without weight, or a second time. The
    /// proposal is unchanged then.
    pub fn cast(&mut self, ballot: &Ballot, now_ms: u64) -> Result<u128, GovernanceError> {
        self.require("voting", "Active", ProposalState::Active, now_ms)?;
        let voter = ballot.voter;
        let weight = self.weights.get(&voter).copied().unwrap_or(0);
        if weight == 0 {
            return Err(GovernanceError::NoWeight { voter });
        }
        if self.choices.contains_key(&voter) {
            return Err(GovernanceError::AlreadyVoted { voter });
        }
        // Each voter counts once, so no sum exceeds the supply, which fits.
        let side = match ballot.choice {
            Choice::Against => &mut self.tally.against,
            Choice::For => &mut self.tally.in_favour,
            Choice::Abstain => &mut self.tally.abstain,
        };
        *side += weight;
        self.tally.voters += 1;
        if ballot.choice != Choice::Against {
            self.tally.quorum_voters += 1;
        }
        self.choices.insert(voter, ballot.choice);
        Ok(weight)
    }

    /// Starts the timelock of a successful proposal and returns when it ends.
    ///
    /// # Errors
    /// [`GovernanceError::WrongState`] unless it succeeded and was not queued before.
    pub fn queue(&mut self, now_ms: u64) -> Result<u64, GovernanceError> {
        self.require("queueing", "Succeeded", ProposalState::Succeeded, now_ms)?;
        let eta_ms = now_ms
            .checked_add(self.charter.parameters().timelock_ms)
            .ok_or(GovernanceError::TimeOverflow)?;
        self.progress = Progress::Queued { eta_ms };
        Ok(eta_ms)
    }

    /// Checks that the proposal may be executed at `now_ms`: queued, the timelock over, the grace
    /// not, and the content still the one that was voted on.
    ///
    /// # Errors
    /// [`GovernanceError`] saying which does not hold.
    pub fn check_executable(&self, now_ms: u64) -> Result<&[Action], GovernanceError> {
        let state = self.state(now_ms);
        let ProposalState::Queued { eta_ms } = state else {
            return Err(GovernanceError::WrongState { step: "execution", needed: "Queued", state });
        };
        if now_ms < eta_ms {
            return Err(GovernanceError::TimelockRuns { eta_ms, now_ms });
        }
        let got = self.content.id();
        if got != self.id {
            return Err(GovernanceError::ContentChanged { expected: self.id, got });
        }
        Ok(&self.content.actions)
    }

    /// Marks the proposal executed. The caller carries the actions out, all or none.
    ///
    /// # Errors
    /// As [`Proposal::check_executable`].
    pub fn execute(&mut self, now_ms: u64) -> Result<(), GovernanceError> {
        self.check_executable(now_ms)?;
        self.progress = Progress::Executed;
        Ok(())
    }

    /// Withdraws the proposal: by its proposer, before voting begins.
    ///
    /// # Errors
    /// [`GovernanceError::NotTheProposer`] or [`GovernanceError::WrongState`].
    pub fn cancel(&mut self, by: &VerifyingKey, now_ms: u64) -> Result<(), GovernanceError> {
        let proposer = self.content.proposer;
        if *by != proposer {
            return Err(GovernanceError::NotTheProposer { by: *by, proposer });
        }
        self.require("cancelling", "Pending", ProposalState::Pending, now_ms)?;
        self.progress = Progress::Canceled;
        Ok(())
    }

    /// Whether For and Abstain reach the quorum of weight and of voters.
    #[must_use]
    pub fn quorum_reached(&self) -> bool {
        // Both are at most the supply together.
        let weight = self.tally.in_favour + self.tally.abstain;
        weight >= self.quorum()
            && self.tally.quorum_voters >= self.charter.parameters().minimum_voters
    }

    /// The weight that For and Abstain have to reach together.
    #[must_use]
    pub fn quorum(&self) -> u128 {
        self.charter.quorum(self.supply)
    }

    const fn more_for_than_against(&self) -> bool {
        self.tally.in_favour > self.tally.against
    }

    fn require(
        &self,
        step: &'static str,
        needed: &'static str,
        wanted: ProposalState,
        now_ms: u64,
    ) -> Result<(), GovernanceError> {
        let state = self.state(now_ms);
        if state == wanted {
            Ok(())
        } else {
            Err(GovernanceError::WrongState { step, needed, state })
        }
    }

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

    /// The votes counted so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The frozen weights.
    #[must_use]
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The sum of the frozen weights.
    #[must_use]
    pub const fn supply(&self) -> u128 {
        self.supply
    }

    /// Who voted what.
    #[must_use]
    pub const fn choices(&self) -> &BTreeMap<VerifyingKey, Choice> {
        &self.choices
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

    /// The last moment of voting, in ledger time.
    #[must_use]
    pub const fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }
}

#[cfg(test)]
mod tests;
