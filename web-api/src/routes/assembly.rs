//! What members decide with: charter, guardian, witnesses, delegations.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use data_dao_governance::{CharterParameters, Delegation, GuardianAcceptance, Weights, text};
use data_dao_journal::{GuardianAccepted, Roll, State as Ledger, VoteDelegated};
use privacy_identity::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::{self, count};
use crate::api_error::ApiError;
use crate::cursor::{Page, link_to_next, page_of};
use crate::extract::{JsonBody, QueryPart};
use crate::problem::Problem;

/// How the DAO decides.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssemblyView {
    /// Every parameter, as votes have made it.
    #[schema(value_type = Object)]
    charter: Option<CharterParameters>,
    /// All weight there is now: matured credits of active members, less what age took.
    supply: String,
    /// How many members have weight.
    holders: u64,
    /// Who can stop proposals, and until when.
    guardian: Option<GuardianView>,
    /// Who was asked to be guardian and has not accepted.
    nominated_guardian: Option<String>,
    /// Witnesses of the log, as voted.
    witnesses: Vec<WitnessView>,
    /// How many of them make a checkpoint believable.
    witness_quorum: u32,
    /// The DAO's part of each sale, in parts per hundred.
    treasury_percent: Option<u8>,
    /// Digest of the name of the rules by which the next entry is read, as voted (`upgrade_rules`).
    rules: String,
}

/// A guardian in office.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuardianView {
    /// Its key.
    guardian: String,
    /// When the office ends by itself, in ledger time.
    sunset_ms: u64,
}

/// A witness of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WitnessView {
    /// Its name.
    name: String,
    /// Its verifier key (C2SP signed-note).
    vkey: String,
}

/// A page of the delegations that hold now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DelegationList {
    /// Ascending by delegator.
    delegations: Vec<DelegationView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// Whose vote is entrusted to whom.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DelegationView {
    /// Whose weight it is.
    delegator: String,
    /// Who votes with it.
    delegate: String,
    /// Until when, in ledger time.
    until_ms: u64,
    /// The weight now.
    weight: String,
}

/// A delegation with its delegator's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DelegationRequest {
    /// `dao`, `delegator`, `delegate` (left out: take it back), `until_ms`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    delegation: Delegation,
    /// The delegator's Ed25519 signature over its canonical bytes under the tag
    /// `sahakar/member-request/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// The nominated guardian's acceptance, signed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptanceRequest {
    /// `dao`, `guardian`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    acceptance: GuardianAcceptance,
    /// The nominated's Ed25519 signature, as above.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// How the DAO decides
#[utoipa::path(get, path = "/v1/governance", tag = "governance",
    responses((status = 200, body = AssemblyView)))]
pub(crate) async fn show(State(state): State<ApiState>) -> Json<AssemblyView> {
    let now_ms = state.now_ms();
    let roll = state.roll(now_ms);
    Json(state.store().view(|ledger| assembly(ledger, roll.weights(), now_ms)))
}

fn assembly(ledger: &Ledger, weights: &Weights, now_ms: u64) -> AssemblyView {
    let guardian = ledger.guardian(now_ms).map(|guardian| GuardianView {
        guardian: guardian.key.to_string(),
        sunset_ms: guardian.sunset_ms,
    });
    let witnesses = ledger.witnesses();
    let witness = |(name, vkey): (&data_dao_ledger::Name, &String)| WitnessView {
        name: name.to_string(),
        vkey: vkey.clone(),
    };
    AssemblyView {
        charter: ledger.charter().map(|charter| *charter.parameters()),
        supply: amount::text(weights.values().copied().fold(0, u128::saturating_add)),
        holders: count(weights.len()),
        guardian,
        nominated_guardian: ledger.nominated_guardian().map(|(key, _)| key.to_string()),
        witnesses: witnesses.keys.iter().map(witness).collect(),
        witness_quorum: witnesses.quorum,
        treasury_percent: ledger.treasury_percent(),
        rules: ledger.rules().to_string(),
    }
}

/// Delegations that hold now
#[utoipa::path(get, path = "/v1/delegations", tag = "governance", params(Page),
    responses((status = 200, body = DelegationList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn delegations(
    State(state): State<ApiState>,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let (limit, after) = (page.limit()?, page.after_a::<VerifyingKey>()?);
    let now_ms = state.now_ms();
    let all = state.store().view(|ledger| ledger.delegations(now_ms));
    let rest = all.into_iter().filter(|(from, ..)| after.is_none_or(|after| *from > after));
    let (page, next) = page_of(rest, limit, |(from, ..)| from.to_string());
    let roll = state.roll(now_ms);
    let delegations = page.into_iter().map(|held| DelegationView::new(held, &roll)).collect();
    let link = link_to_next("/v1/delegations", next.as_deref(), limit);
    Ok((link, Json(DelegationList { delegations, next })))
}

impl DelegationView {
    fn new((from, to, until_ms): (VerifyingKey, VerifyingKey, u64), roll: &Roll) -> Self {
        let weight = amount::text(roll.weight(&from));
        Self { delegator: from.to_string(), delegate: to.to_string(), until_ms, weight }
    }
}

/// Entrust a vote to another member, or take it back
///
/// Answered with what holds of this delegator now: one delegation, or none.
#[utoipa::path(post, path = "/v1/delegations", tag = "governance",
    request_body = DelegationRequest,
    responses((status = 201, body = DelegationList), (status = 400, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn delegate(
    State(state): State<ApiState>,
    JsonBody(DelegationRequest { delegation, signature }): JsonBody<DelegationRequest>,
) -> Result<(StatusCode, Json<DelegationList>), ApiError> {
    let from = delegation.delegator;
    state.append(vec![VoteDelegated { delegation, signature }.into()]).await?;
    let now_ms = state.now_ms();
    let roll = state.roll(now_ms);
    let held = state.store().view(|ledger| ledger.delegate_of(&from, now_ms));
    let view = |(to, until_ms)| DelegationView::new((from, to, until_ms), &roll);
    let delegations = held.map(view).into_iter().collect();
    Ok((StatusCode::CREATED, Json(DelegationList { delegations, next: None })))
}

/// Accept the office of guardian
#[utoipa::path(post, path = "/v1/guardian", tag = "governance",
    request_body = AcceptanceRequest,
    responses((status = 201, body = AssemblyView), (status = 400, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn accept(
    State(state): State<ApiState>,
    JsonBody(AcceptanceRequest { acceptance, signature }): JsonBody<AcceptanceRequest>,
) -> Result<(StatusCode, Json<AssemblyView>), ApiError> {
    state.append(vec![GuardianAccepted { acceptance, signature }.into()]).await?;
    Ok((StatusCode::CREATED, show(State(state)).await))
}
