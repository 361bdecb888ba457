//! A message that comes chunk by chunk, in any order.

use crate::{
    description::{Description, chunk_digest},
    payload::Payload,
};

/// The chunks of one message that are there.
///
/// Memory is taken chunk by chunk, when one has come and was verified: what a peer only announces
/// costs 48 bytes per 256 KiB.
#[derive(Debug, Clone)]
pub(crate) struct Assembly {
    description: Description,
    chunks: Vec<Option<Payload>>,
    bytes: u64,
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    New,
    /// It was there already; nothing changed.
    Duplicate,
}

/// Why a chunk was refused; the assembly is unchanged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ChunkError {
    #[error("chunk {index} of {count}")]
    OutOfRange { index: u32, count: u32 },
    #[error("chunk {index} has {got} bytes, expected {expected}")]
    Length { index: u32, expected: usize, got: usize },
    #[error("chunk {index} has another digest than described")]
    Corrupt { index: u32 },
}

impl Assembly {
    pub(crate) fn new(description: Description) -> Self {
        let chunks = vec![None; description.chunk_count() as usize];
        Self { description, chunks, bytes: 0 }
    }

    pub(crate) const fn description(&self) -> &Description {
        &self.description
    }

    /// Bytes of the chunks that are there.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.bytes == u64::from(self.description.length())
    }

    /// Number of chunks that are there.
    pub(crate) fn chunks_held(&self) -> u64 {
        self.chunks.iter().flatten().count() as u64
    }

    /// Whether a chunk may be placed, and is not there yet.
    ///
    /// * `chunk` — hashed here: 256 KiB cost a fraction of a millisecond.
    pub(crate) fn check(&self, index: u32, chunk: &[u8]) -> Result<Placed, ChunkError> {
        let description = &self.description;
        let (Some(range), Some(digest)) =
            (description.chunk_range(index), description.chunk_digest(index))
        else {
            return Err(ChunkError::OutOfRange { index, count: description.chunk_count() });
        };
        if self.chunks[index as usize].is_some() {
            return Ok(Placed::Duplicate);
        }
        if chunk.len() != range.len() {
            return Err(ChunkError::Length { index, expected: range.len(), got: chunk.len() });
        }
        if chunk_digest(chunk) != *digest {
            return Err(ChunkError::Corrupt { index });
        }
        Ok(Placed::New)
    }

    /// Keeps a chunk that is what the description says.
    pub(crate) fn place(&mut self, index: u32, chunk: Payload) -> Result<Placed, ChunkError> {
        let placed = self.check(index, chunk.as_slice())?;
        if placed == Placed::New {
            self.keep(index, chunk);
        }
        Ok(placed)
    }

    /// Keeps a chunk that was checked and is new.
    pub(crate) fn keep(&mut self, index: u32, chunk: Payload) {
        if let Some(place @ None) = self.chunks.get_mut(index as usize) {
            self.bytes += chunk.len() as u64;
            *place = Some(chunk);
        }
    }

    /// Indices of the chunks that are not there, in order.
    pub(crate) fn missing(&self) -> Vec<u32> {
        let chunks = (0_u32..).zip(&self.chunks);
        chunks.filter(|(_, chunk)| chunk.is_none()).map(|(index, _)| index).collect()
    }

    /// One bit per chunk, the lowest bit of the first byte first: set if it is there.
    pub(crate) fn bitmap(&self) -> Vec<u8> {
        let byte = |chunks: &[Option<Payload>]| {
            let bits = chunks.iter().enumerate();
            bits.fold(0, |byte, (bit, chunk)| byte | (u8::from(chunk.is_some()) << bit))
        };
        self.chunks.chunks(8).map(byte).collect()
    }

    /// The whole message; `None` before it is complete. Copies it.
    pub(crate) fn message(&self) -> Option<Vec<u8>> {
        if !self.is_complete() {
            return None;
        }
        let mut message = Vec::with_capacity(self.description.length() as usize);
        for chunk in self.chunks.iter().flatten() {
            message.extend_from_slice(chunk.as_slice());
        }
        Some(message)
    }
}

/// Indices of the chunks that a peer does not have, by its bitmap; `None` if it has another length.
pub(crate) fn missing_by(bitmap: &[u8], description: &Description) -> Option<Vec<u32>> {
    let count = description.chunk_count();
    if bitmap.len() != count.div_ceil(8) as usize {
        return None;
    }
    let has = |index: &u32| bitmap[(index / 8) as usize] & (1 << (index % 8)) != 0;
    Some((0..count).filter(|index| !has(index)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::CHUNK_BYTES;

    const CHUNK: usize = CHUNK_BYTES as usize;

    /// A message of ten chunks, the last one of seven bytes.
    fn message() -> Vec<u8> {
        (0..9 * CHUNK + 7).map(|i| u8::try_from(i / 1000 % 251).unwrap()).collect()
    }

    fn chunk(message: &[u8], index: usize) -> Payload {
        message.chunks(CHUNK).nth(index).unwrap().to_vec().into()
    }

    #[test]
    fn chunks_in_any_order_are_the_message_and_duplicates_change_nothing() {
        let message = message();
        let mut assembly = Assembly::new(Description::of(&message).unwrap());
        for (index, at) in [(9, 9), (0, 0), (4, 4)] {
            assert_eq!(assembly.place(index, chunk(&message, at)), Ok(Placed::New));
        }
        assert_eq!(assembly.place(4, chunk(&message, 4)), Ok(Placed::Duplicate));
        assert_eq!(assembly.bytes(), 2 * u64::from(CHUNK_BYTES) + 7);
        assert_eq!(assembly.missing(), [1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(assembly.bitmap(), [0b0001_0001, 0b10]);
        let missing = missing_by(&assembly.bitmap(), assembly.description());
        assert_eq!(missing, Some(assembly.missing()));
        assert!(assembly.message().is_none());
        for index in assembly.missing() {
            assembly.place(index, chunk(&message, index as usize)).unwrap();
        }
        assert!(assembly.message().unwrap() == message);
    }

    #[test]
    fn chunks_that_are_not_described_are_refused() {
        let message = message();
        let mut assembly = Assembly::new(Description::of(&message).unwrap());
        let mut refuse = |index, chunk: Payload| assembly.place(index, chunk).unwrap_err();
        assert_eq!(refuse(10, chunk(&message, 0)), ChunkError::OutOfRange { index: 10, count: 10 });
        assert_eq!(
            refuse(u32::MAX, Payload::default()),
            ChunkError::OutOfRange { index: u32::MAX, count: 10 }
        );
        assert_eq!(
            refuse(0, chunk(&message, 9)),
            ChunkError::Length { index: 0, expected: CHUNK, got: 7 }
        );
        assert_eq!(refuse(0, chunk(&message, 1)), ChunkError::Corrupt { index: 0 });
        assert_eq!((assembly.bytes(), assembly.chunks_held()), (0, 0));
    }

    #[test]
    fn bitmap_of_another_length_is_refused() {
        let description = Description::of(&message()).unwrap();
        assert_eq!(missing_by(&[0xff], &description), None);
        assert_eq!(missing_by(&[0xff; 3], &description), None);
    }
}
