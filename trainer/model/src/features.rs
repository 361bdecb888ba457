//! The inputs of a model, without labels.

use std::fmt;

use datasets::Standardiser;

/// Why values are not inputs of a model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeaturesError {
    /// There is no row.
    #[error("expected at least one row of at least one value")]
    Empty,
    /// The values are not whole rows.
    #[error("expected rows of {expected} values, got {got} values in all")]
    Ragged {
        /// The values of a row.
        expected: usize,
        /// The values given.
        got: usize,
    },
    /// A value is NaN or infinite, or became so when it was standardised.
    #[error("the value of row {row}, column {column} is not a finite number")]
    NotFinite {
        /// 0-based row.
        row: usize,
        /// 0-based column.
        column: usize,
    },
}

/// Standardised inputs, `[rows, inputs]`, row-major; at least one row, every value finite.
#[derive(Clone, PartialEq)]
pub struct Features {
    values: Vec<f32>,
    inputs: usize,
}

impl Features {
    /// Checks inputs that are standardised already.
    ///
    /// * `values` — `[rows, inputs]`, row-major.
    /// * `inputs` — the values of a row.
    ///
    /// # Errors
    /// [`FeaturesError`] if there is no row, a row is not whole, or a value is not finite.
    pub fn new(values: Vec<f32>, inputs: usize) -> Result<Self, FeaturesError> {
        if values.is_empty() || inputs == 0 {
            return Err(FeaturesError::Empty);
        }
        if !values.len().is_multiple_of(inputs) {
            return Err(FeaturesError::Ragged { expected: inputs, got: values.len() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(FeaturesError::NotFinite { row: at / inputs, column: at % inputs }),
            None => Ok(Self { values, inputs }),
        }
    }

    /// Standardises inputs as a buyer sends them.
    ///
    /// * `values` — `[rows, inputs]`, row-major, in the units of the columns.
    ///
    /// # Errors
    /// As [`Features::new`].
    pub fn standardised(
        values: &[f32],
        standardiser: &Standardiser,
    ) -> Result<Self, FeaturesError> {
        let inputs = standardiser.mean().len();
        let Ok(values) = standardiser.apply_to_values(values) else {
            return Err(FeaturesError::Ragged { expected: inputs, got: values.len() });
        };
        Self::new(values, inputs)
    }

    /// Rows of several requests, one after the other, as one.
    ///
    /// # Errors
    /// [`FeaturesError::Empty`] if there are none, [`FeaturesError::Ragged`] if their rows differ in length.
    pub fn joined<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Result<Self, FeaturesError> {
        let mut parts = parts.into_iter();
        let mut joined = parts.next().ok_or(FeaturesError::Empty)?.clone();
        for part in parts {
            if part.inputs != joined.inputs {
                let (expected, got) = (joined.inputs, part.inputs);
                return Err(FeaturesError::Ragged { expected, got });
            }
            joined.values.extend_from_slice(&part.values);
        }
        Ok(joined)
    }

    /// The given rows, each below [`Features::rows`], in the given order.
    pub(crate) fn select(&self, rows: &[usize]) -> Result<Self, FeaturesError> {
        let row = |&row: &usize| &self.values[row * self.inputs..(row + 1) * self.inputs];
        let values = rows.iter().flat_map(row).copied().collect();
        Self::new(values, self.inputs)
    }

    /// Empty features of as many inputs, with space for so many rows.
    pub(crate) fn with_space(&self, rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows * self.inputs), inputs: self.inputs }
    }

    /// As [`Examples::refill`](crate::Examples::refill).
    pub(crate) fn refill(
        &mut self,
        source: &Self,
        rows: &[usize],
        mut write: impl FnMut(&[f32], &mut [f32]),
    ) {
        self.values.resize(rows.len() * self.inputs, 0.0);
        for (row, out) in rows.iter().zip(self.values.chunks_exact_mut(self.inputs)) {
            write(&source.values[row * self.inputs..][..self.inputs], out);
        }
    }

    /// All values, `[rows, inputs]`, row-major.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of a row.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of rows, at least 1.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.values.len() / self.inputs
    }
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Features({} x {})", self.rows(), self.inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_values_are_refused() {
        let refused = |values: &[f32], inputs| Features::new(values.to_vec(), inputs).unwrap_err();
        assert_eq!(refused(&[], 2), FeaturesError::Empty);
        assert_eq!(refused(&[1.0], 0), FeaturesError::Empty);
        assert_eq!(refused(&[1.0; 3], 2), FeaturesError::Ragged { expected: 2, got: 3 });
        let not_finite = FeaturesError::NotFinite { row: 1, column: 0 };
        assert_eq!(refused(&[1.0, 2.0, f32::NAN, 4.0], 2), not_finite);
    }

    #[test]
    fn a_buyers_values_are_standardised_and_checked() {
        let standardiser = Standardiser::new(vec![1.0, 2.0], vec![2.0, 1e-20]).unwrap();
        let features = Features::standardised(&[3.0, 2.0], &standardiser).unwrap();
        assert_eq!(features.values(), [1.0, 0.0]);
        let overflow = Features::standardised(&[3.0, 1e30], &standardiser).unwrap_err();
        assert_eq!(overflow, FeaturesError::NotFinite { row: 0, column: 1 });
        let ragged = Features::standardised(&[3.0; 3], &standardiser).unwrap_err();
        assert_eq!(ragged, FeaturesError::Ragged { expected: 2, got: 3 });
    }
}
