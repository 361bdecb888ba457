//! A decoder under test.

use privacy_identity::{Decode, Encode};

/// One decoder, with what it is fed and how it is judged.
pub struct Case {
    /// Its name, as in the names of seeds.
    pub name: &'static str,
    /// Real messages, all of which it takes.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Decodes any bytes and panics if what comes out is not what it must be.
    pub check: fn(&[u8]) -> Verdict,
}

/// What a decoder made of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is a message.
    Taken,
    /// It is refused.
    Refused,
}

impl From<bool> for Verdict {
    fn from(taken: bool) -> Self {
        if taken { Self::Taken } else { Self::Refused }
    }
}

/// Runs the case that the first byte of `data` selects on the rest.
pub fn run(cases: &[Case], data: &[u8]) -> Verdict {
    let Some((selector, bytes)) = data.split_first() else { return Verdict::Refused };
    (cases[usize::from(*selector) % cases.len()].check)(bytes)
}

/// Decodes `bytes`; a value must have no other encoding.
pub(crate) fn canonical<T: Decode + Encode>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert!(value.to_bytes() == bytes, "decoded, but encodes to other bytes");
    Some(value)
}
