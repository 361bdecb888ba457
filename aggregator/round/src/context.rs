//! What a party of a round is: its place and its keys.

use aggregator_protocol::{
    Acknowledgement, FederationTerms, Refusal, RoundGrant, RoundId, RoundOrder,
};
use privacy_identity::{
    Digest, SealingKey, SealingPublicKey, Signed, SigningKey, Tag, VerifyingKey,
};
use thiserror::Error;

use crate::participation::check_invited;

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

/// A party's view of its federation: of an aggregator, or of a member that is a custodian in some
/// rounds. Built once, passed to every step.
#[derive(Debug)]
pub struct AggregatorContext {
    terms: FederationTerms,
    /// An aggregator's place in the terms; a custodian's follows from each grant.
    index: Option<usize>,
    signing: SigningKey,
    sealing: SealingKey,
}

impl AggregatorContext {
    /// Finds the place of these keys among the aggregators of `terms`.
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
        Ok(Self { terms, index: Some(index), signing, sealing })
    }

    /// A member that may be a custodian.
    #[must_use]
    pub const fn custodian(
        terms: FederationTerms,
        signing: SigningKey,
        sealing: SealingKey,
    ) -> Self {
        Self { terms, index: None, signing, sealing }
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &FederationTerms {
        &self.terms
    }

    /// This aggregator's place: 0 is the coordinator. None for a member.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
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

    /// This party's place in the round of `grant`.
    pub(crate) fn place(&self, grant: &RoundGrant) -> Result<usize, Refusal> {
        if let Some(index) = self.index {
            return Ok(index);
        }
        let key = self.signing.verifying_key();
        let position = grant.custodians.iter().position(|custodian| custodian.member == key);
        position.map(|position| position + 1).ok_or(Refusal::Stranger)
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
        if body.cohort_epoch.is_some() != self.terms.cohort.is_present() {
            return Err(Refusal::BadSet);
        }
        check_invited(&self.terms, body)?;
        recipients(&self.terms, body).map(|_keys| ())
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

/// The parties of a round in their order, the coordinator first: the key under which each signs.
pub(crate) fn parties(terms: &FederationTerms, grant: &RoundGrant) -> Vec<VerifyingKey> {
    let aggregators = terms.aggregators.iter().map(|keys| keys.verifying);
    aggregators.chain(grant.custodians.iter().map(|custodian| custodian.member)).collect()
}

/// The keys to which updates of a round are sealed, one per party in their order.
///
/// Threat: a DAO node or coordinator that names custodians who are not members, one twice, or with a
/// key of its own. Each custodian is in the cohort, once, and signed its key itself.
pub(crate) fn recipients(
    terms: &FederationTerms,
    grant: &RoundGrant,
) -> Result<Vec<SealingPublicKey>, Refusal> {
    let expected = terms.sealing.custody().map_or(0, aggregator_protocol::CustodyTerms::custodians);
    let members: std::collections::BTreeSet<_> =
        grant.custodians.iter().map(|custodian| custodian.member).collect();
    let in_cohort = members.iter().all(|member| grant.cohort.binary_search(member).is_ok());
    if grant.custodians.len() != expected || members.len() != expected || !in_cohort {
        return Err(Refusal::BadSet);
    }
    let mut keys: Vec<_> = terms.aggregators.iter().map(|keys| keys.sealing).collect();
    for custodian in &grant.custodians {
        keys.push(custodian.sealing(&grant.federation).ok_or(Refusal::BadSignature)?);
    }
    Ok(keys)
}
