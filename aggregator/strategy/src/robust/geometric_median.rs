//! The geometric median by smoothed Weiszfeld iterations.

use std::num::NonZeroU32;

use crate::{Positive, Updates, number::single};

/// Coordinates held in the first cache while all updates pass by.
const PIECE: usize = 1024;
/// Sums kept side by side, in a fixed order of additions.
const LANES: usize = 8;

/// Least distance to divide by. Weights have the sum one, so pulls and their sum are at most 2^1022: with a ν below,
/// infinite ones would give a point of NaN. Two different updates are at least 10^-45 apart (f32).
const SMOOTHING_MIN: f64 = f64::MIN_POSITIVE;

/// When the iteration for the geometric median ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weiszfeld {
    /// ν, in parameter units: distances below it count as ν, so that an iterate that meets an update does not
    /// divide by zero. What is minimised is then within ν of the least sum of distances.
    pub smoothing: Positive,
    /// The iteration ends when a step is at most this times the harmonic mean of the distances to the updates.
    pub tolerance: Positive,
    /// Most iterations; after them the last iterate is taken as it is.
    pub iterations_max: NonZeroU32,
}

impl Weiszfeld {
    /// ν = 10⁻⁶ (Pillutla et al. 2022); steps down to 10⁻⁸ of the mean distance, below f32's
    /// resolution; at most 1000 iterations. Tens are usual; the authors find three to five enough for learning.
    pub const STANDARD: Self = Self {
        smoothing: Positive(1e-6),
        tolerance: Positive(1e-8),
        iterations_max: NonZeroU32::MIN.saturating_add(999),
    };
}

impl Default for Weiszfeld {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// The point `[d]` with the least weighted sum of distances to the updates.
///
/// Takes two passes over all updates for each iteration, without a copy of them.
///
/// Source: Pillutla, Kakade & Harchaoui 2022, "Robust Aggregation for Federated Learning", Algorithm 2, from
/// the weighted mean.
///
/// Returned with it: the weights of the last step, of sum one, with which the updates make it.
pub(super) fn geometric_median(
    updates: &Updates<'_>,
    settings: &Weiszfeld,
) -> (Vec<f32>, Vec<f64>) {
    let mut weights = updates.weights().to_vec();
    let mut point = combination(updates, &weights);
    let smoothing = settings.smoothing.0.max(SMOOTHING_MIN);
    for _ in 0..settings.iterations_max.get() {
        let distances: Vec<_> =
            updates.as_slices().iter().map(|update| distance(update, &point)).collect();
        let pairs = updates.weights().iter().zip(&distances);
        let pulls = pairs.map(|(weight, distance)| weight / distance.max(smoothing));
        let mut pulls: Vec<_> = pulls.collect();
        // One over the harmonic mean of the distances: a far liar does not count in it.
        let total: f64 = pulls.iter().sum();
        pulls.iter_mut().for_each(|pull| *pull /= total);
        let next = combination(updates, &pulls);
        let step = step_length(&point, &next);
        (point, weights) = (next, pulls);
        if step * total <= settings.tolerance.0 {
            break;
        }
    }
    (point.into_iter().map(single).collect(), weights)
}

/// Σ factor·update, `[d]`.
fn combination(updates: &Updates<'_>, factors: &[f64]) -> Vec<f64> {
    let mut result = vec![0.0; updates.dimension()];
    for (piece, sums) in result.chunks_mut(PIECE).enumerate() {
        let start = piece * PIECE;
        for (update, factor) in updates.as_slices().iter().zip(factors) {
            for (sum, &value) in sums.iter_mut().zip(&update[start..]) {
                *sum += f64::from(value) * factor;
            }
        }
    }
    result
}

fn distance(update: &[f32], point: &[f64]) -> f64 {
    let (x_lanes, y_lanes) = (update.chunks_exact(LANES), point.chunks_exact(LANES));
    let square = |x: f32, y: f64| (f64::from(x) - y) * (f64::from(x) - y);
    let rest = x_lanes.remainder().iter().zip(y_lanes.remainder());
    let rest: f64 = rest.map(|(x, y)| square(*x, *y)).sum();
    let mut sums = [0.0; LANES];
    for (x, y) in x_lanes.zip(y_lanes) {
        for lane in 0..LANES {
            sums[lane] += square(x[lane], y[lane]);
        }
    }
    (sums.iter().sum::<f64>() + rest).sqrt()
}

fn step_length(from: &[f64], to: &[f64]) -> f64 {
    from.iter().zip(to).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
