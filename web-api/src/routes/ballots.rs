//! Votes.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_governance::{Ballot, Opening, ProposalId, SealedBallot, text};
use data_dao_journal::{BallotCast, BallotRevealed, BallotSealed, Body};
use privacy_identity::Signature;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entries::{self, ProvenEntry};
use super::proposal_view::ProposalView;
use super::proposals::view;
use crate::ApiState;
use crate::api_error::ApiError;
use crate::extract::{JsonBody, PathPart};
use crate::problem::Problem;

/// A ballot with its voter's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BallotRequest {
    /// `dao`, `proposal`, `vote` (`{"whole": "for"|"against"|"abstain"}` or
    /// `{"split": {"against", "in_favour", "abstain"}}`), `capacity` (`entrusted` or `override`), `voter`, `reason`
    /// (a digest, may be left out), `nonce` (a text, above every earlier one of the voter), `expires_ms` (a text).
    #[schema(value_type = Object)]
    ballot: Ballot,
    /// The voter's Ed25519 signature over the ballot's canonical bytes under the tag
    /// `sahakar/ballot/v2`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// A sealed ballot with its voter's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedBallotRequest {
    /// `dao`, `proposal`, `capacity`, `voter`, `commitment`, `nonce`, `expires_ms`.
    #[schema(value_type = Object)]
    ballot: SealedBallot,
    /// The voter's Ed25519 signature over it under the tag `sahakar/sealed-ballot/v1`.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

/// What opens a sealed ballot.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpeningRequest {
    /// `ballot`, `signature`, `blinding`.
    #[schema(value_type = Object)]
    opening: Opening,
}

/// The proposal, and the proof that the ballot is in the log: keep it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BallotAnswer {
    #[serde(flatten)]
    proposal: ProposalView,
    /// The ballot's entry with the proof that it is in the log.
    receipt: ProvenEntry,
}

/// Vote
#[utoipa::path(post, path = "/v1/proposals/{id}/ballots", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = BallotRequest,
    responses((status = 201, body = BallotAnswer), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Outside the voting period, or voted already"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn cast(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(BallotRequest { ballot, signature }): JsonBody<BallotRequest>,
) -> Result<(StatusCode, Json<BallotAnswer>), ApiError> {
    let id = of_the_path(&state, &id, ballot.proposal)?;
    append(&state, id, BallotCast { ballot, signature }.into()).await
}

/// Vote without telling what before the vote is over
#[utoipa::path(post, path = "/v1/proposals/{id}/sealed-ballots", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = SealedBallotRequest,
    responses((status = 201, body = BallotAnswer), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Outside the voting period, or voted already"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn seal(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(SealedBallotRequest { ballot, signature }): JsonBody<SealedBallotRequest>,
) -> Result<(StatusCode, Json<BallotAnswer>), ApiError> {
    let id = of_the_path(&state, &id, ballot.proposal)?;
    append(&state, id, BallotSealed { ballot, signature }.into()).await
}

/// Open a sealed ballot after the vote
#[utoipa::path(post, path = "/v1/proposals/{id}/openings", tag = "governance",
    params(("id" = String, Path, description = "The digest of the proposal's content")),
    request_body = OpeningRequest,
    responses((status = 201, body = BallotAnswer), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Outside the period for opening ballots"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn reveal(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
    JsonBody(OpeningRequest { opening }): JsonBody<OpeningRequest>,
) -> Result<(StatusCode, Json<BallotAnswer>), ApiError> {
    let id = of_the_path(&state, &id, opening.ballot.proposal)?;
    append(&state, id, BallotRevealed { opening }.into()).await
}

fn of_the_path(state: &ApiState, path: &str, named: ProposalId) -> Result<ProposalId, ApiError> {
    let id = state.proposal_id(path)?;
    if named == id {
        return Ok(id);
    }
    Err(ApiError::Invalid(format!("ballot.proposal is {named}, the path says {id}")))
}

async fn append(
    state: &ApiState,
    id: ProposalId,
    body: Body,
) -> Result<(StatusCode, Json<BallotAnswer>), ApiError> {
    let appended = state.append(vec![body]).await?;
    let receipt = entries::proven(state, appended.index).await?;
    Ok((StatusCode::CREATED, Json(BallotAnswer { proposal: view(state, id)?, receipt })))
}
