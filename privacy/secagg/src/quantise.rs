//! From clipped real coordinates to integers.

use std::num::NonZeroU32;

use privacy_dp::ClippedUpdate;
use rand::CryptoRng;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{EncodingParameters, ParameterError, Rotation, rounding};

/// A clipped, rotated update in fixed point, with its extra coordinates: integers whose L2 norm is at
/// most [`EncodingParameters::sensitivity_l2`]. In the clear; zeroised on drop.
pub struct QuantizedUpdate {
    values: Vec<i32>,
}

impl QuantizedUpdate {
    /// Rotates `update`, scales it to the federation's fixed point and rounds each coordinate
    /// stochastically: up with the probability of its fraction, so that the error has mean zero; again,
    /// until the norm is within bound. In a federation that weighs contributions the update's weight
    /// counts ([`ClippedUpdate::weight`]), or the largest if it has none.
    ///
    /// # Errors
    /// [`ParameterError::Range`] if the update or the rotation has another dimension than the
    /// federation's updates.
    ///
    /// Source: Kairouz, Liu & Steinke 2021, "The Distributed Discrete Gaussian Mechanism for Federated
    /// Learning with Secure Aggregation", Algorithm 1 and §4.
    pub fn quantise(
        update: &ClippedUpdate,
        rotation: &Rotation,
        parameters: &EncodingParameters,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ParameterError> {
        let largest = parameters.options().weight_max;
        let weight = if parameters.is_weighted() { update.weight() } else { None };
        let weight = weight.map_or(largest, NonZeroU32::get);
        Self::quantise_weighted(update, weight, rotation, parameters, rng)
    }

    /// As [`QuantizedUpdate::quantise`], with `weight` out of [`crate::EncodingOptions::weight_max`]: the
    /// update is scaled by weight / `weight_max`, and the weight becomes a coordinate.
    ///
    /// # Errors
    /// As [`QuantizedUpdate::quantise`], and [`ParameterError::Range`] for a weight outside 1..=`weight_max`.
    pub fn quantise_weighted(
        update: &ClippedUpdate,
        weight: u32,
        rotation: &Rotation,
        parameters: &EncodingParameters,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ParameterError> {
        let dimension = parameters.dimension();
        exactly("update's dimension", dimension, update.delta().len())?;
        exactly("rotation's dimension", dimension, rotation.dimension())?;
        let options = parameters.options();
        let (max, got) = (u64::from(options.weight_max), u64::from(weight));
        if !(1..=max).contains(&got) {
            return Err(ParameterError::Range { name: "weight", min: 1, max, got });
        }
        // Clipped to a larger norm than agreed: the bounds of the parameters would not hold.
        let clip_norm = parameters.clip_norm().get();
        let within = (clip_norm / update.clip_norm().get()).min(1.0);
        let share = f64::from(weight) / f64::from(options.weight_max);
        let mut exact = scaled(update.delta(), parameters.update_scale() * within * share);
        rotation.apply(&mut exact);
        let mut values = rounding::round(
            &exact,
            parameters.vector_len() - dimension,
            parameters.rounded_norm_squared(),
            rng,
        );
        if parameters.is_weighted() {
            values.push(signed(weight));
        }
        if options.clip_indicator > 0 {
            let within = update.norm_before() <= clip_norm;
            values.push(if within { signed(options.clip_indicator) } else { 0 });
        }
        Ok(Self { values })
    }

    /// The integers, `[vector_len]`: the rotated update, then the extra coordinates.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }
}

impl Drop for QuantizedUpdate {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

fn exactly(name: &'static str, expected: usize, got: usize) -> Result<(), ParameterError> {
    let (bound, got) = (expected as u64, got as u64);
    if bound == got {
        Ok(())
    } else {
        Err(ParameterError::Range { name, min: bound, max: bound, got })
    }
}

/// In f64, as the scale may lie far outside f32's range; the products are at most 2^21.
fn scaled(delta: &[f32], scale: f64) -> Zeroizing<Vec<f32>> {
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^21 by the norm")]
    let scaled = |value: &f32| (f64::from(*value) * scale) as f32;
    Zeroizing::new(delta.iter().map(scaled).collect())
}

fn signed(extra: u32) -> i32 {
    i32::try_from(extra).expect("at most EXTRA_MAX")
}

#[cfg(test)]
mod tests;
