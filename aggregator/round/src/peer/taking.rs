//! Taking the parts of one request: checked, queried and kept.

use aggregator_protocol::{PreparedPart, Refusal, RoundGrant};
use privacy_identity::{Digest, Encode as _};
use privacy_secagg::{Delivery, VerifiedDelivery};

use super::held::verifier_digest;
use crate::{
    AggregatorContext, HeldPart, KeptUpdate, UpdateId, UpdateStore, mode, peer_input::HeldProof,
    update_store::VERIFIER_PART,
};

/// The taking of parts of one request.
pub(super) struct Taking<'a> {
    pub(super) context: &'a AggregatorContext,
    pub(super) store: &'a dyn UpdateStore,
    pub(super) grant: &'a RoundGrant,
    pub(super) place: usize,
    pub(super) challenge: Digest,
    pub(super) keep: Vec<KeptUpdate>,
}

impl Taking<'_> {
    pub(super) fn verified(&self, delivery: Delivery) -> Result<VerifiedDelivery, Refusal> {
        let verified = delivery.verify(self.place).map_err(|_source| Refusal::BadSignature)?;
        let member = verified.binding().member;
        if *verified.binding() != self.grant.binding(member)
            || self.grant.cohort.binary_search(&member).is_err()
        {
            return Err(Refusal::BadSet);
        }
        Ok(verified)
    }

    /// Keeps a part that opens, with the verifier share of its proof.
    pub(super) fn take(&mut self, delivery: &VerifiedDelivery) -> (HeldPart, PreparedPart) {
        let (member, update) = (delivery.binding().member, delivery.digest());
        match mode::prepare(self.context, self.place, delivery, &self.challenge) {
            Ok(mode::Proof { verifier, message }) => {
                let mut parts = vec![delivery.as_delivery().to_bytes()];
                if !verifier.is_empty() {
                    parts.push(verifier.clone());
                }
                let id = UpdateId { round: self.grant.round, update };
                self.keep.push(KeptUpdate { id, parts });
                let proof = HeldProof { verifier: verifier_digest(&verifier), message };
                let held = HeldPart { member, update, held: Ok(proof) };
                (held, PreparedPart { member, update, held: Ok(verifier) })
            }
            Err(refusal) => {
                let held = HeldPart { member, update, held: Err(refusal) };
                (held, PreparedPart { member, update, held: Err(refusal) })
            }
        }
    }

    /// Answers as before for a part that was taken or refused before.
    ///
    /// Threat: two updates of one member, of which the coordinator shows one to each party.
    pub(super) fn again(
        &self,
        part: &HeldPart,
        delivery: &VerifiedDelivery,
    ) -> Result<PreparedPart, Refusal> {
        let (member, update) = (part.member, part.update);
        if update != delivery.digest() {
            return Err(Refusal::Duplicate);
        }
        let held = match &part.held {
            Ok(proof) => Ok(self.verifier(update, proof, delivery)?),
            Err(refusal) => Err(*refusal),
        };
        Ok(PreparedPart { member, update, held })
    }

    /// The verifier share that was kept; queried again if the store has lost it.
    fn verifier(
        &self,
        update: Digest,
        proof: &HeldProof,
        delivery: &VerifiedDelivery,
    ) -> Result<Vec<u8>, Refusal> {
        // Of an additive share there is nothing to show.
        if mode::proves(self.context.terms()) == Ok(false) {
            return Ok(Vec::new());
        }
        let id = UpdateId { round: self.grant.round, update };
        let kept = self.store.part(id, VERIFIER_PART);
        let same = |verifier: &Vec<u8>| verifier_digest(verifier) == proof.verifier;
        if let Some(verifier) = kept.ok().filter(same) {
            return Ok(verifier);
        }
        mode::prepare(self.context, self.place, delivery, &self.challenge)
            .map(|proof| proof.verifier)
    }
}
