//! The randomised Hadamard rotation of a round: it spreads every update evenly over its coordinates.
//!
//! ```text
//! x = [ ───────── m ─────────┬── d−m ──]      m = the largest power of two ≤ d, so m > d/2
//!     [ H·D₁/√m              │         ]      stage 1: the first m coordinates
//!     [── d−m ──┬────────── H·D₂/√m ───]      stage 2: the last m coordinates (left out if m = d)
//! ```
//!
//! D are diagonal matrices of signs from a public seed of the round, the same for all contributors, so
//! that a sum of rotated updates is the rotated sum. Each stage is orthogonal on its block, so the
//! whole is orthogonal, keeps the length d (no padding: padding to a power of two would cost up to
//! twice the bytes), and inverts exactly by the stages' transposes in reverse order.
//!
//! **Bound of a coordinate.** y = H·D·x/√m gives `y_j = Σ ±x_i/√m` with independent signs, hence by Hoeffding
//! `y_j` is sub-Gaussian with variance proxy ‖`x_block`‖²/m ≤ ‖x‖²/m ≤ 2‖x‖²/d. The first d − m coordinates
//! pass stage 1 only: the bound is theirs. The last m pass stage 2, whose signs are independent of
//! those of stage 1; given any outcome of stage 1, which keeps ‖x‖, the same bound holds with the same
//! m. So for *every* coordinate and every x that does not depend on the signs
//!
//! > P(|(Rx)_j| ≥ t) ≤ 2·exp(−t²·m / (2‖x‖²)).
//!
//! Threat: none to secrecy; the seed is public. A contributor that chooses its update after it has
//! seen the seed can concentrate it on one coordinate and make the sum wrap there: it garbles the
//! sum, as it could by an oversized update, until updates carry a proof of their norm.
//!
//! Source: Kairouz, Liu & Steinke 2021, "The Distributed Discrete Gaussian Mechanism for Federated
//! Learning with Secure Aggregation", §4 and appendix (flattening); Ailon & Chazelle 2006. The two
//! overlapping blocks instead of padding are ours.

use privacy_identity::{Digest, DigestBuilder, Tag};

use crate::{
    hadamard::transform,
    keystream::{BLOCK_ELEMENTS, Keystream},
};

/// Words of 32 signs that a block of [`BLOCK_ELEMENTS`] coordinates takes.
const SIGN_WORDS: usize = BLOCK_ELEMENTS / 32;

/// The rotation of one round, of vectors of one dimension. Public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    seed: [u8; 32],
    dimension: usize,
}

impl Rotation {
    /// The rotation that `seed` stands for. All contributors of a round use the same.
    #[must_use]
    pub const fn new(seed: [u8; 32], dimension: usize) -> Self {
        Self { seed, dimension }
    }

    /// The rotation of round `round` of `federation` (the digest of its terms).
    #[must_use]
    pub fn of_round(federation: &Digest, round: u64, dimension: usize) -> Self {
        // The label and the length (48 bytes) separate this from a seed's expansion under the same tag.
        let seed = DigestBuilder::new(Tag::SeedExpansion)
            .chain(b"rotation")
            .chain(&federation.0)
            .chain(&round.to_be_bytes())
            .finish();
        Self::new(seed.0, dimension)
    }

    /// Coordinates of the vectors it rotates.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// m: coordinates that are mixed with each other, the largest power of two ≤ dimension.
    ///
    /// A coordinate of a rotated vector x is sub-Gaussian with variance proxy ‖x‖²/m.
    #[must_use]
    pub const fn block_len(&self) -> usize {
        block_len(self.dimension)
    }

    /// Replaces `vector`, `[dimension]`, by its rotation. f32 rounds by less than 2^−18 of its norm.
    ///
    /// # Panics
    /// If `vector` has another dimension.
    pub fn apply(&self, vector: &mut [f32]) {
        assert_eq!(vector.len(), self.dimension, "a rotation fits vectors of its own dimension");
        let block = self.block_len();
        for (stage, start) in self.stages() {
            let block = &mut vector[start..start + block];
            self.flip_signs(stage, block);
            transform(block);
        }
    }

    /// Replaces `vector`, `[dimension]`, by what [`Rotation::apply`] makes it of.
    ///
    /// # Panics
    /// If `vector` has another dimension.
    pub fn invert(&self, vector: &mut [f32]) {
        assert_eq!(vector.len(), self.dimension, "a rotation fits vectors of its own dimension");
        let block = self.block_len();
        for (stage, start) in self.stages().rev() {
            let block = &mut vector[start..start + block];
            transform(block);
            self.flip_signs(stage, block);
        }
    }

    /// Number and first coordinate of each stage.
    fn stages(&self) -> impl DoubleEndedIterator<Item = (u8, usize)> {
        let tail = self.dimension - self.block_len();
        let count = if tail == 0 { 1 } else { 2 };
        [(1, 0), (2, tail)].into_iter().take(count)
    }

    /// Multiplies by ±1/√m. Coordinate j of a block of 4096 takes bit ⌊j/128⌋ of word j mod 128, so
    /// that a run of coordinates shifts a run of words by one distance.
    fn flip_signs(&self, stage: u8, values: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let scale = 1.0 / (values.len() as f32).sqrt();
        let mut keystream = Keystream::new(&self.seed, stage);
        for block in values.chunks_mut(BLOCK_ELEMENTS) {
            let words = keystream.words::<4>(SIGN_WORDS);
            for (bit, run) in (0_u32..).zip(block.chunks_mut(SIGN_WORDS)) {
                for (value, word) in run.iter_mut().zip(words) {
                    let sign = (u32::from_le_bytes(*word) << (31 - bit)) & (1 << 31);
                    *value = f32::from_bits((*value * scale).to_bits() ^ sign);
                }
            }
        }
    }
}

/// The largest power of two ≤ `dimension`.
pub(crate) const fn block_len(dimension: usize) -> usize {
    1 << dimension.ilog2()
}

#[cfg(test)]
mod tests;
