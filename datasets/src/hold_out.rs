//! Rows set aside before any are dealt.

use rand::{Rng, seq::SliceRandom as _};

/// How many rows are set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldOut {
    /// Rows on which contributions are measured, at least 1.
    pub validation: usize,
    /// Rows that nothing but the final accuracy sees, at least 1.
    pub test: usize,
}

/// Why rows cannot be set aside.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldOutError {
    /// One of the sets would be empty.
    #[error(
        "the validation and test sets need at least one row each, asked for {validation} and {test}"
    )]
    SetEmpty {
        /// Validation rows asked for.
        validation: usize,
        /// Test rows asked for.
        test: usize,
    },
    /// Nothing would be left to train on.
    #[error(
        "{rows} rows are too few for {validation} validation and {test} test rows and at least one to train on"
    )]
    RowsTooFew {
        /// The rows there are.
        rows: usize,
        /// Validation rows asked for.
        validation: usize,
        /// Test rows asked for.
        test: usize,
    },
}

/// Disjoint sets of row indices that together are all rows; each ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOut {
    /// Rows on which contributions are measured.
    pub validation: Vec<usize>,
    /// Rows that nothing but the final accuracy sees.
    pub test: Vec<usize>,
    /// Rows to train on.
    pub training: Vec<usize>,
}

/// Splits the indices `0..rows` at random; the same seed gives the same split.
///
/// # Errors
/// [`HoldOutError`] if a set would be empty.
pub fn hold_out(rows: usize, sizes: HoldOut, rng: &mut impl Rng) -> Result<HeldOut, HoldOutError> {
    let HoldOut { validation, test } = sizes;
    if validation == 0 || test == 0 {
        return Err(HoldOutError::SetEmpty { validation, test });
    }
    if validation.saturating_add(test) >= rows {
        return Err(HoldOutError::RowsTooFew { rows, validation, test });
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(rng);
    let mut cut = |at: usize| {
        let mut set: Vec<usize> = order.drain(..at).collect();
        set.sort_unstable();
        set
    };
    let (validation, test) = (cut(validation), cut(test));
    order.sort_unstable();
    Ok(HeldOut { validation, test, training: order })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn check_refused(rows: usize, sizes: HoldOut, expected: HoldOutError) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(hold_out(rows, sizes, &mut rng).unwrap_err(), expected);
    }

    #[test]
    fn too_few_rows_and_empty_sets_are_refused() {
        for (validation, test) in [(0, 3), (3, 0)] {
            let sizes = HoldOut { validation, test };
            check_refused(10, sizes, HoldOutError::SetEmpty { validation, test });
        }
        for (validation, test) in [(5, 5), (usize::MAX, 2)] {
            let sizes = HoldOut { validation, test };
            check_refused(10, sizes, HoldOutError::RowsTooFew { rows: 10, validation, test });
        }
    }

    #[test]
    fn one_row_is_enough_to_train_on() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let split = hold_out(10, HoldOut { validation: 5, test: 4 }, &mut rng).unwrap();
        assert_eq!(split.training.len(), 1);
    }
}
