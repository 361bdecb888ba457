//! Training at one's own pace, where the terms have a buffer.
//!
//! ```text
//!   ask for the newest model ─► train ─► keep it, say "done" every second ─► an order of that model ─► seal, deliver
//!            ▲                                    │ too old: thrown away                                    │
//!            └────────────────────────────────────┴─────────────────────────────────────────────────────────┘
//! ```
//!
//! An update is sealed to one round, once: if that is given up, the next one is trained anew.

use aggregator_protocol::{
    ContributorReply, ContributorRequest, EndReason, FederationEnd, ModelOffer, Refusal, RoundId,
};
use aggregator_round::{Ordered, check_offered, checked_offer, trained_from};
use privacy_identity::Signed;

use super::{Order, Session};
use crate::{
    AgentError, AgentEvent, Behaviour, backoff, caller::Question, clock::Stopwatch,
    contributor::Contributor, trained::Trained,
};

/// How often it is said that an update waits: often enough to be waited for, in seconds.
const AGAIN_SECONDS: f64 = 1.0;
/// How often it is looked whether a brake still holds, in milliseconds.
const HELD_MS: u64 = 200;

/// What came of waiting.
enum Awaited {
    Order(Order),
    Stale,
    End(EndReason),
}

impl<F: Fn(AgentEvent) + Send> Session<F> {
    /// Trains and contributes until no more rounds are run.
    pub(super) async fn run_buffered(&mut self) -> Result<EndReason, AgentError> {
        loop {
            let trained = match self.contributor.state.trained()? {
                Some(trained) => trained,
                None => match self.train_offered().await? {
                    Ok(trained) => trained,
                    Err(reason) => return Ok(reason),
                },
            };
            match self.await_order(&trained).await? {
                Awaited::Order(order) => self.contribute_trained(order, &trained).await?,
                Awaited::Stale => {
                    self.contributor.state.forget_trained()?;
                    (self.events)(AgentEvent::Stale { version: trained.version });
                }
                Awaited::End(reason) => return Ok(reason),
            }
        }
    }

    /// Trains from the newest model; or why there is none any more.
    async fn train_offered(&mut self) -> Result<Result<Trained, EndReason>, AgentError> {
        loop {
            if self.pacing.brake.holds() {
                if let Some(reason) = self.ended_while_held().await? {
                    return Ok(Err(reason));
                }
                continue;
            }
            match self.ask(Question::Model, &ContributorRequest::Model).await? {
                ContributorReply::Wait { retry_ms } => {
                    self.tend_cohort().await?;
                    backoff::wait(retry_ms).await;
                }
                ContributorReply::Model { offer, model } => {
                    if let Some(trained) = self.train_from(&offer, &model).await? {
                        return Ok(Ok(trained));
                    }
                    self.orders.pause().await;
                }
                ContributorReply::Finished(end) => {
                    if let Some(reason) = FederationEnd::checked(&end, &self.contributor.terms) {
                        return Ok(Err(reason));
                    }
                    self.orders.pause().await;
                }
                // Not among those who may take part now: suspended, or the policy wants a new consent.
                ContributorReply::Refused(Refusal::Stranger) => self.orders.pause().await,
                other => return Err(Question::Model.unanswered(&other)),
            }
        }
    }

    /// Whether all is over, asked while the owner lets nothing be trained.
    async fn ended_while_held(&mut self) -> Result<Option<EndReason>, AgentError> {
        let request = ContributorRequest::Fetch { known: self.known };
        if let ContributorReply::Finished(end) = self.ask(Question::Fetch, &request).await?
            && let Some(reason) = FederationEnd::checked(&end, &self.contributor.terms)
        {
            return Ok(Some(reason));
        }
        self.tend_cohort().await?;
        backoff::wait(HELD_MS).await;
        Ok(None)
    }

    /// Trains from what is offered, and keeps it; nothing if it is not the DAO node's, or training fails.
    async fn train_from(
        &mut self,
        offer: &Signed<ModelOffer>,
        model: &[u8],
    ) -> Result<Option<Trained>, AgentError> {
        let claimed = RoundId(offer.unverified_body().version);
        let offer = match checked_offer(&self.contributor.terms, offer, self.newest) {
            Ok(offer) => offer,
            Err(refusal) => {
                self.refuse_order(claimed, refusal.to_string()).await;
                return Ok(None);
            }
        };
        let Some(model) = self.open_offered(&offer, model).await? else { return Ok(None) };
        if let Err(refusal) = check_offered(&offer, &model) {
            self.refuse_order(claimed, refusal.to_string()).await;
            return Ok(None);
        }
        let version = offer.version;
        let model = self.contributor.learner.model(&model)?;
        self.orders.reset();
        self.newest = Some(version);
        (self.events)(AgentEvent::Offered { version });
        if self.contributor.learner.behaviour() == Behaviour::Replay {
            self.global.observe(&model);
        }
        // The schedule of learning rates goes by the version: the round's number is not known yet.
        let Some(learned) = self.train(RoundId(version), model, None).await? else {
            return Ok(None);
        };
        let Contributor { terms, state, .. } = &*self.contributor;
        let clip_norm = terms.encoding.clip_norm();
        let trained = Trained::new((version, offer.model), learned.update, clip_norm);
        state.store_trained(&trained)?;
        (self.events)(AgentEvent::Waiting { version });
        Ok(Some(trained))
    }

    /// Waits for the round that takes an update, and says meanwhile that it waits.
    async fn await_order(&mut self, trained: &Trained) -> Result<Awaited, AgentError> {
        let Contributor { terms, key, .. } = &*self.contributor;
        let word =
            ContributorRequest::Trained(trained_from(terms, (trained.version, trained.model), key));
        let mut said: Option<Stopwatch> = None;
        loop {
            if said.as_ref().is_none_or(|said| said.seconds() > AGAIN_SECONDS) {
                match self.ask(Question::Trained, &word).await? {
                    ContributorReply::Refused(Refusal::Stale | Refusal::WrongModel) => {
                        return Ok(Awaited::Stale);
                    }
                    ContributorReply::Taken | ContributorReply::Refused(Refusal::Stranger) => {}
                    ContributorReply::Finished(end) => {
                        if let Some(reason) = FederationEnd::checked(&end, &self.contributor.terms)
                        {
                            return Ok(Awaited::End(reason));
                        }
                    }
                    other => return Err(Question::Trained.unanswered(&other)),
                }
                said = Some(Stopwatch::start());
            }
            let request = ContributorRequest::Fetch { known: self.known };
            match self.ask(Question::Fetch, &request).await? {
                ContributorReply::Wait { retry_ms } => {
                    self.tend_cohort().await?;
                    backoff::wait(retry_ms).await;
                }
                ContributorReply::Order { order, model } => {
                    return Ok(Awaited::Order(Order { order, model }));
                }
                ContributorReply::Finished(end) => {
                    if let Some(reason) = FederationEnd::checked(&end, &self.contributor.terms) {
                        return Ok(Awaited::End(reason));
                    }
                    self.orders.pause().await;
                }
                other => return Err(Question::Fetch.unanswered(&other)),
            }
        }
    }

    /// Seals what was trained to the round that takes it. What the order is refused for leaves it waiting.
    async fn contribute_trained(
        &mut self,
        order: Order,
        trained: &Trained,
    ) -> Result<(), AgentError> {
        let Some(_) = self.opened(&order).await? else { return Ok(()) };
        let Contributor { terms, key, .. } = &*self.contributor;
        let accepted = Ordered::accept_trained(terms, key, self.last, &order.order, &trained.model);
        let ordered = match accepted {
            Ok(ordered) => ordered,
            Err(refusal) => {
                self.refuse_order(order.round(), refusal.to_string()).await;
                return Ok(());
            }
        };
        let round = ordered.round();
        self.orders.reset();
        self.known = Some(round);
        (self.events)(AgentEvent::Ordered { round });
        let secret = self.cohort.as_ref().map(|cohort| cohort.secret(round)).transpose()?;
        let watch = Stopwatch::start();
        let submission = self.contributor.seal(ordered, trained.update(), secret).await?;
        self.note_sealed(round);
        // What is stored now is sealed: this would be the same update again.
        self.contributor.state.forget_trained()?;
        (self.events)(AgentEvent::Sealed { round, seconds: watch.seconds() });
        self.deliver(submission).await
    }
}
