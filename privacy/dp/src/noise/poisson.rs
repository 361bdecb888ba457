//! The Poisson distribution by rejection from an exact integer proposal.

use libm::{log, round, sqrt};
use rand::CryptoRng;

use super::bernoulli::{discrete_laplace, exp_minus_real};

/// A Poisson distribution of mean `mean` in 0.125..=2^39.
///
/// Proposals are exact discrete Laplace values around ⌊mean⌋; a proposal k is kept with probability
/// e^-γ(k), a coin that is exact for the `f64` γ(k). So the one error is that of γ, which is below
/// 2^-36 (`gamma` says why): each probability is off by a *factor* within e^±2^-36, tails included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Poisson {
    mean: f64,
    centre: i64,
    scale: u64,
    /// max over k of ln P(k) + |k - centre|/scale: what makes γ ≥ 0.
    peak: f64,
}

impl Poisson {
    /// Takes a mean that the caller has checked.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the mean is at most 2^39 by the range of the standard deviation"
    )]
    pub(super) fn new(mean: f64) -> Self {
        let centre = mean.floor() as i64;
        // √mean is the scale at which the discrete Laplace covers a normal most tightly.
        let scale = (round(sqrt(mean)) as u64).max(1);
        let mut of = Self { mean, centre, scale, peak: 0.0 };
        // P(k + 1)/P(k) = mean/(k + 1): right of the centre the ratio to the proposal peaks where that
        // passes e^(-1/scale), left of it where it passes e^(1/scale).
        let step = 1.0 / scale as f64;
        let sides = [mean * libm::exp(step), mean * libm::exp(-step)];
        let near = |at: f64| (-3..=3).map(move |by| at as i64 + by).filter(|k| *k >= 0);
        let peaks = sides.into_iter().flat_map(near).chain(near(mean)).map(|k| -of.gamma(k));
        // The margin keeps γ ≥ 0 whatever the rounding; it costs 10^-9 of the acceptances.
        of.peak = peaks.fold(f64::NEG_INFINITY, f64::max) + 1e-9;
        of
    }

    pub(super) fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        loop {
            let value = self.centre + discrete_laplace(self.scale, rng);
            if value >= 0 && exp_minus_real(self.gamma(value).max(0.0), rng) {
                return value;
            }
        }
    }

    /// Returns `peak` - ln P(k) - |k - centre|/scale.
    ///
    /// Error: every term that survives where γ < 100 is below 2^8, its parts are correct to a few
    /// 2^-52, and the deviance is a series in (k - mean)/mean where it would cancel.
    fn gamma(&self, k: i64) -> f64 {
        let distance = (k - self.centre).unsigned_abs() as f64 / self.scale as f64;
        self.peak + minus_log_poisson(k, self.mean) - distance
    }
}

/// Returns -ln(e^-m m^k / k!) as deviance plus Stirling's remainder (Loader 2000, "Fast and Accurate
/// Computation of Binomial Probabilities"): lgamma loses all digits at k ≈ 2^39.
pub(super) fn minus_log_poisson(k: i64, mean: f64) -> f64 {
    if k == 0 {
        return mean;
    }
    let count = k as f64;
    deviance(count, mean) + stirling_remainder(count) + 0.5 * log(std::f64::consts::TAU * count)
}

/// Returns k ln(k/m) - k + m.
fn deviance(count: f64, mean: f64) -> f64 {
    let off = (count - mean) / mean;
    if off.abs() >= 0.25 {
        return count * log(count / mean) - (count - mean);
    }
    // (1 + x) ln(1 + x) - x = Σ_{n ≥ 2} (-x)^n / (n(n - 1)); 0.25^28 is below 2^-55.
    let mut sum = 0.0;
    for n in (2..=28_u32).rev() {
        let n = f64::from(n);
        sum = 1.0 / (n * (n - 1.0)) - off * sum;
    }
    (count - mean) * off * sum
}

/// Returns ln k! - (k + 1/2) ln k + k - ln(2π)/2.
fn stirling_remainder(count: f64) -> f64 {
    if count < 16.0 {
        let factorial = libm::lgamma(count + 1.0);
        return factorial - (count + 0.5) * log(count) + count - 0.5 * log(std::f64::consts::TAU);
    }
    // The asymptotic series; its next term is below 10^-15 from 16 on.
    let square = count * count;
    (1.0 / 12.0
        - (1.0 / 360.0
            - (1.0 / 1260.0 - (1.0 / 1680.0 - (1.0 / 1188.0) / square) / square) / square)
            / square)
        / count
}
