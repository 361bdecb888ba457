//! What a model learns from or is measured on.

use std::fmt;

use datasets::{Standardiser, StandardiserError, Table};

use crate::{Features, FeaturesError};

/// Why values and labels are not examples.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExamplesError {
    /// The values are not inputs.
    #[error("the values are not inputs of a model")]
    Features(#[from] FeaturesError),
    /// The standardiser was fitted to another table, or a value overflows.
    #[error("the table cannot be standardised")]
    Standardiser(#[from] StandardiserError),
    /// There is not one label for each row.
    #[error("expected {expected} labels, one a row, got {got}")]
    LabelCount {
        /// The rows.
        expected: usize,
        /// The labels given.
        got: usize,
    },
    /// A label is not below the number of classes.
    #[error("the label {label} of row {row} is not below the number of classes, {classes}")]
    LabelOutOfRange {
        /// 0-based row.
        row: usize,
        /// The label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
    /// A row was asked for that does not exist.
    #[error("there is no row {row}, but {rows} rows")]
    RowOutOfRange {
        /// 0-based row.
        row: usize,
        /// The rows there are.
        rows: usize,
    },
}

/// Standardised inputs with a label each.
#[derive(Clone, PartialEq)]
pub struct Examples {
    features: Features,
    labels: Vec<usize>,
    classes: usize,
}

impl Examples {
    /// Checks inputs and their labels.
    ///
    /// * `labels` — `[rows]`, each below `classes`.
    ///
    /// # Errors
    /// [`ExamplesError::LabelCount`] or [`ExamplesError::LabelOutOfRange`].
    pub fn new(features: Features, labels: &[u32], classes: usize) -> Result<Self, ExamplesError> {
        if labels.len() != features.rows() {
            let (expected, got) = (features.rows(), labels.len());
            return Err(ExamplesError::LabelCount { expected, got });
        }
        let index = |(row, &label): (usize, &u32)| match usize::try_from(label) {
            Ok(index) if index < classes => Ok(index),
            _ => Err(ExamplesError::LabelOutOfRange { row, label, classes }),
        };
        let labels = labels.iter().enumerate().map(index).collect::<Result<_, _>>()?;
        Ok(Self { features, labels, classes })
    }

    /// The rows of `table`, standardised.
    ///
    /// # Errors
    /// [`ExamplesError::Standardiser`] if `standardiser` has other columns or a value overflows.
    pub fn from_table(table: &Table, standardiser: &Standardiser) -> Result<Self, ExamplesError> {
        let table = standardiser.apply(table)?;
        let features = Features::new(table.features().to_vec(), table.feature_count())?;
        Self::new(features, table.labels(), table.schema().classes().len())
    }

    /// The given rows, in the given order; a row may be named more than once.
    ///
    /// # Errors
    /// [`ExamplesError::RowOutOfRange`] if a row does not exist, [`ExamplesError::Features`] if none
    /// is named.
    pub fn select(&self, rows: &[usize]) -> Result<Self, ExamplesError> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.count()) {
            return Err(ExamplesError::RowOutOfRange { row, rows: self.count() });
        }
        let features = self.features.select(rows)?;
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Ok(Self { features, labels, classes: self.classes })
    }

    /// Empty examples of the same kind, with space for so many rows; only [`Examples::refill`] makes
    /// them examples.
    pub(crate) fn with_space(&self, rows: usize) -> Self {
        let features = self.features.with_space(rows);
        Self { features, labels: Vec::with_capacity(rows), classes: self.classes }
    }

    /// Becomes the given rows of `source`, whose values `write` puts in; it takes no new space for as
    /// many rows as there was space for.
    pub(crate) fn refill(
        &mut self,
        source: &Self,
        rows: &[usize],
        write: impl FnMut(&[f32], &mut [f32]),
    ) {
        self.features.refill(&source.features, rows, write);
        self.labels.clear();
        self.labels.extend(rows.iter().map(|row| source.labels[*row]));
    }

    /// The inputs.
    #[must_use]
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// The labels, `[rows]`, each below [`Examples::classes`].
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The number of classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The number of examples, at least 1.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.labels.len()
    }
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (features, classes) = (&self.features, &self.classes);
        f.debug_struct("Examples").field("features", features).field("classes", classes).finish()
    }
}

#[cfg(test)]
mod tests {
    use datasets::wine;

    use super::*;

    #[test]
    fn unfit_labels_are_refused() {
        let refused = |labels: &[u32]| {
            let features = Features::new(vec![0.0; 6], 3).unwrap();
            Examples::new(features, labels, 2).unwrap_err()
        };
        assert_eq!(refused(&[0]), ExamplesError::LabelCount { expected: 2, got: 1 });
        let out_of_range = ExamplesError::LabelOutOfRange { row: 1, label: 2, classes: 2 };
        assert_eq!(refused(&[0, 2]), out_of_range);
    }

    #[test]
    fn rows_are_selected_in_the_order_given() {
        let features = Features::new(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 2).unwrap();
        let examples = Examples::new(features, &[0, 1, 2], 3).unwrap();
        let selected = examples.select(&[2, 0, 2]).unwrap();
        assert_eq!(selected.features().values(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        assert_eq!(selected.labels(), [2, 0, 2]);
        let refused = examples.select(&[0, 3]).unwrap_err();
        assert_eq!(refused.to_string(), "there is no row 3, but 3 rows");
        let empty = ExamplesError::Features(FeaturesError::Empty);
        assert_eq!(examples.select(&[]).unwrap_err(), empty);
    }

    #[test]
    fn a_table_becomes_standardised_examples() {
        let wine = wine::table();
        let examples = Examples::from_table(&wine, &Standardiser::fit(&wine)).unwrap();
        assert_eq!((examples.count(), examples.classes()), (1_599, 2));
        assert_eq!(examples.features().inputs(), 11);
        assert!(examples.features().values().iter().all(|value| value.abs() < 20.0));
        assert_eq!(
            format!("{examples:?}"),
            "Examples { features: Features(1599 x 11), classes: 2 }"
        );
    }
}
