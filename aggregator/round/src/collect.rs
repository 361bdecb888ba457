//! Which updates a round takes.

use std::collections::BTreeMap;

use aggregator_protocol::{Refusal, RoundGrant, RoundOrder};
use aggregator_strategy::{CohortRule, Ticket};
use privacy_identity::{Digest, Encode as _, Signed, VerifyingKey};
use privacy_secagg::{SealError, SealedUpdate, VerifiedUpdate};

use crate::{
    AggregatorContext, KeptUpdate, UpdateId, check_ticket, context::parties,
    message_size::part_bytes_max, mode,
};

/// A round that takes updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collecting {
    pub(crate) order: Signed<RoundOrder>,
    pub(crate) model: Vec<u8>,
    /// The digest of each member's update. The bytes are in the store.
    pub(crate) accepted: BTreeMap<VerifyingKey, Digest>,
    /// The tickets of those who were taken, where members draw in secret.
    pub(crate) tickets: BTreeMap<VerifyingKey, Ticket>,
}

/// What becomes of a submission that is not refused.
pub(crate) enum Submission {
    /// New: to be kept, then taken.
    New(KeptUpdate),
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

    /// Whether every member of the cohort is in, or as many as `rule` wants.
    pub(crate) fn complete(&self, rule: &CohortRule) -> bool {
        let enough = rule.enough().is_some_and(|enough| self.accepted.len() >= enough);
        enough || self.accepted.len() == self.grant().cohort.len()
    }

    /// Checks one update, or says why it is refused. Cheap checks first, the signature before any
    /// decryption.
    pub(crate) fn submit(
        &self,
        context: &AggregatorContext,
        peer: VerifyingKey,
        (update, ticket): (SealedUpdate, Option<Ticket>),
        now_ms: u64,
    ) -> Result<Submission, Refusal> {
        self.check_binding(peer, &update)?;
        let late = now_ms > self.deadline_ms();
        let earlier = self.accepted.get(&peer);
        if late && earlier.is_none() {
            return Err(Refusal::Late);
        }
        let verified = update.verify().map_err(|error| match error {
            _ if late => Refusal::Late,
            SealError::Signature(_) => Refusal::BadSignature,
            _ => Refusal::Malformed,
        })?;
        let update = verified.digest();
        match earlier {
            Some(earlier) if *earlier == update => return Ok(Submission::Repeated(update)),
            Some(_) if late => return Err(Refusal::Late),
            Some(_) => return Err(Refusal::Duplicate),
            None => {}
        }
        check_ticket(context.terms(), self.grant(), &peer, ticket.as_ref())?;
        let parts = self.parts(context, &verified)?;
        let id = UpdateId { round: self.grant().round, update };
        Ok(Submission::New(KeptUpdate { id, parts }))
    }

    /// The parts of all parties in their order, of which the coordinator's own opens.
    fn parts(
        &self,
        context: &AggregatorContext,
        update: &VerifiedUpdate,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        // Every party needs its part, or the round could never be summed.
        if update.envelope_count() != parties(context.terms(), self.grant()).len() {
            return Err(Refusal::Malformed);
        }
        let mut parts = Vec::with_capacity(update.envelope_count());
        for place in 0..update.envelope_count() {
            let delivery = update.delivery(place).map_err(|_source| Refusal::Malformed)?;
            let bytes = delivery.to_bytes();
            if bytes.len() > part_bytes_max(context.terms(), place) {
                return Err(Refusal::Oversized);
            }
            if place == 0 {
                let own = delivery.verify(0).map_err(|_source| Refusal::Malformed)?;
                mode::check_payload(context, 0, &own)?;
            }
            parts.push(bytes);
        }
        Ok(parts)
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
