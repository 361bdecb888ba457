//! Entries of the ledger, with the proofs that they are in it.

use axum::{Json, extract::State, response::IntoResponse};
use data_dao_store::{Proof, StoredEntry};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::count;
use crate::api_error::ApiError;
use crate::cursor::{Page, bad_cursor, cursor_from_text, link_to_next};
use crate::extract::{PathPart, QueryPart};
use crate::problem::Problem;

/// A page of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryList {
    /// Oldest first.
    entries: Vec<EntryView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// Its place in the log, 0-based.
    index: u64,
    /// Ledger time in milliseconds since 1970.
    time_ms: u64,
    /// What kind of thing happened.
    kind: &'static str,
    /// What happened.
    #[schema(value_type = Object)]
    body: Value,
    /// The leaf, byte for byte: what proofs and checkpoints are about.
    leaf: String,
}

/// An entry and that it is in the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProvenEntry {
    #[serde(flatten)]
    entry: EntryView,
    /// That the entry is in the log.
    proof: ProofView,
}

/// That an entry is in the log (RFC 6962 §2.1.1, C2SP tlog-proof).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProofView {
    /// Entries of the log that the proof is about.
    size: u64,
    /// Sibling hashes from the leaf upward, in hexadecimal.
    path: Vec<String>,
    /// The signed checkpoint that the proof leads to.
    checkpoint: String,
    /// The same as a file of C2SP tlog-proof, with the leaf in it: a receipt that is checked offline.
    tlog_proof: String,
}

impl ProofView {
    /// * `leaf` — what is proven; the file has it, too.
    pub(crate) fn new(proof: &Proof, leaf: &[u8]) -> Self {
        Self {
            size: proof.inclusion.size,
            path: proof.inclusion.path.iter().map(ToString::to_string).collect(),
            checkpoint: proof.checkpoint.to_string(),
            tlog_proof: proof.to_tlog_proof(Some(leaf)),
        }
    }
}

impl EntryView {
    fn new(stored: &StoredEntry) -> Result<Self, ApiError> {
        let body = serde_json::to_value(&stored.entry.body).map_err(ApiError::internal)?;
        let kind = stored.entry.body.kind();
        Ok(Self {
            index: stored.index,
            time_ms: stored.entry.time_ms,
            kind,
            // The kind is the one key of the body: it stands above already.
            body: body.get(kind).cloned().unwrap_or(body),
            leaf: String::from_utf8_lossy(&stored.leaf).into_owned(),
        })
    }
}

/// The ledger's entries
#[utoipa::path(get, path = "/v1/ledger/entries", tag = "ledger", params(Page),
    responses((status = 200, body = EntryList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let limit = page.limit()?;
    let from = page.after()?.map_or(Ok(0), |text| text.parse().map_err(|_source| bad_cursor()))?;
    // An index beyond the database's range is beyond the log, too.
    let size = state.store().size();
    let stored = if from < size { state.store().entries(from, limit).await? } else { Vec::new() };
    let entries = stored.iter().map(EntryView::new).collect::<Result<Vec<_>, _>>()?;
    let end = from.saturating_add(count(entries.len()));
    let next = (!entries.is_empty() && end < size).then(|| cursor_from_text(&end.to_string()));
    let link = link_to_next("/v1/ledger/entries", next.as_deref(), limit);
    Ok((link, Json(EntryList { entries, next })))
}

/// An entry with its proof
#[utoipa::path(get, path = "/v1/ledger/entries/{index}", tag = "ledger",
    params(("index" = u64, Path, description = "Its place in the log, 0-based")),
    responses((status = 200, body = ProvenEntry), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    PathPart(text): PathPart<String>,
) -> Result<Json<ProvenEntry>, ApiError> {
    let missing = || ApiError::not_found("entry", &text);
    let index: u64 = text.parse().map_err(|_source| missing())?;
    if index >= state.store().size() {
        return Err(missing());
    }
    proven(&state, index).await.map(Json)
}

/// An entry that exists, with its proof.
pub(super) async fn proven(state: &ApiState, index: u64) -> Result<ProvenEntry, ApiError> {
    let missing = || ApiError::not_found("entry", index);
    let stored = state.store().entry(index).await?.ok_or_else(missing)?;
    let proof = ProofView::new(&state.store().prove(index)?, &stored.leaf);
    Ok(ProvenEntry { entry: EntryView::new(&stored)?, proof })
}
