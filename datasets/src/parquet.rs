//! Records of a Parquet file: flat tables, unpacked page by page.
//!
//! ```text
//! PAR1 │ group of rows: column, column … │ group … │ footer (Thrift) │ its length │ PAR1
//!                       └ dictionary page? │ data page │ data page …
//! ```
//!
//! Source: Apache Parquet, "File Format", "Encodings", "Thrift definition", and "Compression". Ours, and not the crate
//! `parquet`: that one asks for other features of ahash, on which burn is built, may panic on damaged files by its own
//! account, and takes memory before it looks whether there are bytes.
//!
//! One page of each column is in memory at a time: at most [`OPEN_BYTES_MAX`] in all.

use std::{fs::File, io, path::Path};

use crate::{Cell, Fault, Place, SourceError, source::Visit};

mod column;
mod footer;
mod levels;
mod page;
mod thrift;
mod unpack;
mod value;

pub(crate) use footer::Footer;

use column::ColumnReader;

#[cfg(test)]
mod tests;

/// The most bytes of unpacked pages that are open at once, over all columns.
const OPEN_BYTES_MAX: usize = 1 << 30;

/// What is said of more.
const TOO_MUCH_OPEN: &str = "its pages take more than 1 GiB";

/// Why a file is no Parquet file that is read here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParquetError {
    /// It ends within a value.
    #[error("the file is cut off")]
    Short,
    /// It is not as Parquet is written.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// It is Parquet, but more than is read here.
    #[error("{0}")]
    Unsupported(String),
    /// The disk.
    #[error("cannot be read")]
    Read(#[from] io::Error),
}

impl ParquetError {
    /// The refusal that the owner sees.
    pub(crate) fn refused(self, path: &Path, place: Place) -> SourceError {
        match self {
            Self::Read(source) => SourceError::read(path, place, source),
            Self::Unsupported(what) => SourceError::whole(path, Fault::ParquetUnread(what)),
            Self::Short => SourceError::record(path, place, Fault::CutOff),
            Self::Damaged(_) => {
                SourceError::record(path, place, Fault::Damaged(Some(self.to_string())))
            }
        }
    }
}

/// Gives each row to `visit`.
pub(crate) fn scan(
    path: &Path,
    file: &File,
    footer: &Footer,
    visit: &mut impl Visit,
) -> Result<(), SourceError> {
    scan_within(OPEN_BYTES_MAX, path, file, footer, visit)
}

/// As [`scan`], with at most `room` bytes open at once, over all columns.
///
/// Threat: 65 537 columns of a gzipped page each, a few bytes in the file and 64 MiB here. Each page is held against what the
/// others leave before it is unpacked.
fn scan_within(
    room: usize,
    path: &Path,
    file: &File,
    footer: &Footer,
    visit: &mut impl Visit,
) -> Result<(), SourceError> {
    let mut row = 0_u64;
    for group in &footer.groups {
        let columns = footer.columns.iter().zip(&group.chunks);
        let mut readers: Vec<ColumnReader<'_>> =
            columns.map(|(column, chunk)| ColumnReader::new(column, *chunk)).collect();
        let mut open = 0;
        for _ in 0..group.rows {
            row += 1;
            let refused = |error: ParquetError| error.refused(path, Place::Row(row));
            for reader in &mut readers {
                let others = open - reader.open_bytes();
                reader.advance(file, room - others).map_err(refused)?;
                open = others + reader.open_bytes();
                // A value that is put together of others' beginnings takes memory beside its page.
                if open > room {
                    return Err(refused(ParquetError::Unsupported(TOO_MUCH_OPEN.to_owned())));
                }
            }
            let cells = readers.iter().map(ColumnReader::cell);
            let cells = cells.collect::<Result<Vec<Cell<'_>>, _>>().map_err(refused)?;
            visit.record(&Place::Row(row), &cells)?;
        }
    }
    Ok(())
}
