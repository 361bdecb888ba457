//! Who did what at the node, as the log has it.

use axum::{Json, extract::State, response::IntoResponse};
use data_dao_journal::Body;
use serde::Serialize;
use utoipa::ToSchema;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::Operator;
use crate::cursor::{Page, bad_cursor, cursor_from_text, link_to_next};
use crate::extract::QueryPart;
use crate::problem::Problem;

/// A page of acts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActList {
    /// Oldest first.
    acts: Vec<ActView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// An act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActView {
    /// Ledger time in milliseconds since 1970.
    time_ms: u64,
    /// `operator`, `key <id>`, `member <key>` or `payments`.
    by: String,
    /// What was done.
    act: String,
    /// To what.
    subject: String,
    /// The entry that says so; what the act brought about stands before it.
    ledger_index: u64,
}

/// Administrative acts
#[utoipa::path(get, path = "/v1/acts", tag = "node", params(Page), security(("operator" = [])),
    responses((status = 200, body = ActList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    _operator: Operator,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let limit = page.limit()?;
    let from: usize =
        page.after()?.map_or(Ok(0), |text| text.parse().map_err(|_source| bad_cursor()))?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (indices, more) = state.store().view(|ledger| {
        let acts = ledger.acts().get(from..).unwrap_or_default();
        (acts.iter().take(wanted).copied().collect::<Vec<_>>(), acts.len() > wanted)
    });
    let mut acts = Vec::with_capacity(indices.len());
    for ledger_index in indices {
        let stored = state.store().entry(ledger_index).await?;
        let Some(stored) = stored else { continue };
        let Body::Administered(act) = stored.entry.body else { continue };
        let time_ms = stored.entry.time_ms;
        let (by, act, subject) = (act.by, act.act, act.subject);
        acts.push(ActView { time_ms, by, act, subject, ledger_index });
    }
    let next = more.then(|| cursor_from_text(&from.saturating_add(wanted).to_string()));
    let link = link_to_next("/v1/acts", next.as_deref(), limit);
    Ok((link, Json(ActList { acts, next })))
}
