//! From clipped real coordinates to integers.

use privacy_dp::ClippedUpdate;
use rand::CryptoRng;
use zeroize::Zeroize as _;

use crate::{EncodingParameters, ParameterError, Ring, RingVector};

/// A clipped update in fixed point: integers of L2 norm ≤ 2^`update_norm_bits` + √d. In the clear.
pub struct QuantizedUpdate {
    values: Vec<i32>,
    ring: Ring,
}

impl QuantizedUpdate {
    /// Scales `update` to the federation's fixed point and rounds each coordinate stochastically:
    /// up with the probability of its fraction, so that the rounding error has mean zero.
    ///
    /// # Errors
    /// [`ParameterError::Range`] if the update has another dimension or was clipped to a larger norm.
    ///
    /// Source: Kairouz, Liu & Steinke 2021, "The Distributed Discrete Gaussian Mechanism", §4
    /// (without the rotation, which comes with the sealing work).
    pub fn quantise(
        update: &ClippedUpdate,
        parameters: &EncodingParameters,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ParameterError> {
        let (dimension, got) = (parameters.dimension() as u64, update.delta().len() as u64);
        if dimension != got {
            let (min, max) = (dimension, dimension);
            return Err(ParameterError::Range { name: "update's dimension", min, max, got });
        }
        // Clipped to a larger norm than agreed: the bounds of the parameters would not hold.
        let scale = parameters.update_scale()
            * (parameters.clip_norm().get() / update.clip_norm().get()).min(1.0);
        let values = update.delta().iter().map(|&v| round(f64::from(v) * scale, rng)).collect();
        Ok(Self { values, ring: parameters.ring() })
    }

    /// The integers, `[parameter_count]`.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }
}

#[expect(clippy::cast_possible_truncation, reason = "|value| <= 2^24 by the parameters' range")]
fn round(value: f64, rng: &mut impl CryptoRng) -> i32 {
    let floor = value.floor();
    let uniform = f64::from(rng.next_u32()) / 4_294_967_296.0;
    let up = if uniform < value - floor { 1 } else { 0 };
    floor as i32 + up
}

impl Drop for QuantizedUpdate {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

/// A quantised update with the contributor's share of the federation's noise: what is sealed.
pub struct NoisyUpdate {
    vector: RingVector,
}

impl NoisyUpdate {
    /// Adds nothing: a federation without differential privacy, whose ε is unbounded and reported
    /// so. Integer noise takes this place with the sealing work.
    #[must_use]
    pub fn without_noise(update: &QuantizedUpdate) -> Self {
        let values = update.values.iter().map(|&value| i64::from(value));
        Self { vector: RingVector::from_integers(update.ring, values) }
    }

    pub(crate) const fn vector(&self) -> &RingVector {
        &self.vector
    }
}

#[cfg(test)]
mod tests {
    use privacy_dp::{ClipNorm, LocalUpdate};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    fn clip() -> ClipNorm {
        ClipNorm::new(2.0).unwrap()
    }

    #[test]
    fn each_coordinate_moves_by_less_than_one_step() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let delta: Vec<f32> = (0_i16..100).map(|i| f32::from(i - 50) * 0.003).collect();
        let parameters = EncodingParameters::standard(clip(), 100, 8).unwrap();
        let clipped = LocalUpdate::new(delta.clone()).unwrap().clip(clip());
        let quantised = QuantizedUpdate::quantise(&clipped, &parameters, &mut rng).unwrap();
        for (value, delta) in quantised.values().iter().zip(&delta) {
            let exact = f64::from(*delta) * parameters.update_scale();
            assert!((f64::from(*value) - exact).abs() < 1.0);
        }
    }

    #[test]
    fn stochastic_rounding_has_mean_zero_error() {
        // 40 000 roundings of 0.3: standard deviation of the mean 0.0023; five of them.
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let sum: i32 = (0..40_000).map(|_| round(0.3, &mut rng)).sum();
        assert!((f64::from(sum) / 40_000.0 - 0.3).abs() < 0.0115);
        let sum: i32 = (0..40_000).map(|_| round(-0.3, &mut rng)).sum();
        assert!((f64::from(sum) / 40_000.0 + 0.3).abs() < 0.0115);
    }

    #[test]
    fn another_dimension_is_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let parameters = EncodingParameters::standard(clip(), 3, 8).unwrap();
        let clipped = LocalUpdate::new(vec![1.0; 4]).unwrap().clip(clip());
        assert!(QuantizedUpdate::quantise(&clipped, &parameters, &mut rng).is_err());
    }

    #[test]
    fn an_update_clipped_to_a_larger_norm_is_scaled_into_the_bound() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let parameters = EncodingParameters::standard(clip(), 1, 8).unwrap();
        let clipped = LocalUpdate::new(vec![9.0]).unwrap().clip(ClipNorm::new(10.0).unwrap());
        let quantised = QuantizedUpdate::quantise(&clipped, &parameters, &mut rng).unwrap();
        assert!(quantised.values()[0] <= 4096);
    }
}
