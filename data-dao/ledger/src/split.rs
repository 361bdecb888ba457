//! The exact split of an amount: the parts sum to the whole, to the last unit.

use thiserror::Error;

/// Why an amount cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// No weight is above zero, so nobody can take the amount.
    #[error("all {count} weights are zero")]
    ZeroWeights {
        /// How many weights there are.
        count: usize,
    },
    /// The weights do not fit 128 bits together.
    #[error("the sum of the weights exceeds 128 bits")]
    WeightOverflow,
}

/// Splits `total` in proportion to `weights` by the largest-remainder rule (Hamilton): each gets
/// its exact share rounded down, then the units that are left go one each to those with the
/// largest remainders, of equal remainders to the earlier.
///
/// Returns one part per weight, in the same order; they sum to `total`, and a weight of zero gets
/// nothing.
///
/// # Errors
/// [`SplitError`].
///
/// # Panics
/// Never: fewer units are left over than there are weights.
pub fn split(total: u128, weights: &[u128]) -> Result<Vec<u128>, SplitError> {
    let sum = weights
        .iter()
        .try_fold(0_u128, |sum, weight| sum.checked_add(*weight))
        .ok_or(SplitError::WeightOverflow)?;
    if sum == 0 {
        return Err(SplitError::ZeroWeights { count: weights.len() });
    }
    let shares: Vec<(u128, u128)> =
        weights.iter().map(|weight| times_over(total, *weight, sum)).collect();
    let mut parts: Vec<u128> = shares.iter().map(|(part, _)| *part).collect();
    let left = total - parts.iter().sum::<u128>();
    let left = usize::try_from(left).expect("fewer units are left than there are weights");
    let mut order: Vec<usize> = (0..weights.len()).collect();
    // A stable sort: equal remainders stay in the order of the weights.
    order.sort_by(|a, b| shares[*b].1.cmp(&shares[*a].1));
    for index in order.into_iter().take(left) {
        parts[index] += 1;
    }
    Ok(parts)
}

/// ⌊total · percent / 100⌋, without overflow. Rounded down: the remainder stays with the others.
///
/// * `percent` — 0 to 100; more counts as 100.
#[must_use]
pub fn part(total: u128, percent: u8) -> u128 {
    times_over(total, u128::from(percent.min(100)), 100).0
}

/// Quotient and remainder of `total · weight / sum` for `weight ≤ sum`, `sum > 0`.
///
/// By doubling, bit by bit of `total`: the product needs 256 bits, the quotient and every
/// intermediate value fit 128.
fn times_over(total: u128, weight: u128, sum: u128) -> (u128, u128) {
    debug_assert!(weight <= sum && sum > 0, "a weight is a part of the sum");
    let (mut quotient, mut remainder) = (0_u128, 0_u128);
    let add = |remainder: u128, value: u128| {
        // `remainder < sum` and `value ≤ sum`: the sum of both is compared without adding.
        if remainder >= sum - value {
            (1, remainder - (sum - value))
        } else {
            (0, remainder + value)
        }
    };
    for bit in (0..128 - total.leading_zeros()).rev() {
        let (carry, doubled) = add(remainder, remainder);
        quotient = quotient * 2 + carry;
        remainder = doubled;
        if total >> bit & 1 == 1 {
            let (carry, added) = add(remainder, weight);
            quotient += carry;
            remainder = added;
        }
    }
    (quotient, remainder)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(total: u128, weights: &[u128], expected: &[u128]) {
        assert_eq!(split(total, weights).unwrap(), expected, "{total} over {weights:?}");
    }

    #[test]
    fn units_left_go_to_the_largest_remainders_then_to_the_earlier() {
        check(100, &[1, 1, 1], &[34, 33, 33]);
        check(10, &[3, 3, 4], &[3, 3, 4]);
        check(5, &[1, 2], &[2, 3]);
        check(1, &[1, 1], &[1, 0]);
        check(7, &[0, 5, 0], &[0, 7, 0]);
        check(0, &[1, 2], &[0, 0]);
        check(10, &[6, 3, 2], &[5, 3, 2]);
    }

    #[test]
    fn the_largest_amounts_do_not_overflow() {
        check(u128::MAX, &[u128::MAX], &[u128::MAX]);
        check(u128::MAX, &[u128::MAX - 1, 1], &[u128::MAX - 1, 1]);
        check(u128::MAX, &[1, 1], &[u128::MAX / 2 + 1, u128::MAX / 2]);
        assert_eq!(split(1, &[u128::MAX, 1]), Err(SplitError::WeightOverflow));
    }

    #[test]
    fn nobody_to_take_it_is_an_error() {
        assert_eq!(split(1, &[]), Err(SplitError::ZeroWeights { count: 0 }));
        assert_eq!(split(0, &[0, 0]), Err(SplitError::ZeroWeights { count: 2 }));
    }

    #[test]
    fn parts_of_a_hundred_are_rounded_down() {
        assert_eq!(part(199, 10), 19);
        assert_eq!(part(u128::MAX, 100), u128::MAX);
        assert_eq!(part(5, 0), 0);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_are_within_one_of_the_exact_share(
            total in 0_u128..1 << 60,
            weights in proptest::collection::vec(0_u128..1 << 60, 1..20),
        ) {
            let sum: u128 = weights.iter().sum();
            prop_assume!(sum > 0);
            let parts = split(total, &weights).unwrap();
            prop_assert_eq!(parts.iter().sum::<u128>(), total);
            for (part, weight) in parts.iter().zip(&weights) {
                let exact = total * weight / sum;
                prop_assert!(*part == exact || *part == exact + 1);
                prop_assert!(*weight > 0 || *part == 0);
            }
        }

        #[test]
        fn any_amount_and_weights_split_exactly(
            total: u128,
            weights in proptest::collection::vec(0..u128::MAX / 20, 1..20),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = split(total, &weights).unwrap();
            let sum = parts.iter().try_fold(0_u128, |sum, part| sum.checked_add(*part));
            prop_assert_eq!(sum, Some(total));
        }

        #[test]
        fn long_division_is_that_of_small_numbers(total: u64, weight: u32, more: u32) {
            let (total, weight) = (u128::from(total), u128::from(weight));
            let sum = weight + u128::from(more) + 1;
            let product = total * weight;
            prop_assert_eq!(times_over(total, weight, sum), (product / sum, product % sum));
        }
    }
}
