//! API keys and the money behind them: the operator's business.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
};
use data_dao_governance::text;
use data_dao_journal::{Body, Deposited, Entry, KeyIssued, Refusal, State as Ledger};
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
/// Longest name of a buyer, in bytes: what the journal lets any name be.
const NAME_BYTES_MAX: i128 = 200;

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
    check_name(&request.buyer)?;
    let mut salt = [0; 32];
    rand::rng().fill_bytes(&mut salt);
    // The log is for ever: what somebody is called stands beside it, where it can be erased.
    let concealed = state.store().conceal(&request.buyer, &salt).await?;
    let (key_hash, buyer) = (secret.hash(), concealed.clone());
    let issued = KeyIssued { key_id: key_id.clone(), key_hash, buyer };
    let deposited = deposit.map(|amount| {
        let idempotency_key = OPENING_DEPOSIT.to_owned();
        Body::Deposited(Deposited { key_id: key_id.clone(), amount, idempotency_key })
    });
    let bodies = [Body::KeyIssued(issued)].into_iter().chain(deposited).collect();
    let appended = match state.append(bodies).await {
        Ok(appended) => appended,
        Err(error) => {
            // Nothing names it.
            state.store().erase(&concealed).await?;
            return Err(error.into());
        }
    };
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

/// Refuses what the journal would, before it is concealed.
fn check_name(name: &str) -> Result<(), ApiError> {
    let got = i128::try_from(name.len()).unwrap_or(i128::MAX);
    let (low, high) = (1, NAME_BYTES_MAX);
    if (low..=high).contains(&got) {
        return Ok(());
    }
    Err(ApiError::Refused(Box::new(Refusal::OutOfBounds { what: "buyer", got, low, high })))
}

/// Erase what a buyer is called
///
/// The ledger stays as it is: it has a salted commitment, of which nothing can be learnt any more.
#[utoipa::path(delete, path = "/v1/keys/{id}/buyer", tag = "market",
    params(("id" = String, Path, description = "The key's public name")),
    security(("operator" = [])),
    responses((status = 204, description = "Erased"), (status = 401, body = Problem),
        (status = 404, body = Problem, description = "No such key, or erased before"),
        (status = 503, body = Problem)))]
pub(crate) async fn erase_buyer(
    State(state): State<ApiState>,
    _operator: Operator,
    PathPart(id): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::not_found("name", &id);
    let key_id = Name::new(id.as_str()).map_err(|_source| missing())?;
    let named = |ledger: &Ledger| ledger.key(&key_id).map(|key| key.buyer().to_owned());
    let commitment = state.store().view(named).ok_or_else(missing)?;
    if state.store().erase(&commitment).await? {
        info!(key.id = %key_id, "erased what the buyer of {key_id} is called");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
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
