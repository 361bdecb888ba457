//! Sums of shares, and what is opened of them.

use thiserror::Error;

use crate::{EncodingParameters, RingError, RingVector};

/// Why sums could not be formed or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// Vectors of different length or ring.
    #[error("shares do not fit together")]
    Ring(#[from] RingError),
    /// Nothing was summed, or more than the parameters allow.
    #[error("a sum is opened over 1..={max} updates, got {got}")]
    Contributors {
        /// The federation's bound.
        max: usize,
        /// How many.
        got: usize,
    },
    /// The aggregators summed different sets.
    #[error("aggregators summed {left} and {right} updates")]
    CountMismatch {
        /// The one's count.
        left: usize,
        /// The other's.
        right: usize,
    },
}

/// One aggregator's sum of the shares it holds, over the accepted set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSum {
    vector: RingVector,
    count: usize,
}

impl ShareSum {
    /// The empty sum.
    #[must_use]
    pub fn empty(parameters: &EncodingParameters) -> Self {
        Self { vector: RingVector::zero(parameters.ring(), parameters.dimension()), count: 0 }
    }

    /// A sum of `count` updates received from another aggregator.
    #[must_use]
    pub const fn from_parts(vector: RingVector, count: usize) -> Self {
        Self { vector, count }
    }

    /// Adds one contributor's share.
    ///
    /// # Errors
    /// [`AggregateError::Ring`].
    pub fn add(&mut self, share: &RingVector) -> Result<(), AggregateError> {
        self.vector.add(share)?;
        self.count += 1;
        Ok(())
    }

    /// The vector of the sum.
    #[must_use]
    pub const fn vector(&self) -> &RingVector {
        &self.vector
    }

    /// How many updates it covers.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }
}

/// Adds the summed shares of all aggregators: the sum of the updates, as signed integers.
///
/// Exact: equal, bit for bit, to the sum of the quantised integers, as no coordinate can wrap (see
/// [`EncodingParameters`]).
///
/// # Errors
/// [`AggregateError`] if the sums do not fit together.
pub fn open_sum(
    sums: &[ShareSum],
    parameters: &EncodingParameters,
) -> Result<Vec<i64>, AggregateError> {
    let mut total = RingVector::zero(parameters.ring(), parameters.dimension());
    let count = sums.first().map_or(0, ShareSum::count);
    let max = parameters.contributors_max();
    if count == 0 || count > max {
        return Err(AggregateError::Contributors { max, got: count });
    }
    for sum in sums {
        if sum.count != count {
            return Err(AggregateError::CountMismatch { left: count, right: sum.count });
        }
        total.add(&sum.vector)?;
    }
    let ring = parameters.ring();
    Ok(total.elements().iter().map(|&element| ring.centred(element)).collect())
}

/// The mean update in parameter units: `sum / (count · update_scale)`, `[parameter_count]`.
#[must_use]
pub fn decode_mean(sum: &[i64], count: usize, parameters: &EncodingParameters) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "count <= 4096")]
    let scale = parameters.update_scale() * count as f64;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "|sum| < 2^32 is exact in f64; the mean is at most the clip norm"
    )]
    let mean = |&value: &i64| (value as f64 / scale) as f32;
    sum.iter().map(mean).collect()
}
