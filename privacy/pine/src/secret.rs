//! Secrets that are overwritten when they are dropped.

use std::{fmt, hint::black_box};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use crate::field::PineField;

/// Bytes of the longest seed (HMAC-SHA256 and AES-128).
pub(crate) const SEED_BYTES_MAX: usize = 32;

/// A seed, blind or joint-randomness part: 16 or 32 bytes, as the XOF has it.
///
/// Compared in constant time and zeroised on drop.
#[derive(Clone)]
pub struct Seed {
    bytes: [u8; SEED_BYTES_MAX],
    len: usize,
}

impl Seed {
    /// The seed of these bytes, of which there are at most [`SEED_BYTES_MAX`].
    pub(crate) fn new(source: &[u8]) -> Self {
        let mut bytes = [0; SEED_BYTES_MAX];
        let len = source.len().min(SEED_BYTES_MAX);
        bytes[..len].copy_from_slice(&source[..len]);
        Self { bytes, len }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether two seeds are equal, in time that does not depend on where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seed").finish_non_exhaustive()
    }
}

/// Field elements that are overwritten with zeros on drop.
///
/// prio's fields do not implement `Zeroize`, so the write is kept alive by an opaque read.
pub(crate) struct SecretVector<F: PineField>(pub(crate) Vec<F>);

impl<F: PineField> Drop for SecretVector<F> {
    fn drop(&mut self) {
        self.0.fill(F::zero());
        black_box(&mut self.0);
    }
}
