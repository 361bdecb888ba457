//! The prime field of 2^61 − 1 elements, over which keys are shared.

/// The Mersenne prime 2^61 − 1: a product of two elements fits 122 bits, reduction is a shift and an
/// add, and a linear form of a key with 43-bit coefficients stays below half of it (see the probe).
pub(crate) const PRIME: u64 = (1 << 61) - 1;

/// Bits of an element on the wire.
pub(crate) const ELEMENT_BITS: u8 = 61;

/// `value` modulo 2^61 − 1, for any `value` below 2^122, without a branch.
#[expect(clippy::cast_possible_truncation, reason = "masked to 61 bits, or below 2^61")]
const fn reduced(value: u128) -> u64 {
    let folded = (value as u64 & PRIME) + (value >> 61) as u64;
    conditional_subtract(folded)
}

/// `value` minus the prime where it is not below it, for `value` below twice the prime.
const fn conditional_subtract(value: u64) -> u64 {
    let (difference, borrow) = value.overflowing_sub(PRIME);
    // All ones if the subtraction went below zero.
    let below = (borrow as u64).wrapping_neg();
    (difference & !below) | (value & below)
}

pub(crate) const fn add(left: u64, right: u64) -> u64 {
    conditional_subtract(left + right)
}

pub(crate) const fn subtract(left: u64, right: u64) -> u64 {
    conditional_subtract(left + PRIME - right)
}

pub(crate) const fn multiply(left: u64, right: u64) -> u64 {
    reduced(left as u128 * right as u128)
}

/// The element of the integer `value`, |value| < 2^60, without a branch.
#[expect(clippy::cast_sign_loss, reason = "the sign mask adds the prime to a negative value")]
pub(crate) const fn element(value: i64) -> u64 {
    (value.wrapping_add((value >> 63) & PRIME as i64)) as u64
}

/// The integer of smallest magnitude that `element` stands for.
#[expect(clippy::cast_possible_wrap, reason = "elements are below 2^61")]
pub(crate) const fn centred(element: u64) -> i64 {
    if element > PRIME / 2 { element as i64 - PRIME as i64 } else { element as i64 }
}

/// The inverse of `element`, by Fermat. For public elements: Lagrange coefficients.
fn inverse(element: u64) -> u64 {
    let (mut power, mut result, mut exponent) = (element, 1, PRIME - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, power);
        }
        power = multiply(power, power);
        exponent >>= 1;
    }
    result
}

/// The Lagrange weights: for every polynomial of degree below the number of nodes, the sum of its values at
/// the nodes times these is its value at `at`. `nodes` are distinct.
pub(crate) fn lagrange_weights(nodes: &[u64], at: u64) -> Vec<u64> {
    let weight = |node: &u64| {
        let others = nodes.iter().filter(|other| *other != node);
        let (above, below) = others.fold((1, 1), |(above, below), other| {
            (multiply(above, subtract(at, *other)), multiply(below, subtract(*node, *other)))
        });
        multiply(above, inverse(below))
    };
    nodes.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arithmetic_is_that_of_the_integers_modulo_the_prime(a in 0..PRIME, b in 0..PRIME) {
            let prime = u128::from(PRIME);
            let (wide_a, wide_b) = (u128::from(a), u128::from(b));
            prop_assert_eq!(u128::from(add(a, b)), (wide_a + wide_b) % prime);
            prop_assert_eq!(u128::from(subtract(a, b)), (wide_a + prime - wide_b) % prime);
            prop_assert_eq!(u128::from(multiply(a, b)), wide_a * wide_b % prime);
            if a > 0 {
                prop_assert_eq!(multiply(a, inverse(a)), 1);
            }
        }

        #[test]
        fn integers_survive_the_field(value in -(1_i64 << 60) + 1..(1_i64 << 60)) {
            prop_assert_eq!(centred(element(value)), value);
        }

        #[test]
        fn lagrange_weights_evaluate_polynomials(a in 0..PRIME, b in 0..PRIME, c in 0..PRIME) {
            let value = |x: u64| add(a, multiply(x, add(b, multiply(x, c))));
            let weights = lagrange_weights(&[1, 4, 9], 0);
            let sum = [1, 4, 9].iter().zip(weights).fold(0, |sum, (node, weight)| {
                add(sum, multiply(weight, value(*node)))
            });
            prop_assert_eq!(sum, a);
        }
    }

    #[test]
    fn extreme_elements_multiply() {
        assert_eq!(multiply(PRIME - 1, PRIME - 1), 1);
        assert_eq!(multiply(0, PRIME - 1), 0);
        assert_eq!(add(PRIME - 1, 1), 0);
    }
}
