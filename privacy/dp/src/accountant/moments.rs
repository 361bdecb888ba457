//! The Rényi divergence of one step: (α - 1) RDP(α) = ln E[ratio^α].

use libm::{exp, expm1, log, log1p};

use super::{
    Adjacency, Release,
    special::{LN_SQRT_TAU, ln_1p_exp, ln_add, ln_choose, ln_expm1, ln_normal_cdf},
};

/// Returns the RDP of one step of `release` at `order` > 1.
pub(super) fn rdp(release: &Release, order: f64) -> f64 {
    let (q, sigma) = (release.sampling.rate(), release.noise_over_sensitivity());
    if q == 0.0 {
        return 0.0;
    }
    let unsampled = order / (2.0 * sigma * sigma);
    if q >= 1.0 {
        return unsampled;
    }
    match release.sampling.adjacency() {
        Adjacency::AddOrRemove => poisson(q, sigma, order),
        Adjacency::ReplaceOne => {
            interpolated(order, |order| fixed_size(q, sigma, order)).min(unsampled)
        }
    }
}

/// Takes `cumulant(α)` = (α - 1) RDP(α), known at integers, to a fractional order.
///
/// The cumulant is convex in α and 0 at 1, so the chord between two integers is above it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "orders are checked to be in 1..=65536"
)]
pub(super) fn interpolated(order: f64, cumulant: impl Fn(u32) -> f64) -> f64 {
    let low = order.floor() as u32;
    let part = order - order.floor();
    let at = |order: u32| if order <= 1 { 0.0 } else { cumulant(order) };
    let value = if part == 0.0 { at(low) } else { (1.0 - part) * at(low) + part * at(low + 1) };
    value / (order - 1.0)
}

/// The Poisson-subsampled Gaussian; of the two directions the larger.
///
/// Source: Mironov, Talwar & Zhang 2019, "Rényi Differential Privacy of the Sampled Gaussian
/// Mechanism", §3.3: the finite sum for integer orders, the two series for the others.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "orders are checked to be in 1..=65536"
)]
fn poisson(q: f64, sigma: f64, order: f64) -> f64 {
    let cumulant = if order.fract() == 0.0 {
        ln_1p_exp(ln_excess_sum(q, sigma, order as u32))
    } else {
        ln_moment_series(q, sigma, order)
            .unwrap_or_else(|| ln_1p_exp(ln_excess_integral(q, sigma, order)))
    };
    cumulant.max(0.0) / (order - 1.0)
}

/// Most terms of a series; where it needs more (much noise at rates around one half) the integral is taken.
const TERMS_MAX: u32 = 10_000;

/// Returns an upper bound of ln E[ratio^α]: the binomial series below and above the point z₀ where the
/// mixture's two parts are equal, each term by its absolute value.
///
/// Terms beyond α alternate, so this is above the integral: by 10^-5 of itself at orders that give ε at small
/// rates, but by factors at low orders with much noise at rates around one half: the least order then is
/// one of the integers, whose sum is exact. The reference implementations compute this bound; with the integral the
/// cross-check would be tighter and its numbers nobody else's.
fn ln_moment_series(q: f64, sigma: f64, order: f64) -> Option<f64> {
    let (ln_q, ln_rest, variance) = (log(q), log1p(-q), sigma * sigma);
    let equal = variance * log(1.0 / q - 1.0) + 0.5;
    let (mut total, mut last) = (f64::NEG_INFINITY, (f64::INFINITY, f64::INFINITY));
    let mut ln_coefficient = 0.0;
    for index in 0..TERMS_MAX {
        let i = f64::from(index);
        let j = order - i;
        let below = i * ln_q + j * ln_rest + (i * i - i) / (2.0 * variance);
        let above = j * ln_q + i * ln_rest + (j * j - j) / (2.0 * variance);
        let below = ln_coefficient + below + ln_normal_cdf((equal - i) / sigma);
        let above = ln_coefficient + above + ln_normal_cdf((j - equal) / sigma);
        total = ln_add(total, ln_add(below, above));
        // e^-36 of the sum: 53 bits have no room for what comes.
        if below < last.0 && above < last.1 && below.max(above) < total - 36.0 {
            return Some(total);
        }
        last = (below, above);
        ln_coefficient += log((j / (i + 1.0)).abs());
    }
    None
}

/// Returns `ln(Σ_k C(α,k) (1-q)^(α-k) q^k e^((k²-k)/(2σ²)) - 1)`, the 1 taken out of each term: the
/// binomial weights add up to it, and it would swallow small divergences.
fn ln_excess_sum(q: f64, sigma: f64, order: u32) -> f64 {
    let (ln_q, ln_rest) = (log(q), log1p(-q));
    (2..=order).fold(f64::NEG_INFINITY, |sum, k| {
        let count = f64::from(k);
        let weight = ln_choose(order, k) + count * ln_q + f64::from(order - k) * ln_rest;
        ln_add(sum, weight + ln_expm1((count * count - count) / (2.0 * sigma * sigma)))
    })
}

/// Returns ln E[(1 + u)^α - 1 - αu], u = q(e^((2σt - 1)/(2σ²)) - 1), t ~ N(0, 1): E u = 0.
///
/// The trapezoidal rule on an integrand that is analytic within |Im t| < πσ and decays like a normal:
/// its error is about e^(-2π²σ/step), so below 10^-25 for a step of at most σ/3.
pub(super) fn ln_excess_integral(q: f64, sigma: f64, order: f64) -> f64 {
    let step = (sigma / 3.0).min(0.1);
    // The mass lies around 0 and around α/σ, where the ratio's growth meets the normal's decay.
    let (from, to) = (-14.0, order / sigma + 14.0);
    let (mut t, mut sum) = (from, f64::NEG_INFINITY);
    let mut index = 0_u32;
    while t < to {
        let power = (t - 0.5 / sigma) / sigma;
        sum = ln_add(sum, ln_power_excess(q, power, order) - 0.5 * t * t);
        index += 1;
        t = from + step * f64::from(index);
    }
    sum + log(step) - LN_SQRT_TAU
}

/// Returns ln((1 + u)^α - 1 - αu) with u = q(e^power - 1); -∞ where it rounds to nothing.
fn ln_power_excess(q: f64, power: f64, order: f64) -> f64 {
    if power > 300.0 {
        // (1 + u)^α alone, a little above the whole: u ≥ q e^300.
        return order * (log(q) + power + log1p((1.0 - q) / q * exp(-power)));
    }
    let u = q * expm1(power);
    let excess = if order * u.abs() < 1e-3 {
        // The binomial series; the next term is below (αu)³/60 of the sum.
        let (a, b) = ((order - 2.0) / 3.0, (order - 3.0) / 4.0);
        0.5 * order * (order - 1.0) * u * u * (1.0 + a * u * (1.0 + b * u))
    } else {
        let whole = order * log1p(u);
        if whole > 600.0 {
            return whole;
        }
        expm1(whole) - order * u
    };
    if excess > 0.0 { log(excess) } else { f64::NEG_INFINITY }
}

/// Returns (α - 1) RDP(α) of sampling without replacement, `sigma` over the sensitivity of replacement.
///
/// Source: Wang, Balle & Kasiviswanathan 2019, "Subsampled Rényi Differential Privacy and Analytical
/// Moments Accountant", Theorem 9, for a mechanism whose ε(∞) is infinite.
fn fixed_size(q: f64, sigma: f64, order: u32) -> f64 {
    let base = |order: u32| f64::from(order) / (2.0 * sigma * sigma);
    let ln_q = log(q);
    let two = base(2);
    let second = (log(4.0) + ln_expm1(two)).min(std::f64::consts::LN_2 + two);
    let first = 2.0 * ln_q + ln_choose(order, 2) + second;
    let excess = (3..=order).fold(first, |sum, j| {
        let term = std::f64::consts::LN_2
            + f64::from(j) * ln_q
            + ln_choose(order, j)
            + f64::from(j - 1) * base(j);
        ln_add(sum, term)
    });
    ln_1p_exp(excess)
}
