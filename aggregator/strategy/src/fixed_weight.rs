//! Weights as integers, for what is multiplied inside shares or ciphertexts.

use thiserror::Error;

/// Why weights were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum FixedWeightError {
    /// No weights.
    #[error("there are no weights")]
    Empty,
    /// A weight that is not a positive number.
    #[error("weight {index} must be positive and finite, got {got}")]
    Weight {
        /// 0-based.
        index: usize,
        /// The weight.
        got: f64,
    },
    /// Fewer bits than one unit for each weight.
    #[error("{units} units are too few for {weights} weights, each of at least one")]
    TooFewUnits {
        /// The total.
        units: u32,
        /// How many weights.
        weights: usize,
    },
}

/// Splits `units` in proportion to `weights`, each share at least one, the sum exactly `units`.
///
/// A sealed update is linear, so aggregators can multiply what they have of it by a public integer before they
/// add: the sum is then the weighted one, divided by `units` after opening. It costs ⌈log₂ max share⌉ bits of
/// the ring for each update, so `units` is best a small multiple of the number of updates.
///
/// One unit goes to each weight; of the others each gets ⌊weight/total·rest⌋, and what rounding leaves goes to
/// the largest remainders (Hamilton's method), the lower index first among equals. A share is off its exact
/// part of the rest by less than one.
///
/// # Errors
/// [`FixedWeightError`].
pub fn fixed_weights(weights: &[f64], units: u32) -> Result<Vec<u32>, FixedWeightError> {
    if weights.is_empty() {
        return Err(FixedWeightError::Empty);
    }
    let bad = |w: &f64| !(w.is_finite() && *w > 0.0);
    if let Some(index) = weights.iter().position(bad) {
        return Err(FixedWeightError::Weight { index, got: weights[index] });
    }
    let count = u32::try_from(weights.len()).ok().filter(|count| *count <= units);
    let too_few = FixedWeightError::TooFewUnits { units, weights: weights.len() };
    let rest = units - count.ok_or(too_few)?;
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let total: f64 = weights.iter().map(|w| w / largest).sum();
    let exact: Vec<f64> = weights.iter().map(|w| w / largest / total * f64::from(rest)).collect();
    let mut shares: Vec<u32> = exact.iter().map(|part| whole(*part)).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    let remainder = |index: usize| exact[index] - exact[index].floor();
    by_remainder.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)).then(a.cmp(b)));
    // Rounding of the quotients may leave the floors one above or a few below the rest.
    let mut left = i64::from(rest) - shares.iter().map(|share| i64::from(*share)).sum::<i64>();
    for &index in by_remainder.iter().cycle().take(2 * weights.len()) {
        if left > 0 {
            shares[index] += 1;
            left -= 1;
        } else if left < 0 && shares[index] > 0 {
            shares[index] -= 1;
            left += 1;
        }
    }
    shares.iter_mut().for_each(|share| *share += 1);
    Ok(shares)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 <= part <= u32::MAX; rounding down is what is wanted"
)]
const fn whole(part: f64) -> u32 {
    part as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_those_done_by_hand() {
        assert_eq!(fixed_weights(&[1.0, 1.0, 1.0], 3).unwrap(), [1, 1, 1]);
        // One each, then 7 in 1 : 1 : 2: 1.75, 1.75, 3.5.
        assert_eq!(fixed_weights(&[1.0, 1.0, 2.0], 10).unwrap(), [3, 3, 4]);
        assert_eq!(fixed_weights(&[f64::MAX, f64::MAX], 4).unwrap(), [2, 2]);
    }

    #[test]
    fn bad_weights_are_refused_with_a_sentence() {
        let check = |weights: &[f64], units, expected: &str| {
            assert_eq!(fixed_weights(weights, units).unwrap_err().to_string(), expected);
        };
        check(&[], 5, "there are no weights");
        check(&[1.0, 0.0], 5, "weight 1 must be positive and finite, got 0");
        check(&[1.0, 1.0], 1, "1 units are too few for 2 weights, each of at least one");
    }

    proptest! {
        #[test]
        fn shares_sum_exactly_and_are_near_their_part(
            weights in prop::collection::vec(1e-6_f64..1e6, 1..80),
            more in 0_u32..1_000_000,
        ) {
            let count = u32::try_from(weights.len()).unwrap();
            let shares = fixed_weights(&weights, count + more).unwrap();
            prop_assert_eq!(shares.iter().sum::<u32>(), count + more);
            let total: f64 = weights.iter().sum();
            for (share, weight) in shares.iter().zip(&weights) {
                let exact = 1.0 + weight / total * f64::from(more);
                prop_assert!((f64::from(*share) - exact).abs() < 1.0 + 1e-6);
            }
        }
    }
}
