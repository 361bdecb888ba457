//! Proposals, ballots, execution.

use data_dao_governance::{Ageing, Ballot, Draft, Proposal, ProposalId, Request, SealedBallot};
use privacy_identity::{Signature, VerifyingKey};

use super::State;
use crate::refusal::same;
use crate::{
    BallotCast, BallotRevealed, BallotSealed, ProposalExecuted, ProposalMade, ProposalQueued,
    Refusal,
};

/// Most proposals of one member that are not over: each is looked at with every entry.
const PROPOSALS_LIVE_MAX: usize = 3;

impl State {
    pub(super) fn make_proposal(
        &mut self,
        body: &ProposalMade,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let content = &body.content;
        same("dao", &self.dao().id, &content.dao)?;
        content.verify_by(&self.signing_key(&content.proposer)?, &body.signature)?;
        let draft = Draft::new(content.clone())?;
        let (id, proposer) = (draft.id(), content.proposer);
        if self.proposals.contains_key(&id) {
            return Err(Refusal::exists("proposal", id));
        }
        self.check_live(proposer)?;
        self.plan(id, &content.actions)?;
        let weights = self.vote_weights_at(now_ms);
        let proposal = Proposal::submit(draft, &weights, self.dao().charter, now_ms)?;
        self.proposals.insert(id, proposal.into());
        self.assembly.live.insert(id);
        self.counts.proposals += 1;
        Ok(())
    }

    fn check_live(&self, proposer: VerifyingKey) -> Result<(), Refusal> {
        let live = self.assembly.live.iter().filter_map(|id| self.proposals.get(id));
        let count = live.filter(|proposal| proposal.content().proposer == proposer).count();
        if count < PROPOSALS_LIVE_MAX {
            Ok(())
        } else {
            Err(Refusal::TooManyProposals { proposer, count })
        }
    }

    /// A member's weight at `at_ms`: none, unless it is active.
    #[must_use]
    pub fn vote_weight(&self, member: &VerifyingKey, at_ms: u64) -> u128 {
        let charter = self.dao.as_ref().filter(|_| self.is_active(member));
        charter.map_or(0, |dao| {
            let ageing = Ageing::new(dao.charter.parameters());
            self.assembly.votes.weight(member, at_ms, &ageing)
        })
    }

    /// Checks what a member signed: for this DAO, by its signer, in time, and not before.
    pub(super) fn check_request<R: Request>(
        &self,
        request: &R,
        signature: &Signature,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        same("dao", &self.dao().id, &request.dao())?;
        request.verify_by(&self.signing_key(&request.signer())?, signature)?;
        Ok(self.assembly.nonces.check(request, now_ms)?)
    }

    pub(super) fn cast_ballot(&mut self, body: &BallotCast, now_ms: u64) -> Result<(), Refusal> {
        let ballot: &Ballot = &body.ballot;
        self.check_request(ballot, &body.signature, now_ms)?;
        self.proposal_mut(ballot.proposal)?.cast(ballot, now_ms)?;
        self.assembly.nonces.take(ballot);
        self.counts.ballots += 1;
        Ok(())
    }

    pub(super) fn seal_ballot(&mut self, body: &BallotSealed, now_ms: u64) -> Result<(), Refusal> {
        let ballot: &SealedBallot = &body.ballot;
        self.check_request(ballot, &body.signature, now_ms)?;
        self.proposal_mut(ballot.proposal)?.commit(ballot, now_ms)?;
        self.assembly.nonces.take(ballot);
        Ok(())
    }

    /// The nonce was used by the sealed ballot; the commitment makes the opening count once.
    pub(super) fn reveal_ballot(
        &mut self,
        body: &BallotRevealed,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let ballot = &body.opening.ballot;
        same("dao", &self.dao().id, &ballot.dao)?;
        self.check_opening(&body.opening)?;
        self.proposal_mut(ballot.proposal)?.reveal(&body.opening, now_ms)?;
        self.counts.ballots += 1;
        Ok(())
    }

    pub(super) fn queue_proposal(
        &mut self,
        body: &ProposalQueued,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let proposal = self.proposal_mut(body.proposal)?;
        let eta_ms = proposal.queue(now_ms)?;
        let until_ms = eta_ms.saturating_add(proposal.charter().parameters().grace_ms);
        let actions = proposal.content().actions.clone();
        self.hold_pay_back(&actions, until_ms);
        Ok(())
    }

    pub(super) fn execute_proposal(
        &mut self,
        body: &ProposalExecuted,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let actions = self.proposal_ref(body.proposal)?.check_executable(now_ms)?.to_vec();
        // All or nothing: every action is checked, then the ledger takes the transfers, and from
        // there on nothing can fail.
        let plan = self.plan(body.proposal, &actions)?;
        self.accounts.apply(&plan.transfers, now_ms)?;
        let index = self.entries;
        self.proposal_mut(body.proposal)?.execute(now_ms, index)?;
        self.carry_out(&actions, &plan, now_ms);
        self.counts.proposals_executed += 1;
        Ok(())
    }

    pub(super) fn proposal_ref(&self, id: ProposalId) -> Result<&Proposal, Refusal> {
        self.proposal(id).ok_or_else(|| Refusal::unknown("proposal", id))
    }

    pub(super) fn proposal_mut(&mut self, id: ProposalId) -> Result<&mut Proposal, Refusal> {
        // Looked up first: what is unknown copies nothing.
        self.proposal_ref(id)?;
        let proposal = self.proposals.get_mut(&id).map(|shared| &mut **shared);
        proposal.ok_or_else(|| Refusal::unknown("proposal", id))
    }
}
