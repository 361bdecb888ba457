//! The signature base (RFC 9421 §2.5), and the checks on what was signed.

use std::fmt::Write as _;

use axum::http::{HeaderMap, Method, Uri, header};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::fields::{self, Input};

/// Furthest that `created` may be from the node's clock, in seconds: what clocks of machines differ by, and a proxy takes.
pub(crate) const SKEW_S_MAX: u64 = 300;
/// Shortest nonce, in characters: 96 bits in base64url.
const NONCE_CHARS_MIN: usize = 16;
/// Longest nonce.
const NONCE_CHARS_MAX: usize = 128;

/// Why a signed request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum SignatureError {
    /// The fields are not what RFC 9421 makes of one signature.
    #[error("Signature-Input and Signature are not those of one signature (RFC 9421)")]
    Malformed,
    /// Something that has to be signed is not.
    #[error("the signature does not cover {0}")]
    NotCovered(&'static str),
    /// A component that was signed is not in the request, or not one that is known here.
    #[error("the request has no {0:?}, which was signed")]
    NoComponent(String),
    /// A parameter is missing.
    #[error("the signature has no {0}")]
    NoParameter(&'static str),
    /// Another algorithm.
    #[error("the signature's algorithm is not ed25519")]
    Algorithm,
    /// Not the key of a signature.
    #[error("keyid is not an Ed25519 key in hexadecimal")]
    KeyId,
    /// The body is another one.
    #[error("Content-Digest is not the SHA-256 or SHA-512 of the body")]
    Digest,
    /// Signed too long ago, in the future, or past its end.
    #[error(
        "the signature was made at {created_s} and now is {now_s}: it holds for {SKEW_S_MAX} s, or until it expires"
    )]
    Time {
        /// When it was made, in seconds since 1970.
        created_s: u64,
        /// The node's time.
        now_s: u64,
    },
    /// The request is for another node.
    #[error("the request is addressed to {0:?}, which is not this node")]
    Authority(String),
    /// The signature is not the key's.
    #[error("the signature does not hold")]
    Wrong,
    /// The same request came before.
    #[error("the nonce was used")]
    Replayed,
    /// More signed requests at once than are remembered.
    #[error("too many signed requests; try again in a few minutes")]
    Busy,
}

/// The parts of a request that can be signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Covered<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl Covered<'_> {
    /// Where the request goes, in lower case.
    pub(crate) fn authority(&self) -> Option<String> {
        let named = self.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let named = self.uri.authority().map(ToString::to_string).or(named.map(str::to_owned));
        named.map(|authority| authority.to_ascii_lowercase())
    }

    /// The value of a component (RFC 9421 §2.1 and §2.2).
    fn component(&self, name: &str) -> Option<String> {
        let query = || self.uri.query().map_or_else(|| "?".to_owned(), |query| format!("?{query}"));
        Some(match name {
            "@method" => self.method.to_string(),
            "@authority" => self.authority()?,
            "@path" => self.uri.path().to_owned(),
            "@query" => query(),
            "@request-target" => self.uri.path_and_query()?.to_string(),
            name if name.starts_with('@') => return None,
            name => {
                let values = self.headers.get_all(name).iter();
                let values: Option<Vec<&str>> =
                    values.map(|value| value.to_str().ok().map(str::trim)).collect();
                let values = values.filter(|values| !values.is_empty())?;
                values.join(", ")
            }
        })
    }
}

/// What was signed.
pub(crate) fn signature_base(
    request: &Covered<'_>,
    input: &Input,
) -> Result<String, SignatureError> {
    let mut base = String::new();
    for name in &input.components {
        let value = request.component(name);
        let value = value.ok_or_else(|| SignatureError::NoComponent(name.clone()))?;
        writeln!(base, "\"{name}\": {value}").map_err(|_source| SignatureError::Malformed)?;
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&input.params());
    Ok(base)
}

/// A signature that holds, except for its nonce, which the caller remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The key that signed.
    pub(crate) key: [u8; 32],
    /// What makes the request one of its own.
    pub(crate) nonce: String,
}

/// Checks a signed request with its whole body.
///
/// * `authorities` — the node's names; empty: any.
pub(crate) fn check(
    request: &Covered<'_>,
    body: &[u8],
    authorities: &[String],
    now_s: u64,
) -> Result<Checked, SignatureError> {
    let field = |name: &'static str| {
        let mut values = request.headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok());
        value.filter(|_| values.next().is_none()).ok_or(SignatureError::Malformed)
    };
    let input = Input::parse(field("signature-input")?)?;
    let signature = fields::signature(field("signature")?, &input.label)?;
    check_coverage(&input, request.headers, body.is_empty())?;
    check_time(&input, now_s)?;
    let authority = request.authority().unwrap_or_default();
    if !authorities.is_empty() && !authorities.contains(&authority) {
        return Err(SignatureError::Authority(authority));
    }
    if !body.is_empty() {
        check_digest(field("content-digest")?, body)?;
    }
    if input.text("alg").is_some_and(|alg| alg != "ed25519") {
        return Err(SignatureError::Algorithm);
    }
    let mut key = [0; 32];
    let key_id = input.text("keyid").ok_or(SignatureError::NoParameter("keyid"))?;
    hex::decode_to_slice(key_id, &mut key).map_err(|_source| SignatureError::KeyId)?;
    let verifying = VerifyingKey::from_bytes(&key).map_err(|_source| SignatureError::KeyId)?;
    let base = signature_base(request, &input)?;
    // Strict: small-order keys and other forms of one signature are refused.
    let signature = Signature::from_bytes(&signature);
    verifying
        .verify_strict(base.as_bytes(), &signature)
        .map_err(|_source| SignatureError::Wrong)?;
    let nonce = input.text("nonce").ok_or(SignatureError::NoParameter("nonce"))?;
    if !(NONCE_CHARS_MIN..=NONCE_CHARS_MAX).contains(&nonce.len()) {
        return Err(SignatureError::NoParameter("nonce of 16 to 128 characters"));
    }
    Ok(Checked { key, nonce: nonce.to_owned() })
}

/// Threat: whoever carries the request changes what was not signed. An Idempotency-Key that is another one books twice.
fn check_coverage(
    input: &Input,
    headers: &HeaderMap,
    is_bodiless: bool,
) -> Result<(), SignatureError> {
    let covers = |name: &str| input.components.iter().any(|known| known == name);
    let target = covers("@request-target") || (covers("@path") && covers("@query"));
    let checks = [
        ("@method", covers("@method")),
        ("@authority", covers("@authority")),
        ("@path and @query, or @request-target", target),
        ("content-digest", is_bodiless || covers("content-digest")),
        ("idempotency-key", !headers.contains_key("idempotency-key") || covers("idempotency-key")),
    ];
    match checks.into_iter().find(|(_, covered)| !covered) {
        Some((name, _)) => Err(SignatureError::NotCovered(name)),
        None => Ok(()),
    }
}

fn check_time(input: &Input, now_s: u64) -> Result<(), SignatureError> {
    let created_s = input.integer("created").ok_or(SignatureError::NoParameter("created"))?;
    let is_fresh = created_s.abs_diff(now_s) <= SKEW_S_MAX;
    let is_over = input.integer("expires").is_some_and(|expires_s| expires_s <= now_s);
    if is_fresh && !is_over { Ok(()) } else { Err(SignatureError::Time { created_s, now_s }) }
}

fn check_digest(field: &str, body: &[u8]) -> Result<(), SignatureError> {
    let sha256 = fields::digest(field, "sha-256")?;
    let sha512 = fields::digest(field, "sha-512")?;
    let same = |claimed: Option<Vec<u8>>, own: &[u8]| {
        claimed.is_none_or(|claimed| bool::from(claimed.as_slice().ct_eq(own)))
    };
    let is_digested = sha256.is_some() || sha512.is_some();
    let holds = same(sha256, &Sha256::digest(body)) && same(sha512, &Sha512::digest(body));
    if is_digested && holds { Ok(()) } else { Err(SignatureError::Digest) }
}

#[cfg(test)]
mod tests;
