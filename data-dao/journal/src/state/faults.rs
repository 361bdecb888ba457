//! What follows from a lie that was proven: rounds wait, and so does the pay, until members decide.
//!
//! ```text
//!  device finds a false answer ─► objection + part ─► the DAO node judges ─► FaultProven ─► the federation is stopped,
//!                                                                                  the round's pay is held back
//!                                          members vote: other terms, UpholdDispute, StartFederation
//! ```
//! Threats. A party that shifts a scalar and goes on doing so: the next round starts only after a vote. Members who accuse an
//! honest party: the node judges before it signs, and a part that was not sealed proves nothing. A DAO node that signs a
//! judgement which is not true: it stops rounds, which it could do by granting none; it cannot void pay, which takes a vote
//! as any objection does, and the accused sees who signed. An accomplice who objects first with nothing in hand, so that
//! the place is taken: a proven lie needs no free place, and holds the pay back anew.

use data_dao_governance::Accused;
use data_dao_ledger::Name;

use super::{LABEL_BYTES_MAX, State, challenge::decision_ms};
use crate::refusal::{same, text_within};
use crate::{FaultProven, OpenDispute, ProvenFault, Refusal};

impl State {
    pub(super) fn prove_fault(&mut self, body: &FaultProven, now_ms: u64) -> Result<(), Refusal> {
        let (dispute, dao) = (&body.dispute, self.dao());
        same("dao", &dao.id, &dispute.dao)?;
        same("accused", &Accused::Round, &dispute.accused)?;
        text_within("reason", &dispute.reason, LABEL_BYTES_MAX)?;
        dispute.verify_by(&self.signing_key(&dispute.complainant)?, &body.signature)?;
        body.verify_judgement(&dao.genesis.dao_node)?;
        let (name, round, complainant) = (&dispute.federation, dispute.round, dispute.complainant);
        let federation = self.federation_ref(name)?;
        if !federation.members.contains_key(&complainant) {
            let federation = name.to_string();
            return Err(Refusal::NotAMember { member: complainant, federation });
        }
        if !federation.settled.iter().any(|settled| settled.round == round) {
            return Err(Refusal::unknown("settled round", round));
        }
        let known = |fault: &ProvenFault| (fault.round, fault.complainant) == (round, complainant);
        if federation.faults.iter().any(known) {
            return Err(Refusal::exists("proof of", complainant));
        }
        let fault = ProvenFault { index: self.entries, round, party: body.party, complainant };
        let lapses_at_ms = now_ms.saturating_add(decision_ms(&dao.charter));
        self.hold_for_fault(&name.clone(), &fault, lapses_at_ms)
    }

    fn hold_for_fault(
        &mut self,
        federation: &Name,
        fault: &ProvenFault,
        lapses_at_ms: u64,
    ) -> Result<(), Refusal> {
        let found = self.federation_mut(federation)?;
        found.stopped = true;
        found.faults.push(fault.clone());
        // Pay that is final stays: what is taken back then is for members to vote on.
        if let Some(challenge) = found.challenges.get_mut(&fault.round) {
            let ProvenFault { index, complainant, .. } = *fault;
            let open = challenge.disputes.entry(Accused::Round);
            let open = open.or_insert(OpenDispute { complainant, index, lapses_at_ms });
            open.lapses_at_ms = open.lapses_at_ms.max(lapses_at_ms);
        }
        Ok(())
    }
}
