//! The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use data_dao_journal::{Administered, Body, Entry, Refusal, State as Ledger};
use data_dao_ledger::Name;

use crate::ApiState;
use crate::api_error::ApiError;

const HEADER: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 200;

/// A client's own name of a request that moves money: the same one is booked once.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        key_from_headers(&parts.headers).map(IdempotencyKey)
    }
}

/// The header's value.
pub(crate) fn key_from_headers(headers: &HeaderMap) -> Result<String, ApiError> {
    let value = headers.get(HEADER).ok_or(ApiError::IdempotencyKeyMissing)?;
    let text = value.to_str().map_err(|_source| ApiError::IdempotencyKeyMissing)?;
    // The draft makes it a quoted string of RFC 9651; most clients send it bare.
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let visible = inner.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=KEY_BYTES_MAX).contains(&inner.len()) {
        Ok(inner.to_owned())
    } else {
        Err(ApiError::IdempotencyKeyMissing)
    }
}

/// Appends `body` unless this key's request was booked before; then it must be the same request.
///
/// * `same` — whether a booked entry is this request.
///
/// Returns the entry that booked it, now or earlier.
pub(crate) async fn append_once(
    state: &ApiState,
    name: (&Name, &str),
    body: Body,
    same: impl Fn(&Entry) -> bool,
) -> Result<u64, ApiError> {
    append_all_once(state, of_buyer(name), vec![body], same).await
}

/// The same for what somebody does at the node, with who it was behind it.
pub(crate) async fn append_act_once(
    state: &ApiState,
    (by, act): (&str, &str),
    name: (&Name, &str),
    body: Body,
    same: impl Fn(&Entry) -> bool,
) -> Result<u64, ApiError> {
    let (by, act, subject) = (by.to_owned(), act.to_owned(), name.0.to_string());
    let recorded = Administered { by, act, subject };
    append_all_once(state, of_buyer(name), vec![body, recorded.into()], same).await
}

/// Where the ledger remembers a buyer's request.
fn of_buyer((key_id, idempotency_key): (&Name, &str)) -> impl Fn(&Ledger) -> Option<u64> {
    move |ledger| ledger.booked(key_id, idempotency_key)
}

/// The entry that booked this key's request before, if one did; then it must be the same request.
pub(crate) async fn booked_before(
    state: &ApiState,
    (key_id, idempotency_key): (&Name, &str),
    same: impl Fn(&Entry) -> bool,
) -> Result<Option<u64>, ApiError> {
    let booked = state.store().view(|state| state.booked(key_id, idempotency_key));
    let Some(index) = booked else { return Ok(None) };
    check_same(state, index, same).await.map(Some)
}

async fn check_same(
    state: &ApiState,
    index: u64,
    same: impl Fn(&Entry) -> bool,
) -> Result<u64, ApiError> {
    let stored = state.store().entry(index).await?;
    let stored = stored.ok_or(ApiError::Unavailable("the entry is not published yet"))?;
    if same(&stored.entry) { Ok(index) } else { Err(ApiError::IdempotencyKeyReused { index }) }
}

/// Appends `bodies` unless the first of them was booked before; then it must be the same.
///
/// * `booked` — the entry that booked it, if one did.
pub(crate) async fn append_all_once(
    state: &ApiState,
    booked: impl Fn(&Ledger) -> Option<u64>,
    bodies: Vec<Body>,
    same: impl Fn(&Entry) -> bool,
) -> Result<u64, ApiError> {
    let index = match state.store().view(booked) {
        Some(index) => index,
        None => match state.append(bodies).await.map_err(ApiError::from) {
            Ok(appended) => return Ok(appended.index),
            // The same request came twice at once.
            Err(ApiError::Refused(refusal)) => match *refusal {
                Refusal::AlreadyBooked { index, .. } => index,
                refusal => return Err(ApiError::Refused(Box::new(refusal))),
            },
            Err(error) => return Err(error),
        },
    };
    check_same(state, index, same).await
}
