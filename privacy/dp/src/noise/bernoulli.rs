//! Coins of rational and of exponential bias, exact: integers decide.
//!
//! Source: Canonne, Kamath & Steinke 2020, "The Discrete Gaussian for Differential Privacy",
//! Algorithms 1 and 2; von Neumann's alternating comparison behind them.

use rand::CryptoRng;

/// Is true with probability `numerator` / `denominator` exactly, where 0 ≤ numerator ≤ denominator.
///
/// Compares an infinite stream of random 64-bit digits with the quotient's digits; the next digit is
/// drawn only where all before were equal (probability 2^-64 each).
pub(super) fn ratio(numerator: u64, denominator: u64, rng: &mut impl CryptoRng) -> bool {
    if numerator >= denominator {
        return true;
    }
    let denominator = u128::from(denominator);
    let mut rest = u128::from(numerator);
    loop {
        let below = u128::from(rng.next_u64()) * denominator;
        let wanted = rest << 64;
        if below >= wanted {
            return false;
        }
        if wanted - below >= denominator {
            return true;
        }
        rest = wanted - below;
    }
}

/// Is uniform in `0..bound`, exactly; `bound` > 0.
///
/// Source: Lemire 2019, "Fast Random Integer Generation in an Interval".
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a product are wanted")]
pub(super) fn below(bound: u64, rng: &mut impl CryptoRng) -> u64 {
    let mut product = u128::from(rng.next_u64()) * u128::from(bound);
    if (product as u64) < bound {
        let threshold = bound.wrapping_neg() % bound;
        while (product as u64) < threshold {
            product = u128::from(rng.next_u64()) * u128::from(bound);
        }
    }
    (product >> 64) as u64
}

/// Is true with probability one half.
pub(super) fn half(rng: &mut impl CryptoRng) -> bool {
    rng.next_u32() & 1 == 1
}

/// Is true with probability e^-γ, where `coin` is true with probability γ in 0..=1.
pub(super) fn exp_minus<R: CryptoRng>(mut coin: impl FnMut(&mut R) -> bool, rng: &mut R) -> bool {
    let mut trial = 1_u64;
    while coin(rng) && ratio(1, trial, rng) {
        trial += 1;
    }
    trial % 2 == 1
}

/// Is true with probability e^(-1/2).
pub(super) fn exp_minus_half(rng: &mut impl CryptoRng) -> bool {
    exp_minus(half, rng)
}

/// Is true with probability e^-γ for any γ ≥ 0 that is finite.
///
/// The fraction of `gamma` is cut to a multiple of 2^-63; beyond that, exact.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction times 2^63 is a non-negative integer below 2^63"
)]
pub(super) fn exp_minus_real<R: CryptoRng>(gamma: f64, rng: &mut R) -> bool {
    let whole = gamma.floor();
    let fraction = ((gamma - whole) * TWO_63) as u64;
    let mut left = whole;
    while left > 0.0 {
        if !exp_minus(|_| true, rng) {
            return false;
        }
        left -= 1.0;
    }
    exp_minus(|rng: &mut R| ratio(fraction, 1 << 63, rng), rng)
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Draws from the discrete Laplace distribution, P(x) ∝ e^(-|x|/scale), exactly; `scale` ≥ 1.
pub(super) fn discrete_laplace<R: CryptoRng>(scale: u64, rng: &mut R) -> i64 {
    loop {
        let low = below(scale, rng);
        if !exp_minus(|rng: &mut R| ratio(low, scale, rng), rng) {
            continue;
        }
        let mut high = 0_u64;
        while exp_minus(|_| true, rng) {
            high += 1;
        }
        let magnitude = i64::try_from(low + scale.saturating_mul(high)).unwrap_or(i64::MAX);
        let negative = half(rng);
        if !(negative && magnitude == 0) {
            return if negative { -magnitude } else { magnitude };
        }
    }
}
