//! Who may do what: the operator's token and the buyers' API keys.

use std::fmt;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Tag};
use rand::Rng as _;
use subtle::ConstantTimeEq as _;

use crate::ApiState;
use crate::api_error::ApiError;

/// Random bytes of an API key.
const SECRET_BYTES: usize = 32;
/// How every API key begins, so that a leaked one is recognised by scanners.
const PREFIX: &str = "sk_";
/// Longer credentials are refused unread.
const CREDENTIALS_BYTES_MAX: usize = 512;

/// The hash under which a token or API key is known; the text itself is stored nowhere.
#[must_use]
pub fn secret_hash(secret: &str) -> Digest {
    Digest::of(Tag::ApiKey, secret.as_bytes())
}

/// A new API key: `sk_` and 32 random bytes in base64url. Shown once.
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    /// Draws a key.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0; SECRET_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        Self(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The key's text, for its owner only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Digest {
        secret_hash(&self.0)
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeySecret")
    }
}

/// Whoever runs the node: the bearer of its token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator;

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    ApiState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        operator_from_parts(parts, &ApiState::from_ref(state))
    }
}

fn operator_from_parts(parts: &Parts, state: &ApiState) -> Result<Operator, ApiError> {
    let got = secret_hash(bearer(parts, "the operator's token")?);
    if bool::from(got.0.ct_eq(&state.parts().operator.0)) {
        Ok(Operator)
    } else {
        Err(ApiError::Unauthorized("the token is not the operator's".to_owned()))
    }
}

/// Whoever bought calls: the bearer of an API key.
#[derive(Debug, Clone)]
pub(crate) struct Buyer {
    /// The key's public name.
    pub(crate) key_id: Name,
}

impl<S> FromRequestParts<S> for Buyer
where
    S: Send + Sync,
    ApiState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        buyer_from_parts(parts, &ApiState::from_ref(state))
    }
}

/// Looks the key up by its hash: how long that takes tells of the hash alone, which tells nothing
/// of the 32 random bytes.
pub(crate) fn buyer_from_parts(parts: &Parts, state: &ApiState) -> Result<Buyer, ApiError> {
    let hash = secret_hash(bearer(parts, "an API key")?);
    let known = state.store().view(|state| state.key_by_hash(&hash).cloned());
    match known {
        Some(key_id) => Ok(Buyer { key_id }),
        None => Err(ApiError::Unauthorized("the API key is not known".to_owned())),
    }
}

/// The credentials of `Authorization: Bearer …` (RFC 6750 §2.1).
fn bearer<'a>(parts: &'a Parts, whose: &str) -> Result<&'a str, ApiError> {
    let missing = || ApiError::Unauthorized(format!("send {whose} as Authorization: Bearer"));
    let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let text = value.to_str().map_err(|_source| missing())?;
    let (scheme, credentials) = text.split_once(' ').ok_or_else(missing)?;
    let credentials = credentials.trim();
    let fits = (1..=CREDENTIALS_BYTES_MAX).contains(&credentials.len());
    if scheme.eq_ignore_ascii_case("bearer") && fits { Ok(credentials) } else { Err(missing()) }
}
