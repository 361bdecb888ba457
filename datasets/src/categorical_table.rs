//! A table some of whose columns are categories.

use crate::{
    RowOutOfRange, RowSource, Schema, SchemaError, Table, TableError, TakenRows,
    schema::u32_from_count,
};

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnKind {
    /// Finite numbers.
    Number,
    /// Indices into these levels, as whole `f32`.
    Category {
        /// The names of the levels, at least one.
        levels: Vec<String>,
    },
}

/// Why a table and kinds of columns do not belong together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CategoricalTableError {
    /// There is not one kind for each column.
    #[error("expected {expected} kinds of columns, one a feature, got {got}")]
    KindCount {
        /// The features of the table.
        expected: usize,
        /// The kinds given.
        got: usize,
    },
    /// A value is not the index of a level.
    #[error("the value of row {row}, column {column:?} is not the index of one of {levels} levels")]
    LevelOutOfRange {
        /// 0-based row.
        row: usize,
        /// The feature.
        column: String,
        /// The levels of the column.
        levels: usize,
    },
}

/// Why the columns of levels do not make a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OneHotError {
    /// A column and its level have names that make none of a column, or there are too many.
    #[error("the levels do not make columns")]
    Schema(#[from] SchemaError),
    /// The rows do not make a table.
    #[error("the rows do not make a table")]
    Table(#[from] TableError),
}

/// A table with the kind of each of its columns.
///
/// Invariant: the values of a category are indices of its levels. A model looks them up in an
/// embedding, or takes [`CategoricalTable::one_hot`]; standardising them would be nonsense.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoricalTable {
    table: Table,
    kinds: Vec<ColumnKind>,
}

impl CategoricalTable {
    /// Checks the values of categories.
    ///
    /// * `kinds` — one for each feature of `table`, in order.
    ///
    /// # Errors
    /// [`CategoricalTableError`] if a kind is missing or a value is not the index of a level.
    pub fn new(table: Table, kinds: Vec<ColumnKind>) -> Result<Self, CategoricalTableError> {
        let features = table.schema().features();
        if kinds.len() != features.len() {
            let (expected, got) = (features.len(), kinds.len());
            return Err(CategoricalTableError::KindCount { expected, got });
        }
        for (column, kind) in kinds.iter().enumerate() {
            let ColumnKind::Category { levels } = kind else { continue };
            let is_level = |value: f32| level_index(value).is_some_and(|at| at < levels.len());
            if let Some(row) = table.iter().position(|(row, _)| !is_level(row[column])) {
                let (column, levels) = (features[column].clone(), levels.len());
                return Err(CategoricalTableError::LevelOutOfRange { row, column, levels });
            }
        }
        Ok(Self { table, kinds })
    }

    /// The values: numbers, and indices of levels.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// The kind of each feature, in order.
    #[must_use]
    pub fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// The same rows with a column of 0 and 1 for each level, called `column=level`, in place of
    /// each category.
    ///
    /// # Errors
    /// [`OneHotError::Schema`] if there would be too many columns or two of one name.
    pub fn one_hot(&self) -> Result<Table, OneHotError> {
        let schema = self.table.schema();
        let columns =
            schema.features().iter().zip(&self.kinds).flat_map(|(name, kind)| match kind {
                ColumnKind::Number => vec![name.clone()],
                ColumnKind::Category { levels } => {
                    levels.iter().map(|level| format!("{name}={level}")).collect()
                }
            });
        let wide =
            Schema::new(columns.collect(), schema.label().to_string(), schema.classes().to_vec())?;
        let mut values = Vec::with_capacity(self.table.rows() * wide.features().len());
        for (row, _) in self.table.iter() {
            for (value, kind) in row.iter().zip(&self.kinds) {
                match kind {
                    ColumnKind::Number => values.push(*value),
                    ColumnKind::Category { levels } => {
                        let start = values.len();
                        values.resize(start + levels.len(), 0.0);
                        // Checked when the table was made: there is such a level.
                        let at = level_index(*value).unwrap_or(usize::MAX);
                        if let Some(column) = values[start..].get_mut(at) {
                            *column = 1.0;
                        }
                    }
                }
            }
        }
        Ok(Table::new(wide, values, self.table.labels().to_vec())?)
    }
}

impl RowSource for CategoricalTable {
    fn labels(&self) -> &[u32] {
        self.table.labels()
    }

    fn classes(&self) -> usize {
        RowSource::classes(&self.table)
    }

    fn width(&self) -> usize {
        self.table.width()
    }

    fn take(&self, indices: &[u32]) -> Result<TakenRows, RowOutOfRange> {
        self.table.take(indices)
    }
}

/// The index of a level as a value; exact, because there are fewer than 2^24 levels.
pub(crate) fn value_from_level(level: usize) -> f32 {
    u32_from_count(level) as f32
}

/// The whole number from 0 that `value` is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a value that the conversion changes is none"
)]
fn level_index(value: f32) -> Option<usize> {
    let index = value as u32;
    (index as f32 == value && value < 16_777_216.0).then(|| usize::try_from(index).ok()).flatten()
}
