//! Sealed updates, shares, sums and probes of MPC mode.

use std::sync::OnceLock;

use privacy_identity::{Encode as _, SealingPublicKey};
use privacy_secagg::{
    AggregatorKeys, Binding, Delivery, EncodingParameters, LinearTag, Payloads, QuantizedProbe,
    Ring, RingVector, ScalarShare, SealedHeader, SealedUpdate, ShareSum, Tagging, open_scalar,
    open_sum, seal_payloads,
};
use zeroize::Zeroizing;

use crate::{
    Case, Verdict,
    case::canonical,
    fixtures::{aggregator, binding, key, parameters, rng, sealed, sealing_key},
};

/// What the target `secagg` decodes.
pub const CASES: &[Case] = &[
    Case { name: "encoding-parameters", seeds: all_parameters, check: encoding_parameters },
    Case { name: "binding", seeds: || vec![binding().to_bytes()], check: plain::<Binding> },
    Case {
        name: "aggregator-keys",
        seeds: || vec![aggregator(1).to_bytes()],
        check: plain::<AggregatorKeys>,
    },
    Case { name: "sealed-header", seeds: headers, check: plain::<SealedHeader> },
    Case { name: "sealed-update", seeds: || vec![sealed().to_bytes()], check: sealed_update },
    Case { name: "delivery", seeds: deliveries, check: delivery },
    Case { name: "probe", seeds: probes, check: probe },
    Case { name: "ring-vector", seeds: ring_vectors, check: ring_vector },
    Case { name: "share-sum", seeds: share_sums, check: share_sum },
    Case { name: "share-plaintext", seeds: share_plaintexts, check: share_plaintext },
];

fn plain<T: privacy_identity::Decode + privacy_identity::Encode>(bytes: &[u8]) -> Verdict {
    canonical::<T>(bytes).is_some().into()
}

fn all_parameters() -> Vec<Vec<u8>> {
    let compact = EncodingParameters::compact(parameters(Tagging::Absent).clip_norm(), 1000, 100);
    let of = |tagging| parameters(tagging).to_bytes();
    vec![of(Tagging::Absent), of(Tagging::Linear), compact.expect("fits").to_bytes()]
}

/// What is derived from parameters that were taken is finite and in range: no later step divides by
/// zero or allocates more than the dimension says.
fn encoding_parameters(bytes: &[u8]) -> Verdict {
    let Some(parameters) = canonical::<EncodingParameters>(bytes) else { return Verdict::Refused };
    let lengths = parameters.dimension()..=parameters.dimension() + 2;
    assert!(lengths.contains(&parameters.vector_len()));
    let limit = 1_u64 << (parameters.ring().bits() - 1);
    assert!(u64::from(parameters.coordinate_max()) <= limit);
    for derived in [
        parameters.update_scale(),
        parameters.value_unit(),
        parameters.sealed_norm(),
        parameters.sensitivity_l1(),
        parameters.sensitivity_l2(),
        parameters.value_norm(),
    ] {
        assert!(derived.is_finite() && derived > 0.0, "derived {derived}: {parameters:?}");
    }
    Verdict::Taken
}

fn headers() -> Vec<Vec<u8>> {
    let envelopes = vec![privacy_identity::Digest([8; 32]); 2];
    vec![SealedHeader { binding: binding(), envelopes }.to_bytes()]
}

/// Verifies only if it is the one that was sealed; then its parts decode.
fn sealed_update(bytes: &[u8]) -> Verdict {
    let Some(update) = canonical::<SealedUpdate>(bytes) else { return Verdict::Refused };
    let verified = update.verify();
    assert!(verified.is_ok() == (sealed().to_bytes() == bytes), "forged");
    if let Ok(verified) = verified {
        for index in 0..verified.envelope_count() {
            let part = verified.delivery(index).expect("in range");
            assert!(canonical::<Delivery>(&part.to_bytes()) == Some(part));
        }
    }
    Verdict::Taken
}

fn deliveries() -> Vec<Vec<u8>> {
    static DELIVERIES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let part = |index| {
        let verified = sealed().clone().verify().expect("honest");
        verified.delivery(index).expect("in range").to_bytes()
    };
    DELIVERIES.get_or_init(|| vec![part(0), part(1)]).clone()
}

/// Verifies only at the place that it was sealed to.
fn delivery(bytes: &[u8]) -> Verdict {
    let Some(delivery) = canonical::<Delivery>(bytes) else { return Verdict::Refused };
    for (index, honest) in deliveries().iter().enumerate() {
        let verified = delivery.clone().verify(index);
        assert!(verified.is_ok() == (honest == bytes), "forged for aggregator {index}");
    }
    Verdict::Taken
}

fn probes() -> Vec<Vec<u8>> {
    let parameters = parameters(Tagging::Absent);
    let rotation = parameters.rotation(&binding().federation, 7);
    let quantise = |probe: [f64; 5]| {
        QuantizedProbe::quantise(&probe, &rotation, &parameters).expect("small").to_bytes()
    };
    vec![quantise([0.1, -0.2, 0.3, 0.0, 1.0]), quantise([1e-9; 5])]
}

/// What passes the check takes inner products that do not wrap.
fn probe(bytes: &[u8]) -> Verdict {
    let Some(probe) = canonical::<QuantizedProbe>(bytes) else { return Verdict::Refused };
    let parameters = parameters(Tagging::Absent);
    let Ok(probe) = probe.checked(&parameters) else { return Verdict::Taken };
    let integers = [3_i64, -4, 0, 5, 2, 8, 1];
    let share = RingVector::from_integers(parameters.ring(), integers);
    let opened = open_scalar(&[probe.scalar_share(&share), ScalarShare(0)], &parameters);
    let products = integers.iter().zip(probe.values()).map(|(a, b)| a * i64::from(*b));
    assert!(opened == products.sum::<i64>(), "the inner product wrapped");
    // Bounded as the ledger's scalars.
    assert!(probe.value_from_opened(opened).unsigned_abs() <= 1 << 40);
    Verdict::Taken
}

fn ring_vectors() -> Vec<Vec<u8>> {
    let pack = |(bits, len): (u8, u8)| {
        let ring = Ring::new(bits).expect("in range");
        let integers = (0..i64::from(len)).map(|i| i * 1_000_003 - 9);
        [vec![bits, len], RingVector::from_integers(ring, integers).pack()].concat()
    };
    [(8, 3), (12, 9), (17, 8), (26, 7), (31, 17), (32, 16)].map(pack).to_vec()
}

/// Bits and length in front. Packs to the same bytes; adding it packed equals adding it unpacked; a
/// refusal leaves a sum as it was.
fn ring_vector(bytes: &[u8]) -> Verdict {
    let [bits, len, packed @ ..] = bytes else { return Verdict::Refused };
    let (Ok(ring), len) = (Ring::new(*bits), usize::from(*len)) else { return Verdict::Refused };
    let start = RingVector::from_integers(ring, (0..len).map(|i| -(i as i64)));
    let mut sum = start.clone();
    let added = sum.add_packed(packed);
    let Ok(vector) = RingVector::unpack(ring, len, packed) else {
        assert!(added.is_err() && sum == start, "a refused vector changed the sum");
        return Verdict::Refused;
    };
    assert!(vector.pack() == packed && vector.elements().iter().all(|e| *e <= ring.mask()));
    let mut unpacked = start;
    assert!(unpacked.add(&vector).is_ok() && added.is_ok() && unpacked == sum);
    Verdict::Taken
}

const TAGGINGS: [Tagging; 2] = [Tagging::Absent, Tagging::Linear];

fn tagging(selector: u8) -> Tagging {
    TAGGINGS[usize::from(selector) % 2]
}

/// A sum of one update, whose elements are all different.
fn sum_of_one(tagging: Tagging) -> ShareSum {
    let parameters = parameters(tagging);
    let mut sum = ShareSum::empty(&parameters);
    let integers = (1..).map(|i| i * 77_777).take(parameters.vector_len());
    let packed = RingVector::from_integers(parameters.ring(), integers).pack();
    let tag = (tagging == Tagging::Linear).then_some(LinearTag([1, 2]));
    sum.add_packed(&packed, tag).expect("of the federation's form");
    sum
}

fn share_sums() -> Vec<Vec<u8>> {
    let pack = |(selector, tagging)| [vec![selector], sum_of_one(tagging).pack()].concat();
    vec![pack((0, Tagging::Absent)), pack((1, Tagging::Linear))]
}

/// The tagging in front. Packs to the same bytes, and opens with an empty sum of the same form to what
/// it holds.
fn share_sum(bytes: &[u8]) -> Verdict {
    let Some((selector, packed)) = bytes.split_first() else { return Verdict::Refused };
    let parameters = parameters(tagging(*selector));
    let Ok(sum) = ShareSum::unpack(packed, 1, &parameters) else { return Verdict::Refused };
    assert!(sum.pack() == packed, "decoded, but packs to other bytes");
    let opened = open_sum(std::slice::from_ref(&sum), &parameters).expect("one update");
    let ring = parameters.ring();
    let values = sum.vector().elements().iter().map(|element| ring.centred(*element));
    assert!(opened.values.iter().copied().eq(values) && opened.tag == sum.tag());
    Verdict::Taken
}

fn share_plaintexts() -> Vec<Vec<u8>> {
    let explicit = |selector: u8| [&[selector][..], &sum_of_one(tagging(selector)).pack()].concat();
    let seed = |selector: u8| [&[selector, selector & 1][..], &[9; 32]].concat();
    vec![explicit(0), explicit(1), seed(2), seed(3)]
}

/// Tagging and place of the aggregator in front; then what a malicious contributor encrypted to it. A
/// refusal leaves the sum as it was, and what is taken counts once.
fn share_plaintext(bytes: &[u8]) -> Verdict {
    let Some((selector, plaintext)) = bytes.split_first() else { return Verdict::Refused };
    let (tagging, place) = (tagging(*selector), usize::from(*selector >> 1) % 2);
    let parameters = parameters(tagging);
    let recipients: [SealingPublicKey; 2] = [sealing_key(1).public(), sealing_key(2).public()];
    let payloads = [0, 1].map(|at| if at == place { plaintext.to_vec() } else { Vec::new() });
    let payloads = Payloads::new(payloads.map(Zeroizing::new).to_vec());
    let sealed = seal_payloads(payloads, binding(), &recipients, &key(3), &mut rng(4));
    let verified = sealed.and_then(SealedUpdate::verify).expect("honestly sealed");
    let delivery = verified.delivery(place).and_then(|part| part.verify(place));
    let delivery = delivery.expect("honestly sealed");
    let own_key = sealing_key(if place == 0 { 1 } else { 2 });
    let start = sum_of_one(tagging);
    let mut sum = start.clone();
    let added = sum.add_delivery(&delivery, &own_key, &parameters);
    match delivery.open(&own_key, &parameters) {
        Ok(share) => {
            let mut unpacked = start;
            unpacked.add(&share).expect("of the federation's form");
            assert!(added.is_ok() && unpacked == sum && sum.count() == 2);
            Verdict::Taken
        }
        Err(_) => {
            assert!(added.is_err() && sum == start, "a refused share changed the sum");
            Verdict::Refused
        }
    }
}
