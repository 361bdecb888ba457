//! AES-256-CTR as an expandable stream of words, one key per label and seed.

use aes::Aes256;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use privacy_identity::{DigestBuilder, Tag};
use zeroize::Zeroizing;

/// Words drawn at a time: 4 KiB, which stays in the first-level cache.
const BLOCK_WORDS: usize = 512;

/// The keystream under `SHA-256(tag ‖ label ‖ seed)` with a zero counter block. Zeroised on drop.
///
/// The label separates the uses (mask, key, errors, shares), so that no two of them share a key. As in
/// `FrodoKEM`'s generation of its public matrix, AES under a key that is a hash stands in for a random
/// oracle where the seed is public (the mask), and is a pseudo-random generator where it is secret.
pub(crate) struct Keystream(ctr::Ctr128BE<Aes256>);

impl Keystream {
    /// The stream of `seed` for the use that `label` names.
    pub(crate) fn new(label: &'static str, seed: &[u8; 32]) -> Self {
        let key = DigestBuilder::new(Tag::SeedExpansion)
            .chain(b"sahakar/fhe/")
            .chain(label.as_bytes())
            .chain(&[0])
            .chain(seed)
            .finish();
        let key = Zeroizing::new(key.0);
        Self(ctr::Ctr128BE::new((&*key).into(), &[0; 16].into()))
    }

    /// Overwrites `words` with the next words of the stream, little-endian.
    pub(crate) fn fill(&mut self, words: &mut [u64]) {
        let mut block = Zeroizing::new([0_u8; 8 * BLOCK_WORDS]);
        for chunk in words.chunks_mut(BLOCK_WORDS) {
            let bytes = &mut block[..8 * chunk.len()];
            bytes.fill(0);
            self.0.apply_keystream(bytes);
            let (drawn, _) = bytes.as_chunks::<8>();
            for (word, drawn) in chunk.iter_mut().zip(drawn) {
                *word = u64::from_le_bytes(*drawn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(label: &'static str, seed: u8, count: usize) -> Vec<u64> {
        let mut words = vec![0; count];
        Keystream::new(label, &[seed; 32]).fill(&mut words);
        words
    }

    #[test]
    fn labels_and_seeds_separate_streams() {
        assert_eq!(words("a", 1, 4), words("a", 1, 4));
        assert_ne!(words("a", 1, 4), words("b", 1, 4));
        assert_ne!(words("a", 1, 4), words("a", 2, 4));
    }
}
