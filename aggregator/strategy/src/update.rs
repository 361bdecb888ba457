//! The updates of a round in the clear, checked once.

use thiserror::Error;

use crate::number::float;

/// Most updates that a rule takes: Krum keeps a distance for each pair, 128 MiB at this bound.
pub const UPDATES_MAX: usize = 4096;

/// Why updates were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum UpdatesError {
    /// No update, or too many.
    #[error("a rule takes 1..={max} updates, got {got}", max = UPDATES_MAX)]
    Count {
        /// What was given.
        got: usize,
    },
    /// Updates without coordinates.
    #[error("the updates have no coordinates")]
    NoCoordinates,
    /// An update of another length than the first.
    #[error("update {index} has {got} coordinates, the first has {expected}")]
    LengthMismatch {
        /// 0-based.
        index: usize,
        /// The length of the first.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// An update with a coordinate that is NaN or infinite.
    #[error("coordinate {coordinate} of update {index} is not a finite number")]
    NotFinite {
        /// Which update, 0-based.
        index: usize,
        /// Which coordinate, 0-based.
        coordinate: usize,
    },
    /// Another number of weights than updates.
    #[error("{got} weights for {expected} updates")]
    WeightCount {
        /// Updates.
        expected: usize,
        /// Weights.
        got: usize,
    },
    /// A weight that is not a positive number.
    #[error("weight {index} must be positive and finite, got {got}")]
    Weight {
        /// 0-based.
        index: usize,
        /// The weight.
        got: f64,
    },
}

/// Updates of one length, all finite, with weights that sum to one.
///
/// Only for runs that are open: a simulation, or the means of groups. The updates of a sealed round are
/// readable by nobody, so no such value can be made of them.
#[derive(Debug, Clone)]
pub struct Updates<'a> {
    updates: Vec<&'a [f32]>,
    weights: Vec<f64>,
}

impl<'a> Updates<'a> {
    /// Takes updates of equal weight, `[n][d]`.
    ///
    /// # Errors
    /// [`UpdatesError`].
    pub fn new(updates: &[&'a [f32]]) -> Result<Self, UpdatesError> {
        check(updates)?;
        let weights = vec![1.0 / float(updates.len()); updates.len()];
        Ok(Self { updates: updates.to_vec(), weights })
    }

    /// Takes updates `[n][d]` with weights `[n]`, positive, of any sum (numbers of examples, for one).
    ///
    /// Threat: weights are claims of the contributors. Rules that count heads (median, trimmed mean, Krum)
    /// ignore them; with the others, bound what a member may claim.
    ///
    /// # Errors
    /// [`UpdatesError`].
    pub fn weighted(updates: &[&'a [f32]], weights: &[f64]) -> Result<Self, UpdatesError> {
        check(updates)?;
        if weights.len() != updates.len() {
            let (expected, got) = (updates.len(), weights.len());
            return Err(UpdatesError::WeightCount { expected, got });
        }
        let bad = |w: &f64| !(w.is_finite() && *w > 0.0);
        if let Some(index) = weights.iter().position(bad) {
            return Err(UpdatesError::Weight { index, got: weights[index] });
        }
        // Divided by the largest first, so that the sum of large weights stays finite.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let total: f64 = weights.iter().map(|w| w / largest).sum();
        let weights = weights.iter().map(|w| w / largest / total).collect();
        Ok(Self { updates: updates.to_vec(), weights })
    }

    /// Number of updates, n ≥ 1.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.updates.len()
    }

    /// Coordinates of each, d ≥ 1.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.updates[0].len()
    }

    /// The updates, `[n][d]`.
    #[must_use]
    pub fn as_slices(&self) -> &[&'a [f32]] {
        &self.updates
    }

    /// The weights, `[n]`, of sum one.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

fn check(updates: &[&[f32]]) -> Result<(), UpdatesError> {
    if !(1..=UPDATES_MAX).contains(&updates.len()) {
        return Err(UpdatesError::Count { got: updates.len() });
    }
    let expected = updates[0].len();
    if expected == 0 {
        return Err(UpdatesError::NoCoordinates);
    }
    for (index, update) in updates.iter().enumerate() {
        if update.len() != expected {
            return Err(UpdatesError::LengthMismatch { index, expected, got: update.len() });
        }
        if let Some(coordinate) = update.iter().position(|value| !value.is_finite()) {
            return Err(UpdatesError::NotFinite { index, coordinate });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_updates_are_refused_with_a_sentence() {
        let good = [1.0_f32, 2.0];
        let check = |updates: &[&[f32]], expected: &str| {
            assert_eq!(Updates::new(updates).unwrap_err().to_string(), expected);
        };
        check(&[], "a rule takes 1..=4096 updates, got 0");
        check(&[&[]], "the updates have no coordinates");
        check(&[&good, &good[..1]], "update 1 has 1 coordinates, the first has 2");
        let infinite = [1.0, f32::NEG_INFINITY];
        check(&[&good, &infinite], "coordinate 1 of update 1 is not a finite number");
        check(&[&[f32::NAN]], "coordinate 0 of update 0 is not a finite number");
        check(&vec![&good[..]; 4097], "a rule takes 1..=4096 updates, got 4097");
    }

    #[test]
    fn bad_weights_are_refused_with_a_sentence() {
        let updates: [&[f32]; 2] = [&[1.0], &[2.0]];
        let check = |weights: &[f64], expected: &str| {
            let refused = Updates::weighted(&updates, weights).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        };
        check(&[1.0], "1 weights for 2 updates");
        check(&[1.0, 0.0], "weight 1 must be positive and finite, got 0");
        check(&[-1.0, 1.0], "weight 0 must be positive and finite, got -1");
        check(&[1.0, f64::NAN], "weight 1 must be positive and finite, got NaN");
    }

    #[test]
    fn weights_sum_to_one_however_large_they_are() {
        let updates: [&[f32]; 2] = [&[1.0], &[2.0]];
        let weighted = Updates::weighted(&updates, &[f64::MAX, f64::MAX]).unwrap();
        assert_eq!(weighted.weights(), [0.5, 0.5]);
    }
}
