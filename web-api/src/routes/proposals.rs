//! Proposals.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
};
use data_dao_governance::{Action, ProposalContent, ProposalId, text};
use data_dao_journal::{Body, ProposalMade};
use privacy_identity::Signature;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{self, NameRequest};
use super::proposal_view::ProposalView;
use crate::ApiState;
use crate::api_error::ApiError;
use crate::extract::{JsonBody, PathPart};
use crate::problem::Problem;

/// All proposals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposalList {
    /// The newest first.
    proposals: Vec<ProposalView>,
}

/// A proposal with its proposer's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProposalRequest {
    /// What is proposed: `dao`, `title`, `description`, `actions` (each an object whose one key is the action's kind,
    /// or `"text"`), `ballots` (`open` or `sealed`), `proposer`, `salt`. Amounts and numbers of 64 bits are texts.
    #[schema(value_type = Object)]
    content: ProposalContent,
    /// The proposer's Ed25519 signature over the content's canonical bytes under the tag
    /// `sahakar/proposal/v2`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
    /// What the labels of members to be admitted commit to, to be shown.
    #[serde(default)]
    names: Vec<NameRequest>,
}

/// All proposals
#[utoipa::path(get, path = "/v1/proposals", tag = "governance",
    responses((status = 200, body = ProposalList)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Json<ProposalList> {
    let (now_ms, store) = (state.now_ms(), state.store());
    let proposals = store.view(|ledger| {
        let mut proposals: Vec<_> = ledger.proposals().values().collect();
        proposals.sort_by_key(|proposal| std::cmp::Reverse(proposal.created_ms()));
        proposals.into_iter().map(|p| ProposalView::new(p, (ledger, store), now_ms)).collect()
    });
    Json(ProposalList { proposals })
}

/// A proposal
#[utoipa::path(get, path = "/v1/proposals/{id}", tag = "governance",
    params(("id" = String, Path, description = "The digest of its content")),
    responses((status = 200, body = ProposalView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
) -> Result<Json<ProposalView>, ApiError> {
    view(&state, state.proposal_id(&id)?).map(Json)
}

/// Make a proposal
#[utoipa::path(post, path = "/v1/proposals", tag = "governance",
    request_body = ProposalRequest,
    responses((status = 201, body = ProposalView,
            headers(("Location" = String, description = "Path of the proposal"))),
        (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn make(
    State(state): State<ApiState>,
    JsonBody(request): JsonBody<ProposalRequest>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<ProposalView>), ApiError> {
    let content = request.content;
    let (id, signature) = (content.id(), request.signature);
    let admitted = content.actions.iter().filter_map(|action| match action {
        Action::AdmitMember { label, .. } => Some(label.as_str()),
        _ => None,
    });
    let names = names::check(&admitted.collect::<Vec<_>>(), request.names)?;
    let made = Body::ProposalMade(ProposalMade { content, signature });
    state.append(vec![made]).await.map_err(|error| ApiError::from(error).of_the_body())?;
    names::keep(state.store(), &names).await?;
    let location = (header::LOCATION, format!("/v1/proposals/{id}"));
    Ok((StatusCode::CREATED, [location], Json(view(&state, id)?)))
}

/// The proposal as it stands now.
pub(super) fn view(state: &ApiState, id: ProposalId) -> Result<ProposalView, ApiError> {
    let (now_ms, store) = (state.now_ms(), state.store());
    let view = store.view(|ledger| {
        ledger.proposal(id).map(|proposal| ProposalView::new(proposal, (ledger, store), now_ms))
    });
    view.ok_or_else(|| ApiError::not_found("proposal", id))
}
