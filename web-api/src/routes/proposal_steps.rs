//! A proposal's way after the vote. Anyone may take it along: the rules decide, not the caller.

use axum::{Json, extract::State};
use data_dao_governance::text;
use data_dao_journal::{Body, ProposalCanceled, ProposalExecuted, ProposalQueued};
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
    /// The proposer's Ed25519 signature over the cancellation's canonical bytes under the tag
    /// `sahakar/member-request/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// Queue a successful proposal
#[utoipa::path(post, path = "/v1/proposals/{id}/queue", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    responses((status = 200, body = ProposalView), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It did not succeed, or is queued already"),
        (status = 503, body = Problem)))]
pub(crate) async fn queue(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
) -> Result<Json<ProposalView>, ApiError> {
    let id = state.proposal_id(&id)?;
    state.append(vec![Body::ProposalQueued(ProposalQueued { proposal: id })]).await?;
    view(&state, id).map(Json)
}

/// Execute a queued proposal
#[utoipa::path(post, path = "/v1/proposals/{id}/execution", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    responses((status = 200, body = ProposalView), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It is not queued, or the timelock runs"),
        (status = 503, body = Problem)))]
pub(crate) async fn execute(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
) -> Result<Json<ProposalView>, ApiError> {
    let id = state.proposal_id(&id)?;
    state.append(vec![Body::ProposalExecuted(ProposalExecuted { proposal: id })]).await?;
    view(&state, id).map(Json)
}

/// Withdraw a proposal before the vote
#[utoipa::path(post, path = "/v1/proposals/{id}/cancellation", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = CancellationRequest,
    responses((status = 200, body = ProposalView), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Voting has begun"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(request): JsonBody<CancellationRequest>,
) -> Result<Json<ProposalView>, ApiError> {
    let id = state.proposal_id(&id)?;
    let canceled = ProposalCanceled { proposal: id, signature: request.signature };
    state.append(vec![Body::ProposalCanceled(canceled)]).await?;
    view(&state, id).map(Json)
}
