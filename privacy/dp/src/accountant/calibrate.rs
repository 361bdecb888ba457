//! The least noise that keeps a promise.

use libm::{exp, log};

use super::{
    Accountant, AccountantError, NOISE_MULTIPLIER, Release, Sampling, check_delta, epsilon,
};

/// What a whole training may reveal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// At most this ε, > 0.
    pub epsilon: f64,
    /// At this δ, in 0..1.
    pub delta: f64,
}

/// How near the least multiplier the result is, relative: below the accountants' own slack.
const TOLERANCE: f64 = 1e-5;

/// Returns the least noise multiplier, within 10^-5 of itself and never below, whose `steps` releases
/// meet `target`.
///
/// # Errors
/// What of the input is out of range, by name; [`AccountantError::Unreachable`] if even 10^6 is too
/// little.
pub fn noise_multiplier(
    target: Target,
    sampling: Sampling,
    steps: u64,
    accountant: Accountant,
) -> Result<f64, AccountantError> {
    if !(target.epsilon.is_finite() && target.epsilon > 0.0) {
        return Err(AccountantError::Epsilon { got: target.epsilon });
    }
    check_delta(target.delta)?;
    let at = |noise_multiplier: f64| {
        let release = Release { sampling, noise_multiplier, steps };
        epsilon(&[release], target.delta, accountant)
    };
    // ε falls as noise grows; the search is over logarithms, along which it is nearly straight.
    let (mut low, mut high) = bracket(target, &at)?;
    if low.sigma >= high.sigma {
        return Ok(high.sigma);
    }
    while high.sigma > low.sigma * (1.0 + TOLERANCE) {
        let sigma = between(&low, &high, target.epsilon);
        let point = Point { sigma, epsilon: at(sigma)? };
        if point.epsilon > target.epsilon {
            low = point;
        } else {
            high = point;
        }
    }
    Ok(high.sigma)
}

struct Point {
    sigma: f64,
    epsilon: f64,
}

/// Finds a multiplier that is too little and one that suffices, a factor of two apart.
fn bracket(
    target: Target,
    at: &impl Fn(f64) -> Result<f64, AccountantError>,
) -> Result<(Point, Point), AccountantError> {
    let (least, most) = NOISE_MULTIPLIER.into_inner();
    let start = Point { sigma: 1.0, epsilon: at(1.0)? };
    let (mut low, mut high) = if start.epsilon > target.epsilon {
        (start, None)
    } else {
        (Point { sigma: f64::NAN, epsilon: f64::NAN }, Some(start))
    };
    loop {
        let sigma = match &high {
            Some(high) if low.sigma.is_nan() => (0.5 * high.sigma).max(least),
            Some(_) => break,
            None => (2.0 * low.sigma).min(most),
        };
        let point = Point { sigma, epsilon: at(sigma)? };
        match (point.epsilon > target.epsilon, &high) {
            (true, None) if sigma >= most => {
                return Err(AccountantError::Unreachable {
                    epsilon: target.epsilon,
                    delta: target.delta,
                });
            }
            (true, _) => low = point,
            (false, _) if sigma <= least => {
                low = Point { sigma, epsilon: point.epsilon };
                high = Some(point);
            }
            (false, _) => high = Some(point),
        }
    }
    let high =
        high.ok_or(AccountantError::Unreachable { epsilon: target.epsilon, delta: target.delta })?;
    Ok((low, high))
}

/// Interpolates ln σ where ln ε meets the target, kept off the ends by a tenth of the tolerance.
fn between(low: &Point, high: &Point, epsilon: f64) -> f64 {
    let (from, to) = (log(low.sigma), log(high.sigma));
    let part = (log(low.epsilon) - log(epsilon)) / (log(low.epsilon) - log(high.epsilon));
    let part = if part.is_finite() { part } else { 0.5 };
    // Stepping past the secant by a little brackets the root from both sides in few steps.
    let nudge = 0.4 * TOLERANCE;
    let guess = exp(from + part.clamp(0.0, 1.0) * (to - from));
    let middle = exp(0.5 * (from + to));
    let shifted = if part < 0.5 { guess * (1.0 + nudge) } else { guess * (1.0 - nudge) };
    if shifted > low.sigma && shifted < high.sigma { shifted } else { middle }
}
