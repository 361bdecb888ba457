//! Bytes that several owners send parts of without copying them.

use std::{fmt, ops::Range, sync::Arc};

/// A part of a message, shared.
#[derive(Clone, Default)]
pub(crate) struct Payload {
    message: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Payload {
    /// A part of `message`; `range` lies within it.
    pub(crate) const fn part(message: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        Self { message, range }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.message[self.range.clone()]
    }

    pub(crate) const fn len(&self) -> usize {
        self.range.end - self.range.start
    }

    /// Gives the bytes out, without a copy if nobody else has them.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        if self.len() < self.message.len() {
            return self.as_slice().to_vec();
        }
        Arc::try_unwrap(self.message).unwrap_or_else(|shared| shared.to_vec())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(message: Vec<u8>) -> Self {
        Self { range: 0..message.len(), message: Arc::new(message) }
    }
}

impl fmt::Debug for Payload {
    /// Leaves out the bytes, so that no log ever shows one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
