//! An entry with its bytes and their hash: encoded once, whoever needs it.

use privacy_identity::{Digest, leaf_hash};

use crate::{Entry, EntryError};

/// An entry, its leaf byte for byte, and the leaf's hash (RFC 6962 §2.1): the three belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    entry: Entry,
    bytes: Vec<u8>,
    hash: Digest,
}

impl Leaf {
    /// The leaf of an entry.
    ///
    /// # Errors
    /// [`EntryError::TooLong`].
    pub fn of(entry: Entry) -> Result<Self, EntryError> {
        let bytes = entry.to_leaf()?;
        let hash = leaf_hash(&bytes);
        Ok(Self { entry, bytes, hash })
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// As [`Entry::from_leaf`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, EntryError> {
        let entry = Entry::from_leaf(&bytes)?;
        let hash = leaf_hash(&bytes);
        Ok(Self { entry, bytes, hash })
    }

    /// What it says.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// Entry, bytes and hash.
    #[must_use]
    pub fn into_parts(self) -> (Entry, Vec<u8>, Digest) {
        (self.entry, self.bytes, self.hash)
    }
}
