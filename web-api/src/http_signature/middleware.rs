//! Signed requests on their way to a route.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use privacy_identity::VerifyingKey;

use super::base::{Covered, check};
use crate::ApiState;
use crate::api_error::ApiError;
use crate::router::BODY_BYTES_MAX;

/// Whose signature a request carries, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedBy(pub(crate) VerifyingKey);

/// The middleware: a request that carries a signature is refused, or goes on with [`SignedBy`].
pub(crate) async fn signed(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if !headers.contains_key("signature-input") && !headers.contains_key("signature") {
        return next.run(request).await;
    }
    match checked(&state, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn checked(state: &ApiState, request: Request) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
    let body = body.map_err(|_source| ApiError::TooLarge)?;
    let now_s = state.parts().clock.now_ms() / 1_000;
    let request = Covered { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
    let refused = |error: super::SignatureError| ApiError::Unauthorized(error.to_string());
    let checked = check(&request, &body, &state.policy().authorities, now_s).map_err(refused)?;
    let key = VerifyingKey::from_bytes(checked.key)
        .map_err(|_source| refused(super::SignatureError::KeyId))?;
    // A stranger's request can do nothing, replayed or not; its nonces would only fill the table.
    let (holder, is_known) = state.store().view(|ledger| {
        let holder = ledger.keyring().holder(&key);
        let is_member = holder.is_some_and(|member| ledger.members().contains_key(&member));
        (holder, is_member || ledger.genesis().is_some_and(|genesis| genesis.operator == key))
    });
    // Threat: a stolen key that was replaced and goes on acting for its member.
    if holder.is_none() {
        return Err(ApiError::Unauthorized(
            "the key was replaced: sign with the new one".to_owned(),
        ));
    }
    if is_known {
        state.nonces().take(&key, &checked.nonce, now_s).map_err(refused)?;
    }
    parts.extensions.insert(SignedBy(key));
    Ok(Request::from_parts(parts, Body::from(body)))
}
