//! The machine of every party but the coordinator: the other aggregators in MPC mode, the custodians in
//! FHE mode.
//!
//! Threat: a coordinator that asks for sums over two sets that differ by one member, or for an inner
//! product of its own choice. This machine answers one set and one DAO-signed probe order per round,
//! persisted before the answer leaves, and refuses anything else for ever. A custodian moreover waits
//! until enough others echoed the same set, as each of them is asked alone.

mod held;
mod taking;

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Evidence, FederationTerms, ProbeOrder,
    Refusal, RoundGrant, RoundId, RoundOrder, SetEcho,
};
use privacy_identity::{Digest, Signed, Tag};
use privacy_secagg::Delivery;

use self::{
    held::{Held, Source},
    taking::Taking,
};
use crate::{
    AggregatorContext, HeldPart, KeptUpdate, PeerInput, UpdateId, UpdateStore, Work, Worked, mode,
    work::Task,
};

/// Digest of the packed share of a sum.
pub(crate) fn share_digest(packed: &[u8]) -> Digest {
    Digest::of(Tag::PackedShare, packed)
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::large_enum_variant, reason = "there is one per process")]
enum Phase {
    #[default]
    Fresh,
    Prepared(Held),
    Agreed {
        held: Held,
        set: AcceptedSet,
    },
    Summed {
        held: Held,
        set: AcceptedSet,
    },
    Scored {
        held: Held,
        set: AcceptedSet,
        probes: Signed<ProbeOrder>,
    },
}

impl Phase {
    const fn held(&self) -> Option<&Held> {
        match self {
            Self::Fresh => None,
            Self::Prepared(held)
            | Self::Agreed { held, .. }
            | Self::Summed { held, .. }
            | Self::Scored { held, .. } => Some(held),
        }
    }
}

/// A party that serves a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerAggregator {
    phase: Phase,
}

/// What a step of [`PeerAggregator`] asks of its shell, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStep {
    /// What must be kept, durably, before anything else.
    pub keep: Vec<KeptUpdate>,
    /// What must be stored then, before the reply leaves.
    pub persist: Option<Box<PeerInput>>,
    /// Whether what was stored before this is no longer needed: a newer round began.
    pub forget_earlier: bool,
    /// The answer.
    pub reply: AggregatorReply,
}

/// An answer: what it changes, what it needs kept.
struct Answer {
    input: Option<PeerInput>,
    keep: Vec<KeptUpdate>,
    reply: AggregatorReply,
}

impl PeerAggregator {
    /// Answers a request of the coordinator. A refused request changes nothing.
    ///
    /// * `store` — what was kept in earlier steps of the round.
    ///
    /// # Errors
    /// The [`Refusal`] that is sent back and counted.
    pub fn handle(
        self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
        request: AggregatorRequest,
    ) -> (Self, Result<PeerStep, Refusal>) {
        self.handle_worked(context, store, request, None)
    }

    /// The work that answering `request` takes, for a shell that shares it among processes. None if it takes
    /// none, or would be refused.
    #[must_use]
    pub fn work(&self, context: &AggregatorContext, request: &AggregatorRequest) -> Option<Work> {
        let (held, set, task) = match request {
            AggregatorRequest::Sum { round, set, .. } => {
                (self.for_set(context, *round, set).ok()?.0, set, Task::Sum)
            }
            AggregatorRequest::Score(probes) => {
                let (held, set, _) = self.for_probes(context, probes).ok()?;
                (held, set, Task::Score(probes.clone()))
            }
            AggregatorRequest::Prepare { .. } | AggregatorRequest::Agree { .. } => return None,
        };
        let updates = set.contributions().to_vec();
        Some(Work { order: held.order.clone(), updates, task, place: held.place })
    }

    /// As [`PeerAggregator::handle`], with what came of [`PeerAggregator::work`] on the same request, if that
    /// was done before.
    ///
    /// # Errors
    /// The [`Refusal`] that is sent back and counted.
    pub fn handle_worked(
        self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
        request: AggregatorRequest,
        worked: Option<Worked>,
    ) -> (Self, Result<PeerStep, Refusal>) {
        let answer = match request {
            AggregatorRequest::Prepare { order, deliveries, challenge } => {
                self.prepare(context, store, *order, deliveries, challenge)
            }
            AggregatorRequest::Agree { round, set } => self.agree(context, round, set),
            AggregatorRequest::Sum { round, set, evidence } => {
                let source = Source { store, worked };
                self.sum(context, source, (round, set), &evidence)
            }
            AggregatorRequest::Score(probes) => {
                self.score(context, Source { store, worked }, *probes)
            }
        };
        let Answer { input, keep, reply } = match answer {
            Ok(answer) => answer,
            Err(refusal) => return (self, Err(refusal)),
        };
        let Some(input) = input else {
            let step = PeerStep { keep, persist: None, forget_earlier: false, reply };
            return (self, Ok(step));
        };
        let before = self.round();
        let (machine, taken) = self.replay(context, input.clone());
        let forget_earlier = machine.round() != before;
        let persist = Some(Box::new(input));
        (machine, taken.map(|()| PeerStep { keep, persist, forget_earlier, reply }))
    }

    /// Takes what was stored of an answered request: the state after it, without what it takes to answer
    /// again. No part is read.
    ///
    /// # Errors
    /// The [`Refusal`] of what was never stored by this party in this state, which it leaves as it is.
    pub fn replay(
        self,
        context: &AggregatorContext,
        input: PeerInput,
    ) -> (Self, Result<(), Refusal>) {
        let (phase, taken) = match (self.phase, input) {
            (phase, PeerInput::Prepared { order, challenge, parts }) => {
                prepared(context, phase, (*order, challenge), parts)
            }
            (Phase::Prepared(held), PeerInput::Agreed { set, .. }) => {
                (Phase::Agreed { held, set }, Ok(()))
            }
            (Phase::Prepared(held) | Phase::Agreed { held, .. }, PeerInput::Summed { set, .. }) => {
                (Phase::Summed { held, set }, Ok(()))
            }
            (Phase::Summed { held, set }, PeerInput::Scored(probes)) => {
                (Phase::Scored { held, set, probes: *probes }, Ok(()))
            }
            (phase, _) => (phase, Err(Refusal::Unexpected)),
        };
        (Self { phase }, taken)
    }

    /// Whether the bytes under `id` may still be asked for. All others are garbage.
    #[must_use]
    pub fn needs(&self, id: &UpdateId) -> bool {
        let held = self.held().filter(|held| held.grant().round == id.round);
        held.is_some_and(|held| {
            held.parts.values().any(|part| part.update == id.update && part.held.is_ok())
        })
    }

    const fn held(&self) -> Option<&Held> {
        self.phase.held()
    }

    /// The newest round that it answered.
    #[must_use]
    pub fn round(&self) -> Option<RoundId> {
        self.held().map(|held| held.grant().round)
    }

    fn prepare(
        &self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
        order: Signed<RoundOrder>,
        deliveries: Vec<Delivery>,
        challenge: Digest,
    ) -> Result<Answer, Refusal> {
        context.check_order(&order)?;
        let grant = order.unverified_body().grant.unverified_body();
        let (round, place) = (grant.round, context.place(grant)?);
        let earlier = self.for_parts(context, &order, &challenge)?;
        let mut taking = Taking { context, store, grant, place, challenge, keep: Vec::new() };
        let (mut new, mut parts) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            let delivery = taking.verified(delivery)?;
            let member = delivery.binding().member;
            let held = earlier
                .and_then(|held| held.parts.get(&member))
                .or_else(|| new.iter().find(|part: &&HeldPart| part.member == member));
            parts.push(match held {
                Some(held) => taking.again(held, &delivery)?,
                None => {
                    let (held, answer) = taking.take(&delivery);
                    new.push(held);
                    answer
                }
            });
        }
        let keep = taking.keep;
        let changed = !new.is_empty() || earlier.is_none();
        let input =
            changed.then(|| PeerInput::Prepared { order: Box::new(order), challenge, parts: new });
        Ok(Answer { input, keep, reply: AggregatorReply::Prepared { round, parts } })
    }

    /// What was taken of this round so far, if parts may still be.
    fn for_parts(
        &self,
        context: &AggregatorContext,
        order: &Signed<RoundOrder>,
        challenge: &Digest,
    ) -> Result<Option<&Held>, Refusal> {
        let round = order.unverified_body().grant.unverified_body().round;
        match (&self.phase, self.round()) {
            (_, Some(current)) if round < current => Err(Refusal::WrongRound),
            // A set of this round was agreed to: its parts are fixed for ever.
            (Phase::Agreed { .. } | Phase::Summed { .. } | Phase::Scored { .. }, Some(current))
                if round == current =>
            {
                Err(Refusal::AlreadyAnswered)
            }
            // Threat: each challenge opens the proofs at another point, and their zero knowledge is for
            // one: a coordinator that asks with many learns the updates. One challenge per round; and one
            // order, so that what was taken under it need not be checked again.
            (Phase::Prepared(held), Some(current)) if round == current => {
                let proves = mode::proves(context.terms()) == Ok(true);
                if held.order != *order || (proves && held.challenge != *challenge) {
                    return Err(Refusal::AlreadyAnswered);
                }
                Ok(Some(held))
            }
            _ => Ok(None),
        }
    }

    fn agree(
        &self,
        context: &AggregatorContext,
        round: RoundId,
        set: AcceptedSet,
    ) -> Result<Answer, Refusal> {
        let (held, answered) = self.for_set(context, round, &set)?;
        let echo =
            SetEcho { federation: held.grant().federation, round, set_root: set.tree().root() };
        let echo = Signed::new(echo, Tag::SetEcho, context.signing());
        let input = (!answered).then_some(PeerInput::Agreed { round, set });
        Ok(Answer { input, keep: Vec::new(), reply: AggregatorReply::Agreed(echo) })
    }

    fn sum(
        &self,
        context: &AggregatorContext,
        source: Source<'_>,
        (round, set): (RoundId, AcceptedSet),
        evidence: &Evidence,
    ) -> Result<Answer, Refusal> {
        let (held, _) = self.for_set(context, round, &set)?;
        held.check_evidence(context, &set, evidence)?;
        let reply = held.sum_reply(context, source, &set)?;
        let summed = matches!(self.phase, Phase::Summed { .. } | Phase::Scored { .. });
        let input = (!summed).then_some(PeerInput::Summed { round, set });
        Ok(Answer { input, keep: Vec::new(), reply })
    }

    /// The parts of `round`, whose set is `set` and no other, and whether that was said before: a question
    /// that was answered changes nothing, as its answer was lost.
    fn for_set(
        &self,
        context: &AggregatorContext,
        round: RoundId,
        set: &AcceptedSet,
    ) -> Result<(&Held, bool), Refusal> {
        if self.round() != Some(round) {
            return Err(Refusal::WrongRound);
        }
        match &self.phase {
            Phase::Fresh => Err(Refusal::Unexpected),
            Phase::Prepared(held) => {
                held.check_set(context, set)?;
                Ok((held, false))
            }
            Phase::Agreed { held, set: answered }
            | Phase::Summed { held, set: answered }
            | Phase::Scored { held, set: answered, .. } => {
                if answered == set {
                    Ok((held, true))
                } else {
                    Err(Refusal::AlreadyAnswered)
                }
            }
        }
    }

    fn score(
        &self,
        context: &AggregatorContext,
        source: Source<'_>,
        probes: Signed<ProbeOrder>,
    ) -> Result<Answer, Refusal> {
        let (held, set, answered) = self.for_probes(context, &probes)?;
        let reply = held.score_reply(context, source, set, &probes)?;
        let input = (!answered).then(|| PeerInput::Scored(Box::new(probes)));
        Ok(Answer { input, keep: Vec::new(), reply })
    }

    /// The parts and the set for which these probes are, and whether they were answered before.
    fn for_probes(
        &self,
        context: &AggregatorContext,
        probes: &Signed<ProbeOrder>,
    ) -> Result<(&Held, &AcceptedSet, bool), Refusal> {
        let (held, set, answered) = match &self.phase {
            Phase::Summed { held, set } => (held, set, false),
            Phase::Scored { probes: answered, .. } if answered != probes => {
                return Err(Refusal::AlreadyAnswered);
            }
            Phase::Scored { held, set, .. } => (held, set, true),
            Phase::Fresh | Phase::Prepared(_) | Phase::Agreed { .. } => {
                return Err(Refusal::Unexpected);
            }
        };
        check_probes(context.terms(), probes, held.grant(), set)?;
        Ok((held, set, answered))
    }
}

/// The phase in which these parts are taken, too.
fn prepared(
    context: &AggregatorContext,
    phase: Phase,
    (order, challenge): (Signed<RoundOrder>, Digest),
    parts: Vec<HeldPart>,
) -> (Phase, Result<(), Refusal>) {
    let grant = order.unverified_body().grant.unverified_body();
    let place = match context.place(grant) {
        Ok(place) => place,
        Err(refusal) => return (phase, Err(refusal)),
    };
    let mut held = match phase {
        Phase::Prepared(held) if held.grant().round == grant.round => held,
        phase if phase.held().is_some_and(|held| held.grant().round >= grant.round) => {
            return (phase, Err(Refusal::AlreadyAnswered));
        }
        _ => Held { order, place, challenge, parts: BTreeMap::new() },
    };
    held.parts.extend(parts.into_iter().map(|part| (part.member, part)));
    (Phase::Prepared(held), Ok(()))
}

/// Checks that the DAO node signed these probes for this round and set, and that no inner product
/// with them can wrap around.
pub(crate) fn check_probes(
    terms: &FederationTerms,
    probes: &Signed<ProbeOrder>,
    grant: &RoundGrant,
    set: &AcceptedSet,
) -> Result<(), Refusal> {
    probes
        .clone()
        .verify_by(Tag::Probe, &terms.dao_node)
        .map_err(|_source| Refusal::BadSignature)?;
    let body = probes.unverified_body();
    if body.federation != grant.federation {
        return Err(Refusal::WrongFederation);
    }
    if body.round != grant.round {
        return Err(Refusal::WrongRound);
    }
    if body.set_root != set.tree().root() {
        return Err(Refusal::BadSet);
    }
    if body.groups() != terms.group_count() {
        return Err(Refusal::BadSet);
    }
    for probe in (0..body.groups()).filter_map(|group| body.probes_of(group)).flatten() {
        probe.clone().checked(&terms.encoding).map_err(|_source| Refusal::Malformed)?;
    }
    Ok(())
}
