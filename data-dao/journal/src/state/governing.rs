//! Withdrawal, veto, delegation, guardian.

use data_dao_governance::Guardian;

use super::State;
use crate::{GuardianAccepted, ProposalCanceled, ProposalVetoed, Refusal, VoteDelegated};

impl State {
    /// The guardian in office at `now_ms`.
    #[must_use]
    pub fn guardian(&self, now_ms: u64) -> Option<Guardian> {
        self.assembly.guardianship.live(now_ms)
    }

    pub(super) fn cancel_proposal(
        &mut self,
        body: &ProposalCanceled,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let cancellation = &body.cancellation;
        self.check_request(cancellation, &body.signature, now_ms)?;
        let guardian = self.guardian(now_ms);
        let proposal = self.proposal_mut(cancellation.proposal)?;
        proposal.cancel(&cancellation.proposer, guardian, now_ms)?;
        self.assembly.nonces.take(cancellation);
        Ok(())
    }

    pub(super) fn veto_proposal(
        &mut self,
        body: &ProposalVetoed,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        self.check_request(&body.veto, &body.signature, now_ms)?;
        let guardian = self.guardian(now_ms);
        self.proposal_mut(body.veto.proposal)?.veto(&body.veto, guardian, now_ms)?;
        self.assembly.nonces.take(&body.veto);
        Ok(())
    }

    pub(super) fn delegate_vote(
        &mut self,
        body: &VoteDelegated,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let delegation = &body.delegation;
        self.check_request(delegation, &body.signature, now_ms)?;
        self.active(&delegation.delegator)?;
        if let Some(delegate) = &delegation.delegate {
            self.active(delegate)?;
        }
        let charter = self.dao().charter;
        self.assembly.delegations.set(delegation, &charter, now_ms)?;
        self.assembly.nonces.take(delegation);
        Ok(())
    }

    pub(super) fn accept_guardian(
        &mut self,
        body: &GuardianAccepted,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let acceptance = &body.acceptance;
        self.check_request(acceptance, &body.signature, now_ms)?;
        let guardianship = self.assembly.guardianship.accept(acceptance.guardian, now_ms)?;
        self.assembly.guardianship = guardianship;
        self.assembly.nonces.take(acceptance);
        Ok(())
    }
}
