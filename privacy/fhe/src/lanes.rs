//! Signed values in the lanes of a coefficient.
//!
//! ```text
//! message    m = Σ v_l · 2^(w·l)              as an integer, modulo 2^(lanes·w); w = lane_bits
//! multiplier P = Σ p_l · 2^(w·(lanes−1−l))    of the value probe: m·P has Σ v_l·p_l in its top lane
//! ```
//!
//! A negative value borrows from the lane above, so sums of messages are messages of sums, as long as
//! each lane's sum stays within half a lane. Offset-binary lanes would carry a bias into the inner product.

use crate::FheParameters;

/// The integer of smallest magnitude that is `value` modulo 2^`bits`.
#[expect(clippy::cast_possible_wrap, reason = "two's complement of the top bits")]
pub(crate) const fn centred(value: u64, bits: u8) -> i64 {
    let unused = 64 - bits;
    ((value << unused) as i64) >> unused
}

/// The message of at most `lanes` values, modulo 2^64 (the caller shifts it to the top).
pub(crate) fn message(parameters: &FheParameters, values: &[i32]) -> u64 {
    values.iter().rev().fold(0_u64, |message, value| {
        #[expect(clippy::cast_sign_loss, reason = "two's complement is the ring's representative")]
        let value = i64::from(*value) as u64;
        (message << parameters.lane_bits()).wrapping_add(value)
    })
}

/// Takes the message of a sum apart.
pub(crate) fn values(parameters: &FheParameters, message: u64, values: &mut [i64]) {
    let mut rest = message;
    for value in values {
        *value = centred(rest, parameters.lane_bits());
        #[expect(clippy::cast_sign_loss, reason = "wrapping subtraction of what the lane holds")]
        let borrowed = rest.wrapping_sub(*value as u64);
        rest = borrowed >> parameters.lane_bits();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FheRequirements;

    proptest! {
        #[test]
        fn sums_of_messages_are_messages_of_sums(
            contributions in proptest::collection::vec([-100_i32..=100, -100..=100, -100..=100], 1..=40),
        ) {
            let parameters = FheParameters::checked(FheRequirements {
                dimension: 3,
                coordinate_max: 100,
                contributors_max: 40,
                inner_product_bits: 0,
            })
            .unwrap();
            let lanes = usize::from(parameters.lanes()).min(3);
            let mut sum = 0_u64;
            for values in &contributions {
                sum = sum.wrapping_add(message(&parameters, &values[..lanes]));
            }
            // Only lanes · lane_bits of it travel.
            let kept = sum & (u64::MAX >> parameters.shift());
            let mut opened = [0; 3];
            values(&parameters, kept, &mut opened[..lanes]);
            for lane in 0..lanes {
                let exact: i64 = contributions.iter().map(|values| i64::from(values[lane])).sum();
                prop_assert_eq!(opened[lane], exact);
            }
        }
    }
}
