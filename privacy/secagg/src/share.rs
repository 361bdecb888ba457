//! One-shot additive shares: one explicit vector, the others 32-byte seeds.

use aes::Aes256;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use privacy_identity::{Encode as _, Tag};
use rand::CryptoRng;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::{Binding, EncodingParameters, NoisyUpdate, RingError, RingVector};

/// Keystream is drawn in blocks that stay in the first-level cache.
const BLOCK_ELEMENTS: usize = 4096;

/// The seed of one aggregator's share. Zeroised on drop, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct ShareSeed(pub(crate) [u8; Self::LEN]);

impl ShareSeed {
    /// Bytes of a seed: the key length of AES-256.
    pub const LEN: usize = 32;

    /// The share that this seed stands for: AES-256-CTR under `SHA-256(tag ‖ seed ‖ binding)` with a
    /// zero counter block, four keystream bytes (little-endian) per element, reduced to the ring.
    ///
    /// The key is fresh for each (seed, binding), so the zero counter block is never reused; 2^32
    /// blocks of 16 bytes are far above the largest update (DESIGN §4).
    #[must_use]
    pub fn expand(&self, binding: &Binding, parameters: &EncodingParameters) -> RingVector {
        let mut vector = RingVector::zero(parameters.ring(), parameters.dimension());
        let key = privacy_identity::DigestBuilder::new(Tag::SeedExpansion)
            .chain(&self.0)
            .chain(&binding.to_bytes())
            .finish();
        let key = Zeroizing::new(key.0);
        let mut cipher = ctr::Ctr128BE::<Aes256>::new((&*key).into(), &[0; 16].into());
        let mask = parameters.ring().mask();
        let mut block = Zeroizing::new([0_u8; 4 * BLOCK_ELEMENTS]);
        for chunk in vector.elements_mut().chunks_mut(BLOCK_ELEMENTS) {
            let bytes = &mut block[..4 * chunk.len()];
            bytes.fill(0);
            cipher.apply_keystream(bytes);
            let (words, _) = bytes.as_chunks::<4>();
            for (element, word) in chunk.iter_mut().zip(words) {
                *element = u32::from_le_bytes(*word) & mask;
            }
        }
        vector
    }
}

/// One aggregator's share of an update, as it travels inside its envelope.
pub enum Share {
    /// The first aggregator's: the vector itself.
    Explicit(RingVector),
    /// Any other aggregator's: a seed.
    Seed(ShareSeed),
}

impl Share {
    /// Splits `update` into `aggregators` shares whose sum is the update. Every proper subset of them
    /// is uniform: the seeds are drawn independently of the update, and the explicit share is the
    /// update minus at least one keystream.
    ///
    /// # Panics
    /// If `aggregators` is below 2: one share would be the update itself.
    #[must_use]
    pub fn split(
        update: &NoisyUpdate,
        aggregators: usize,
        binding: &Binding,
        parameters: &EncodingParameters,
        rng: &mut impl CryptoRng,
    ) -> Vec<Self> {
        assert!(aggregators >= 2, "an update is never given whole to one aggregator");
        let mut explicit = update.vector().clone();
        let mut seeds = Vec::new();
        for _ in 1..aggregators {
            let mut seed = ShareSeed([0; ShareSeed::LEN]);
            rng.fill_bytes(&mut seed.0);
            explicit
                .subtract(&seed.expand(binding, parameters))
                .expect("expanded to the update's own dimension and ring");
            seeds.push(Self::Seed(seed));
        }
        std::iter::once(Self::Explicit(explicit)).chain(seeds).collect()
    }

    /// The plaintext of the share's envelope.
    pub(crate) fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Explicit(vector) => vector.pack(),
            Self::Seed(seed) => seed.0.to_vec(),
        })
    }

    /// Reads the share of aggregator `index` and expands it.
    pub(crate) fn vector_from_plaintext(
        index: usize,
        plaintext: &[u8],
        binding: &Binding,
        parameters: &EncodingParameters,
    ) -> Result<RingVector, RingError> {
        if index == 0 {
            return RingVector::unpack(parameters.ring(), parameters.dimension(), plaintext);
        }
        let mut seed: [u8; ShareSeed::LEN] =
            plaintext.try_into().map_err(|_source| RingError::PackedLength {
                elements: parameters.dimension(),
                expected: ShareSeed::LEN,
                got: plaintext.len(),
            })?;
        let vector = ShareSeed(seed).expand(binding, parameters);
        seed.zeroize();
        Ok(vector)
    }
}
