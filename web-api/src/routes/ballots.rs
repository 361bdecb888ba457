//! Votes.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_governance::{Ballot, ProposalId, text};
use data_dao_journal::{BallotCast, Body};
use privacy_identity::{Digest, Signature, VerifyingKey};
use serde::Deserialize;
use utoipa::ToSchema;

use super::proposal_view::{ChoiceDto, ProposalView};
use super::proposals::view;
use crate::ApiState;
use crate::api_error::ApiError;
use crate::extract::{JsonBody, PathPart};
use crate::problem::Problem;

/// A ballot with its voter's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BallotRequest {
    /// The ballot.
    ballot: BallotDto,
    /// The voter's Ed25519 signature over the ballot's canonical bytes under the tag
    /// `sahakar/ballot/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// A vote on one proposal of one DAO.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BallotDto {
    /// The DAO's id.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    dao: Digest,
    /// The proposal: the one of the path.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    proposal: ProposalId,
    /// The vote.
    choice: ChoiceDto,
    /// Who votes: a member's public key.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    voter: VerifyingKey,
}

/// Vote
#[utoipa::path(post, path = "/v1/proposals/{id}/ballots", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = BallotRequest,
    responses((status = 201, body = ProposalView), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Outside the voting period, or voted already"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn cast(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(request): JsonBody<BallotRequest>,
) -> Result<(StatusCode, Json<ProposalView>), ApiError> {
    let id = state.proposal_id(&id)?;
    let BallotDto { dao, proposal, choice, voter } = request.ballot;
    if proposal != id {
        let why = format!("ballot.proposal is {proposal}, the path says {id}");
        return Err(ApiError::Invalid(why));
    }
    let ballot = Ballot { dao, proposal, choice: choice.into(), voter };
    let cast = Body::BallotCast(BallotCast { ballot, signature: request.signature });
    state.append(vec![cast]).await?;
    Ok((StatusCode::CREATED, Json(view(&state, id)?)))
}
