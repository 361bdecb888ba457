//! Means: plain, and of updates brought within a norm.

use crate::{Positive, Updates, number::single};

/// Coordinates summed before the next update is read: 8 KiB of sums.
const PIECE: usize = 1024;
/// Sums kept side by side, in a fixed order of additions.
const LANES: usize = 8;

/// What each update counts in the weighted mean of all, each scaled to an L2 norm of at most `bound` first.
///
/// Source: Sun et al. 2019, "Can You Really Backdoor Federated Learning?" (norm thresholding).
pub(super) fn norm_bounded(updates: &Updates<'_>, bound: Positive) -> Vec<f64> {
    let pairs = updates.as_slices().iter().zip(updates.weights());
    let scaled = pairs.map(|(update, weight)| {
        let norm = norm(update);
        if norm > bound.0 { weight * (bound.0 / norm) } else { *weight }
    });
    scaled.collect()
}

/// Σ weight·update `[d]`, summed in f64 and rounded to f32 once. Updates of weight zero are not read.
pub(super) fn weighted_mean(updates: &Updates<'_>, weights: &[f64]) -> Vec<f32> {
    let dimension = updates.dimension();
    let pairs = updates.as_slices().iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    let pairs: Vec<_> = pairs.collect();
    let mut result = Vec::with_capacity(dimension);
    let mut sums = [0.0_f64; PIECE];
    for start in (0..dimension).step_by(PIECE) {
        let end = dimension.min(start + PIECE);
        sums.fill(0.0);
        for &(update, &weight) in &pairs {
            for (sum, &value) in sums.iter_mut().zip(&update[start..end]) {
                *sum += f64::from(value) * weight;
            }
        }
        result.extend(sums[..end - start].iter().map(|sum| single(*sum)));
    }
    result
}

/// The L2 norm, in f64.
pub(super) fn norm(update: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let lanes = update.chunks_exact(LANES);
    let rest: f64 = lanes.remainder().iter().map(|&x| square(x)).sum();
    let mut sums = [0.0; LANES];
    for x in lanes {
        for lane in 0..LANES {
            sums[lane] += square(x[lane]);
        }
    }
    (sums.iter().sum::<f64>() + rest).sqrt()
}
