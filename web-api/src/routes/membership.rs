//! Joining, leaving, consent.

use std::ops::Bound;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use data_dao_governance::{Consent, Departure, Invitation, Joining, Role, Rotation, text};
use data_dao_journal::{
    Body, ConsentGiven, MemberJoined, MemberKeyRotated, MemberLeft, Membership, Roll,
    State as Ledger,
};
use data_dao_store::Store;
use privacy_identity::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{self, NameRequest};
use crate::ApiState;
use crate::amount;
use crate::api_error::ApiError;
use crate::cursor::{Page, behind, link_to_next, page_of};
use crate::extract::{JsonBody, PathPart, QueryPart};
use crate::problem::Problem;

/// A page of the members of the DAO.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembershipList {
    /// Ascending by key; also those suspended or gone.
    members: Vec<DaoMemberView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// A member of the DAO.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DaoMemberView {
    /// The member's pseudonym: the key with which it joined.
    member: String,
    /// The key that signs for it now.
    signing_key: String,
    /// How many times its key was replaced.
    rotations: u32,
    /// What the member is called; the first digits of its key, if nobody knows.
    label: String,
    /// As what it was taken in.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
    /// `active`, `suspended`, or `gone`.
    state: &'static str,
    /// Who invited it, if a member did.
    inviter: Option<String>,
    /// The entry that took it in.
    ledger_index: u64,
    /// Its weight in a vote that began now, before delegations.
    votes: String,
    /// Who votes with that weight, if it is entrusted to somebody.
    delegate: Option<String>,
    /// The number that its next signed message has to exceed.
    last_nonce: Option<u64>,
}

/// A member's invitation, and the invited's acceptance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoiningRequest {
    /// `dao`, `inviter`, `member`, `roles`, `expires_ms`.
    #[schema(value_type = Object)]
    invitation: Invitation,
    /// The inviter's Ed25519 signature over its canonical bytes under the tag
    /// `sahakar/member-request/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    invitation_signature: Signature,
    /// `dao`, `member`, `label`, `nonce`, `expires_ms`. The label is `salted:` and a commitment to the name.
    #[schema(value_type = Object)]
    joining: Joining,
    /// The invited's signature over it.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
    /// The name that the label commits to, to be shown; without it the member is called by its key.
    name: Option<NameRequest>,
}

/// A member's wish to leave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DepartureRequest {
    /// `dao`, `member`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    departure: Departure,
    /// The member's signature over it.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// A member that left, and what it is paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DepartureView {
    #[serde(flatten)]
    member: DaoMemberView,
    /// Money to be paid out, in 10⁻⁴ of the currency's unit.
    paid_out: String,
}

/// Another key for a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotationRequest {
    /// `claimed` (`claim`: `dao`, `member`, `old`, `new`, `rotations`; `possession`: the new key's signature over the claim), `nonce`,
    /// `expires_ms`.
    #[schema(value_type = Object)]
    rotation: Rotation,
    /// The old key's Ed25519 signature over its canonical bytes under the tag `sahakar/member-request/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// A device's consent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentRequest {
    /// `dao`, `federation`, `policy`, `member`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    consent: Consent,
    /// The device's signature over it.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// All members of the DAO
#[utoipa::path(get, path = "/v1/members", tag = "governance", params(Page),
    responses((status = 200, body = MembershipList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let (limit, after) = (page.limit()?, page.after_a::<VerifyingKey>()?);
    let (now_ms, store) = (state.now_ms(), state.store());
    let roll = state.roll(now_ms);
    let (members, next) = store.view(|ledger| {
        let rest = ledger.members().range((behind(after), Bound::Unbounded));
        let (page, next) = page_of(rest, limit, |(key, _)| key.to_string());
        let view = |(key, member)| view((ledger, store), key, member, (&roll, now_ms));
        (page.into_iter().map(view).collect(), next)
    });
    let link = link_to_next("/v1/members", next.as_deref(), limit);
    Ok((link, Json(MembershipList { members, next })))
}

pub(super) fn view(
    (ledger, store): (&Ledger, &Store),
    key: &VerifyingKey,
    member: &Membership,
    (roll, now_ms): (&Roll, u64),
) -> DaoMemberView {
    DaoMemberView {
        member: key.to_string(),
        signing_key: ledger.keyring().current(key).to_string(),
        rotations: ledger.keyring().rotations(key),
        label: names::shown(store, key, &member.label),
        roles: member.roles.clone(),
        state: member.state.as_str(),
        inviter: member.inviter.map(|inviter| inviter.to_string()),
        ledger_index: member.index,
        votes: amount::text(roll.weight(key)),
        delegate: ledger.delegate_of(key, now_ms).map(|(delegate, _)| delegate.to_string()),
        last_nonce: ledger.last_nonce(key),
    }
}

fn shown(state: &ApiState, key: &VerifyingKey) -> Result<DaoMemberView, ApiError> {
    let (now_ms, store) = (state.now_ms(), state.store());
    let roll = state.roll(now_ms);
    let view = |ledger: &Ledger| {
        ledger.membership(key).map(|member| view((ledger, store), key, member, (&roll, now_ms)))
    };
    let shown = store.view(view);
    shown.ok_or_else(|| ApiError::not_found("member", key))
}

/// Join at a member's invitation
#[utoipa::path(post, path = "/v1/members", tag = "governance",
    request_body = JoiningRequest,
    responses((status = 201, body = DaoMemberView), (status = 400, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn join(
    State(state): State<ApiState>,
    JsonBody(request): JsonBody<JoiningRequest>,
) -> Result<(StatusCode, Json<DaoMemberView>), ApiError> {
    let JoiningRequest { invitation, invitation_signature, joining, signature, name } = request;
    let member = joining.member;
    let names = names::check(&[&joining.label], name.into_iter().collect())?;
    let joined = MemberJoined { invitation, invitation_signature, joining, signature };
    state.append(vec![Body::MemberJoined(joined)]).await?;
    names::keep(state.store(), &names).await?;
    Ok((StatusCode::CREATED, Json(shown(&state, &member)?)))
}

/// Leave, and be paid out
#[utoipa::path(post, path = "/v1/members/{key}/departure", tag = "governance",
    params(("key" = String, Path, description = "The member's public key in hexadecimal")),
    request_body = DepartureRequest,
    responses((status = 200, body = DepartureView), (status = 400, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn leave(
    State(state): State<ApiState>,
    PathPart(key): PathPart<String>,
    JsonBody(DepartureRequest { departure, signature }): JsonBody<DepartureRequest>,
) -> Result<Json<DepartureView>, ApiError> {
    let member = departure.member;
    if key != member.to_string() {
        return Err(ApiError::Invalid(format!(
            "the signed member is {member}, the path says {key}"
        )));
    }
    // Read and written without a lock in between: the journal recomputes it, and refuses another.
    let now_ms = state.now_ms();
    let paid_out = state.store().view(|ledger| ledger.payout(&member, now_ms));
    state.append(vec![MemberLeft { departure, signature, paid_out }.into()]).await?;
    let paid_out = amount::text(paid_out);
    Ok(Json(DepartureView { member: shown(&state, &member)?, paid_out }))
}

/// Sign with another key from now on
#[utoipa::path(post, path = "/v1/members/{key}/rotation", tag = "governance",
    params(("key" = String, Path, description = "The member: the key with which it joined, in hexadecimal")),
    request_body = RotationRequest,
    responses((status = 200, body = DaoMemberView), (status = 400, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn rotate(
    State(state): State<ApiState>,
    PathPart(key): PathPart<String>,
    JsonBody(RotationRequest { rotation, signature }): JsonBody<RotationRequest>,
) -> Result<Json<DaoMemberView>, ApiError> {
    let member = rotation.claimed.claim.member;
    if key != member.to_string() {
        return Err(ApiError::Invalid(format!(
            "the signed member is {member}, the path says {key}"
        )));
    }
    state.append(vec![MemberKeyRotated { rotation, signature }.into()]).await?;
    Ok(Json(shown(&state, &member)?))
}

/// Agree to a federation's present policy, as a device
#[utoipa::path(post, path = "/v1/consents", tag = "governance",
    request_body = ConsentRequest,
    responses((status = 201, body = DaoMemberView), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn consent(
    State(state): State<ApiState>,
    JsonBody(ConsentRequest { consent, signature }): JsonBody<ConsentRequest>,
) -> Result<(StatusCode, Json<DaoMemberView>), ApiError> {
    let member = consent.member;
    state.append(vec![ConsentGiven { consent, signature }.into()]).await?;
    Ok((StatusCode::CREATED, Json(shown(&state, &member)?)))
}
