//! Linear tags: whoever holds the cohort's key checks that a published sum is the sum.
//!
//! ```text
//! member i:     x_i ∈ Z^L (noise included), t_i = (⟨r₁, x_i⟩ + s₁,i, ⟨r₂, x_i⟩ + s₂,i) mod 2^64, shared like x_i
//! aggregators:  X = Σ x_i, T = Σ t_i over the accepted set A
//! any member:   T = (⟨r₁, X⟩ + Σ_A s₁,i, ⟨r₂, X⟩ + Σ_A s₂,i) ?
//! ```
//!
//! r and s come from a key that only the cohort knows, fresh in each round. Tags add up because the sum
//! of the integers does not wrap in the ring `Z_2^k` (see [`EncodingParameters`]), so that X is known as
//! integers and may be taken modulo 2^64.
//!
//! **Threat.** Aggregators, even all of them together, that publish X + δ instead of X, or the sum over
//! another set than A.
//!
//! **Soundness.** The pads `s_i` are uniform and used once, so that everything that aggregators see
//! (all `x_i`, all `t_i`, X, T) is independent of r. A forger publishes (X + δ, T + τ) for its choice of
//! δ ≠ 0 and passes if ⟨`r_t`, δ⟩ = `τ_t` for both t. X and X + δ are centred k-bit integers (the check
//! refuses others), so |`δ_j`| < 2^k and δ = 2^v·δ' with v ≤ k − 1 and some `δ'_j` odd (the argument of `SPDZ2k`).
//! The rows are r₁ = (`ρ_0` … `ρ_(L−1)`) and r₂ = (`ρ_1` … `ρ_L`) of one uniform ρ ∈ (`Z_2^64`)^(L+1) (Toeplitz):
//! (⟨r₁, δ'⟩, ⟨r₂, δ'⟩) = M·ρ, where M has the rows (δ', 0) and (0, δ'). Modulo 2 their first odd
//! entries stand in different columns, so M has rank 2 modulo 2, is onto (`Z_2^64`)² by Nakayama's
//! lemma, and M·ρ is uniform. So (⟨r₁, δ⟩, ⟨r₂, δ⟩) is uniform over (2^v·`Z_2^64`)², and
//!
//! > P(forgery passes) ≤ 2^(−2·(64 − v)) ≤ 2^(−2·(65 − k)):  2^−78 for k = 26, 2^−66 for k = 32,
//!
//! plus the advantage against AES-256. For another set A' the missing or surplus pad is uniform and
//! unknown: 2^−128.
//!
//! **Why the pads.** Without them T tells an equation of r: an aggregator that has seen (X, T) could
//! publish (2X, 2T), or, in a later round with the same key, add an earlier pair; and all aggregators
//! together could take out (`x_i`, `t_i`). With them each of these is the forgery above.
//!
//! **Not proved.** A member that colludes with an aggregator knows the key: the sum can be forged, though
//! still not read. A member can spoil its own tag, so that a true sum fails; the check does not say who.
//!
//! Source: Cramer, Damgård, Escudero, Scholl & Xing 2018, "`SPDZ2k`", §3 (valuation); Agrawal & Boneh 2009,
//! "Homomorphic MACs" (pads); Krawczyk 1994, "LFSR-based hashing" (Toeplitz).

use privacy_identity::{Digest, DigestBuilder, Tag, VerifyingKey};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::ZeroizeOnDrop;

use crate::{
    EncodingParameters,
    keystream::{BLOCK_ELEMENTS, Keystream},
};

/// Bytes of a tag or of a share of one on the wire.
pub(crate) const TAG_BYTES: usize = 16;

/// Why a published sum was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TagError {
    /// Another number of coordinates than the federation's sealed vectors have.
    #[error("sum has {got} coordinates, sealed vectors have {expected}")]
    Length {
        /// Coordinates of a sealed vector.
        expected: usize,
        /// Coordinates of the sum.
        got: usize,
    },
    /// A coordinate that no sum in the ring can have.
    #[error("coordinate {index} of the sum is {got}, the ring holds |x| <= {limit}")]
    OutsideRing {
        /// Which coordinate.
        index: usize,
        /// 2^(k−1).
        limit: i64,
        /// What it is.
        got: i64,
    },
    /// The sum is not the sum over the accepted set: an aggregator shifted it or summed another set,
    /// or a contributor spoiled its tag.
    #[error("sum does not match its tags: it is not the sum over the accepted set")]
    Mismatch,
}

/// A tag, or an additive share or a sum of tags: two integers modulo 2^64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinearTag(pub [u64; 2]);

impl LinearTag {
    /// The sum modulo 2^64.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self([self.0[0].wrapping_add(other.0[0]), self.0[1].wrapping_add(other.0[1])])
    }

    /// The difference modulo 2^64.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self([self.0[0].wrapping_sub(other.0[0]), self.0[1].wrapping_sub(other.0[1])])
    }

    /// Little-endian, the first before the second.
    #[must_use]
    pub fn to_bytes(self) -> [u8; TAG_BYTES] {
        let mut bytes = [0; TAG_BYTES];
        bytes[..8].copy_from_slice(&self.0[0].to_le_bytes());
        bytes[8..].copy_from_slice(&self.0[1].to_le_bytes());
        bytes
    }

    /// Reads what [`LinearTag::to_bytes`] wrote.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; TAG_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        ])
    }
}

/// The cohort's key of one round's tags. Zeroised on drop, never printed.
#[derive(ZeroizeOnDrop)]
pub struct TagKey {
    /// Of the keystream that is ρ.
    vector: [u8; 32],
    /// Of the members' pads.
    pad: [u8; 32],
}

impl TagKey {
    /// The key of round `round` of `federation` (the digest of its terms), from a secret of at least 32
    /// uniform bytes that only the cohort knows, such as the exporter secret of its MLS epoch.
    ///
    /// A new key for each round: the soundness above is for one sum per key.
    #[must_use]
    pub fn of_round(cohort_secret: &[u8; 32], federation: &Digest, round: u64) -> Self {
        // Label and length (80 bytes) separate these from a seed's expansion under the same tag.
        let key = |label: &[u8; 8]| {
            DigestBuilder::new(Tag::SeedExpansion)
                .chain(label)
                .chain(cohort_secret)
                .chain(&federation.0)
                .chain(&round.to_be_bytes())
                .finish()
                .0
        };
        Self { vector: key(b"tag-rows"), pad: key(b"tag-pads") }
    }

    /// The tag of what `member` seals: all coordinates of the sealed vector, extras and noise included.
    #[must_use]
    pub fn tag(&self, values: &[i32], member: &VerifyingKey) -> LinearTag {
        self.product(values).plus(self.pad(member))
    }

    /// Checks `sum`, `[vector_len]`, against the sum of the tags of `members`, the accepted set.
    ///
    /// # Errors
    /// [`TagError`].
    pub fn check_sum<'a>(
        &self,
        sum: &[i64],
        tags: LinearTag,
        members: impl IntoIterator<Item = &'a VerifyingKey>,
        parameters: &EncodingParameters,
    ) -> Result<(), TagError> {
        let (expected, got) = (parameters.vector_len(), sum.len());
        if expected != got {
            return Err(TagError::Length { expected, got });
        }
        let limit = 1_i64 << (parameters.ring().bits() - 1);
        if let Some(index) = sum.iter().position(|value| !(-limit..limit).contains(value)) {
            return Err(TagError::OutsideRing { index, limit, got: sum[index] });
        }
        let pads = members.into_iter().map(|member| self.pad(member));
        let true_tags = pads.fold(self.product(sum), LinearTag::plus);
        let equal = true_tags.to_bytes().ct_eq(&tags.to_bytes());
        if bool::from(equal) { Ok(()) } else { Err(TagError::Mismatch) }
    }

    /// (⟨r₁, x⟩, ⟨r₂, x⟩).
    fn product<T: Copy + Into<i64>>(&self, values: &[T]) -> LinearTag {
        let mut keystream = Keystream::new(&self.vector, 0);
        let mut sums = [0_u64; 2];
        let mut next = u64::from_le_bytes(keystream.words::<8>(1)[0]);
        for block in values.chunks(BLOCK_ELEMENTS / 2) {
            let words = keystream.words::<8>(block.len());
            for (value, word) in block.iter().zip(words) {
                let value = (*value).into().cast_unsigned();
                sums[0] = sums[0].wrapping_add(next.wrapping_mul(value));
                next = u64::from_le_bytes(*word);
                sums[1] = sums[1].wrapping_add(next.wrapping_mul(value));
            }
        }
        LinearTag(sums)
    }

    /// (s₁, s₂) of one member: the first 16 bytes of a digest under the key, a PRF in its input.
    fn pad(&self, member: &VerifyingKey) -> LinearTag {
        // 72 bytes after the tag: another length than every other use of it.
        let digest = DigestBuilder::new(Tag::SeedExpansion)
            .chain(b"tag-pad ")
            .chain(&self.pad)
            .chain(&privacy_identity::Encode::to_bytes(member))
            .finish();
        let (halves, _) = digest.0.as_chunks::<TAG_BYTES>();
        LinearTag::from_bytes(halves[0])
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;

    #[test]
    fn a_tag_is_the_two_inner_products_and_the_pad() {
        let key = TagKey::of_round(&[1; 32], &Digest([2; 32]), 3);
        let member = SigningKey::from_seed(&[4; 32]).verifying_key();
        // Across the end of a block, with both signs.
        let values: Vec<i32> = (0..5000).map(|i: i32| (i * 7919) % 4001 - 2000).collect();
        let mut stream = Keystream::new(&key.vector, 0);
        let rho: Vec<u64> =
            (0..=values.len()).map(|_| u64::from_le_bytes(stream.words::<8>(1)[0])).collect();
        let row = |shift: usize| {
            let product =
                |(i, v): (usize, &i32)| rho[i + shift].wrapping_mul(i64::from(*v).cast_unsigned());
            values.iter().enumerate().map(product).fold(0, u64::wrapping_add)
        };
        let expected = LinearTag([row(0), row(1)]).plus(key.pad(&member));
        assert_eq!(key.tag(&values, &member), expected);
        let other = SigningKey::from_seed(&[5; 32]).verifying_key();
        assert_ne!(key.pad(&member), key.pad(&other));
        assert_eq!(LinearTag::from_bytes(expected.to_bytes()), expected);
        assert_eq!(expected.minus(expected), LinearTag::default());
    }
}
