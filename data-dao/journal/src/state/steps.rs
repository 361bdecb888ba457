//! What falls due by itself: snapshots, queueing, execution.
//!
//! ```text
//!  time passes ──► State::due(now) = Some(entry) ──► the log takes that entry, and nothing before it
//! ```
//! So nobody has to ask for an execution, and nobody who keeps the log can hold one back: every
//! other entry is refused until it is there. Each step is an entry of its own, so that a replay
//! needs no clock, and what a step does is recomputed from the state like everything else.

use std::collections::BTreeSet;

use data_dao_governance::{
    Ageing, Electorate, LogPosition, Proposal, ProposalId, ProposalState, Step,
};

use super::State;
use crate::refusal::same;
use crate::{Body, MembershipState, PollOpened, ProposalExecuted, ProposalQueued, Refusal};

impl State {
    /// The entry that has to be next in the log at `now_ms`, if any: the earliest due first.
    ///
    /// An execution whose actions cannot be carried out now (the treasury does not suffice, a
    /// member left) waits until they can be, or until its grace ends.
    #[must_use]
    pub fn due(&self, now_ms: u64) -> Option<Body> {
        self.due_step(now_ms).map(|(_, _, body)| body)
    }

    /// When something falls due next, as far as is known now: to be asked again after each entry.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let live = self.assembly.live.iter().filter_map(|id| self.proposals.get(id));
        live.filter_map(|proposal| proposal.due().map(|(due_ms, _)| due_ms)).min()
    }

    fn due_step(&self, now_ms: u64) -> Option<(u64, ProposalId, Body)> {
        if self.settling.is_some() {
            // The parts of one settlement stand together; its last part, or its end, lets this go on.
            return None;
        }
        let live = self.assembly.live.iter().filter_map(|id| self.proposals.get(id));
        let mut due: Vec<(u64, ProposalId, Step)> = live
            .filter_map(|proposal| {
                let (due_ms, step) = proposal.due()?;
                (due_ms <= now_ms).then(|| (due_ms, proposal.id(), step))
            })
            .collect();
        due.sort_unstable();
        due.into_iter().find_map(|(due_ms, id, step)| {
            let body = self.step_body(self.proposals.get(&id)?, step, now_ms)?;
            Some((due_ms, id, body))
        })
    }

    /// The entry of a step, if it can be taken now.
    fn step_body(&self, proposal: &Proposal, step: Step, now_ms: u64) -> Option<Body> {
        let id = proposal.id();
        match step {
            Step::Open => self.poll_opened(proposal, now_ms).ok().map(|(body, _)| body.into()),
            Step::Queue => (proposal.state(now_ms) == ProposalState::Succeeded)
                .then(|| ProposalQueued { proposal: id }.into()),
            Step::Execute => {
                let actions = proposal.check_executable(now_ms).ok()?;
                let plan = self.plan(id, actions).ok()?;
                self.accounts.check(&plan.transfers, now_ms).ok()?;
                Some(ProposalExecuted { proposal: id }.into())
            }
        }
    }

    /// Refuses an entry while another has to come first.
    pub(super) fn check_due(&self, body: &Body, now_ms: u64) -> Result<(), Refusal> {
        match self.due_step(now_ms) {
            Some((due_ms, proposal, due)) if due != *body => {
                Err(Refusal::DueFirst { kind: due.kind(), proposal, due_ms })
            }
            _ => Ok(()),
        }
    }

    /// Weights and delegations at a proposal's snapshot, and the entry that says so.
    fn poll_opened(
        &self,
        proposal: &Proposal,
        now_ms: u64,
    ) -> Result<(PollOpened, Electorate), Refusal> {
        let at_ms = proposal.snapshot_ms();
        let ageing = Ageing::new(proposal.charter().parameters());
        let mut weights = self.assembly.votes.past_weights(at_ms, now_ms, &ageing)?;
        weights.retain(|member, _| self.is_active(member));
        let delegations = self.assembly.delegations.at(at_ms);
        let delegations = delegations.filter(|(_, delegate, _)| self.is_active(delegate));
        let position = LogPosition { tree_size: self.log.size(), root: self.log.root() };
        let delegations = delegations.map(|(delegator, delegate, _)| (delegator, delegate));
        let electorate = Electorate::new(weights, delegations, position)?;
        let body = PollOpened {
            proposal: proposal.id(),
            tree_size: position.tree_size,
            root: position.root,
            supply: electorate.supply(),
            holders: electorate.holders(),
        };
        Ok((body, electorate))
    }

    pub(super) fn open_poll(&mut self, body: &PollOpened, now_ms: u64) -> Result<(), Refusal> {
        let proposal = self.proposal_ref(body.proposal)?;
        let (expected, electorate) = self.poll_opened(proposal, now_ms)?;
        same("tree_size", &expected.tree_size, &body.tree_size)?;
        same("root", &expected.root, &body.root)?;
        same("supply", &expected.supply, &body.supply)?;
        same("holders", &expected.holders, &body.holders)?;
        self.proposal_mut(body.proposal)?.open(electorate, now_ms)?;
        Ok(())
    }

    /// Stops watching proposals to which nothing can happen any more.
    pub(super) fn forget_what_is_over(&mut self) {
        let (time_ms, proposals) = (self.time_ms, &self.proposals);
        let over = |id: &ProposalId| {
            proposals.get(id).is_none_or(|proposal| proposal.state(time_ms).is_final())
        };
        if self.assembly.live.iter().any(over) {
            let live: BTreeSet<_> =
                self.assembly.live.iter().copied().filter(|id| !over(id)).collect();
            self.assembly.live = live;
        }
    }

    /// Whether the key belongs to a member that is neither suspended nor gone.
    #[must_use]
    pub fn is_active(&self, key: &privacy_identity::VerifyingKey) -> bool {
        self.membership(key).is_some_and(|member| member.state == MembershipState::Active)
    }
}
