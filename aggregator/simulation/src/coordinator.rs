//! The coordinator's process: its machine on its disk, and what it asks until it is answered, as
//! `aggregator-node` does it.

mod disk;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use aggregator_protocol::{
    Acknowledgement, AggregatorReply, ContributorReply, ContributorRequest, FetchedReceipt,
    Refusal, RoundAbort, RoundId, from_wire, to_wire,
};
use aggregator_round::{
    AggregatorContext, Answer, Ask, Asked, Batch, Coordinator, Input, Output, RoundEvent,
    Unsendable, UpdateId, Work,
};
use aggregator_strategy::Ticket;
use privacy_identity::{Digest, Encode as _, Signed, Tag, VerifyingKey};

use crate::{
    fault::Party, journal::Journal, scenario::Mutant, turn::Turn, updates::Updates,
    witness::Promise,
};

/// How long an answer is waited for before the same is asked again, in milliseconds.
pub(crate) const RETRY_MS: u64 = 150;
/// Pause after an answer that was refused, in milliseconds, as in `aggregator-node`.
const REFUSED_PAUSE_MS: u64 = 250;

/// Kinds of records.
const INPUT: u8 = 0;
const ENDED: u8 = 1;

/// A question that waits for its answer.
struct Errand {
    id: u64,
    to: Party,
    wire: Vec<u8>,
    asked: Asked,
    sent_ms: u64,
}

/// The coordinator.
pub(crate) struct Process {
    pub(crate) context: AggregatorContext,
    pub(crate) machine: Coordinator,
    /// What a restart has to give.
    durable: Coordinator,
    journal: Journal,
    /// Digests of the updates among the stored inputs of the round under way.
    pub(crate) held: BTreeSet<Digest>,
    /// The bytes of updates.
    pub(crate) updates: Updates,
    /// What it does itself, and under which number.
    job: Option<(u64, Box<Work>)>,
    errands: BTreeMap<(Party, Digest), Errand>,
    last_id: u64,
    /// No new question is asked before that time.
    paused_until_ms: u64,
    /// The round under way, and when it began.
    pub(crate) began: Option<(RoundId, u64)>,
}

impl Process {
    pub(crate) fn new(context: AggregatorContext) -> Self {
        Self {
            context,
            machine: Coordinator::new(Vec::new()),
            durable: Coordinator::new(Vec::new()),
            journal: Journal::default(),
            held: BTreeSet::new(),
            updates: Updates::default(),
            job: None,
            errands: BTreeMap::new(),
            last_id: 0,
            paused_until_ms: 0,
            began: None,
        }
    }

    /// Whether the round under way only waits to be logged.
    pub(crate) fn decided(&self) -> bool {
        self.errands.values().any(|errand| matches!(errand.asked, Asked::Settle | Asked::Abort))
    }

    /// Lets time act, and asks again what was not answered.
    pub(crate) fn wake(&mut self, turn: &mut Turn<'_>) {
        if turn.mutant != Some(Mutant::NeverTicks) {
            self.step(turn, Input::Tick, None).ok();
        }
        self.dispatch(turn);
        for errand in self.errands.values_mut() {
            if turn.elapsed_ms >= errand.sent_ms + RETRY_MS {
                errand.sent_ms = turn.elapsed_ms;
                turn.request(errand.to, errand.id, errand.wire.clone());
            }
        }
    }

    /// Sends what is outstanding and not yet under way, and gives up what no longer is.
    fn dispatch(&mut self, turn: &mut Turn<'_>) {
        if turn.died || turn.elapsed_ms < self.paused_until_ms {
            return;
        }
        let (mut current, mut job, mut lost) = (BTreeMap::new(), None, None);
        for ask in self.machine.outstanding(&self.context) {
            let Some(asked) = ask.asked() else {
                job = self.begun(turn, ask);
                continue;
            };
            let (to, name, wire) = match ask {
                Ask::Dao(request) => plain(Party::Dao, to_wire(request.as_ref())),
                Ask::Aggregator(place, request) => {
                    plain(Party::Aggregator(place), to_wire(request.as_ref()))
                }
                Ask::Parts(place, batch) if !batch.custody() => {
                    let name = Digest::of(Tag::SealedUpdate, &batch.name());
                    (Party::Aggregator(place), name, Wire::Parts(batch))
                }
                // A custodian opens no port: what it is asked waits until it comes.
                Ask::Custodian(..) | Ask::Parts(..) | Ask::Own(_) => continue,
            };
            if let Some(errand) = self.errands.remove(&(to, name)) {
                current.insert((to, name), errand);
                continue;
            }
            let wire = match wire {
                Wire::Whole(wire) => wire,
                Wire::Parts(batch) => match batch.request(&self.updates) {
                    Ok(request) => to_wire(&request),
                    Err(Unsendable::Lost(input)) => {
                        lost = Some(input);
                        break;
                    }
                    // Tried again in its time.
                    Err(Unsendable::Unavailable) => continue,
                },
            };
            self.last_id += 1;
            let (id, sent_ms) = (self.last_id, turn.elapsed_ms);
            turn.request(to, id, wire.clone());
            current.insert((to, name), Errand { id, to, wire, asked, sent_ms });
        }
        (self.errands, self.job) = (current, job);
        if let Some(input) = lost {
            self.step(turn, *input, None).ok();
            self.dispatch(turn);
        }
    }

    /// The work that is under way, or begins.
    fn begun(&mut self, turn: &mut Turn<'_>, ask: Ask) -> Option<(u64, Box<Work>)> {
        let Ask::Own(work) = ask else { return None };
        if let Some((id, under_way)) = self.job.take()
            && under_way.name() == work.name()
        {
            return Some((id, under_way));
        }
        self.last_id += 1;
        turn.begun.push(self.last_id);
        Some((self.last_id, work))
    }

    /// Work of its own is done, unless it was given up: reads its parts and takes what came of them.
    pub(crate) fn worked(&mut self, turn: &mut Turn<'_>, id: u64) {
        let Some((_, work)) = self.job.take_if(|(current, _)| *current == id) else { return };
        // A store that cannot be read is asked again.
        if let Ok(input) = work.run(&self.context, &self.updates) {
            turn.witness.seen.add("own work", 1);
            self.step(turn, input, None).ok();
        }
        self.dispatch(turn);
    }

    /// Takes the answer to one of its questions.
    pub(crate) fn hear(&mut self, turn: &mut Turn<'_>, id: u64, bytes: &[u8]) {
        // A question that is no longer outstanding was given up: its answer is stale.
        let Some((key, errand)) = self.errands.iter().find(|(_, errand)| errand.id == id) else {
            return;
        };
        let (key, answer) = (*key, errand.asked.read(bytes));
        let garbage = turn.mutant == Some(Mutant::TakesGarbageForRefusal);
        let input = match answer {
            Answer::Input(input) => input,
            Answer::Later { .. } if garbage && errand.asked == Asked::Abort => {
                Box::new(Input::Logged)
            }
            Answer::Later { .. } if garbage => Box::new(Input::StepRefused(Refusal::Malformed)),
            // Asked again in its time.
            Answer::Later { .. } => return,
        };
        self.errands.remove(&key);
        if self.step(turn, *input, None).is_err() {
            // It would be refused again: the round cannot go on with it.
            self.step(turn, Input::StepRefused(Refusal::BadSet), None).ok();
            self.paused_until_ms = turn.elapsed_ms + REFUSED_PAUSE_MS;
        }
        self.dispatch(turn);
    }

    /// Answers a member.
    pub(crate) fn answer(&mut self, turn: &mut Turn<'_>, from: (usize, u64), bytes: &[u8]) {
        let member = turn.world.member_keys[from.0];
        let reply = |turn: &mut Turn<'_>, reply: &ContributorReply| {
            turn.reply(Party::Member(from.0), from.1, to_wire(reply));
        };
        let Ok(request) = from_wire::<ContributorRequest>(bytes) else {
            self.machine.count(Refusal::Malformed);
            turn.witness.refusal(Refusal::Malformed);
            return reply(turn, &ContributorReply::Refused(Refusal::Malformed));
        };
        let answer = match request {
            ContributorRequest::Fetch { known } => match self.custody_for(turn, &member) {
                Some(asked) => asked,
                None => self.machine.order_for(&member, known),
            },
            ContributorRequest::Receipt { round } => match self.custody_for(turn, &member) {
                Some(asked) => asked,
                None => ContributorReply::Receipt(self.receipt_for(turn.mutant, round, &member)),
            },
            ContributorRequest::Sum { round } => {
                ContributorReply::Sum(self.machine.sum_for(round, &member))
            }
            ContributorRequest::Values { round } => {
                ContributorReply::Values(self.machine.values_for(round, &member))
            }
            ContributorRequest::Submit { update, ticket } => {
                return self.submitted(turn, from, update, ticket);
            }
            ContributorRequest::Custody(answer) => return self.custody(turn, from, *answer),
            ContributorRequest::Terms
            | ContributorRequest::Join(_)
            | ContributorRequest::Cohort(_)
            | ContributorRequest::Model
            | ContributorRequest::Trained(_) => ContributorReply::Refused(Refusal::Unexpected),
        };
        reply(turn, &answer);
    }

    /// What the member is asked as a custodian.
    fn custody_for(
        &mut self,
        turn: &mut Turn<'_>,
        member: &VerifyingKey,
    ) -> Option<ContributorReply> {
        match self.machine.custody_for(&self.context, &self.updates, member) {
            Ok(asked) => asked.map(ContributorReply::Custody),
            Err(Unsendable::Lost(input)) => {
                self.step(turn, *input, None).ok();
                self.dispatch(turn);
                None
            }
            Err(Unsendable::Unavailable) => None,
        }
    }

    fn receipt_for(
        &self,
        mutant: Option<Mutant>,
        round: RoundId,
        member: &VerifyingKey,
    ) -> FetchedReceipt {
        let fetched = self.machine.receipt_for(round, member);
        match (mutant, &fetched) {
            (Some(Mutant::DeniesTheReceipt), FetchedReceipt::Settled { .. }) => {
                let reason = "it never was".to_owned();
                let abort = RoundAbort { federation: self.context.terms().id(), round, reason };
                let abort = Signed::new(abort, Tag::RoundAbort, self.context.signing());
                FetchedReceipt::Aborted(Box::new(abort))
            }
            _ => fetched,
        }
    }

    fn custody(&mut self, turn: &mut Turn<'_>, from: (usize, u64), answer: AggregatorReply) {
        let member = turn.world.member_keys[from.0];
        let taken = match self.machine.custodian(&self.context, &member) {
            Some(place) => self.step(turn, Input::from_party(place, answer), Some(from)),
            None => {
                self.machine.count(Refusal::Stranger);
                Err(Refusal::Stranger)
            }
        };
        let answer = taken.map_or_else(ContributorReply::Refused, |()| ContributorReply::Taken);
        turn.reply(Party::Member(from.0), from.1, to_wire(&answer));
        self.dispatch(turn);
    }

    fn submitted(
        &mut self,
        turn: &mut Turn<'_>,
        from: (usize, u64),
        update: Box<privacy_secagg::SealedUpdate>,
        ticket: Option<Ticket>,
    ) {
        let peer = turn.world.member_keys[from.0];
        let sent = update.clone();
        let input = Input::Submitted { peer, update, ticket };
        if let Err(refusal) = self.step(turn, input, Some(from)) {
            if turn.mutant == Some(Mutant::AcknowledgesAnything) {
                let update = Digest::of(Tag::SealedUpdate, &sent.to_bytes());
                let round = RoundId(sent.claimed_binding().round);
                let body = Acknowledgement { federation: turn.world.id, round, update };
                let promise = Signed::new(body, Tag::Acknowledgement, self.context.signing());
                return acknowledge(turn, from, promise);
            }
            let refused = ContributorReply::Refused(refusal);
            return turn.reply(Party::Member(from.0), from.1, to_wire(&refused));
        }
        self.dispatch(turn);
    }

    /// Counts what a link refused before it was a message.
    pub(crate) fn count(&mut self, refusal: Refusal) {
        self.machine.count(refusal);
    }

    /// Feeds one input to the machine and performs its outputs in order.
    fn step(
        &mut self,
        turn: &mut Turn<'_>,
        input: Input,
        from: Option<(usize, u64)>,
    ) -> Result<(), Refusal> {
        if turn.died {
            return Ok(());
        }
        let before = self.machine.clone();
        let machine = mem::replace(&mut self.machine, Coordinator::new(Vec::new()));
        let (machine, result) = machine.handle(&self.context, input.clone(), turn.clock_ms);
        self.machine = machine;
        let mut outputs = match result {
            Ok(outputs) => outputs,
            Err(refusal) => {
                if turn.mutant == Some(Mutant::CountsTwice) {
                    self.machine.count(refusal);
                }
                self.check_refusal(turn, before, refusal);
                return Err(refusal);
            }
        };
        check_order(turn, &input, &outputs, self.machine != before);
        self.check_loss(turn, &input);
        mutated(turn.mutant, &mut outputs);
        for output in outputs {
            self.perform(turn, &input, from, output);
            if turn.died {
                break;
            }
        }
        Ok(())
    }

    fn check_refusal(&self, turn: &mut Turn<'_>, mut before: Coordinator, refusal: Refusal) {
        turn.witness.refusal(refusal);
        before.count(refusal);
        if self.machine != before {
            let what = format!("the coordinator refused as {refusal}, and changed");
            turn.witness.news.changed_by_refusal.push(what);
        }
    }

    fn perform(
        &mut self,
        turn: &mut Turn<'_>,
        input: &Input,
        from: Option<(usize, u64)>,
        output: Output,
    ) {
        match output {
            Output::Keep(kept) => turn.keep(&mut self.updates, &kept),
            Output::PersistInput(other) => {
                let stored = self.store(turn, &other);
                if let Input::Held { round, update, .. } = *other
                    && stored
                {
                    self.durable = self.machine.clone();
                    self.held.insert(update);
                    turn.name(&mut self.updates, UpdateId { round, update });
                }
            }
            Output::Persist => {
                if turn.mutant == Some(Mutant::StoresTwice) {
                    self.store(turn, input);
                }
                if self.store(turn, input) {
                    self.durable = self.machine.clone();
                }
            }
            Output::Conclude(ended) => self.conclude(turn, &ended),
            Output::Report(event) => self.report(turn, &event),
            Output::Acknowledge(promise) => {
                if let Some(from) = from {
                    acknowledge(turn, from, *promise);
                }
            }
        }
    }

    fn report(&mut self, turn: &mut Turn<'_>, event: &RoundEvent) {
        match event {
            RoundEvent::Started { round, .. } => self.began = Some((*round, turn.elapsed_ms)),
            RoundEvent::Settled { .. } => turn.witness.seen.add("settled", 1),
            RoundEvent::Aborted { reason, .. } => {
                turn.witness.seen.add("aborted", 1);
                let lost = u64::from(reason.contains("missing") || reason.contains("altered"));
                turn.witness.seen.add("aborted for a lost update", lost);
            }
            RoundEvent::Opened { .. } => turn.witness.seen.add("opened", 1),
            _ => {}
        }
    }
}

/// The contract between machine and shell: what is told was asked to be stored before, and what is named to
/// be kept.
fn check_order(turn: &mut Turn<'_>, input: &Input, outputs: &[Output], changed: bool) {
    let persists = |output: &Output| matches!(output, Output::Persist | Output::PersistInput(_));
    let stored = outputs.iter().position(persists);
    let last_stored = outputs.iter().rposition(persists);
    let kept = outputs.iter().rposition(|output| matches!(output, Output::Keep(_)));
    let told = outputs.iter().position(|output| {
        matches!(output, Output::Acknowledge(_) | Output::Conclude(_) | Output::Report(_))
    });
    let forgotten = stored.is_none() && changed && !matches!(input, Input::NoMoreRounds(_));
    let early = last_stored.zip(told).is_some_and(|(stored, told)| told < stored);
    let unkept = kept.is_some_and(|kept| stored.is_none_or(|stored| stored < kept));
    if forgotten || early || unkept {
        let kind = input.to_bytes().first().copied().unwrap_or(0);
        let what = format!(
            "input of kind {kind}: forgotten {forgotten}, told early {early}, named early {unkept}"
        );
        turn.witness.news.unstored.push(what);
    }
}

/// What a broken shell makes of the order of outputs.
fn mutated(mutant: Option<Mutant>, outputs: &mut [Output]) {
    match mutant {
        Some(Mutant::AcknowledgesBeforeItStores) => {
            outputs.sort_by_key(|output| !matches!(output, Output::Acknowledge(_)));
        }
        Some(Mutant::NamesBeforeItKeeps) => {
            outputs.sort_by_key(|output| !matches!(output, Output::PersistInput(_)));
        }
        _ => {}
    }
}

/// A question before its bytes are read.
enum Wire {
    Whole(Vec<u8>),
    Parts(Box<Batch>),
}

fn plain(to: Party, wire: Vec<u8>) -> (Party, Digest, Wire) {
    (to, Digest::of(Tag::Delivery, &wire), Wire::Whole(wire))
}

fn acknowledge(turn: &mut Turn<'_>, (index, id): (usize, u64), promise: Signed<Acknowledgement>) {
    let body = promise.unverified_body();
    let member = turn.world.member_keys[index];
    let (round, update) = (body.round, body.update);
    let sent = turn.sent.len();
    turn.reply(Party::Member(index), id, to_wire(&ContributorReply::Acknowledged(promise)));
    if turn.sent.len() > sent {
        turn.witness.seen.add("acknowledged", 1);
        turn.witness.news.promises.push(Promise { round, member, update });
    }
}
