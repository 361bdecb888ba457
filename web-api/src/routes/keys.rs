//! API keys and the money behind them: the operator's business.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
};
use data_dao_governance::text;
use data_dao_journal::{Body, Deposited, Entry, KeyIssued};
use data_dao_ledger::Name;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::Operator;
use crate::extract::{JsonBody, PathPart};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::{ApiKeySecret, ApiState, amount};

/// The idempotency key of the deposit that comes with a new API key.
const OPENING_DEPOSIT: &str = "opening-deposit";
/// Random bytes of a key's public name.
const KEY_ID_BYTES: usize = 8;

/// Who gets an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// What the buyer wants to be called; public.
    #[schema(example = "Cellar & Co.")]
    buyer: String,
    /// Money that arrived with the order, in 10⁻⁴ of the currency's unit, as decimal text.
    #[schema(example = "100000")]
    deposit: Option<String>,
}

/// A new API key. It is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKey {
    /// The key's public name.
    key_id: String,
    /// The secret key: send it as `Authorization: Bearer …`.
    api_key: String,
    /// What the buyer wants to be called.
    buyer: String,
    /// Money behind the key, in 10⁻⁴ of the currency's unit.
    balance: String,
    /// The entry that issued the key.
    ledger_index: u64,
}

/// Money that arrived for a buyer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DepositRequest {
    /// In 10⁻⁴ of the currency's unit, as decimal text.
    #[serde(with = "text")]
    #[schema(value_type = String, example = "100000")]
    amount: u128,
}

/// A booked deposit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DepositView {
    /// For which key.
    key_id: String,
    /// In 10⁻⁴ of the currency's unit.
    amount: String,
    /// The entry that booked it.
    ledger_index: u64,
}

/// Issue an API key
#[utoipa::path(post, path = "/v1/keys", tag = "market",
    request_body = KeyRequest, security(("operator" = [])),
    responses((status = 201, body = NewKey), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn issue(
    State(state): State<ApiState>,
    _operator: Operator,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<(StatusCode, [(header::HeaderName, &'static str); 1], Json<NewKey>), ApiError> {
    let deposit = request.deposit.as_deref().map(amount_from_text).transpose()?;
    let (secret, key_id) = (ApiKeySecret::generate(), random_key_id());
    let (key_hash, buyer) = (secret.hash(), request.buyer.clone());
    let issued = KeyIssued { key_id: key_id.clone(), key_hash, buyer };
    let deposited = deposit.map(|amount| {
        let idempotency_key = OPENING_DEPOSIT.to_owned();
        Body::Deposited(Deposited { key_id: key_id.clone(), amount, idempotency_key })
    });
    let bodies = [Body::KeyIssued(issued)].into_iter().chain(deposited).collect();
    let appended = state.append(bodies).await?;
    info!(key.id = %key_id, "issued API key {key_id}");
    let view = NewKey {
        key_id: key_id.to_string(),
        api_key: secret.reveal().to_owned(),
        buyer: request.buyer,
        balance: amount::text(deposit.unwrap_or(0)),
        ledger_index: appended.index,
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)))
}

/// Book a deposit
#[utoipa::path(post, path = "/v1/keys/{id}/deposits", tag = "market",
    params(("id" = String, Path, description = "The key's public name"),
        ("Idempotency-Key" = String, Header, description = "The deposit's own name")),
    request_body = DepositRequest, security(("operator" = [])),
    responses((status = 201, body = DepositView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn deposit(
    State(state): State<ApiState>,
    _operator: Operator,
    PathPart(id): PathPart<String>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    JsonBody(request): JsonBody<DepositRequest>,
) -> Result<(StatusCode, Json<DepositView>), ApiError> {
    let key_id = Name::new(id.as_str()).map_err(|_source| ApiError::not_found("key", &id))?;
    let wanted = Deposited { key_id, amount: request.amount, idempotency_key };
    let body = Body::Deposited(wanted.clone());
    let same = |entry: &Entry| entry.body == Body::Deposited(wanted.clone());
    let index = crate::idempotency::append_once(
        &state,
        (&wanted.key_id, &wanted.idempotency_key),
        body,
        same,
    )
    .await?;
    let view = DepositView {
        key_id: wanted.key_id.to_string(),
        amount: amount::text(wanted.amount),
        ledger_index: index,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

fn amount_from_text(text: &str) -> Result<u128, ApiError> {
    let amount = text.parse::<u128>().ok().filter(|amount| *amount > 0);
    amount.ok_or_else(|| ApiError::Invalid("deposit: expected a decimal number above 0".to_owned()))
}

fn random_key_id() -> Name {
    let mut bytes = [0; KEY_ID_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    Name::new(format!("k-{}", hex::encode(bytes))).expect("letters, digits and a hyphen")
}
