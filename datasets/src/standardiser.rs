//! Columns brought to mean 0 and deviation 1.

use crate::{Table, TableError};

/// Why a standardiser was refused or could not be applied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StandardiserError {
    /// The two lists have different lengths, or none.
    #[error("expected one deviation for each of {means} means (at least one), got {deviations}")]
    LengthMismatch {
        /// The means given.
        means: usize,
        /// The deviations given.
        deviations: usize,
    },
    /// A mean is not finite, or a deviation not finite and above zero.
    #[error("column {column} has a mean that is not finite or a deviation that is not above zero")]
    OutOfRange {
        /// 0-based column.
        column: usize,
    },
    /// The data have another number of columns.
    #[error("fitted to {expected} columns, applied to {got}")]
    ColumnMismatch {
        /// The columns fitted.
        expected: usize,
        /// The columns of the data.
        got: usize,
    },
    /// A standardised value is not finite: the data are far outside what was fitted.
    #[error("standardised values are out of range")]
    Table(#[from] TableError),
}

/// The mean and deviation of each column, by which values are standardised.
///
/// Contributors of one federation share one, fitted on the DAO's validation set: it is part of the
/// model, and a contributor's own means would tell about its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardiser {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Standardiser {
    /// Checks means and deviations that come from elsewhere.
    ///
    /// * `mean` — `[features]`, in the units of the columns.
    /// * `deviation` — `[features]`, in the units of the columns, > 0.
    ///
    /// # Errors
    /// [`StandardiserError::LengthMismatch`] or [`StandardiserError::OutOfRange`].
    pub fn new(mean: Vec<f32>, deviation: Vec<f32>) -> Result<Self, StandardiserError> {
        if mean.is_empty() || mean.len() != deviation.len() {
            let (means, deviations) = (mean.len(), deviation.len());
            return Err(StandardiserError::LengthMismatch { means, deviations });
        }
        let unfit = |(mean, deviation): (&f32, &f32)| {
            !mean.is_finite() || !deviation.is_finite() || *deviation <= 0.0
        };
        match mean.iter().zip(&deviation).position(unfit) {
            Some(column) => Err(StandardiserError::OutOfRange { column }),
            None => Ok(Self { mean, deviation }),
        }
    }

    /// The means and population deviations of `table`, summed in `f64`.
    ///
    /// A constant column has deviation 1, so that it becomes zero.
    #[must_use]
    pub fn fit(table: &Table) -> Self {
        let (mean, deviation) =
            (0..table.feature_count()).map(|column| mean_and_deviation(table, column)).unzip();
        Self { mean, deviation }
    }

    /// The means, `[features]`.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The deviations, `[features]`, all above zero.
    #[must_use]
    pub fn deviation(&self) -> &[f32] {
        &self.deviation
    }

    /// The table with every value standardised: `(value - mean) / deviation`.
    ///
    /// # Errors
    /// As [`Standardiser::apply_to_values`], and [`StandardiserError::Table`] if a value overflows.
    pub fn apply(&self, table: &Table) -> Result<Table, StandardiserError> {
        self.check_columns(table.feature_count())?;
        let features = self.apply_to_values(table.features())?;
        Ok(Table::new(table.schema().clone(), features, table.labels().to_vec())?)
    }

    /// Standardises rows that have no label, as a buyer sends them.
    ///
    /// * `values` — `[rows, features]`, row-major. The results may overflow to infinity.
    ///
    /// # Errors
    /// [`StandardiserError::ColumnMismatch`] if `values` is not whole rows.
    pub fn apply_to_values(&self, values: &[f32]) -> Result<Vec<f32>, StandardiserError> {
        self.check_columns(match values.len() % self.mean.len() {
            0 => self.mean.len(),
            rest => rest,
        })?;
        let columns = self.mean.iter().zip(&self.deviation).cycle();
        Ok(values.iter().zip(columns).map(|(value, (mean, dev))| (value - mean) / dev).collect())
    }

    const fn check_columns(&self, got: usize) -> Result<(), StandardiserError> {
        let expected = self.mean.len();
        if got == expected {
            Ok(())
        } else {
            Err(StandardiserError::ColumnMismatch { expected, got })
        }
    }
}

fn mean_and_deviation(table: &Table, column: usize) -> (f32, f32) {
    let values = || table.iter().map(|(row, _)| f64::from(row[column]));
    let rows = table.rows() as f64;
    let mean = values().sum::<f64>() / rows;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    let constant =
        values().all(|value| value.to_bits() == f64::from(table.features()[column]).to_bits());
    let deviation = f32_from_statistic(variance.sqrt());
    let deviation = if constant || deviation <= 0.0 { 1.0 } else { deviation };
    (f32_from_statistic(mean), deviation)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a mean or deviation of f32 values lies in their range; rounding is wanted"
)]
const fn f32_from_statistic(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Schema, wine};

    fn table(values: &[f32]) -> Table {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let schema =
            Schema::new(names(&["a", "b"]), "y".to_string(), names(&["no", "yes"])).unwrap();
        Table::new(schema, values.to_vec(), vec![0; values.len() / 2]).unwrap()
    }

    #[test]
    fn fitted_columns_have_mean_zero_and_deviation_one() {
        let wine = wine::table();
        let fitted = Standardiser::fit(&Standardiser::fit(&wine).apply(&wine).unwrap());
        for (mean, deviation) in fitted.mean().iter().zip(fitted.deviation()) {
            assert!(mean.abs() < 1e-4, "{mean}");
            assert!((deviation - 1.0).abs() < 1e-4, "{deviation}");
        }
    }

    #[test]
    fn the_deviation_is_that_of_the_population() {
        let fitted = Standardiser::fit(&table(&[1.0, 5.0, 3.0, 9.0]));
        assert_eq!(fitted, Standardiser::new(vec![2.0, 7.0], vec![1.0, 2.0]).unwrap());
    }

    #[test]
    fn a_constant_column_becomes_zero() {
        let table = table(&[0.1, 1.0, 0.1, 2.0, 0.1, 3.0]);
        let fitted = Standardiser::fit(&table);
        assert_eq!(fitted.deviation()[0].to_bits(), 1.0_f32.to_bits());
        let applied = fitted.apply(&table).unwrap();
        assert!(applied.iter().all(|(row, _)| row[0].abs() < 1e-7));
    }

    #[test]
    fn unfit_lists_are_refused() {
        let refused = |mean: &[f32], deviation: &[f32]| {
            Standardiser::new(mean.to_vec(), deviation.to_vec()).unwrap_err()
        };
        let mismatch = StandardiserError::LengthMismatch { means: 1, deviations: 2 };
        assert_eq!(refused(&[0.0], &[1.0, 1.0]), mismatch);
        let empty = StandardiserError::LengthMismatch { means: 0, deviations: 0 };
        assert_eq!(refused(&[], &[]), empty);
        let out_of_range = StandardiserError::OutOfRange { column: 1 };
        for (mean, deviation) in [(f32::NAN, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, f32::INFINITY)] {
            assert_eq!(refused(&[0.0, mean], &[1.0, deviation]), out_of_range);
        }
    }

    #[test]
    fn other_columns_and_overflowing_values_are_refused() {
        let one = Standardiser::new(vec![0.0], vec![1.0]).unwrap();
        let mismatch = StandardiserError::ColumnMismatch { expected: 1, got: 2 };
        assert_eq!(one.apply(&table(&[1.0, 2.0])).unwrap_err(), mismatch);
        let tiny = Standardiser::new(vec![0.0, 0.0], vec![1.0, 1e-20]).unwrap();
        let ragged = StandardiserError::ColumnMismatch { expected: 2, got: 1 };
        assert_eq!(tiny.apply_to_values(&[1.0, 2.0, 3.0]).unwrap_err(), ragged);
        let overflow = tiny.apply(&table(&[1.0, 1e30])).unwrap_err();
        assert!(matches!(overflow, StandardiserError::Table(TableError::NotFinite { row: 0, .. })));
    }
}
