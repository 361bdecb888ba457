//! Encryption to one recipient: HPKE base mode (RFC 9180).
//!
//! Suite: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (identifiers 0x0020, 0x0001, 0x0002):
//! an update is megabytes, and with the AES instructions of today's processors this is twice as fast as
//! ChaCha20-Poly1305. Without them it is constant-time still (bitsliced), and slower. The sender is authenticated by its signature over the whole message, not by HPKE.
//!
//! Threat: a relay that reads, alters or re-addresses an envelope. Contents are encrypted to the
//! recipient; `info` binds the purpose and `associated` the context (federation, round, member), so an
//! envelope cut out of one message opens in no other.

use std::fmt;

use hpke::{
    Deserializable as _, OpModeR, OpModeS, Serializable as _, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_inout_detached_with_rng,
};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Decode, DecodeError, Digest, DigestBuilder, Encode, Reader, SigningKey, Tag, Writer};

type Kem = X25519HkdfSha256;

/// Bytes of an X25519 public key and of an encapsulated key.
const KEY_LEN: usize = 32;
/// Bytes of an authentication tag of AES-256-GCM.
const TAG_LEN: usize = 16;

/// Largest ciphertext that is decoded: 192 MiB, a share with a norm proof of 20 M parameters (8.4 bytes
/// each).
const CIPHERTEXT_BYTES_MAX: usize = 192 << 20;

/// Why an envelope could not be made or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The recipient's key is not usable (RFC 9180 §7.1.4 refuses an all-zero shared secret).
    #[error("the recipient's sealing key is not usable")]
    BadRecipient,
    /// The envelope was not sealed to this key, for this purpose and context, or was altered.
    #[error("envelope does not open under this key and context")]
    DoesNotOpen,
}

/// The private half of an aggregator's encryption key. Zeroised on drop, never printed.
pub struct SealingKey {
    seed: Zeroizing<[u8; 32]>,
}

impl SealingKey {
    /// Draws a new key from `rng`.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self { seed }
    }

    /// The key that `DeriveKeyPair` (RFC 9180 §7.1.3) makes of `seed`.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { seed: Zeroizing::new(*seed) }
    }

    /// The sealing key of the process that signs with `key`: one key file per process suffices.
    ///
    /// Its seed is the digest of the signing seed under its own tag, so that neither key tells
    /// anything about the other.
    #[must_use]
    pub fn derived_from(key: &SigningKey) -> Self {
        let seed = Zeroizing::new(Digest::of(Tag::KeyDerivation, key.seed().as_slice()).0);
        Self { seed }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> SealingPublicKey {
        let (_, public) = <Kem as hpke::Kem>::derive_keypair(self.seed.as_ref());
        let mut bytes = [0; KEY_LEN];
        public.write_exact(&mut bytes);
        SealingPublicKey(bytes)
    }

    /// Opens `envelope`, which must have been sealed with the same `tag` and `associated` data.
    ///
    /// # Errors
    /// [`EnvelopeError::DoesNotOpen`].
    pub fn open(
        &self,
        tag: Tag,
        associated: &[u8],
        envelope: &Envelope,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let (private, _) = <Kem as hpke::Kem>::derive_keypair(self.seed.as_ref());
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(&envelope.encapsulated_key)
            .map_err(|_source| EnvelopeError::DoesNotOpen)?;
        single_shot_open::<AesGcm256, HkdfSha256, Kem>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            tag.as_str().as_bytes(),
            &envelope.ciphertext,
            associated,
        )
        .map(Zeroizing::new)
        .map_err(|_source| EnvelopeError::DoesNotOpen)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey(of {})", hex::encode(self.public().0))
    }
}

/// The public half of an encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealingPublicKey(pub [u8; KEY_LEN]);

impl SealingPublicKey {
    /// Encrypts `plaintext` to the owner of this key, for the purpose `tag` and in the context
    /// `associated`, which the recipient must know.
    ///
    /// # Errors
    /// [`EnvelopeError::BadRecipient`].
    pub fn seal(
        &self,
        tag: Tag,
        associated: &[u8],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, EnvelopeError> {
        let mut copy = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_LEN));
        copy.extend_from_slice(plaintext);
        self.seal_in_place(tag, associated, copy, rng)
    }

    /// As [`SealingPublicKey::seal`], in the memory of the plaintext: an update is megabytes, and to
    /// copy and to wipe it takes as long as to encrypt it.
    ///
    /// # Errors
    /// [`EnvelopeError::BadRecipient`].
    pub fn seal_in_place(
        &self,
        tag: Tag,
        associated: &[u8],
        mut plaintext: Zeroizing<Vec<u8>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, EnvelopeError> {
        let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(&self.0)
            .map_err(|_source| EnvelopeError::BadRecipient)?;
        let (encapsulated, authentication) =
            single_shot_seal_inout_detached_with_rng::<AesGcm256, HkdfSha256, Kem>(
                &OpModeS::Base,
                &recipient,
                tag.as_str().as_bytes(),
                plaintext.as_mut_slice().into(),
                associated,
                rng,
            )
            .map_err(|_source| EnvelopeError::BadRecipient)?;
        // Encrypted from here on: growing may leave a copy behind.
        let mut ciphertext = std::mem::take(&mut *plaintext);
        ciphertext.extend_from_slice(&authentication.to_bytes());
        let mut encapsulated_key = [0; KEY_LEN];
        encapsulated.write_exact(&mut encapsulated_key);
        Ok(Envelope { encapsulated_key, ciphertext })
    }
}

impl Encode for SealingPublicKey {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for SealingPublicKey {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

/// A message encrypted to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    encapsulated_key: [u8; KEY_LEN],
    ciphertext: Vec<u8>,
}

impl Envelope {
    /// Bytes that an envelope adds to its plaintext: encapsulated key, authentication tag, length.
    pub const OVERHEAD_BYTES: usize = KEY_LEN + TAG_LEN + 4;

    /// The digest of its encoding under `tag`, as [`Digest::of_encoded`] without the copy.
    ///
    /// # Panics
    /// Never: a ciphertext is shorter than 4 GiB.
    #[must_use]
    pub fn digest(&self, tag: Tag) -> Digest {
        let length = u32::try_from(self.ciphertext.len()).expect("shorter than 4 GiB");
        DigestBuilder::new(tag)
            .chain(&self.encapsulated_key)
            .chain(&length.to_be_bytes())
            .chain(&self.ciphertext)
            .finish()
    }

    /// The encrypted bytes, authentication tag included.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

impl Encode for Envelope {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.encapsulated_key);
        writer.bytes(&self.ciphertext);
    }
}

impl Decode for Envelope {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encapsulated_key = reader.array()?;
        let ciphertext = reader.bytes("ciphertext", CIPHERTEXT_BYTES_MAX)?.to_vec();
        Ok(Self { encapsulated_key, ciphertext })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    fn sealed() -> (SealingKey, Envelope) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = SealingKey::generate(&mut rng);
        let envelope =
            key.public().seal(Tag::ShareEnvelope, b"round 1", b"share", &mut rng).unwrap();
        (key, envelope)
    }

    #[test]
    fn an_envelope_opens_for_its_recipient_purpose_and_context_only() {
        let (key, envelope) = sealed();
        let opened = key.open(Tag::ShareEnvelope, b"round 1", &envelope).unwrap();
        assert_eq!(opened.as_slice(), b"share");
        assert!(key.open(Tag::ShareEnvelope, b"round 2", &envelope).is_err());
        assert!(key.open(Tag::Ballot, b"round 1", &envelope).is_err());
        let other = SealingKey::from_seed(&[9; 32]);
        assert!(other.open(Tag::ShareEnvelope, b"round 1", &envelope).is_err());
    }

    #[test]
    fn an_altered_envelope_does_not_open() {
        let (key, envelope) = sealed();
        let bytes = envelope.to_bytes();
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            if let Ok(envelope) = Envelope::from_bytes(&altered) {
                assert!(key.open(Tag::ShareEnvelope, b"round 1", &envelope).is_err());
            }
        }
    }

    #[test]
    fn the_overhead_is_as_stated() {
        let (_, envelope) = sealed();
        assert_eq!(envelope.to_bytes().len(), b"share".len() + Envelope::OVERHEAD_BYTES);
    }

    #[test]
    fn an_all_zero_recipient_is_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let sealed = SealingPublicKey([0; 32]).seal(Tag::ShareEnvelope, b"", b"share", &mut rng);
        assert_eq!(sealed, Err(EnvelopeError::BadRecipient));
    }
}
