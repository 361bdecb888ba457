//! The discrete Gaussian from a table that every draw reads whole.

use rand::CryptoRng;

use super::{IntegerNoise, NoiseError, checked_std};

/// Noise with P(x) ∝ e^(-x²/(2σ²)) from a cumulative table, in time that does not depend on the value.
///
/// * σ in 0.5..=32: a draw compares one random word with all 13σ entries (about 100 at σ = 8).
/// * Constant-time: which entries are read, and how often, is the same for every value; comparisons are
///   borrows of a subtraction, not branches. A word beyond the table's total is drawn again, which says
///   nothing about the value. The compiler is trusted to keep it so; it is not verified per release.
/// * Error: the table is fixed-point arithmetic on 127 bits (no floating point); statistical distance from
///   the discrete Gaussian is below 2^-96 per draw: 13σ entries, each off by at most
///   i² · 2^-119 · P(i) + i · 2^-120, and the tail cut where e^(-i²/(2σ²)) < 2^-120.
///
/// Threat: somebody who times draws on the same machine (Jin et al. 2022, §5).
#[derive(Debug, Clone, PartialEq)]
pub struct TabledGaussian {
    std: f64,
    /// `cumulative[i]` is the weight of all |x| ≤ i; the last one is the total.
    pub(super) cumulative: Vec<u128>,
    /// As many low bits of a random word as the total has.
    mask: u128,
}

/// Largest σ: a table of 13 · 32 entries is 6.5 KiB and stays in the first cache.
const TABLED_STD_MAX: f64 = 32.0;

/// One, in the fixed point of this file.
const ONE: u128 = 1 << 127;

/// Weights lose 7 bits, so that a total of √(2π)·32 < 2^7 of them fits.
const WEIGHT_SHIFT: u32 = 7;

impl TabledGaussian {
    /// Builds the table of standard deviation σ.
    ///
    /// # Errors
    /// [`NoiseError::Std`] outside 0.5..=32 or for NaN.
    pub fn new(std: f64) -> Result<Self, NoiseError> {
        let std = checked_std(std, TABLED_STD_MAX)?;
        let ratio = exp_minus(half_over_square(std));
        let square = times(ratio, ratio);
        // e^(-i²/(2σ²)) = Π_{j ≤ i} r^(2j - 1) with r = e^(-1/(2σ²)).
        let (mut power, mut factor) = (ONE, ratio);
        let mut total = ONE >> WEIGHT_SHIFT;
        let mut cumulative = vec![total];
        loop {
            power = times(power, factor);
            factor = times(factor, square);
            let weight = power >> (WEIGHT_SHIFT - 1);
            if power >> WEIGHT_SHIFT == 0 {
                break;
            }
            total += weight;
            cumulative.push(total);
        }
        let mask = u128::MAX >> total.leading_zeros();
        Ok(Self { std, cumulative, mask })
    }
}

impl IntegerNoise for TabledGaussian {
    fn std(&self) -> f64 {
        self.std
    }

    fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        let total = self.cumulative.last().copied().unwrap_or(ONE);
        loop {
            let word = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) & self.mask;
            let sign = i64::from(rng.next_u32() & 1);
            let magnitude: i64 =
                self.cumulative.iter().map(|of| i64::from(!word.overflowing_sub(*of).1)).sum();
            if word < total {
                // Two's complement without a branch: x, or -x where sign is 1.
                return (magnitude ^ -sign) + sign;
            }
        }
    }
}

/// Returns the product of two fixed-point numbers of at most one, rounded down.
fn times(a: u128, b: u128) -> u128 {
    const LOW: u128 = (1 << 64) - 1;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let (middle, carry) = (a1 * b0).overflowing_add(a0 * b1);
    let low = (a0 * b0) >> 64;
    let (middle, carried) = middle.overflowing_add(low);
    let carry = (u128::from(carry) + u128::from(carried)) << 64;
    let high = a1 * b1 + (middle >> 64) + carry;
    (high << 1) | ((middle >> 63) & 1)
}

/// Returns 1/(2σ²), at most 2, in units of 1/4 of [`ONE`]: a quarter of it as fixed point.
fn half_over_square(std: f64) -> u128 {
    // σ = significand · 2^-point exactly, with 47 <= point <= 53 for σ in 0.5..=32.
    let bits = std.to_bits();
    let significand = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
    let point = 1075 - ((bits >> 52) & 0x7ff);
    let square = significand * significand;
    // 1/(8σ²) = 2^(2 point - 3) / square, by long division; below 1/2, so the first bit is of ONE/2.
    let mut rest: u128 = 1 << (2 * point - 3);
    let mut quotient = rest / square;
    rest %= square;
    for _ in 0..127 {
        rest <<= 1;
        let bit = u128::from(rest >= square);
        rest -= square * bit;
        quotient = (quotient << 1) | bit;
    }
    quotient
}

/// Returns e^(-4 `quarter`), `quarter` at most 1/2, by its series.
fn exp_minus(quarter: u128) -> u128 {
    let (mut term, mut sum, mut n) = (ONE, ONE, 0_u128);
    while term > 0 {
        n += 1;
        term = times(term, quarter) / n;
        sum = if n % 2 == 1 { sum - term } else { sum + term };
    }
    let square = times(sum, sum);
    times(square, square)
}
