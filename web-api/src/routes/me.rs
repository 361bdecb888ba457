//! The member who signed the request.

use axum::{Json, extract::State, http::header};
use serde::Serialize;
use utoipa::ToSchema;

use super::members::{MemberView, view};
use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::SigningMember;
use crate::problem::Problem;

/// Who signed, and what the node lets that key do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeView {
    /// The key that signed.
    key: String,
    /// Whether it may act for the operator.
    is_operator: bool,
    /// The member, if the key is one's.
    member: Option<MemberView>,
}

/// Who I am
///
/// For members: signed by HTTP Message Signatures (RFC 9421) with the member's Ed25519 key, over `@method`, `@authority`,
/// `@path`, `@query` and, with a body, `content-digest`; with `created`, `nonce` and `keyid`, the key in hexadecimal.
#[utoipa::path(get, path = "/v1/me", tag = "governance", security(("member" = [])),
    responses((status = 200, body = MeView), (status = 401, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    SigningMember(key): SigningMember,
) -> Result<([(header::HeaderName, &'static str); 1], Json<MeView>), ApiError> {
    let now_ms = state.now_ms();
    let (store, roll) = (state.store(), state.roll(now_ms));
    let view = store.view(|ledger| MeView {
        key: key.to_string(),
        is_operator: ledger.genesis().is_some_and(|genesis| genesis.operator == key),
        member: view((ledger, store), &ledger.keyring().member_of(&key), (&roll, now_ms)),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)))
}
