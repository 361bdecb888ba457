//! Rows of numbers with a label each.

use std::fmt;

use privacy_identity::{Digest, Encode as _, Tag, Writer};

use crate::{
    RowOutOfRange, RowSource, Schema, TakenRows, row_source::take_by, schema::u32_from_count,
};

/// The most rows of a table: row indices and counts stay below 2^24, exact in an `f32`.
pub const ROWS_MAX: usize = 1 << 24;

/// Why a table was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// There is no row.
    #[error("a table needs at least one row")]
    Empty,
    /// There are more rows than [`ROWS_MAX`].
    #[error("{got} rows are more than {ROWS_MAX}")]
    RowsTooMany {
        /// The rows given.
        got: usize,
    },
    /// The number of values is not rows × features.
    #[error("expected {expected} values (rows x features), got {got}")]
    Ragged {
        /// Rows times features.
        expected: usize,
        /// The values given.
        got: usize,
    },
    /// A value is NaN or infinite.
    #[error("the value of row {row}, column {column:?} is not a finite number")]
    NotFinite {
        /// 0-based row.
        row: usize,
        /// The feature.
        column: String,
    },
    /// A label is not the index of a class.
    #[error("the label {label} of row {row} is not below the number of classes, {classes}")]
    LabelOutOfRange {
        /// 0-based row.
        row: usize,
        /// The label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
    /// A selected row does not exist.
    #[error("row {row} was selected of a table of {rows}")]
    RowOutOfRange {
        /// The 0-based row asked for.
        row: usize,
        /// The rows there are.
        rows: usize,
    },
    /// Two tables with different columns or classes were put together.
    #[error("tables with different schemas cannot be put together")]
    SchemaMismatch,
}

/// Examples with a label each.
///
/// Invariants: at least one row, every row as long as the schema says, every value finite, every
/// label the index of a class.
#[derive(Clone, PartialEq)]
pub struct Table {
    schema: Schema,
    features: Vec<f32>,
    labels: Vec<u32>,
}

impl Table {
    /// Checks a table.
    ///
    /// * `features` — `[rows, features]`, row-major.
    /// * `labels` — `[rows]`, indices into the schema's classes.
    ///
    /// # Errors
    /// [`TableError`] if there is no row, too many, too many or too few values, or a value or
    /// label out of range.
    pub fn new(schema: Schema, features: Vec<f32>, labels: Vec<u32>) -> Result<Self, TableError> {
        check_shape(&schema, features.len(), labels.len())?;
        check_values(&schema, &features)?;
        check_labels(&schema, &labels)?;
        Ok(Self { schema, features, labels })
    }

    /// The names of the columns and classes.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The number of rows, at least 1.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The number of feature columns.
    #[must_use]
    pub fn feature_count(&self) -> usize {
        self.schema.features().len()
    }

    /// All values, `[rows, features]`, row-major.
    #[must_use]
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// All labels, `[rows]`.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The values of one row, if there is one at `index`.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let width = self.feature_count();
        self.features.get(index.checked_mul(width)?..)?.get(..width)
    }

    /// The rows in order: their values and their label.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], u32)> {
        self.features.chunks_exact(self.feature_count()).zip(self.labels.iter().copied())
    }

    /// The rows at `indices`, in that order; an index may repeat.
    ///
    /// # Errors
    /// [`TableError::Empty`] if `indices` is empty, [`TableError::RowOutOfRange`] for an index
    /// past the last row.
    pub fn select(&self, indices: &[usize]) -> Result<Self, TableError> {
        let mut features = Vec::with_capacity(indices.len().saturating_mul(self.feature_count()));
        let mut labels = Vec::with_capacity(indices.len());
        for &row in indices {
            let missing = || TableError::RowOutOfRange { row, rows: self.rows() };
            features.extend_from_slice(self.row(row).ok_or_else(missing)?);
            labels.push(self.labels[row]);
        }
        check_shape(&self.schema, features.len(), labels.len())?;
        Ok(Self { schema: self.schema.clone(), features, labels })
    }

    /// The rows of `self` and then those of `other`.
    ///
    /// # Errors
    /// [`TableError::SchemaMismatch`] if the columns or classes differ, [`TableError::RowsTooMany`]
    /// if the result is too long.
    pub fn concat(&self, other: &Self) -> Result<Self, TableError> {
        if self.schema != other.schema {
            return Err(TableError::SchemaMismatch);
        }
        let features = [self.features(), other.features()].concat();
        let labels = [self.labels(), other.labels()].concat();
        check_shape(&self.schema, features.len(), labels.len())?;
        Ok(Self { schema: self.schema.clone(), features, labels })
    }

    /// How many rows each class has, in the order of the classes.
    #[must_use]
    pub fn label_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.schema.classes().len()];
        for label in self.labels.iter().copied().map(index_from_label) {
            counts[label] += 1;
        }
        counts
    }

    /// The same rows with every label turned round: class `k` of `n` becomes `n - 1 - k`.
    ///
    /// It is what a broken sensor or a label-flipping attacker holds; with two classes every label
    /// is wrong.
    #[must_use]
    pub fn with_inverted_labels(&self) -> Self {
        let last = u32_from_count(self.schema.classes().len() - 1);
        let labels = self.labels.iter().map(|label| last - label).collect();
        Self { schema: self.schema.clone(), features: self.features.clone(), labels }
    }

    /// The bytes that stand for this table in a commitment.
    ///
    /// The schema, the number of rows (u64), then row by row the `f32` bits and the label (u32),
    /// all big-endian. Two tables have the same bytes only if they are the same.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.schema.encode(&mut writer);
        writer.u64(self.rows() as u64);
        for (row, label) in self.iter() {
            for value in row {
                writer.u32(value.to_bits());
            }
            writer.u32(label);
        }
        writer.into_bytes()
    }

    /// The digest of [`Table::canonical_bytes`]: the commitment to a data set.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(Tag::Dataset, &self.canonical_bytes())
    }
}

impl RowSource for Table {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn classes(&self) -> usize {
        self.schema.classes().len()
    }

    fn width(&self) -> usize {
        self.feature_count()
    }

    fn take(&self, indices: &[u32]) -> Result<TakenRows, RowOutOfRange> {
        let width = self.width();
        take_by(self, indices, |at, values| {
            values.extend_from_slice(&self.features[at * width..][..width]);
        })
    }
}

/// Shows the size and the columns alone: records have no place in a log.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        f.debug_struct("Table").field("rows", &rows).field("schema", &self.schema).finish()
    }
}

/// A label as an index into the classes.
pub(crate) fn index_from_label(label: u32) -> usize {
    usize::try_from(label).expect("a label is below CLASSES_MAX")
}

fn check_shape(schema: &Schema, values: usize, rows: usize) -> Result<(), TableError> {
    if rows == 0 {
        return Err(TableError::Empty);
    }
    if rows > ROWS_MAX {
        return Err(TableError::RowsTooMany { got: rows });
    }
    let expected = rows.saturating_mul(schema.features().len());
    if values != expected {
        return Err(TableError::Ragged { expected, got: values });
    }
    Ok(())
}

fn check_values(schema: &Schema, features: &[f32]) -> Result<(), TableError> {
    let Some(at) = features.iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let width = schema.features().len();
    Err(TableError::NotFinite { row: at / width, column: schema.features()[at % width].clone() })
}

fn check_labels(schema: &Schema, labels: &[u32]) -> Result<(), TableError> {
    let classes = schema.classes().len();
    match labels.iter().position(|&label| index_from_label(label) >= classes) {
        Some(row) => Err(TableError::LabelOutOfRange { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
