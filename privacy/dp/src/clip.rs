//! Updates in the clear and their L2 clipping.

use std::num::NonZeroU32;

use thiserror::Error;
use zeroize::Zeroize as _;

/// Why an update or a clip norm was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ClipError {
    /// An update has no coordinates.
    #[error("update is empty")]
    Empty,
    /// A coordinate is NaN or infinite: training diverged.
    #[error(
        "coordinate {index} of the update is {value}: training diverged, lower the learning rate"
    )]
    NotFinite {
        /// Which coordinate.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// A clip norm is not a positive finite number.
    #[error("clip norm must be positive and finite, got {got}")]
    BadNorm {
        /// What was given.
        got: f64,
    },
}

/// The largest L2 norm an update may have, in parameter units. Positive and finite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct ClipNorm(f64);

impl ClipNorm {
    /// Takes `norm`.
    ///
    /// # Errors
    /// [`ClipError::BadNorm`].
    pub fn new(norm: f64) -> Result<Self, ClipError> {
        if norm.is_finite() && norm > 0.0 {
            Ok(Self(norm))
        } else {
            Err(ClipError::BadNorm { got: norm })
        }
    }

    /// The norm.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// What training changed: parameters after minus parameters before, `[parameter_count]`, finite.
///
/// It never leaves the machine: it has no encoding. Zeroised on drop, as is what is made of it.
#[derive(Clone, PartialEq)]
pub struct LocalUpdate {
    delta: Vec<f32>,
    weight: Option<NonZeroU32>,
}

impl LocalUpdate {
    /// Takes the difference of parameters.
    ///
    /// # Errors
    /// [`ClipError::Empty`] or [`ClipError::NotFinite`].
    pub fn new(delta: Vec<f32>) -> Result<Self, ClipError> {
        if delta.is_empty() {
            return Err(ClipError::Empty);
        }
        if let Some((index, &value)) = delta.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(ClipError::NotFinite { index, value });
        }
        Ok(Self { delta, weight: None })
    }

    /// The same with a weight in the mean: of the federation's unit, if it weighs contributions.
    #[must_use]
    pub const fn weighing(mut self, weight: NonZeroU32) -> Self {
        self.weight = Some(weight);
        self
    }

    /// Scales the update so that its L2 norm is at most `clip_norm`.
    ///
    /// The norm is taken in f64; the scaled coordinates are rounded to f32 towards zero's side by at
    /// most half a unit in the last place each, which the quantiser's norm check covers.
    ///
    /// Source: `McMahan` et al. 2018, "Learning Differentially Private Recurrent Language Models",
    /// Algorithm 1 (flat clipping).
    #[must_use]
    pub fn clip(mut self, clip_norm: ClipNorm) -> ClippedUpdate {
        let norm = l2_norm(&self.delta);
        let mut delta = std::mem::take(&mut self.delta);
        if norm > clip_norm.get() {
            let scale = clip_norm.get() / norm;
            for value in &mut delta {
                *value = scaled(*value, scale);
            }
        }
        ClippedUpdate { delta, weight: self.weight, clip_norm, norm_before: norm }
    }
}

impl Drop for LocalUpdate {
    fn drop(&mut self) {
        self.delta.zeroize();
    }
}

impl std::fmt::Debug for LocalUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalUpdate(of {} parameters)", self.delta.len())
    }
}

/// An update whose L2 norm is at most its clip norm. [`LocalUpdate::clip`] is its only constructor.
#[derive(Clone, PartialEq)]
pub struct ClippedUpdate {
    delta: Vec<f32>,
    weight: Option<NonZeroU32>,
    clip_norm: ClipNorm,
    norm_before: f64,
}

impl ClippedUpdate {
    /// The coordinates, `[parameter_count]`.
    #[must_use]
    pub fn delta(&self) -> &[f32] {
        &self.delta
    }

    /// The weight that its owner gave it; none: the largest.
    #[must_use]
    pub const fn weight(&self) -> Option<NonZeroU32> {
        self.weight
    }

    /// The bound that holds.
    #[must_use]
    pub const fn clip_norm(&self) -> ClipNorm {
        self.clip_norm
    }

    /// The norm before clipping.
    #[must_use]
    pub const fn norm_before(&self) -> f64 {
        self.norm_before
    }
}

impl Drop for ClippedUpdate {
    fn drop(&mut self) {
        self.delta.zeroize();
    }
}

impl std::fmt::Debug for ClippedUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClippedUpdate(of {} parameters)", self.delta.len())
    }
}

fn l2_norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

#[expect(clippy::cast_possible_truncation, reason = "|scale| <= 1 keeps an f32 within f32's range")]
fn scaled(value: f32, scale: f64) -> f32 {
    (f64::from(value) * scale) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_update_is_left_alone() {
        let clipped = LocalUpdate::new(vec![0.3, -0.4]).unwrap().clip(ClipNorm::new(1.0).unwrap());
        assert_eq!(clipped.delta(), [0.3, -0.4]);
        assert!((clipped.norm_before() - 0.5).abs() < 1e-7);
    }

    #[test]
    fn what_is_not_finite_is_refused_with_its_place() {
        let refused = LocalUpdate::new(vec![0.0, f32::INFINITY]);
        assert_eq!(refused.unwrap_err(), ClipError::NotFinite { index: 1, value: f32::INFINITY });
        assert_eq!(LocalUpdate::new(vec![]).unwrap_err(), ClipError::Empty);
        assert!(ClipNorm::new(0.0).is_err());
        assert!(ClipNorm::new(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn the_norm_holds_and_the_direction_stays(
            values in proptest::collection::vec(-1e6_f32..1e6, 1..50),
            norm in 0.01_f64..100.0,
        ) {
            let before = l2_norm(&values);
            let clipped = LocalUpdate::new(values.clone()).unwrap().clip(ClipNorm::new(norm).unwrap());
            prop_assert!(l2_norm(clipped.delta()) <= norm * (1.0 + 1e-6));
            let scale = (norm / before).min(1.0);
            for (after, value) in clipped.delta().iter().zip(&values) {
                prop_assert!((f64::from(*after) - f64::from(*value) * scale).abs() <= 1e-6 * norm.max(1.0));
            }
        }
    }
}
