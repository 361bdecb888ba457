//! The rounds of a contributor that was admitted.

mod buffered;
mod claim;
mod cohort;
mod terms;
mod values;

use std::{sync::Arc, time::Duration};

use aggregator_protocol::{
    Acknowledgement, AggregatorRequest, ContributorReply, ContributorRequest, EndReason,
    FederationEnd, Refusal, RoundId, RoundOrder, RoundReceipt,
};
use aggregator_round::{
    Dispute, Finding, OrderRefusal, Ordered, Outcome, ReceiptError, split_control,
};
use privacy_identity::Signed;
use tokio::sync::watch;
use trainer_model::{Evaluation, ModelError, Parameters, Progress};

use crate::{
    AgentError, AgentEvent, Behaviour, Brake, Summary,
    backoff::{self, Backoff},
    behaviour::GlobalMemory,
    caller::{Caller, Question},
    clock::Stopwatch,
    contributor::{Contributor, Submission},
    learner::Learned,
    personal::Tested,
    stored_round::StoredRound,
};
use claim::{Claim, value_of};
use cohort::{Cohort, Record};

/// Bytes of a parameter in the plain vector.
const PARAMETER_BYTES: usize = size_of::<f32>();

/// How often a member whose training is held asks whether it is needed as a custodian, in seconds: a small part of the time that
/// a step of a round may take.
const HELD_ASKS_SECONDS: f64 = 1.0;

/// How often training is told of.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// What holds training back, and how far it got.
pub(crate) struct Pacing {
    pub(crate) brake: Brake,
    pub(crate) progress: watch::Receiver<Option<Progress>>,
}

/// A contributor at work.
pub(crate) struct Session<F> {
    contributor: Arc<Contributor>,
    caller: Caller,
    pacing: Pacing,
    events: F,
    /// The last round for which an update was sealed.
    last: Option<RoundId>,
    /// The last round whose order was dealt with, one way or another.
    known: Option<RoundId>,
    /// The newest version that was offered, where members train at their own pace.
    newest: Option<u64>,
    /// The last refused order that was told of, so that it is told once.
    told: Option<(RoundId, String)>,
    orders: Backoff,
    global: GlobalMemory,
    /// Since the coordinator's terms were looked at.
    terms_seen: Stopwatch,
    /// In a federation that has one.
    cohort: Option<Cohort>,
    summary: Summary,
}

/// An order that came, not yet checked.
struct Order {
    order: Box<Signed<RoundOrder>>,
    model: Vec<u8>,
}

impl Order {
    /// The round that it names; nothing in it was checked.
    fn round(&self) -> RoundId {
        self.order.unverified_body().grant.unverified_body().round
    }
}

/// What comes next.
enum Next {
    Order(Order),
    End(EndReason),
}

impl<F: Fn(AgentEvent) + Send> Session<F> {
    /// A session that has done nothing yet.
    pub(crate) fn new(
        contributor: Arc<Contributor>,
        caller: Caller,
        pacing: Pacing,
        events: F,
    ) -> Result<Self, AgentError> {
        let cohort = Cohort::open(&contributor)?;
        let summary = Summary {
            member: contributor.key.verifying_key(),
            federation: contributor.terms.id(),
            counted: 0,
            aborted: 0,
            refused: 0,
            disputed: 0,
            unchecked: 0,
            value: 0.0,
        };
        Ok(Self {
            cohort,
            contributor,
            caller,
            pacing,
            events,
            last: None,
            known: None,
            newest: None,
            told: None,
            orders: Backoff::for_connection(),
            global: GlobalMemory::default(),
            terms_seen: Stopwatch::start(),
            summary,
        })
    }

    /// Ends what an earlier run began, then contributes until all rounds were run.
    pub(crate) async fn run(mut self) -> Result<Summary, AgentError> {
        if let Some(stored) = self.contributor.state.stored_round()? {
            if !matches!(stored, StoredRound::Ended { .. }) {
                // A crash after the sealing left what was sealed.
                self.contributor.state.forget_trained()?;
            }
            self.resume(stored).await?;
        }
        let reason = if self.contributor.terms.buffer.is_some() {
            self.run_buffered().await?
        } else {
            self.run_rounds().await?
        };
        let reason = reason.to_string();
        (self.events)(AgentEvent::Finished { rounds: self.summary.counted, reason });
        Ok(self.summary)
    }

    /// Contributes to one round after the other.
    async fn run_rounds(&mut self) -> Result<EndReason, AgentError> {
        loop {
            match self.next_order().await? {
                Next::Order(order) => self.contribute(order).await?,
                Next::End(reason) => return Ok(reason),
            }
        }
    }

    async fn resume(&mut self, stored: StoredRound) -> Result<(), AgentError> {
        match stored {
            StoredRound::Ended { round } => {
                self.last = Some(round);
                self.known = Some(round);
                // A crash after the end was stored left what was kept of the round.
                self.contributor.state.forget_round()
            }
            StoredRound::Sealed { wire } => {
                let submission = self.contributor.resume(wire)?;
                self.note_sealed(submission.sealed.round());
                self.deliver(submission).await
            }
            StoredRound::Acknowledged { wire, acknowledgement } => {
                let submission = self.contributor.resume(wire)?;
                let round = submission.sealed.round();
                self.note_sealed(round);
                let promised = submission
                    .sealed
                    .acknowledged(&self.contributor.terms, *acknowledgement)
                    .map_err(self.contributor.state.round_damaged())?;
                self.settle(round, Claim::Promised(promised)).await
            }
        }
    }

    const fn note_sealed(&mut self, round: RoundId) {
        self.last = Some(round);
        self.known = Some(round);
    }

    /// Waits for an order, and for a brake that holds; or for the DAO node's word that there are no more.
    async fn next_order(&mut self) -> Result<Next, AgentError> {
        loop {
            let request = ContributorRequest::Fetch { known: self.wanted() };
            match self.ask(Question::Fetch, &request).await? {
                ContributorReply::Wait { retry_ms } => {
                    self.watch_terms().await?;
                    self.tend_cohort().await?;
                    backoff::wait(retry_ms).await;
                }
                ContributorReply::Order { order, model } => {
                    return Ok(Next::Order(Order { order, model }));
                }
                ContributorReply::Finished(end) => {
                    if let Some(reason) = FederationEnd::checked(&end, &self.contributor.terms) {
                        return Ok(Next::End(reason));
                    }
                    self.look_at_terms().await?;
                    tracing::warn!("the coordinator says that all is over; the DAO node does not");
                    self.orders.pause().await;
                }
                other => {
                    self.look_at_terms().await?;
                    return Err(Question::Fetch.unanswered(&other));
                }
            }
        }
    }

    /// Above which round an order is wanted: above none while the brake holds. It is asked on, as a custodian answers; but the
    /// model of a round in which nothing will be trained may be large, and the network paid for by volume.
    fn wanted(&self) -> Option<RoundId> {
        if self.pacing.brake.holds() { Some(RoundId::MAX) } else { self.known }
    }

    /// Asks, and does what is asked of a custodian first.
    async fn ask(
        &mut self,
        question: Question,
        request: &ContributorRequest,
    ) -> Result<ContributorReply, AgentError> {
        loop {
            match self.caller.ask(question, request).await? {
                ContributorReply::Custody(asked) => self.keep(*asked).await?,
                reply => return Ok(reply),
            }
        }
    }

    /// Answers as a custodian. What the coordinator makes of the answer changes nothing here.
    async fn keep(&mut self, asked: AggregatorRequest) -> Result<(), AgentError> {
        let answer = Box::new(self.contributor.answer(asked).await?);
        match self.caller.ask(Question::Custody, &ContributorRequest::Custody(answer)).await? {
            ContributorReply::Taken => Ok(()),
            // Others were enough, or the round was given up meanwhile.
            ContributorReply::Refused(refusal) => {
                tracing::debug!("a custodian's answer was not taken: {refusal}");
                self.orders.pause().await;
                Ok(())
            }
            other => Err(Question::Custody.unanswered(&other)),
        }
    }

    /// Has a part in one round, if the order is one that the owner agreed to.
    async fn contribute(&mut self, order: Order) -> Result<(), AgentError> {
        if let Some(round) = self.not_drawn(&order) {
            self.known = Some(round);
            (self.events)(AgentEvent::NotDrawn { round });
            return Ok(());
        }
        let Some(payload) = self.opened(&order).await? else { return Ok(()) };
        let Order { order, .. } = order;
        let Contributor { terms, key, learner, .. } = &*self.contributor;
        let grant = order.unverified_body().grant.unverified_body();
        let accepted = split_control(terms, grant, &payload).and_then(|(model, control)| {
            let ordered = Ordered::accept(terms, key, self.last, &order, model)?;
            Ok((ordered, model, control))
        });
        let (ordered, model, control) = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => {
                // Not signed, perhaps: told of, but nothing is concluded from the number in it.
                let round = order.unverified_body().grant.unverified_body().round;
                if refusal == OrderRefusal::WrongFederation {
                    self.look_at_terms().await?;
                }
                self.refuse_order(round, refusal.to_string()).await;
                return Ok(());
            }
        };
        let round = ordered.round();
        let model = learner.model(model)?;
        let behaviour = learner.behaviour();
        self.orders.reset();
        self.known = Some(round);
        (self.events)(AgentEvent::Ordered { round });

        if behaviour == Behaviour::Replay {
            self.global.observe(&model);
        }
        // Before anything can change the cohort: the tags of this round belong to this epoch.
        let secret = self.cohort.as_mut().map(|cohort| cohort.enter(round, &model)).transpose()?;
        let Some(learned) = self.train(round, model, control).await? else { return Ok(()) };
        let watch = Stopwatch::start();
        let submission = self.contributor.seal(ordered, learned.update, secret).await?;
        self.note_sealed(round);
        (self.events)(AgentEvent::Sealed { round, seconds: watch.seconds() });
        self.deliver(submission).await
    }

    /// Trains, and tells what came of it; nothing if it diverged.
    async fn train(
        &mut self,
        round: RoundId,
        model: Parameters,
        control: Option<Vec<f32>>,
    ) -> Result<Option<Learned>, AgentError> {
        let watch = Stopwatch::start();
        let learned = match self.learn(round, model, control).await? {
            Ok(learned) => learned,
            // A matter of this model and these data: the next round may be another.
            Err(error @ ModelError::Diverged(_)) => {
                self.refused(round, error.to_string());
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let (loss, steps) = (learned.loss, learned.steps);
        if let Some(Evaluation { accuracy, loss, examples, .. }) = learned.held_out {
            (self.events)(AgentEvent::HeldOut { round, accuracy, loss, rows: examples });
        }
        (self.events)(AgentEvent::Trained { round, loss, seconds: watch.seconds(), steps });
        if let Some(Tested { rows, personal, shared }) =
            learned.personal.as_ref().and_then(|personal| personal.tested)
        {
            (self.events)(AgentEvent::Personal { round, rows, personal, shared });
        }
        Ok(Some(learned))
    }

    /// Trains, and tells how far it got. While training is held, it answers as a custodian: others' round must not wait for an
    /// owner who came back to the keyboard.
    async fn learn(
        &mut self,
        round: RoundId,
        model: Parameters,
        control: Option<Vec<f32>>,
    ) -> Result<Result<Learned, ModelError>, AgentError> {
        let contributor = Arc::clone(&self.contributor);
        let learning = contributor.learn(round, model, self.global.last_update(), control);
        let mut learning = std::pin::pin!(learning);
        let mut every = tokio::time::interval(PROGRESS_EVERY);
        let mut asked = Stopwatch::start();
        self.pacing.progress.mark_unchanged();
        loop {
            tokio::select! {
                learned = &mut learning => return learned,
                _ = every.tick() => {}
            }
            if self.pacing.progress.has_changed().unwrap_or(false)
                && let Some(progress) = *self.pacing.progress.borrow_and_update()
            {
                let Progress { step, steps, examples, loss } = progress;
                (self.events)(AgentEvent::Training { round, step, steps, examples, loss });
            }
            if self.pacing.brake.holds() && asked.seconds() > HELD_ASKS_SECONDS {
                let request = ContributorRequest::Fetch { known: self.wanted() };
                // What it says beside questions to a custodian is heard when the round is over.
                drop(self.ask(Question::Fetch, &request).await?);
                asked = Stopwatch::start();
            }
        }
    }

    /// The round of a true order for which this contributor was not drawn.
    fn not_drawn(&self, order: &Order) -> Option<RoundId> {
        let Contributor { terms, key, .. } = &*self.contributor;
        let checked = Ordered::check(terms, key, self.last, &order.order);
        let round = order.round();
        (checked == Err(OrderRefusal::NotDrawn)).then_some(round)
    }

    async fn refuse_order(&mut self, round: RoundId, reason: String) {
        let refusal = (round, reason);
        if self.told.as_ref() != Some(&refusal) {
            self.refused(round, refusal.1.clone());
            self.told = Some(refusal);
        }
        self.orders.pause().await;
    }

    /// Sends an update, which is stored, until the coordinator promised to hold it or refused it.
    async fn deliver(&mut self, submission: Submission) -> Result<(), AgentError> {
        let round = submission.sealed.round();
        let carried = Some((round, *submission.sealed.digest()));
        let reply = self.caller.ask_wire(Question::Submit, &submission.wire, carried).await?;
        match reply {
            ContributorReply::Acknowledged(promise) => self.promised(submission, promise).await,
            ContributorReply::Refused(
                refusal @ (Refusal::Late | Refusal::WrongRound | Refusal::Enough),
            ) => self.settle(round, Claim::Unanswered(Box::new(submission), refusal)).await,
            ContributorReply::Refused(refusal) => {
                self.refused(round, refusal.to_string());
                self.end(round)
            }
            other => Err(Question::Submit.unanswered(&other)),
        }
    }

    async fn promised(
        &mut self,
        submission: Submission,
        promise: Signed<Acknowledgement>,
    ) -> Result<(), AgentError> {
        let Contributor { terms, state, .. } = &*self.contributor;
        let Submission { sealed, wire } = submission;
        let round = sealed.round();
        let acknowledged = match sealed.acknowledged(terms, promise.clone()) {
            Ok(acknowledged) => acknowledged,
            Err(error) => {
                self.disputed(round, error.to_string());
                return self.end(round);
            }
        };
        let bytes = wire.len() as u64;
        let plain_bytes = (terms.encoding.dimension() * PARAMETER_BYTES) as u64;
        let acknowledgement = Box::new(promise);
        state.store_round(&StoredRound::Acknowledged { wire, acknowledgement })?;
        (self.events)(AgentEvent::Submitted { round, bytes, plain_bytes });
        self.settle(round, Claim::Promised(acknowledged)).await
    }

    /// Asks how the round ended until it did.
    async fn settle(&mut self, round: RoundId, claim: Claim) -> Result<(), AgentError> {
        let mut polls = Backoff::for_receipt();
        loop {
            let request = ContributorRequest::Receipt { round };
            let fetched = match self.ask(Question::Receipt, &request).await? {
                ContributorReply::Receipt(fetched) => fetched,
                other => return Err(Question::Receipt.unanswered(&other)),
            };
            match claim.check(&self.contributor.terms, fetched.clone()) {
                Ok(Outcome::Pending) => polls.pause().await,
                Ok(Outcome::Counted(receipt)) => {
                    self.contributor.count_control(round)?;
                    match self.check_record(&receipt, fetched).await? {
                        Ok(record) => self.counted(round, &receipt, record),
                        Err(dispute) => self.disputed(round, dispute.to_string()),
                    }
                    return self.end(round);
                }
                ended => {
                    self.conclude(round, &claim, ended);
                    return self.end(round);
                }
            }
        }
    }

    fn conclude(&mut self, round: RoundId, claim: &Claim, ended: Result<Outcome, ReceiptError>) {
        match (ended, claim) {
            (Ok(Outcome::Pending | Outcome::Counted(_)), _) => {}
            (Ok(Outcome::Aborted { reason }), _) => {
                self.summary.aborted += 1;
                (self.events)(AgentEvent::Aborted { round, reason });
            }
            (Ok(Outcome::Unknown) | Err(_), Claim::Unanswered(_, refusal)) => {
                self.refused(round, refusal.to_string());
            }
            (Ok(Outcome::Unknown), Claim::Promised(_)) => {
                self.disputed(round, "the coordinator no longer answers for the round".to_owned());
            }
            (Err(error), Claim::Promised(_)) => {
                let Contributor { terms, key, .. } = &*self.contributor;
                let finding = Finding::Receipt(error);
                let dispute = Dispute::new(terms, round, key.verifying_key(), finding);
                self.disputed(round, dispute.to_string());
            }
        }
    }

    fn counted(&mut self, round: RoundId, receipt: &RoundReceipt, record: Record) {
        self.note(round, record);
        let member = self.contributor.key.verifying_key();
        let value = value_of(&member, receipt, &self.contributor.terms);
        let participants = receipt.accepted.contributions().len();
        self.summary.counted += 1;
        self.summary.value += value;
        tracing::info!(round.id = %round, value, participants, "round {round} counted");
        (self.events)(AgentEvent::Counted { round, value, participants });
    }

    fn refused(&mut self, round: RoundId, reason: String) {
        self.summary.refused += 1;
        tracing::warn!(round.id = %round, reason, "no part in round {round}: {reason}");
        (self.events)(AgentEvent::Refused { round, reason });
    }

    fn disputed(&mut self, round: RoundId, reason: String) {
        self.summary.disputed += 1;
        tracing::error!(round.id = %round, reason, "round {round} is disputed: {reason}");
        (self.events)(AgentEvent::Disputed { round, reason });
    }

    fn end(&self, round: RoundId) -> Result<(), AgentError> {
        self.contributor.state.store_round(&StoredRound::Ended { round })?;
        self.contributor.state.forget_round()
    }
}
