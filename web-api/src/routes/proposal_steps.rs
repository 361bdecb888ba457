//! How a proposal is stopped. Everything else on its way happens by itself.

use axum::{Json, extract::State};
use data_dao_governance::{Cancellation, ProposalId, Veto, text};
use data_dao_journal::{Body, ProposalCanceled, ProposalVetoed};
use privacy_identity::Signature;
use serde::Deserialize;
use utoipa::ToSchema;

use super::proposal_view::ProposalView;
use super::proposals::view;
use crate::ApiState;
use crate::api_error::ApiError;
use crate::extract::{JsonBody, PathPart};
use crate::problem::Problem;

/// The proposer's wish to withdraw a proposal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancellationRequest {
    /// `dao`, `proposal`, `proposer`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    cancellation: Cancellation,
    /// The proposer's Ed25519 signature over its canonical bytes under the tag
    /// `sahakar/member-request/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// The guardian's word against a proposal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VetoRequest {
    /// `dao`, `proposal`, `guardian`, `reason`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    veto: Veto,
    /// The guardian's Ed25519 signature over its canonical bytes under the tag
    /// `sahakar/member-request/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// Withdraw a proposal
#[utoipa::path(post, path = "/v1/proposals/{id}/cancellation", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = CancellationRequest,
    responses((status = 200, body = ProposalView), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Voting has begun, and there is a guardian"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(CancellationRequest { cancellation, signature }): JsonBody<CancellationRequest>,
) -> Result<Json<ProposalView>, ApiError> {
    let named = cancellation.proposal;
    stop(&state, &id, named, ProposalCanceled { cancellation, signature }.into()).await
}

/// Stop a proposal, as the guardian
#[utoipa::path(post, path = "/v1/proposals/{id}/veto", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = VetoRequest,
    responses((status = 200, body = ProposalView), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "The proposal is over"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn veto(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(VetoRequest { veto, signature }): JsonBody<VetoRequest>,
) -> Result<Json<ProposalView>, ApiError> {
    let named = veto.proposal;
    stop(&state, &id, named, ProposalVetoed { veto, signature }.into()).await
}

async fn stop(
    state: &ApiState,
    path: &str,
    named: ProposalId,
    body: Body,
) -> Result<Json<ProposalView>, ApiError> {
    let id = state.proposal_id(path)?;
    if named != id {
        return Err(ApiError::Invalid(format!(
            "the signed proposal is {named}, the path says {id}"
        )));
    }
    state.append(vec![body]).await?;
    view(state, id).map(Json)
}
