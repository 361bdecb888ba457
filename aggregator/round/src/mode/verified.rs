//! Verified MPC mode: additive shares in a field with a proof of the norm (`privacy-pine`).
//!
//! ```text
//!  payload j = public share ‖ PINE input share j ‖ share j of the tag, where there are tags
//! ```
//!
//! The reports of a round are bound to dao, federation, round, model and member by the context of each
//! instance, and verified under a key that no contributor knew (the round's challenge).

use std::collections::BTreeMap;

use aggregator_protocol::{FederationTerms, Refusal, RoundGrant, SCALARS};
use privacy_identity::{Digest, Tag};
use privacy_pine::{
    AggregateShare, Field64, InputShare, IntegerPine, NONCE_BYTES, Parameters, PublicShare,
};
use privacy_secagg::{
    Binding, EncodingParameters, LinearTag, NoisyUpdate, Payloads, QuantizedProbe, Tagging,
    VerifiedDelivery,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{OpenError, Opened, PartError, Parts, PayloadSizes, Proof, payload};
use crate::AggregatorContext;

/// Bytes of a share of a tag.
const TAG_BYTES: usize = 16;
/// Length prefixes and the tag beside the shares.
const BESIDE_BYTES: usize = 64;

/// Sizes do not depend on the binding; terms for which there is no instance have no updates either.
pub(super) fn payload_sizes(terms: &FederationTerms) -> PayloadSizes {
    let digest = Digest([0; Digest::LEN]);
    let member = terms.coordinator().verifying;
    let binding = Binding { dao: digest, federation: digest, round: 0, model: digest, member };
    let Ok(pine) = pine(terms, &binding) else {
        return PayloadSizes { first: 0, other: 0, evidence: 0 };
    };
    let size = |place| pine.public_share_bytes() + pine.input_share_bytes(place) + BESIDE_BYTES;
    let evidence = terms.aggregators.len() * (pine.prep_share_bytes() + BESIDE_BYTES);
    PayloadSizes { first: size(0), other: size(1), evidence }
}

pub(super) fn payloads(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    binding: &Binding,
    recipients: usize,
    rng: &mut impl CryptoRng,
) -> Result<Payloads, String> {
    let pine = pine(terms, binding).map_err(|refusal| refusal.to_string())?;
    let report = pine
        .shard_integers(update.values(), &nonce(binding), rng)
        .map_err(|error| error.to_string())?;
    let tags = tag_shares(update.tag(), recipients, rng);
    let public = report.public.to_bytes();
    let plaintext = |(input, tag): (&InputShare<Field64>, Vec<u8>)| {
        let input = Zeroizing::new(input.to_bytes());
        Zeroizing::new([public.as_slice(), &input, &tag].concat())
    };
    Ok(Payloads::new(report.inputs.iter().zip(tags).map(plaintext).collect()))
}

/// The shares of a tag, one per recipient; empty without tags.
fn tag_shares(tag: Option<LinearTag>, recipients: usize, rng: &mut impl CryptoRng) -> Vec<Vec<u8>> {
    let Some(tag) = tag else { return vec![Vec::new(); recipients] };
    let mut rest = tag;
    let mut others = Vec::new();
    for _ in 1..recipients {
        let mut bytes = [0; TAG_BYTES];
        rng.fill_bytes(&mut bytes);
        rest = rest.minus(LinearTag::from_bytes(bytes));
        others.push(bytes.to_vec());
    }
    std::iter::once(rest.to_bytes().to_vec()).chain(others).collect()
}

/// The instance of one contribution.
fn pine(terms: &FederationTerms, binding: &Binding) -> Result<IntegerPine, Refusal> {
    let aggregators =
        u8::try_from(terms.aggregators.len()).map_err(|_source| Refusal::Malformed)?;
    let context = Digest::of_encoded(Tag::NormProof, binding);
    let encoding = &terms.encoding;
    Parameters::integers(encoding.vector_len(), norm_bound(encoding), aggregators, &context.0)
        .and_then(IntegerPine::new)
        .map_err(|_source| Refusal::Malformed)
}

/// The largest L2 norm that an honest sealed vector has, in integer units.
fn norm_bound(encoding: &EncodingParameters) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a sum of such vectors fits a ring of 32 bits"
    )]
    let bound = encoding.sealed_norm().ceil() as u64;
    bound
}

/// Unique per report under one verify key: there is one report per member and round.
fn nonce(binding: &Binding) -> [u8; NONCE_BYTES] {
    let digest = Digest::of_encoded(Tag::NormProof, binding);
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&digest.0[..NONCE_BYTES]);
    nonce
}

/// A payload, taken apart.
struct Part {
    public: PublicShare,
    input: InputShare<Field64>,
    tag: Option<LinearTag>,
}

fn parse(
    terms: &FederationTerms,
    pine: &IntegerPine,
    place: usize,
    payload: &[u8],
) -> Result<Part, Refusal> {
    let place = u8::try_from(place).map_err(|_source| Refusal::Unopenable)?;
    let tagged = terms.encoding.options().tagging == Tagging::Linear;
    let tag_bytes = if tagged { TAG_BYTES } else { 0 };
    let (public, rest) =
        payload.split_at_checked(pine.public_share_bytes()).ok_or(Refusal::Unopenable)?;
    let (input, tag) =
        rest.split_at_checked(pine.input_share_bytes(place)).ok_or(Refusal::Unopenable)?;
    if tag.len() != tag_bytes {
        return Err(Refusal::Unopenable);
    }
    Ok(Part {
        public: pine.public_share_from_bytes(public).map_err(|_source| Refusal::Unopenable)?,
        input: pine.input_share_from_bytes(place, input).map_err(|_source| Refusal::Unopenable)?,
        tag: tag.try_into().ok().map(LinearTag::from_bytes),
    })
}

/// Decrypts and parses the part of one contribution.
fn open(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
) -> Result<(IntegerPine, Part), Refusal> {
    let pine = pine(context.terms(), delivery.binding())?;
    let part = parse(context.terms(), &pine, place, &payload(context, delivery)?)?;
    Ok((pine, part))
}

pub(super) fn check(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
) -> Result<(), Refusal> {
    open(context, place, delivery).map(|_part| ())
}

/// Queries the proof of one contribution: what takes the time of a round.
pub(super) fn prepare(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
    challenge: &Digest,
) -> Result<Proof, Refusal> {
    let (pine, part) = open(context, place, delivery)?;
    let place = u8::try_from(place).map_err(|_source| Refusal::Unopenable)?;
    let verify_key = challenge.0.get(..pine.verify_key_bytes()).ok_or(Refusal::Malformed)?;
    let (state, share) = pine
        .prep_init(verify_key, place, &nonce(delivery.binding()), &part.public, &part.input)
        .map_err(|_source| Refusal::BadProof)?;
    Ok(Proof { verifier: share.to_bytes(), message: state.expected_message().to_bytes() })
}

/// Whether the proof holds: the verifier shares add up, and the joint randomness is the one that the
/// shares determine, which a party finds in the `message` that it kept.
pub(super) fn holds(
    terms: &FederationTerms,
    binding: &Binding,
    message: &[u8],
    shares: &[Vec<u8>],
) -> bool {
    let Ok(pine) = pine(terms, binding) else { return false };
    let parsed: Option<Vec<_>> =
        shares.iter().map(|share| pine.prep_share_from_bytes(share).ok()).collect();
    let combined = parsed.and_then(|shares| pine.prep_shares_to_message(&shares).ok());
    let expected = pine.prep_message_from_bytes(message).ok();
    combined.zip(expected).is_some_and(|(combined, expected)| combined.matches(&expected))
}

/// The sum of the output shares of parts whose proofs hold, then that of the shares of their tags.
pub(super) fn partial_sum(parts: &Parts<'_>) -> Result<Vec<u8>, PartError> {
    let (first, _) = parts.set.first().ok_or(Refusal::BadSet)?;
    let terms = parts.context.terms();
    let mut sum = pine(terms, &parts.grant.binding(*first))?.empty_aggregate();
    let mut tags = LinearTag::default();
    for delivery in parts.each() {
        let (pine, part) = open(parts.context, parts.place, &delivery?)?;
        let place = u8::try_from(parts.place).map_err(|_source| Refusal::Unopenable)?;
        let output =
            pine.output_share(place, &part.input).map_err(|_source| Refusal::Unopenable)?;
        sum.add(&output).map_err(|_source| Refusal::Unopenable)?;
        tags = tags.plus(part.tag.unwrap_or_default());
    }
    Ok([sum.to_bytes().as_slice(), &tags.to_bytes()].concat())
}

pub(super) fn merged_sums(
    terms: &FederationTerms,
    grant: &RoundGrant,
    one: &[u8],
    other: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let malformed = |_source| Refusal::Malformed;
    let (mut sum, tag) = parse_sum(terms, grant, one, 0).map_err(malformed)?;
    let (next, next_tag) = parse_sum(terms, grant, other, 0).map_err(malformed)?;
    sum.merge(&next).map_err(|_source| Refusal::Malformed)?;
    Ok([sum.to_bytes().as_slice(), &tag.plus(next_tag).to_bytes()].concat())
}

pub(super) fn check_partial_sum(
    terms: &FederationTerms,
    grant: &RoundGrant,
    share: &[u8],
) -> Result<(), Refusal> {
    parse_sum(terms, grant, share, 1).map(|_sum| ()).map_err(|_source| Refusal::Malformed)
}

fn parse_sum(
    terms: &FederationTerms,
    grant: &RoundGrant,
    share: &[u8],
    count: usize,
) -> Result<(AggregateShare<Field64>, LinearTag), OpenError> {
    let member = *grant.cohort.first().ok_or(OpenError::Own)?;
    let pine = pine(terms, &grant.binding(member)).map_err(OpenError::shares)?;
    let (sum, tag) = share
        .split_at_checked(pine.aggregate_share_bytes())
        .ok_or_else(|| OpenError::shares("a partial sum is too short"))?;
    let sum = pine.aggregate_share_from_bytes(count as u64, sum).map_err(OpenError::shares)?;
    let tag = tag.try_into().map_err(|_source| OpenError::shares("a tag has another length"))?;
    Ok((sum, LinearTag::from_bytes(tag)))
}

pub(super) fn open_sum(
    terms: &FederationTerms,
    grant: &RoundGrant,
    count: usize,
    own: &[u8],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    let member = *grant.cohort.first().ok_or(OpenError::Own)?;
    let pine = pine(terms, &grant.binding(member)).map_err(OpenError::shares)?;
    let (sum, mut tags) = parse_sum(terms, grant, own, count).map_err(|_source| OpenError::Own)?;
    let mut sums = vec![sum];
    for share in others.values() {
        let (sum, tag) = parse_sum(terms, grant, share, count)?;
        sums.push(sum);
        tags = tags.plus(tag);
    }
    let sum = pine.unshard_integers(&sums).map_err(OpenError::shares)?;
    let tagged = terms.encoding.options().tagging == Tagging::Linear;
    Ok(Opened { sum, tag: tagged.then_some(tags.0), liars: Vec::new() })
}

pub(super) fn scalars(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
    probes: [&QuantizedProbe; SCALARS],
) -> Result<[u64; SCALARS], Refusal> {
    scalars_of(context.terms(), delivery.binding(), place, &payload(context, delivery)?, probes)
}

/// As [`scalars`], by the owner of the update.
pub(super) fn scalars_of(
    terms: &FederationTerms,
    binding: &Binding,
    place: usize,
    payload: &[u8],
    probes: [&QuantizedProbe; SCALARS],
) -> Result<[u64; SCALARS], Refusal> {
    let pine = pine(terms, binding)?;
    let part = parse(terms, &pine, place, payload)?;
    let place = u8::try_from(place).map_err(|_source| Refusal::Unopenable)?;
    let output = pine.output_share(place, &part.input).map_err(|_source| Refusal::Unopenable)?;
    Ok(probes.map(|probe| u64::from(inner_product(output.as_slice(), probe.values()))))
}

fn inner_product(share: &[Field64], probe: &[i32]) -> Field64 {
    let terms = share.iter().zip(probe).map(|(&element, &value)| {
        let product = element * Field64::from(u64::from(value.unsigned_abs()));
        if value < 0 { -product } else { product }
    });
    terms.fold(Field64::from(0), |sum, term| sum + term)
}

/// The scalars as signed integers: |⟨x, p⟩| is far below half the modulus by Cauchy–Schwarz.
pub(super) fn open_scalars<'a>(
    shares: impl Iterator<Item = &'a [u64; SCALARS]> + Clone,
) -> [i64; SCALARS] {
    std::array::from_fn(|which| {
        let elements = shares.clone().map(|share| Field64::from(share[which]));
        let sum = elements.fold(Field64::from(0), |sum, element| sum + element);
        let (positive, negative) = (u64::from(sum), u64::from(-sum));
        let magnitude = i64::try_from(positive.min(negative)).unwrap_or(i64::MAX);
        if positive <= negative { magnitude } else { -magnitude }
    })
}
