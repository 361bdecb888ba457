//! How long the messages of a federation can be: what its links have to let through, and no more.

use aggregator_protocol::{FederationTerms, MESSAGE_BYTES_MAX, SealingTerms};

use crate::mode;

/// A message's parts that depend on neither model nor cohort: headers, keys, proofs of inclusion, the
/// longest texts.
const BASE_BYTES: usize = 1 << 20;
/// Bytes of a coordinate in the longest vector beside a sealed one: two probes of four bytes each.
const COORDINATE_BYTES: usize = 8;
/// What one contributor adds to the longest list: header, signature, envelope, entry of a receipt.
const CONTRIBUTOR_BYTES: usize = 1 << 10;
/// What one member adds to the longest message of a cohort: its key package in the delivery's news, and its
/// part of a welcome or of commits.
const COHORT_BYTES: usize = 4 << 10;

/// Longest message that a party of a round under `terms` sends or takes, in bytes; at most
/// [`MESSAGE_BYTES_MAX`].
///
/// Threat: a stranger that makes a process take memory. Nothing longer is read from a link.
#[must_use]
pub fn message_bytes_max(terms: &FederationTerms) -> usize {
    let (vector_len, contributors) =
        (terms.encoding.vector_len(), terms.encoding.contributors_max());
    let sizes = mode::payload_sizes(terms);
    let update = sizes.first + sizes.other * (parties(terms) - 1);
    let parts = contributors * (CONTRIBUTOR_BYTES + sizes.other + sizes.evidence);
    let cohort = if terms.cohort.is_present() { contributors * COHORT_BYTES } else { 0 };
    let longest = update.max(parts).max(cohort).max(COORDINATE_BYTES * vector_len);
    BASE_BYTES.saturating_add(longest).min(MESSAGE_BYTES_MAX)
}

const fn parties(terms: &FederationTerms) -> usize {
    match terms.sealing {
        SealingTerms::Mpc | SealingTerms::MpcVerified => terms.aggregators.len(),
        SealingTerms::Fhe(custody) => 1 + custody.custodians(),
    }
}
