//! The machine of every party but the coordinator: the other aggregators in MPC mode, the custodians in
//! FHE mode.
//!
//! Threat: a coordinator that asks for sums over two sets that differ by one member, or for an inner
//! product of its own choice. This machine answers one set and one DAO-signed probe order per round,
//! persisted before the answer leaves, and refuses anything else for ever. A custodian moreover waits
//! until enough others echoed the same set, as each of them is asked alone.

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Evidence, ProbeOrder, Refusal, RoundGrant,
    RoundId, RoundOrder, ScalarShares, SetEcho, SumCommitment,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use privacy_secagg::{Delivery, VerifiedDelivery};

use crate::{AggregatorContext, mode};

/// Digest of the packed share of a sum.
pub(crate) fn share_digest(packed: &[u8]) -> Digest {
    Digest::of(Tag::PackedShare, packed)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    order: Signed<RoundOrder>,
    place: usize,
    challenge: Digest,
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

/// A party that serves a coordinator.
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
            AggregatorRequest::Prepare { order, deliveries, challenge } => {
                self.prepare(context, *order, deliveries, challenge)
            }
            AggregatorRequest::Agree { round, set } => self.agree(context, round, set),
            AggregatorRequest::Sum { round, set, evidence } => {
                self.sum(context, round, set, &evidence)
            }
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
            Phase::Prepared(held)
            | Phase::Agreed { held, .. }
            | Phase::Summed { held, .. }
            | Phase::Scored { held, .. } => Some(held.grant().round),
        }
    }

    fn prepare(
        &self,
        context: &AggregatorContext,
        order: Signed<RoundOrder>,
        deliveries: Vec<Delivery>,
        challenge: Digest,
    ) -> Result<(Phase, AggregatorReply), Refusal> {
        context.check_order(&order)?;
        let grant = order.unverified_body().grant.unverified_body();
        let (round, place) = (grant.round, context.place(grant)?);
        match (&self.phase, self.round()) {
            (_, Some(current)) if round < current => return Err(Refusal::WrongRound),
            // A set of this round was agreed to: its parts are fixed for ever.
            (Phase::Agreed { .. } | Phase::Summed { .. } | Phase::Scored { .. }, Some(current))
                if round == current =>
            {
                return Err(Refusal::AlreadyAnswered);
            }
            // Threat: each challenge opens the proofs at another point, and their zero knowledge is for
            // one: a coordinator that asks with many learns the updates. One challenge per round.
            (Phase::Prepared(held), Some(current))
                if round == current
                    && held.challenge != challenge
                    && mode::proves(context.terms()) == Ok(true) =>
            {
                return Err(Refusal::AlreadyAnswered);
            }
            _ => {}
        }
        let parts = BTreeMap::new();
        let mut held = Held { order, place, challenge, parts, refused: Vec::new() };
        let mut verifiers = BTreeMap::new();
        for delivery in deliveries {
            if let Some((member, verifier)) = held.take(context, delivery)? {
                verifiers.insert(member, verifier);
            }
        }
        let verifiers = if mode::proves(context.terms()) == Ok(true) {
            verifiers.into_values().collect()
        } else {
            Vec::new()
        };
        let reply = AggregatorReply::Prepared { refused: held.refused.clone(), verifiers };
        Ok((Phase::Prepared(held), reply))
    }

    fn agree(
        &self,
        context: &AggregatorContext,
        round: RoundId,
        set: AcceptedSet,
    ) -> Result<(Phase, AggregatorReply), Refusal> {
        let (held, phase) =
            self.for_set(context, round, &set, |held, set| Phase::Agreed { held, set })?;
        let echo =
            SetEcho { federation: held.grant().federation, round, set_root: set.tree().root() };
        let echo = Signed::new(echo, Tag::SetEcho, context.signing());
        Ok((phase, AggregatorReply::Agreed(echo)))
    }

    fn sum(
        &self,
        context: &AggregatorContext,
        round: RoundId,
        set: AcceptedSet,
        evidence: &Evidence,
    ) -> Result<(Phase, AggregatorReply), Refusal> {
        let (held, mut phase) =
            self.for_set(context, round, &set, |held, set| Phase::Summed { held, set })?;
        held.check_evidence(context, &set, evidence)?;
        if let Phase::Agreed { held, set } = phase {
            phase = Phase::Summed { held, set };
        }
        let reply = sum_reply(context, held, &set)?;
        Ok((phase, reply))
    }

    /// The parts of `round`, and the phase in which `set` is the only one that is answered. A question
    /// that was answered before leaves the phase as it is: the answer was lost.
    fn for_set(
        &self,
        context: &AggregatorContext,
        round: RoundId,
        set: &AcceptedSet,
        next: impl FnOnce(Held, AcceptedSet) -> Phase,
    ) -> Result<(&Held, Phase), Refusal> {
        if self.round() != Some(round) {
            return Err(Refusal::WrongRound);
        }
        match &self.phase {
            Phase::Fresh => Err(Refusal::Unexpected),
            Phase::Prepared(held) => {
                held.check_set(context, set)?;
                Ok((held, next(held.clone(), set.clone())))
            }
            Phase::Agreed { held, set: answered }
            | Phase::Summed { held, set: answered }
            | Phase::Scored { held, set: answered, .. } => {
                if answered == set {
                    Ok((held, self.phase.clone()))
                } else {
                    Err(Refusal::AlreadyAnswered)
                }
            }
        }
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
            Phase::Fresh | Phase::Prepared(_) | Phase::Agreed { .. } => {
                return Err(Refusal::Unexpected);
            }
        };
        check_probes(context, &probes, held.grant(), set)?;
        let reply = score_reply(context, held, set, &probes)?;
        Ok((Phase::Scored { held: held.clone(), set: set.clone(), probes }, reply))
    }
}

impl Held {
    /// Keeps a part that opens; returns whose it is and this party's verifier share of its proof.
    fn take(
        &mut self,
        context: &AggregatorContext,
        delivery: Delivery,
    ) -> Result<Option<(VerifyingKey, Vec<u8>)>, Refusal> {
        let verified = delivery.verify(self.place).map_err(|_source| Refusal::BadSignature)?;
        let member = verified.binding().member;
        if *verified.binding() != self.grant().binding(member)
            || self.grant().cohort.binary_search(&member).is_err()
        {
            return Err(Refusal::BadSet);
        }
        let opened = mode::check_payload(context, self.place, &verified)
            .and_then(|()| mode::verifier(context, self.place, &verified, &self.challenge));
        match opened {
            Ok(verifier) => {
                self.parts.insert(member, verified);
                Ok(Some((member, verifier)))
            }
            Err(refusal) => {
                self.refused.push((member, refusal));
                Ok(None)
            }
        }
    }

    /// The parts of exactly `set`, in its order.
    fn parts_of(&self, set: &AcceptedSet) -> Result<Vec<VerifiedDelivery>, Refusal> {
        let part = |(member, _): &(VerifyingKey, Digest)| self.parts.get(member).cloned();
        set.contributions().iter().map(part).collect::<Option<_>>().ok_or(Refusal::BadSet)
    }

    fn check_evidence(
        &self,
        context: &AggregatorContext,
        set: &AcceptedSet,
        evidence: &Evidence,
    ) -> Result<(), Refusal> {
        match (evidence, mode::proves(context.terms())) {
            (Evidence::None, Ok(false)) => Ok(()),
            (Evidence::Verifiers(members), Ok(true)) => self.check_proofs(context, set, members),
            (Evidence::Echoes(echoes), Err(mode::Unsupported)) => {
                self.check_echoes(context, set, echoes)
            }
            _ => Err(Refusal::Malformed),
        }
    }

    /// Decides each proof for itself: a coordinator that errs, or sums what others found unproven, is
    /// found out. Not one that lies about its own verifier share: whoever sees the others' can choose
    /// its own such that they add up, as it could add anything to the sum itself. Norms are proven
    /// against contributors.
    fn check_proofs(
        &self,
        context: &AggregatorContext,
        set: &AcceptedSet,
        members: &[Vec<Vec<u8>>],
    ) -> Result<(), Refusal> {
        if members.len() != set.contributions().len() {
            return Err(Refusal::BadSet);
        }
        for (part, shares) in self.parts_of(set)?.iter().zip(members) {
            if !mode::proof_holds(context, self.place, part, &self.challenge, shares) {
                return Err(Refusal::BadProof);
            }
        }
        Ok(())
    }

    fn check_echoes(
        &self,
        context: &AggregatorContext,
        set: &AcceptedSet,
        echoes: &[Signed<SetEcho>],
    ) -> Result<(), Refusal> {
        let custody = context.terms().sealing.custody().ok_or(Refusal::Malformed)?;
        let expected = SetEcho {
            federation: self.grant().federation,
            round: self.grant().round,
            set_root: set.tree().root(),
        };
        let echoed = |member: &VerifyingKey| {
            echoes.iter().any(|echo| {
                *echo.unverified_body() == expected
                    && echo.clone().verify_by(Tag::SetEcho, member).is_ok()
            })
        };
        let custodians = self.grant().custodians.iter();
        let count = custodians.filter(|custodian| echoed(&custodian.member)).count();
        if count >= custody.agreement() { Ok(()) } else { Err(Refusal::NoAgreement) }
    }

    fn check_set(&self, context: &AggregatorContext, set: &AcceptedSet) -> Result<(), Refusal> {
        let held = |(member, digest): &(VerifyingKey, Digest)| {
            self.parts.get(member).is_some_and(|part| part.digest() == *digest)
        };
        let enough = set.contributions().len() >= context.terms().minimum_cohort as usize;
        if enough && set.contributions().iter().all(held) { Ok(()) } else { Err(Refusal::BadSet) }
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
    let parts = held.parts_of(set)?;
    let share = mode::partial_sum(context, held.grant(), held.place, &parts)?;
    let commitment = SumCommitment {
        federation: held.grant().federation,
        round: held.grant().round,
        set_root: set.tree().root(),
        count: u32::try_from(parts.len()).expect("at most CONTRIBUTORS_MAX"),
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
    let (grant, body) = (held.grant(), probes.unverified_body());
    let shares = mode::scalar_shares(context, grant, held.place, body, &held.parts_of(set)?)?;
    let shares = ScalarShares {
        federation: held.grant().federation,
        round: held.grant().round,
        probe: Digest::of_encoded(Tag::Probe, probes),
        shares,
    };
    let shares = Signed::new(shares, Tag::ScalarShares, context.signing());
    Ok(AggregatorReply::Scalars(Box::new(shares)))
}
