//! Getting the parts to the other parties, and from what they answer to the set.

use std::mem;

use super::{
    AbortReason, BTreeMap, BTreeSet, Closed, Coordinator, Digest, Phase, PreparedPart, Refusal,
    RoundId, VerifyingKey, opening, steps::check_asked,
};
use crate::{
    AggregatorContext, Ask, Batch, Output, Work, message_size::batch_len, mode, work::Task,
    worked::OwnProof,
};

/// What a party answered to [`AggregatorRequest::Prepare`], by member.
///
/// [`AggregatorRequest::Prepare`]: aggregator_protocol::AggregatorRequest::Prepare
pub(super) type Preparation = BTreeMap<VerifyingKey, Result<Vec<u8>, Refusal>>;

/// The coordinator's own proofs, by member; none for one that cannot be queried.
pub(super) type Proofs = BTreeMap<VerifyingKey, Option<mode::Proof>>;

/// The next parts for each party that lacks some, and the next of the coordinator's own proofs.
pub(super) fn asks(
    context: &AggregatorContext,
    closed: &Closed,
    proofs: &Proofs,
    prepared: &BTreeMap<usize, Preparation>,
) -> Vec<Ask> {
    let challenge = opening::challenge(context, closed);
    let mut asks = Vec::new();
    for &place in &closed.asked {
        let answered = |member: &VerifyingKey| {
            prepared.get(&place).is_some_and(|preparation| preparation.contains_key(member))
        };
        let missing = closed.updates.iter().filter(|(member, _)| !answered(member));
        let updates: Vec<_> =
            missing.map(|(_, update)| *update).take(batch_len(context.terms())).collect();
        if !updates.is_empty() {
            let custody = context.terms().sealing.custody().is_some();
            let order = closed.order.clone();
            let batch = Batch { order, place, custody, challenge, updates };
            asks.push(Ask::Parts(place, Box::new(batch)));
        }
    }
    if !own_complete(context, closed, proofs) {
        let missing = closed.updates.iter().filter(|(member, _)| !proofs.contains_key(*member));
        let updates = missing.map(|(member, update)| (*member, *update));
        let updates = updates.take(batch_len(context.terms())).collect();
        let task = Task::Prepare { challenge };
        asks.push(Ask::Own(Box::new(Work {
            order: closed.order.clone(),
            updates,
            task,
            place: 0,
        })));
    }
    asks
}

/// Whether the coordinator has queried all proofs, where there are some.
pub(super) fn own_complete(context: &AggregatorContext, closed: &Closed, proofs: &Proofs) -> bool {
    mode::proves(context.terms()) != Ok(true) || proofs.len() == closed.updates.len()
}

/// The parties that answered for every update.
pub(super) fn complete(
    closed: &Closed,
    prepared: &BTreeMap<usize, Preparation>,
) -> BTreeSet<usize> {
    let done =
        |(_, preparation): &(&usize, &Preparation)| preparation.len() == closed.updates.len();
    let places = prepared.iter().filter(done).map(|(place, _)| *place);
    places.filter(|place| closed.asked.contains(place)).collect()
}

/// Members whose custodians were not all shown the same proof that the shares of the key belong together.
///
/// Threat: a contributor that proves to each custodian what fits its share alone. (A custodian that says so falsely keeps an
/// honest contributor out, as it could by saying that its part does not open.)
fn shown_otherwise(prepared: &BTreeMap<usize, Preparation>) -> BTreeSet<VerifyingKey> {
    let mut first: BTreeMap<&VerifyingKey, &Vec<u8>> = BTreeMap::new();
    let answers = prepared.values().flatten();
    let shown = answers.filter_map(|(member, held)| Some((member, held.as_ref().ok()?)));
    let other = shown.filter(|(member, proof)| first.entry(member).or_insert(proof) != proof);
    other.map(|(member, _)| *member).collect()
}

/// Checks that an answer is about updates that were taken; returns whether it says anything new.
fn check_known<'a>(
    closed: &Closed,
    answered: impl Iterator<Item = (&'a VerifyingKey, &'a Digest)>,
    known: impl Fn(&VerifyingKey) -> bool,
) -> Result<bool, Refusal> {
    let mut any = None;
    for (member, update) in answered {
        if closed.updates.get(member) != Some(update) {
            return Err(Refusal::BadSet);
        }
        any = Some(any == Some(true) || !known(member));
    }
    any.ok_or(Refusal::Unexpected)
}

impl Coordinator {
    pub(super) fn prepared(
        &mut self,
        context: &AggregatorContext,
        (party, round): (usize, RoundId),
        parts: Vec<PreparedPart>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        if !matches!(self.phase, Phase::Preparing { .. }) {
            return self.overtaken(context, (1, round));
        }
        let Phase::Preparing { closed, prepared, .. } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        if round != closed.grant().round {
            return Err(Refusal::WrongRound);
        }
        check_asked(closed, party)?;
        let answered = parts.iter().map(|part| (&part.member, &part.update));
        let earlier = prepared.get(&party);
        let known = |member: &_| earlier.is_some_and(|earlier| earlier.contains_key(member));
        // A custodian repeats what it does not know to have been taken.
        if !check_known(closed, answered, known)? {
            return Ok(Vec::new());
        }
        let preparation = prepared.entry(party).or_default();
        for part in parts {
            // The first answer stands.
            preparation.entry(part.member).or_insert(part.held);
        }
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    pub(super) fn own_prepared(
        &mut self,
        context: &AggregatorContext,
        own: Vec<OwnProof>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Preparing { closed, proofs, .. } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        let answered = own.iter().map(|proof| (&proof.member, &proof.update));
        if !check_known(closed, answered, |member| proofs.contains_key(member))? {
            return Err(Refusal::Unexpected);
        }
        proofs.extend(own.into_iter().map(|proof| (proof.member, proof.held)));
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    /// Takes out what somebody could not open or whose proof does not hold; what is left is the set.
    pub(super) fn all_prepared(&mut self, context: &AggregatorContext, now_ms: u64) -> Vec<Output> {
        let phase = mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Preparing { mut closed, proofs, mut prepared } = phase else {
            unreachable!("called while preparing");
        };
        closed.asked = complete(&closed, &prepared);
        prepared.retain(|place, _| closed.asked.contains(place));
        for (member, held) in prepared.values().flatten() {
            if let Err(refusal) = held
                && closed.updates.remove(member).is_some()
            {
                self.count(*refusal);
            }
        }
        if context.terms().sealing.custody().is_some() {
            for member in shown_otherwise(&prepared) {
                if closed.updates.remove(&member).is_some() {
                    self.count(Refusal::BadShare);
                }
            }
        }
        let evidence = opening::verified(context, &mut closed, proofs, &prepared);
        let evidence = evidence.map(|(evidence, refused)| {
            (0..refused).for_each(|_| self.count(Refusal::BadProof));
            evidence
        });
        let (got, needed) = (closed.updates.len(), context.terms().contributions_min());
        if got < needed {
            return self.abort(closed.grant().round, AbortReason::TooFew { got, needed });
        }
        closed.begin_step(context, now_ms);
        self.phase = match evidence {
            Ok(evidence) => Phase::Summing { closed, evidence, own: None, sums: BTreeMap::new() },
            Err(mode::Unsupported) => Phase::Agreeing { closed, echoes: BTreeMap::new() },
        };
        vec![Output::Persist]
    }
}
