//! Calls paid in advance.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_journal::{Body, Entry, Purchased, Refusal};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::extract::JsonBody;
use crate::idempotency::{IdempotencyKey, append_once};
use crate::problem::Problem;
use crate::{ApiState, amount};

/// What is bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurchaseRequest {
    /// Calls of which model.
    #[schema(example = "wine")]
    model: String,
    /// How many.
    #[schema(example = 10, minimum = 1)]
    calls: u32,
}

/// A booked purchase.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurchaseView {
    /// With which key.
    key_id: String,
    /// Calls of which model.
    model: String,
    /// How many.
    calls: u32,
    /// Price of one call when bought, in 10⁻⁴ of the currency's unit.
    price: String,
    /// What was paid, in 10⁻⁴ of the currency's unit.
    total: String,
    /// The entry that booked it.
    ledger_index: u64,
}

/// Buy calls
///
/// The same Idempotency-Key with the same body is answered as the first time and booked once.
#[utoipa::path(post, path = "/v1/purchases", tag = "market",
    params(("Idempotency-Key" = String, Header, description = "The purchase's own name")),
    request_body = PurchaseRequest, security(("api_key" = [])),
    responses((status = 201, body = PurchaseView), (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 402, body = Problem, description = "The balance does not suffice"),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn purchase(
    State(state): State<ApiState>,
    Buyer { key_id }: Buyer,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    JsonBody(request): JsonBody<PurchaseRequest>,
) -> Result<(StatusCode, Json<PurchaseView>), ApiError> {
    let unknown = || ApiError::not_found("model", &request.model);
    let model = Name::new(request.model.as_str()).map_err(|_source| unknown())?;
    let calls = request.calls;
    let known = state.store().view(|state| state.model(&model).map(data_dao_journal::Model::price));
    let Some(price) = known.ok_or_else(unknown)? else {
        return Err(refused(Refusal::NoPrice { model: request.model }));
    };
    let request = (model.clone(), calls);
    let same = |entry: &Entry| match &entry.body {
        // The price may have changed since: it is not the client's to say.
        Body::Purchased(booked) => (booked.model.clone(), booked.calls) == request,
        _ => false,
    };
    let key = (key_id.clone(), idempotency_key.clone());
    let body = Body::Purchased(Purchased { key_id, model, calls, price, idempotency_key });
    let index = append_once(&state, (&key.0, &key.1), body, same).await?;
    Ok((StatusCode::CREATED, Json(view(&state, index).await?)))
}

fn refused(refusal: Refusal) -> ApiError {
    ApiError::Refused(Box::new(refusal))
}

/// The answer, made from the entry alone: it is the same at each repetition.
async fn view(state: &ApiState, index: u64) -> Result<PurchaseView, ApiError> {
    let stored = state.store().entry(index).await?;
    let Some(Entry { body: Body::Purchased(booked), .. }) = stored.map(|stored| stored.entry)
    else {
        return Err(ApiError::Unavailable("the purchase is booked but not published yet"));
    };
    // A booked total fits 128 bits: the ledger moved it.
    let total = booked.price.saturating_mul(u128::from(booked.calls));
    Ok(PurchaseView {
        key_id: booked.key_id.to_string(),
        model: booked.model.to_string(),
        calls: booked.calls,
        price: amount::text(booked.price),
        total: amount::text(total),
        ledger_index: index,
    })
}
