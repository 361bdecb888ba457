//! Another aggregator, or a member as a custodian: its machine on its disk.

use std::mem;

use aggregator_protocol::{AggregatorReply, AggregatorRequest, Refusal, SumCommitment, from_wire};
use aggregator_round::{AggregatorContext, PeerAggregator, PeerInput, PeerStep};
use privacy_identity::{Decode as _, Digest, Encode as _, Signed, Tag};

use crate::{fault::Party, journal::Journal, scenario::Mutant, turn::Turn, updates::Updates};

pub(crate) struct Peer {
    party: Party,
    context: AggregatorContext,
    machine: PeerAggregator,
    /// What a restart has to give.
    durable: PeerAggregator,
    journal: Journal,
    /// The bytes of its parts.
    pub(crate) updates: Updates,
}

impl Peer {
    pub(crate) fn new(party: Party, context: AggregatorContext) -> Self {
        let (machine, durable) = (PeerAggregator::default(), PeerAggregator::default());
        let (journal, updates) = (Journal::default(), Updates::default());
        Self { party, context, machine, durable, journal, updates }
    }

    /// Answers a request; none if the process died meanwhile.
    pub(crate) fn answer(&mut self, turn: &mut Turn<'_>, wire: &[u8]) -> Option<AggregatorReply> {
        let Ok(request) = from_wire::<AggregatorRequest>(wire) else {
            turn.witness.refusal(Refusal::Malformed);
            let (round, refusal) = (None, Refusal::Malformed);
            return turn.act().then_some(AggregatorReply::Refused { round, refusal });
        };
        self.answer_to(turn, request)
    }

    /// As [`Self::answer`], for a request that was read.
    pub(crate) fn answer_to(
        &mut self,
        turn: &mut Turn<'_>,
        request: AggregatorRequest,
    ) -> Option<AggregatorReply> {
        let machine = mem::take(&mut self.machine);
        let (machine, result) = machine.handle(&self.context, &self.updates, request.clone());
        self.machine = machine;
        let mut reply = match result {
            Ok(step) => self.stored(turn, &request, step)?,
            Err(refusal) => {
                if self.machine != self.durable && turn.mutant.is_none() {
                    let what = format!("{:?} refused as {refusal}, and changed", self.party);
                    turn.witness.news.changed_by_refusal.push(what);
                }
                if refusal == Refusal::Lost && !self.updates.any_harmed() {
                    let what = format!("{:?} lost a part that nothing struck", self.party);
                    turn.witness.news.missed.push(what);
                }
                AggregatorReply::Refused { round: Some(request.round()), refusal }
            }
        };
        self.falsify(turn.mutant, &request, &mut reply);
        if !turn.act() {
            return None;
        }
        turn.witness.answered(self.party, &request, &reply);
        Some(reply)
    }

    /// Stores an accepted request if that is asked for; the reply, if the process is still alive.
    fn stored(
        &mut self,
        turn: &mut Turn<'_>,
        request: &AggregatorRequest,
        step: PeerStep,
    ) -> Option<AggregatorReply> {
        let PeerStep { keep, persist, forget_earlier, reply } = step;
        let Some(input) = persist else {
            if (self.machine != self.durable || !keep.is_empty()) && turn.mutant.is_none() {
                let what = format!("{:?} changed, and did not ask to have it stored", self.party);
                turn.witness.news.unstored.push(what);
            }
            return Some(reply);
        };
        let prepares = matches!(request, AggregatorRequest::Prepare { .. });
        if turn.mutant == Some(Mutant::ForgetsTheSet) && !prepares {
            return Some(reply);
        }
        for kept in &keep {
            turn.keep(&mut self.updates, kept);
        }
        let mut record = vec![u8::from(forget_earlier)];
        record.extend(input.to_bytes());
        if !turn.write(&mut self.journal, &record) {
            return None;
        }
        keep.iter().for_each(|kept| turn.name(&mut self.updates, kept.id));
        if forget_earlier {
            let Self { machine, updates, .. } = self;
            updates.sweep(false, |id| machine.needs(id));
        }
        self.durable = self.machine.clone();
        Some(reply)
    }

    /// Starts again from the disk.
    pub(crate) fn restart(&mut self, turn: &mut Turn<'_>) {
        self.machine = self.replayed(turn);
        let Self { machine, updates, .. } = self;
        updates.sweep(turn.keeps_garbage(), |id| machine.needs(id));
    }

    /// What it has to hold and does not.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self.updates.missing(|id| self.durable.needs(id))?;
        Some(format!("{:?} does not hold {missing:?}, which a stored input names", self.party))
    }

    /// What a restart at this moment would give, compared with what it has to give.
    pub(crate) fn replayed(&mut self, turn: &mut Turn<'_>) -> PeerAggregator {
        let mut machine = PeerAggregator::default();
        for record in self.journal.open() {
            let Some((forget_earlier, bytes)) = record.split_first() else { continue };
            if *forget_earlier == 1 {
                machine = PeerAggregator::default();
            }
            let Ok(input) = PeerInput::from_bytes(bytes) else {
                turn.witness.news.restarts.push("a stored request cannot be read".to_owned());
                continue;
            };
            let (next, result) = machine.replay(&self.context, input);
            machine = next;
            if let Err(refusal) = result {
                let what = format!("{:?} refuses a stored request: {refusal}", self.party);
                turn.witness.news.restarts.push(what);
            }
        }
        if machine != self.durable {
            let what = format!("{:?} is another machine after a restart", self.party);
            turn.witness.news.restarts.push(what);
        }
        machine
    }

    /// What a broken process would answer.
    fn falsify(
        &self,
        mutant: Option<Mutant>,
        request: &AggregatorRequest,
        reply: &mut AggregatorReply,
    ) {
        if let AggregatorRequest::Agree { round, set } = request
            && mutant == Some(Mutant::SumsWithoutAgreement)
        {
            let commitment = SumCommitment {
                federation: self.context.terms().id(),
                round: *round,
                set_root: set.tree().root(),
                count: u32::try_from(set.contributions().len()).unwrap_or(u32::MAX),
                share: Digest::of(Tag::PackedShare, &[]),
            };
            let commitment = Signed::new(commitment, Tag::SumShare, self.context.signing());
            *reply = AggregatorReply::Sum { commitment, share: Vec::new() };
            return;
        }
        match (mutant, reply) {
            (Some(Mutant::ShiftsTheSum), AggregatorReply::Sum { commitment, share }) => {
                let middle = share.len() / 2;
                share.get_mut(middle).into_iter().for_each(|byte| *byte ^= 1);
                let mut body = commitment.unverified_body().clone();
                body.share = Digest::of(Tag::PackedShare, share);
                *commitment = Signed::new(body, Tag::SumShare, self.context.signing());
            }
            (Some(Mutant::SwapsGroups), AggregatorReply::Sum { commitment, share }) => {
                let length = share.len() / self.context.terms().group_count();
                // Entries are of one length: this puts the first behind the second.
                share.get_mut(..2 * length).into_iter().for_each(|two| two.rotate_left(length));
                let mut body = commitment.unverified_body().clone();
                body.share = Digest::of(Tag::PackedShare, share);
                *commitment = Signed::new(body, Tag::SumShare, self.context.signing());
            }
            (Some(Mutant::ShiftsTheScalars), AggregatorReply::Scalars(shares)) => {
                let mut body = shares.unverified_body().clone();
                // Beyond what rounding hides, from the second member to the first: a shift that nobody's makes up
                // for is found by the coordinator, which settles no such round.
                let shifts = [1 << 20, (1 << 26) - (1 << 20)];
                for ([value, ..], shift) in body.shares.iter_mut().zip(shifts) {
                    *value = (*value + shift) & 0x3FF_FFFF;
                }
                **shares = Signed::new(body, Tag::ScalarShares, self.context.signing());
            }
            _ => {}
        }
    }
}
