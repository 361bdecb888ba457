//! Honest rounds do not wrap around, however their updates are aligned; in a ring two bits narrower
//! they do, so that these tests can fail.
//!
//! Why two: the ring is the narrowest that holds the derived reach, so the reach is at least half of
//! what it holds. The reach is about 9 deviations of a coordinate, the largest of 10⁴ to 10⁵ coordinates
//! about 4, so the largest observed lies near a quarter of what the ring holds or above.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use privacy_dp::{ClipNorm, ClippedUpdate, LocalUpdate};
use privacy_identity::Digest;
use privacy_secagg::{
    EncodingOptions, EncodingParameters, NoisyUpdate, QuantizedProbe, QuantizedUpdate, Ring,
    RingVector, open_scalar,
};
use rand::Rng as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

fn clip() -> ClipNorm {
    ClipNorm::new(1.0).unwrap()
}

fn uniform(rng: &mut ChaCha20Rng) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
}

fn gaussian(rng: &mut ChaCha20Rng) -> f64 {
    let radius = (-2.0 * uniform(rng).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}

/// All of the clip norm: in one coordinate, in all alike, in alternating signs, at random.
fn shapes(dimension: usize, rng: &mut ChaCha20Rng) -> Vec<ClippedUpdate> {
    let mut spike = vec![0.0; dimension];
    spike[dimension / 3] = 9.0;
    let alternating = (0..dimension).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    #[expect(clippy::cast_possible_truncation, reason = "a random number")]
    let random = (0..dimension).map(|_| gaussian(rng) as f32).collect();
    let shapes = [spike, vec![1.0; dimension], alternating, random];
    shapes.map(|delta| LocalUpdate::new(delta).unwrap().clip(clip())).into_iter().collect()
}

/// The largest |coordinate| over rounds in which all contributors send the same.
fn largest(parameters: &EncodingParameters, rounds: u64, rng: &mut ChaCha20Rng) -> u64 {
    let mut largest = 0;
    for update in shapes(parameters.dimension(), rng) {
        for round in 0..rounds {
            let rotation = parameters.rotation(&Digest([5; 32]), round);
            let mut sum = vec![0_i64; parameters.vector_len()];
            for _ in 0..parameters.contributors_max() {
                let quantised =
                    QuantizedUpdate::quantise(&update, &rotation, parameters, rng).unwrap();
                let deviation = parameters.options().noise_deviation;
                #[expect(clippy::cast_possible_truncation, reason = "a few deviations")]
                let noisy =
                    NoisyUpdate::with_noise(&quantised, || (deviation * gaussian(rng)) as i64);
                for (sum, value) in sum.iter_mut().zip(noisy.unwrap().values()) {
                    *sum += i64::from(*value);
                }
            }
            largest = sum.iter().map(|v| v.unsigned_abs()).fold(largest, u64::max);
        }
    }
    largest
}

/// Whether the ring of `bits` bits gives the integers ±`largest` back.
fn holds(bits: u8, largest: u64) -> bool {
    let ring = Ring::new(bits).unwrap();
    let value = i64::try_from(largest).unwrap();
    let vector = RingVector::from_integers(ring, [value, -value]);
    [0, 1].map(|i| ring.centred(vector.elements()[i])) == [value, -value]
}

fn check(dimension: u32, contributors: u32, options: EncodingOptions, rounds: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(dimension));
    let parameters =
        EncodingParameters::compact_with(clip(), dimension, contributors, options).unwrap();
    let bits = parameters.ring().bits();
    let largest = largest(&parameters, rounds, &mut rng);
    let context = format!("d = {dimension}, n = {contributors}, {bits} bits: {largest}");
    assert!(holds(bits, largest), "wrapped: {context}");
    assert!(!holds(bits - 2, largest), "two bits fewer would do: {context}");
}

#[test]
fn aligned_rounds_stay_within_the_compact_ring_and_wrap_two_bits_below() {
    check(450, 100, EncodingOptions::default(), 20);
    check(1000, 10, EncodingOptions::default(), 50);
    check(20_000, 100, EncodingOptions::default(), 2);
    check(10_007, 1000, EncodingOptions::default(), 1);
}

#[test]
fn a_single_coordinate_is_bounded_with_certainty() {
    check(1, 50, EncodingOptions::default(), 20);
    check(3, 50, EncodingOptions::default(), 20);
}

#[test]
fn noise_has_its_room_and_needs_it() {
    let options = EncodingOptions { noise_deviation: 900.0, ..EncodingOptions::default() };
    check(5_000, 50, options, 2);
}

#[test]
fn an_aligned_probe_opens_the_true_value_and_wraps_two_bits_below() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for dimension in [1, 450, 20_000] {
        let parameters = EncodingParameters::standard(clip(), dimension, 1000).unwrap();
        for update in shapes(dimension as usize, &mut rng) {
            let rotation = parameters.rotation(&Digest([5; 32]), 1);
            // Parallel to the update, of the largest norm that its power-of-two scale leaves.
            let direction: Vec<f64> =
                update.delta().iter().map(|v| f64::from(*v) * (1.0 - 1e-6)).collect();
            let probe = QuantizedProbe::quantise(&direction, &rotation, &parameters).unwrap();
            let quantised =
                QuantizedUpdate::quantise(&update, &rotation, &parameters, &mut rng).unwrap();
            let exact = inner(quantised.values(), probe.values());
            let values = quantised.values().iter().map(|v| i64::from(*v));
            let vector = RingVector::from_integers(parameters.ring(), values);
            let share = probe.scalar_share(&vector);
            assert_eq!(open_scalar(&[share], &parameters), exact);
            assert!(!holds(parameters.ring().bits() - 2, exact.unsigned_abs()), "{exact}");
        }
    }
}

fn inner(left: &[i32], right: &[i32]) -> i64 {
    left.iter().zip(right).map(|(l, r)| i64::from(*l) * i64::from(*r)).sum()
}

#[test]
fn a_federation_that_measures_no_values_takes_no_probe() {
    let parameters = EncodingParameters::compact(clip(), 3, 10).unwrap();
    let rotation = parameters.rotation(&Digest([5; 32]), 1);
    let refused = QuantizedProbe::quantise(&[0.1; 3], &rotation, &parameters);
    assert_eq!(refused, Err(privacy_secagg::ProbeError::Unvalued));
}
