//! What a party holds of a round, what it may be asked of it, and what it answers.

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, Evidence, ProbeOrder, Refusal, RoundGrant, RoundOrder,
    ScalarShares, SetEcho, SumCommitment,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};

use super::share_digest;
use crate::{AggregatorContext, HeldPart, UpdateStore, Worked, mode, parts::Parts};

/// Where what comes of work on the parts is from.
pub(super) struct Source<'a> {
    pub(super) store: &'a dyn UpdateStore,
    /// If it was done before.
    pub(super) worked: Option<Worked>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) order: Signed<RoundOrder>,
    pub(super) place: usize,
    pub(super) challenge: Digest,
    /// The first part of each member that came. The bytes are in the store.
    pub(super) parts: BTreeMap<VerifyingKey, HeldPart>,
}

impl Held {
    pub(super) fn grant(&self) -> &RoundGrant {
        self.order.unverified_body().grant.unverified_body()
    }

    pub(super) fn check_evidence(
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
        for ((member, _), shares) in set.contributions().iter().zip(members) {
            let part = self.parts.get(member).ok_or(Refusal::BadSet)?;
            let proof = part.held.as_ref().map_err(|_refusal| Refusal::BadSet)?;
            let own = shares.get(self.place).map(|share| verifier_digest(share));
            let binding = self.grant().binding(*member);
            if own != Some(proof.verifier)
                || !mode::proof_holds(context.terms(), &binding, &proof.message, shares)
            {
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

    pub(super) fn check_set(
        &self,
        context: &AggregatorContext,
        set: &AcceptedSet,
    ) -> Result<(), Refusal> {
        let held = |(member, digest): &(VerifyingKey, Digest)| {
            self.parts.get(member).is_some_and(|part| part.update == *digest && part.held.is_ok())
        };
        let enough = set.contributions().len() >= context.terms().contributions_min();
        if enough && set.contributions().iter().all(held) { Ok(()) } else { Err(Refusal::BadSet) }
    }

    fn parts<'a>(
        &'a self,
        context: &'a AggregatorContext,
        store: &'a dyn UpdateStore,
        set: &'a AcceptedSet,
    ) -> Parts<'a> {
        let (grant, place) = (self.grant(), self.place);
        Parts { context, grant, place, set: set.contributions(), store }
    }

    pub(super) fn sum_reply(
        &self,
        context: &AggregatorContext,
        source: Source<'_>,
        set: &AcceptedSet,
    ) -> Result<AggregatorReply, Refusal> {
        let share = match source.worked {
            None => mode::partial_sum(&self.parts(context, source.store, set))?,
            Some(Worked::Summed(share)) => share,
            Some(other) => return Err(other.refusal()),
        };
        let commitment = SumCommitment {
            federation: self.grant().federation,
            round: self.grant().round,
            set_root: set.tree().root(),
            count: u32::try_from(set.contributions().len()).expect("at most CONTRIBUTORS_MAX"),
            share: share_digest(&share),
        };
        let commitment = Signed::new(commitment, Tag::SumShare, context.signing());
        Ok(AggregatorReply::Sum { commitment, share })
    }

    pub(super) fn score_reply(
        &self,
        context: &AggregatorContext,
        source: Source<'_>,
        set: &AcceptedSet,
        probes: &Signed<ProbeOrder>,
    ) -> Result<AggregatorReply, Refusal> {
        let shares = match source.worked {
            None => {
                let parts = self.parts(context, source.store, set);
                mode::scalar_shares(&parts, probes.unverified_body())?
            }
            Some(Worked::Scored(shares)) => shares,
            Some(other) => return Err(other.refusal()),
        };
        let shares = ScalarShares {
            federation: self.grant().federation,
            round: self.grant().round,
            probe: Digest::of_encoded(Tag::Probe, probes),
            shares,
        };
        let shares = Signed::new(shares, Tag::ScalarShares, context.signing());
        Ok(AggregatorReply::Scalars(Box::new(shares)))
    }
}

/// Digest of a verifier share: what a party keeps of its own in memory.
pub(super) fn verifier_digest(verifier: &[u8]) -> Digest {
    Digest::of(Tag::NormProof, verifier)
}
