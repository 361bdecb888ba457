//! Members: what each contributed and earned.

use axum::{Json, extract::State};
use data_dao_journal::{Roll, State as Ledger};
use data_dao_store::Store;
use privacy_identity::VerifyingKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::federations::StandingView;
use super::membership::{self, DaoMemberView};
use super::names;
use crate::ApiState;
use crate::amount::text;
use crate::api_error::ApiError;
use crate::extract::PathPart;
use crate::problem::Problem;

/// A member.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// The member's pseudonym: the Ed25519 public key with which it joined.
    member: String,
    /// Credits over all federations that are final; once they have matured, they are votes.
    credits: String,
    /// Credits of rounds whose pay can still be challenged.
    credits_pending: String,
    /// Money earned, in 10⁻⁴ of the currency's unit.
    earnings: String,
    /// The currency.
    currency: Option<String>,
    /// What the member is in the DAO.
    membership: Option<DaoMemberView>,
    /// What the member does where.
    federations: Vec<MembershipView>,
}

/// A member's part in one federation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembershipView {
    /// The federation.
    federation: String,
    /// What the member wants to be called there.
    label: String,
    #[serde(flatten)]
    standing: StandingView,
    /// The entry that admitted the member.
    ledger_index: u64,
}

/// A member
#[utoipa::path(get, path = "/v1/members/{key}", tag = "federations",
    params(("key" = String, Path, description = "A public key of the member in hexadecimal: the one with which it joined, or a later one")),
    responses((status = 200, body = MemberView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    PathPart(key): PathPart<String>,
) -> Result<Json<MemberView>, ApiError> {
    let member = key.parse().ok();
    let now_ms = state.now_ms();
    let roll = state.roll(now_ms);
    // Found by any key that it has or had.
    let view = member.and_then(|key| {
        state.store().view(|ledger| {
            let member = ledger.keyring().member_of(&key);
            view((ledger, state.store()), &member, (&roll, now_ms))
        })
    });
    view.map(Json).ok_or_else(|| ApiError::not_found("member", key))
}

pub(super) fn view(
    (state, store): (&Ledger, &Store),
    member: &VerifyingKey,
    now: (&Roll, u64),
) -> Option<MemberView> {
    let memberships: Vec<_> = state
        .federations()
        .iter()
        .filter_map(|(name, federation)| {
            let admitted = federation.members().get(member)?;
            let standing = federation.standings().get(member).cloned();
            Some(MembershipView {
                federation: name.to_string(),
                label: names::shown(store, member, &admitted.label),
                standing: StandingView::new(&standing.unwrap_or_default(), federation),
                ledger_index: admitted.index,
            })
        })
        .collect();
    let membership = state.membership(member);
    let membership = membership.map(|found| membership::view((state, store), member, found, now));
    if memberships.is_empty() && membership.is_none() {
        return None;
    }
    Some(MemberView {
        member: member.to_string(),
        credits: text(state.credits(member)),
        credits_pending: text(state.credits_pending(member)),
        earnings: text(state.earnings(member)),
        currency: state.genesis().map(|genesis| genesis.currency.to_string()),
        membership,
        federations: memberships,
    })
}
