//! Softmax and its cross-entropy.

/// Beyond it `exp` is below the smallest normal number; it keeps the exponent in range.
const EXPONENT_MIN: f32 = -87.0;

/// Beyond it `exp` overflows.
const EXPONENT_MAX: f32 = 88.0;

/// `exp`, within 2 units in the last place of its result for arguments from −87 to 88, beyond which
/// it stays where it is. Sums and products alone, so that it is the same on every machine.
///
/// The argument is `n · ln 2 + r` with |r| ≤ ln 2 / 2; `2ⁿ` is put together from bits, and `exp r`
/// is its Taylor polynomial of degree 7, whose next term is below 10⁻⁸.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// The upper bits of ln 2, so few that `n · LN_2_HIGH` is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    /// ln 2 less its upper bits.
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(EXPONENT_MIN, EXPONENT_MAX);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let series = [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let value = series.into_iter().fold(0.0, |sum: f32, term| sum * r + term);
    value * power_of_two(n)
}

/// `2ⁿ` for a whole `n` from −126 to 127.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a whole number within ±127")]
fn power_of_two(n: f32) -> f32 {
    f32::from_bits((n as i32 + 127).cast_unsigned() << 23)
}

/// Turns the outputs of an example into the gradient of `scale` times its cross-entropy.
///
/// * `row` — `[classes]`, the outputs before the softmax; the gradient afterwards.
///
/// Returns the cross-entropy, not scaled.
pub(super) fn cross_entropy_gradient(row: &mut [f32], label: usize, scale: f32) -> f64 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let logit = f64::from(row[label]) - f64::from(largest);
    let mut sum = 0.0;
    for value in &mut *row {
        *value = exp(*value - largest);
        sum += *value;
    }
    let factor = scale / sum;
    row.iter_mut().for_each(|value| *value *= factor);
    row[label] -= scale;
    f64::from(sum).ln() - logit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        for step in -8_600..8_800_i16 {
            let x = f32::from(step) / 100.0;
            let expected = f64::from(x).exp();
            let relative = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(relative < 2.4e-7, "{x}: {relative}");
        }
        assert!(exp(0.0).to_bits() == 1.0_f32.to_bits());
        assert!(exp(-1e30) < 1e-37 && exp(1e30).is_finite());
    }

    #[test]
    fn the_gradient_is_the_probability_less_the_target() {
        let mut row = [1.0, 2.0, 0.5];
        let loss = cross_entropy_gradient(&mut row, 1, 0.5);
        let sum: f64 = [1.0_f64, 2.0, 0.5].iter().map(|x| x.exp()).sum();
        assert!((loss - (sum.ln() - 2.0)).abs() < 1e-6);
        let expected = [1.0_f64.exp() / sum, 2.0_f64.exp() / sum - 1.0, 0.5_f64.exp() / sum];
        for (got, expected) in row.iter().zip(expected) {
            assert!((f64::from(*got) - 0.5 * expected).abs() < 1e-7);
        }
    }
}
