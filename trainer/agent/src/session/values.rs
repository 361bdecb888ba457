//! A member's check of what was opened of its own update, and of everybody's scalars.

use std::sync::Arc;

use aggregator_protocol::{
    ContributorReply, ContributorRequest, RoundId, RoundReceipt, RoundSum, ValueRecord,
};
use aggregator_round::{Dispute, Finding, OwnShares, SumProducts, ValueFault, check_values};
use privacy_identity::Signed;

use super::{Session, cohort::Record};
use crate::{
    AgentError, AgentEvent,
    caller::Question,
    contributor::{Contributor, blocking},
};

/// Why values were not checked.
const FORGOTTEN: &str = "the coordinator no longer keeps what the round's values follow from";
const PARTS_GONE: &str =
    "the parts of the update are gone: what was answered of it was not checked";

impl<F: Fn(AgentEvent) + Send> Session<F> {
    /// Asks what the values of a round were opened from and checks it: the scalars of all add up to what the
    /// sum gives, and every party answered of this member's update what follows from its part.
    ///
    /// * `sum` — of the round, checked before.
    pub(super) async fn check_values(
        &mut self,
        receipt: &RoundReceipt,
        sum: &Signed<RoundSum>,
    ) -> Result<Result<Record, Box<Dispute>>, AgentError> {
        let round = receipt.round;
        let request = ContributorRequest::Values { round };
        let record = match self.ask(Question::Values, &request).await? {
            ContributorReply::Values(record) => record,
            other => return Err(Question::Values.unanswered(&other)),
        };
        // A round may have ended since the sum was shown.
        if record.is_none() && self.may_be_forgotten(round).await? {
            return Ok(Ok(Record::Unchecked(FORGOTTEN)));
        }
        let Contributor { key, state, .. } = &*self.contributor;
        let me = key.verifying_key();
        let own = state.own_shares(round)?;
        let record_is = if own.is_none() { Record::Unchecked(PARTS_GONE) } else { Record::Checked };
        let (contributor, receipt, sum) =
            (Arc::clone(&self.contributor), receipt.clone(), sum.clone());
        let judged = move || {
            let found = judge(&contributor, &receipt, &sum, record, own.as_ref());
            let terms = &contributor.terms;
            let found =
                found.map_err(|fault| Box::new(Dispute::of_values(terms, &receipt, me, fault)));
            (own, found)
        };
        let (own, judged) = blocking(judged).await?;
        if let Err(dispute) = &judged
            && let Finding::Values(ValueFault::Share { place, .. }) = &dispute.finding
        {
            self.keep_disclosure(round, own.as_ref(), *place)?;
        }
        if judged.is_err() && self.contributor.state.own_shares(round)?.is_some() {
            self.contributor.state.keep_disputed_shares(round)?;
        }
        Ok(judged.map(|()| record_is))
    }

    /// Keeps what the DAO node has to see to judge the party at `place`; the owner hands it over.
    fn keep_disclosure(
        &self,
        round: RoundId,
        own: Option<&OwnShares>,
        place: usize,
    ) -> Result<(), AgentError> {
        let state = &self.contributor.state;
        let update = state.stored_round()?.and_then(|stored| stored.update());
        let shown = own.zip(update).and_then(|(own, update)| own.disclose(&update, place));
        shown.map_or(Ok(()), |shown| state.keep_disclosure(round, &shown))
    }
}

fn judge(
    contributor: &Contributor,
    receipt: &RoundReceipt,
    sum: &Signed<RoundSum>,
    record: Option<Box<ValueRecord>>,
    own: Option<&OwnShares>,
) -> Result<(), ValueFault> {
    let record = record.ok_or(ValueFault::Withheld)?;
    let terms = &contributor.terms;
    let order = record.probes.unverified_body();
    let grant = receipt.grant.unverified_body();
    let products = SumProducts::of(terms, grant, sum.unverified_body(), order)
        .map_err(|refusal| ValueFault::Probe { refusal })?;
    check_values(terms, receipt, &record, &products)?;
    own.map_or(Ok(()), |own| own.check(terms, receipt, &record))
}
