//! The machine of every aggregator but the coordinator.
//!
//! Threat: a coordinator that asks for sums over two sets that differ by one member, or for an inner
//! product of its own choice. This machine answers one set and one DAO-signed probe order per round,
//! persisted before the answer leaves, and refuses anything else for ever.

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, ProbeOrder, Refusal, RoundGrant, RoundId,
    RoundOrder, ScalarShares, SumCommitment,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use privacy_secagg::{Delivery, OpenShare, ShareSum, VerifiedDelivery};

use crate::AggregatorContext;

/// Digest of the packed share of a sum.
pub(crate) fn share_digest(packed: &[u8]) -> Digest {
    Digest::of(Tag::PackedShare, packed)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    order: Signed<RoundOrder>,
    parts: BTreeMap<VerifyingKey, VerifiedDelivery>,
    refused: Vec<(VerifyingKey, Refusal)>,
}

impl Held {
    fn grant(&self) -> &RoundGrant {
        self.order.unverified_body().grant.unverified_body()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::large_enum_variant, reason = "there is one per process")]
enum Phase {
    #[default]
    Fresh,
    Prepared(Held),
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

/// An aggregator that serves a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerAggregator {
    phase: Phase,
}

/// What a step of [`PeerAggregator`] asks of its shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStep {
    /// Whether the request must be stored before the reply leaves.
    pub persist: bool,
    /// Whether requests stored before this one are no longer needed: a newer round began.
    pub forget_earlier: bool,
    /// The answer.
    pub reply: AggregatorReply,
}

impl PeerAggregator {
    /// Answers a request of the coordinator. A refused request changes nothing.
    ///
    /// # Errors
    /// The [`Refusal`] that is sent back and counted.
    pub fn handle(
        self,
        context: &AggregatorContext,
        request: AggregatorRequest,
    ) -> (Self, Result<PeerStep, Refusal>) {
        let next = match request {
            AggregatorRequest::Prepare { order, deliveries } => {
                self.prepare(context, *order, deliveries)
            }
            AggregatorRequest::Sum { round, set } => self.sum(context, round, set),
            AggregatorRequest::Score(probes) => self.score(context, *probes),
        };
        match next {
            Ok((phase, reply)) => {
                let machine = Self { phase };
                let forget_earlier = machine.round() != self.round();
                let persist = machine != self;
                (machine, Ok(PeerStep { persist, forget_earlier, reply }))
            }
            Err(refusal) => (self, Err(refusal)),
        }
    }

    fn round(&self) -> Option<RoundId> {
        match &self.phase {
            Phase::Fresh => None,
            Phase::Prepared(held) | Phase::Summed { held, .. } | Phase::Scored { held, .. } => {
                Some(held.grant().round)
            }
        }
    }

    fn prepare(
        &self,
        context: &AggregatorContext,
        order: Signed<RoundOrder>,
        deliveries: Vec<Delivery>,
    ) -> Result<(Phase, AggregatorReply), Refusal> {
        context.check_order(&order)?;
        let round = order.unverified_body().grant.unverified_body().round;
        match (&self.phase, self.round()) {
            (_, Some(current)) if round < current => return Err(Refusal::WrongRound),
            // A sum of this round was opened: its parts are fixed for ever.
            (Phase::Summed { .. } | Phase::Scored { .. }, Some(current)) if round == current => {
                return Err(Refusal::AlreadyAnswered);
            }
            _ => {}
        }
        let mut held = Held { order, parts: BTreeMap::new(), refused: Vec::new() };
        for delivery in deliveries {
            held.take(context, delivery)?;
        }
        let reply = AggregatorReply::Prepared { refused: held.refused.clone() };
        Ok((Phase::Prepared(held), reply))
    }

    fn sum(
        &self,
        context: &AggregatorContext,
        round: RoundId,
        set: AcceptedSet,
    ) -> Result<(Phase, AggregatorReply), Refusal> {
        if self.round() != Some(round) {
            return Err(Refusal::WrongRound);
        }
        let (held, phase) = match &self.phase {
            Phase::Fresh => return Err(Refusal::Unexpected),
            Phase::Prepared(held) => {
                held.check_set(context, &set)?;
                (held, Phase::Summed { held: held.clone(), set: set.clone() })
            }
            Phase::Summed { set: answered, .. } | Phase::Scored { set: answered, .. }
                if *answered != set =>
            {
                return Err(Refusal::AlreadyAnswered);
            }
            // Asked again because the answer was lost: the same answer, the same phase.
            Phase::Summed { held, .. } | Phase::Scored { held, .. } => (held, self.phase.clone()),
        };
        Ok((phase, sum_reply(context, held, &set)?))
    }

    fn score(
        &self,
        context: &AggregatorContext,
        probes: Signed<ProbeOrder>,
    ) -> Result<(Phase, AggregatorReply), Refusal> {
        let (held, set) = match &self.phase {
            Phase::Summed { held, set } => (held, set),
            Phase::Scored { probes: answered, .. } if *answered != probes => {
                return Err(Refusal::AlreadyAnswered);
            }
            Phase::Scored { held, set, .. } => (held, set),
            Phase::Fresh | Phase::Prepared(_) => return Err(Refusal::Unexpected),
        };
        check_probes(context, &probes, held.grant(), set)?;
        let reply = score_reply(context, held, set, &probes)?;
        Ok((Phase::Scored { held: held.clone(), set: set.clone(), probes }, reply))
    }
}

impl Held {
    fn take(&mut self, context: &AggregatorContext, delivery: Delivery) -> Result<(), Refusal> {
        let verified = delivery.verify(context.index()).map_err(|_source| Refusal::BadSignature)?;
        let member = verified.binding().member;
        if *verified.binding() != self.grant().binding(member)
            || self.grant().cohort.binary_search(&member).is_err()
        {
            return Err(Refusal::BadSet);
        }
        match verified.open(context.sealing(), &context.terms().encoding) {
            Ok(_share) => {
                self.parts.insert(member, verified);
            }
            Err(_) => self.refused.push((member, Refusal::Unopenable)),
        }
        Ok(())
    }

    fn check_set(&self, context: &AggregatorContext, set: &AcceptedSet) -> Result<(), Refusal> {
        let held = |(member, digest): &(VerifyingKey, Digest)| {
            self.parts.get(member).is_some_and(|part| part.digest() == *digest)
        };
        let enough = set.contributions().len() >= context.terms().minimum_cohort as usize;
        if enough && set.contributions().iter().all(held) { Ok(()) } else { Err(Refusal::BadSet) }
    }

    fn open(
        &self,
        context: &AggregatorContext,
        member: &VerifyingKey,
    ) -> Result<OpenShare, Refusal> {
        let part = self.parts.get(member).ok_or(Refusal::BadSet)?;
        part.open(context.sealing(), &context.terms().encoding)
            .map_err(|_source| Refusal::Unopenable)
    }
}

/// Checks that the DAO node signed these probes for this round and set, and that no inner product
/// with them can wrap around.
pub(crate) fn check_probes(
    context: &AggregatorContext,
    probes: &Signed<ProbeOrder>,
    grant: &RoundGrant,
    set: &AcceptedSet,
) -> Result<(), Refusal> {
    let terms = context.terms();
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
    for probe in [&body.value, &body.innovation] {
        probe.clone().checked(&terms.encoding).map_err(|_source| Refusal::Malformed)?;
    }
    Ok(())
}

fn sum_reply(
    context: &AggregatorContext,
    held: &Held,
    set: &AcceptedSet,
) -> Result<AggregatorReply, Refusal> {
    let mut sum = ShareSum::empty(&context.terms().encoding);
    for (member, _) in set.contributions() {
        sum.add(&held.open(context, member)?).map_err(|_source| Refusal::Unopenable)?;
    }
    let share = sum.pack();
    let commitment = SumCommitment {
        federation: held.grant().federation,
        round: held.grant().round,
        set_root: set.tree().root(),
        count: u32::try_from(sum.count()).expect("at most CONTRIBUTORS_MAX"),
        share: share_digest(&share),
    };
    let commitment = Signed::new(commitment, Tag::SumShare, context.signing());
    Ok(AggregatorReply::Sum { commitment, share })
}

fn score_reply(
    context: &AggregatorContext,
    held: &Held,
    set: &AcceptedSet,
    probes: &Signed<ProbeOrder>,
) -> Result<AggregatorReply, Refusal> {
    let body = probes.unverified_body();
    let mut shares = Vec::new();
    for (member, _) in set.contributions() {
        let share = held.open(context, member)?;
        let share = share.vector();
        shares.push([body.value.scalar_share(share), body.innovation.scalar_share(share)]);
    }
    let shares = ScalarShares {
        federation: held.grant().federation,
        round: held.grant().round,
        probe: Digest::of_encoded(Tag::Probe, probes),
        shares,
    };
    let shares = Signed::new(shares, Tag::ScalarShares, context.signing());
    Ok(AggregatorReply::Scalars(Box::new(shares)))
}
