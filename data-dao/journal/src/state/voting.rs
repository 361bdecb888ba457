//! Proposals, ballots, execution.

use data_dao_governance::{Action, Cancellation, Proposal, ProposalId};
use data_dao_ledger::Name;
use privacy_identity::Digest;

use super::{State, sales::check_price};
use crate::refusal::same;
use crate::{
    BallotCast, ProposalCanceled, ProposalExecuted, ProposalMade, ProposalQueued, Refusal,
};

impl State {
    pub(super) fn make_proposal(
        &mut self,
        body: &ProposalMade,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let content = &body.content;
        same("dao", &self.dao().id, &content.dao)?;
        content.verify(&body.signature)?;
        let id = content.id();
        if self.proposals.contains_key(&id) {
            return Err(Refusal::exists("proposal", id));
        }
        content.actions.iter().try_for_each(|action| self.check_action(action))?;
        let charter = self.dao().charter;
        let proposal = Proposal::new(content.clone(), self.vote_weights(), charter, now_ms)?;
        self.proposals.insert(id, proposal);
        self.counts.proposals += 1;
        Ok(())
    }

    pub(super) fn cast_ballot(&mut self, body: &BallotCast, now_ms: u64) -> Result<(), Refusal> {
        let ballot = &body.ballot;
        same("dao", &self.dao().id, &ballot.dao)?;
        ballot.verify(&body.signature)?;
        self.proposal_mut(ballot.proposal)?.cast(ballot, now_ms)?;
        self.counts.ballots += 1;
        Ok(())
    }

    pub(super) fn queue_proposal(
        &mut self,
        body: &ProposalQueued,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        self.proposal_mut(body.proposal)?.queue(now_ms)?;
        Ok(())
    }

    pub(super) fn execute_proposal(
        &mut self,
        body: &ProposalExecuted,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let actions = self.proposal_mut(body.proposal)?.check_executable(now_ms)?.to_vec();
        // All or nothing: every action is checked before the first is carried out.
        actions.iter().try_for_each(|action| self.check_action(action))?;
        self.proposal_mut(body.proposal)?.execute(now_ms)?;
        for action in &actions {
            self.carry_out(action, now_ms)?;
        }
        self.counts.proposals_executed += 1;
        Ok(())
    }

    pub(super) fn cancel_proposal(
        &mut self,
        body: &ProposalCanceled,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let dao: Digest = self.dao().id;
        let proposal = self.proposal_mut(body.proposal)?;
        let proposer = proposal.content().proposer;
        Cancellation { dao, proposal: body.proposal }.verify(&proposer, &body.signature)?;
        proposal.cancel(&proposer, now_ms)?;
        Ok(())
    }

    fn proposal_mut(&mut self, id: ProposalId) -> Result<&mut Proposal, Refusal> {
        self.proposals.get_mut(&id).ok_or_else(|| Refusal::unknown("proposal", id))
    }

    fn check_action(&self, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::SetPredictionPrice { model, price } => {
                check_price(*price)?;
                let found = Name::new(model.as_str()).is_ok_and(|m| self.models.contains_key(&m));
                if found { Ok(()) } else { Err(Refusal::unknown("model", model)) }
            }
            Action::SetRoundBudget { federation, .. } => {
                let found = Name::new(federation.as_str())
                    .is_ok_and(|name| self.federations.contains_key(&name));
                if found { Ok(()) } else { Err(Refusal::unknown("federation", federation)) }
            }
            Action::UpholdDispute { federation, round, accused } => {
                let unknown = |_| Refusal::unknown("federation", federation);
                self.check_uphold(
                    &Name::new(federation.as_str()).map_err(unknown)?,
                    *round,
                    accused,
                )
            }
            Action::Text => Ok(()),
        }
    }

    /// Carries out an action that [`State::check_action`] passed, so it cannot fail.
    fn carry_out(&mut self, action: &Action, now_ms: u64) -> Result<(), Refusal> {
        let name = |text: &str| Name::new(text).map_err(|_source| Refusal::unknown("name", text));
        match action {
            Action::SetPredictionPrice { model, price } => {
                self.model_mut(&name(model)?)?.price = Some(*price);
            }
            Action::SetRoundBudget { federation, credits } => {
                self.federation_mut(&name(federation)?)?.round_budget = *credits;
            }
            Action::UpholdDispute { federation, round, accused } => {
                let federation = name(federation)?;
                // An action before this one may have voided the whole round: then all is done.
                if self.check_uphold(&federation, *round, accused).is_ok() {
                    self.uphold_dispute(&federation, *round, accused, now_ms)?;
                }
            }
            Action::Text => {}
        }
        Ok(())
    }
}
