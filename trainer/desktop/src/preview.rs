//! A table, before anything is done with it.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use datasets::{CsvReadError, Schema, SchemaError, read_csv};

use crate::terms::Terms;

/// Rows that are shown.
const ROWS_SHOWN_MAX: usize = 6;

/// Bytes of a line that are looked at for the rows shown: a header of thousands of columns fits.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A table, before anything is done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The file.
    pub path: PathBuf,
    /// Its columns, as its first line names them.
    pub columns: Vec<String>,
    /// Its first rows.
    pub rows: Vec<Vec<String>>,
    /// Whether it is what the federation learns from.
    pub fit: Fit,
}

/// Whether a table is what a federation learns from.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// It is.
    Fits {
        /// Rows.
        rows: usize,
        /// Rows of each class, in the order of the terms.
        classes: Vec<(String, usize)>,
    },
    /// It is not.
    Unfit {
        /// Columns that the federation needs and the table lacks.
        missing: Vec<String>,
        /// Columns that the federation does not know.
        unknown: Vec<String>,
        /// The first thing that is wrong, with its place.
        reason: String,
    },
}

/// Why a file cannot be shown at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is a folder.
    #[error("this is a folder; choose the file with the table")]
    Folder,
    /// The terms have no proper schema.
    #[error("the federation's terms name no proper columns: {0}")]
    Schema(#[from] SchemaError),
}

impl Preview {
    /// Reads the table at `path` by the schema of `terms`. It is only read, wholly, once.
    ///
    /// # Errors
    /// [`PreviewError`]: what cannot be shown at all. What can and does not fit is a [`Fit::Unfit`].
    pub fn read(path: &Path, terms: &Terms) -> Result<Self, PreviewError> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(PreviewError::Folder);
        }
        let (columns, rows) = first_lines(file)?;
        let schema =
            Schema::new(terms.features.clone(), terms.label.clone(), terms.classes.clone())?;
        let fit = match read_csv(path, &schema) {
            Ok(table) => {
                let counts = table.label_counts();
                let classes = terms.classes.iter().cloned().zip(counts).collect();
                Fit::Fits { rows: table.rows(), classes }
            }
            Err(error) => unfit(&columns, terms, &error),
        };
        Ok(Self { path: path.to_owned(), columns, rows, fit })
    }

    /// Rows, if it fits.
    #[must_use]
    pub const fn rows_that_fit(&self) -> Option<usize> {
        match self.fit {
            Fit::Fits { rows, .. } => Some(rows),
            Fit::Unfit { .. } => None,
        }
    }
}

fn unfit(columns: &[String], terms: &Terms, error: &CsvReadError) -> Fit {
    let needed = || terms.features.iter().chain([&terms.label]);
    let missing = needed().filter(|name| !columns.contains(name)).cloned().collect();
    let unknown = columns.iter().filter(|name| !needed().any(|need| need == *name)).cloned();
    Fit::Unfit { missing, unknown: unknown.collect(), reason: error.to_string() }
}

/// The header and the first rows, for the eye: what is read for training is read by [`read_csv`].
fn first_lines(file: File) -> std::io::Result<(Vec<String>, Vec<Vec<String>>)> {
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    while lines.len() <= ROWS_SHOWN_MAX {
        let mut bytes = Vec::new();
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        lines.push(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned());
    }
    let separator = lines.first().map_or(',', |header| separator(header));
    let mut rows = lines.iter().map(|line| {
        let cells = line.trim_end().split(separator);
        cells.map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
    });
    Ok((rows.next().unwrap_or_default(), rows.collect()))
}

fn separator(header: &str) -> char {
    let count = |separator| header.matches(separator).count();
    if count(';') > count(',') { ';' } else { ',' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(text: &[u8]) -> Preview {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let mut terms: Terms = serde_json::from_str(include_str!("../tests/terms.json")).unwrap();
        terms.features = vec!["acidity".to_owned(), "sugar".to_owned()];
        terms.label = "quality".to_owned();
        terms.classes = vec!["poor".to_owned(), "good".to_owned()];
        Preview::read(&path, &terms).unwrap()
    }

    #[test]
    fn a_table_that_fits_is_counted_by_class() {
        let preview = preview(b"acidity,sugar,quality\n1,2,good\n3,4,good\n5,6,poor\n");
        let classes = vec![("poor".to_owned(), 1), ("good".to_owned(), 2)];
        assert_eq!(preview.fit, Fit::Fits { rows: 3, classes });
        assert_eq!(preview.rows[0], ["1", "2", "good"]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let Fit::Unfit { missing, unknown, .. } = preview(b"acidity,salt,quality\n1,2,good\n").fit
        else {
            panic!("it does not fit");
        };
        assert_eq!(
            (missing.as_slice(), unknown.as_slice()),
            (&["sugar".to_owned()][..], &["salt".to_owned()][..])
        );
        let Fit::Unfit { reason, .. } = preview(b"acidity,sugar,quality\n1,x,good\n").fit else {
            panic!("it does not fit");
        };
        assert!(reason.contains("line 2"), "{reason}");
    }

    #[test]
    fn a_folder_and_a_file_of_other_bytes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let terms = serde_json::from_str(include_str!("../tests/terms.json")).unwrap();
        assert!(matches!(Preview::read(dir.path(), &terms), Err(PreviewError::Folder)));
        assert!(Preview::read(&dir.path().join("none"), &terms).is_err());
        assert!(preview(&[0, 159, 146, 150]).rows_that_fit().is_none());
        assert!(preview(b"").rows_that_fit().is_none());
    }
}
