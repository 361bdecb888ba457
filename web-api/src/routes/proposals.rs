//! Proposals.

use std::{cmp::Reverse, fmt, str::FromStr};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use data_dao_governance::{Action, Proposal, ProposalContent, ProposalId, text};
use data_dao_journal::{Body, ProposalMade, State as Ledger};
use privacy_identity::Signature;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{self, NameRequest};
use super::proposal_view::ProposalView;
use crate::ApiState;
use crate::api_error::ApiError;
use crate::cursor::{Page, bad_cursor, link_to_next, page_of};
use crate::extract::{JsonBody, PathPart, QueryPart};
use crate::problem::Problem;

/// A page of the proposals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposalList {
    /// The newest first.
    proposals: Vec<ProposalView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
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
#[utoipa::path(get, path = "/v1/proposals", tag = "governance", params(Page),
    responses((status = 200, body = ProposalList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let (limit, after) = (page.limit()?, page.after_a::<ProposalPlace>()?);
    let (now_ms, store) = (state.now_ms(), state.store());
    let (proposals, next) = store.view(|ledger| {
        let (page, next) = newest_first(ledger, after, limit);
        let view = |proposal: &Proposal| ProposalView::new(proposal, (ledger, store), now_ms);
        (page.into_iter().map(view).collect(), next)
    });
    let link = link_to_next("/v1/proposals", next.as_deref(), limit);
    Ok((link, Json(ProposalList { proposals, next })))
}

/// Where a proposal stands among all: by when it was made, and of those of one moment by its id. What is made later stands
/// before every page that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProposalPlace {
    created_ms: u64,
    id: ProposalId,
}

impl ProposalPlace {
    fn of(proposal: &Proposal) -> Self {
        Self { created_ms: proposal.created_ms(), id: proposal.id() }
    }
}

impl fmt::Display for ProposalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.created_ms, self.id)
    }
}

impl FromStr for ProposalPlace {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let (created_ms, id) = text.split_once('/').ok_or_else(bad_cursor)?;
        let created_ms = created_ms.parse().map_err(|_source| bad_cursor())?;
        Ok(Self { created_ms, id: id.parse().map_err(|_source| bad_cursor())? })
    }
}

/// A page of the proposals behind `after`, and the cursor of the next one.
pub(crate) fn newest_first(
    ledger: &Ledger,
    after: Option<ProposalPlace>,
    limit: u32,
) -> (Vec<&Proposal>, Option<String>) {
    let all = ledger.proposals().values().map(|proposal| &**proposal);
    let placed = all.map(|proposal| (ProposalPlace::of(proposal), proposal));
    let mut rest: Vec<_> =
        placed.filter(|(place, _)| after.is_none_or(|after| *place < after)).collect();
    rest.sort_unstable_by_key(|(place, _)| Reverse(*place));
    let (page, next) = page_of(rest.into_iter(), limit, |(place, _)| place.to_string());
    (page.into_iter().map(|(_, proposal)| proposal).collect(), next)
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
