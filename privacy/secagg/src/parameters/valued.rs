//! Parameters of federations that measure values, with and without noise.

use privacy_dp::{ClipNorm, NoiseShare};

use super::EncodingParameters;
use crate::{EncodingOptions, ParameterError, Ring};

/// Norm bits of updates and probes without noise ([`EncodingParameters::standard`]).
const NORM_BITS: u8 = 12;

/// Fewest norm bits of a probe. Rounding to nearest moves an inner product by about ‖x‖·√(1/12), a part 0.29/2^b
/// of the largest: 0.1 % at 8 bits, far below the noise σ·‖p‖ for which probe bits are given up.
const PROBE_NORM_BITS_MIN: u8 = 8;

/// The ring of a federation that measures values without noise.
const RING_BITS: u8 = 26;

/// Most by which rounding may lengthen a noised update: noise grows with the sensitivity.
const INFLATION_MAX: f64 = 1.01;

/// Least standard deviation of a contributor's share, in integer units: rounding (variance ≤ 1/4) then adds
/// less than 2 % to its variance, and a sum of discrete Gaussians is one but for 10·n·e^(−2π²·16/2) < 2^−200 per
/// coordinate (Kairouz, Liu & Steinke 2021, Theorem 1).
const SHARE_DEVIATION_MIN: f64 = 4.0;

/// Room for the error of readings in FHE mode, relative: it is below ½·‖p‖ + 30 (`privacy-fhe`, probes), and
/// inner products reach at least 2^7·‖p‖ here.
const READING_ROOM: f64 = 1.0 + 1.0 / 64.0;

/// How much noise contributors add together, before the encoding that it is added to is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoisePlan {
    /// Standard deviation of the noise of `honest_minimum` contributors over the sensitivity; > 0.
    pub multiplier: f64,
    /// Contributors whose noise is certain to be in every sum, ≥ 1.
    pub honest_minimum: u32,
}

impl EncodingParameters {
    /// With value measurement under `options`: 12 norm bits of updates, and the ring of 26 bits or the next wider one
    /// in which inner products with probes of 8 norm bits or more, noise included, do not wrap around; in it
    /// as many probe bits as fit, up to 12. Without noise the same as [`EncodingParameters::standard`].
    ///
    /// # Errors
    /// [`ParameterError`]; [`ParameterError::NoRing`] if 32 bits do not suffice: more contributors who are
    /// counted on have smaller shares of the noise, and a federation without value measurement
    /// ([`EncodingParameters::compact_with`]) needs fewer bits.
    pub fn valued(
        clip_norm: ClipNorm,
        dimension: u32,
        contributors_max: u32,
        options: EncodingOptions,
    ) -> Result<Self, ParameterError> {
        Self::measuring(clip_norm, NORM_BITS, [dimension, contributors_max], options)
    }

    /// With value measurement and noise by `plan`. What `options` says of noise is overwritten.
    ///
    /// Noise is what takes room: the value of an update of norm c with noise of deviation σ = z·c/√h per
    /// coordinate reaches (c + σ·(√d + 10))·‖p‖. So c has only as many bits as keep the rounding from
    /// lengthening the update by 1 % or more, and the noise from being coarse; at most 12.
    ///
    /// # Errors
    /// As [`EncodingParameters::valued`], and [`ParameterError::NoiseShare`] for a plan that is none.
    pub fn valued_with_noise(
        clip_norm: ClipNorm,
        dimension: u32,
        contributors_max: u32,
        options: EncodingOptions,
        plan: NoisePlan,
    ) -> Result<Self, ParameterError> {
        let quiet = EncodingOptions { noise_deviation: 0.0, ..options };
        let sizes = [dimension, contributors_max];
        let mut noised = None;
        for update_norm_bits in Self::NORM_BITS_MIN..=NORM_BITS {
            let plain = Self::measuring(clip_norm, update_norm_bits, sizes, quiet)?;
            let share =
                NoiseShare::new(plan.multiplier, plain.sensitivity_l2(), plan.honest_minimum)?;
            noised = Some((update_norm_bits, share.std()));
            let long = plain.sensitivity_l2() > INFLATION_MAX * plain.update_norm();
            if !long && share.std() >= SHARE_DEVIATION_MIN {
                break;
            }
        }
        let (update_norm_bits, noise_deviation) =
            noised.ok_or(ParameterError::NoRing { max: Ring::BITS_MAX })?;
        let options = EncodingOptions { noise_deviation, ..options };
        Self::measuring(clip_norm, update_norm_bits, sizes, options)
    }

    fn measuring(
        clip_norm: ClipNorm,
        update_norm_bits: u8,
        [dimension, contributors_max]: [u32; 2],
        options: EncodingOptions,
    ) -> Result<Self, ParameterError> {
        for ring_bits in RING_BITS..=Ring::BITS_MAX {
            for probe_norm_bits in (PROBE_NORM_BITS_MIN..=NORM_BITS).rev() {
                let parameters = Self {
                    clip_norm,
                    update_norm_bits,
                    probe_norm_bits,
                    ring: Ring::new(ring_bits)?,
                    dimension,
                    contributors_max,
                    options,
                };
                match parameters.checked() {
                    Err(ParameterError::SumWraps { .. } | ParameterError::ProbeWraps { .. }) => {}
                    Ok(parameters) if !parameters.leaves_reading_room() => {}
                    result => return result,
                }
            }
        }
        Err(ParameterError::NoRing { max: Ring::BITS_MAX })
    }

    fn leaves_reading_room(&self) -> bool {
        let limit = f64::from(self.ring.bits() - 1).exp2();
        self.reach().of_value(self.rounded_norm()) * READING_ROOM < limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> ClipNorm {
        ClipNorm::new(2.0).unwrap()
    }

    fn noised(dimension: u32, multiplier: f64, honest_minimum: u32) -> EncodingParameters {
        let plan = NoisePlan { multiplier, honest_minimum };
        let options = EncodingOptions::default();
        EncodingParameters::valued_with_noise(clip(), dimension, 200, options, plan).unwrap()
    }

    #[test]
    fn without_noise_it_is_the_standard_encoding() {
        for (dimension, contributors) in [(1, 2), (523, 8), (1_000_000, 1000), (20_000_000, 4096)] {
            let valued = EncodingParameters::valued(
                clip(),
                dimension,
                contributors,
                EncodingOptions::default(),
            );
            let standard = EncodingParameters::standard(clip(), dimension, contributors);
            assert_eq!(valued.unwrap(), standard.unwrap());
        }
    }

    /// (dimension, contributors) to ring bits. One coordinate does not profit from the rotation: 2^16 of norm 2^12 need
    /// 28 bits and a sign.
    #[test]
    fn more_contributors_take_a_wider_ring_only_where_they_must() {
        let most = EncodingParameters::CONTRIBUTORS_MAX;
        for (dimension, contributors, bits) in [
            (450, 4096, 26),
            (1, 10_000, 27),
            (450, 10_000, 26),
            (10_000, 10_000, 26),
            (1, most, 30),
            (1_000_000, most, 26),
        ] {
            let options = EncodingOptions::default();
            let got = EncodingParameters::valued(clip(), dimension, contributors, options).unwrap();
            assert_eq!(got.ring().bits(), bits, "d = {dimension}, n = {contributors}");
        }
        let options = EncodingOptions::default();
        assert!(EncodingParameters::valued(clip(), 450, most + 1, options).is_err());
    }

    #[test]
    fn noise_that_the_standard_encoding_refuses_is_held() {
        let standard = EncodingParameters::standard(clip(), 50_890, 200).unwrap();
        let share = NoiseShare::new(2.7, standard.sensitivity_l2(), 50).unwrap();
        let options = EncodingOptions { noise_deviation: share.std(), ..Default::default() };
        let refused = standard.with_options(options);
        assert!(matches!(refused, Err(ParameterError::ProbeWraps { .. })), "{refused:?}");
        let valued = EncodingParameters::valued(clip(), 50_890, 200, options).unwrap();
        assert!(valued.is_valued() && valued.ring().bits() > 26);
    }

    /// (dimension, multiplier, honest minimum) to (update bits, probe bits, ring bits).
    #[test]
    fn noise_takes_few_bits_beyond_26() {
        for (dimension, multiplier, honest, expected) in [
            (523, 1.0, 4, [7, 12, 26]),
            (50_890, 2.7, 50, [10, 9, 27]),
            (50_890, 1.0, 100, [10, 10, 26]),
            (1_000_000, 1.0, 100, [12, 9, 30]),
        ] {
            let got = noised(dimension, multiplier, honest);
            let bits = [got.update_norm_bits, got.probe_norm_bits, got.ring().bits()];
            assert_eq!(bits, expected, "d = {dimension}, z = {multiplier}, h = {honest}");
        }
    }

    #[test]
    fn the_deviation_is_that_of_the_share_and_rounding_adds_little_to_the_sensitivity() {
        for dimension in [1, 523, 50_890, 1_000_000] {
            for (multiplier, honest) in [(0.1, 1), (1.0, 10), (5.0, 100)] {
                let got = noised(dimension, multiplier, honest);
                let share = NoiseShare::new(multiplier, got.sensitivity_l2(), honest).unwrap();
                assert_eq!(got.options().noise_deviation.to_bits(), share.std().to_bits());
                assert!(got.sensitivity_l2() <= 1.02 * got.update_norm(), "d = {dimension}");
                assert!(share.std() >= SHARE_DEVIATION_MIN);
            }
        }
    }

    #[test]
    fn noise_that_fits_no_ring_and_plans_that_are_none_are_refused() {
        let with = |multiplier, honest_minimum| {
            let plan = NoisePlan { multiplier, honest_minimum };
            let options = EncodingOptions::default();
            EncodingParameters::valued_with_noise(clip(), 10_000_000, 100, options, plan)
        };
        assert_eq!(with(10.0, 1), Err(ParameterError::NoRing { max: 32 }));
        for (multiplier, honest) in [(0.0, 1), (f64::NAN, 1), (-1.0, 1), (1.0, 0)] {
            assert!(matches!(with(multiplier, honest), Err(ParameterError::NoiseShare(_))));
        }
    }
}
