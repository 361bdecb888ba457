//! SHA-256 digests with a domain-separation tag.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::hex_text::write_hex;
use crate::{Decode, DecodeError, Encode, KeyError, Reader, Tag, Writer};

/// A SHA-256 digest of tagged bytes: `SHA-256(len(tag) as u8 ‖ tag ‖ bytes)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; Self::LEN]);

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 32;

    /// Digests `bytes` under `tag`.
    #[must_use]
    pub fn of(tag: Tag, bytes: &[u8]) -> Self {
        DigestBuilder::new(tag).chain(bytes).finish()
    }

    /// Digests the canonical encoding of `value` under `tag`.
    #[must_use]
    pub fn of_encoded(tag: Tag, value: &impl Encode) -> Self {
        Self::of(tag, &value.to_bytes())
    }
}

/// A digest in the making, for input that comes in parts.
#[derive(Clone)]
pub struct DigestBuilder(Sha256);

impl DigestBuilder {
    /// Starts a digest under `tag`.
    ///
    /// # Panics
    /// Never: every tag is shorter than 256 bytes.
    #[must_use]
    pub fn new(tag: Tag) -> Self {
        let tag = tag.as_str();
        let length = u8::try_from(tag.len()).expect("tags are shorter than 256 bytes");
        Self(Sha256::new().chain_update([length]).chain_update(tag))
    }

    /// Adds `bytes`. Parts are not delimited: encode variable lengths before they come here.
    #[must_use]
    pub fn chain(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|source| KeyError::NotHex { expected_bytes: Self::LEN, source })?;
        Ok(Self(bytes))
    }
}

impl Encode for Digest {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for Digest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_separates_equal_bytes() {
        assert_ne!(Digest::of(Tag::Model, b"x"), Digest::of(Tag::Terms, b"x"));
    }

    #[test]
    fn the_digest_is_sha256_of_length_tag_and_bytes() {
        let by_hand: [u8; 32] = Sha256::digest(b"\x10sahakar/model/v1abc").into();
        assert_eq!(Digest::of(Tag::Model, b"abc").0, by_hand);
    }

    #[test]
    fn text_form_round_trips_and_refuses_other_lengths() {
        let digest = Digest::of(Tag::Model, b"x");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("abcd".parse::<Digest>().is_err());
    }
}
