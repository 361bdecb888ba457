//! What a contributor's data look like: types, missing values, ranges, balance and duplicates, in one pass.

use std::fmt;

use crate::{
    CLASSES_MAX, Cell, DataSource, Place, SourceError, csv_reader::excerpt, source::Visit,
};

mod column_profile;
mod duplicates;

pub use column_profile::{ColumnProfile, ColumnType, Numbers};
pub use duplicates::Duplicates;

use column_profile::Gathered;
use duplicates::RowDigests;

/// Rows that are shown.
const PREVIEW_ROWS: usize = 8;

/// Values of one row that are shown.
const PREVIEW_COLUMNS: usize = 1_024;

/// Different values that all columns together remember, to tell categories: of at most 256 bytes each.
const LEVELS_TOTAL_MAX: usize = 1 << 18;

/// Records that are no rows, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// How many.
    pub count: u64,
    /// Where the first is.
    pub first: Place,
    /// What is odd about it.
    pub what: Oddity,
}

/// What is odd about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// It has too many or too few values.
    Ragged {
        /// Columns of the file.
        expected: usize,
        /// Values of the record.
        got: usize,
    },
    /// It is a picture that cannot be read; why, in the reader's words.
    Damaged(String),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ragged { expected, got } => write!(f, "{got} values for {expected} columns"),
            Self::Damaged(why) => f.write_str(why),
        }
    }
}

/// What data look like.
///
/// It takes memory for the columns, not for the rows: at most some 150 MB, however long the file is; while a Parquet file is
/// looked at also its open pages, at most 1 GiB, and IDX files are read whole.
#[derive(Clone, PartialEq)]
pub struct Profile {
    /// Whole rows.
    pub rows: u64,
    /// Each column, in the order of the file.
    pub columns: Vec<ColumnProfile>,
    /// Rows that are there before, value by value (pictures: byte by byte).
    pub duplicates: Duplicates,
    /// Records with more or fewer values than there are columns, or pictures that cannot be read.
    pub odd: Option<Odd>,
    /// The first rows, each value cut to 64 characters, at most 1 024 of a row.
    pub preview: Vec<Vec<String>>,
}

impl DataSource {
    /// Looks at all rows, once.
    ///
    /// # Errors
    /// [`SourceError`] if the data cannot be read to their end. Ragged records and damaged pictures are counted instead.
    pub fn profile(&self) -> Result<Profile, SourceError> {
        let mut pass = Pass {
            columns: self.columns().iter().map(|_| Gathered::default()).collect(),
            decimal_comma: self.decimal_comma(),
            digests: RowDigests::default(),
            levels_max: (LEVELS_TOTAL_MAX / self.columns().len().max(1)).clamp(8, CLASSES_MAX),
            rows: 0,
            odd: None,
            preview: Vec::new(),
        };
        self.scan(&mut pass)?;
        let columns = self.columns().iter().zip(pass.columns);
        Ok(Profile {
            rows: pass.rows,
            columns: columns.map(|(name, gathered)| gathered.finish(name)).collect(),
            duplicates: pass.digests.duplicates(),
            odd: pass.odd,
            preview: pass.preview,
        })
    }
}

impl Profile {
    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }
}

struct Pass {
    columns: Vec<Gathered>,
    decimal_comma: bool,
    digests: RowDigests,
    levels_max: usize,
    rows: u64,
    odd: Option<Odd>,
    preview: Vec<Vec<String>>,
}

impl Pass {
    fn take(&mut self, place: &Place, cells: &[Cell<'_>]) {
        self.rows += 1;
        if self.preview.len() < PREVIEW_ROWS {
            let shown = cells.iter().take(PREVIEW_COLUMNS).map(|cell| excerpt(&cell.word()));
            self.preview.push(shown.collect());
        }
        for (gathered, cell) in self.columns.iter_mut().zip(cells) {
            gathered.take(place, cell, self.decimal_comma, self.levels_max);
        }
    }

    fn odd(&mut self, place: Place, what: Oddity) {
        self.odd.get_or_insert(Odd { count: 0, first: place, what }).count += 1;
    }
}

impl Visit for Pass {
    fn record(&mut self, place: &Place, cells: &[Cell<'_>]) -> Result<(), SourceError> {
        self.digests.take_cells(cells);
        self.take(place, cells);
        Ok(())
    }

    fn picture(
        &mut self,
        place: &Place,
        cells: &[Cell<'_>],
        digest: &[u8; 32],
    ) -> Result<(), SourceError> {
        self.digests.take(digest);
        self.take(place, cells);
        Ok(())
    }

    fn ragged(&mut self, place: Place, expected: usize, got: usize) -> Result<(), SourceError> {
        self.odd(place, Oddity::Ragged { expected, got });
        Ok(())
    }

    fn unreadable(&mut self, place: Place, what: &str) -> Result<(), SourceError> {
        self.odd(place, Oddity::Damaged(what.to_owned()));
        Ok(())
    }
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.len();
        f.debug_struct("Profile")
            .field("rows", &self.rows)
            .field("columns", &columns)
            .finish_non_exhaustive()
    }
}
