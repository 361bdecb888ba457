//! The node's health.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ApiState;

/// How the node is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `unavailable` if nothing can be written or computed, or it is about to stop.
    #[schema(example = "ok")]
    status: &'static str,
    /// The program's version.
    version: &'static str,
    /// Entries in the ledger.
    entries: u64,
}

/// Health
#[utoipa::path(get, path = "/v1/health", tag = "node", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(state): State<ApiState>) -> Json<Health> {
    let status = if state.is_ready() { "ok" } else { "unavailable" };
    let version = env!("CARGO_PKG_VERSION");
    Json(Health { status, version, entries: state.store().size() })
}
