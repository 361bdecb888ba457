//! The model's way to the cohort.

use std::fmt;

use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Writer};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::aead::{self, MAC_LEN, NONCE_LEN};

/// Largest model that is sealed or opened: 1 GiB, 268 M parameters in f32.
pub const MODEL_BYTES_MAX: usize = 1 << 30;

/// Separates these ciphertexts from any other under the same key.
const PURPOSE: &str = "sahakar/cohort-model/v1";

/// Why a model could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// The model is above the bound.
    #[error("model of {got} bytes exceeds the bound of {bound}")]
    TooLong {
        /// Its bytes.
        got: usize,
        /// The most.
        bound: usize,
    },
    /// It was sealed in another epoch: the receiver is behind, or was not a member then.
    #[error("model is sealed for epoch {got}, not for epoch {expected}")]
    OtherEpoch {
        /// The key's epoch.
        expected: u64,
        /// The model's.
        got: u64,
    },
    /// It was sealed for another federation, round or model, under another key, or was altered.
    #[error("model does not open under this key and context")]
    DoesNotOpen,
}

/// What a sealed model is bound to, besides its federation and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelContext {
    /// The round that starts from it, 0-based.
    pub round: u64,
    /// Its digest, as the round order names it. The opener computes the digest of what it opened and
    /// compares: XChaCha20-Poly1305 alone does not commit to its plaintext.
    pub model: Digest,
}

/// The key under which models travel to the cohort in one epoch. Zeroised on drop, never printed.
///
/// Exported from the MLS epoch under its own label. A member may hand it to the DAO node, which is no
/// member, so that it can seal models for the cohort: the node then reads the epoch's models (they
/// are its own) and learns nothing about the tag keys, the authenticator or other epochs, as
/// `MLS-Exporter` (RFC 9420 §8.5) derives each label's secret separately. It is the caller's matter to
/// hand it over encrypted and signed; a node that was given a wrong key seals models that nobody opens.
pub struct BroadcastKey {
    federation: Digest,
    epoch: u64,
    key: Zeroizing<[u8; 32]>,
}

impl BroadcastKey {
    /// The key `key` of `epoch`, as a member handed it over.
    #[must_use]
    pub fn from_parts(federation: Digest, epoch: u64, key: &[u8; 32]) -> Self {
        Self { federation, epoch, key: Zeroizing::new(*key) }
    }

    /// The secret bytes, to be handed to the DAO node in an envelope.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.key
    }

    /// The epoch in which it holds.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Encrypts `model` for the cohort of this epoch.
    ///
    /// Draws 24 bytes from `rng`.
    ///
    /// # Errors
    /// [`BroadcastError::TooLong`].
    pub fn seal(
        &self,
        model: &[u8],
        context: &ModelContext,
        rng: &mut impl CryptoRng,
    ) -> Result<SealedModel, BroadcastError> {
        let too_long = BroadcastError::TooLong { got: model.len(), bound: MODEL_BYTES_MAX };
        if model.len() > MODEL_BYTES_MAX {
            return Err(too_long);
        }
        let mut plaintext = Vec::with_capacity(model.len() + MAC_LEN);
        plaintext.extend_from_slice(model);
        let (nonce, ciphertext) =
            aead::seal(&self.key, &self.associated(context), plaintext, rng).ok_or(too_long)?;
        Ok(SealedModel { epoch: self.epoch, nonce, ciphertext })
    }

    /// Decrypts a model that was sealed in this epoch for `context`.
    ///
    /// # Errors
    /// [`BroadcastError::OtherEpoch`] or [`BroadcastError::DoesNotOpen`].
    pub fn open(
        &self,
        sealed: &SealedModel,
        context: &ModelContext,
    ) -> Result<Vec<u8>, BroadcastError> {
        if sealed.epoch != self.epoch {
            return Err(BroadcastError::OtherEpoch { expected: self.epoch, got: sealed.epoch });
        }
        aead::open(&self.key, &self.associated(context), sealed.nonce, &sealed.ciphertext)
            .map(|mut model| std::mem::take(&mut *model))
            .ok_or(BroadcastError::DoesNotOpen)
    }

    fn associated(&self, context: &ModelContext) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(PURPOSE);
        self.federation.encode(&mut writer);
        writer.u64(self.epoch);
        writer.u64(context.round);
        context.model.encode(&mut writer);
        writer.into_bytes()
    }
}

impl fmt::Debug for BroadcastKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BroadcastKey(of epoch {} of {})", self.epoch, self.federation)
    }
}

/// A model encrypted to a cohort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedModel {
    epoch: u64,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl SealedModel {
    /// Bytes that sealing adds to a model: epoch, nonce, length, authentication tag.
    pub const OVERHEAD_BYTES: usize = 8 + NONCE_LEN + 4 + MAC_LEN;

    /// The epoch whose members can open it.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Encode for SealedModel {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.epoch);
        writer.array(&self.nonce);
        writer.bytes(&self.ciphertext);
    }
}

impl Decode for SealedModel {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (epoch, nonce) = (reader.u64()?, reader.array()?);
        let ciphertext = reader.bytes("sealed model", MODEL_BYTES_MAX + MAC_LEN)?.to_vec();
        Ok(Self { epoch, nonce, ciphertext })
    }
}
