//! The Adult census table of the UCI repository, in its own format.
//!
//! 14 columns, six of them numbers and eight categories, and whether somebody earned over 50 000
//! dollars in 1994. Lines of fields with commas and spaces, without a header; `?` stands for a
//! missing category; in the published test file labels end in a full stop and a first line begins
//! with `|`.
//!
//! Source: Kohavi 1996, "Scaling Up the Accuracy of Naive-Bayes Classifiers: a Decision-Tree
//! Hybrid", KDD; Becker & Kohavi, UCI Machine Learning Repository, 1996. The levels are those that
//! its description lists, in alphabetical order, so that all files and all parts of one have the same
//! codes; `?` is code 0 in every category, whether or not its rows lack values.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::{
    CategoricalTable, CategoricalTableError, ColumnKind, ROWS_MAX, Schema, SchemaError, Table,
    TableError, categorical_table::value_from_level, csv_reader::excerpt, plain::plain,
    record_bound::RecordBound,
};

/// The longest file that is read. The published one has four million bytes.
pub const ADULT_BYTES_MAX: u64 = 256 << 20;

/// The longest line that is read; the longest published one has 160 bytes.
const LINE_BYTES_MAX: u64 = 4_096;

/// The level of a category that is not known.
const MISSING: &str = "?";

/// Classes in the order of their labels.
const CLASSES: [&str; 2] = ["<=50K", ">50K"];

/// Each column and its levels; none if it is a number.
const COLUMNS: [(&str, &[&str]); 14] = [
    ("age", &[]),
    ("workclass", &WORKCLASSES),
    ("fnlwgt", &[]),
    ("education", &EDUCATIONS),
    ("education-num", &[]),
    ("marital-status", &MARITAL_STATUSES),
    ("occupation", &OCCUPATIONS),
    ("relationship", &RELATIONSHIPS),
    ("race", &RACES),
    ("sex", &SEXES),
    ("capital-gain", &[]),
    ("capital-loss", &[]),
    ("hours-per-week", &[]),
    ("native-country", &COUNTRIES),
];

#[rustfmt::skip]
const WORKCLASSES: [&str; 9] = [
    MISSING, "Federal-gov", "Local-gov", "Never-worked", "Private", "Self-emp-inc",
    "Self-emp-not-inc", "State-gov", "Without-pay",
];
#[rustfmt::skip]
const EDUCATIONS: [&str; 17] = [
    MISSING, "10th", "11th", "12th", "1st-4th", "5th-6th", "7th-8th", "9th", "Assoc-acdm",
    "Assoc-voc", "Bachelors", "Doctorate", "HS-grad", "Masters", "Preschool", "Prof-school",
    "Some-college",
];
#[rustfmt::skip]
const MARITAL_STATUSES: [&str; 8] = [
    MISSING, "Divorced", "Married-AF-spouse", "Married-civ-spouse", "Married-spouse-absent",
    "Never-married", "Separated", "Widowed",
];
#[rustfmt::skip]
const OCCUPATIONS: [&str; 15] = [
    MISSING, "Adm-clerical", "Armed-Forces", "Craft-repair", "Exec-managerial", "Farming-fishing",
    "Handlers-cleaners", "Machine-op-inspct", "Other-service", "Priv-house-serv", "Prof-specialty",
    "Protective-serv", "Sales", "Tech-support", "Transport-moving",
];
#[rustfmt::skip]
const RELATIONSHIPS: [&str; 7] = [
    MISSING, "Husband", "Not-in-family", "Other-relative", "Own-child", "Unmarried", "Wife",
];
#[rustfmt::skip]
const RACES: [&str; 6] = [
    MISSING, "Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White",
];
const SEXES: [&str; 3] = [MISSING, "Female", "Male"];
#[rustfmt::skip]
const COUNTRIES: [&str; 42] = [
    MISSING, "Cambodia", "Canada", "China", "Columbia", "Cuba", "Dominican-Republic", "Ecuador",
    "El-Salvador", "England", "France", "Germany", "Greece", "Guatemala", "Haiti",
    "Holand-Netherlands", "Honduras", "Hong", "Hungary", "India", "Iran", "Ireland", "Italy",
    "Jamaica", "Japan", "Laos", "Mexico", "Nicaragua", "Outlying-US(Guam-USVI-etc)", "Peru",
    "Philippines", "Poland", "Portugal", "Puerto-Rico", "Scotland", "South", "Taiwan", "Thailand",
    "Trinadad&Tobago", "United-States", "Vietnam", "Yugoslavia",
];

/// Why a file is not the Adult table. Lines count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdultReadError {
    /// The file could not be read, or is not UTF-8.
    #[error("cannot read line {line}")]
    Read {
        /// The line at which reading stopped.
        line: u64,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// A line is longer than any could be.
    #[error("line {line} is longer than {max} bytes")]
    LineTooLong {
        /// The line.
        line: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// The file is longer than the bound.
    #[error("the file is longer than {max} bytes or {ROWS_MAX} rows")]
    TooLong {
        /// The bound in bytes.
        max: u64,
    },
    /// A line has more or fewer fields than the table has columns.
    #[error("line {line} has {got} fields, expected {expected}")]
    FieldCount {
        /// The line.
        line: u64,
        /// The columns.
        expected: usize,
        /// The fields of the line.
        got: usize,
    },
    /// A number is missing or not finite.
    #[error("line {line}, column {column:?}: expected a finite number, got {got:?}")]
    NotANumber {
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// The field.
        got: String,
    },
    /// A field is not a level of its category.
    #[error("line {line}, column {column:?}: expected a published level or ?, got {got:?}")]
    LevelUnknown {
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// The field.
        got: String,
    },
    /// A label is not one of the two classes.
    #[error("line {line}: expected a label among {CLASSES:?}, got {got:?}")]
    LabelUnknown {
        /// The line.
        line: u64,
        /// The field.
        got: String,
    },
    /// The names of the columns are unfit; never for those above.
    #[error("the columns do not make a schema")]
    Schema(#[from] SchemaError),
    /// The rows do not make a table; in particular, there is none.
    #[error("the rows do not make a table")]
    Table(#[from] TableError),
    /// A value is not the index of a level; never for those read here.
    #[error("the rows do not make a table of categories")]
    Categories(#[from] CategoricalTableError),
}

/// Reads the Adult table, plain or gzipped: numbers as they are, categories as indices of levels.
///
/// # Errors
/// [`AdultReadError`], with the line.
pub fn adult_from_csv(source: impl Read) -> Result<CategoricalTable, AdultReadError> {
    let start_error = |source| AdultReadError::Read { line: 1, source: csv::Error::from(source) };
    let source = plain(source).map_err(start_error)?.take(ADULT_BYTES_MAX + 1);
    let (source, bound) = RecordBound::around(source, LINE_BYTES_MAX);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'|'))
        .from_reader(source);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    loop {
        bound.record_begins_at(reader.position().byte());
        let line = reader.position().line();
        let more = reader.read_record(&mut record).map_err(|source| {
            let line = source.position().map_or(line, csv::Position::line);
            match bound.exceeded() {
                true => AdultReadError::LineTooLong { line, max: LINE_BYTES_MAX },
                false => AdultReadError::Read { line, source },
            }
        })?;
        if !more {
            break;
        }
        // Blank lines and comments are skipped: the record knows where it began.
        let line = record.position().map_or(line, csv::Position::line);
        labels.push(read_row(&record, line, &mut values)?);
        if labels.len() > ROWS_MAX || reader.get_ref().inner().limit() == 0 {
            return Err(AdultReadError::TooLong { max: ADULT_BYTES_MAX });
        }
    }
    let table = Table::new(schema()?, values, labels)?;
    Ok(CategoricalTable::new(table, kinds())?)
}

/// Appends the values of a row and gives its label.
fn read_row(
    record: &StringRecord,
    line: u64,
    values: &mut Vec<f32>,
) -> Result<u32, AdultReadError> {
    let expected = COLUMNS.len() + 1;
    if record.len() != expected {
        return Err(AdultReadError::FieldCount { line, expected, got: record.len() });
    }
    for ((column, levels), field) in COLUMNS.into_iter().zip(record) {
        let got = || excerpt(field);
        let value = if levels.is_empty() {
            let number = field.parse().ok().filter(|value: &f32| value.is_finite());
            number.ok_or_else(|| AdultReadError::NotANumber { line, column, got: got() })?
        } else {
            let level = levels.iter().position(|level| *level == field);
            let unknown = || AdultReadError::LevelUnknown { line, column, got: got() };
            value_from_level(level.ok_or_else(unknown)?)
        };
        values.push(value);
    }
    match record[COLUMNS.len()].trim_end_matches('.') {
        "<=50K" => Ok(0),
        ">50K" => Ok(1),
        other => Err(AdultReadError::LabelUnknown { line, got: excerpt(other) }),
    }
}

fn schema() -> Result<Schema, SchemaError> {
    let features = COLUMNS.map(|(name, _)| name.to_string()).to_vec();
    Schema::new(features, "income".to_string(), CLASSES.map(str::to_string).to_vec())
}

fn kinds() -> Vec<ColumnKind> {
    let kind = |(_, levels): (&str, &[&str])| match levels {
        [] => ColumnKind::Number,
        levels => ColumnKind::Category { levels: levels.iter().map(ToString::to_string).collect() },
    };
    COLUMNS.map(kind).to_vec()
}
