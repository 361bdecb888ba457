//! Money that arrives and leaves: the operator's business.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_governance::text;
use data_dao_journal::{Body, Deposited, Entry, Withdrawn};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::Operator;
use crate::extract::{JsonBody, PathPart};
use crate::idempotency::{IdempotencyKey, append_act_once};
use crate::problem::Problem;
use crate::{ApiState, amount};

/// An amount of money.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AmountRequest {
    /// In 10⁻⁴ of the currency's unit, as decimal text.
    #[serde(with = "text")]
    #[schema(value_type = String, example = "100000", pattern = "^[1-9][0-9]{0,37}$")]
    amount: u128,
}

/// Money that was booked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoneyView {
    /// For which key.
    key_id: String,
    /// In 10⁻⁴ of the currency's unit.
    amount: String,
    /// The entry that booked it.
    ledger_index: u64,
}

/// Book a deposit
///
/// The same Idempotency-Key with the same body is answered as the first time and booked once.
#[utoipa::path(post, path = "/v1/keys/{id}/deposits", tag = "market",
    params(("id" = String, Path, description = "The key's public name"),
        ("Idempotency-Key" = String, Header, description = "The deposit's own name")),
    request_body = AmountRequest, security(("operator" = [])),
    responses((status = 201, body = MoneyView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn deposit(
    State(state): State<ApiState>,
    Operator { by }: Operator,
    PathPart(id): PathPart<String>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    JsonBody(request): JsonBody<AmountRequest>,
) -> Result<(StatusCode, Json<MoneyView>), ApiError> {
    let key_id = Name::new(id.as_str()).map_err(|_source| ApiError::not_found("key", &id))?;
    let wanted = Deposited { key_id, amount: request.amount, idempotency_key };
    let body = Body::Deposited(wanted.clone());
    let same = |entry: &Entry| entry.body == Body::Deposited(wanted.clone());
    let request_name = (&wanted.key_id, wanted.idempotency_key.as_str());
    let index = append_act_once(&state, (&by, "book-deposit"), request_name, body.clone(), same);
    let ledger_index = index.await?;
    let (key_id, amount) = (wanted.key_id.to_string(), amount::text(wanted.amount));
    Ok((StatusCode::CREATED, Json(MoneyView { key_id, amount, ledger_index })))
}

/// Pay money out
///
/// Of a buyer's unspent balance; calls bought in advance are given back first, at `/v1/refunds`.
#[utoipa::path(post, path = "/v1/keys/{id}/withdrawals", tag = "market",
    params(("id" = String, Path, description = "The key's public name"),
        ("Idempotency-Key" = String, Header, description = "The withdrawal's own name")),
    request_body = AmountRequest, security(("operator" = [])),
    responses((status = 201, body = MoneyView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 402, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn withdraw(
    State(state): State<ApiState>,
    Operator { by }: Operator,
    PathPart(id): PathPart<String>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    JsonBody(request): JsonBody<AmountRequest>,
) -> Result<(StatusCode, Json<MoneyView>), ApiError> {
    let key_id = Name::new(id.as_str()).map_err(|_source| ApiError::not_found("key", &id))?;
    let wanted = Withdrawn { key_id, amount: request.amount, idempotency_key };
    let body = Body::Withdrawn(wanted.clone());
    let same = |entry: &Entry| entry.body == Body::Withdrawn(wanted.clone());
    let request_name = (&wanted.key_id, wanted.idempotency_key.as_str());
    let ledger_index =
        append_act_once(&state, (&by, "pay-out"), request_name, body.clone(), same).await?;
    let (key_id, amount) = (wanted.key_id.to_string(), amount::text(wanted.amount));
    Ok((StatusCode::CREATED, Json(MoneyView { key_id, amount, ledger_index })))
}
