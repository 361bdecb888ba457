//! One-shot additive shares: one explicit vector, the others 32-byte seeds.
//!
//! ```text
//! plaintext of the first aggregator:   form │ vector, packed k-bit elements │ tag share, 16 bytes (form 1)
//! plaintext of any other aggregator:   form │ seed, 32 bytes
//! form: 0 without, 1 with tags
//! ```

use privacy_identity::{DigestBuilder, Encode as _, Tag};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::{
    Binding, EncodingParameters, LinearTag, NoisyUpdate, RingError, RingVector, Tagging,
    keystream::{BLOCK_ELEMENTS, Keystream},
    packing,
    tags::TAG_BYTES,
};

/// Why a share was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShareError {
    /// It ends before its form.
    #[error("share is empty")]
    Empty,
    /// With tags where the federation has none, the reverse, or an unknown form.
    #[error("share has form {got}, the federation's have form {expected}")]
    Form {
        /// The federation's.
        expected: u8,
        /// What it has.
        got: u8,
    },
    /// A seed or a tag share of another length.
    #[error("{name} has {got} bytes instead of {expected}")]
    Length {
        /// Which part.
        name: &'static str,
        /// Its length.
        expected: usize,
        /// What was found.
        got: usize,
    },
    /// An explicit vector that is not one of the federation's.
    #[error("explicit share")]
    Vector(#[from] RingError),
}

/// The seed of one aggregator's share. Zeroised on drop, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct ShareSeed(pub(crate) [u8; Self::LEN]);

impl ShareSeed {
    /// Bytes of a seed: the key length of AES-256.
    pub const LEN: usize = 32;

    /// Takes 32 uniform bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The share that this seed stands for: AES-256-CTR under `SHA-256(tag ‖ seed ‖ binding)` with a
    /// zero counter block, four keystream bytes (little-endian) per element, reduced to the ring; the
    /// tag share is the 16 bytes after the last element.
    ///
    /// The key is fresh for each (seed, binding), so the zero counter block is never reused; 2^32
    /// blocks of 16 bytes are far above the largest update (DESIGN §4).
    #[must_use]
    pub fn expand(&self, binding: &Binding, parameters: &EncodingParameters) -> OpenShare {
        let mut vector = RingVector::zero(parameters.ring(), parameters.vector_len());
        let tag = self.add_onto(binding, vector.elements_mut(), parameters);
        OpenShare { vector, tag }
    }

    /// Adds the share to `elements` block by block; the tag share, if the federation has tags.
    pub(crate) fn add_onto(
        &self,
        binding: &Binding,
        elements: &mut [u32],
        parameters: &EncodingParameters,
    ) -> Option<LinearTag> {
        let mask = parameters.ring().mask();
        let mut keystream = self.keystream(binding);
        for block in elements.chunks_mut(BLOCK_ELEMENTS) {
            let words = keystream.words::<4>(block.len());
            for (element, word) in block.iter_mut().zip(words) {
                *element = element.wrapping_add(u32::from_le_bytes(*word)) & mask;
            }
        }
        tag_share(&mut keystream, parameters)
    }

    fn keystream(&self, binding: &Binding) -> Keystream {
        Keystream::from_digest(
            DigestBuilder::new(Tag::SeedExpansion)
                .chain(&self.0)
                .chain(&binding.to_bytes())
                .finish(),
        )
    }
}

fn tag_share(keystream: &mut Keystream, parameters: &EncodingParameters) -> Option<LinearTag> {
    match parameters.options().tagging {
        Tagging::Absent => None,
        Tagging::Linear => Some(LinearTag::from_bytes(keystream.words::<TAG_BYTES>(1)[0])),
    }
}

/// One aggregator's share of an update, opened: a vector and, with tags, a share of the tag.
///
/// Zeroised on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenShare {
    pub(crate) vector: RingVector,
    pub(crate) tag: Option<LinearTag>,
}

impl OpenShare {
    /// Reads what aggregator `index` finds in its envelope: for the owner of an update, who checks what was
    /// made of its shares.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn from_payload(
        index: usize,
        plaintext: &[u8],
        binding: &Binding,
        parameters: &EncodingParameters,
    ) -> Result<Self, ShareError> {
        let mut vector = RingVector::zero(parameters.ring(), parameters.vector_len());
        let share = ShareView::from_plaintext(index, plaintext, parameters)?;
        let tag = share.add_onto(&mut vector, binding, parameters)?;
        Ok(Self { vector, tag })
    }

    /// The share of the vector, `[vector_len]`.
    #[must_use]
    pub const fn vector(&self) -> &RingVector {
        &self.vector
    }

    /// The share of the tag.
    #[must_use]
    pub const fn tag(&self) -> Option<LinearTag> {
        self.tag
    }
}

impl std::fmt::Debug for OpenShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenShare({:?})", self.vector)
    }
}

/// One aggregator's share of an update: the plaintext of its envelope. Zeroised on drop.
pub struct Share(pub(crate) Zeroizing<Vec<u8>>);

impl Share {
    /// Splits `update` into `aggregators` shares whose sum is the update. Every proper subset of them
    /// is uniform: the seeds are drawn independently of the update, and the explicit share is the
    /// update minus at least one keystream. The tag is shared like a coordinate, modulo 2^64.
    ///
    /// One pass over the update, in blocks that stay in the first-level cache.
    ///
    /// # Panics
    /// If `aggregators` is below 2 (one share would be the update itself), or if the update has another
    /// length or tagging than the parameters: [`crate::seal`] checks these.
    #[must_use]
    pub fn split(
        update: &NoisyUpdate,
        aggregators: usize,
        binding: &Binding,
        parameters: &EncodingParameters,
        rng: &mut impl CryptoRng,
    ) -> Vec<Self> {
        assert!(aggregators >= 2, "an update is never given whole to one aggregator");
        assert_eq!(update.values().len(), parameters.vector_len(), "checked by `seal`");
        let seeds: Vec<_> = (1..aggregators).map(|_| random_seed(rng)).collect();
        let mut streams: Vec<_> = seeds.iter().map(|seed| seed.keystream(binding)).collect();
        let mut explicit = masked_and_packed(update.values(), &mut streams, parameters);
        if let Some(tag) = update.tag() {
            let shares = streams.iter_mut().filter_map(|stream| tag_share(stream, parameters));
            let share = shares.fold(tag, LinearTag::minus);
            explicit.extend_from_slice(&share.to_bytes());
        }
        let form = form(parameters);
        let seed = |seed: &ShareSeed| Self(Zeroizing::new([[form].as_slice(), &seed.0].concat()));
        std::iter::once(Self(explicit)).chain(seeds.iter().map(seed)).collect()
    }
}

/// The plaintext of an aggregator's envelope, taken apart.
pub(crate) enum ShareView<'a> {
    Explicit { packed: &'a [u8], tag: Option<LinearTag> },
    Seed(ShareSeed),
}

impl<'a> ShareView<'a> {
    /// Reads the share of aggregator `index`; an explicit vector is checked when it is added.
    pub(crate) fn from_plaintext(
        index: usize,
        plaintext: &'a [u8],
        parameters: &EncodingParameters,
    ) -> Result<Self, ShareError> {
        if index == 0 {
            let (packed, tag) = explicit_parts(plaintext, parameters)?;
            return Ok(Self::Explicit { packed, tag });
        }
        let rest = after_form(plaintext, parameters)?;
        let (expected, got) = (ShareSeed::LEN, rest.len());
        let mut seed: [u8; ShareSeed::LEN] = rest
            .try_into()
            .map_err(|_source| ShareError::Length { name: "seed", expected, got })?;
        let view = Self::Seed(ShareSeed(seed));
        seed.zeroize();
        Ok(view)
    }

    /// Adds the share to `vector`, which is unchanged if the share is refused; the share of the tag.
    pub(crate) fn add_onto(
        &self,
        vector: &mut RingVector,
        binding: &Binding,
        parameters: &EncodingParameters,
    ) -> Result<Option<LinearTag>, ShareError> {
        match self {
            Self::Explicit { packed, tag } => {
                vector.add_packed(packed)?;
                Ok(*tag)
            }
            Self::Seed(seed) => Ok(seed.add_onto(binding, vector.elements_mut(), parameters)),
        }
    }
}

/// 0 without, 1 with tags.
fn form(parameters: &EncodingParameters) -> u8 {
    match parameters.options().tagging {
        Tagging::Absent => 0,
        Tagging::Linear => 1,
    }
}

fn after_form<'a>(
    plaintext: &'a [u8],
    parameters: &EncodingParameters,
) -> Result<&'a [u8], ShareError> {
    let (&got, rest) = plaintext.split_first().ok_or(ShareError::Empty)?;
    let expected = form(parameters);
    if got == expected { Ok(rest) } else { Err(ShareError::Form { expected, got }) }
}

/// The packed vector and the tag share of an explicit share or of a packed sum.
pub(crate) fn explicit_parts<'a>(
    plaintext: &'a [u8],
    parameters: &EncodingParameters,
) -> Result<(&'a [u8], Option<LinearTag>), ShareError> {
    let rest = after_form(plaintext, parameters)?;
    if parameters.options().tagging == Tagging::Absent {
        return Ok((rest, None));
    }
    let (expected, got) = (TAG_BYTES, rest.len());
    let refused = ShareError::Length { name: "tag share", expected, got };
    let (packed, tag) = rest.split_last_chunk().ok_or(refused)?;
    Ok((packed, Some(LinearTag::from_bytes(*tag))))
}

fn random_seed(rng: &mut impl CryptoRng) -> ShareSeed {
    let mut seed = ShareSeed([0; ShareSeed::LEN]);
    rng.fill_bytes(&mut seed.0);
    seed
}

/// The form, then `values` minus all `streams`, packed; with room for the tag.
fn masked_and_packed(
    values: &[i32],
    streams: &mut [Keystream],
    parameters: &EncodingParameters,
) -> Zeroizing<Vec<u8>> {
    let ring = parameters.ring();
    let packed_len = ring.packed_len(values.len());
    // Never grown: growing would leave an unzeroised copy behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(1 + packed_len + TAG_BYTES));
    plaintext.push(form(parameters));
    plaintext.resize(1 + packed_len, 0);
    let mut masked = Zeroizing::new([0_u32; BLOCK_ELEMENTS]);
    // A block of 4096 elements is a whole number of bytes at any width.
    let outputs = plaintext[1..].chunks_mut(ring.packed_len(BLOCK_ELEMENTS));
    for (block, output) in values.chunks(BLOCK_ELEMENTS).zip(outputs) {
        let masked = &mut masked[..block.len()];
        for (element, value) in masked.iter_mut().zip(block) {
            *element = value.cast_unsigned();
        }
        for stream in &mut *streams {
            let words = stream.words::<4>(block.len());
            for (element, word) in masked.iter_mut().zip(words) {
                *element = element.wrapping_sub(u32::from_le_bytes(*word));
            }
        }
        for element in &mut *masked {
            *element &= ring.mask();
        }
        packing::pack(ring, masked, output);
    }
    plaintext
}

#[cfg(test)]
mod tests {
    use aes::Aes256;
    use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
    use privacy_dp::ClipNorm;
    use privacy_identity::{Digest, SigningKey};

    use super::*;
    use crate::EncodingOptions;

    #[test]
    fn a_seed_expands_as_the_wire_format_says() {
        let digest = Digest([1; 32]);
        let member = SigningKey::from_seed(&[1; 32]).verifying_key();
        let binding = Binding { dao: digest, federation: digest, round: 3, model: digest, member };
        let clip = ClipNorm::new(1.0).unwrap();
        // Two blocks and a part of a third.
        let length = 2 * BLOCK_ELEMENTS + 13;
        let dimension = u32::try_from(length).unwrap();
        let options = EncodingOptions { tagging: Tagging::Linear, ..EncodingOptions::default() };
        let parameters = EncodingParameters::standard(clip, dimension, 8).unwrap();
        let parameters = parameters.with_options(options).unwrap();
        let share = ShareSeed([9; 32]).expand(&binding, &parameters);

        let key = Digest::of(Tag::SeedExpansion, &[&[9; 32], &binding.to_bytes()[..]].concat());
        let mut stream = vec![0; 4 * length + 16];
        ctr::Ctr128BE::<Aes256>::new((&key.0).into(), &[0; 16].into()).apply_keystream(&mut stream);
        for (element, word) in share.vector.elements().iter().zip(stream.as_chunks::<4>().0) {
            assert_eq!(*element, u32::from_le_bytes(*word) % (1 << 26));
        }
        let tag: [u8; 16] = stream[4 * length..].try_into().unwrap();
        assert_eq!(share.tag.unwrap().to_bytes(), tag);
    }
}
