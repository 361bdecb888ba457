//! How far sums and inner products reach: the proof that a ring is wide enough.
//!
//! Notation: n contributors, d coordinates, m = [`crate::Rotation::block_len`] > d/2, c = 2^`update_norm_bits`,
//! σ the noise's standard deviation per contributor and coordinate, β = e^(−1/2). All in integer units.
//!
//! **A coordinate of a sum** is A + E + N.
//! - A, the rotated real updates: Σ R·`x_i` = R·Σ `x_i` with ‖Σ `x_i`‖ ≤ n·c, all aligned in the worst case. The rotation
//!   makes a coordinate sub-Gaussian with proxy (n·c)²/m, so |A| ≤ n·c·√(2L/m) but with probability
//!   2e^(−L). Deterministically |A| ≤ n·c: the smaller of the two counts.
//! - E, the rounding errors: each below 1, so |E| ≤ n. Unconditioned each has proxy 1/4 (Hoeffding);
//!   conditioning a contributor's on an event of probability ≥ 1 − β multiplies its moment generating
//!   function by at most 1/(1 − β), so P(|E| ≥ t) ≤ 2·exp(−2t²/n + n·ln(1/(1 − β))), hence
//!   |E| ≤ √(n/2·(L + n·ln(1/(1 − β)))) but with probability 2e^(−L). The smaller counts. (The bias of
//!   16-bit fractions, n·2^−17, and f32's relative error in the rotation, 2^−18, are added.)
//! - N, the noise: log E[e^(λN)] ≤ nσ²·(cosh λ − 1) holds for Skellam noise (equality) and for discrete
//!   Gaussian noise (it is sub-Gaussian with proxy σ², and λ²/2 ≤ cosh λ − 1). As cosh λ − 1 ≤ (λ²/2)/(1 − λ/3),
//!   Bernstein's bound gives |N| ≤ √(2nσ²L) + L/3 but with probability 2e^(−L).
//!
//! Three events on each of at most d' = `vector_len` coordinates: L = ln(2^41 · 6d') leaves 2^−41 in all.
//! Extra coordinates are not rotated: n times their largest value, plus N.
//!
//! **An inner product with a probe** p: ⟨x, p⟩ ≤ ‖x‖·‖p‖ (Cauchy–Schwarz) with the norms that conditional
//! rounding and the aggregators' check of the probe make certain. Noise adds ⟨N, p⟩ ≤ ‖N‖·‖p‖, and not the √(2L)·σ·‖p‖
//! of a direction that is chosen without N: **p is made from the sum, and N is in the sum**. Where noise drowns the
//! updates and the loss curves alike in all directions, p is parallel to the noise of the mean, and
//! ⟨N, p⟩ is about σ·√(d/n)·‖p‖; a dishonest DAO node may choose p as it likes. So the bound is one on ‖N‖.
//!
//! **The norm of noise** of d' coordinates: a discrete Gaussian is sub-Gaussian with proxy σ² (Canonne, Kamath &
//! Steinke 2020), hence E e^(λN²) = E e^(√(2λ)·g·N) ≤ E e^(λσ²g²) = (1 − 2λσ²)^(−1/2) with an independent
//! standard normal g: ‖N‖²/σ² has the moment generating function of χ² with d' degrees at most, and
//! P(‖N‖ ≥ σ·(√d' + √(2t))) ≤ e^(−t) (Laurent & Massart 2000, lemma 1). √(2t) = 10: e^(−50) < 2^−72 for one
//! contributor, below 2^−56 for all of a round (2^16 at most). (Not proved for Skellam noise, whose tail is heavier: what
//! contributors add is discrete Gaussian.)
//!
//! Both together: an honest round wraps with probability at most **2^−40**.
//!
//! The updates must not depend on the round's signs: honest ones do not, as training ignores the seed.

/// −log₂ of the probability of a wrap that sums, and scalars, are each allowed.
const FAILURE_BITS: f64 = 41.0;

/// ln(1/(1 − e^(−1/2))).
const CONDITIONING: f64 = 0.932_752;

/// √(2t) with e^(−t) < 2^−72: deviations by which the norm of noise may exceed σ·√d.
const NOISE_NORM_SLACK: f64 = 10.0;

/// Relative error of the rotation in f32, with room: see [`crate::Rotation::apply`].
const ROTATION_ERROR: f64 = 1.0 / 262_144.0;

/// Largest mean of a 16-bit rounding error.
const ROUNDING_BIAS: f64 = 1.0 / 131_072.0;

/// What the reach of a coordinate depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) contributors: f64,
    pub(crate) dimension: u32,
    pub(crate) vector_len: usize,
    pub(crate) update_norm: f64,
    pub(crate) probe_norm: f64,
    pub(crate) noise_deviation: f64,
}

impl Reach {
    /// Largest |coordinate| of a sum of rotated updates.
    pub(crate) fn of_sum(&self) -> f64 {
        let (n, exponent) = (self.contributors, self.sum_exponent());
        let block = f64::from(1_u32 << self.dimension.ilog2());
        let aligned = n * self.update_norm * (1.0 + ROTATION_ERROR);
        let rotated = aligned * (2.0 * exponent / block).sqrt().min(1.0);
        let rounding = (n / 2.0 * (exponent + n * CONDITIONING)).sqrt().min(n) + n * ROUNDING_BIAS;
        rotated + rounding + self.noise(n, exponent)
    }

    /// Largest |coordinate| of a sum of extra coordinates of at most `largest` each.
    pub(crate) fn of_extra(&self, largest: u32) -> f64 {
        self.contributors * f64::from(largest) + self.noise(self.contributors, self.sum_exponent())
    }

    /// Largest |inner product| of an update of norm `rounded_norm` with a probe.
    pub(crate) fn of_value(&self, rounded_norm: f64) -> f64 {
        let probe = rounded_probe_norm(self.probe_norm, self.dimension);
        probe * (rounded_norm + self.noise_norm())
    }

    /// Largest L2 norm of one contributor's noise; exceeded with probability below 2^−72.
    pub(crate) fn noise_norm(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most DIMENSION_MAX + 2")]
        let root = (self.vector_len as f64).sqrt();
        self.noise_deviation * (root + NOISE_NORM_SLACK)
    }

    /// Largest |noise| in one coordinate of one contributor, over all coordinates and contributors.
    pub(crate) fn noise_of_one(&self) -> f64 {
        self.noise(1.0, self.sum_exponent() + self.contributors.ln())
    }

    fn sum_exponent(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most DIMENSION_MAX + 2")]
        let coordinates = self.vector_len as f64;
        FAILURE_BITS * std::f64::consts::LN_2 + (6.0 * coordinates).ln()
    }

    fn noise(&self, contributors: f64, exponent: f64) -> f64 {
        if self.noise_deviation > 0.0 {
            (2.0 * contributors * exponent).sqrt() * self.noise_deviation + exponent / 3.0
        } else {
            0.0
        }
    }
}

/// Largest squared L2 norm of a rounded update: c² + d/4 + √(2·ln(1/β))·(c + √d/2) with β = e^(−1/2), so that an
/// attempt at rounding is accepted with probability at least 1 − β = 0.39. Floored: norms are integers.
///
/// Source: Kairouz, Liu & Steinke 2021, §4 (norm of the conditionally rounded vector).
pub(crate) fn rounded_norm_squared(norm: f64, dimension: u32) -> u64 {
    let d = f64::from(dimension);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..2^50")]
    let bound = (norm * norm + d / 4.0 + norm + d.sqrt() / 2.0).floor() as u64;
    bound
}

/// Largest L2 norm of a rotated probe rounded to nearest: each coordinate moves by at most ½.
pub(crate) fn rounded_probe_norm(norm: f64, dimension: u32) -> f64 {
    norm * (1.0 + ROTATION_ERROR) + f64::from(dimension).sqrt() / 2.0
}
