//! Who may do what: the operator's token and the buyers' API keys.

use std::fmt;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use data_dao_journal::{KeyFault, Scope};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Tag, VerifyingKey};
use rand::Rng as _;
use subtle::ConstantTimeEq as _;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::http_signature::SignedBy;

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

/// Whoever acts for the operator: the bearer of its token or of a key with scope `admin`, or who signed with the key that
/// the DAO's first entry names.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    /// Who it is, as the record of acts has it.
    pub(crate) by: String,
}

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
    if let Some(SignedBy(key)) = parts.extensions.get::<SignedBy>() {
        let operator = state.store().view(|state| state.genesis().map(|genesis| genesis.operator));
        return if operator == Some(*key) {
            Ok(Operator { by: format!("member {key}") })
        } else {
            Err(ApiError::Forbidden("the request is signed, but not by the operator".to_owned()))
        };
    }
    let bearer = bearer(parts, "the operator's token")?;
    let got = secret_hash(bearer);
    if bool::from(got.0.ct_eq(&state.parts().operator.0)) {
        return Ok(Operator { by: "operator".to_owned() });
    }
    match buyer_from_hash(&got, state) {
        Ok(Buyer { key_id, superseded: true }) if has(state, &key_id, Scope::Admin) => {
            Err(superseded(&key_id))
        }
        Ok(Buyer { key_id, .. }) if has(state, &key_id, Scope::Admin) => {
            Ok(Operator { by: format!("key {key_id}") })
        }
        Ok(Buyer { key_id, .. }) => {
            Err(ApiError::Forbidden(format!("the key {key_id} has no scope admin")))
        }
        Err(error) if bearer.starts_with(PREFIX) => Err(error),
        Err(_) => Err(ApiError::Unauthorized("the token is not the operator's".to_owned())),
    }
}

/// Whether the key has the scope, and so has the key whose money it spends: what an account loses, all its keys lose.
fn has(state: &ApiState, key_id: &Name, scope: Scope) -> bool {
    state.store().view(|state| {
        let has = |key_id: &Name| state.key(key_id).is_some_and(|key| key.has(scope));
        has(key_id) && has(state.account_of(key_id))
    })
}

fn superseded(key_id: &Name) -> ApiError {
    let told = "a secret from before the last rotation changes no keys";
    ApiError::Forbidden(format!("{told}: use the new one of {key_id}"))
}

/// The member whose key signed the request (RFC 9421).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SigningMember(pub(crate) VerifyingKey);

impl<S: Sync> FromRequestParts<S> for SigningMember {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let signed = parts.extensions.get::<SignedBy>();
        let missing = || {
            ApiError::Unauthorized("sign the request with the member's key (RFC 9421)".to_owned())
        };
        signed.map(|SignedBy(key)| Self(*key)).ok_or_else(missing)
    }
}

/// Whoever bought calls: the bearer of an API key.
#[derive(Debug, Clone)]
pub(crate) struct Buyer {
    /// The key's public name.
    pub(crate) key_id: Name,
    /// Whether it came with the secret before the last rotation, which holds for a while.
    superseded: bool,
}

impl Buyer {
    /// Refuses a secret from before the last rotation where keys are made or changed.
    ///
    /// Threat: a secret leaks, its owner rotates it, and who has the old one rotates once more, so that the owner is locked
    /// out; or makes keys that outlive it.
    pub(crate) fn needs_newest_secret(&self) -> Result<(), ApiError> {
        if self.superseded { Err(superseded(&self.key_id)) } else { Ok(()) }
    }

    /// Refuses a key without the scope. Where money moves the journal says so itself.
    pub(crate) fn needs(&self, state: &ApiState, scope: Scope) -> Result<(), ApiError> {
        needs(state, &self.key_id, scope)
    }
}

/// Refuses a key without the scope.
pub(crate) fn needs(state: &ApiState, key_id: &Name, scope: Scope) -> Result<(), ApiError> {
    if has(state, key_id, scope) {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "the key {key_id} has no scope {scope}, or its account has not"
    )))
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

/// The operator, or a buyer: for what both may do.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// See [`Operator`].
    Operator(Operator),
    /// See [`Buyer`].
    Buyer(Buyer),
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    ApiState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let state = ApiState::from_ref(state);
        match operator_from_parts(parts, &state) {
            Ok(operator) => Ok(Self::Operator(operator)),
            Err(ApiError::Forbidden(_)) if parts.extensions.get::<SignedBy>().is_none() => {
                buyer_from_parts(parts, &state).map(Self::Buyer)
            }
            Err(error) => Err(error),
        }
    }
}

/// Looks the key up by its hash: how long that takes tells of the hash alone, which tells nothing
/// of the 32 random bytes.
pub(crate) fn buyer_from_parts(parts: &Parts, state: &ApiState) -> Result<Buyer, ApiError> {
    buyer_from_hash(&secret_hash(bearer(parts, "an API key")?), state)
}

fn buyer_from_hash(hash: &Digest, state: &ApiState) -> Result<Buyer, ApiError> {
    let now_ms = state.now_ms();
    let known = state.store().view(|state| {
        let key_id = state.authenticate(hash, now_ms)?.clone();
        let superseded = state.key(&key_id).is_none_or(|key| key.key_hash() != hash);
        Ok(Buyer { key_id, superseded })
    });
    known.map_err(|fault: Option<KeyFault>| {
        let told = fault.map_or_else(|| "is not known".to_owned(), |fault| fault.to_string());
        ApiError::Unauthorized(format!("the API key {told}"))
    })
}

/// The credentials of `Authorization: Bearer …` (RFC 6750 §2.1).
fn bearer<'a>(parts: &'a Parts, whose: &str) -> Result<&'a str, ApiError> {
    let missing = || ApiError::Unauthorized(format!("send {whose} as Authorization: Bearer"));
    bearer_of(&parts.headers).ok_or_else(missing)
}

/// The same, if there are any.
pub(crate) fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = text.split_once(' ')?;
    let credentials = credentials.trim();
    let fits = (1..=CREDENTIALS_BYTES_MAX).contains(&credentials.len());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(credentials)
}
