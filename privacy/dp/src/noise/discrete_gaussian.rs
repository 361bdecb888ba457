//! The discrete Gaussian, exact for every standard deviation that an `f64` can name.

use rand::CryptoRng;

use super::{
    IntegerNoise, NoiseError, STD_MAX,
    bernoulli::{below, exp_minus, exp_minus_half, half, ratio},
    checked_std,
};

/// Noise with P(x) ∝ e^(-x²/(2σ²)) over the integers, sampled exactly.
///
/// * σ in 0.5..=2^20, taken as the exact dyadic rational that the `f64` is.
/// * Exact: the only decisions are comparisons of integers below 2^128 with random words.
/// * Not constant-time: see the module's threats.
///
/// Its privacy is that of the continuous Gaussian: ρ = Δ²/(2σ²) of zero-concentrated DP (Canonne,
/// Kamath & Steinke 2020, Theorem 4). Its variance is at most σ² (ibid., Corollary 9).
///
/// Source: Karney 2016, "Sampling Exactly from the Normal Distribution", §6 (the discrete case with
/// mean zero). Canonne et al.'s Algorithm 3 has the same output; its exponent (|y| - σ²/t)²/(2σ²)
/// has 200-bit numerators for a σ of 53 bits, whereas here every comparison is with x = |i|/σ - k
/// in 0..1, a fraction of two words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscreteGaussian {
    std: f64,
    /// σ = `numerator` / 2^`shift`, `numerator` < 2^53.
    numerator: u64,
    shift: u32,
    /// ⌈σ⌉: no interval kσ..(k+1)σ has more integers.
    slots: u64,
}

impl DiscreteGaussian {
    /// Takes the standard deviation σ (of the continuous Gaussian; the discrete one's is not larger).
    ///
    /// # Errors
    /// [`NoiseError::Std`] outside 0.5..=2^20 or for NaN.
    pub fn new(std: f64) -> Result<Self, NoiseError> {
        let std = checked_std(std, STD_MAX)?;
        let bits = std.to_bits();
        // A normal f64: 1.fraction × 2^(exponent - 1023), and -1 <= exponent - 1023 <= 20.
        let significand = (bits & ((1 << 52) - 1)) | (1 << 52);
        let exponent = (bits >> 52) & 0x7ff;
        let zeros = significand.trailing_zeros();
        // 2^-point is the unit of the significand's last bit that is set: it may be above one.
        let point = 1075_i64 - i64::from(zeros) - exponent.cast_signed();
        let odd = significand >> zeros;
        let shift = u32::try_from(point).unwrap_or(0);
        let numerator = if point < 0 { odd << point.unsigned_abs() } else { odd };
        let slots = numerator.div_ceil(1 << shift);
        Ok(Self { std, numerator, shift, slots })
    }

    /// Returns what is drawn in one attempt: an integer of interval `k`, uniform over `slots`.
    fn attempt<R: CryptoRng>(&self, rng: &mut R) -> Option<i64> {
        let k = interval(rng);
        let start = u128::from(k) * u128::from(self.numerator);
        let first = (start + (1 << self.shift) - 1) >> self.shift;
        let magnitude = first + u128::from(below(self.slots, rng));
        // x = magnitude/σ - k in units of 1/numerator.
        let x = u64::try_from((magnitude << self.shift) - start).ok()?;
        let negative = half(rng);
        if x >= self.numerator || (negative && magnitude == 0) {
            return None;
        }
        let accepted = (0..=k).all(|_| exp_minus(|rng: &mut R| self.coin(k, x, rng), rng));
        let magnitude = i64::try_from(magnitude).ok().filter(|_| accepted)?;
        Some(if negative { -magnitude } else { magnitude })
    }

    /// Is true with probability x(2k + x)/(2k + 2), `x` in units of 1/numerator.
    ///
    /// k + 1 successes of e^-that are one of e^(-x(2k + x)/2), which is what e^(-(k + x)²/2) has left
    /// over e^(-k²/2).
    fn coin(&self, k: u64, x: u64, rng: &mut impl CryptoRng) -> bool {
        if !ratio(x, self.numerator, rng) {
            return false;
        }
        let side = below(2 * k + 2, rng);
        side < 2 * k || (side == 2 * k && ratio(x, self.numerator, rng))
    }
}

impl IntegerNoise for DiscreteGaussian {
    fn std(&self) -> f64 {
        self.std
    }

    fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        loop {
            if let Some(value) = self.attempt(rng) {
                return value;
            }
        }
    }
}

/// Draws k ≥ 0 with probability ∝ e^(-k²/2): geometric with e^(-1/2), kept with e^(-k(k-1)/2).
fn interval(rng: &mut impl CryptoRng) -> u64 {
    loop {
        let mut k = 0_u64;
        while exp_minus_half(rng) {
            k += 1;
        }
        if (0..k * k.saturating_sub(1)).all(|_| exp_minus_half(rng)) {
            return k;
        }
    }
}
