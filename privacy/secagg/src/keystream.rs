//! AES-256-CTR keystream, drawn in blocks that stay in the first-level cache.

use aes::Aes256;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use privacy_identity::Digest;
use zeroize::Zeroizing;

/// Elements that are worked on at once: 16 KiB of `u32`, half of the smallest first-level cache that
/// is common, so that the keystream and what it is combined with both fit.
pub(crate) const BLOCK_ELEMENTS: usize = 4096;
const BLOCK_BYTES: usize = 4 * BLOCK_ELEMENTS;

/// A keystream under one key. Zeroised on drop.
///
/// The counter block starts at `stream` in its first byte and zero elsewhere. 2^32 blocks of 16 bytes
/// are far above what is drawn for the largest update, so streams of one key never meet.
pub(crate) struct Keystream {
    cipher: ctr::Ctr128BE<Aes256>,
    block: Zeroizing<[u8; BLOCK_BYTES]>,
}

impl Keystream {
    /// Stream number `stream` under `key`, which is used for nothing else.
    pub(crate) fn new(key: &[u8; 32], stream: u8) -> Self {
        let mut counter = [0; 16];
        counter[0] = stream;
        let cipher = ctr::Ctr128BE::new(key.into(), &counter.into());
        Self { cipher, block: Zeroizing::new([0; BLOCK_BYTES]) }
    }

    /// The stream under a secret `digest`.
    pub(crate) fn from_digest(digest: Digest) -> Self {
        Self::new(&Zeroizing::new(digest.0), 0)
    }

    /// The next `count` words of `N` bytes; at most a block.
    pub(crate) fn words<const N: usize>(&mut self, count: usize) -> &[[u8; N]] {
        let bytes = &mut self.block[..N * count];
        self.cipher.write_keystream(bytes);
        bytes.as_chunks::<N>().0
    }
}
