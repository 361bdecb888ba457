//! What all sets of examples have in common: rows that are taken when they are needed.

use std::fmt;

/// A row was asked for that does not exist.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("row {row} was taken of a set of {rows}")]
pub struct RowOutOfRange {
    /// The 0-based row asked for.
    pub row: u32,
    /// The rows there are.
    pub rows: usize,
}

/// Rows of numbers with a label each, copied out of a set.
#[derive(Clone, PartialEq)]
pub struct TakenRows {
    /// `[rows, width]`, row-major, all finite.
    pub values: Vec<f32>,
    /// `[rows]`, each below the number of classes.
    pub labels: Vec<u32>,
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for TakenRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakenRows").field("count", &self.labels.len()).finish_non_exhaustive()
    }
}

/// A set of examples of which rows are taken by index.
///
/// A set may hold its rows in a smaller form, a byte for a pixel or a character, and widen to `f32`
/// only the rows that are taken: ten thousand contributors share one set, and each has rows of its
/// own only while it trains.
pub trait RowSource {
    /// All labels, `[rows]`, each below [`RowSource::classes`]; at least one.
    fn labels(&self) -> &[u32];

    /// The number of classes, at least 2.
    fn classes(&self) -> usize;

    /// The values of a row, at least 1.
    fn width(&self) -> usize;

    /// The rows at `indices`, in that order; an index may repeat.
    ///
    /// # Errors
    /// [`RowOutOfRange`] for an index past the last row.
    fn take(&self, indices: &[u32]) -> Result<TakenRows, RowOutOfRange>;

    /// The number of rows, at least 1.
    fn rows(&self) -> usize {
        self.labels().len()
    }
}

/// Takes rows from anything that can write one row: the values of row `at` to the end of a list.
pub(crate) fn take_by(
    source: &(impl RowSource + ?Sized),
    indices: &[u32],
    write: impl Fn(usize, &mut Vec<f32>),
) -> Result<TakenRows, RowOutOfRange> {
    let labels = source.labels();
    let mut taken = TakenRows {
        values: Vec::with_capacity(indices.len().saturating_mul(source.width())),
        labels: Vec::with_capacity(indices.len()),
    };
    for &row in indices {
        let found = usize::try_from(row).ok().filter(|at| *at < labels.len());
        let at = found.ok_or(RowOutOfRange { row, rows: labels.len() })?;
        write(at, &mut taken.values);
        taken.labels.push(labels[at]);
    }
    Ok(taken)
}
