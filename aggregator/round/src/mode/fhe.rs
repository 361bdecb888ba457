//! FHE mode: key-additive ring-LWE with keys shared among custodians (`privacy-fhe`).
//!
//! Place 0 is the aggregator and gets the ciphertext; place j ≥ 1 is custodian j and gets its share of
//! the key. All machines of `privacy-fhe` speak of one transcript: dao, federation, round, model and the
//! whole cohort, so that the mask of the round is chosen by nobody.

use std::collections::BTreeMap;

use aggregator_protocol::{CustodyTerms, FederationTerms, ProbeOrder, Refusal, RoundGrant};
use privacy_fhe::{
    AcceptedUpdate, Ciphertext, CiphertextSum, Custodian, CustodianInput, CustodianOutput,
    CustodianTerms, Custody, FheParameters, FheRequirements, FormReply, KeyShare, KeyShareSum,
    LinearProbe, MemberId, NttEngine, Opening, ProbeOrder as FormOrder, RoundMask, encrypt,
    open_sum as open_ciphertexts,
};
use privacy_identity::{Decode as _, Digest, Encode as _, Tag};
use privacy_secagg::{EncodingParameters, NoisyUpdate, Payloads, QuantizedProbe, VerifiedDelivery};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{OpenError, Opened, PayloadSizes, payload};
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

/// The set of these parts, in their order.
fn opening(grant: &RoundGrant, parts: &[VerifiedDelivery]) -> Result<Opening, Refusal> {
    let accepted = |part: &VerifiedDelivery| AcceptedUpdate {
        member: MemberId(*part.binding().member.as_bytes()),
        update: part.digest(),
    };
    let updates = parts.iter().map(accepted).collect();
    Opening::new(mask(grant).transcript(), updates).map_err(|_source| Refusal::BadSet)
}

/// The custodian at `place` with the shares of `parts`, and its answer to their opening.
fn opened_custodian(
    context: &AggregatorContext,
    grant: &RoundGrant,
    place: usize,
    custody_terms: CustodyTerms,
    parts: &[VerifiedDelivery],
) -> Result<(Custodian, KeyShareSum), Refusal> {
    let terms = context.terms();
    let mut custodian = Custodian::new(CustodianTerms {
        transcript: mask(grant).transcript(),
        custody: custody(custody_terms)?,
        custodian: u8::try_from(place).map_err(|_source| Refusal::Stranger)?,
        contributors_min: terms.minimum_cohort,
        contributors_max: u32::try_from(terms.encoding.contributors_max())
            .map_err(|_source| Refusal::BadSet)?,
    })
    .map_err(|_source| Refusal::BadSet)?;
    for part in parts {
        let deposit = CustodianInput::Deposit {
            member: MemberId(*part.binding().member.as_bytes()),
            update: part.digest(),
            share: key_share(context, part)?,
        };
        (custodian, _) = handled(custodian, deposit)?;
    }
    let (custodian, output) = handled(custodian, CustodianInput::Open(opening(grant, parts)?))?;
    match output {
        CustodianOutput::Opened(sum) => Ok((custodian, sum)),
        _ => Err(Refusal::Unexpected),
    }
}

fn handled(
    custodian: Custodian,
    input: CustodianInput,
) -> Result<(Custodian, CustodianOutput), Refusal> {
    let (custodian, output) = custodian.handle(input);
    Ok((custodian, output.map_err(|_source| Refusal::BadSet)?))
}

pub(super) fn partial_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    place: usize,
    custody_terms: CustodyTerms,
    parts: &[VerifiedDelivery],
) -> Result<Vec<u8>, Refusal> {
    opened_custodian(context, grant, place, custody_terms, parts).map(|(_, sum)| sum.to_bytes())
}

pub(super) fn check_partial_sum(share: &[u8]) -> Result<(), Refusal> {
    KeyShareSum::from_bytes(share).map(|_sum| ()).map_err(|_source| Refusal::Malformed)
}

pub(super) fn open_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    custody_terms: CustodyTerms,
    own: &[VerifiedDelivery],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    let own_error = |_refusal| OpenError::Own;
    let parameters = parameters(&context.terms().encoding).map_err(own_error)?;
    let mut sum = CiphertextSum::new(parameters);
    for part in own {
        let ciphertext = ciphertext(context, part).map_err(own_error)?;
        sum.add(&ciphertext).map_err(OpenError::shares)?;
    }
    let opening = opening(grant, own).map_err(own_error)?;
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

/// What belongs to the two probes of a round: their checked form and the linear forms of keys.
struct Forms {
    probes: [LinearProbe; 2],
    order: FormOrder,
}

impl Forms {
    fn new(
        context: &AggregatorContext,
        grant: &RoundGrant,
        parts: &[VerifiedDelivery],
        order: &ProbeOrder,
    ) -> Result<Self, Refusal> {
        let encoding = &context.terms().encoding;
        let probes =
            [linear_probe(encoding, &order.value)?, linear_probe(encoding, &order.innovation)?];
        let mask = mask(grant);
        let forms = probes.iter().map(|probe| probe.form(&mask, &NttEngine::new())).collect();
        let set = opening(grant, parts)?.set();
        let order = FormOrder::new(&mask, set, forms).map_err(|_source| Refusal::Malformed)?;
        Ok(Self { probes, order })
    }

    /// The readings of each contributor's two scalars.
    fn open(
        &self,
        context: &AggregatorContext,
        custody_terms: CustodyTerms,
        own: &[VerifiedDelivery],
        others: &BTreeMap<usize, &[[u64; 2]]>,
    ) -> Result<(Vec<[i64; 2]>, Vec<usize>), OpenError> {
        let custody = custody(custody_terms).map_err(OpenError::shares)?;
        let (mut replies, mut misfits) = (Vec::new(), Vec::new());
        for (&place, shares) in others {
            let custodian = u8::try_from(place).map_err(OpenError::shares)?;
            match FormReply::new(custodian, self.order.digest(), shares.as_flattened().to_vec()) {
                Ok(reply) => replies.push(reply),
                // Not elements of the field: as little as no answer, but its sender is named.
                Err(_) => misfits.push(place),
            }
        }
        let opened = self.order.open(custody, own.len(), &replies).map_err(OpenError::shares)?;
        let mut readings = Vec::new();
        for (part, forms) in own.iter().zip(&opened.by_contributor) {
            let ciphertext = ciphertext(context, part).map_err(|_refusal| OpenError::Own)?;
            let mut scalars = [0; 2];
            for ((scalar, probe), form) in scalars.iter_mut().zip(&self.probes).zip(forms) {
                let product = probe.body_product(&ciphertext).map_err(OpenError::shares)?;
                *scalar = probe.reading(product, *form);
            }
            readings.push(scalars);
        }
        Ok((readings, liars(misfits, &opened.deviating)))
    }
}

/// A custodian's shares of the forms of each contributor's key.
pub(super) fn scalar_shares(
    context: &AggregatorContext,
    grant: &RoundGrant,
    place: usize,
    custody_terms: CustodyTerms,
    order: &ProbeOrder,
    parts: &[VerifiedDelivery],
) -> Result<Vec<[u64; 2]>, Refusal> {
    let forms = Forms::new(context, grant, parts, order)?;
    let (custodian, _) = opened_custodian(context, grant, place, custody_terms, parts)?;
    match handled(custodian, CustodianInput::Probe(forms.order))? {
        (_, CustodianOutput::Probed(reply)) => Ok(reply.elements().as_chunks().0.to_vec()),
        _ => Err(Refusal::Unexpected),
    }
}

pub(super) fn open_scalars(
    context: &AggregatorContext,
    grant: &RoundGrant,
    custody_terms: CustodyTerms,
    order: &ProbeOrder,
    own: &[VerifiedDelivery],
    others: &BTreeMap<usize, &[[u64; 2]]>,
) -> Result<(Vec<[i64; 2]>, Vec<usize>), OpenError> {
    let forms = Forms::new(context, grant, own, order).map_err(OpenError::shares)?;
    forms.open(context, custody_terms, own, others)
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
