//! API keys: issued, listed, changed, rotated, revoked.

mod grant_view;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use data_dao_journal::{
    DAY_MS, KeyAmended, KeyGrant, KeyRevoked, KeyRotated, Refusal, Scope, State as Ledger,
};
use data_dao_ledger::Name;
use data_dao_store::is_commitment;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::{Caller, Operator};
use crate::cursor::{Page, link_to_next, page_of};
use crate::extract::{JsonBody, PathPart, QueryPart};
use crate::inference::may_spend;
use crate::problem::Problem;
use crate::{ApiKeySecret, ApiState, amount};

use grant_view::GrantView;

use super::issued_once::{Order, issued_before, key_id_for, name_of_order};

/// Longest name of a buyer, in bytes: what the journal lets any name be.
const NAME_BYTES_MAX: i128 = 200;
/// How long both secrets of a rotated key hold unless the request says otherwise, in seconds: a day to change it
/// everywhere.
const OVERLAP_S_DEFAULT: u64 = 24 * 60 * 60;

/// Who gets an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// What the buyer wants to be called; the log has a salted commitment to it, which can be made meaningless.
    #[schema(example = "Cellar & Co.", min_length = 1, max_length = 200)]
    buyer: String,
    /// Money that arrived with the order, in 10⁻⁴ of the currency's unit, as decimal text. The operator's to say.
    #[schema(example = "100000", pattern = "^[1-9][0-9]{0,37}$")]
    deposit: Option<String>,
    /// What it may do, until when, and how much it may spend.
    grant: Option<GrantView>,
}

/// A new API key. It is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKey {
    /// The key's public name.
    pub(super) key_id: String,
    /// The secret key: send it as `Authorization: Bearer …`. Null if this very request was done before: it was shown then, and
    /// a rotation gives another one.
    pub(super) api_key: Option<String>,
    /// What the buyer wants to be called.
    pub(super) buyer: String,
    /// Money behind the key, in 10⁻⁴ of the currency's unit.
    pub(super) balance: String,
    /// The entry that issued the key.
    pub(super) ledger_index: u64,
}

/// A key as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// The key's public name.
    key_id: String,
    /// The key whose money it spends.
    account: String,
    /// What the buyer is called; null: erased.
    buyer: Option<String>,
    /// What it may do, until when, and how much it may spend.
    grant: GrantView,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
    /// Until when the secret before the last rotation holds.
    overlap_until_ms: Option<u64>,
    /// What counts against its daily limit today, in 10⁻⁴ of the currency's unit.
    spent_day: String,
    /// What counts against its limit in all.
    spent_total: String,
    /// What its account owes since a payment was taken back: nothing is sold to it before that is paid.
    owed: String,
    /// The entry that issued it.
    ledger_index: u64,
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    /// By id.
    keys: Vec<KeyView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// How a key is rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotationRequest {
    /// How long the secret before holds beside the new one, in seconds; a day if absent, at most thirty; 0: no longer.
    #[schema(maximum = 2_592_000)]
    overlap_s: Option<u64>,
}

/// Most keys that an account ever has, its own among them: a chain of shops with a key for each till.
const KEYS_OF_ACCOUNT_MAX: usize = 1_000;

type NoStore = [(header::HeaderName, &'static str); 1];
const NO_STORE: NoStore = [(header::CACHE_CONTROL, "no-store")];

/// Issue an API key
///
/// By the operator, or by a buyer whose key has the scope `keys`: then the new key spends the buyer's money, and can do at
/// most what the buyer's can. An Idempotency-Key is needed with a deposit, and good without: the same request then issues one
/// key, whose secret is in the first answer alone.
#[utoipa::path(post, path = "/v1/keys", tag = "market",
    params(("Idempotency-Key" = Option<String>, Header, description = "The order's own name; needed with a deposit")),
    request_body = KeyRequest, security(("operator" = []), ("api_key" = [])),
    responses((status = 201, body = NewKey), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn issue(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<(StatusCode, NoStore, Json<NewKey>), ApiError> {
    let deposit = request.deposit.as_deref().map(amount_from_text).transpose()?;
    let (by, account) = match &caller {
        Caller::Operator(operator) => (operator.by.clone(), None),
        Caller::Buyer(buyer) => {
            buyer.needs_newest_secret()?;
            buyer.needs(&state, Scope::Keys)?;
            check_room(&state, &buyer.key_id)?;
            if deposit.is_some() {
                return Err(ApiError::Forbidden("only the operator books deposits".to_owned()));
            }
            (format!("key {}", buyer.key_id), Some(buyer.key_id.clone()))
        }
    };
    let grant = request.grant.unwrap_or_default().grant(account.clone())?;
    check_spending(&state, &caller, &grant)?;
    let name = name_of_order(&headers, deposit)?;
    let (secret, key_id) = (ApiKeySecret::generate(), key_id_for(&by, name.as_deref()));
    check_name(&request.buyer)?;
    let order = Order { key_id: &key_id, buyer: &request.buyer, grant: &grant, deposit };
    if name.is_some()
        && let Some(index) = issued_before(&state, &order).await?
    {
        return Ok((StatusCode::CREATED, NO_STORE, Json(order.view(&state, None, index))));
    }
    let mut salt = [0; 32];
    rand::rng().fill_bytes(&mut salt);
    // The log is for ever: what somebody is called stands beside it, where it can be erased.
    let concealed = state.store().conceal(&request.buyer, &salt).await?;
    let bodies = order.bodies(secret.hash(), concealed.clone());
    let index = match state.append_act(&by, ("issue-key", key_id.as_str()), bodies).await {
        Ok(appended) => appended.index,
        Err(error) => {
            // Nothing names it.
            state.store().erase(&concealed).await?;
            let error = ApiError::from(error);
            // The same request came twice at once.
            let twice = matches!(&error, ApiError::Refused(refusal) if matches!(**refusal, Refusal::Exists { .. }));
            let first = if twice { issued_before(&state, &order).await? } else { None };
            let index = first.ok_or(error)?;
            return Ok((StatusCode::CREATED, NO_STORE, Json(order.view(&state, None, index))));
        }
    };
    info!(key.id = %key_id, "issued API key {key_id}");
    let view = order.view(&state, Some(&secret), index);
    Ok((StatusCode::CREATED, NO_STORE, Json(view)))
}

/// API keys
///
/// All of them for the operator; for a buyer with the scope `keys`, those that spend its money.
#[utoipa::path(get, path = "/v1/keys", tag = "market", params(Page),
    security(("operator" = []), ("api_key" = [])),
    responses((status = 200, body = KeyList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let account = match &caller {
        Caller::Operator(_) => None,
        Caller::Buyer(buyer) => {
            buyer.needs(&state, Scope::Keys)?;
            Some(buyer.key_id.clone())
        }
    };
    let limit = page.limit()?;
    let after: Option<Name> = page.after_a()?;
    let now_ms = state.now_ms();
    let (keys, next) = state.store().view(|ledger| {
        let keys = ledger.keys().iter();
        let keys = keys.filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
        let owned = |id: &&Name| account.as_ref().is_none_or(|own| ledger.account_of(id) == own);
        let ids = keys.map(|(id, _)| id).filter(owned);
        let (ids, next) = page_of(ids, limit, ToString::to_string);
        (ids.into_iter().filter_map(|id| view(&state, ledger, id, now_ms)).collect(), next)
    });
    let link = link_to_next("/v1/keys", next.as_deref(), limit);
    Ok((link, Json(KeyList { keys, next })))
}

/// An API key
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "market",
    params(("id" = String, Path, description = "The key's public name")),
    security(("operator" = []), ("api_key" = [])),
    responses((status = 200, body = KeyView), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    PathPart(id): PathPart<String>,
) -> Result<Json<KeyView>, ApiError> {
    let (_, key_id) = reachable(&state, &caller, &id, Reach::Itself)?;
    let now_ms = state.now_ms();
    let shown = state.store().view(|ledger| view(&state, ledger, &key_id, now_ms));
    shown.map(Json).ok_or_else(|| ApiError::not_found("key", id))
}

/// Change what a key may do
///
/// The grant replaces the one before as a whole.
#[utoipa::path(put, path = "/v1/keys/{id}/grant", tag = "market",
    params(("id" = String, Path, description = "The key's public name")),
    request_body = GrantView, security(("operator" = []), ("api_key" = [])),
    responses((status = 200, body = KeyView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn amend(
    State(state): State<ApiState>,
    caller: Caller,
    PathPart(id): PathPart<String>,
    JsonBody(grant): JsonBody<GrantView>,
) -> Result<Json<KeyView>, ApiError> {
    let (by, key_id) = reachable(&state, &caller, &id, Reach::Others)?;
    let account = |ledger: &Ledger| ledger.key(&key_id)?.grant().account.clone();
    let grant = grant.grant(state.store().view(account))?;
    check_spending(&state, &caller, &grant)?;
    let amended = KeyAmended { key_id: key_id.clone(), grant };
    state.append_act(&by, ("amend-key", &id), vec![amended.into()]).await?;
    let now_ms = state.now_ms();
    let shown = state.store().view(|ledger| view(&state, ledger, &key_id, now_ms));
    shown.map(Json).ok_or_else(|| ApiError::not_found("key", id))
}

/// Rotate a key
///
/// The answer has the new secret, once. By the operator, by who may make keys, or with the key itself.
#[utoipa::path(post, path = "/v1/keys/{id}/rotation", tag = "market",
    params(("id" = String, Path, description = "The key's public name")),
    request_body = RotationRequest, security(("operator" = []), ("api_key" = [])),
    responses((status = 201, body = NewKey), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    PathPart(id): PathPart<String>,
    JsonBody(request): JsonBody<RotationRequest>,
) -> Result<(StatusCode, NoStore, Json<NewKey>), ApiError> {
    if let Caller::Buyer(buyer) = &caller {
        buyer.needs_newest_secret()?;
    }
    let (by, key_id) = reachable(&state, &caller, &id, Reach::Itself)?;
    let secret = ApiKeySecret::generate();
    let overlap_ms = request.overlap_s.unwrap_or(OVERLAP_S_DEFAULT).saturating_mul(1_000);
    let overlap_until_ms = state.now_ms().saturating_add(overlap_ms);
    let rotated = KeyRotated { key_id: key_id.clone(), key_hash: secret.hash(), overlap_until_ms };
    let appended = state.append_act(&by, ("rotate-key", &id), vec![rotated.into()]).await?;
    let store = state.store();
    let (buyer, balance) = store.view(|ledger| {
        let buyer = ledger.key(&key_id).and_then(|key| store.reveal(key.buyer()));
        (buyer.unwrap_or_default(), ledger.buyer_balance(&key_id))
    });
    let view = NewKey {
        key_id: id,
        api_key: Some(secret.reveal().to_owned()),
        buyer,
        balance: amount::text(balance),
        ledger_index: appended.index,
    };
    Ok((StatusCode::CREATED, NO_STORE, Json(view)))
}

/// Revoke a key
///
/// For good, and with it all keys that spend its money. The money stays the buyer's: the operator pays it out.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "market",
    params(("id" = String, Path, description = "The key's public name")),
    security(("operator" = []), ("api_key" = [])),
    responses((status = 204, description = "Revoked"), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    PathPart(id): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    let (by, key_id) = reachable(&state, &caller, &id, Reach::Itself)?;
    let revoked = KeyRevoked { key_id };
    match state
        .append_act(&by, ("revoke-key", &id), vec![revoked.into()])
        .await
        .map_err(ApiError::from)
    {
        Ok(_) => {}
        // It was: the same again is no fault.
        Err(ApiError::Refused(refusal)) if matches!(*refusal, Refusal::KeyUnusable { .. }) => {}
        Err(error) => return Err(error),
    }
    info!(key.id = %id, "revoked API key {id}");
    Ok(StatusCode::NO_CONTENT)
}

/// Erase what a buyer is called
///
/// The ledger stays as it is: it has a salted commitment, of which nothing can be learnt any more.
#[utoipa::path(delete, path = "/v1/keys/{id}/buyer", tag = "market",
    params(("id" = String, Path, description = "The key's public name")),
    security(("operator" = [])),
    responses((status = 204, description = "Erased"), (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "No such key, or erased before"),
        (status = 503, body = Problem)))]
pub(crate) async fn erase_buyer(
    State(state): State<ApiState>,
    Operator { by }: Operator,
    PathPart(id): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::not_found("name", &id);
    let key_id = Name::new(id.as_str()).map_err(|_source| missing())?;
    let named = |ledger: &Ledger| ledger.key(&key_id).map(|key| key.buyer().to_owned());
    let commitment = state.store().view(named).ok_or_else(missing)?;
    if !is_commitment(&commitment) || state.store().reveal(&commitment).is_none() {
        return Err(missing());
    }
    // The record first: if the process dies in between, the act is repeated and stands there twice, rather than not at all.
    state.append_act(&by, ("erase-buyer", &id), Vec::new()).await?;
    state.store().erase(&commitment).await?;
    info!(key.id = %key_id, "erased what the buyer of {key_id} is called");
    Ok(StatusCode::NO_CONTENT)
}

/// What a key may reach without the scope `keys`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Itself: to look, to rotate, to revoke.
    Itself,
    /// Nothing: a key does not change its own rights.
    Others,
}

/// Who does it, and to which key: the operator reaches every key, a buyer those that spend its money. Of other keys a buyer
/// learns nothing, not even that there are any.
fn reachable(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    reach: Reach,
) -> Result<(String, Name), ApiError> {
    let missing = || ApiError::not_found("key", id);
    let key_id = Name::new(id).map_err(|_source| missing())?;
    let account = |ledger: &Ledger| ledger.key(&key_id).map(|_| ledger.account_of(&key_id).clone());
    let account = state.store().view(account).ok_or_else(missing)?;
    match caller {
        Caller::Operator(operator) => Ok((operator.by.clone(), key_id)),
        Caller::Buyer(buyer) if buyer.key_id == key_id && reach == Reach::Itself => {
            Ok((format!("key {}", buyer.key_id), key_id))
        }
        Caller::Buyer(buyer) if buyer.key_id == account => {
            buyer.needs_newest_secret()?;
            buyer.needs(state, Scope::Keys)?;
            if buyer.key_id == key_id {
                let told = "a key does not change its own rights; ask the operator".to_owned();
                return Err(ApiError::Forbidden(told));
            }
            Ok((format!("key {}", buyer.key_id), key_id))
        }
        Caller::Buyer(_) => Err(missing()),
    }
}

fn view(state: &ApiState, ledger: &Ledger, key_id: &Name, now_ms: u64) -> Option<KeyView> {
    let key = ledger.key(key_id)?;
    let spending = key.spending();
    Some(KeyView {
        key_id: key_id.to_string(),
        account: ledger.account_of(key_id).to_string(),
        buyer: state.store().reveal(key.buyer()),
        grant: GrantView::of(key.grant()),
        state: match ledger.key_fault(key_id, now_ms) {
            None => "active",
            Some(data_dao_journal::KeyFault::Revoked) => "revoked",
            Some(_) => "expired",
        },
        overlap_until_ms: key.overlap_until_ms().filter(|until_ms| *until_ms > now_ms),
        spent_day: amount::text(spending.on(now_ms / DAY_MS)),
        spent_total: amount::text(spending.total),
        owed: amount::text(ledger.debt(key_id)),
        ledger_index: key.index(),
    })
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

/// Refuses a key more than one account may ever have made. Keys are in the ledger for ever, and every sale reads them.
fn check_room(state: &ApiState, account: &Name) -> Result<(), ApiError> {
    let made = state.store().view(|ledger| {
        let ids = ledger.keys().keys();
        ids.filter(|id| ledger.account_of(id) == account).count()
    });
    if made < KEYS_OF_ACCOUNT_MAX {
        return Ok(());
    }
    let told =
        format!("an account makes at most {KEYS_OF_ACCOUNT_MAX} keys, revoked ones among them");
    Err(ApiError::Forbidden(told))
}

/// Refuses a buyer's key that would spend the balance where the buyer's own may not.
fn check_spending(state: &ApiState, caller: &Caller, grant: &KeyGrant) -> Result<(), ApiError> {
    let Caller::Buyer(buyer) = caller else { return Ok(()) };
    if !grant.pay_as_you_go || state.store().view(|ledger| may_spend(ledger, &buyer.key_id)) {
        return Ok(());
    }
    let told = "pay_as_you_go: the account's own key neither buys nor pays as it goes".to_owned();
    Err(ApiError::Forbidden(told))
}

fn amount_from_text(text: &str) -> Result<u128, ApiError> {
    let amount = text.parse::<u128>().ok().filter(|amount| *amount > 0);
    amount.ok_or_else(|| ApiError::Invalid("deposit: expected a decimal number above 0".to_owned()))
}
