use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::Digest;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::*;
use crate::{EncodingOptions, decode_clip_fraction, decode_mean};

fn clip() -> ClipNorm {
    ClipNorm::new(2.0).unwrap()
}

fn clipped(delta: Vec<f32>) -> ClippedUpdate {
    LocalUpdate::new(delta).unwrap().clip(clip())
}

fn norm_squared(values: &[i32]) -> u64 {
    values.iter().map(|v| u64::from(v.unsigned_abs()).pow(2)).sum()
}

fn widened(update: &QuantizedUpdate) -> Vec<i64> {
    update.values().iter().map(|&v| i64::from(v)).collect()
}

#[test]
fn each_coordinate_moves_by_less_than_one_step() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let delta: Vec<f32> = (0_i16..100).map(|i| f32::from(i - 50) * 0.003).collect();
    let parameters = EncodingParameters::standard(clip(), 100, 8).unwrap();
    let rotation = parameters.rotation(&Digest([1; 32]), 0);
    let update =
        QuantizedUpdate::quantise(&clipped(delta.clone()), &rotation, &parameters, &mut rng);
    let mut exact = delta;
    rotation.apply(&mut exact);
    for (value, exact) in update.unwrap().values().iter().zip(&exact) {
        let exact = f64::from(*exact) * parameters.update_scale();
        assert!((f64::from(*value) - exact).abs() < 1.01);
    }
}

#[test]
fn the_norm_never_exceeds_the_stated_sensitivity() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for dimension in [1, 2, 3, 17, 450, 20_000] {
        // Norm bits of 4: rounding errors dominate, so that the bound bites.
        let parameters = EncodingParameters::new(clip(), [4, 0, 16], dimension, 8).unwrap();
        let rotation = parameters.rotation(&Digest([1; 32]), 0);
        let update = clipped(vec![1.0; dimension as usize]);
        for _ in 0..50 {
            let update = QuantizedUpdate::quantise(&update, &rotation, &parameters, &mut rng);
            let values = update.unwrap().values().to_vec();
            let squared = norm_squared(&values);
            assert!(squared <= parameters.rounded_norm_squared(), "d = {dimension}");
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let (squared, l1) =
                (squared as f64, values.iter().map(|v| f64::from(v.abs())).sum::<f64>());
            assert!(squared.sqrt() <= parameters.sensitivity_l2());
            assert!(l1 <= parameters.sensitivity_l1());
        }
    }
}

#[test]
fn the_mean_of_many_roundings_is_the_update() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let delta = vec![0.011, -0.7, 0.3];
    let parameters = EncodingParameters::new(clip(), [4, 0, 16], 3, 1000).unwrap();
    let rotation = parameters.rotation(&Digest([1; 32]), 0);
    let mut sum = vec![0; 3];
    for _ in 0..1000 {
        let update =
            QuantizedUpdate::quantise(&clipped(delta.clone()), &rotation, &parameters, &mut rng);
        for (sum, value) in sum.iter_mut().zip(update.unwrap().values()) {
            *sum += i64::from(*value);
        }
    }
    let mean = decode_mean(&sum, 1000, &rotation, &parameters).unwrap();
    for (mean, exact) in mean.iter().zip(&delta) {
        // Unit 1/8, deviation at most ½ a unit, over √1000: 0.002; six of them.
        assert!((mean - exact).abs() < 0.012, "{mean} beside {exact}");
    }
}

#[test]
fn another_dimension_rotation_or_weight_is_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let parameters = EncodingParameters::standard(clip(), 3, 8).unwrap();
    let rotation = Rotation::new([1; 32], 3);
    let (three, four) = (clipped(vec![1.0; 3]), clipped(vec![1.0; 4]));
    assert!(QuantizedUpdate::quantise(&four, &rotation, &parameters, &mut rng).is_err());
    let other = Rotation::new([1; 32], 4);
    assert!(QuantizedUpdate::quantise(&three, &other, &parameters, &mut rng).is_err());
    for weight in [0, 2, u32::MAX] {
        let refused =
            QuantizedUpdate::quantise_weighted(&three, weight, &rotation, &parameters, &mut rng);
        assert!(matches!(refused, Err(ParameterError::Range { name: "weight", .. })));
    }
}

#[test]
fn an_update_clipped_to_a_larger_norm_is_scaled_into_the_bound() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let parameters = EncodingParameters::standard(clip(), 1, 8).unwrap();
    let rotation = Rotation::new([1; 32], 1);
    let update = LocalUpdate::new(vec![9.0]).unwrap().clip(ClipNorm::new(10.0).unwrap());
    let quantised = QuantizedUpdate::quantise(&update, &rotation, &parameters, &mut rng).unwrap();
    assert!(norm_squared(quantised.values()) <= parameters.rounded_norm_squared());
}

#[test]
fn weights_make_a_weighted_mean_and_the_indicator_counts_the_unclipped() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let options =
        EncodingOptions { weight_max: 100, clip_indicator: 64, ..EncodingOptions::default() };
    let parameters = EncodingParameters::standard(clip(), 2, 8).unwrap();
    let parameters = parameters.with_options(options).unwrap();
    assert_eq!((parameters.dimension(), parameters.vector_len()), (2, 4));
    let rotation = parameters.rotation(&Digest([1; 32]), 0);
    let contributions = [(vec![1.0, 0.0], 100), (vec![0.0, 1.0], 25), (vec![0.0, -30.0], 75)];
    let mut sum = vec![0; 4];
    for (delta, weight) in contributions {
        let update = QuantizedUpdate::quantise_weighted(
            &clipped(delta),
            weight,
            &rotation,
            &parameters,
            &mut rng,
        );
        for (sum, value) in sum.iter_mut().zip(widened(&update.unwrap())) {
            *sum += value;
        }
    }
    assert_eq!(sum[2..], [200, 128]);
    let mean = decode_mean(&sum, 3, &rotation, &parameters).unwrap();
    // (100·(1, 0) + 25·(0, 1) + 75·(0, −2)) / 200, to three roundings of 2/4096 over Σw/W = 2.
    assert!((mean[0] - 0.5).abs() < 0.002 && (mean[1] + 0.625).abs() < 0.002, "{mean:?}");
    let fraction = decode_clip_fraction(&sum, 3, &parameters).unwrap().unwrap();
    assert!((fraction - 2.0 / 3.0).abs() < 1e-9);
    // Three contributors weigh 3 to 300 together: whoever says more, or less than nothing, is found out.
    for got in [0, -1, 2, 301, 1 << 20] {
        sum[2] = got;
        let refused = decode_mean(&sum, 3, &rotation, &parameters);
        let expected = crate::AggregateError::Weights { least: 3, most: 300, got };
        assert_eq!(refused, Err(expected));
    }
    for honest in [3, 300] {
        sum[2] = honest;
        assert!(decode_mean(&sum, 3, &rotation, &parameters).is_ok());
    }
}
