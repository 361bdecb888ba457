//! FHE mode in a build without the feature `fhe`: everything is refused by name.

use std::collections::BTreeMap;

use aggregator_protocol::{CustodyTerms, FederationTerms, ProbeOrder, Refusal, RoundGrant};
use privacy_secagg::{NoisyUpdate, Payloads, VerifiedDelivery};
use rand::CryptoRng;

use super::{OpenError, Opened};
use crate::AggregatorContext;

pub(super) fn payloads(
    _update: &NoisyUpdate,
    _terms: &FederationTerms,
    _grant: &RoundGrant,
    _custody: CustodyTerms,
    _rng: &mut impl CryptoRng,
) -> Result<Payloads, String> {
    Err(Refusal::ModeAbsent.to_string())
}

pub(super) const fn check(
    _context: &AggregatorContext,
    _place: usize,
    _delivery: &VerifiedDelivery,
) -> Result<(), Refusal> {
    Err(Refusal::ModeAbsent)
}

pub(super) const fn partial_sum(
    _context: &AggregatorContext,
    _grant: &RoundGrant,
    _place: usize,
    _custody: CustodyTerms,
    _parts: &[VerifiedDelivery],
) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::ModeAbsent)
}

pub(super) const fn check_partial_sum(_share: &[u8]) -> Result<(), Refusal> {
    Err(Refusal::ModeAbsent)
}

pub(super) fn open_sum(
    _context: &AggregatorContext,
    _grant: &RoundGrant,
    _custody: CustodyTerms,
    _own: &[VerifiedDelivery],
    _others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    Err(OpenError::shares(Refusal::ModeAbsent))
}

pub(super) fn scalar_shares(
    _context: &AggregatorContext,
    _grant: &RoundGrant,
    _place: usize,
    _custody: CustodyTerms,
    _order: &ProbeOrder,
    _parts: &[VerifiedDelivery],
) -> Result<Vec<[u64; 2]>, Refusal> {
    Err(Refusal::ModeAbsent)
}

pub(super) fn open_scalars(
    _context: &AggregatorContext,
    _grant: &RoundGrant,
    _custody: CustodyTerms,
    _order: &ProbeOrder,
    _own: &[VerifiedDelivery],
    _others: &BTreeMap<usize, &[[u64; 2]]>,
) -> Result<(Vec<[i64; 2]>, Vec<usize>), OpenError> {
    Err(OpenError::shares(Refusal::ModeAbsent))
}
