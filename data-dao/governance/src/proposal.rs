//! A proposal and its states.
//!
//! Which state it is in follows from the proposal and the time; nothing has to be called for time
//! to pass. What has to be called (snapshot, queue, execution) falls due at a time that
//! [`Proposal::due`] tells, and whoever keeps the log has to do it before anything later.

mod reading;
mod sealing;

use std::collections::BTreeMap;

use privacy_identity::{Digest, VerifyingKey};

use crate::{
    Action, Ballot, BallotSecrecy, Capacity, Charter, Class, Draft, Electorate, GovernanceError,
    Guardian, Poll, ProposalContent, ProposalId, Tally, VETO_REASON_BYTES_MAX, Veto, Weights,
};

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalState {
    /// Not in the log yet.
    Draft,
    /// Voting has not begun.
    Pending,
    /// Votes are taken, or sealed ballots opened.
    Active,
    /// It began to succeed shortly before the end: only votes against are taken.
    Objection {
        /// The last moment of it, in ledger time.
        until_ms: u64,
    },
    /// It is about to be queued.
    Succeeded,
    /// No quorum, or not enough For.
    Defeated,
    /// The timelock runs or has ended: executed from `eta_ms` on, until the grace ends.
    Queued {
        /// When the timelock ends, in ledger time.
        eta_ms: u64,
    },
    /// Its actions took effect.
    Executed,
    /// It could not be executed in time.
    Expired,
    /// The guardian stopped it.
    Vetoed,
    /// The proposer withdrew it, or had too little weight when the vote was to begin.
    Canceled,
}

impl ProposalState {
    /// Whether nothing can happen to the proposal any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Defeated | Self::Executed | Self::Expired | Self::Vetoed | Self::Canceled
        )
    }
}

/// What falls due by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Freeze weights and delegations; votes are taken from then on.
    Open,
    /// Start the timelock.
    Queue,
    /// Carry the actions out.
    Execute,
}

/// What was done to the proposal; the rest of its state follows from time and tally.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    Open,
    Queued { eta_ms: u64 },
    Executed { index: u64 },
    Canceled,
    Vetoed { reason: String },
}

/// A proposal with its frozen weights and its votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    id: ProposalId,
    content: ProposalContent,
    class: Class,
    charter: Charter,
    created_ms: u64,
    snapshot_ms: u64,
    /// The last moment of voting; late quorum moves it once.
    deadline_ms: u64,
    /// How long sealed ballots are opened after it; 0 if they are not sealed.
    reveal_ms: u64,
    /// The ballot box, from the snapshot on.
    poll: Option<Poll>,
    commitments: BTreeMap<(VerifyingKey, Capacity), Digest>,
    quorum_was_reached: bool,
    objection: bool,
    progress: Progress,
}

impl Proposal {
    /// Takes a draft in, under `charter` as it is at `now_ms`: later changes do not touch it.
    /// The signature is the caller's to check.
    ///
    /// * `weights` — everybody's now, those above zero.
    ///
    /// # Errors
    /// [`GovernanceError::BelowThreshold`], or [`GovernanceError::TimeOverflow`].
    pub fn submit(
        draft: Draft,
        weights: &Weights,
        charter: Charter,
        now_ms: u64,
    ) -> Result<Self, GovernanceError> {
        check_threshold(draft.content().proposer, weights, &charter)?;
        let charter = charter.raised_by(&draft.content().actions);
        let parameters = charter.parameters();
        let snapshot_ms = after(now_ms, parameters.voting_delay_ms)?;
        let deadline_ms = after(snapshot_ms, parameters.voting_period_ms)?;
        let (id, content, class) = draft.into_parts();
        let reveal_ms = match content.ballots {
            BallotSecrecy::Open => 0,
            BallotSecrecy::Sealed => parameters.reveal_period_ms,
        };
        Ok(Self {
            id,
            content,
            class,
            charter,
            created_ms: now_ms,
            snapshot_ms,
            deadline_ms,
            reveal_ms,
            poll: None,
            commitments: BTreeMap::new(),
            quorum_was_reached: false,
            objection: false,
            progress: Progress::Open,
        })
    }

    /// Where the proposal stands at `now_ms`.
    ///
    /// Pending up to and including the snapshot, Active up to and including the deadline (and the
    /// end of the reveal period).
    #[must_use]
    pub fn state(&self, now_ms: u64) -> ProposalState {
        match self.progress {
            Progress::Canceled => ProposalState::Canceled,
            Progress::Vetoed { .. } => ProposalState::Vetoed,
            Progress::Executed { .. } => ProposalState::Executed,
            Progress::Queued { eta_ms } => {
                let end_ms = eta_ms.saturating_add(self.charter.parameters().grace_ms);
                let queued = ProposalState::Queued { eta_ms };
                if now_ms >= end_ms { ProposalState::Expired } else { queued }
            }
            Progress::Open if now_ms <= self.snapshot_ms => ProposalState::Pending,
            Progress::Open if self.ended_early() => ProposalState::Succeeded,
            Progress::Open if now_ms <= self.ballots_end_ms() => ProposalState::Active,
            Progress::Open if !self.succeeds() => ProposalState::Defeated,
            Progress::Open if self.objection && now_ms <= self.voting_end_ms() => {
                ProposalState::Objection { until_ms: self.voting_end_ms() }
            }
            Progress::Open => ProposalState::Succeeded,
        }
    }

    /// What falls due next, and when, as far as is known now. Nothing does of a proposal that has
    /// no success yet: a later ballot may change that.
    #[must_use]
    pub fn due(&self) -> Option<(u64, Step)> {
        match self.progress {
            Progress::Open if self.poll.is_none() => {
                Some((self.snapshot_ms.saturating_add(1), Step::Open))
            }
            Progress::Open if self.ended_early() => Some((0, Step::Queue)),
            Progress::Open if self.succeeds() => {
                Some((self.voting_end_ms().saturating_add(1), Step::Queue))
            }
            Progress::Queued { eta_ms } => Some((eta_ms, Step::Execute)),
            _ => None,
        }
    }

    /// Freezes the electorate; or cancels the proposal, if its proposer's weight fell below the
    /// threshold since.
    ///
    /// # Errors
    /// [`GovernanceError::WrongState`] before the snapshot's time is over, or a second time.
    pub fn open(&mut self, electorate: Electorate, now_ms: u64) -> Result<(), GovernanceError> {
        let state = self.state(now_ms);
        let open = matches!(self.progress, Progress::Open) && now_ms > self.snapshot_ms;
        if !open || self.poll.is_some() {
            let (step, needed) = ("the snapshot", "the voting delay to be over, once");
            return Err(GovernanceError::WrongState { step, needed, state });
        }
        let needed = self.charter.proposal_threshold(electorate.supply(), electorate.holders());
        if electorate.own(&self.content.proposer) < needed {
            self.progress = Progress::Canceled;
        }
        self.poll = Some(Poll::new(electorate));
        Ok(())
    }

    /// Counts `ballot`. Signature, DAO, proposal and nonce are the caller's to check.
    ///
    /// Returns the weight with which it counts.
    ///
    /// # Errors
    /// [`GovernanceError`] outside the voting period, with anything but No while objections are
    /// taken, without weight, or a second time. The proposal is unchanged then.
    pub fn cast(&mut self, ballot: &Ballot, now_ms: u64) -> Result<u128, GovernanceError> {
        let state = self.state(now_ms);
        if self.content.ballots == BallotSecrecy::Sealed {
            return Err(GovernanceError::BallotsAreSealed);
        }
        match state {
            ProposalState::Active => {}
            ProposalState::Objection { .. } if ballot.only_against() => {}
            ProposalState::Objection { .. } => return Err(GovernanceError::OnlyAgainst),
            state => return Err(wrong("voting", "Active", state)),
        }
        let before = self.succeeds();
        let poll = self.poll.as_mut().ok_or_else(|| wrong("voting", "a snapshot", state))?;
        let weight = poll.cast(ballot)?;
        if state == ProposalState::Active {
            self.note_late_change(before, now_ms);
        }
        Ok(weight)
    }

    /// Late quorum gives others time to vote; a late swing gives them time to object.
    ///
    /// Threat: a vote that is decided in its last minute, when nobody can answer any more
    /// (`OpenZeppelin`'s `GovernorPreventLateQuorum`; Nouns v3's objection-only period).
    fn note_late_change(&mut self, succeeded_before: bool, now_ms: u64) {
        let parameters = self.charter.parameters();
        if !self.quorum_was_reached && self.quorum_reached() {
            self.quorum_was_reached = true;
            let extended_ms = now_ms.saturating_add(parameters.late_extension_ms);
            self.deadline_ms = self.deadline_ms.max(extended_ms);
        }
        let window_ms = self.deadline_ms.saturating_sub(parameters.objection_window_ms);
        if !succeeded_before && self.succeeds() && now_ms > window_ms {
            self.objection = true;
        }
    }

    /// Starts the timelock of a successful proposal and returns when it ends.
    ///
    /// # Errors
    /// [`GovernanceError::WrongState`] unless it succeeded and was not queued before.
    pub fn queue(&mut self, now_ms: u64) -> Result<u64, GovernanceError> {
        match self.state(now_ms) {
            ProposalState::Succeeded => {}
            state => return Err(wrong("queueing", "Succeeded", state)),
        }
        let eta_ms = after(now_ms, self.charter.timelock_ms(self.class))?;
        self.progress = Progress::Queued { eta_ms };
        Ok(eta_ms)
    }

    /// Checks that the proposal may be executed at `now_ms`: queued, the timelock over, the grace
    /// not, and the content still the one that was voted on.
    ///
    /// Threat: actions that are swapped between approval and execution (Tornado Cash, May 2023).
    ///
    /// # Errors
    /// [`GovernanceError`] saying which does not hold.
    pub fn check_executable(&self, now_ms: u64) -> Result<&[Action], GovernanceError> {
        let state = self.state(now_ms);
        let ProposalState::Queued { eta_ms } = state else {
            return Err(wrong("execution", "Queued", state));
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

    /// Marks the proposal executed by the entry `index`. The caller carries the actions out, all
    /// or none.
    ///
    /// # Errors
    /// As [`Proposal::check_executable`].
    pub fn execute(&mut self, now_ms: u64, index: u64) -> Result<(), GovernanceError> {
        self.check_executable(now_ms)?;
        self.progress = Progress::Executed { index };
        Ok(())
    }

    /// Withdraws the proposal: by its proposer, before voting begins; or, while the DAO has no
    /// guardian, until it is executed.
    ///
    /// # Errors
    /// [`GovernanceError::NotTheProposer`] or [`GovernanceError::WrongState`].
    pub fn cancel(
        &mut self,
        by: &VerifyingKey,
        guardian: Option<Guardian>,
        now_ms: u64,
    ) -> Result<(), GovernanceError> {
        let proposer = self.content.proposer;
        if *by != proposer {
            return Err(GovernanceError::NotTheProposer { by: *by, proposer });
        }
        match (self.state(now_ms), guardian) {
            (ProposalState::Pending, _) => {}
            (state, None) if !state.is_final() => {}
            (state, Some(_)) => return Err(wrong("cancelling", "Pending", state)),
            (state, None) => return Err(wrong("cancelling", "a proposal that is not over", state)),
        }
        self.progress = Progress::Canceled;
        Ok(())
    }

    /// Stops the proposal for good, by the guardian's word, unless the guardian is all that it is about. Signature and
    /// nonce are the caller's to check.
    ///
    /// # Errors
    /// [`GovernanceError::NotTheGuardian`], [`GovernanceError::AboutTheGuardian`],
    /// [`GovernanceError::Length`] of the reason, or [`GovernanceError::WrongState`].
    pub fn veto(
        &mut self,
        veto: &Veto,
        guardian: Option<Guardian>,
        now_ms: u64,
    ) -> Result<(), GovernanceError> {
        let by = veto.guardian;
        if guardian.is_none_or(|guardian| guardian.key != by) {
            return Err(GovernanceError::NotTheGuardian { by });
        }
        if self.is_about_the_guardian_alone() {
            return Err(GovernanceError::AboutTheGuardian);
        }
        let (got, max) = (veto.reason.len(), VETO_REASON_BYTES_MAX);
        if !(1..=max).contains(&got) {
            return Err(GovernanceError::Length { field: "reason", got, max });
        }
        let state = self.state(now_ms);
        if state.is_final() {
            return Err(wrong("a veto", "a proposal that is not over", state));
        }
        self.progress = Progress::Vetoed { reason: veto.reason.clone() };
        Ok(())
    }

    /// Whether the proposal names or dismisses the guardian, and does nothing else.
    ///
    /// Threat: a proposal that empties the treasury and, beside that, names the same guardian again: if one such action
    /// were enough, everything could be carried past the veto with it. Who wants another guardian proposes that alone.
    fn is_about_the_guardian_alone(&self) -> bool {
        let mut effects =
            self.content.actions.iter().filter(|action| **action != Action::Text).peekable();
        effects.peek().is_some() && effects.all(|a| matches!(a, Action::SetGuardian { .. }))
    }

    /// Whether For and Abstain reach the quorum of weight and of members.
    #[must_use]
    pub fn quorum_reached(&self) -> bool {
        let Some(poll) = &self.poll else {
            return false;
        };
        let (tally, electorate) = (poll.tally(), poll.electorate());
        // Both are at most the supply together.
        tally.in_favour + tally.abstain >= self.charter.quorum(electorate.supply())
            && tally.quorum_voters >= self.charter.quorum_voters(electorate.holders())
    }

    /// Whether the votes so far would pass the proposal.
    #[must_use]
    pub fn succeeds(&self) -> bool {
        let Tally { in_favour, against, .. } = self.tally();
        let passes = match self.class {
            Class::Ordinary => in_favour > against,
            // For ≥ 2/3 of For + Against ⇔ For − Against ≥ Against, without overflow.
            Class::Critical => {
                in_favour > against && in_favour.checked_sub(against).is_some_and(|d| d >= against)
            }
        };
        passes && self.quorum_reached()
    }

    /// Whether the super-quorum ended the vote.
    fn ended_early(&self) -> bool {
        let supply = self.poll.as_ref().map_or(0, |poll| poll.electorate().supply());
        let reached = |needed: u128| self.tally().in_favour >= needed;
        self.charter.super_quorum(supply).is_some_and(reached) && self.succeeds()
    }

    /// The last moment at which ballots are taken or opened.
    const fn ballots_end_ms(&self) -> u64 {
        self.deadline_ms.saturating_add(self.reveal_ms)
    }

    /// The last moment of the vote, objections included.
    fn voting_end_ms(&self) -> u64 {
        let objection_ms = self.charter.parameters().objection_period_ms;
        let objection_ms = if self.objection { objection_ms } else { 0 };
        self.ballots_end_ms().saturating_add(objection_ms)
    }
}

fn check_threshold(
    proposer: VerifyingKey,
    weights: &Weights,
    charter: &Charter,
) -> Result<(), GovernanceError> {
    // What was issued fits 128 bits together.
    let supply = weights.values().copied().fold(0, u128::saturating_add);
    let holders = u64::try_from(weights.len()).unwrap_or(u64::MAX);
    let needed = charter.proposal_threshold(supply, holders);
    let got = weights.get(&proposer).copied().unwrap_or(0);
    if got < needed { Err(GovernanceError::BelowThreshold { got, needed }) } else { Ok(()) }
}

fn after(start_ms: u64, length_ms: u64) -> Result<u64, GovernanceError> {
    start_ms.checked_add(length_ms).ok_or(GovernanceError::TimeOverflow)
}

const fn wrong(step: &'static str, needed: &'static str, state: ProposalState) -> GovernanceError {
    GovernanceError::WrongState { step, needed, state }
}

#[cfg(test)]
mod tests;
