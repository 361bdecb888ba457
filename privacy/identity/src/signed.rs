//! A value with its signer and signature, and the proof that they match.

use crate::{Decode, DecodeError, Encode, KeyError, Reader, Signature, SigningKey, Tag};
use crate::{VerifyingKey, Writer};

/// A value that somebody claims to have signed: decoded, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    body: T,
    signer: VerifyingKey,
    signature: Signature,
}

impl<T: Encode> Signed<T> {
    /// Signs `body` under `tag`.
    pub fn new(body: T, tag: Tag, key: &SigningKey) -> Self {
        let signature = key.sign(tag, &body.to_bytes());
        Self { body, signer: key.verifying_key(), signature }
    }

    /// Checks the signature and gives the value free.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify(self, tag: Tag) -> Result<Verified<T>, KeyError> {
        self.signer.verify(tag, &self.body.to_bytes(), &self.signature)?;
        Ok(Verified(self))
    }

    /// As [`Signed::verify`], and the signer must be `expected`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`], also if somebody else signed.
    pub fn verify_by(self, tag: Tag, expected: &VerifyingKey) -> Result<Verified<T>, KeyError> {
        if self.signer != *expected {
            return Err(KeyError::BadSignature { signer: *expected });
        }
        self.verify(tag)
    }

    /// Who claims to have signed.
    pub const fn claimed_signer(&self) -> &VerifyingKey {
        &self.signer
    }

    /// What is claimed to be signed. Decide nothing on it before [`Signed::verify`].
    pub const fn unverified_body(&self) -> &T {
        &self.body
    }
}

/// A value whose signature was checked. [`Signed::verify`] and [`Verified::sign`] are its only
/// constructors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(Signed<T>);

impl<T: Encode> Verified<T> {
    /// Signs `body`: what one signs oneself needs no check.
    pub fn sign(body: T, tag: Tag, key: &SigningKey) -> Self {
        Self(Signed::new(body, tag, key))
    }

    /// The value.
    pub const fn body(&self) -> &T {
        &self.0.body
    }

    /// Who signed it.
    pub const fn signer(&self) -> &VerifyingKey {
        &self.0.signer
    }

    /// The value with its signature, to pass on or store.
    pub const fn as_signed(&self) -> &Signed<T> {
        &self.0
    }

    /// The value with its signature.
    pub fn into_signed(self) -> Signed<T> {
        self.0
    }
}

impl<T: Encode> Encode for Signed<T> {
    fn encode(&self, writer: &mut Writer) {
        self.body.encode(writer);
        self.signer.encode(writer);
        self.signature.encode(writer);
    }
}

impl<T: Decode> Decode for Signed<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let body = T::decode(reader)?;
        Ok(Self { body, signer: Decode::decode(reader)?, signature: Decode::decode(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn only_the_named_signer_passes() {
        let key = SigningKey::from_seed(&[1; 32]);
        let stranger = SigningKey::from_seed(&[2; 32]);
        let body = Digest::of(Tag::Model, b"x");
        let signed = Signed::new(body, Tag::RoundOrder, &stranger);
        assert!(signed.clone().verify(Tag::RoundOrder).is_ok());
        assert!(signed.clone().verify(Tag::Ballot).is_err());
        assert!(signed.verify_by(Tag::RoundOrder, &key.verifying_key()).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let key = SigningKey::from_seed(&[1; 32]);
        let bytes = Signed::new(Digest([3; 32]), Tag::RoundOrder, &key).to_bytes();
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 0x40;
            if let Ok(signed) = Signed::<Digest>::from_bytes(&altered) {
                assert!(signed.verify(Tag::RoundOrder).is_err(), "byte {position}");
            }
        }
    }
}
