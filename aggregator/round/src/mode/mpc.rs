//! MPC mode: additive shares in a ring (`privacy-secagg`).

use std::collections::BTreeMap;

use aggregator_protocol::{FederationTerms, Refusal, RoundGrant, SCALARS};
use privacy_secagg::{
    Binding, NoisyUpdate, OpenShare, OpenedSum, Payloads, QuantizedProbe, ScalarShare, Share,
    ShareSum, VerifiedDelivery, open_scalar, open_sum as open_shares,
};
use rand::CryptoRng;

use super::{OpenError, Opened, PartError, Parts, PayloadSizes};
use crate::AggregatorContext;

/// Form byte and tag beside the packed vector or the seed.
const BESIDE_BYTES: usize = 64;

pub(super) fn payload_sizes(terms: &FederationTerms) -> PayloadSizes {
    let encoding = &terms.encoding;
    let packed = encoding.ring().packed_len(encoding.vector_len());
    PayloadSizes { first: packed + BESIDE_BYTES, other: BESIDE_BYTES, evidence: 0 }
}

pub(super) fn payloads(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    binding: &Binding,
    recipients: usize,
    rng: &mut impl CryptoRng,
) -> Payloads {
    Payloads::from_shares(Share::split(update, recipients, binding, &terms.encoding, rng))
}

pub(super) fn check(
    context: &AggregatorContext,
    delivery: &VerifiedDelivery,
) -> Result<(), Refusal> {
    delivery
        .open(context.sealing(), &context.terms().encoding)
        .map(|_share| ())
        .map_err(|_source| Refusal::Unopenable)
}

/// One pass over each part: decrypted, and added from its packed form or its seed.
pub(super) fn partial_sum(parts: &Parts<'_>) -> Result<Vec<u8>, PartError> {
    let encoding = &parts.context.terms().encoding;
    let mut sum = ShareSum::empty(encoding);
    for part in parts.each() {
        sum.add_delivery(&part?, parts.context.sealing(), encoding)
            .map_err(|_source| Refusal::Unopenable)?;
    }
    Ok(sum.pack())
}

pub(super) fn merged_sums(
    terms: &FederationTerms,
    one: &[u8],
    other: &[u8],
) -> Result<Vec<u8>, Refusal> {
    // How many a partial sum covers does not stand in it.
    let unpack = |sum| ShareSum::unpack(sum, 0, &terms.encoding);
    let merged = unpack(one).and_then(|mut sum| {
        sum.merge(&unpack(other)?)?;
        Ok(sum.pack())
    });
    merged.map_err(|_source| Refusal::Malformed)
}

pub(super) fn check_partial_sum(
    terms: &FederationTerms,
    grant: &RoundGrant,
    share: &[u8],
) -> Result<(), Refusal> {
    ShareSum::unpack(share, grant.cohort.len(), &terms.encoding)
        .map(|_sum| ())
        .map_err(|_source| Refusal::Malformed)
}

pub(super) fn open_sum(
    terms: &FederationTerms,
    count: usize,
    own: &[u8],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    let encoding = &terms.encoding;
    let own = ShareSum::unpack(own, count, encoding).map_err(|_source| OpenError::Own)?;
    let mut sums = vec![own];
    for share in others.values() {
        sums.push(ShareSum::unpack(share, count, encoding).map_err(OpenError::shares)?);
    }
    let OpenedSum { values, tag, .. } = open_shares(&sums, encoding).map_err(OpenError::shares)?;
    Ok(Opened { sum: values, tag: tag.map(|tag| tag.0), liars: Vec::new() })
}

pub(super) fn scalars(
    context: &AggregatorContext,
    part: &VerifiedDelivery,
    probes: [&QuantizedProbe; SCALARS],
) -> Result<[u64; SCALARS], Refusal> {
    let share = part.open(context.sealing(), &context.terms().encoding);
    let share = share.map_err(|_source| Refusal::Unopenable)?;
    Ok(probes.map(|probe| probe.scalar_share(share.vector()).0.into()))
}

/// As [`scalars`], by the owner of the update.
pub(super) fn scalars_of(
    terms: &FederationTerms,
    binding: &Binding,
    place: usize,
    payload: &[u8],
    probes: [&QuantizedProbe; SCALARS],
) -> Result<[u64; SCALARS], Refusal> {
    let share = OpenShare::from_payload(place, payload, binding, &terms.encoding);
    let share = share.map_err(|_source| Refusal::Unopenable)?;
    Ok(probes.map(|probe| probe.scalar_share(share.vector()).0.into()))
}

pub(super) fn open_scalars<'a>(
    terms: &FederationTerms,
    shares: impl Iterator<Item = &'a [u64; SCALARS]> + Clone,
) -> [i64; SCALARS] {
    std::array::from_fn(|which| {
        // Modulo 2^k, k ≤ 32: what lies above is the same element.
        #[expect(clippy::cast_possible_truncation, reason = "masked to 32 bits")]
        let share =
            |share: &[u64; SCALARS]| ScalarShare((share[which] & u64::from(u32::MAX)) as u32);
        let shares: Vec<_> = shares.clone().map(share).collect();
        open_scalar(&shares, &terms.encoding)
    })
}
