//! Stochastic rounding of a whole vector, conditioned on its norm.

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::keystream::{BLOCK_ELEMENTS, Keystream};

/// Attempts before a vector is rounded towards zero instead. One is accepted with probability at
/// least 1 − e^(−1/2) = 0.39, so all fail with probability at most 0.607^128 < 2^−92.
const ATTEMPTS_MAX: usize = 128;

/// 1.5 · 2^23: adding it to |x| < 2^22 leaves x, rounded to the nearest integer, in the low bits.
const NEAREST: f32 = 12_582_912.0;

/// Rounds each of `exact` up with the probability of its fraction, again and again until the squared
/// norm of the result is at most `norm_squared_max`: the L2 norm of what is returned is bounded with
/// certainty.
///
/// The fraction is taken to 16 bits, to nearest, so that a coordinate's rounding error has a mean of at
/// most 2^−17 (before conditioning) instead of zero; 2^−17 · √d is below 0.025 for d = 10⁷, beside a
/// norm of at least 16.
///
/// `room` is the number of values that the caller appends. The result is zeroised by the caller ([`crate::QuantizedUpdate`]).
///
/// Source: Kairouz, Liu & Steinke 2021, §4 (conditional randomised rounding).
pub(crate) fn round(
    exact: &[f32],
    room: usize,
    norm_squared_max: u64,
    rng: &mut impl CryptoRng,
) -> Vec<i32> {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill_bytes(key.as_mut());
    let mut keystream = Keystream::new(&key, 0);
    // With room for what is appended: growing would leave an unzeroised copy behind.
    let mut rounded = Vec::with_capacity(exact.len() + room);
    rounded.resize(exact.len(), 0);
    for _ in 0..ATTEMPTS_MAX {
        if attempt(exact, &mut keystream, &mut rounded) <= norm_squared_max {
            return rounded;
        }
    }
    for (value, exact) in rounded.iter_mut().zip(exact) {
        *value = truncated(*exact);
    }
    rounded
}

/// Rounds once; the squared norm.
fn attempt(exact: &[f32], keystream: &mut Keystream, rounded: &mut [i32]) -> u64 {
    let blocks = exact.chunks(BLOCK_ELEMENTS).zip(rounded.chunks_mut(BLOCK_ELEMENTS));
    blocks
        .map(|(exact, rounded)| {
            let uniform = keystream.words::<2>(exact.len());
            for ((value, exact), uniform) in rounded.iter_mut().zip(exact).zip(uniform) {
                *value = round_one(*exact, u16::from_le_bytes(*uniform));
            }
            rounded.iter().map(square).sum::<u64>()
        })
        .sum()
}

/// The nearest integer, plus −1, 0 or 1: the signed fraction g, 16 bits in −2^15..=2^15, and `uniform` carry
/// into bit 16 with probability |g| / 2^16. For |exact| < 2^22.
#[inline(always)]
fn round_one(exact: f32, uniform: u16) -> i32 {
    let biased = exact + NEAREST;
    let fraction = (exact - (biased - NEAREST)) * 65_536.0;
    (nearest_bits(biased)) + ((nearest_bits(fraction + NEAREST) + i32::from(uniform)) >> 16)
}

/// The integer that adding [`NEAREST`] left in the low bits.
#[inline(always)]
const fn nearest_bits(biased: f32) -> i32 {
    biased.to_bits().wrapping_sub(NEAREST.to_bits()).cast_signed()
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "|value| < 2^22 by the parameters' range")]
fn truncated(value: f32) -> i32 {
    value as i32
}

#[inline(always)]
fn square(value: &i32) -> u64 {
    let magnitude = u64::from(value.unsigned_abs());
    magnitude * magnitude
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    #[test]
    fn every_draw_gives_a_neighbour_and_their_mean_is_the_value() {
        for exact in [0.0, 0.3, -0.3, 0.5, -0.999_999, 7.25, -1234.75, 2_097_151.5, -3.0] {
            let draws = (0..=u16::MAX).map(|uniform| i64::from(round_one(exact, uniform)));
            let (mut sum, floor) = (0, f64::from(exact).floor());
            for draw in draws {
                #[expect(clippy::cast_precision_loss, reason = "small integers")]
                let above = draw as f64 - floor;
                assert!((0.0..=1.0).contains(&above), "{exact} to {draw}");
                sum += draw;
            }
            #[expect(clippy::cast_precision_loss, reason = "below 2^41")]
            let mean = sum as f64 / 65_536.0;
            assert!((mean - f64::from(exact)).abs() <= 2_f64.powi(-17), "{exact}: mean {mean}");
        }
    }

    #[test]
    fn the_norm_is_bounded_with_certainty_and_the_bound_bites() {
        // 0.5 in each of 64 coordinates: an unconditional squared norm is Binomial(64, 1/2).
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let exact = [0.5_f32; 64];
        let squared = |v: &[i32]| v.iter().map(square).sum::<u64>();
        let free = (0..200).filter(|_| squared(&round(&exact, 0, 64, &mut rng)) > 32).count();
        // Binomial(200, 0.45): 90 ± 7; six deviations.
        assert!((48..132).contains(&free), "{free}");
        for _ in 0..200 {
            assert!(squared(&round(&exact, 0, 32, &mut rng)) <= 32);
        }
    }

    #[test]
    fn what_no_attempt_can_satisfy_is_rounded_towards_zero() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(round(&[1.5, -2.5], 0, 5, &mut rng), [1, -2]);
        assert_eq!(round(&[1.999, -2.999], 0, 1, &mut rng), [1, -2]);
    }
}
