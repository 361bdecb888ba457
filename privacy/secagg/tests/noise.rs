//! Noise stays within the bounds that rings, proofs and layouts are made for, for any probe.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use privacy_dp::{ClipNorm, DiscreteGaussian, IntegerNoise as _, LocalUpdate};
use privacy_identity::Digest;
use privacy_secagg::{
    EncodingOptions, EncodingParameters, NoisePlan, NoisyUpdate, QuantizedProbe, QuantizedUpdate,
    RingVector, open_scalar,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

fn parameters(dimension: u32, multiplier: f64, honest_minimum: u32) -> EncodingParameters {
    let clip = ClipNorm::new(1.0).unwrap();
    let plan = NoisePlan { multiplier, honest_minimum };
    let options = EncodingOptions::default();
    EncodingParameters::valued_with_noise(clip, dimension, 100, options, plan).unwrap()
}

fn noised(parameters: &EncodingParameters, seed: u64) -> NoisyUpdate {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let update = LocalUpdate::new(vec![1.0; parameters.dimension()]).unwrap();
    let rotation = parameters.rotation(&Digest([5; 32]), 1);
    let clipped = update.clip(parameters.clip_norm());
    let update = QuantizedUpdate::quantise(&clipped, &rotation, parameters, &mut rng).unwrap();
    let noise = DiscreteGaussian::new(parameters.options().noise_deviation).unwrap();
    NoisyUpdate::with_noise(&update, || noise.sample(&mut rng)).unwrap()
}

fn norm(values: &[i32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// By the bounds' derivation no seed fails with a probability above 2^−40.
#[test]
fn what_is_sealed_is_within_norm_and_coordinate_bounds_and_the_bounds_bite() {
    for (dimension, multiplier, honest) in [(1, 2.0, 1), (523, 1.0, 4), (20_000, 3.0, 10)] {
        let parameters = parameters(dimension, multiplier, honest);
        let deviation = parameters.options().noise_deviation;
        for seed in 0..40 {
            let noisy = noised(&parameters, seed);
            assert!(norm(noisy.values()) <= parameters.sealed_norm());
            let largest = noisy.values().iter().map(|value| value.unsigned_abs()).max().unwrap();
            assert!(largest <= parameters.coordinate_max());
            if dimension > 100 {
                // Without room for noise every one of them would be refused.
                assert!(norm(noisy.values()) > parameters.sensitivity_l2());
                // The norm of noise is σ·√d within six deviations of σ/√2: false alarm below 2^−29.
                let least = deviation * (f64::from(dimension).sqrt() - 4.3);
                assert!(norm(noisy.values()) > least - parameters.sensitivity_l2());
            }
        }
    }
}

/// A probe is made from the sum, noise included: the worst one is parallel to the noised update itself.
#[test]
fn a_probe_parallel_to_the_noise_opens_the_true_value() {
    for (dimension, multiplier, honest) in [(523, 1.0, 4), (20_000, 3.0, 10)] {
        let parameters = parameters(dimension, multiplier, honest);
        let noisy = noised(&parameters, 7);
        let rotation = parameters.rotation(&Digest([5; 32]), 1);
        let mut back: Vec<f32> = noisy.values().iter().map(|value| *value as f32).collect();
        rotation.invert(&mut back);
        // Of the largest norm that a power of two leaves.
        let scale = parameters.probe_norm() * (1.0 - 1e-6) / norm(noisy.values());
        let direction: Vec<f64> = back.iter().map(|v| f64::from(*v) * scale / 2.0).collect();
        let probe = QuantizedProbe::quantise(&direction, &rotation, &parameters).unwrap();
        let products = noisy.values().iter().zip(probe.values());
        let exact: i64 = products.map(|(v, p)| i64::from(*v) * i64::from(*p)).sum();
        let values = noisy.values().iter().map(|value| i64::from(*value));
        let share = probe.scalar_share(&RingVector::from_integers(parameters.ring(), values));
        assert_eq!(open_scalar(&[share], &parameters), exact);
        // The independent direction's 8σ would have been too little.
        let along = exact as f64 / norm(probe.values());
        let independent = parameters.rounded_norm() + 8.2 * parameters.options().noise_deviation;
        assert!(along > independent && along <= parameters.value_norm(), "{along}");
    }
}
