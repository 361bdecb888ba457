//! How far a value can be off because the validation set is a sample: from contrasts of its shards.
//!
//! The rows of the validation set lie in 8 shards (row modulo 8). Beside the value ⟨Δ, p⟩/n, p the mean of the shards'
//! probes, a round opens one *contrast*: ⟨Δ, c⟩/n, c their mean with signs, plus for four of them and minus for four, by
//! row `round mod 7` of the Hadamard matrix of order 8. If rows are draws from what the model is for, a contrast is zero
//! in expectation and varies as much as the value does, Var = (1/M)·Var(row); it is uncorrelated with the value, and with the contrasts of
//! other rows of the matrix.
//!
//! **Interval.** A member's contrasts are summed by row k of the matrix: `C_k`. The value's error E is the sum over k of the
//! errors `E_k` of the same rounds, each with the variance of `C_k`, and however they are correlated,
//! `sd(E) ≤ Σ sd(E_k) ≤ √(D·Σ Var(E_k))` for D rows that occurred. So the half-width is `t_D·√(D·Σ C_k²)`, `t_D` Student's.
//! Source: contrasts and independent estimates of error, Fisher 1935; the bound is Minkowski's and Cauchy–Schwarz's.
//!
//! **Coverage** (normal errors; `tests`): 94 % and more where every row of the matrix had its part, wider where
//! errors of different rounds are independent; 89 % if all value comes of one row. It says nothing of
//! noise that terms add to scalars, nor of rows that are no draws.

use crate::standing::student_t_thousandths;

/// Contrasts that take turns: one less than there are shards.
pub const CONTRASTS: usize = 7;

/// A member's contrast scalars, summed by row of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contrasts {
    sums: [i128; CONTRASTS],
    rounds: [u32; CONTRASTS],
}

impl Contrasts {
    /// With the contrast of one more round.
    #[must_use]
    pub fn with(mut self, round: u64, contrast: i64) -> Self {
        let row = row(round);
        self.sums[row] += i128::from(contrast);
        self.rounds[row] = self.rounds[row].saturating_add(1);
        self
    }

    /// Without a round that was found to be false.
    pub(crate) fn without(mut self, round: u64, contrast: i64) -> Self {
        let row = row(round);
        if self.rounds[row] > 0 {
            self.sums[row] -= i128::from(contrast);
            self.rounds[row] -= 1;
        }
        self
    }

    /// Of the difference of two members' values: rounds in which only one took part are that one's.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut difference = *self;
        for row in 0..CONTRASTS {
            difference.sums[row] -= other.sums[row];
            difference.rounds[row] = difference.rounds[row].saturating_add(other.rounds[row]);
        }
        difference
    }

    /// Rounds that had a contrast.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.iter().map(|rounds| u64::from(*rounds)).sum()
    }

    /// Half of the interval in which the exact value lies with 95 % confidence, rounded up; none without a contrast.
    ///
    /// # Panics
    /// Never: sums are below 2^56, so that D·Σ C² is below 2^118.
    #[must_use]
    pub fn half_width(&self) -> Option<i128> {
        let rows = self.rounds.iter().filter(|rounds| **rounds > 0).count();
        let quantile = student_t_thousandths(rows)?;
        let squares: u128 = self.sums.iter().map(|sum| sum.unsigned_abs().pow(2)).sum();
        let spread = (u128::from(u32::try_from(rows).ok()?) * squares).isqrt() + 1;
        let half = (spread * quantile).div_ceil(1000);
        Some(i128::try_from(half).expect("below 2^74"))
    }
}

fn row(round: u64) -> usize {
    usize::try_from(round % CONTRASTS as u64).expect("below 7")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_width_is_students_quantile_of_the_summed_contrasts() {
        assert_eq!(Contrasts::default().half_width(), None);
        assert_eq!(Contrasts::default().with(3, -100).half_width(), Some(1_284));
        // Rounds 0 and 7 share a row of the matrix: 30 − 10 = 20 and 40; √(2·(400 + 1600)) = 63, t_2 = 4.303.
        let contrasts = Contrasts::default().with(0, 30).with(1, 40).with(7, -10);
        assert_eq!((contrasts.rounds(), contrasts.half_width()), (3, Some(276)));
        assert_eq!(contrasts.without(7, -10), Contrasts::default().with(0, 30).with(1, 40));
    }

    #[test]
    fn a_difference_has_the_difference_of_contrasts() {
        let (one, other) =
            (Contrasts::default().with(0, 30).with(1, 5), Contrasts::default().with(0, 29));
        let difference = one.minus(&other);
        assert_eq!(difference, {
            let mut expected = Contrasts::default().with(0, 30).with(0, -29).with(1, 5);
            expected.rounds[0] = 2;
            expected
        });
        assert!(difference.half_width() < one.half_width());
    }

    #[test]
    fn the_largest_scalars_do_not_overflow() {
        let largest = crate::pay::SCALAR_MAX;
        let mut contrasts = Contrasts::default();
        for row in 0..CONTRASTS {
            contrasts.sums[row] = i128::from(largest) << 16;
            contrasts.rounds[row] = 1 << 13;
        }
        assert!(contrasts.half_width().is_some());
    }
}
