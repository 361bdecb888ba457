//! An entry of the log and its leaf bytes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::body::Body;

/// Longest leaf: an entry bundle of C2SP tlog-tiles carries a `u16` length.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Most leaves are not longer: a sale's with ten lines.
const LEAF_BYTES_USUAL: usize = 1_536;

/// Longest list of members that an entry carries where everybody recomputes it anyway: a longer one
/// is left out. 256 lines of at most 140 bytes leave room in a leaf.
pub const LIST_MAX: usize = 256;

/// What happened, and when. This *is* the wire form: a leaf of the log is the compact JSON of an
/// entry, fields in the order of their declaration, digests and keys in hexadecimal, amounts as
/// decimal texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Ledger time in milliseconds since 1970: never goes backwards from entry to entry.
    pub time_ms: u64,
    /// What happened.
    pub body: Body,
}

/// Why bytes are not a leaf.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The leaf would not fit an entry bundle.
    #[error("the leaf has {got} bytes, at most {max} fit")]
    TooLong {
        /// Bytes of the leaf.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// The bytes are not the JSON of an entry.
    #[error("the leaf is not an entry")]
    NotAnEntry(#[source] serde_json::Error),
    /// The same entry has other bytes: spaces, another order of fields, leading zeros.
    #[error("the leaf is not in canonical form: {got} bytes, canonical are {expected}")]
    NotCanonical {
        /// Bytes of the canonical form.
        expected: usize,
        /// Bytes of the leaf.
        got: usize,
    },
}

impl Entry {
    /// The leaf bytes of this entry.
    ///
    /// # Errors
    /// [`EntryError::TooLong`].
    ///
    /// # Panics
    /// Never: an entry has neither maps nor values that JSON cannot write.
    pub fn to_leaf(&self) -> Result<Vec<u8>, EntryError> {
        let mut leaf = Vec::with_capacity(LEAF_BYTES_USUAL);
        serde_json::to_writer(&mut leaf, self).expect("entries have no maps and no floats");
        check_length(&leaf)?;
        Ok(leaf)
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`EntryError`] if it is too long, no entry, or not byte for byte what [`Entry::to_leaf`]
    /// writes: one entry has one leaf.
    pub fn from_leaf(leaf: &[u8]) -> Result<Self, EntryError> {
        check_length(leaf)?;
        let entry: Self = serde_json::from_slice(leaf).map_err(EntryError::NotAnEntry)?;
        let canonical = entry.to_leaf()?;
        if canonical == leaf {
            Ok(entry)
        } else {
            Err(EntryError::NotCanonical { expected: canonical.len(), got: leaf.len() })
        }
    }
}

const fn check_length(leaf: &[u8]) -> Result<(), EntryError> {
    if leaf.len() > LEAF_BYTES_MAX {
        Err(EntryError::TooLong { got: leaf.len(), max: LEAF_BYTES_MAX })
    } else {
        Ok(())
    }
}
