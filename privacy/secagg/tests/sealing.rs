//! The journey of an update through MPC mode, and attempts to read or to move it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Decode as _, Digest, Encode as _, SealingKey, SigningKey};
use privacy_secagg::{
    AggregatorKeys, Binding, EncodingParameters, NoisyUpdate, OpenShare, QuantizedProbe,
    QuantizedUpdate, Rotation, SealError, SealedUpdate, ShareSum, decode_mean, open_scalar,
    open_sum, seal,
};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

struct Aggregator {
    signing: SigningKey,
    sealing: SealingKey,
}

struct World {
    rng: ChaCha20Rng,
    aggregators: Vec<Aggregator>,
    parameters: EncodingParameters,
}

impl World {
    fn new(aggregators: usize, dimension: u32) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(42);
        let aggregators = (0..aggregators)
            .map(|_| Aggregator {
                signing: SigningKey::generate(&mut rng),
                sealing: SealingKey::generate(&mut rng),
            })
            .collect();
        let clip = ClipNorm::new(2.0).unwrap();
        let parameters = EncodingParameters::standard(clip, dimension, 64).unwrap();
        Self { rng, aggregators, parameters }
    }

    fn keys(&self) -> Vec<AggregatorKeys> {
        let keys = |a: &Aggregator| AggregatorKeys {
            verifying: a.signing.verifying_key(),
            sealing: a.sealing.public(),
        };
        self.aggregators.iter().map(keys).collect()
    }

    fn sealed(&mut self, member: &SigningKey, delta: &[f32]) -> (Vec<i32>, SealedUpdate) {
        let clipped = LocalUpdate::new(delta.to_vec()).unwrap().clip(self.parameters.clip_norm());
        let quantised =
            QuantizedUpdate::quantise(&clipped, &self.rotation(), &self.parameters, &mut self.rng)
                .unwrap();
        let noisy = NoisyUpdate::without_noise(&quantised);
        let keys = self.keys();
        let sealed =
            seal(&noisy, binding(member), &keys, &self.parameters, member, &mut self.rng).unwrap();
        (quantised.values().to_vec(), sealed)
    }

    fn rotation(&self) -> Rotation {
        self.parameters.rotation(&Digest([2; 32]), 3)
    }

    fn open(&self, index: usize, sealed: &SealedUpdate) -> OpenShare {
        let delivery = sealed.clone().verify().unwrap().delivery(index).unwrap();
        let verified = delivery.verify(index).unwrap();
        verified.open(&self.aggregators[index].sealing, &self.parameters).unwrap()
    }
}

fn binding(member: &SigningKey) -> Binding {
    Binding {
        dao: Digest([1; 32]),
        federation: Digest([2; 32]),
        round: 3,
        model: Digest([4; 32]),
        member: member.verifying_key(),
    }
}

fn member(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index; 32])
}

fn delta(index: u8, dimension: u16) -> Vec<f32> {
    (0..dimension).map(|i| (f32::from(i) + f32::from(index)).sin() * 0.2).collect()
}

fn clipped(index: u8, dimension: u16) -> Vec<f32> {
    let update = LocalUpdate::new(delta(index, dimension)).unwrap();
    update.clip(ClipNorm::new(2.0).unwrap()).delta().to_vec()
}

#[test]
fn promise_2_the_opened_sum_is_the_integer_sum_bit_for_bit() {
    for aggregators in [2, 3, 5] {
        let mut world = World::new(aggregators, 301);
        let mut sums: Vec<_> =
            (0..aggregators).map(|_| ShareSum::empty(&world.parameters)).collect();
        let mut plain = vec![0_i64; 301];
        for index in 0..20 {
            let (values, sealed) = world.sealed(&member(index + 1), &delta(index, 301));
            for (total, value) in plain.iter_mut().zip(values) {
                *total += i64::from(value);
            }
            for (aggregator, sum) in sums.iter_mut().enumerate() {
                sum.add(&world.open(aggregator, &sealed)).unwrap();
            }
        }
        let opened = open_sum(&sums, &world.parameters).unwrap();
        assert_eq!(opened.values, plain);
        let mean = decode_mean(&plain, 20, &world.rotation(), &world.parameters).unwrap();
        let exact = |j| (1..=20).map(|i| f64::from(clipped(i - 1, 301)[j])).sum::<f64>() / 20.0;
        for (j, mean) in mean.iter().enumerate() {
            // A unit is 2/4096, a coordinate's rounding error below ½ of it in deviation, averaged
            // over 20: 5.5e-5; six deviations.
            assert!((f64::from(*mean) - exact(j)).abs() < 3.3e-4, "coordinate {j}");
        }
    }
}

/// Counts how often each value of each byte occurs and returns the chi-square statistic against
/// uniform; 255 degrees of freedom, so mean 255 and standard deviation 22.6.
fn chi_square(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let expected = f64::from(u32::try_from(bytes.len()).unwrap()) / 256.0;
    counts.iter().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum()
}

#[test]
fn promise_1_what_each_aggregator_opens_is_uniform_without_the_other() {
    // The same, very regular update again and again: any trace of it would pile up.
    let mut world = World::new(2, 1000);
    let regular = vec![0.05; 1000]; // its norm is 1.58, so its values have a root mean square of 103
    let mut seen = [Vec::new(), Vec::new()];
    let mut correlation = [0.0_f64; 2];
    for index in 0..50 {
        let (values, sealed) = world.sealed(&member(index + 1), &regular);
        for (aggregator, bytes) in seen.iter_mut().enumerate() {
            let share = world.open(aggregator, &sealed);
            let ring = world.parameters.ring();
            for (element, value) in share.vector().elements().iter().zip(&values) {
                let centred = i32::try_from(ring.centred(*element)).unwrap();
                correlation[aggregator] += f64::from(centred) * f64::from(*value);
            }
            bytes.extend(share.vector().pack());
        }
    }
    for (aggregator, bytes) in seen.iter().enumerate() {
        // Six standard deviations: a false alarm in 10^9 runs; the seed is fixed besides.
        assert!((chi_square(bytes) - 255.0).abs() < 6.0 * 22.6, "aggregator {aggregator}");
        // Sum of 50 000 independent uniform × ~103 (root mean square): deviation 2^26/√12 · 103 · √50 000.
        let deviation = 2_f64.powi(26) / 12_f64.sqrt() * 103.0 * 50_000_f64.sqrt();
        assert!(correlation[aggregator].abs() < 6.0 * deviation, "aggregator {aggregator}");
    }
}

#[test]
fn promise_1_the_wire_form_is_uniform_too() {
    let mut world = World::new(2, 1000);
    let mut bytes = Vec::new();
    for index in 0..50 {
        let (_, sealed) = world.sealed(&member(index + 1), &vec![0.05; 1000]);
        // The explicit envelope's ciphertext: 3250 bytes after header and signature.
        let wire = sealed.to_bytes();
        bytes.extend_from_slice(&wire[wire.len() - 3_000 - 116..wire.len() - 116]);
    }
    assert!((chi_square(&bytes) - 255.0).abs() < 6.0 * 22.6);
}

#[test]
fn two_sealings_of_one_update_share_nothing() {
    let mut world = World::new(2, 100);
    let (_, first) = world.sealed(&member(1), &delta(1, 100));
    let (_, second) = world.sealed(&member(1), &delta(1, 100));
    let same = world
        .open(0, &first)
        .vector()
        .elements()
        .iter()
        .zip(world.open(0, &second).vector().elements())
        .filter(|(a, b)| a == b)
        .count();
    assert!(same <= 2, "{same} of 100 elements coincide");
}

#[test]
fn an_envelope_cannot_be_read_by_the_other_aggregator_or_moved() {
    let mut world = World::new(2, 50);
    let (_, sealed) = world.sealed(&member(1), &delta(1, 50));
    let delivery = sealed.clone().verify().unwrap().delivery(0).unwrap();
    let wrong = delivery.clone().verify(0).unwrap();
    let refused = wrong.open(&world.aggregators[1].sealing, &world.parameters);
    assert!(matches!(refused.unwrap_err(), SealError::Envelope { index: 0, .. }));
    assert!(matches!(delivery.verify(1), Err(SealError::EnvelopeMismatch { index: 1 })));
}

#[test]
fn promise_4_a_changed_byte_anywhere_is_refused() {
    let mut world = World::new(2, 10);
    let (_, sealed) = world.sealed(&member(1), &delta(1, 10));
    let bytes = sealed.to_bytes();
    for position in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[position] ^= 0x10;
        let accepted = SealedUpdate::from_bytes(&altered).is_ok_and(|s| s.verify().is_ok());
        assert!(!accepted, "byte {position} can be changed");
    }
}

#[test]
fn the_probe_opens_the_inner_product_and_nothing_wraps() {
    let mut world = World::new(2, 450);
    let direction: Vec<f64> = (0..450).map(|i| f64::from(i).cos() * 0.01).collect();
    let probe = QuantizedProbe::quantise(&direction, &world.rotation(), &world.parameters).unwrap();
    for index in 0..10 {
        let update = delta(index, 450);
        let (_, sealed) = world.sealed(&member(index + 1), &update);
        let shares: Vec<_> =
            (0..2).map(|a| probe.scalar_share(world.open(a, &sealed).vector())).collect();
        let opened = open_scalar(&shares, &world.parameters);
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let value = probe.value_from_opened(opened) as f64 * world.parameters.value_unit();
        let clipped = LocalUpdate::new(update).unwrap().clip(world.parameters.clip_norm());
        let exact: f64 =
            clipped.delta().iter().zip(&direction).map(|(d, p)| f64::from(*d) * p).sum();
        let (d_norm, p_norm) = (2.0, direction.iter().map(|p| p * p).sum::<f64>().sqrt());
        // Rounding to 2^-12 of each norm, d = 450 independent errors: far below 2 % of the bound.
        assert!((value - exact).abs() < 0.02 * d_norm * p_norm, "{value} beside {exact}");
    }
}

#[test]
fn a_probe_that_could_wrap_or_is_not_finite_is_refused() {
    let world = World::new(2, 3);
    let quantise = |p: &[f64]| QuantizedProbe::quantise(p, &world.rotation(), &world.parameters);
    assert!(quantise(&[f64::NAN, 0.0, 0.0]).is_err());
    assert!(quantise(&[0.0; 4]).is_err());
    assert!(quantise(&[1e30, 0.0, 0.0]).is_err());
}

#[test]
fn the_upload_is_the_ring_vector_plus_a_constant() {
    let mut small = World::new(2, 8);
    let mut large = World::new(2, 8_000);
    let small_bytes = small.sealed(&member(1), &delta(1, 8)).1.to_bytes().len();
    let large_bytes = large.sealed(&member(1), &delta(1, 8_000)).1.to_bytes().len();
    assert_eq!(large_bytes - small_bytes, (8_000 - 8) * 26 / 8);
    assert!(small_bytes < 26 + 520, "constant part: {small_bytes}");
}

proptest! {
    #[test]
    fn decoding_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _unused = SealedUpdate::from_bytes(&bytes).map(SealedUpdate::verify);
    }
}
