//! The Gaussian mechanism without sampling: exact.

use libm::{exp, sqrt};

use super::{
    AccountantError, NOISE_MULTIPLIER, check_delta,
    special::{ln_normal_cdf, normal_cdf},
};

/// Returns the exact δ(ε) of one Gaussian release whose noise is `noise_multiplier` times the sensitivity.
///
/// T releases are one of multiplier σ/√T.
///
/// # Errors
/// [`AccountantError::NoiseMultiplier`] outside 0.01..=10^6, [`AccountantError::Epsilon`] below 0.
///
/// Source: Balle & Wang 2018, "Improving the Gaussian Mechanism for Differential Privacy", Theorem 8.
pub fn gaussian_delta(noise_multiplier: f64, epsilon: f64) -> Result<f64, AccountantError> {
    if !NOISE_MULTIPLIER.contains(&noise_multiplier) {
        return Err(AccountantError::NoiseMultiplier { got: noise_multiplier });
    }
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return Err(AccountantError::Epsilon { got: epsilon });
    }
    Ok(profile(noise_multiplier, epsilon))
}

/// Returns the exact ε of one Gaussian release at `delta`, rounded up to within 10^-12 of itself.
///
/// # Errors
/// [`AccountantError::NoiseMultiplier`] outside 0.01..=10^6, [`AccountantError::Delta`] outside 0..1.
///
/// Source: as [`gaussian_delta`].
pub fn gaussian_epsilon(noise_multiplier: f64, delta: f64) -> Result<f64, AccountantError> {
    if !NOISE_MULTIPLIER.contains(&noise_multiplier) {
        return Err(AccountantError::NoiseMultiplier { got: noise_multiplier });
    }
    check_delta(delta)?;
    Ok(invert(noise_multiplier, delta))
}

/// Returns ε of `1/noise²` summed over releases; unchecked.
pub(crate) fn invert(noise_multiplier: f64, delta: f64) -> f64 {
    if profile(noise_multiplier, 0.0) <= delta {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while profile(noise_multiplier, high) > delta {
        (low, high) = (high, 2.0 * high);
    }
    while high - low > 1e-12 * high {
        let middle = 0.5 * (low + high);
        if profile(noise_multiplier, middle) > delta {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn profile(sigma: f64, epsilon: f64) -> f64 {
    let (half, reach) = (0.5 / sigma, epsilon * sigma);
    let second = exp(epsilon + ln_normal_cdf(-half - reach));
    (normal_cdf(half - reach) - second).max(0.0)
}

/// Returns the noise multiplier of the one Gaussian that `steps` of each σ are together.
pub(crate) fn composed(releases: impl Iterator<Item = (f64, f64)>) -> f64 {
    1.0 / sqrt(releases.map(|(sigma, steps)| steps / (sigma * sigma)).sum::<f64>())
}
