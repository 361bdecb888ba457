//! FHE mode: key-additive ring-LWE with keys shared among custodians (`privacy-fhe`).
//!
//! Place 0 is the aggregator and gets the ciphertext; place j ≥ 1 is custodian j and gets its share of
//! the key. All machines of `privacy-fhe` speak of one transcript: dao, federation, round, model and the
//! whole cohort, so that the mask of the round is chosen by nobody.

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, CustodyTerms, FederationTerms, ProbeOrder, Refusal, RoundGrant, SCALARS,
};
use privacy_fhe::{
    AcceptedUpdate, BodyProduct, Ciphertext, CiphertextSum, Custodian, CustodianInput,
    CustodianOutput, CustodianTerms, Custody, FheParameters, FheRequirements, FormReply, KeyShare,
    KeyShareSum, LinearProbe, MemberId, NttEngine, Opening, ProbeOrder as FormOrder, RoundMask,
    encrypt, open_sum as open_ciphertexts,
};
use privacy_identity::{Decode as _, Digest, Encode as _, Tag, VerifyingKey};
use privacy_secagg::{EncodingParameters, NoisyUpdate, Payloads, QuantizedProbe, VerifiedDelivery};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{OpenError, Opened, PartError, Parts, PayloadSizes, Proof, payload};
use crate::AggregatorContext;

/// Bits of the inner products that are opened: parameters of the encoding keep |⟨x, p⟩| below
/// 2^(ring bits − 1) ([`EncodingParameters`]).
const fn inner_product_bits(encoding: &EncodingParameters) -> u8 {
    if encoding.is_valued() { encoding.ring().bits() - 1 } else { 0 }
}

/// The layout of the federation's ciphertexts.
fn parameters(encoding: &EncodingParameters) -> Result<FheParameters, Refusal> {
    let requirements = FheRequirements {
        dimension: u32::try_from(encoding.vector_len()).map_err(|_source| Refusal::Malformed)?,
        coordinate_max: encoding.coordinate_max(),
        contributors_max: u32::try_from(encoding.contributors_max())
            .map_err(|_source| Refusal::Malformed)?,
        inner_product_bits: inner_product_bits(encoding),
    };
    FheParameters::checked(requirements).map_err(|_source| Refusal::Malformed)
}

fn mask(grant: &RoundGrant) -> RoundMask {
    RoundMask::from_transcript(Digest::of_encoded(Tag::RoundMask, grant))
}

fn custody(terms: CustodyTerms) -> Result<Custody, Refusal> {
    let byte = |count: usize| u8::try_from(count).map_err(|_source| Refusal::Malformed);
    Custody::new(byte(terms.threshold())?, byte(terms.custodians())?)
        .map_err(|_source| Refusal::Malformed)
}

/// A share of a key: 4096 elements of 61 bits, and what frames them.
const KEY_SHARE_BYTES: usize = 32 << 10;

pub(super) fn payload_sizes(terms: &FederationTerms) -> PayloadSizes {
    let body = parameters(&terms.encoding).map_or(0, |parameters| parameters.body_bytes());
    PayloadSizes { first: body + KEY_SHARE_BYTES, other: KEY_SHARE_BYTES, evidence: 0 }
}

pub(super) fn payloads(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    grant: &RoundGrant,
    custody_terms: CustodyTerms,
    rng: &mut impl CryptoRng,
) -> Result<Payloads, String> {
    let text = |refusal: Refusal| refusal.to_string();
    let parameters = parameters(&terms.encoding).map_err(text)?;
    let custody = custody(custody_terms).map_err(text)?;
    let sealed =
        encrypt(update.values(), &parameters, &mask(grant), custody, &NttEngine::new(), rng)
            .map_err(|error| error.to_string())?;
    let ciphertext = Zeroizing::new(sealed.ciphertext.to_bytes());
    let shares = sealed.shares.iter().map(|share| Zeroizing::new(share.to_bytes()));
    Ok(Payloads::new(std::iter::once(ciphertext).chain(shares).collect()))
}

pub(super) fn check(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
) -> Result<(), Refusal> {
    if place == 0 {
        ciphertext(context, delivery).map(|_ciphertext| ())
    } else {
        key_share(context, delivery).map(|_share| ())
    }
}

/// Checks a share of a key against the others', so that no contributor's can contradict each other once the set is agreed on.
pub(super) fn prepare(
    context: &AggregatorContext,
    custody_terms: CustodyTerms,
    place: usize,
    delivery: &VerifiedDelivery,
) -> Result<Proof, Refusal> {
    let share = key_share(context, delivery)?;
    let custodian = u8::try_from(place).map_err(|_source| Refusal::Stranger)?;
    let proof = share.verify(custody(custody_terms)?, custodian);
    let verifier = proof.map_err(|_source| Refusal::BadShare)?.0.to_vec();
    Ok(Proof { verifier, message: Vec::new() })
}

fn ciphertext(
    context: &AggregatorContext,
    delivery: &VerifiedDelivery,
) -> Result<Ciphertext, Refusal> {
    let bytes = payload(context, delivery)?;
    let ciphertext = Ciphertext::from_bytes(&bytes).map_err(|_source| Refusal::Unopenable)?;
    let parameters = parameters(&context.terms().encoding)?;
    ciphertext.check(&parameters).map_err(|_source| Refusal::Unopenable)?;
    Ok(ciphertext)
}

fn key_share(
    context: &AggregatorContext,
    delivery: &VerifiedDelivery,
) -> Result<KeyShare, Refusal> {
    KeyShare::from_bytes(&payload(context, delivery)?).map_err(|_source| Refusal::Unopenable)
}

/// The set of these updates, in their order.
fn opening(grant: &RoundGrant, set: &[(VerifyingKey, Digest)]) -> Result<Opening, Refusal> {
    let accepted = |(member, update): &(VerifyingKey, Digest)| AcceptedUpdate {
        member: MemberId(*member.as_bytes()),
        update: *update,
    };
    let updates = set.iter().map(accepted).collect();
    Opening::new(mask(grant).transcript(), updates).map_err(|_source| Refusal::BadSet)
}

/// The custodian of `parts`, and its answer to their opening.
fn opened_custodian(
    parts: &Parts<'_>,
    custody_terms: CustodyTerms,
) -> Result<(Custodian, KeyShareSum), PartError> {
    let terms = parts.context.terms();
    let mut custodian = Custodian::new(CustodianTerms {
        transcript: mask(parts.grant).transcript(),
        custody: custody(custody_terms)?,
        custodian: u8::try_from(parts.place).map_err(|_source| Refusal::Stranger)?,
        contributors_min: terms.minimum_cohort,
        contributors_max: u32::try_from(terms.encoding.contributors_max())
            .map_err(|_source| Refusal::BadSet)?,
    })
    .map_err(|_source| Refusal::BadSet)?;
    for part in parts.each() {
        let part = part?;
        let deposit = CustodianInput::Deposit {
            member: MemberId(*part.binding().member.as_bytes()),
            update: part.digest(),
            share: key_share(parts.context, &part)?,
        };
        (custodian, _) = handled(custodian, deposit)?;
    }
    let opening = opening(parts.grant, parts.set)?;
    let (custodian, output) = handled(custodian, CustodianInput::Open(opening))?;
    match output {
        CustodianOutput::Opened(sum) => Ok((custodian, sum)),
        _ => Err(Refusal::Unexpected.into()),
    }
}

fn handled(
    custodian: Custodian,
    input: CustodianInput,
) -> Result<(Custodian, CustodianOutput), Refusal> {
    let (custodian, output) = custodian.handle(input);
    Ok((custodian, output.map_err(|_source| Refusal::BadSet)?))
}

/// Of a custodian the sum of its key shares, of the aggregator the sum of the ciphertexts.
pub(super) fn partial_sum(
    parts: &Parts<'_>,
    custody_terms: CustodyTerms,
) -> Result<Vec<u8>, PartError> {
    if parts.place > 0 {
        return opened_custodian(parts, custody_terms).map(|(_, sum)| sum.to_bytes());
    }
    let mut sum = CiphertextSum::new(parameters(&parts.context.terms().encoding)?);
    for part in parts.each() {
        let ciphertext = ciphertext(parts.context, &part?)?;
        sum.add(&ciphertext).map_err(|_source| Refusal::BadSet)?;
    }
    Ok(sum.to_bytes())
}

/// Of the aggregator: a custodian holds no parts that others could work on.
pub(super) fn merged_sums(
    terms: &FederationTerms,
    one: &[u8],
    other: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let parameters = parameters(&terms.encoding)?;
    let read = |sum| CiphertextSum::from_bytes(parameters, sum);
    let merged = read(one).and_then(|mut sum| {
        sum.merge(&read(other)?)?;
        Ok(sum.to_bytes())
    });
    merged.map_err(|_source| Refusal::Malformed)
}

pub(super) fn check_partial_sum(share: &[u8]) -> Result<(), Refusal> {
    KeyShareSum::from_bytes(share).map(|_sum| ()).map_err(|_source| Refusal::Malformed)
}

pub(super) fn open_sum(
    terms: &FederationTerms,
    grant: &RoundGrant,
    custody_terms: CustodyTerms,
    set: &AcceptedSet,
    own: &[u8],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    let own_error = |_refusal| OpenError::Own;
    let parameters = parameters(&terms.encoding).map_err(own_error)?;
    let sum = CiphertextSum::from_bytes(parameters, own).map_err(|_source| OpenError::Own)?;
    let opening = opening(grant, set.contributions()).map_err(own_error)?;
    let custody = custody(custody_terms).map_err(own_error)?;
    let (replies, misfits) = replies(&opening, others)?;
    let opened =
        open_ciphertexts(&sum, &mask(grant), &opening, custody, &replies, &NttEngine::new())
            .map_err(OpenError::shares)?;
    Ok(Opened { sum: opened.values, tag: None, liars: liars(misfits, &opened.deviating) })
}

/// The custodians' answers, and the places of those that speak for another place or set.
///
/// Threat: one such answer among many would otherwise keep the sum from being opened.
fn replies(
    opening: &Opening,
    others: &BTreeMap<usize, &[u8]>,
) -> Result<(Vec<KeyShareSum>, Vec<usize>), OpenError> {
    let (mut replies, mut misfits) = (Vec::new(), Vec::new());
    for (&place, share) in others {
        let reply = KeyShareSum::from_bytes(share).map_err(OpenError::shares)?;
        if usize::from(reply.custodian) == place && reply.set == opening.set() {
            replies.push(reply);
        } else {
            misfits.push(place);
        }
    }
    Ok((replies, misfits))
}

/// The places of all that lied, in increasing order.
fn liars(misfits: Vec<usize>, deviating: &[u8]) -> Vec<usize> {
    let mut liars = misfits;
    liars.extend(deviating.iter().copied().map(usize::from));
    liars.sort_unstable();
    liars
}

/// What a round's scalars are opened in.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) terms: &'a FederationTerms,
    pub(super) grant: &'a RoundGrant,
    pub(super) custody: CustodyTerms,
    pub(super) set: &'a AcceptedSet,
}

/// The two probes of a round in their checked form.
fn linear_probes(
    encoding: &EncodingParameters,
    order: &ProbeOrder,
) -> Result<[LinearProbe; SCALARS], Refusal> {
    let [value, innovation, contrast] = order.probes().map(|probe| linear_probe(encoding, probe));
    Ok([value?, innovation?, contrast?])
}

/// The linear forms of keys that belong to the probes of a round.
fn forms(
    grant: &RoundGrant,
    set: &[(VerifyingKey, Digest)],
    probes: &[LinearProbe; SCALARS],
) -> Result<FormOrder, Refusal> {
    let mask = mask(grant);
    let forms = LinearProbe::forms(probes, &mask, &NttEngine::new());
    let set = opening(grant, set)?.set();
    FormOrder::new(&mask, set, forms).map_err(|_source| Refusal::Malformed)
}

/// The aggregator's part of the scalars: inner products with the bodies.
pub(super) fn body_products(
    parts: &Parts<'_>,
    order: &ProbeOrder,
) -> Result<Vec<[u64; SCALARS]>, PartError> {
    let probes = linear_probes(&parts.context.terms().encoding, order)?;
    let products = |part| -> Result<[u64; SCALARS], PartError> {
        let ciphertext = ciphertext(parts.context, &part?)?;
        let product = |probe: &LinearProbe| {
            probe.body_product(&ciphertext).map_err(|_source| Refusal::Malformed)
        };
        let [value, innovation, contrast] = probes.each_ref().map(product);
        Ok([value?.0, innovation?.0, contrast?.0])
    };
    parts.each().map(products).collect()
}

/// As [`body_products`] and [`scalar_shares`] of one update, by its owner.
pub(super) fn scalars_of(
    terms: &FederationTerms,
    grant: &RoundGrant,
    set: &AcceptedSet,
    order: &ProbeOrder,
    payloads: &[(usize, &[u8])],
) -> Result<Vec<[u64; SCALARS]>, Refusal> {
    let probes = linear_probes(&terms.encoding, order)?;
    let forms = forms(grant, set.contributions(), &probes)?;
    let scalars = |(place, payload): &(usize, &[u8])| {
        if *place == 0 {
            let ciphertext =
                Ciphertext::from_bytes(payload).map_err(|_source| Refusal::Unopenable)?;
            let product = |probe: &LinearProbe| {
                let product = probe.body_product(&ciphertext);
                product.map(|product| product.0).map_err(|_source| Refusal::Unopenable)
            };
            let [value, innovation, contrast] = probes.each_ref().map(product);
            return Ok([value?, innovation?, contrast?]);
        }
        let share = KeyShare::from_bytes(payload).map_err(|_source| Refusal::Unopenable)?;
        <[u64; SCALARS]>::try_from(forms.forms_of(&share)).map_err(|_source| Refusal::Malformed)
    };
    payloads.iter().map(scalars).collect()
}

/// By how much a reading along `probe` may differ from the exact inner product, and the integers modulo
/// which it is read.
pub(super) fn reading_error(
    encoding: &EncodingParameters,
    probe: &QuantizedProbe,
) -> Result<(i128, i128), Refusal> {
    #[expect(clippy::cast_possible_truncation, reason = "below half a lane")]
    let most = linear_probe(encoding, probe)?.error_max().ceil() as i128;
    Ok((most, 1 << parameters(encoding)?.lane_bits()))
}

/// A custodian's shares of the forms of each contributor's key.
pub(super) fn scalar_shares(
    parts: &Parts<'_>,
    custody_terms: CustodyTerms,
    order: &ProbeOrder,
) -> Result<Vec<[u64; SCALARS]>, PartError> {
    let probes = linear_probes(&parts.context.terms().encoding, order)?;
    let forms = forms(parts.grant, parts.set, &probes)?;
    let (custodian, _) = opened_custodian(parts, custody_terms)?;
    match handled(custodian, CustodianInput::Probe(forms))? {
        (_, CustodianOutput::Probed(reply)) => Ok(reply.elements().as_chunks().0.to_vec()),
        _ => Err(Refusal::Unexpected.into()),
    }
}

/// The readings of each contributor's scalars.
pub(super) fn open_scalars(
    setting: &Setting<'_>,
    order: &ProbeOrder,
    own: &[[u64; SCALARS]],
    others: &BTreeMap<usize, &[[u64; SCALARS]]>,
) -> Result<(Vec<[i64; SCALARS]>, Vec<usize>), OpenError> {
    let probes = linear_probes(&setting.terms.encoding, order).map_err(OpenError::shares)?;
    let forms = forms(setting.grant, setting.set.contributions(), &probes);
    let forms = forms.map_err(OpenError::shares)?;
    let custody = custody(setting.custody).map_err(OpenError::shares)?;
    let (mut replies, mut misfits) = (Vec::new(), Vec::new());
    for (&place, shares) in others {
        let custodian = u8::try_from(place).map_err(OpenError::shares)?;
        match FormReply::new(custodian, forms.digest(), shares.as_flattened().to_vec()) {
            Ok(reply) => replies.push(reply),
            // Not elements of the field: as little as no answer, but its sender is named.
            Err(_) => misfits.push(place),
        }
    }
    let opened = forms.open(custody, own.len(), &replies).map_err(OpenError::shares)?;
    let readings = own.iter().zip(&opened.by_contributor).map(|(products, forms)| {
        let reading =
            |which: usize| probes[which].reading(BodyProduct(products[which]), forms[which]);
        std::array::from_fn(reading)
    });
    Ok((readings.collect(), liars(misfits, &opened.deviating)))
}

/// A probe in the shape of ciphertexts: extra coordinates have no part in it.
fn linear_probe(
    encoding: &EncodingParameters,
    probe: &QuantizedProbe,
) -> Result<LinearProbe, Refusal> {
    let mut values = probe.values().to_vec();
    values.resize(encoding.vector_len(), 0);
    LinearProbe::checked(parameters(encoding)?, values, encoding.value_norm())
        .map_err(|_source| Refusal::Malformed)
}
