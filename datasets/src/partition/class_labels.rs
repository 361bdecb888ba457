//! The labels that a rule looks at.

use crate::{ROWS_MAX, RowSource, partition::u32_from_row, table::index_from_label};

use super::PartitionError;

/// Labels of 1 to [`ROWS_MAX`] rows, each below the number of classes.
#[derive(Debug, Clone, Copy)]
pub struct ClassLabels<'a> {
    labels: &'a [u32],
    classes: usize,
}

impl<'a> ClassLabels<'a> {
    /// Checks labels.
    ///
    /// * `labels` — `[rows]`, each below `classes`.
    ///
    /// # Errors
    /// [`PartitionError::RowsMissing`], [`PartitionError::RowsTooMany`] or
    /// [`PartitionError::LabelOutOfRange`].
    pub fn new(labels: &'a [u32], classes: usize) -> Result<Self, PartitionError> {
        if labels.is_empty() {
            return Err(PartitionError::RowsMissing);
        }
        if labels.len() > ROWS_MAX {
            return Err(PartitionError::RowsTooMany { got: labels.len() });
        }
        match labels.iter().position(|&label| index_from_label(label) >= classes) {
            Some(row) => Err(PartitionError::LabelOutOfRange { row, label: labels[row], classes }),
            None => Ok(Self { labels, classes }),
        }
    }

    /// The labels of a set.
    ///
    /// # Errors
    /// As [`ClassLabels::new`]; never for the sets of this crate.
    pub fn of(source: &'a (impl RowSource + ?Sized)) -> Result<Self, PartitionError> {
        Self::new(source.labels(), source.classes())
    }

    /// The number of rows, at least 1.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.labels.len()
    }

    /// The number of classes, at least 1.
    #[must_use]
    pub const fn classes(self) -> usize {
        self.classes
    }

    /// The class of a row of the set.
    pub(super) fn class(self, row: u32) -> usize {
        index_from_label(self.labels[index_from_label(row)])
    }

    /// The rows of each class, ascending; a class may have none.
    pub(super) fn rows_by_class(self) -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::new(); self.classes];
        for (row, &label) in self.labels.iter().enumerate() {
            rows[index_from_label(label)].push(u32_from_row(row));
        }
        rows
    }
}
