//! Randomness by place: what happens at one place does not depend on how much was drawn at others, so that a
//! fault can be taken out of a run and the rest stays as it was.

use std::ops::RangeInclusive;

use privacy_identity::{Digest, Tag};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// The golden ratio in 64 bits, the step of `SplitMix64` (Steele, Lea & Flood 2014).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Draws at one place of a seeded run: `SplitMix64`. For faults and delays, never for keys.
#[derive(Debug, Clone)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The draws at the place that these words name.
    pub(crate) fn at(seed: u64, place: &[u64]) -> Self {
        let mut draws = Self(seed);
        for word in place {
            draws.0 = draws.word() ^ word.wrapping_mul(STEP);
        }
        draws
    }

    pub(crate) const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of `range`; the bias is below 2^−40 for ranges below 2^24.
    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end() - range.start() + 1;
        range.start() + self.word() % width
    }

    /// As [`Self::within`], an index below `length`.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.within(0..=(length as u64 - 1))).expect("below a length")
    }

    pub(crate) fn happens(&mut self, odds: f64) -> bool {
        // 53 bits: exact in an f64.
        ((self.word() >> 11) as f64) < odds * 2_f64.powi(53)
    }
}

/// A generator for keys, updates and sealing that depends on all of `parts`, and on their order.
pub(crate) fn rng_for(parts: &[u64]) -> ChaCha20Rng {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_be_bytes()).collect();
    ChaCha20Rng::from_seed(Digest::of(Tag::KeyDerivation, &bytes).0)
}
