//! A table written as CSV.

use std::{fs::File, io, path::Path};

use crate::{Table, table::index_from_label};

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvWriteError {
    /// The file could not be created.
    #[error("cannot create {path}")]
    Create {
        /// The path, as given.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A row could not be written.
    #[error("cannot write the table")]
    Write(#[source] csv::Error),
    /// The last rows could not be written.
    #[error("cannot finish the table")]
    Flush(#[source] io::Error),
}

/// Writes `table` to the file at `path`, replacing it.
///
/// # Errors
/// [`CsvWriteError`] if the file cannot be created or written.
pub fn write_csv(path: &Path, table: &Table) -> Result<(), CsvWriteError> {
    let file = File::create(path)
        .map_err(|source| CsvWriteError::Create { path: path.display().to_string(), source })?;
    table_to_csv(file, table)
}

/// Writes `table` as CSV: a header, then one line a row, the label last and by its class's name.
///
/// Numbers are written with as many digits as it takes to read back the same `f32`.
///
/// # Errors
/// [`CsvWriteError::Write`] or [`CsvWriteError::Flush`] if `sink` fails.
pub fn table_to_csv(sink: impl io::Write, table: &Table) -> Result<(), CsvWriteError> {
    let mut writer = csv::Writer::from_writer(sink);
    let schema = table.schema();
    let header = schema.features().iter().map(String::as_str).chain([schema.label()]);
    writer.write_record(header).map_err(CsvWriteError::Write)?;
    for (row, label) in table.iter() {
        let class = schema.classes()[index_from_label(label)].clone();
        let record = row.iter().map(ToString::to_string).chain([class]);
        writer.write_record(record).map_err(CsvWriteError::Write)?;
    }
    writer.flush().map_err(CsvWriteError::Flush)
}
