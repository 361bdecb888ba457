//! What a large message consists of: its length, and the digest of each of its chunks.
//!
//! ```text
//!   description:  length u32 ‖ chunk_bytes u32 ‖ digests [n][32]      n = ⌈length / chunk_bytes⌉
//!   id:           SHA-256(ID_DOMAIN ‖ description)
//! ```
//!
//! The id commits to every byte, so that whoever asks for a chunk of an id can check it alone, and
//! chunks of one attempt serve the next one if the id is still the same.

use std::{fmt, ops::Range, sync::Arc};

use sha2::{Digest as _, Sha256};

/// Bytes of a chunk, but for the last one; also the longest message that travels whole.
///
/// What a cut connection loses are the chunks under way, four at most: 1 MiB, 10 % of a link that is
/// cut every 10 MB, and half of that on average. Smaller chunks would cost round trips, one stream
/// each: at 100 ms, four times 256 KiB per two round trips are 5 MB/s.
pub(crate) const CHUNK_BYTES: u32 = 256 << 10;

/// Chunks of the longest message that a length of four bytes can announce.
pub(crate) const CHUNKS_MAX: u32 = u32::MAX.div_ceil(CHUNK_BYTES);

/// Bytes of a description before its digests.
pub(crate) const HEAD_BYTES: usize = 8;

/// Keeps ids apart from digests of chunks.
const ID_DOMAIN: &[u8] = b"sahakar network transfer 1";

/// The SHA-256 digest of one chunk.
pub(crate) type ChunkDigest = [u8; 32];

/// What tells a transfer from others: the digest of its description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransferId(pub(crate) [u8; 32]);

/// A message that travels in chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    length: u32,
    digests: Arc<[ChunkDigest]>,
    id: TransferId,
}

/// Why bytes are not a description.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DescriptionError {
    #[error("description of {got} bytes has no whole number of digests")]
    Misaligned { got: usize },
    #[error("chunks of {got} bytes, this version has chunks of {expected}")]
    ChunkSize { expected: u32, got: u32 },
    #[error("{length} bytes are {expected} chunks, described are {got}")]
    Count { length: u32, expected: u32, got: usize },
}

impl Description {
    /// Describes a message. Costs a pass of SHA-256 over it: not for an async task if it is large.
    ///
    /// `None` if its length does not fit into four bytes.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let length = u32::try_from(message.len()).ok()?;
        let digests: Vec<_> = message.chunks(CHUNK_BYTES as usize).map(chunk_digest).collect();
        Some(Self::new(length, digests.into()))
    }

    fn new(length: u32, digests: Arc<[ChunkDigest]>) -> Self {
        let mut hash = Sha256::new_with_prefix(ID_DOMAIN);
        hash.update(length.to_be_bytes());
        hash.update(CHUNK_BYTES.to_be_bytes());
        for digest in digests.iter() {
            hash.update(digest);
        }
        let id = TransferId(hash.finalize().into());
        Self { length, digests, id }
    }

    /// Reads a description that a peer sent.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DescriptionError> {
        let misaligned = DescriptionError::Misaligned { got: bytes.len() };
        let Some((length, rest)) = bytes.split_first_chunk() else { return Err(misaligned) };
        let Some((chunk_bytes, rest)) = rest.split_first_chunk() else { return Err(misaligned) };
        let (digests, []) = rest.as_chunks::<32>() else { return Err(misaligned) };
        let (length, got) = (u32::from_be_bytes(*length), u32::from_be_bytes(*chunk_bytes));
        if got != CHUNK_BYTES {
            return Err(DescriptionError::ChunkSize { expected: CHUNK_BYTES, got });
        }
        let expected = length.div_ceil(CHUNK_BYTES);
        if usize::try_from(expected) != Ok(digests.len()) {
            return Err(DescriptionError::Count { length, expected, got: digests.len() });
        }
        Ok(Self::new(length, digests.into()))
    }

    /// Writes it as a peer reads it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + 32 * self.digests.len());
        bytes.extend(self.length.to_be_bytes());
        bytes.extend(CHUNK_BYTES.to_be_bytes());
        bytes.extend(self.digests.iter().flatten());
        bytes
    }

    pub(crate) const fn id(&self) -> TransferId {
        self.id
    }

    /// Bytes of the message.
    pub(crate) const fn length(&self) -> u32 {
        self.length
    }

    /// Number of its chunks.
    pub(crate) const fn chunk_count(&self) -> u32 {
        self.length.div_ceil(CHUNK_BYTES)
    }

    /// Where a chunk lies in the message; `None` if there is no such chunk.
    pub(crate) fn chunk_range(&self, index: u32) -> Option<Range<usize>> {
        let start = index.checked_mul(CHUNK_BYTES).filter(|start| *start < self.length)?;
        let end = start.saturating_add(CHUNK_BYTES).min(self.length);
        Some(start as usize..end as usize)
    }

    /// The digest that a chunk has to have.
    pub(crate) fn chunk_digest(&self, index: u32) -> Option<&ChunkDigest> {
        self.digests.get(index as usize)
    }
}

/// The digest of a chunk's bytes.
pub(crate) fn chunk_digest(bytes: &[u8]) -> ChunkDigest {
    Sha256::digest(bytes).into()
}

impl fmt::Debug for TransferId {
    /// Writes the first four bytes, enough to follow a transfer in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn message_is_cut_into_chunks_the_last_one_shorter() {
        let description = Description::of(&vec![3; (CHUNK_BYTES + 5) as usize]).unwrap();
        assert_eq!((description.length(), description.chunk_count()), (CHUNK_BYTES + 5, 2));
        assert_eq!(description.chunk_range(1), Some(262_144..262_149));
        assert_eq!(description.chunk_range(2), None);
        assert_eq!(description.chunk_range(u32::MAX), None);
        assert_eq!(description.chunk_digest(1), Some(&chunk_digest(&[3; 5])));
        assert_eq!(Description::parse(&description.to_bytes()), Ok(description));
    }

    #[test]
    fn wire_bytes_are_pinned() {
        let bytes = Description::of(b"abc").unwrap().to_bytes();
        assert_eq!(bytes[..8], [0, 0, 0, 3, 0, 4, 0, 0]);
        // SHA-256 of "abc", FIPS 180-4, appendix B.1.
        assert_eq!(bytes[8..12], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(bytes.len(), 40);
    }

    #[test]
    fn descriptions_that_contradict_themselves_are_refused() {
        let good = Description::of(&[1; 100]).unwrap().to_bytes();
        let refuse = |bytes: &[u8]| Description::parse(bytes).unwrap_err();
        assert_eq!(refuse(&good[..39]), DescriptionError::Misaligned { got: 39 });
        let mut other = good.clone();
        other[4..8].copy_from_slice(&1_u32.to_be_bytes());
        assert_eq!(refuse(&other), DescriptionError::ChunkSize { expected: CHUNK_BYTES, got: 1 });
        let mut longer = good;
        longer[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        let expected = CHUNKS_MAX;
        assert_eq!(refuse(&longer), DescriptionError::Count { length: u32::MAX, expected, got: 1 });
    }

    #[test]
    fn another_byte_is_another_id() {
        let of = |message: &[u8]| Description::of(message).unwrap().id();
        assert_ne!(of(b"abc"), of(b"abd"));
        assert_ne!(of(b""), of(b"\0"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(description) = Description::parse(&bytes) {
                prop_assert_eq!(description.to_bytes(), bytes);
            }
        }
    }
}
