//! What a member has contributed to a federation so far.

use crate::Contrasts;

/// 97.5 % quantiles of Student's t with 1 to 30 degrees of freedom, in thousandths. Source: any
/// table of the distribution; checked against 12.706, 2.042 and the limit 1.960.
const STUDENT_T_THOUSANDTHS: [u128; 30] = [
    12_706, 4_303, 3_182, 2_776, 2_571, 2_447, 2_365, 2_306, 2_262, 2_228, 2_201, 2_179, 2_160,
    2_145, 2_131, 2_120, 2_110, 2_101, 2_093, 2_086, 2_080, 2_074, 2_069, 2_064, 2_060, 2_056,
    2_052, 2_048, 2_045, 2_042,
];

/// The 97.5 % quantile of Student's t with so many degrees of freedom, in thousandths; nothing with none.
/// Conservative beyond 30, where it still falls to 1.960.
#[must_use]
pub fn student_t_thousandths(freedom: usize) -> Option<u128> {
    let last = freedom.min(STUDENT_T_THOUSANDTHS.len()).checked_sub(1)?;
    Some(STUDENT_T_THOUSANDTHS[last])
}

/// A member's rounds, values and credits in one federation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    values: Vec<i64>,
    value_sum: i128,
    /// Kept with the sum: who compares standings with each other asks it of each pair.
    value_squares: u128,
    innovation_squares: u128,
    credits: u128,
    contrasts: Contrasts,
    /// How many of its first values a suspension was decided on already.
    judged: usize,
}

/// A value with the bounds between which it lies with 95 % confidence, in the scalars' units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Lower bound.
    pub low: i128,
    /// The sum of the values.
    pub value: i128,
    /// Upper bound.
    pub high: i128,
}

impl Standing {
    /// The standing after one more round. `credits` are those of that round.
    ///
    /// The scalars' magnitude is at most [`crate::pay::SCALAR_MAX`] and the rounds at most
    /// [`crate::pay::ROUNDS_MAX`], so no sum overflows.
    #[must_use]
    pub fn after_round(mut self, value: i64, innovation: i64, credits: u128) -> Self {
        self.values.push(value);
        self.value_sum += i128::from(value);
        self.value_squares += square(value);
        self.innovation_squares += square(innovation);
        self.with_credits(credits)
    }

    /// The standing with the contrast of the round that was added last, if it has one.
    #[must_use]
    pub fn with_contrast(mut self, round: u64, contrast: Option<i64>) -> Self {
        if let Some(contrast) = contrast {
            self.contrasts = self.contrasts.with(round, contrast);
        }
        self
    }

    /// The standing with `credits` more. Issued credits fit 128 bits together: the ledger saw to
    /// it before.
    pub(crate) fn with_credits(mut self, credits: u128) -> Self {
        self.credits = self.credits.saturating_add(credits);
        self
    }

    /// The standing without a round that was found to be false. Credits are those of final rounds
    /// alone, so that there are none to take back.
    pub(crate) fn without_round(mut self, round: u64, pay: &crate::Pay) -> Self {
        if let Some(place) = self.values.iter().rposition(|known| *known == pay.value) {
            self.values.remove(place);
            self.value_sum -= i128::from(pay.value);
            self.value_squares -= square(pay.value);
            self.innovation_squares -= square(pay.innovation);
            self.judged -= usize::from(place < self.judged);
            if let Some(contrast) = pay.contrast {
                self.contrasts = self.contrasts.without(round, contrast);
            }
        }
        self
    }

    /// Of its last `of` values that no suspension was decided on, how many are below zero; none if there are fewer.
    pub(crate) fn below_zero_of_last(&self, of: usize) -> Option<usize> {
        let open = &self.values[self.judged..];
        let last = &open[open.len().checked_sub(of)?..];
        Some(last.iter().filter(|value| **value < 0).count())
    }

    /// The standing after a suspension: what it was decided on is not counted again.
    pub(crate) fn judged(mut self) -> Self {
        self.judged = self.values.len();
        self
    }

    /// Its contrasts, if every round had one.
    #[must_use]
    pub fn contrasts(&self) -> Option<&Contrasts> {
        let whole = self.contrasts.rounds() == self.rounds() && !self.values.is_empty();
        whole.then_some(&self.contrasts)
    }

    /// In how many rounds the member took part.
    ///
    /// # Panics
    /// Never: a length fits 64 bits.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        u64::try_from(self.values.len()).expect("a length fits 64 bits")
    }

    /// The value scalar of each round.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// In how many rounds the value was below zero: what a DAO's rule on suspension counts. An
    /// honest contributor with unusual data has such rounds, too.
    #[must_use]
    pub fn rounds_below_zero(&self) -> usize {
        self.values.iter().filter(|value| **value < 0).count()
    }

    /// The sum of the value scalars.
    #[must_use]
    pub const fn value_sum(&self) -> i128 {
        self.value_sum
    }

    /// The sum of the squared value scalars.
    #[must_use]
    pub const fn value_squares(&self) -> u128 {
        self.value_squares
    }

    /// The sum of the squared innovation scalars.
    #[must_use]
    pub const fn innovation_squares(&self) -> u128 {
        self.innovation_squares
    }

    /// Credits earned in this federation.
    #[must_use]
    pub const fn credits(&self) -> u128 {
        self.credits
    }

    /// The 95 % interval of the value sum: from the shards of the validation set, if every round had a contrast
    /// ([`Contrasts`]); else by Student's t over the rounds, and nothing after less than two of them.
    ///
    /// The latter treats the rounds as exchangeable draws, which they are not (values fall as the model improves, so
    /// the interval is rather too wide). Neither knows of noise on each scalar. Over rounds the half-width is
    /// t·√((n·Σx² − S²)/(n − 1)), in integers, rounded down.
    ///
    /// # Panics
    /// Never: the bounds of scalars and rounds keep it far below 2^127.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        if let Some(half) = self.contrasts().and_then(Contrasts::half_width) {
            let value = self.value_sum;
            return Some(Interval { low: value - half, value, high: value + half });
        }
        let freedom = self.values.len().checked_sub(1)?;
        let quantile = student_t_thousandths(freedom)?;
        let spread =
            u128::from(self.rounds()) * self.value_squares - self.value_sum.unsigned_abs().pow(2);
        let root = (spread / u128::from(self.rounds() - 1)).isqrt();
        let half = i128::try_from(root * quantile / 1000).expect("the bounds keep it below 2^72");
        let value = self.value_sum;
        Some(Interval { low: value - half, value, high: value + half })
    }
}

fn square(scalar: i64) -> u128 {
    u128::from(scalar.unsigned_abs()).pow(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_squares_are_those_of_the_values_also_without_a_round() {
        let standing = standing(&[3, -4, 5, -4]);
        assert_eq!(standing.value_squares(), 9 + 16 + 25 + 16);
        let pay = |value| crate::Pay {
            member: privacy_identity::SigningKey::from_seed(&[1; 32]).verifying_key(),
            value,
            innovation: 1,
            contrast: None,
            credits: 0,
        };
        let without = standing.without_round(1, &pay(-4)).without_round(2, &pay(7));
        assert_eq!((without.values(), without.value_squares()), (&[3, -4, 5][..], 50));
    }

    fn standing(values: &[i64]) -> Standing {
        values
            .iter()
            .fold(Standing::default(), |standing, value| standing.after_round(*value, 1, 0))
    }

    #[test]
    fn the_interval_is_that_of_students_t() {
        assert_eq!(standing(&[]).interval(), None);
        assert_eq!(standing(&[5]).interval(), None);
        // Values 1000 to 5000: s = 1581.14, s·√5 = 3535.53, t = 2.776.
        let interval = standing(&[1000, 2000, 3000, 4000, 5000]).interval().unwrap();
        assert_eq!(interval, Interval { low: 15_000 - 9_813, value: 15_000, high: 15_000 + 9_813 });
    }

    #[test]
    fn rounds_below_zero_are_counted() {
        assert_eq!(standing(&[3, -1, 0, -2]).rounds_below_zero(), 2);
    }

    #[test]
    fn equal_values_have_no_spread() {
        let interval = standing(&[-7; 40]).interval().unwrap();
        assert_eq!(interval, Interval { low: -280, value: -280, high: -280 });
    }
}
