//! A table read from CSV.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::{ROWS_MAX, Schema, Table, TableError, record_bound::RecordBound, watched_file::State};

/// The longest file that is read: the longest table of a hundred columns at ten bytes a number.
pub const CSV_BYTES_MAX: u64 = 16 << 30;

/// The longest line that is read, the header included: twice what the names of the widest schema
/// can take. It bounds the memory that a quotation mark takes that is never closed.
pub const CSV_LINE_BYTES_MAX: u64 = 64 << 20;

/// The most values that are read, rows times features: 4 GiB of `f32`.
pub const CSV_VALUES_MAX: usize = 1 << 30;

/// How much of a field a message repeats.
const EXCERPT_CHARS: usize = 64;

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
    /// The file was written to while it was read, so that its rows may be of two versions.
    #[error("{path} changed while it was read; try again when nobody writes to it")]
    Changed {
        /// The path, as given.
        path: String,
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
    /// A line is longer than the bound: in all likelihood a quotation mark is never closed.
    #[error("line {line} is longer than {max} bytes; is a quotation mark never closed?")]
    LineTooLong {
        /// The line.
        line: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// The rows have more values than the bound.
    #[error("the file has more than {max} values")]
    ValuesTooMany {
        /// The bound: rows times features.
        max: usize,
    },
    /// The rows do not make a table; in particular, there is a header but no row.
    #[error("the rows do not make a table")]
    Table(#[from] TableError),
}

/// Reads the table in the file at `path`; see [`table_from_csv`].
///
/// # Errors
/// [`CsvReadError::Open`], [`CsvReadError::Changed`], or as [`table_from_csv`].
pub fn read_csv(path: &Path, schema: &Schema) -> Result<Table, CsvReadError> {
    read_unchanged(path, |file| table_from_csv(file, schema))
}

/// Refuses what `read` makes of the file if the file changed meanwhile.
fn read_unchanged(
    path: &Path,
    read: impl FnOnce(&File) -> Result<Table, CsvReadError>,
) -> Result<Table, CsvReadError> {
    let open_error = |source| CsvReadError::Open { path: path.display().to_string(), source };
    let file = File::open(path).map_err(open_error)?;
    let before = State::of(&file).map_err(open_error)?;
    let table = read(&file);
    // Looked at first: a line that was half written is not the owner's mistake.
    if State::of(&file).map_err(open_error)? != before {
        return Err(CsvReadError::Changed { path: path.display().to_string() });
    }
    table
}

/// How much is read before a file is refused.
struct Bounds {
    bytes: u64,
    line_bytes: u64,
    rows: usize,
    values: usize,
}

const BOUNDS: Bounds = Bounds {
    bytes: CSV_BYTES_MAX,
    line_bytes: CSV_LINE_BYTES_MAX,
    rows: ROWS_MAX,
    values: CSV_VALUES_MAX,
};

/// Reads a table from CSV with a header.
///
/// Columns are matched by name and may come in any order. A column that the schema does not know is
/// refused rather than ignored: in a federation it is a misspelt feature, or something that the
/// owner did not mean to enrol. White space around fields is dropped and blank lines are skipped.
///
/// The file is read line by line; memory is bounded by the table and one line, both of which have a
/// bound of their own.
///
/// # Errors
/// [`CsvReadError`], with the line.
pub fn table_from_csv(source: impl Read, schema: &Schema) -> Result<Table, CsvReadError> {
    table_within(source, schema, &BOUNDS)
}

fn table_within(
    source: impl Read,
    schema: &Schema,
    bounds: &Bounds,
) -> Result<Table, CsvReadError> {
    // One byte more than allowed, so that a file of exactly the bound is not refused.
    let source = source.take(bounds.bytes + 1);
    let (source, bound) = RecordBound::around(source, bounds.line_bytes);
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(source);
    let read_error = |source: csv::Error, line: u64| {
        let line = source.position().map_or(line, csv::Position::line);
        if bound.exceeded() {
            return CsvReadError::LineTooLong { line, max: bounds.line_bytes };
        }
        CsvReadError::Read { line, source }
    };
    let header = reader.headers().map_err(|source| read_error(source, 1))?.clone();
    let columns = Columns::from_header(&header, schema)?;

    let (mut features, mut labels) = (Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    loop {
        let (begin, line) = (reader.position().byte(), reader.position().line());
        bound.record_begins_at(begin);
        if !reader.read_record(&mut record).map_err(|source| read_error(source, line))? {
            break;
        }
        let line = record.position().map_or(0, csv::Position::line);
        columns.read_features(&record, line, &mut features)?;
        labels.push(columns.read_label(&record, line)?);
        if labels.len() > bounds.rows || reader.get_ref().inner().limit() == 0 {
            return Err(CsvReadError::TooLong { max: bounds.bytes });
        }
        if features.len() > bounds.values {
            return Err(CsvReadError::ValuesTooMany { max: bounds.values });
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
            return Err(CsvReadError::ColumnUnknown { column: excerpt(unknown) });
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
                got: excerpt(field),
            })?);
        }
        Ok(())
    }

    fn read_label(&self, record: &StringRecord, line: u64) -> Result<u32, CsvReadError> {
        let field = &record[self.label];
        self.schema.class_index(field).ok_or_else(|| CsvReadError::LabelUnknown {
            line,
            expected: self.schema.classes().to_vec(),
            got: excerpt(field),
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

/// The beginning of a field, for a message: a field may be as long as a line.
pub(crate) fn excerpt(field: &str) -> String {
    match field.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FITTING: Bounds = Bounds { bytes: 1_000, line_bytes: 1_000, rows: 10, values: 20 };

    fn check(text: &str, bounds: &Bounds, expected: Option<&str>) {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let schema = Schema::new(names(&["a", "b"]), "y".to_string(), names(&["no", "yes"]));
        let read = table_within(text.as_bytes(), &schema.unwrap(), bounds);
        assert_eq!(read.err().map(|error| error.to_string()).as_deref(), expected);
    }

    #[test]
    fn a_file_of_exactly_the_bounds_is_read_and_one_beyond_each_is_refused() {
        let text = format!("a,b,y\n{}", "1,2,no\n".repeat(10));
        check(&text, &FITTING, None);
        check(&text, &Bounds { bytes: 76, ..FITTING }, None);
        let too_long = "the file is longer than 1000 bytes or 16777216 rows";
        check(&text, &Bounds { rows: 9, ..FITTING }, Some(too_long));
        let too_long = "the file is longer than 75 bytes or 16777216 rows";
        check(&text, &Bounds { bytes: 75, ..FITTING }, Some(too_long));
        check(&text, &Bounds { values: 19, ..FITTING }, Some("the file has more than 19 values"));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_refused() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "a\n1\n").unwrap();
        let grow = |_: &File| {
            std::fs::write(&path, "a\n1\n2\n").unwrap();
            Ok(crate::wine::table())
        };
        let error = read_unchanged(&path, grow).unwrap_err();
        assert!(matches!(error, CsvReadError::Changed { .. }), "{error}");
        assert!(read_unchanged(&path, |_| Ok(crate::wine::table())).is_ok());
    }

    #[test]
    fn an_excerpt_keeps_whole_characters() {
        assert_eq!(excerpt("ä"), "ä");
        assert_eq!(excerpt(&"ä".repeat(1_000)), format!("{}…", "ä".repeat(EXCERPT_CHARS)));
    }
}
