//! A partition as a file, so that two programs can train on the same split.
//!
//! JSON: one list for each part, of 0-based row indices: `[[0, 2], [1, 3]]`.

use std::{
    fmt::Write as _,
    io::{self, Read},
};

use crate::table::index_from_label;

/// The most bytes of a file for each row: an index of eight digits on a line of its own, indented.
const ROW_BYTES_MAX: u64 = 32;

/// Bytes that a file may have beside its rows.
const FRAME_BYTES_MAX: u64 = 1_024;

/// Why a file is not a partition of the rows. Parts and rows count from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionFileError {
    /// The file could not be read.
    #[error("cannot read the partition")]
    Read(#[source] io::Error),
    /// The file is longer than the rows need.
    #[error("the partition is longer than {max} bytes, more than {rows} rows need")]
    TooLong {
        /// The bound in bytes.
        max: u64,
        /// The rows of the set.
        rows: usize,
    },
    /// The file is not a list of lists of whole numbers.
    #[error("the partition is not a list of lists of row indices, such as [[0, 2], [1, 3]]")]
    Json(#[source] serde_json::Error),
    /// There is no part.
    #[error("the partition has no parts")]
    PartsMissing,
    /// A part has no row.
    #[error("part {part} has no rows")]
    PartEmpty {
        /// The part.
        part: usize,
    },
    /// A row does not exist.
    #[error("part {part} names row {row} of a set of {rows}")]
    RowOutOfRange {
        /// The part.
        part: usize,
        /// The row named.
        row: u32,
        /// The rows of the set.
        rows: usize,
    },
    /// A row is in two parts, or twice in one.
    #[error("part {part} names row {row}, which is dealt already")]
    RowTwice {
        /// The part that names it again.
        part: usize,
        /// The row named.
        row: u32,
    },
}

/// Reads a partition of `rows` rows; each part comes back in ascending order.
///
/// Rows that no part names are left out: whoever made the file may have set some aside for
/// validation. The number of rows that are named tells whether all are.
///
/// # Errors
/// [`PartitionFileError`] if `source` is not such a list, a part is empty, or a row is named twice
/// or does not exist.
pub fn partition_from_json(
    source: impl Read,
    rows: usize,
) -> Result<Vec<Vec<u32>>, PartitionFileError> {
    let max = FRAME_BYTES_MAX + ROW_BYTES_MAX.saturating_mul(rows as u64);
    let mut text = Vec::new();
    source.take(max + 1).read_to_end(&mut text).map_err(PartitionFileError::Read)?;
    if text.len() as u64 > max {
        return Err(PartitionFileError::TooLong { max, rows });
    }
    let mut parts: Vec<Vec<u32>> =
        serde_json::from_slice(&text).map_err(PartitionFileError::Json)?;
    if parts.is_empty() {
        return Err(PartitionFileError::PartsMissing);
    }
    let mut dealt = vec![false; rows];
    for (index, part) in parts.iter_mut().enumerate() {
        check_part(index, part, &mut dealt)?;
        part.sort_unstable();
    }
    Ok(parts)
}

/// Marks the rows of a part as dealt.
fn check_part(part: usize, rows: &[u32], dealt: &mut [bool]) -> Result<(), PartitionFileError> {
    if rows.is_empty() {
        return Err(PartitionFileError::PartEmpty { part });
    }
    let count = dealt.len();
    for &row in rows {
        match dealt.get_mut(index_from_label(row)) {
            None => return Err(PartitionFileError::RowOutOfRange { part, row, rows: count }),
            Some(true) => return Err(PartitionFileError::RowTwice { part, row }),
            Some(free) => *free = true,
        }
    }
    Ok(())
}

/// Writes a partition as [`partition_from_json`] reads it, a line for each part.
#[must_use]
pub fn partition_to_json(parts: &[Vec<u32>]) -> String {
    let mut text = String::from("[");
    for (index, part) in parts.iter().enumerate() {
        text.push_str(if index == 0 { "\n[" } else { ",\n[" });
        for (at, row) in part.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(text, "{comma}{row}").expect("a string takes all text");
        }
        text.push(']');
    }
    text.push_str("\n]\n");
    text
}
