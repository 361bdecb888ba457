//! A table read from CSV.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::{ROWS_MAX, Schema, Table, TableError};

/// The longest file that is read: the longest table of a hundred columns at ten bytes a number.
pub const CSV_BYTES_MAX: u64 = 16 << 30;

/// Why a file is not a table of the schema. Lines count from 1; the header is the first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvReadError {
    /// The file could not be opened.
    #[error("cannot open {path}")]
    Open {
        /// The path, as given.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file could not be read, or is not UTF-8.
    #[error("cannot read line {line}")]
    Read {
        /// The line at which reading stopped.
        line: u64,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// There is no header.
    #[error("the file is empty; expected a header with {expected} columns")]
    HeaderMissing {
        /// The columns of the schema, the label included.
        expected: usize,
    },
    /// The header lacks a column of the schema.
    #[error("the header lacks the column {column:?}")]
    ColumnMissing {
        /// The column.
        column: String,
    },
    /// The header has a column that the schema does not know.
    #[error("the header has the column {column:?}, which the schema does not; remove it")]
    ColumnUnknown {
        /// The column.
        column: String,
    },
    /// The header has a column twice.
    #[error("the header has the column {column:?} twice")]
    ColumnTwice {
        /// The column.
        column: String,
    },
    /// A line has more or fewer fields than the header.
    #[error("line {line} has {got} fields, expected {expected}")]
    FieldCount {
        /// The line.
        line: u64,
        /// The columns of the header.
        expected: usize,
        /// The fields of the line.
        got: usize,
    },
    /// A feature is not a finite number.
    #[error("line {line}, column {column:?}: expected a finite number, got {got:?}")]
    NotANumber {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The field.
        got: String,
    },
    /// A label is not the name of a class.
    #[error("line {line}: expected a label among {expected:?}, got {got:?}")]
    LabelUnknown {
        /// The line.
        line: u64,
        /// The names of the classes.
        expected: Vec<String>,
        /// The field.
        got: String,
    },
    /// The file is longer than the bound.
    #[error("the file is longer than {max} bytes or {ROWS_MAX} rows")]
    TooLong {
        /// The bound in bytes.
        max: u64,
    },
    /// The rows do not make a table; in particular, there is a header but no row.
    #[error("the rows do not make a table")]
    Table(#[from] TableError),
}

/// Reads the table in the file at `path`; see [`table_from_csv`].
///
/// # Errors
/// [`CsvReadError::Open`], or as [`table_from_csv`].
pub fn read_csv(path: &Path, schema: &Schema) -> Result<Table, CsvReadError> {
    let file = File::open(path)
        .map_err(|source| CsvReadError::Open { path: path.display().to_string(), source })?;
    table_from_csv(file, schema)
}

/// Reads a table from CSV with a header.
///
/// Columns are matched by name and may come in any order. A column that the schema does not know is
/// refused rather than ignored: in a federation it is a misspelt feature, or something that the
/// owner did not mean to enrol. White space around fields is dropped and blank lines are skipped.
///
/// # Errors
/// [`CsvReadError`], with the line.
pub fn table_from_csv(source: impl Read, schema: &Schema) -> Result<Table, CsvReadError> {
    // One byte more than allowed, so that a file of exactly the bound is not refused.
    let source = source.take(CSV_BYTES_MAX + 1);
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(source);
    let header = reader.headers().map_err(read_error)?.clone();
    let columns = Columns::from_header(&header, schema)?;

    let (mut features, mut labels) = (Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(read_error)? {
        let line = record.position().map_or(0, csv::Position::line);
        columns.read_features(&record, line, &mut features)?;
        labels.push(columns.read_label(&record, line)?);
        if labels.len() > ROWS_MAX || reader.get_ref().limit() == 0 {
            return Err(CsvReadError::TooLong { max: CSV_BYTES_MAX });
        }
    }
    Ok(Table::new(schema.clone(), features, labels)?)
}

/// Where each column of the schema is in a record.
struct Columns<'a> {
    schema: &'a Schema,
    features: Vec<usize>,
    label: usize,
    count: usize,
}

impl<'a> Columns<'a> {
    fn from_header(header: &StringRecord, schema: &'a Schema) -> Result<Self, CsvReadError> {
        let count = schema.features().len() + 1;
        if header.is_empty() {
            return Err(CsvReadError::HeaderMissing { expected: count });
        }
        let known =
            |name: &str| name == schema.label() || schema.features().iter().any(|f| f == name);
        if let Some(unknown) = header.iter().find(|name| !known(name)) {
            return Err(CsvReadError::ColumnUnknown { column: unknown.to_string() });
        }
        let features = schema.features().iter().map(|name| position(header, name));
        let features = features.collect::<Result<_, _>>()?;
        Ok(Self { schema, features, label: position(header, schema.label())?, count })
    }

    /// Appends the record's values in the order of the schema.
    fn read_features(
        &self,
        record: &StringRecord,
        line: u64,
        values: &mut Vec<f32>,
    ) -> Result<(), CsvReadError> {
        if record.len() != self.count {
            let (expected, got) = (self.count, record.len());
            return Err(CsvReadError::FieldCount { line, expected, got });
        }
        for (name, &at) in self.schema.features().iter().zip(&self.features) {
            let field = &record[at];
            let value = field.parse().ok().filter(|value: &f32| value.is_finite());
            values.push(value.ok_or_else(|| CsvReadError::NotANumber {
                line,
                column: name.clone(),
                got: field.to_string(),
            })?);
        }
        Ok(())
    }

    fn read_label(&self, record: &StringRecord, line: u64) -> Result<u32, CsvReadError> {
        let field = &record[self.label];
        self.schema.class_index(field).ok_or_else(|| CsvReadError::LabelUnknown {
            line,
            expected: self.schema.classes().to_vec(),
            got: field.to_string(),
        })
    }
}

fn position(header: &StringRecord, name: &str) -> Result<usize, CsvReadError> {
    let mut places = header.iter().enumerate().filter(|(_, column)| *column == name);
    let Some((at, _)) = places.next() else {
        return Err(CsvReadError::ColumnMissing { column: name.to_string() });
    };
    match places.next() {
        Some(_) => Err(CsvReadError::ColumnTwice { column: name.to_string() }),
        None => Ok(at),
    }
}

fn read_error(source: csv::Error) -> CsvReadError {
    CsvReadError::Read { line: source.position().map_or(1, csv::Position::line), source }
}
