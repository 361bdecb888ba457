//! How votes lose weight with age: half of it in each half-life, in integers.

pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// One, in units of 2⁻⁶⁴.
const ONE: u128 = 1 << 64;

/// The factors 2^(−age/half-life) for ages in whole days, in fixed point, rounded down.
///
/// 2^(−x) for a fraction x is the product of 2^(−2^(−k)) over the bits k of x, and each of these is
/// the square root of the one before: integers only, the same on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decay {
    half_life_days: u64,
    /// 2^(−2^(−k)) for k = 1, 2, …, 64, in units of 2⁻⁶⁴.
    roots: Vec<u128>,
}

impl Decay {
    /// The decay with this half-life, in days; 0 is taken for 1.
    #[must_use]
    pub fn new(half_life_days: u16) -> Self {
        let half = ONE / 2;
        let roots = std::iter::successors(Some((half << 64).isqrt()), |root| {
            // Below 1, so below 2^64, and the product below 2^128.
            Some((root << 64).isqrt())
        });
        Self { half_life_days: u64::from(half_life_days.max(1)), roots: roots.take(64).collect() }
    }

    /// What is left of `amount` after `age_ms`, rounded down. Whole days count.
    #[must_use]
    pub fn left(&self, amount: u128, age_ms: u64) -> u128 {
        scaled(amount, self.factor(age_ms / DAY_MS))
    }

    /// The factor after so many days, in units of 2⁻⁶⁴: from 2^64 down to 0.
    pub(crate) fn factor(&self, days: u64) -> u128 {
        let (halvings, rest) = (days / self.half_life_days, days % self.half_life_days);
        let Ok(halvings @ 0..=64) = u32::try_from(halvings) else {
            return 0;
        };
        // The fraction of a half-life, below 1, in units of 2⁻⁶⁴.
        let fraction = (u128::from(rest) << 64) / u128::from(self.half_life_days);
        let bits = (0..64).rev().map(|bit| fraction >> bit & 1 == 1);
        let factor = self
            .roots
            .iter()
            .zip(bits)
            .fold(ONE, |factor, (root, set)| if set { (factor * root) >> 64 } else { factor });
        factor >> halvings
    }
}

/// `amount` times `factor`, rounded down. The factor is at most [`ONE`], so nothing overflows.
pub(crate) const fn scaled(amount: u128, factor: u128) -> u128 {
    let (high, low) = (amount >> 64, amount & (ONE - 1));
    high * factor + ((low * factor) >> 64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_is_left_after_each_half_life() {
        let decay = Decay::new(180);
        for (half_lives, left) in [(0, 1_000_000), (1, 500_000), (2, 250_000), (20, 0)] {
            assert_eq!(decay.left(1_000_000, half_lives * 180 * DAY_MS), left, "{half_lives}");
        }
        assert_eq!(decay.left(u128::MAX, 0), u128::MAX);
        assert_eq!(decay.left(u128::MAX, 180 * DAY_MS), u128::MAX / 2);
        assert_eq!(decay.left(u128::MAX, u64::MAX), 0);
        assert_eq!(decay.left(1_000, DAY_MS - 1), 1_000, "a part of a day does not count");
    }

    #[test]
    fn what_is_left_is_two_to_the_minus_age() {
        // Reference: Python's decimal with 40 digits, floor(10^18 · 2^(−days/180)).
        for (days, left) in [
            (1, 996_156_587_220_575_217_u128),
            (90, 707_106_781_186_547_524),
            (179, 501_929_120_797_237_548),
            (200, 462_937_356_143_645_214),
        ] {
            let got = Decay::new(180).left(10_u128.pow(18), days * DAY_MS);
            // 64 roundings down of 2⁻⁶⁴ each.
            assert!(got <= left && left - got <= 8, "{days}: {got}, {left}");
        }
    }

    proptest! {
        #[test]
        fn older_credits_never_count_more(
            amount: u128,
            half_life in 30_u16..3650,
            days in 0_u64..20_000,
        ) {
            let decay = Decay::new(half_life);
            let older = decay.left(amount, (days + 1) * DAY_MS);
            let younger = decay.left(amount, days * DAY_MS);
            prop_assert!(older <= younger && younger <= amount);
        }
    }
}
