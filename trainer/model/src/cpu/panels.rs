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

/// Cuts `count` rows into parts of at most `max` that differ by one at most, as (first, length).
pub(super) fn even_parts(count: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(max).max(1);
    (0..parts).map(move |part| {
        let (start, end) = (part * count / parts, (part + 1) * count / parts);
        (start, end - start)
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
    fn parts_are_even_and_complete() {
        assert_eq!(even_parts(32, 14).collect::<Vec<_>>(), [(0, 10), (10, 11), (21, 11)]);
        assert_eq!(even_parts(14, 14).collect::<Vec<_>>(), [(0, 14)]);
        assert_eq!(even_parts(0, 14).collect::<Vec<_>>(), [(0, 0)]);
    }
}
