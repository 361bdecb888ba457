//! Which updates a round takes.

use std::collections::BTreeMap;

use aggregator_protocol::{Refusal, RoundGrant, RoundOrder};
use privacy_identity::{Digest, Signed, VerifyingKey};
use privacy_secagg::{SealError, SealedUpdate, VerifiedUpdate};

use crate::{AggregatorContext, context::parties, mode};

/// A round that takes updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collecting {
    pub(crate) order: Signed<RoundOrder>,
    pub(crate) model: Vec<u8>,
    pub(crate) accepted: BTreeMap<VerifyingKey, VerifiedUpdate>,
}

/// What became of a submission that was not refused.
pub(crate) enum Submission {
    /// New: it is now in the set.
    New(Digest),
    /// The same bytes again: acknowledged again, nothing changes.
    Repeated(Digest),
}

impl Collecting {
    pub(crate) fn grant(&self) -> &RoundGrant {
        self.order.unverified_body().grant.unverified_body()
    }

    pub(crate) const fn deadline_ms(&self) -> u64 {
        self.order.unverified_body().deadline_ms
    }

    /// Whether `member` belongs to the cohort.
    pub(crate) fn invites(&self, member: &VerifyingKey) -> bool {
        self.grant().cohort.binary_search(member).is_ok()
    }

    /// Whether every member of the cohort is in.
    pub(crate) fn complete(&self) -> bool {
        self.accepted.len() == self.grant().cohort.len()
    }

    /// Takes one update, or says why not. Cheap checks first, the signature before any decryption.
    pub(crate) fn submit(
        &mut self,
        context: &AggregatorContext,
        peer: VerifyingKey,
        update: SealedUpdate,
        now_ms: u64,
    ) -> Result<Submission, Refusal> {
        self.check_binding(peer, &update)?;
        let earlier = self.accepted.get(&peer);
        if let Some(earlier) = earlier.filter(|earlier| *earlier.as_sealed() == update) {
            return Ok(Submission::Repeated(earlier.digest()));
        }
        if now_ms > self.deadline_ms() {
            return Err(Refusal::Late);
        }
        let verified = update.verify().map_err(|error| match error {
            SealError::Signature(_) => Refusal::BadSignature,
            _ => Refusal::Malformed,
        })?;
        if earlier.is_some() {
            return Err(Refusal::Duplicate);
        }
        // Every party needs its part, or the round could never be summed.
        if verified.envelope_count() != parties(context.terms(), self.grant()).len() {
            return Err(Refusal::Malformed);
        }
        let digest = verified.digest();
        let delivery = verified.delivery(0).map_err(|_source| Refusal::Malformed)?;
        let delivery = delivery.verify(0).map_err(|_source| Refusal::Malformed)?;
        mode::check_payload(context, 0, &delivery)?;
        self.accepted.insert(peer, verified);
        Ok(Submission::New(digest))
    }

    fn check_binding(&self, peer: VerifyingKey, update: &SealedUpdate) -> Result<(), Refusal> {
        let binding = update.claimed_binding();
        let expected = self.grant().binding(peer);
        if !self.invites(&peer) {
            return Err(Refusal::Stranger);
        }
        if binding.member != peer {
            return Err(Refusal::WrongSender);
        }
        if binding.dao != expected.dao || binding.federation != expected.federation {
            return Err(Refusal::WrongFederation);
        }
        if binding.round != expected.round {
            return Err(Refusal::WrongRound);
        }
        if binding.model != expected.model {
            return Err(Refusal::WrongModel);
        }
        Ok(())
    }
}
