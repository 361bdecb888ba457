//! The sum: aggregate shares and what they add up to.

use thiserror::Error;

use crate::{
    field::{PineField, add_assign},
    pine::Pine,
    secret::SecretVector,
    shares::{AggregateShare, OutputShare},
    xof::Xof,
};

/// Why shares of a sum are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnshardError {
    /// A share has another dimension.
    #[error("expected {expected} elements, got {got}")]
    Length {
        /// The instance's dimension.
        expected: usize,
        /// The share's.
        got: usize,
    },
    /// There are not as many shares as aggregators.
    #[error("expected the shares of {expected} aggregators, got {got}")]
    Shares {
        /// Aggregators.
        expected: usize,
        /// Shares.
        got: usize,
    },
    /// The aggregators summed different numbers of reports.
    #[error("aggregate shares sum {expected} and {got} reports")]
    Count {
        /// Reports in the first share.
        expected: u64,
        /// Reports in another.
        got: u64,
    },
    /// So many reports could overflow: count · norm bound must be below half the modulus and 2^63.
    #[error("{count} reports of norm {norm_bound} could overflow the sum")]
    TooMany {
        /// Reports.
        count: u64,
        /// The norm bound.
        norm_bound: u64,
    },
    /// The sum is longer than verified reports can be: a share is wrong.
    #[error("coordinate {index} of the sum exceeds what {count} reports can reach")]
    OutOfBound {
        /// The coordinate.
        index: usize,
        /// Reports.
        count: u64,
    },
}

impl<F: PineField, X: Xof> Pine<F, X> {
    /// An empty sum.
    #[must_use]
    pub fn empty_aggregate(&self) -> AggregateShare<F> {
        AggregateShare { sum: SecretVector(vec![F::zero(); self.layout().dimension]), count: 0 }
    }

    /// The sum of output shares.
    ///
    /// # Errors
    /// [`UnshardError::Length`].
    pub fn aggregate<'a>(
        &self,
        outputs: impl IntoIterator<Item = &'a OutputShare<F>>,
    ) -> Result<AggregateShare<F>, UnshardError> {
        let mut sum = self.empty_aggregate();
        for output in outputs {
            sum.add(output)?;
        }
        Ok(sum)
    }

    /// The sum of all verified vectors as exact integers.
    ///
    /// # Errors
    /// [`UnshardError`] if the shares do not belong together or the sum could have overflowed.
    pub fn unshard_integers(&self, shares: &[AggregateShare<F>]) -> Result<Vec<i64>, UnshardError> {
        let expected = usize::from(self.parameters().aggregators);
        let [first, others @ ..] = shares else {
            return Err(UnshardError::Shares { expected, got: 0 });
        };
        if shares.len() != expected {
            return Err(UnshardError::Shares { expected, got: shares.len() });
        }
        let (count, norm_bound) = (first.count, self.parameters().norm_bound);
        let largest = u128::from(count) * u128::from(norm_bound);
        if largest >= (F::MODULUS / 2).min(1 << 63) {
            return Err(UnshardError::TooMany { count, norm_bound });
        }
        let mut sum = vec![F::zero(); self.layout().dimension];
        for share in std::iter::once(first).chain(others) {
            if share.sum.0.len() != sum.len() {
                return Err(UnshardError::Length { expected: sum.len(), got: share.sum.0.len() });
            }
            if share.count != count {
                return Err(UnshardError::Count { expected: count, got: share.count });
            }
            add_assign(&mut sum, &share.sum.0);
        }
        let decode = |(index, value): (usize, F)| {
            let value = value.to_signed();
            if value.unsigned_abs() > largest {
                return Err(UnshardError::OutOfBound { index, count });
            }
            i64::try_from(value).ok().ok_or(UnshardError::OutOfBound { index, count })
        };
        sum.into_iter().enumerate().map(decode).collect()
    }

    /// The sum of all verified vectors as reals, in units of 2^−`fraction_bits`.
    ///
    /// # Errors
    /// As [`Pine::unshard_integers`].
    pub fn unshard(&self, shares: &[AggregateShare<F>]) -> Result<Vec<f64>, UnshardError> {
        let unit = (-f64::from(self.parameters().fraction_bits)).exp2();
        #[expect(clippy::cast_precision_loss, reason = "a float result of 53 bits was asked for")]
        let decode = |value: i64| value as f64 * unit;
        Ok(self.unshard_integers(shares)?.into_iter().map(decode).collect())
    }
}
