//! A contributor's process, honest or not: it asks until it is answered, and stores what it sealed before it
//! sends it, as `trainer-agent` does.

mod forging;

use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, ContributorReply, ContributorRequest, FederationEnd,
    Refusal, RoundId, RoundOrder, RoundReceipt, from_wire, to_wire,
};
use aggregator_round::{
    Acknowledged, OrderRefusal, Ordered, Outcome, ReceiptError, Sealed, check_sum,
};
use privacy_identity::{Decode as _, Digest, Encode as _, SealingKey, Signed};
use privacy_secagg::SealedUpdate;

use crate::{
    coordinator::RETRY_MS,
    fault::{Fault, Party},
    journal::Journal,
    peer::Peer,
    turn::Turn,
    witness::{SealedFact, Told},
    world::{Contribution, World},
};

/// Pause after an answer that brought nothing, in milliseconds.
const PAUSE_MS: u64 = 50;

/// Kinds of records.
const SEALED: u8 = 0;
const PROMISED: u8 = 1;
const ENDED: u8 = 2;

/// How far it is.
#[derive(Debug)]
enum Stage {
    Asking,
    Training {
        ordered: Box<Ordered>,
        order: Box<Signed<RoundOrder>>,
        until_ms: u64,
    },
    /// Its update was not acknowledged yet.
    Sealed(Box<Sealed>),
    /// Its update was refused, or came too late; perhaps the acknowledgement was lost.
    Doubting(Box<Sealed>),
    Waiting(Box<Acknowledged>, Digest),
    /// It is counted, and checks the sum.
    Checking(Box<RoundReceipt>),
    Finished,
}

/// What is wrong with an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The part of the party at this place does not open.
    Part(usize),
    Proof,
    Tag,
}

/// Bytes of a tag's share, at the end of the first payload.
const TAG_BYTES: usize = 16;

/// How a member behaves in this run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// How long it trains; none if it sends nothing.
    pub(crate) training_ms: Option<u64>,
    /// Whether it takes part though it was not drawn.
    pub(crate) greedy: bool,
}

/// A contributor.
pub(crate) struct Member {
    pub(crate) index: usize,
    /// What it is as a custodian.
    pub(crate) custodian: Peer,
    stage: Stage,
    /// The last round that it trained for.
    last: Option<RoundId>,
    journal: Journal,
    /// The question that waits for its answer, and since when.
    asked: Option<(u64, u64)>,
    not_before_ms: u64,
    last_id: u64,
    /// What it sealed for the round under way; and before, to be replayed.
    current: Option<(Signed<RoundOrder>, Contribution)>,
    earlier: Vec<SealedUpdate>,
}

impl Member {
    pub(crate) fn new(world: &World, index: usize) -> Self {
        Self {
            index,
            custodian: Peer::new(Party::Member(index), world.custodian_context(index)),
            stage: Stage::Asking,
            last: None,
            journal: Journal::default(),
            asked: None,
            not_before_ms: 0,
            last_id: 0,
            current: None,
            earlier: Vec::new(),
        }
    }

    pub(crate) const fn finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// Its update of the round under way, as somebody else may have seen it.
    pub(crate) fn update(&self) -> Option<&SealedUpdate> {
        self.current.as_ref().map(|(_, mine)| mine.sealed.update())
    }

    /// Asks what it has not been answered yet.
    pub(crate) fn wake(&mut self, turn: &mut Turn<'_>, faults: &[Fault]) {
        if let Stage::Training { until_ms, .. } = &self.stage
            && turn.elapsed_ms >= *until_ms
        {
            self.seal(turn, faults);
        }
        let waits = self.asked.is_some_and(|(_, since)| turn.elapsed_ms < since + RETRY_MS);
        if !waits && turn.elapsed_ms >= self.not_before_ms {
            self.ask(turn);
        }
    }

    fn ask(&mut self, turn: &mut Turn<'_>) {
        let question = match &self.stage {
            Stage::Training { .. } | Stage::Finished => return,
            Stage::Asking => ContributorRequest::Fetch { known: self.last },
            Stage::Sealed(mine) => mine.request(),
            Stage::Doubting(mine) => ContributorRequest::Receipt { round: mine.round() },
            Stage::Waiting(promised, _) => ContributorRequest::Receipt { round: promised.round() },
            Stage::Checking(receipt) => ContributorRequest::Sum { round: receipt.round },
        };
        self.last_id += 1;
        self.asked = Some((self.last_id, turn.elapsed_ms));
        turn.request(Party::Aggregator(0), self.last_id, to_wire(&question));
    }

    /// Takes an answer to the question `id`; `garbled` if it was changed on the way.
    pub(crate) fn hear(
        &mut self,
        turn: &mut Turn<'_>,
        habits: Habits,
        (id, garbled): (u64, bool),
        bytes: &[u8],
    ) {
        if self.asked.is_none_or(|(asked, _)| asked != id) {
            return;
        }
        self.asked = None;
        let Ok(reply) = from_wire::<ContributorReply>(bytes) else { return };
        if let ContributorReply::Custody(request) = reply {
            return self.keep(turn, *request);
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Asking);
        self.stage = match (stage, reply) {
            (Stage::Asking, ContributorReply::Order { order, model }) => {
                self.ordered(turn, order, &model, habits)
            }
            (Stage::Asking, ContributorReply::Finished(end))
                if FederationEnd::checked(&end, &turn.world.terms).is_some() =>
            {
                Stage::Finished
            }
            (Stage::Sealed(mine), ContributorReply::Acknowledged(promise)) => {
                let digest = *mine.digest();
                match mine.as_ref().clone().acknowledged(&turn.world.terms, promise.clone()) {
                    Ok(promised) => {
                        let mut record = vec![PROMISED];
                        record.extend(promise.to_bytes());
                        turn.write(&mut self.journal, &record);
                        Stage::Waiting(Box::new(promised), digest)
                    }
                    Err(_) => Stage::Sealed(mine),
                }
            }
            // Garbled on the way: it tries again. Anything else will not change.
            (
                Stage::Sealed(mine),
                ContributorReply::Refused(Refusal::Malformed | Refusal::BadSignature),
            ) => Stage::Sealed(mine),
            (Stage::Sealed(mine), ContributorReply::Refused(_)) => Stage::Doubting(mine),
            (Stage::Doubting(mine), ContributorReply::Receipt(fetched)) => {
                let outcome = mine.check(&turn.world.terms, fetched);
                let (round, digest) = (mine.round(), *mine.digest());
                let told = (round, digest, false);
                self.ended(turn, told, outcome, garbled).unwrap_or(Stage::Doubting(mine))
            }
            (Stage::Waiting(promised, digest), ContributorReply::Receipt(fetched)) => {
                let outcome = promised.check(&turn.world.terms, fetched);
                let told = (promised.round(), digest, true);
                let next = self.ended(turn, told, outcome, garbled);
                next.unwrap_or(Stage::Waiting(promised, digest))
            }
            (Stage::Checking(receipt), ContributorReply::Sum(sum)) => {
                self.checked(turn, receipt, sum.as_deref(), garbled)
            }
            (stage, _) => {
                self.not_before_ms = turn.elapsed_ms + PAUSE_MS;
                stage
            }
        };
        if turn.elapsed_ms >= self.not_before_ms {
            self.ask(turn);
        }
    }

    /// Answers as a custodian, and asks again what it wanted to know.
    fn keep(&mut self, turn: &mut Turn<'_>, request: AggregatorRequest) {
        if let Some(answer) = self.custodian.answer_to(turn, request) {
            let answer: AggregatorReply = answer;
            self.last_id += 1;
            let wire = to_wire(&ContributorRequest::Custody(Box::new(answer)));
            turn.request(Party::Aggregator(0), self.last_id, wire);
        }
    }

    fn ordered(
        &mut self,
        turn: &mut Turn<'_>,
        order: Box<Signed<RoundOrder>>,
        model: &[u8],
        habits: Habits,
    ) -> Stage {
        let key = &turn.world.members[self.index];
        let accepted = Ordered::accept(&turn.world.terms, key, self.last, &order, model);
        match (accepted, habits.training_ms) {
            (Ok(ordered), Some(training_ms)) => {
                let until_ms = turn.elapsed_ms + training_ms;
                Stage::Training { ordered: Box::new(ordered), order, until_ms }
            }
            (Ok(ordered), None) => {
                self.last = Some(ordered.round());
                Stage::Asking
            }
            (Err(OrderRefusal::NotDrawn), _) => {
                turn.witness.seen.add("members not drawn", 1);
                let round = order.unverified_body().grant.unverified_body().round;
                self.last = Some(round);
                let taken = habits.greedy.then(|| self.undrawn(turn, &order, round)).flatten();
                taken.map_or(Stage::Asking, |mine| Stage::Sealed(Box::new(mine)))
            }
            (Err(_), _) => {
                self.not_before_ms = turn.elapsed_ms + PAUSE_MS;
                Stage::Asking
            }
        }
    }

    /// What it sealed to an earlier round, sealed again to one for which it was not drawn.
    fn undrawn(
        &self,
        turn: &mut Turn<'_>,
        order: &Signed<RoundOrder>,
        round: RoundId,
    ) -> Option<Sealed> {
        let (_, before) = self.current.as_ref()?;
        let (world, member) = (turn.world, turn.world.member_keys[self.index]);
        let update = world.altered(self.index, order, before, (round, member), |_| {})?;
        let mine = world.resumed(self.index, update)?;
        let values = before.values.clone();
        let fact = SealedFact { member, round, values, faulty: false, tag_spoilt: false };
        turn.witness.sealed.insert(*mine.digest(), fact);
        turn.witness.seen.add("sent though not drawn", 1);
        Some(mine)
    }

    /// Seals what it trained, and stores that before it is sent.
    fn seal(&mut self, turn: &mut Turn<'_>, faults: &[Fault]) {
        let stage = std::mem::replace(&mut self.stage, Stage::Asking);
        let Stage::Training { ordered, order, .. } = stage else { return };
        let (mine, wrong) = self.sealed(turn.world, *ordered, &order, faults);
        let mut record = vec![SEALED];
        record.extend(mine.sealed.update().to_bytes());
        if !turn.write(&mut self.journal, &record) {
            return;
        }
        let round = mine.sealed.round();
        let fact = SealedFact {
            member: turn.world.member_keys[self.index],
            round,
            values: mine.values.clone(),
            faulty: matches!(wrong, Wrong::Part(_) | Wrong::Proof),
            tag_spoilt: wrong == Wrong::Tag,
        };
        turn.witness.sealed.insert(*mine.sealed.digest(), fact);
        turn.witness.seen.add("updates sealed", 1);
        self.last = Some(round);
        if let Some((_, before)) = &self.current {
            self.earlier.push(before.sealed.update().clone());
        }
        self.stage = Stage::Sealed(Box::new(mine.sealed.clone()));
        self.current = Some((*order, mine));
    }

    /// What it seals, and what is wrong with it.
    fn sealed(
        &self,
        world: &World,
        ordered: Ordered,
        order: &Signed<RoundOrder>,
        faults: &[Fault],
    ) -> (Contribution, Wrong) {
        let wrong = faults.iter().find_map(|fault| match fault {
            Fault::Spoil { member, place } if *member == self.index => Some(Wrong::Part(*place)),
            Fault::SpoilTag { member } if *member == self.index => Some(Wrong::Tag),
            Fault::Unproven { member } if *member == self.index => Some(Wrong::Proof),
            _ => None,
        });
        let wrong = wrong.unwrap_or(Wrong::Nothing);
        if let Wrong::Part(place) = wrong
            && place < world.terms.aggregators.len()
        {
            let mut terms = world.terms.clone();
            terms.aggregators[place].sealing = SealingKey::from_seed(&[9; 32]).public();
            return (world.contribution(self.index, ordered, &terms, 0), wrong);
        }
        let round = (ordered.round(), world.member_keys[self.index]);
        let honest = world.contribution(self.index, ordered, &world.terms, 0);
        if wrong == Wrong::Nothing {
            return (honest, wrong);
        }
        let tag_bytes = if world.tags() { TAG_BYTES } else { 0 };
        let altered = world.altered(self.index, order, &honest, round, |payloads| {
            let (place, from_end) = match wrong {
                Wrong::Part(place) => {
                    return payloads.get_mut(place).into_iter().for_each(|part| part.truncate(20));
                }
                Wrong::Tag => (0, 1),
                // A blind: the share opens, and proves nothing.
                _ => (0, tag_bytes + 1),
            };
            let Some(payload) = payloads.get_mut(place) else { return };
            let at = payload.len().saturating_sub(from_end);
            payload.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
        });
        match altered.and_then(|update| world.resumed(self.index, update)) {
            Some(sealed) => (Contribution { sealed, values: honest.values }, wrong),
            None => (honest, Wrong::Nothing),
        }
    }

    /// What it makes of how a round ended; none if it has to ask again.
    fn ended(
        &mut self,
        turn: &mut Turn<'_>,
        (round, update, promised): (RoundId, Digest, bool),
        outcome: Result<Outcome, ReceiptError>,
        garbled: bool,
    ) -> Option<Stage> {
        if outcome == Ok(Outcome::Pending) || (garbled && outcome.is_err()) {
            self.not_before_ms = turn.elapsed_ms + PAUSE_MS;
            return None;
        }
        let counted = match &outcome {
            Ok(Outcome::Counted(receipt)) => Some(receipt.clone()),
            _ => None,
        };
        turn.witness.news.told.push(Told { member: self.index, round, update, promised, outcome });
        // With tags there is something to check against.
        let checks = turn.world.secret.is_some();
        if let Some(receipt) = counted.filter(|_| checks) {
            return Some(Stage::Checking(receipt));
        }
        turn.write(&mut self.journal, &[ENDED]);
        Some(Stage::Asking)
    }

    fn checked(
        &mut self,
        turn: &mut Turn<'_>,
        receipt: Box<RoundReceipt>,
        sum: Option<&Signed<aggregator_protocol::RoundSum>>,
        garbled: bool,
    ) -> Stage {
        let (terms, me) = (&turn.world.terms, turn.world.member_keys[self.index]);
        match check_sum(terms, &me, &receipt, sum, turn.world.secret.as_ref()) {
            Err(_) if garbled => return Stage::Checking(receipt),
            Err(dispute) => {
                turn.witness.seen.add("disputes", 1);
                turn.witness.news.disputes.push((receipt.round, dispute.to_string()));
            }
            Ok(_) => turn.witness.seen.add("sums checked by members", 1),
        }
        turn.write(&mut self.journal, &[ENDED]);
        Stage::Asking
    }

    /// Starts again from the disk.
    pub(crate) fn restart(&mut self, turn: &mut Turn<'_>) {
        self.custodian.restart(turn);
        self.asked = None;
        self.not_before_ms = 0;
        self.last_id += 1;
        if self.finished() {
            return;
        }
        let (world, key) = (turn.world, &turn.world.members[self.index]);
        let mut broken = false;
        let (mut sealed, mut promise) = (None, None);
        self.last = None;
        for record in self.journal.open() {
            match record.split_first() {
                Some((&SEALED, bytes)) => {
                    let update = SealedUpdate::from_bytes(bytes).ok();
                    broken |= update.is_none();
                    let round = update.as_ref().map(|u| RoundId(u.claimed_binding().round));
                    self.last = self.last.max(round);
                    (sealed, promise) = (update, None);
                }
                Some((&PROMISED, bytes)) => promise = Signed::from_bytes(bytes).ok(),
                Some((&ENDED, _)) => sealed = None,
                _ => broken = true,
            }
        }
        let resumed = sealed.map(|update| Sealed::resume(update, &world.terms, key));
        self.stage = match (resumed, promise) {
            (None, _) => Stage::Asking,
            (Some(Ok(mine)), None) => Stage::Sealed(Box::new(mine)),
            (Some(Ok(mine)), Some(promise)) => {
                let digest = *mine.digest();
                match mine.acknowledged(&world.terms, promise) {
                    Ok(promised) => Stage::Waiting(Box::new(promised), digest),
                    Err(_) => Stage::Asking,
                }
            }
            (Some(Err(_)), _) => {
                broken = true;
                Stage::Asking
            }
        };
        if broken {
            turn.witness.news.restarts.push(format!("member {} cannot read its disk", self.index));
        }
    }
}
