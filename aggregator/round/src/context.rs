//! What an aggregator is: its place in the terms and its keys.

use aggregator_protocol::{
    Acknowledgement, FederationTerms, Refusal, RoundGrant, RoundId, RoundOrder,
};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag};
use thiserror::Error;

/// Why a process cannot be an aggregator of a federation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// Its key is not among the terms' aggregators.
    #[error("this aggregator's key {key} is not named in the federation's terms")]
    NotNamed {
        /// Its key.
        key: String,
    },
    /// The terms name another sealing key for it.
    #[error("the terms name another sealing key for this aggregator")]
    SealingKey,
}

/// An aggregator's view of its federation. Built once, passed to every step.
#[derive(Debug)]
pub struct AggregatorContext {
    terms: FederationTerms,
    index: usize,
    signing: SigningKey,
    sealing: SealingKey,
}

impl AggregatorContext {
    /// Finds the place of these keys in `terms`.
    ///
    /// # Errors
    /// [`ContextError`].
    pub fn new(
        terms: FederationTerms,
        signing: SigningKey,
        sealing: SealingKey,
    ) -> Result<Self, ContextError> {
        let key = signing.verifying_key();
        let index = terms.aggregators.iter().position(|keys| keys.verifying == key);
        let index = index.ok_or_else(|| ContextError::NotNamed { key: key.to_string() })?;
        if terms.aggregators[index].sealing != sealing.public() {
            return Err(ContextError::SealingKey);
        }
        Ok(Self { terms, index, signing, sealing })
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &FederationTerms {
        &self.terms
    }

    /// This aggregator's place: 0 is the coordinator.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The key under which it signs.
    #[must_use]
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key to which its shares are sealed.
    #[must_use]
    pub const fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// The signed promise that an update to `round` is held.
    pub(crate) fn acknowledge(&self, round: RoundId, update: Digest) -> Signed<Acknowledgement> {
        let body = Acknowledgement { federation: self.terms.id(), round, update };
        Signed::new(body, Tag::Acknowledgement, &self.signing)
    }

    /// Checks that the DAO node granted this round to this federation.
    pub(crate) fn check_grant(&self, grant: &Signed<RoundGrant>) -> Result<(), Refusal> {
        let verified = grant
            .clone()
            .verify_by(Tag::RoundGrant, &self.terms.dao_node)
            .map_err(|_source| Refusal::BadSignature)?;
        let body = verified.body();
        if body.federation != self.terms.id() || body.dao != self.terms.dao {
            return Err(Refusal::WrongFederation);
        }
        if body.cohort.len() > self.terms.encoding.contributors_max() {
            return Err(Refusal::BadSet);
        }
        Ok(())
    }

    /// Checks that the coordinator ordered this round and the DAO node granted it.
    pub(crate) fn check_order(&self, order: &Signed<RoundOrder>) -> Result<(), Refusal> {
        order
            .clone()
            .verify_by(Tag::RoundOrder, &self.terms.coordinator().verifying)
            .map_err(|_source| Refusal::BadSignature)?;
        self.check_grant(&order.unverified_body().grant)
    }
}
