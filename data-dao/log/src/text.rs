//! What the forms have in common: hashes as base64, numbers without leading zeros.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use privacy_identity::Digest;
use sha2::Digest as _;

pub(crate) fn base64_from_hash(hash: &Digest) -> String {
    BASE64_STANDARD.encode(hash.0)
}

/// The hash of a line; there is one spelling of each.
pub(crate) fn hash_from_base64(text: &str) -> Option<Digest> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    Some(Digest(bytes.try_into().ok()?))
}

/// A number as the specifications spell it: decimal digits, no sign, no leading zero.
pub(crate) fn number_from_text(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// SHA-256 of a log's origin, under which witnesses keep and serve its checkpoint.
#[must_use]
pub fn origin_digest(origin: &str) -> Digest {
    Digest(sha2::Sha256::digest(origin).into())
}
