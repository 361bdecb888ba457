//! What differs between the modes of sealing: payloads, partial sums, scalars and their opening.
//!
//! The machines of this crate are the same in all modes; here, and only here, is asked which one it is.
//!
//! ```text
//!                MPC                        verified MPC                  FHE
//!  payload 0     packed ring vector         PINE leader share             ciphertext
//!  payload j     seed                       PINE helper share             share j of the key
//!  partial sum   ring vector                field vector                  sum of key shares
//!  opened        Σ of all                   Σ of all                      with t key shares
//!  scalar        inner product in the ring  inner product in the field    ⟨body, p⟩ and forms of the key
//! ```

mod fhe;
mod mpc;
mod verified;

use std::collections::BTreeMap;

use aggregator_protocol::{FederationTerms, ProbeOrder, Refusal, RoundGrant, SealingTerms};
use privacy_identity::{Digest, SigningKey};
use privacy_secagg::{NoisyUpdate, Payloads, SealedUpdate, VerifiedDelivery, seal_payloads};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{AggregatorContext, context::recipients};

/// In FHE mode nothing is proved before the sum: custodians agree instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsupported;

/// Why shares do not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum OpenError {
    /// The coordinator's own part.
    #[error("the coordinator's own part does not open")]
    Own,
    /// The shares of the others.
    #[error("{reason}")]
    Shares {
        /// What is wrong, with the places of those who are to blame, where that can be told.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn shares(reason: impl ToString) -> Self {
        Self::Shares { reason: reason.to_string() }
    }
}

/// An opened sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// As signed integers, `[vector_len]`.
    pub(crate) sum: Vec<i64>,
    /// The sum of the linear tags.
    pub(crate) tag: Option<[u64; 2]>,
    /// Places of custodians whose shares contradict the others'.
    pub(crate) liars: Vec<usize>,
}

/// Whether updates carry a proof of their norm.
pub(crate) const fn proves(terms: &FederationTerms) -> Result<bool, Unsupported> {
    match terms.sealing {
        SealingTerms::Mpc => Ok(false),
        SealingTerms::MpcVerified => Ok(true),
        SealingTerms::Fhe(_) => Err(Unsupported),
    }
}

/// Bytes of payloads and evidence, for limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadSizes {
    /// The coordinator's payload.
    pub(crate) first: usize,
    /// The largest of any other party.
    pub(crate) other: usize,
    /// What one contributor adds to the evidence of a set.
    pub(crate) evidence: usize,
}

/// The sizes under `terms`.
pub(crate) fn payload_sizes(terms: &FederationTerms) -> PayloadSizes {
    match terms.sealing {
        SealingTerms::Mpc => mpc::payload_sizes(terms),
        SealingTerms::MpcVerified => verified::payload_sizes(terms),
        SealingTerms::Fhe(_) => fhe::payload_sizes(terms),
    }
}

/// Seals `update` to the parties of the round of `grant`.
pub(crate) fn seal(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    grant: &RoundGrant,
    key: &SigningKey,
    rng: &mut impl CryptoRng,
) -> Result<SealedUpdate, String> {
    let binding = grant.binding(key.verifying_key());
    let recipients = recipients(terms, grant).map_err(|refusal| refusal.to_string())?;
    let payloads: Payloads = match terms.sealing {
        SealingTerms::Mpc => mpc::payloads(update, terms, &binding, recipients.len(), rng),
        SealingTerms::MpcVerified => {
            verified::payloads(update, terms, &binding, recipients.len(), rng)?
        }
        SealingTerms::Fhe(custody) => fhe::payloads(update, terms, grant, custody, rng)?,
    };
    seal_payloads(payloads, binding, &recipients, key, rng).map_err(|error| error.to_string())
}

/// Decrypts a party's part.
fn payload(
    context: &AggregatorContext,
    delivery: &VerifiedDelivery,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    delivery.open_payload(context.sealing()).map_err(|_source| Refusal::Unopenable)
}

/// Checks that a party's part opens to something of the right form.
pub(crate) fn check_payload(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
) -> Result<(), Refusal> {
    match context.terms().sealing {
        SealingTerms::Mpc => mpc::check(context, delivery),
        SealingTerms::MpcVerified => verified::check(context, place, delivery),
        SealingTerms::Fhe(_) => fhe::check(context, place, delivery),
    }
}

/// A party's verifier share of the proof in its part; empty where nothing is proved.
pub(crate) fn verifier(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
    challenge: &Digest,
) -> Result<Vec<u8>, Refusal> {
    if proves(context.terms()) != Ok(true) {
        return Ok(Vec::new());
    }
    verified::verifier(context, place, delivery, challenge)
}

/// Whether the parties' verifier shares, in their order, show that the norm is within bound. The party
/// at `place` recomputes its own.
pub(crate) fn proof_holds(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
    challenge: &Digest,
    shares: &[Vec<u8>],
) -> bool {
    shares.len() == context.terms().aggregators.len()
        && verified::holds(context, place, delivery, challenge, shares)
}

/// What a party contributes to the opening of the sum over these parts.
pub(crate) fn partial_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    place: usize,
    parts: &[VerifiedDelivery],
) -> Result<Vec<u8>, Refusal> {
    match context.terms().sealing {
        SealingTerms::Mpc => mpc::partial_sum(context, parts),
        SealingTerms::MpcVerified => verified::partial_sum(context, place, parts),
        SealingTerms::Fhe(custody) => fhe::partial_sum(context, grant, place, custody, parts),
    }
}

/// Checks the form of another party's partial sum.
pub(crate) fn check_partial_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    share: &[u8],
) -> Result<(), Refusal> {
    match context.terms().sealing {
        SealingTerms::Mpc => mpc::check_partial_sum(context.terms(), grant, share),
        SealingTerms::MpcVerified => verified::check_partial_sum(context.terms(), grant, share),
        SealingTerms::Fhe(_) => fhe::check_partial_sum(share),
    }
}

/// Opens the sum: the coordinator's own parts and the others' partial sums by place.
pub(crate) fn open_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    own: &[VerifiedDelivery],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    match context.terms().sealing {
        SealingTerms::Mpc => mpc::open_sum(context, own, others),
        SealingTerms::MpcVerified => verified::open_sum(context, grant, own, others),
        SealingTerms::Fhe(custody) => fhe::open_sum(context, grant, custody, own, others),
    }
}

/// A party's shares of the scalars of each part, in their order: of value and innovation.
pub(crate) fn scalar_shares(
    context: &AggregatorContext,
    grant: &RoundGrant,
    place: usize,
    order: &ProbeOrder,
    parts: &[VerifiedDelivery],
) -> Result<Vec<[u64; 2]>, Refusal> {
    let probes = [&order.value, &order.innovation];
    match context.terms().sealing {
        SealingTerms::Mpc => parts.iter().map(|part| mpc::scalars(context, part, probes)).collect(),
        SealingTerms::MpcVerified => {
            parts.iter().map(|part| verified::scalars(context, place, part, probes)).collect()
        }
        SealingTerms::Fhe(custody) => {
            fhe::scalar_shares(context, grant, place, custody, order, parts)
        }
    }
}

/// Opens the scalars of each of the coordinator's own parts, in their order; also the places of
/// custodians whose shares contradict the others'.
pub(crate) fn open_scalars(
    context: &AggregatorContext,
    grant: &RoundGrant,
    order: &ProbeOrder,
    own: &[VerifiedDelivery],
    others: &BTreeMap<usize, &[[u64; 2]]>,
) -> Result<(Vec<[i64; 2]>, Vec<usize>), OpenError> {
    let terms = context.terms();
    if let SealingTerms::Fhe(custody) = terms.sealing {
        return fhe::open_scalars(context, grant, custody, order, own, others);
    }
    let own = scalar_shares(context, grant, 0, order, own).map_err(|_refusal| OpenError::Own)?;
    let opened = own.iter().enumerate().map(|(position, own)| {
        let all = std::iter::once(own).chain(others.values().map(|shares| &shares[position]));
        match terms.sealing {
            SealingTerms::Mpc => mpc::open_scalars(terms, all),
            _ => verified::open_scalars(all),
        }
    });
    Ok((opened.collect(), Vec::new()))
}
