//! Ed25519 keys and signatures (RFC 8032).

use std::{fmt, str::FromStr};

use ed25519_dalek::Signer as _;
use rand::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::hex_text::write_hex;
use crate::known_points::is_key;
use crate::{Decode, DecodeError, Encode, Reader, Tag, Writer};

/// Why a key, digest or signature was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not hexadecimal of the right length.
    #[error("expected {expected_bytes} bytes in hexadecimal")]
    NotHex {
        /// Bytes of the value.
        expected_bytes: usize,
        /// What the decoder found.
        #[source]
        source: hex::FromHexError,
    },
    /// The bytes are not a point of the curve, or one of small order.
    #[error("not a valid Ed25519 public key")]
    NotAPoint,
    /// The signature does not match key, tag and message.
    #[error("signature by {signer} does not verify")]
    BadSignature {
        /// Who was said to have signed.
        signer: VerifyingKey,
    },
}

/// A process's or member's Ed25519 signing key. Zeroised on drop, never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Draws a new key from `rng`.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let key = Self::from_seed(&seed);
        seed.zeroize();
        key
    }

    /// The key of a 32-byte seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored under the owner's eyes only.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` under `tag`.
    #[must_use]
    pub fn sign(&self, tag: Tag, message: &[u8]) -> Signature {
        Signature(self.0.sign(&tagged(tag, message)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying_key())
    }
}

/// An Ed25519 public key: the pseudonym under which a member or process is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; Self::LEN]);

impl VerifyingKey {
    /// Bytes of a key.
    pub const LEN: usize = 32;

    /// Checks and takes the compressed point `bytes`.
    ///
    /// # Errors
    /// [`KeyError::NotAPoint`] if it is not on the curve or of small order (a key under which
    /// more than one signature verifies).
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Result<Self, KeyError> {
        let check = |bytes: &[u8; Self::LEN]| {
            let point = ed25519_dalek::VerifyingKey::from_bytes(bytes);
            point.is_ok_and(|point| !point.is_weak())
        };
        if is_key(&bytes, check) { Ok(Self(bytes)) } else { Err(KeyError::NotAPoint) }
    }

    /// The compressed point.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Checks that the owner of this key signed `message` under `tag` (strict verification).
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    ///
    /// # Panics
    /// Never: the point was checked at construction.
    pub fn verify(&self, tag: Tag, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let point =
            ed25519_dalek::VerifyingKey::from_bytes(&self.0).expect("checked at construction");
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        point
            .verify_strict(&tagged(tag, message), &signature)
            .map_err(|_source| KeyError::BadSignature { signer: *self })
    }

    /// The first eight hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

fn tagged(tag: Tag, message: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(tag.as_str());
    writer.array(message);
    writer.into_bytes()
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|source| KeyError::NotHex { expected_bytes: Self::LEN, source })?;
        Self::from_bytes(bytes)
    }
}

impl Encode for VerifyingKey {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for VerifyingKey {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_bytes(reader.array()?).map_err(|e| DecodeError::invalid("verifying key", e))
    }
}

/// An Ed25519 signature over a tagged message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; Self::LEN]);

impl Signature {
    /// Bytes of a signature.
    pub const LEN: usize = 64;
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(self.0))
    }
}

impl FromStr for Signature {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|source| KeyError::NotHex { expected_bytes: Self::LEN, source })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl Encode for Signature {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for Signature {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_tag_and_message_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let other = SigningKey::from_seed(&[2; 32]).verifying_key();
        let signature = key.sign(Tag::Ballot, b"yes");
        let public = key.verifying_key();
        assert!(public.verify(Tag::Ballot, b"yes", &signature).is_ok());
        assert!(public.verify(Tag::Ballot, b"no", &signature).is_err());
        assert!(public.verify(Tag::Proposal, b"yes", &signature).is_err());
        assert!(other.verify(Tag::Ballot, b"yes", &signature).is_err());
    }

    #[test]
    fn weak_and_malformed_public_keys_are_refused() {
        // The neutral element: every signature of a certain form verifies under it.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(neutral), Err(KeyError::NotAPoint));
        assert!("00ff".parse::<VerifyingKey>().is_err());
    }

    #[test]
    fn printing_a_signing_key_shows_the_public_half_only() {
        let key = SigningKey::from_seed(&[7; 32]);
        let printed = format!("{key:?}");
        assert!(printed.contains(&key.verifying_key().to_string()));
        assert!(!printed.contains(&hex::encode([7; 32])));
    }
}
