//! What is so about a contributor's data: a sentence for the command line, and its parts for programs that have other words.

use std::fmt;

use crate::{ColumnType, MissingRule, Odd};

/// Names that are listed in one sentence.
const LISTED_MAX: usize = 12;

/// What is so about data. [`fmt::Display`] says it in English.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Says {
    /// There is no row.
    NoRow,
    /// Pictures that cannot be read.
    OddPictures(Odd),
    /// Records with too many or too few values.
    OddRecords(Odd),
    /// Rows that are there before.
    Copies {
        /// How many.
        copies: u64,
        /// Of how many.
        rows: u64,
        /// Whether that is an estimate.
        estimated: bool,
    },
    /// The mapping names a column that is not there.
    Unheard {
        /// The column.
        column: String,
    },
    /// Two columns have one name.
    Twice {
        /// The name.
        column: String,
    },
    /// A column of the federation is not there.
    Lacking {
        /// The federation's column.
        column: String,
        /// The column of the file that it likely is.
        likely: Option<String>,
    },
    /// The federation does not know a column.
    Unknown {
        /// The column of the file.
        column: String,
    },
    /// Values that are not there.
    Missing {
        /// Columns, and how many values each lacks.
        columns: Vec<(String, u64)>,
        /// What is done about them.
        rule: MissingRule,
    },
    /// These are pictures, and the federation learns from tables.
    PicturesForTables,
    /// More pictures than are taken.
    TooMany {
        /// How many.
        pictures: usize,
        /// Values of each.
        values: usize,
        /// Values that are taken in all.
        most: usize,
    },
    /// Grey images of other sizes, or where colours are wanted; those are not resized.
    Grey {
        /// Width and height that the federation takes.
        size: String,
        /// Channels that it takes.
        channels: usize,
    },
    /// Pictures of other sizes, which are resized.
    Resized {
        /// Width and height that the federation takes.
        size: String,
    },
    /// A value of a column of numbers is none.
    NoNumber {
        /// The column.
        column: String,
        /// The value.
        word: String,
        /// Where it stands.
        place: crate::Place,
    },
    /// A column has one number in every row.
    Constant {
        /// The column.
        column: String,
        /// The number.
        value: f64,
    },
    /// A column is so far from the federation's that it is likely in another unit.
    OtherUnit {
        /// The column.
        column: String,
        /// Its mean.
        mean: f64,
        /// The federation's.
        theirs: f32,
    },
    /// A column is empty.
    Empty {
        /// The column.
        column: String,
    },
    /// A column that should have numbers has something else.
    OtherKind {
        /// The column.
        column: String,
        /// What it has.
        kind: ColumnType,
    },
    /// The label has thousands of different values.
    ManyLabels {
        /// The column.
        column: String,
        /// The federation's classes.
        classes: usize,
    },
    /// A word of the label is no class.
    NoClass {
        /// The word.
        word: String,
        /// The column of labels.
        column: String,
        /// The federation's classes.
        classes: Vec<String>,
        /// The class that it likely is.
        likely: Option<String>,
    },
    /// Every row is of one class.
    OneClass {
        /// The class.
        class: String,
    },
    /// No row is of these classes.
    Absent {
        /// The classes.
        classes: Vec<String>,
    },
    /// One class has many times the rows of another.
    Unbalanced {
        /// Rows of the largest, and the class.
        most: (u64, String),
        /// Rows of the smallest that is there, and the class.
        least: (u64, String),
    },
    /// There are more findings like those before.
    More {
        /// How many.
        count: usize,
    },
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRow => write!(f, "there is no row"),
            Self::OddPictures(Odd { count, first, what }) => {
                write!(f, "{count} picture(s) cannot be read; the first is {first}: {what}")
            }
            Self::OddRecords(Odd { count, first, what }) => write!(
                f,
                "{count} record(s) have too many or too few values; the first is {first}: {what}"
            ),
            Self::Copies { copies, rows, estimated } => {
                let about = if *estimated { "about " } else { "" };
                write!(f, "{about}{copies} of {rows} rows are there before")
            }
            Self::Missing { columns, .. } => {
                let columns: Vec<String> =
                    columns.iter().map(|(name, count)| format!("{name:?}: {count}")).collect();
                write!(f, "values are missing ({})", shortened(&columns))
            }
            Self::More { count } => write!(f, "and {count} more like these"),
            pictures @ (Self::PicturesForTables
            | Self::TooMany { .. }
            | Self::Grey { .. }
            | Self::Resized { .. }) => pictures.write_pictures(f),
            label @ (Self::ManyLabels { .. }
            | Self::NoClass { .. }
            | Self::OneClass { .. }
            | Self::Absent { .. }
            | Self::Unbalanced { .. }) => label.write_label(f),
            column => column.write_column(f),
        }
    }
}

impl Says {
    fn write_column(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unheard { column } => {
                write!(f, "the mapping names the column {column:?}, which is not there")
            }
            Self::Twice { column } => write!(f, "two columns are {column:?}"),
            Self::Lacking { column, .. } => {
                write!(f, "the federation's column {column:?} is missing")
            }
            Self::Unknown { column } => {
                write!(f, "the federation does not know the column {column:?}")
            }
            Self::NoNumber { column, word, place } => {
                write!(
                    f,
                    "the column {column:?} has a value that is no number: {word:?} in {place}"
                )
            }
            Self::Constant { column, value } => {
                write!(f, "the column {column:?} is {value} in every row")
            }
            Self::OtherUnit { column, mean, theirs } => {
                let mean = rounded(*mean);
                write!(f, "the column {column:?} is {mean} on average, in the federation {theirs}")
            }
            Self::Empty { column } => write!(f, "the column {column:?} is empty"),
            Self::OtherKind { column, kind } => {
                let kind = in_words(*kind);
                write!(f, "the column {column:?} has {kind}, the federation takes numbers")
            }
            _ => Ok(()),
        }
    }

    fn write_pictures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PicturesForTables => {
                write!(f, "these are pictures, and the federation learns from tables")
            }
            Self::TooMany { pictures, values, most } => {
                write!(f, "{pictures} pictures of {values} values are more than {most} values")
            }
            Self::Grey { size, channels } => write!(
                f,
                "the images are grey and not all {size}, the federation takes {size} with {channels} channel(s)"
            ),
            Self::Resized { size } => write!(f, "the federation takes pictures of {size}"),
            _ => Ok(()),
        }
    }

    fn write_label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManyLabels { column, classes } => write!(
                f,
                "the column {column:?} has thousands of different values, the federation {classes} classes"
            ),
            Self::NoClass { word, column, classes, .. } => {
                let classes = shortened(&quoted(classes));
                write!(f, "{word:?} in {column:?} is none of the classes {classes}")
            }
            Self::OneClass { class } => write!(f, "every row is of the class {class:?}"),
            Self::Absent { classes } => write!(f, "no row is of {}", shortened(&quoted(classes))),
            Self::Unbalanced { most: (most, of), least: (least, than) } => {
                write!(f, "{most} rows are of {of:?}, only {least} of {than:?}")
            }
            _ => Ok(()),
        }
    }

    /// What to do, by hand or at the command line, in English.
    #[must_use]
    pub fn advice(&self) -> String {
        let own = str::to_owned;
        match self {
            Self::Lacking { column, likely: Some(near) } => {
                format!("is it {near:?}? Then --map {:?}", format!("{near}={column}"))
            }
            Self::Unknown { column } => {
                format!("leave it out: --ignore {column:?} (--ignore '*' for all such)")
            }
            Self::NoClass { word, likely: Some(near), .. } => {
                format!("is it {near:?}? Then --class {:?}", format!("{word}={near}"))
            }
            other => own(other.fixed_advice()),
        }
    }

    const fn fixed_advice(&self) -> &'static str {
        match self {
            Self::NoRow => "at least one is needed, and two classes to learn from",
            Self::OddPictures(_) | Self::OddRecords(_) => "correct them or take them out",
            Self::Copies { .. } => "leave out copies: they are paid for once and teach nothing new",
            Self::Unheard { .. } => "correct the mapping",
            Self::Twice { .. } => "rename or ignore one of them",
            Self::Lacking { .. } => "add it, or name the column that has it: --map 'YOURS=THEIRS'",
            Self::Unknown { .. } => "leave it out: --ignore COLUMN",
            Self::Missing { rule: MissingRule::Refuse, .. } => {
                "fill them in, leave out such rows (--missing drop) or take each column's mean (--missing mean)"
            }
            Self::Missing { rule: MissingRule::Drop, .. } => "such rows are left out",
            Self::Missing { rule: MissingRule::Mean, .. } => {
                "each becomes the mean of its column; rows without a label are left out"
            }
            Self::PicturesForTables => "choose a table with its columns",
            Self::TooMany { .. } => "train on a part of them",
            Self::Grey { .. } => "save them as PNG in class folders: these are resized",
            Self::Resized { .. } => {
                "yours are resized while they are read; the files stay as they are"
            }
            Self::NoNumber { .. } => {
                "correct it, or leave it empty and choose what is done about missing values"
            }
            Self::Constant { .. } => "it teaches nothing here; nothing to do",
            Self::OtherUnit { .. } => "is it in the same unit?",
            Self::Empty { .. } => "fill it in; without it nothing can be trained here",
            Self::OtherKind { .. } => "put numbers in their place",
            Self::ManyLabels { .. } => "is it the label? Name the one that is: --label COLUMN",
            Self::NoClass { .. } => "say which class it is: --class 'YOURS=THEIRS'",
            Self::OneClass { .. } => {
                "it can be trained on, but tells nothing about the other classes"
            }
            Self::Absent { .. } => "nothing to do: others may have them",
            Self::Unbalanced { .. } => "are rows missing?",
            Self::More { .. } => "do the same for them",
        }
    }
}

const fn in_words(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "yes and no",
        ColumnType::Category => "words",
        ColumnType::Date => "dates",
        _ => "text",
    }
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{name:?}")).collect()
}

fn shortened(names: &[String]) -> String {
    let more = if names.len() > LISTED_MAX { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(LISTED_MAX)].join(", "))
}

/// Four digits, for people.
fn rounded(value: f64) -> String {
    if value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
