//! Functions of the normal distribution, and sums of logarithms.

use libm::{erfc, exp, expm1, lgamma, log, log1p, sqrt};

/// ln √(2π).
pub(super) const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;

/// Returns P(N(0, 1) ≤ x), accurate in the lower tail.
pub(super) fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Returns ln P(N(0, 1) ≤ x), also where the probability underflows.
pub(super) fn ln_normal_cdf(x: f64) -> f64 {
    if x > -30.0 {
        return log(normal_cdf(x));
    }
    // Abramowitz & Stegun 26.2.12; at 30 the next term is below 10^-11 of the sum.
    let inverse = 1.0 / (x * x);
    let series = inverse * (-1.0 + inverse * (3.0 + inverse * (-15.0 + inverse * 105.0)));
    -0.5 * x * x - log(-x) - LN_SQRT_TAU + log1p(series)
}

/// Returns z > 0 such that P(N(0, 1) > z) ≤ e^`ln_tail`, not much larger than needed.
pub(super) fn normal_tail_reach(ln_tail: f64) -> f64 {
    // P(N > z) ≤ e^(-z²/2) / 2.
    sqrt((-2.0 * (ln_tail + std::f64::consts::LN_2)).max(0.0))
}

/// Returns ln(e^a + e^b).
pub(super) fn ln_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY || high == f64::INFINITY {
        high
    } else {
        high + log1p(exp(low - high))
    }
}

/// Returns ln(e^x - 1) for x > 0.
pub(super) fn ln_expm1(x: f64) -> f64 {
    if x > 40.0 { x } else { log(expm1(x)) }
}

/// Returns ln(1 + e^x).
pub(super) fn ln_1p_exp(x: f64) -> f64 {
    if x > 40.0 { x } else { log1p(exp(x)) }
}

/// Returns ln of the binomial coefficient.
pub(super) fn ln_choose(n: u32, k: u32) -> f64 {
    let ln_factorial = |n: u32| lgamma(f64::from(n) + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}
