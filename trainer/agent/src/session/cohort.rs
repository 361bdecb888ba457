//! A member's part in its cohort: it keeps up with it, opens models, and checks what was made of its
//! update.
//!
//! What is believed and whose turn it is, is decided in `aggregator-round`
//! ([`Membership`](aggregator_round::Membership)); here it is made sure that what a step changed is on
//! disk before anything leaves.

use aggregator_protocol::{
    CohortRequest, ContributorReply, ContributorRequest, FetchedReceipt, ModelOffer, Refusal,
    RoundGrant, RoundId, RoundReceipt, RoundSum,
};
use aggregator_round::{
    ContributorReceipt, Dispute, Membership, MembershipError, Now, Ordered, RoundSecret, SUMS_MAX,
    check_model, check_sum, check_sum_without_secret, sum_may_be_forgotten,
};
use privacy_identity::{Digest, Signed};
use trainer_model::Parameters;

use super::{Order, Session};
use crate::{
    AgentError, AgentEvent,
    backoff::Backoff,
    caller::Question,
    clock::{Stopwatch, unix_ms},
    contributor::Contributor,
    randomness,
};

/// How often a member looks at its cohort, in seconds: members find together within some of these.
const SYNC_SECONDS: f64 = 0.2;
/// Most exchanges in one look: a member that was away for long goes on at the next.
const STEPS_MAX: usize = 64;

/// A member's cohort, between looks.
pub(super) struct Cohort {
    membership: Membership,
    running: Stopwatch,
    looked: Option<f64>,
    /// The epoch that was told of, and what was refused last, so that each is told once.
    told: (Option<u64>, Option<String>),
    /// The model from which the last update was trained.
    before: Option<(RoundId, Parameters)>,
}

impl Cohort {
    /// Takes up the cohort of an earlier run, or begins as a candidate; none in a federation without.
    pub(super) fn open(contributor: &Contributor) -> Result<Option<Self>, AgentError> {
        let Contributor { terms, key, state, .. } = contributor;
        if !terms.cohort.is_present() {
            return Ok(None);
        }
        let running = Stopwatch::start();
        let membership = match state.cohort()? {
            Some(bytes) => Membership::from_encrypted_bytes(&bytes, terms, key)
                .map_err(state.cohort_damaged())?,
            None => {
                let begun = Membership::begin(terms, key, now(&running), &mut randomness::key());
                let begun = begun.map_err(AgentError::Cohort)?;
                state.store_cohort(&encrypted(&begun)?)?;
                begun
            }
        };
        Ok(Some(Self { membership, running, looked: None, told: (None, None), before: None }))
    }

    /// Enters a round: remembers the model from which it trains, to check the next one, and draws the
    /// secret of its tags.
    pub(super) fn enter(
        &mut self,
        round: RoundId,
        model: &Parameters,
    ) -> Result<RoundSecret, AgentError> {
        self.before = Some((round, model.clone()));
        self.secret(round)
    }

    /// The secret of the tags of `round`.
    pub(super) fn secret(&self, round: RoundId) -> Result<RoundSecret, AgentError> {
        self.membership.round_secret(round).map_err(AgentError::Cohort)
    }
}

fn encrypted(membership: &Membership) -> Result<Vec<u8>, AgentError> {
    membership.to_encrypted_bytes(&mut randomness::key()).map_err(AgentError::Cohort)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a process runs for less than 2^53 milliseconds"
)]
fn now(running: &Stopwatch) -> Now {
    Now { monotonic_ms: (running.seconds() * 1e3) as u64, unix_s: unix_ms() / 1_000 }
}

impl<F: Fn(AgentEvent) + Send> Session<F> {
    /// Looks at the cohort, unless that was done just now.
    pub(super) async fn tend_cohort(&mut self) -> Result<(), AgentError> {
        let Some(cohort) = &mut self.cohort else { return Ok(()) };
        let seconds = cohort.running.seconds();
        if cohort.looked.is_some_and(|looked| seconds - looked < SYNC_SECONDS) {
            return Ok(());
        }
        cohort.looked = Some(seconds);
        for _ in 0..STEPS_MAX {
            if !self.step_cohort().await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One look: asks what is new, stores what it changed, sends what is to be sent. Returns whether
    /// another look at once may bring more.
    async fn step_cohort(&mut self) -> Result<bool, AgentError> {
        let Some(cohort) = &self.cohort else { return Ok(false) };
        let question = cohort.membership.question();
        let Some(ContributorReply::Cohort(news)) = self.ask_cohort(question).await? else {
            return Ok(false);
        };
        let Some(cohort) = &mut self.cohort else { return Ok(false) };
        let now = now(&cohort.running);
        let taken = match cohort.membership.take(&news, now, &mut randomness::key()) {
            Ok(taken) => taken,
            Err(error) => {
                self.tell_cohort(Some(&error));
                return Ok(false);
            }
        };
        if taken.changed {
            let bytes = encrypted(&cohort.membership)?;
            self.contributor.state.store_cohort(&bytes)?;
        }
        self.tell_cohort(taken.refused.as_ref());
        match taken.request {
            None => Ok(taken.changed),
            Some(CohortRequest::Sync { .. }) => Ok(true),
            Some(request) => {
                let commits = matches!(request, CohortRequest::Commit { .. });
                // Whoever committed takes its own commit from the delivery, as everybody does.
                Ok(self.ask_cohort(request).await?.is_some() && commits)
            }
        }
    }

    /// Asks the delivery; nothing if it refuses, which changes nothing.
    async fn ask_cohort(
        &mut self,
        request: CohortRequest,
    ) -> Result<Option<ContributorReply>, AgentError> {
        let request = ContributorRequest::Cohort(request);
        match self.ask(Question::Cohort, &request).await? {
            reply @ (ContributorReply::Cohort(_) | ContributorReply::Taken) => Ok(Some(reply)),
            ContributorReply::Refused(Refusal::Malformed) => {
                Err(AgentError::Refused { asked: "cohort", source: Refusal::Malformed })
            }
            ContributorReply::Refused(refusal) => {
                tracing::debug!("the delivery did not take it: {refusal}");
                Ok(None)
            }
            other => Err(Question::Cohort.unanswered(&other)),
        }
    }

    /// Tells of a new epoch, and of what was refused.
    fn tell_cohort(&mut self, refused: Option<&MembershipError>) {
        let Some(cohort) = &mut self.cohort else { return };
        if let Some((epoch, members)) = cohort.membership.state()
            && cohort.told.0 != Some(epoch.epoch)
        {
            cohort.told.0 = Some(epoch.epoch);
            (self.events)(AgentEvent::Cohort { epoch: epoch.epoch, members: members.len() });
        }
        let refused = refused.map(ToString::to_string);
        if let Some(reason) = &refused
            && cohort.told.1 != refused
        {
            tracing::warn!(reason, "the cohort: {reason}");
        }
        cohort.told.1 = refused;
    }

    /// The model of an order, opened where it is sealed to the cohort; nothing if this member and the
    /// DAO node do not come to mean the same cohort before the round's deadline.
    pub(super) async fn opened(&mut self, order: &Order) -> Result<Option<Vec<u8>>, AgentError> {
        if self.cohort.is_none() {
            return Ok(Some(order.model.clone()));
        }
        let Contributor { terms, key, .. } = &*self.contributor;
        let Ok(grant) = Ordered::check(terms, key, self.last, &order.order) else {
            // Told of by whoever checks the order again.
            return Ok(Some(order.model.clone()));
        };
        let buffered = terms.buffer.is_some();
        let mut pauses = Backoff::for_receipt();
        let mut handed = false;
        // By this machine's own running clock: the order's deadline is by the coordinator's, and either may be wrong.
        let waited = Stopwatch::start();
        let patience = terms.round_deadline_ms as f64 / 1_000.0;
        loop {
            let Some(cohort) = &mut self.cohort else { return Ok(None) };
            let opened = cohort
                .membership
                .agrees(&grant)
                // Of a buffer, members have the model from before.
                .and_then(|()| {
                    if buffered {
                        Ok(Vec::new())
                    } else {
                        cohort.membership.open_model(&grant, &order.model)
                    }
                });
            let error = match opened {
                Ok(model) => return Ok(Some(model)),
                Err(error) => error,
            };
            if waited.seconds() > patience {
                self.known = Some(grant.round);
                self.refused(grant.round, error.to_string());
                return Ok(None);
            }
            cohort.looked = None;
            if !handed
                && cohort.membership.state().is_some_and(|(ours, _)| is_same(&grant, ours.epoch))
            {
                // The DAO node was handed something else for this very epoch.
                handed = true;
                let request = cohort.membership.hand_over(&mut randomness::key());
                self.ask_cohort(request.map_err(AgentError::Cohort)?).await?;
            }
            self.tend_cohort().await?;
            pauses.pause().await;
        }
    }

    /// A model that is offered, opened where it is sealed to the cohort; nothing if this member and the DAO node do not
    /// mean the same cohort now.
    pub(super) async fn open_offered(
        &mut self,
        offer: &ModelOffer,
        model: &[u8],
    ) -> Result<Option<Vec<u8>>, AgentError> {
        let Some(cohort) = &mut self.cohort else { return Ok(Some(model.to_vec())) };
        let error = match cohort.membership.open_offered(offer, model) {
            Ok(model) => return Ok(Some(model)),
            Err(error) => error,
        };
        tracing::debug!("the model that is offered does not open: {error}");
        cohort.looked = None;
        let same = cohort.membership.state().is_some_and(|(ours, _)| {
            offer.cohort_epoch.is_some_and(|theirs| theirs.epoch == ours.epoch)
        });
        if same {
            // The DAO node was handed something else for this very epoch.
            let request = cohort.membership.hand_over(&mut randomness::key());
            self.ask_cohort(request.map_err(AgentError::Cohort)?).await?;
        }
        self.tend_cohort().await?;
        Ok(None)
    }

    /// Checks what was made of this member's update, and keeps the record for whoever asks later.
    pub(super) async fn check_record(
        &mut self,
        receipt: &RoundReceipt,
        fetched: FetchedReceipt,
    ) -> Result<Result<Record, Box<Dispute>>, AgentError> {
        let round = receipt.round;
        if self.cohort.is_none() {
            return Ok(Ok(Record::Checked));
        }
        let request = ContributorRequest::Sum { round };
        let sum = match self.ask(Question::Sum, &request).await? {
            ContributorReply::Sum(sum) => sum.map(|sum| *sum),
            other => return Err(Question::Sum.unanswered(&other)),
        };
        let mut checked = if sum.is_none() && self.may_be_forgotten(round).await? {
            Ok(Record::Unchecked(FORGOTTEN))
        } else {
            self.judge(receipt, sum.as_ref())?
        };
        if let (Ok(record), Some(sum)) = (&checked, &sum) {
            let record = *record;
            checked = self.check_values(receipt, sum).await?.map(|values| record.and(values));
        }
        self.keep_record(receipt, fetched, sum)?;
        Ok(checked)
    }

    /// Tells what was not checked of a round that counts.
    pub(super) fn note(&mut self, round: RoundId, record: Record) {
        let Record::Unchecked(reason) = record else { return };
        self.summary.unchecked += 1;
        tracing::warn!(round.id = %round, reason, "round {round} counts unchecked: {reason}");
        (self.events)(AgentEvent::Unchecked { round, reason: reason.to_owned() });
    }

    /// Whether the coordinator proves that what it kept of `round` is too old: whoever was away for so long accuses nobody.
    pub(super) async fn may_be_forgotten(&mut self, round: RoundId) -> Result<bool, AgentError> {
        let later = RoundId(round.0.saturating_add(SUMS_MAX as u64));
        let request = ContributorRequest::Receipt { round: later };
        let later = match self.ask(Question::Receipt, &request).await? {
            ContributorReply::Receipt(fetched) => fetched,
            other => return Err(Question::Receipt.unanswered(&other)),
        };
        Ok(sum_may_be_forgotten(&self.contributor.terms, round, &later))
    }

    fn judge(
        &self,
        receipt: &RoundReceipt,
        sum: Option<&Signed<RoundSum>>,
    ) -> Result<Result<Record, Box<Dispute>>, AgentError> {
        let Contributor { terms, key, state, learner, .. } = &*self.contributor;
        let (me, round) = (key.verifying_key(), receipt.round);
        let secret = state.round_secret(round)?;
        let tagged = terms.encoding.options().tagging == privacy_secagg::Tagging::Linear;
        let (checked, record) = match sum.filter(|_| tagged && secret.is_none()) {
            Some(sum) => {
                let checked = check_sum_without_secret(terms, &me, receipt, sum);
                (checked, Record::Unchecked(SECRET_GONE))
            }
            None => (check_sum(terms, &me, receipt, sum, secret.as_ref()), Record::Checked),
        };
        let checked = match checked {
            Ok(checked) => checked,
            Err(dispute) => return Ok(Err(dispute)),
        };
        let before = self.cohort.as_ref().and_then(|cohort| cohort.before.as_ref());
        let Some((_, before)) = before.filter(|(of, _)| *of == round) else {
            return Ok(Ok(record));
        };
        let got: Option<Digest> = learner.digest_after(before, &checked.mean);
        let model = got.map_or(Ok(()), |got| check_model(terms, &me, receipt, got));
        Ok(model.map(|()| record))
    }

    fn keep_record(
        &self,
        receipt: &RoundReceipt,
        fetched: FetchedReceipt,
        sum: Option<Signed<RoundSum>>,
    ) -> Result<(), AgentError> {
        let FetchedReceipt::Settled { receipt: signed, proof: Some(proof) } = fetched else {
            return Ok(());
        };
        let Contributor { terms, key, state, .. } = &*self.contributor;
        let contributions = receipt.accepted.contributions();
        let member = key.verifying_key();
        let own = contributions.iter().find(|(other, _)| *other == member);
        let Some((_, update)) = own else { return Ok(()) };
        let (federation, update) = (terms.id(), *update);
        let kept = ContributorReceipt { federation, member, update, receipt: *signed, proof, sum };
        state.store_receipt(receipt.round, &kept)
    }
}

/// Why a record was not checked.
const FORGOTTEN: &str =
    "the coordinator no longer keeps the round's sum: this device was away for too many rounds";
const SECRET_GONE: &str =
    "the secret of the round's tags is gone: that the sum is the sum was not checked";

/// How far the record of a counted round was checked; what is false in it is a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// As far as the terms let a member check it.
    Checked,
    /// Not all of it, and why.
    Unchecked(&'static str),
}

impl Record {
    /// Of two parts of a record.
    const fn and(self, other: Self) -> Self {
        match self {
            Self::Checked => other,
            Self::Unchecked(_) => self,
        }
    }
}

/// Whether the grant is for this epoch.
fn is_same(grant: &RoundGrant, epoch: u64) -> bool {
    grant.cohort_epoch.is_some_and(|theirs| theirs.epoch == epoch)
}
