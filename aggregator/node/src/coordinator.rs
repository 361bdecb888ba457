//! The coordinator's loop.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aggregator_network::{Counters, Inbound, Inbox, Link, ReplySender};
use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, CohortRequest, ContributorReply, ContributorRequest,
    DaoRequest, FederationTerms, FetchedReceipt, Refusal, RoundId, from_wire, to_wire,
};
use aggregator_round::{
    AggregatorContext, Coordinator, Ended, Input, Output, SUMS_MAX, Unsendable,
};
use anyhow::bail;
use privacy_identity::{Digest, Encode as _, Signed, VerifyingKey};
use tokio::{sync::mpsc, task::AbortHandle};
use tracing::{debug, warn};

use crate::{
    NodeEvent,
    ask::{Errand, Means, Routes, unavailable},
    clock::{not_before, now_ms},
    delivery::{Delivery, Word},
    following::{Followed, Next},
    retention::Retention,
    sharing::Stores,
    store::Store,
};

/// How often time is let act on the machine, in milliseconds: a deadline is kept to within this.
const TICK_MS: u64 = 100;

/// Answers waiting to be handled: at most one per aggregator and one of the DAO node.
const ANSWERS_MAX: usize = 64;

/// Everything around the coordinator's machine.
pub(crate) struct CoordinatorShell<E> {
    means: Means,
    machine: Coordinator,
    terms: Signed<FederationTerms>,
    store: Store,
    retention: Retention,
    delivery: Delivery,
    routes: Routes,
    events: E,
    errands: BTreeMap<Digest, AbortHandle>,
    /// The errand whose answer was refused last.
    refused: Option<Digest>,
    answers: mpsc::Sender<(Digest, anyhow::Result<Input>)>,
    frames: Counters,
    next: Next,
}

impl<E: Fn(NodeEvent) + Clone + Send + Sync + 'static> CoordinatorShell<E> {
    /// Restores the machine from the store and runs it until there are terms to go over to, which are returned between two
    /// rounds.
    pub(crate) async fn run(
        context: Arc<AggregatorContext>,
        terms: Signed<FederationTerms>,
        (store, updates, sharing): Stores,
        (link, inbox): (Link, Inbox),
        (routes, next): (Routes, Next),
        events: E,
    ) -> anyhow::Result<Followed> {
        let machine = restored(&context, &store).await?;
        // What a crash cut off before an input named it, and what is of ended rounds.
        tokio::task::block_in_place(|| updates.sweep(&|id| machine.needs(id)))?;
        let resumed = machine.current_round().map(|round| round.0);
        events(NodeEvent::Ready { index: 0, resumed });
        let (answers, answers_in) = mpsc::channel(ANSWERS_MAX);
        let (delivery, words) = Delivery::open(&context, &store, &link, routes.dao).await?;
        let shell = Self {
            delivery,
            means: Means { context, updates, link, sharing },
            machine,
            terms,
            store,
            retention: Retention::default(),
            routes,
            events,
            errands: BTreeMap::new(),
            refused: None,
            answers,
            frames: Counters::default(),
            next,
        };
        shell.serve(inbox, answers_in, words).await
    }

    async fn serve(
        mut self,
        mut inbox: Inbox,
        mut answers: mpsc::Receiver<(Digest, anyhow::Result<Input>)>,
        mut words: mpsc::Receiver<Word>,
    ) -> anyhow::Result<Followed> {
        let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
        self.dispatch()?;
        loop {
            tokio::select! {
                inbound = inbox.next_request() => match inbound {
                    Some(inbound) => self.answer(inbound).await?,
                    None => bail!("the network link ended"),
                },
                Some((id, input)) = answers.recv() => {
                    // An errand that is no longer outstanding was aborted: its answer is stale.
                    if self.errands.remove(&id).is_some() {
                        self.answered(id, input?).await?;
                        self.dispatch()?;
                    }
                }
                Some(word) = words.recv() => self.delivery.hear(word).await?,
                _ = tick.tick() => {
                    self.count_frames();
                    if self.step(Input::Tick, None).await? {
                        self.dispatch()?;
                    }
                    if let Some(followed) = self.due_change() {
                        return Ok(followed);
                    }
                }
            }
        }
    }

    /// The terms to go over to, unless a round is under way: it ends as it began.
    fn due_change(&mut self) -> Option<Followed> {
        if self.machine.current_round().is_some() {
            return None;
        }
        let followed = self.next.borrow().clone()?;
        for (_, errand) in std::mem::take(&mut self.errands) {
            errand.abort();
        }
        Some(followed)
    }

    /// Counts what the link refused before it was a message: too large, or cut off.
    fn count_frames(&mut self) {
        let now = self.means.link.counters();
        let before = std::mem::replace(&mut self.frames, now);
        for _ in before.oversized..now.oversized {
            self.machine.count(Refusal::Oversized);
        }
        for _ in before.truncated..now.truncated {
            self.machine.count(Refusal::Malformed);
        }
    }

    /// Sends what is outstanding and not yet under way, and gives up what no longer is.
    fn dispatch(&mut self) -> anyhow::Result<()> {
        let mut current = BTreeMap::new();
        for ask in self.machine.outstanding(&self.means.context) {
            let Some(errand) = Errand::new(ask, &self.routes)? else { continue };
            let id = errand.id();
            let handle = self.errands.remove(&id).unwrap_or_else(|| self.send(id, errand));
            current.insert(id, handle);
        }
        self.refused = None;
        for (_, stale) in std::mem::replace(&mut self.errands, current) {
            stale.abort();
        }
        Ok(())
    }

    fn send(&self, id: Digest, errand: Errand) -> AbortHandle {
        let (means, answers, events) =
            (self.means.clone(), self.answers.clone(), self.events.clone());
        let refused = self.refused == Some(id);
        let task = tokio::spawn(async move {
            let unanswered = |cause| events(NodeEvent::Unanswered { cause });
            let input = errand.run(means, refused, unanswered).await;
            // The receiver is gone only when the whole shell is.
            drop(answers.send((id, input)).await);
        });
        task.abort_handle()
    }

    async fn answered(&mut self, id: Digest, input: Input) -> anyhow::Result<()> {
        if self.step(input, None).await? {
            return Ok(());
        }
        // The answer was refused, so it would be refused again: the round cannot go on with it. Between
        // rounds there is nothing to give up: whoever answers wrongly is not asked at once.
        self.refused = Some(id);
        self.step(Input::StepRefused(Refusal::BadSet), None).await?;
        Ok(())
    }

    async fn answer(&mut self, inbound: Inbound) -> anyhow::Result<()> {
        let Inbound { peer, body, reply } = inbound;
        let Ok(member) = VerifyingKey::from_bytes(peer.to_bytes()) else {
            return Ok(());
        };
        let Ok(request) = from_wire::<ContributorRequest>(&body) else {
            self.machine.count(Refusal::Malformed);
            self.refuse(member, Refusal::Malformed, reply);
            return Ok(());
        };
        let answer = match request {
            ContributorRequest::Terms => ContributorReply::Terms(Box::new(self.terms.clone())),
            ContributorRequest::Fetch { known } => match self.custody(&member).await? {
                Some(asked) => ContributorReply::Custody(asked),
                None => self.machine.order_for(&member, known),
            },
            ContributorRequest::Receipt { round } => match self.custody(&member).await? {
                Some(asked) => ContributorReply::Custody(asked),
                None => ContributorReply::Receipt(self.receipt(round, member)?),
            },
            ContributorRequest::Custody(answer) => {
                return self.custodian_answered(member, *answer, reply).await;
            }
            ContributorRequest::Join(request) => {
                let cohort = self.means.context.terms().cohort.is_present();
                self.delivery.join(DaoRequest::Join(request), reply, cohort);
                return Ok(());
            }
            ContributorRequest::Model | ContributorRequest::Trained(_) => {
                self.buffered(member, request, reply);
                return Ok(());
            }
            ContributorRequest::Cohort(request) => {
                return self.cohort(member, request, reply).await;
            }
            ContributorRequest::Sum { round } => {
                ContributorReply::Sum(self.machine.sum_for(round, &member))
            }
            ContributorRequest::Values { round } => {
                ContributorReply::Values(self.machine.values_for(round, &member))
            }
            ContributorRequest::Submit { update, ticket } => {
                let input = Input::Submitted { peer: member, update, ticket };
                if self.step(input, Some((member, reply))).await? {
                    self.dispatch()?;
                }
                return Ok(());
            }
        };
        send(reply, &answer);
        Ok(())
    }

    /// What `member` is asked as a custodian, if a round waits for it.
    async fn custody(
        &mut self,
        member: &VerifyingKey,
    ) -> anyhow::Result<Option<Box<AggregatorRequest>>> {
        let Means { context, updates, .. } = &self.means;
        let asked = tokio::task::block_in_place(|| {
            self.machine.custody_for(context, updates.as_ref(), member)
        });
        match asked {
            Ok(asked) => Ok(asked),
            Err(Unsendable::Unavailable) => Err(unavailable(updates.as_ref())),
            Err(Unsendable::Lost(input)) => {
                if self.step(*input, None).await? {
                    self.dispatch()?;
                }
                Ok(None)
            }
        }
    }

    /// How a round ended for `member`. After the last of them its updates are of no use to anybody.
    fn receipt(&mut self, round: RoundId, member: VerifyingKey) -> anyhow::Result<FetchedReceipt> {
        let fetched = self.machine.receipt_for(round, &member);
        if self.retention.fetched(member, &fetched) {
            self.sweep()?;
        }
        Ok(fetched)
    }

    /// Deletes the updates that nobody needs any more.
    fn sweep(&self) -> anyhow::Result<()> {
        let needs = |id: &_| self.retention.needs(&self.machine, id);
        tokio::task::block_in_place(|| self.means.updates.sweep(&needs))
    }

    async fn custodian_answered(
        &mut self,
        member: VerifyingKey,
        answer: AggregatorReply,
        reply: ReplySender,
    ) -> anyhow::Result<()> {
        let Some(party) = self.machine.custodian(&self.means.context, &member) else {
            self.machine.count(Refusal::Stranger);
            self.refuse(member, Refusal::Stranger, reply);
            return Ok(());
        };
        let input = Input::from_party(party, answer);
        if self.step(input, Some((member, reply))).await? {
            self.dispatch()?;
        }
        Ok(())
    }

    /// Passes on what members that train at their own pace ask of the DAO node.
    fn buffered(&mut self, member: VerifyingKey, request: ContributorRequest, reply: ReplySender) {
        let request = match request {
            _ if self.means.context.terms().buffer.is_none() => None,
            ContributorRequest::Model => Some(DaoRequest::Model),
            // Its own word, and nobody else's.
            ContributorRequest::Trained(trained) if *trained.claimed_signer() == member => {
                Some(DaoRequest::Trained(trained))
            }
            _ => None,
        };
        match request {
            // Strangers would cost the DAO node a model each.
            Some(request) if self.means.context.terms().cohort.is_present() => {
                if let Some(refusal) = self.delivery.offers_to(&member, request, reply) {
                    self.machine.count(refusal);
                    (self.events)(NodeEvent::Refused { peer: member, reason: refusal.name() });
                }
            }
            Some(request) => self.delivery.offers(request, reply),
            None => {
                self.machine.count(Refusal::WrongSender);
                self.refuse(member, Refusal::WrongSender, reply);
            }
        }
    }

    fn refuse(&self, peer: VerifyingKey, refusal: Refusal, reply: ReplySender) {
        (self.events)(NodeEvent::Refused { peer, reason: refusal.name() });
        send(reply, &ContributorReply::Refused(refusal));
    }

    /// Answers a member as the delivery of its cohort.
    async fn cohort(
        &mut self,
        member: VerifyingKey,
        request: CohortRequest,
        reply: ReplySender,
    ) -> anyhow::Result<()> {
        if !self.means.context.terms().cohort.is_present() {
            self.machine.count(Refusal::Unexpected);
            self.refuse(member, Refusal::Malformed, reply);
            return Ok(());
        }
        let collecting = self.machine.collecting();
        if let Some(refusal) = self.delivery.answer(member, request, collecting, reply).await? {
            self.machine.count(refusal);
            (self.events)(NodeEvent::Refused { peer: member, reason: refusal.name() });
        }
        Ok(())
    }

    /// Feeds one input to the machine and performs its outputs in order. Returns whether anything
    /// was accepted.
    async fn step(
        &mut self,
        input: Input,
        mut from: Option<(VerifyingKey, ReplySender)>,
    ) -> anyhow::Result<bool> {
        let now = now_ms();
        // An update is not among what is persisted, and as long as a model.
        let update = matches!(input, Input::Submitted { .. });
        let bytes = if update { Vec::new() } else { input.to_bytes() };
        let machine = std::mem::replace(&mut self.machine, Coordinator::new(Vec::new()));
        let (machine, result) =
            tokio::task::block_in_place(|| machine.handle(&self.means.context, input, now));
        self.machine = machine;
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(refusal) => {
                if let Some((peer, reply)) = from.take() {
                    self.refuse(peer, refusal, reply);
                } else {
                    warn!(reason = refusal.name(), "an answer was refused: {refusal}");
                }
                return Ok(false);
            }
        };
        let accepted = !outputs.is_empty();
        for output in outputs {
            match output {
                Output::Keep(kept) => {
                    tokio::task::block_in_place(|| self.means.updates.keep(&kept))?;
                }
                Output::PersistInput(other) => self.store.append(now, &other.to_bytes()).await?,
                Output::Persist => self.store.append(now, &bytes).await?,
                Output::Conclude(ended) => self.conclude(&ended).await?,
                Output::Report(event) => (self.events)(NodeEvent::Round(event)),
                Output::Acknowledge(acknowledgement) => {
                    if let Some((_, reply)) = from.take() {
                        send(reply, &ContributorReply::Acknowledged(*acknowledgement));
                    }
                }
            }
        }
        // Not an update, so it came from a custodian.
        if let Some((_, reply)) = from {
            send(reply, &ContributorReply::Taken);
        }
        Ok(accepted)
    }

    /// Keeps how a round ended, and lets go of what only it needed.
    async fn conclude(&mut self, ended: &Ended) -> anyhow::Result<()> {
        self.store.conclude(ended).await?;
        self.sweep()?;
        if let Some(sharing) = &self.means.sharing {
            sharing.board.clear().await?;
        }
        let oldest = ended.round().0.saturating_sub(SUMS_MAX as u64);
        self.retention.forget_before(RoundId(oldest));
        Ok(())
    }
}

/// The machine as it was when the process ended: no update is read.
async fn restored(context: &AggregatorContext, store: &Store) -> anyhow::Result<Coordinator> {
    let mut machine = Coordinator::new(store.ended().await?);
    let mut last = Vec::new();
    for (at_ms, input) in store.inputs::<Input>().await? {
        not_before(at_ms);
        let (next, result) = machine.handle(context, input, at_ms);
        if let Err(refusal) = result {
            bail!("a stored input is refused now ({refusal}): the store was altered");
        }
        machine = next;
        last = result.unwrap_or_default();
    }
    // A crash between storing the last input of a round and concluding it.
    for output in last {
        if let Output::Conclude(ended) = output {
            store.conclude(&ended).await?;
        }
    }
    Ok(machine)
}

fn send(reply: ReplySender, answer: &ContributorReply) {
    if let Err(error) = reply.send(to_wire(answer)) {
        // The contributor asks again; every request is idempotent.
        debug!("an answer was not taken: {error}");
    }
}
