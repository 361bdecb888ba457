use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;

use super::*;
use crate::Tagging;

fn clip() -> ClipNorm {
    ClipNorm::new(2.0).unwrap()
}

#[test]
fn parameters_under_which_something_could_wrap_are_refused() {
    assert!(EncodingParameters::standard(clip(), 450, 8).is_ok());
    assert!(EncodingParameters::standard(clip(), 1_000_000, 4096).is_ok());
    assert!(EncodingParameters::new(clip(), [12, 12, 26], 450, 4096).is_ok());
    let sum = EncodingParameters::new(clip(), [14, 10, 26], 450, 4096);
    assert!(matches!(sum, Err(ParameterError::SumWraps { .. })));
    let probe = EncodingParameters::new(clip(), [12, 13, 26], 450, 8);
    assert!(matches!(probe, Err(ParameterError::ProbeWraps { .. })));
    assert!(EncodingParameters::standard(clip(), 0, 8).is_err());
    assert!(EncodingParameters::compact(clip(), 0, 8).is_err());
    assert!(EncodingParameters::compact(clip(), 8, 0).is_err());
}

/// Found with a fuzz target: terms with a clip norm of 2^−1074 decoded, and every value measured under them
/// was 0 or not a number.
#[test]
fn clip_norms_outside_f32_are_refused() {
    let decoded = |clip_norm: [u8; 8]| {
        let mut bytes = EncodingParameters::standard(clip(), 5, 8).unwrap().to_bytes();
        bytes[..8].copy_from_slice(&clip_norm);
        EncodingParameters::from_bytes(&bytes)
    };
    let tiny = [0, 0, 0, 0, 0, 0, 0, 1];
    assert!(decoded(tiny).is_err());
    let range = |norm| EncodingParameters::standard(ClipNorm::new(norm).unwrap(), 5, 8);
    for got in [1e-303, 1e-38, 4e38, 1.7e308] {
        let (min, max) = (EncodingParameters::CLIP_NORM_MIN, EncodingParameters::CLIP_NORM_MAX);
        assert_eq!(range(got), Err(ParameterError::ClipNormRange { min, max, got }));
    }
    for norm in [f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)] {
        let parameters = range(norm).unwrap();
        assert!(parameters.value_unit().is_normal() && parameters.update_scale().is_normal());
    }
}

#[test]
fn the_standard_profile_carries_values_at_any_dimension() {
    for dimension in [1, 2, 450, 1_000_000, 10_000_000, EncodingParameters::DIMENSION_MAX] {
        let parameters = EncodingParameters::standard(clip(), dimension, 1000).unwrap();
        assert_eq!(parameters.ring().bits(), 26);
        assert!(parameters.is_valued());
    }
}

#[test]
fn the_compact_profile_takes_at_most_17_bits_and_fewer_for_fewer_contributors() {
    for dimension in [1, 3, 450, 1000, 10_007, 1 << 20, (1 << 20) - 1, 10_000_000, 20_000_000] {
        let bits = |contributors| {
            let parameters = EncodingParameters::compact(clip(), dimension, contributors).unwrap();
            assert!(!parameters.is_valued());
            parameters.ring().bits()
        };
        assert!(bits(1000) <= 17, "d = {dimension}: {}", bits(1000));
        assert!(bits(100) <= 15, "d = {dimension}: {}", bits(100));
        assert!(bits(10) <= 14, "d = {dimension}: {}", bits(10));
    }
}

#[test]
fn rotation_saves_bits_beside_the_deterministic_bound() {
    // Deterministically a sum of 1000 updates of norm 2^12 needs 23 bits.
    let parameters = EncodingParameters::compact(clip(), 1_000_000, 1000).unwrap();
    assert!(parameters.update_norm() * 1000.0 > 2_f64.powi(21));
    assert!(parameters.ring().bits() <= 17);
}

#[test]
fn noise_extras_and_weights_take_their_room() {
    let plain = EncodingParameters::new(clip(), [8, 0, 17], 1000, 100).unwrap();
    let with = |options| plain.with_options(options);
    let noise = |noise_deviation| EncodingOptions { noise_deviation, ..Default::default() };
    assert!(with(noise(100.0)).is_ok());
    assert!(matches!(with(noise(1000.0)), Err(ParameterError::SumWraps { .. })));
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(matches!(with(noise(bad)), Err(ParameterError::Noise { .. })), "{bad}");
    }
    let weights = |weight_max| EncodingOptions { weight_max, ..Default::default() };
    assert!(with(weights(600)).is_ok());
    assert!(matches!(with(weights(700)), Err(ParameterError::SumWraps { .. })));
    assert!(matches!(with(weights(0)), Err(ParameterError::Range { name: "weight_max", .. })));
    let indicator = |clip_indicator| EncodingOptions { clip_indicator, ..Default::default() };
    assert!(matches!(with(indicator(700)), Err(ParameterError::SumWraps { .. })));
    let valued = EncodingParameters::new(clip(), [12, 12, 26], 1000, 100).unwrap();
    let drowned = valued.with_options(noise(1000.0));
    assert!(matches!(drowned, Err(ParameterError::ProbeWraps { .. })));
    let wider = EncodingParameters::compact_with(clip(), 1000, 100, noise(1000.0)).unwrap();
    assert!(wider.ring().bits() > 17);
}

#[test]
fn sensitivity_counts_the_extra_coordinates() {
    let plain = EncodingParameters::standard(clip(), 100, 10).unwrap();
    // √(4096² + 25 + 4096 + 5), floored inside.
    assert!((plain.sensitivity_l2() - 16_781_342_f64.sqrt()).abs() < 1e-9);
    assert!((plain.sensitivity_l1() - 10.0 * 16_781_342_f64.sqrt()).abs() < 1e-6);
    let options = EncodingOptions { weight_max: 300, clip_indicator: 400, ..Default::default() };
    let extra = plain.with_options(options).unwrap();
    assert!((extra.sensitivity_l2() - (16_781_342_f64 + 250_000.0).sqrt()).abs() < 1e-9);
    assert!((extra.sensitivity_l1() - plain.sensitivity_l1() - 700.0).abs() < 1e-9);
}

#[test]
fn encoding_round_trips_and_decoding_checks() {
    let options = EncodingOptions {
        weight_max: 9,
        clip_indicator: 3,
        noise_deviation: 2.5,
        tagging: Tagging::Linear,
    };
    let parameters = EncodingParameters::standard(clip(), 450, 8).unwrap();
    let parameters = parameters.with_options(options).unwrap();
    let bytes = parameters.to_bytes();
    assert_eq!(EncodingParameters::from_bytes(&bytes).unwrap(), parameters);
    let altered = |position: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[position] = value;
        EncodingParameters::from_bytes(&bytes)
    };
    assert!(altered(10, 20).is_err(), "narrow ring");
    assert!(altered(35, 2).is_err(), "unknown tagging");
    assert!(altered(27, 0xC0).is_err(), "negative noise");
    let zero = EncodingOptions { noise_deviation: -0.0, ..Default::default() };
    let zero = parameters.with_options(zero).unwrap().to_bytes();
    assert!(EncodingParameters::from_bytes(&zero).is_ok());
}

proptest! {
    #[test]
    fn decoding_arbitrary_bytes_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        position in 0_usize..36,
        value in any::<u8>(),
    ) {
        let _unused = EncodingParameters::from_bytes(&bytes);
        let mut bytes = EncodingParameters::standard(clip(), 450, 8).unwrap().to_bytes();
        bytes[position] = value;
        if let Ok(parameters) = EncodingParameters::from_bytes(&bytes) {
            prop_assert_eq!(parameters.to_bytes(), bytes);
        }
    }
}
