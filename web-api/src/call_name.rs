//! A prediction's own name: with an Idempotency-Key the same request is paid once and answered again.
//!
//! ```text
//!  id of a call = digest(API key, Idempotency-Key, attempt)     unique in the ledger, so that two requests at once pay once
//!    unknown ─► reserve it     reserved ─► 409, in progress     failed or expired ─► the next attempt
//!    made ─► the same input? compute it again, compare the output's digest, charge nothing : 422
//! ```
//! So a client whose connection broke after it paid asks again and gets what it paid for, and nothing has to be stored for it:
//! the model is the same, and computes the same.

use axum::{extract::Request, http::HeaderMap, middleware::Next, response::Response};
use data_dao_journal::{Body, Prediction, PredictionReserved, PredictionResolution};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Tag, Writer};
use rand::Rng as _;

use crate::api_error::ApiError;
use crate::idempotency::key_from_headers;
use crate::{ApiState, oip_error::OipError};

/// How often a call may fail under one name.
const ATTEMPTS_MAX: u32 = 16;

tokio::task_local! {
    /// The Idempotency-Key of the request that this task answers. The routes of the protocol hand down what was asked, and not
    /// how: so it travels beside it.
    static NAMED: Option<String>;
}

/// The middleware that remembers a call's name.
pub(crate) async fn named(request: Request, next: Next) -> Response {
    let is_call = request.uri().path().starts_with("/v2/");
    match name_from_headers(request.headers(), is_call) {
        Ok(name) => NAMED.scope(name, next.run(request)).await,
        Err(error) => axum::response::IntoResponse::into_response(OipError(error)),
    }
}

fn name_from_headers(headers: &HeaderMap, is_call: bool) -> Result<Option<String>, ApiError> {
    if !is_call || !headers.contains_key("idempotency-key") {
        return Ok(None);
    }
    key_from_headers(headers).map(Some)
}

/// What is to be done for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// It is reserved under this id, and paid.
    New(Digest),
    /// It was made and paid at this price: it is only computed again.
    Made(Digest, u128),
}

impl Call {
    /// The call of the request that this task answers.
    ///
    /// # Errors
    /// [`ApiError::IdempotencyInProgress`] and [`ApiError::IdempotencyKeyReused`].
    pub(crate) async fn of_request(
        state: &ApiState,
        key_id: &Name,
        (model, version): (&Name, u32),
        input: &Digest,
    ) -> Result<Self, ApiError> {
        let Some(name) = NAMED.try_with(Clone::clone).ok().flatten() else {
            return Ok(Self::New(random_digest()));
        };
        let now_ms = state.now_ms();
        for attempt in 0..ATTEMPTS_MAX {
            let id = named_digest(key_id, &name, attempt);
            let known = state.store().view(|ledger| match ledger.prediction(&id)? {
                // Void by time, though no entry has come since that would say so: on a quiet node none comes but this one.
                Prediction::Reserved(held) if held.expires_at_ms() <= now_ms => {
                    Some((held.index(), Some(PredictionResolution::Expired)))
                }
                Prediction::Reserved(held) => Some((held.index(), None)),
                Prediction::Resolved(resolved) => {
                    Some((resolved.reserved, Some(resolved.resolution)))
                }
            });
            let Some((index, resolution)) = known else { return Ok(Self::New(id)) };
            let reserved = reservation(state, index).await?;
            if (&reserved.model, reserved.version, &reserved.input) != (model, version, input) {
                return Err(ApiError::IdempotencyKeyReused { index });
            }
            match resolution {
                None => return Err(ApiError::IdempotencyInProgress),
                Some(PredictionResolution::Made) => return Ok(Self::Made(id, reserved.price)),
                Some(PredictionResolution::Voided | PredictionResolution::Expired) => {}
            }
        }
        Err(ApiError::Contention)
    }
}

/// Whether the prediction was made and paid before, with this output.
///
/// # Errors
/// If it was, and computes to something else now: the node's fault.
pub(crate) async fn was_made(
    state: &ApiState,
    id: &Digest,
    output: &Digest,
) -> Result<bool, ApiError> {
    let made = state.store().view(|ledger| match ledger.prediction(id)? {
        Prediction::Resolved(resolved) => Some(resolved.index),
        Prediction::Reserved(_) => None,
    });
    let Some(index) = made else { return Ok(false) };
    let stored = state.store().entry(index).await?;
    match stored.map(|stored| stored.entry.body) {
        Some(Body::Predicted(predicted)) if predicted.output == *output => Ok(true),
        Some(Body::Predicted(_)) => {
            let told = "the prediction was made, and this machine computes another result";
            Err(ApiError::internal(std::io::Error::other(told)))
        }
        _ => Ok(false),
    }
}

async fn reservation(state: &ApiState, index: u64) -> Result<PredictionReserved, ApiError> {
    let stored = state.store().entry(index).await?;
    match stored.map(|stored| stored.entry.body) {
        Some(Body::PredictionReserved(reserved)) => Ok(reserved),
        _ => Err(ApiError::Unavailable("the call is booked but not published yet")),
    }
}

fn named_digest(key_id: &Name, name: &str, attempt: u32) -> Digest {
    let mut writer = Writer::default();
    writer.text(key_id.as_str());
    writer.text(name);
    writer.u32(attempt);
    Digest::of(Tag::PredictionName, &writer.into_bytes())
}

fn random_digest() -> Digest {
    let mut bytes = [0; Digest::LEN];
    rand::rng().fill_bytes(&mut bytes);
    Digest(bytes)
}
