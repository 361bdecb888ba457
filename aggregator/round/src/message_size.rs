//! How long the messages of a federation can be: what its links have to let through, and no more.

use aggregator_protocol::{FederationTerms, MESSAGE_BYTES_MAX, SealingTerms};

use crate::mode;

/// A message's parts that depend on neither model nor cohort: headers, keys, proofs of inclusion, the
/// longest texts.
const BASE_BYTES: usize = 1 << 20;
/// Bytes of a coordinate in the longest vector beside a sealed one: three probes of less than two bytes each
/// (Rice codes), or a sum of eight. With them travels what every party answered, at most 17 × 24 bytes per contributor.
const COORDINATE_BYTES: usize = 8;
/// What one contributor adds to the longest list: header, signature, envelope, entry of a receipt.
const CONTRIBUTOR_BYTES: usize = 1 << 10;
/// What one member adds to the longest message of a cohort: its key package in the delivery's news, and its
/// part of a welcome or of commits.
const COHORT_BYTES: usize = 4 << 10;
/// How much goes to another party in one request to prepare, and back: seeds of thousands of
/// contributors, 248 shares of FHE keys. A request that is lost is repeated whole, so that larger ones
/// would gain nothing but memory.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// How many proofs a party queries in one step: at a million parameters each takes half a second, and a
/// step should end before whoever asked for it gives up (30 s), and cost little when a crash undoes it.
const PROOFS_MAX: usize = 16;

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
    let parts = batch_len(terms).min(contributors) * in_batch_bytes(terms);
    let evidence = contributors * (CONTRIBUTOR_BYTES + sizes.evidence);
    let cohort = if terms.cohort.is_present() { contributors * COHORT_BYTES } else { 0 };
    // Of each group there is a sum of its own, and two probes.
    let vectors = COORDINATE_BYTES * vector_len * terms.group_count();
    let vector = vectors + contributors * CONTRIBUTOR_BYTES;
    let longest = update.max(parts).max(evidence).max(cohort).max(vector);
    BASE_BYTES.saturating_add(longest).min(MESSAGE_BYTES_MAX)
}

/// Longest part of an update that is sealed to the party at `place`, as it is kept and passed on.
///
/// Threat: a contributor whose part for another party is so long that no request can carry it, and the
/// round of all others with it.
pub(crate) fn part_bytes_max(terms: &FederationTerms, place: usize) -> usize {
    let sizes = mode::payload_sizes(terms);
    CONTRIBUTOR_BYTES + if place == 0 { sizes.first } else { sizes.other }
}

/// Of how many updates a party prepares its parts at once.
pub(crate) fn batch_len(terms: &FederationTerms) -> usize {
    let fitting = (BATCH_BYTES_MAX / in_batch_bytes(terms)).max(1);
    if mode::proves(terms) == Ok(true) { fitting.min(PROOFS_MAX) } else { fitting }
}

/// What one update adds to a request to prepare and to its answer.
fn in_batch_bytes(terms: &FederationTerms) -> usize {
    let sizes = mode::payload_sizes(terms);
    CONTRIBUTOR_BYTES + sizes.other + sizes.evidence / terms.aggregators.len()
}

const fn parties(terms: &FederationTerms) -> usize {
    match terms.sealing {
        SealingTerms::Mpc | SealingTerms::MpcVerified => terms.aggregators.len(),
        SealingTerms::Fhe(custody) => 1 + custody.custodians(),
    }
}
