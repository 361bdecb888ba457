//! The order in which the engine keeps a matrix that stands on the right of a product.

use std::ops::Range;

/// Columns of a panel: two of the widest vectors.
pub(super) const PANEL: usize = 32;

/// Columns of the last panel if so few are enough: one of the widest vectors.
pub(super) const NARROW: usize = 16;

/// A matrix `[rows, columns]` cut into panels of [`PANEL`] columns, the last of [`NARROW`] or
/// [`PANEL`]. Panels follow each other; each is row-major, so that a product reads it from the first
/// value to the last. Columns beyond those asked for are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panels {
    pub(super) rows: usize,
    /// A multiple of [`NARROW`].
    pub(super) columns: usize,
}

/// One panel of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panel {
    /// The index of its first value.
    pub(super) start: usize,
    /// Its first column.
    pub(super) column: usize,
    /// [`PANEL`] or [`NARROW`].
    pub(super) width: usize,
}

impl Panels {
    pub(super) const fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns: columns.next_multiple_of(NARROW) }
    }

    /// The number of values.
    pub(super) const fn len(self) -> usize {
        self.rows * self.columns
    }

    /// The columns that are in panels of full width.
    pub(super) const fn full_columns(self) -> usize {
        self.columns / PANEL * PANEL
    }

    pub(super) fn panels(self) -> impl Iterator<Item = Panel> {
        (0..self.columns).step_by(PANEL).map(move |column| Panel {
            start: column * self.rows,
            column,
            width: PANEL.min(self.columns - column),
        })
    }

    /// The index of a value.
    pub(super) const fn index(self, row: usize, column: usize) -> usize {
        let first = column / PANEL * PANEL;
        let left = self.columns - first;
        let width = if left < PANEL { left } else { PANEL };
        first * self.rows + row * width + column - first
    }

    /// The runs of neighbouring values in `columns` columns of a row, as (first column, index).
    pub(super) fn runs(
        self,
        row: usize,
        columns: usize,
    ) -> impl Iterator<Item = (Range<usize>, usize)> {
        (0..columns)
            .step_by(PANEL)
            .map(move |column| (column..columns.min(column + PANEL), self.index(row, column)))
    }
}

/// Cuts `count` rows into parts of the lengths in `lengths`, which fall and end with 1, the longest
/// first; as (first, length).
pub(super) fn parts(count: usize, lengths: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let left = count - start;
        let length = *lengths.iter().find(|&&length| length <= left)?;
        start += length;
        Some((start - length, length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_own_index() {
        for columns in [1, 10, 16, 17, 32, 40, 200] {
            let matrix = Panels::new(5, columns);
            let mut seen = vec![false; matrix.len()];
            for (row, column) in (0..5).flat_map(|r| (0..matrix.columns).map(move |c| (r, c))) {
                assert!(!std::mem::replace(&mut seen[matrix.index(row, column)], true));
            }
            assert!(seen.into_iter().all(|seen| seen));
            assert_eq!(matrix.panels().map(|panel| panel.width).sum::<usize>(), matrix.columns);
        }
    }

    #[test]
    fn parts_are_complete() {
        assert_eq!(
            parts(32, &[14, 1]).collect::<Vec<_>>(),
            [(0, 14), (14, 14), (28, 1), (29, 1), (30, 1), (31, 1)]
        );
        assert_eq!(parts(0, &[14, 1]).count(), 0);
    }
}
