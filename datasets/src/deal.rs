//! A table dealt to several holders, unevenly and reproducibly.

use rand::{Rng, RngExt as _, seq::SliceRandom as _};

use crate::Table;

/// The largest skew: the largest holder's weight is then up to 1 001 times the smallest's.
pub const SKEW_MAX: f64 = 1_000.0;

/// How a table is dealt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deal {
    /// How many holders there are, at least 1.
    pub holders: usize,
    /// The fewest rows of any holder, at least 1.
    pub minimum_rows: usize,
    /// How uneven the deal is: a holder's share of the rows past the minimum is proportional to
    /// `1 + skew·u`, `u` uniform in `[0, 1)`. 0 deals evenly; at most [`SKEW_MAX`].
    pub skew: f64,
}

/// Why a table cannot be dealt.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum DealError {
    /// There is nobody to deal to.
    #[error("a table cannot be dealt to zero holders")]
    HoldersMissing,
    /// A holder would be left without rows.
    #[error("{rows} rows are too few for {holders} holders with at least {minimum_rows} each")]
    RowsTooFew {
        /// The rows of the table.
        rows: usize,
        /// The holders.
        holders: usize,
        /// The fewest rows of any holder.
        minimum_rows: usize,
    },
    /// The minimum is zero, so that a holder might be left without rows.
    #[error("the minimum number of rows must be at least 1")]
    MinimumZero,
    /// The skew is not a number from 0 to [`SKEW_MAX`].
    #[error("a skew must lie between 0 and {SKEW_MAX}, got {got}")]
    SkewOutOfRange {
        /// The skew given.
        got: f64,
    },
}

/// Deals every row of `table` to exactly one holder.
///
/// Rows are shuffled and cut; the same seed gives the same deal. Returns the row indices of each
/// holder, ascending.
///
/// # Errors
/// [`DealError`] if there are no holders, more than the rows allow, or a parameter out of range.
pub fn deal(table: &Table, deal: &Deal, rng: &mut impl Rng) -> Result<Vec<Vec<usize>>, DealError> {
    check(table.rows(), deal)?;
    let mut order: Vec<usize> = (0..table.rows()).collect();
    order.shuffle(rng);
    let mut rest = order.as_slice();
    let hands = sizes(table.rows(), deal, rng).into_iter().map(|size| {
        let (hand, others) = rest.split_at(size);
        rest = others;
        let mut hand = hand.to_vec();
        hand.sort_unstable();
        hand
    });
    Ok(hands.collect())
}

fn check(rows: usize, deal: &Deal) -> Result<(), DealError> {
    let Deal { holders, minimum_rows, skew } = *deal;
    if holders == 0 {
        return Err(DealError::HoldersMissing);
    }
    if minimum_rows == 0 {
        return Err(DealError::MinimumZero);
    }
    if !(0.0..=SKEW_MAX).contains(&skew) {
        return Err(DealError::SkewOutOfRange { got: skew });
    }
    if holders.saturating_mul(minimum_rows) > rows {
        return Err(DealError::RowsTooFew { rows, holders, minimum_rows });
    }
    Ok(())
}

/// The number of rows of each holder; they add up to `rows`.
///
/// The rows past the minimum are laid at even distances along the holders' cumulative weights, and
/// each goes to the holder on whose stretch it lies: exact, without rounding shares.
fn sizes(rows: usize, deal: &Deal, rng: &mut impl Rng) -> Vec<usize> {
    let mut total = 0.0;
    let ends: Vec<f64> = (0..deal.holders)
        .map(|_| {
            total += 1.0 + deal.skew * rng.random::<f64>();
            total
        })
        .collect();
    let mut sizes = vec![deal.minimum_rows; deal.holders];
    let extra = rows - deal.holders * deal.minimum_rows;
    for index in 0..extra {
        let position = total * (index as f64 + 0.5) / extra as f64;
        let holder = ends.partition_point(|end| *end <= position).min(deal.holders - 1);
        sizes[holder] += 1;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::wine;

    fn wine_dealt(parameters: Deal, seed: u64) -> Result<Vec<Vec<usize>>, DealError> {
        deal(&wine::table(), &parameters, &mut ChaCha20Rng::seed_from_u64(seed))
    }

    #[test]
    fn a_skewed_deal_is_uneven_and_an_even_one_is_not() {
        let sizes = |skew| -> Vec<usize> {
            let parameters = Deal { holders: 8, minimum_rows: 40, skew };
            wine_dealt(parameters, 1).unwrap().iter().map(Vec::len).collect()
        };
        let spread = |sizes: &[usize]| sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
        assert!(spread(&sizes(0.0)) <= 1, "{:?}", sizes(0.0));
        assert!(spread(&sizes(2.0)) >= 50, "{:?}", sizes(2.0));
    }

    #[test]
    fn an_impossible_deal_is_refused() {
        let good = Deal { holders: 8, minimum_rows: 1, skew: 1.0 };
        let refused = |parameters| wine_dealt(parameters, 1).unwrap_err();
        assert_eq!(refused(Deal { holders: 0, ..good }), DealError::HoldersMissing);
        assert_eq!(refused(Deal { minimum_rows: 0, ..good }), DealError::MinimumZero);
        let too_few = DealError::RowsTooFew { rows: 1_599, holders: 1_600, minimum_rows: 1 };
        assert_eq!(refused(Deal { holders: 1_600, ..good }), too_few);
        let too_few = DealError::RowsTooFew { rows: 1_599, holders: 8, minimum_rows: usize::MAX };
        assert_eq!(refused(Deal { minimum_rows: usize::MAX, ..good }), too_few);
        for skew in [-0.1, SKEW_MAX * 1.01, f64::NAN, f64::INFINITY] {
            let got = refused(Deal { skew, ..good });
            assert!(matches!(got, DealError::SkewOutOfRange { .. }), "{skew}: {got}");
        }
    }

    #[test]
    fn as_many_holders_as_rows_get_one_each() {
        let dealt = wine_dealt(Deal { holders: 1_599, minimum_rows: 1, skew: 5.0 }, 3).unwrap();
        assert!(dealt.iter().all(|hand| hand.len() == 1));
    }
}
