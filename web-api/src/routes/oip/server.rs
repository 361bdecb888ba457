//! The server: who it is, and whether it lives.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ApiState;

/// The server, as the protocol describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    /// The server's name.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// Extensions of the protocol.
    extensions: [&'static str; 2],
}

/// Health. The specification's text and its schema name the field differently, and servers do
/// too: both are here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerHealth {
    /// The process answers.
    live: bool,
    /// It can serve.
    ready: bool,
}

/// Server metadata
#[utoipa::path(get, path = "/v2", tag = "inference",
    responses((status = 200, body = ServerMetadata)))]
pub(crate) async fn metadata() -> Json<ServerMetadata> {
    let version = env!("CARGO_PKG_VERSION");
    let extensions = ["classification", "binary_tensor_data"];
    Json(ServerMetadata { name: "sahakar", version, extensions })
}

/// Liveness
#[utoipa::path(get, path = "/v2/health/live", tag = "inference",
    responses((status = 200, body = ServerHealth)))]
pub(crate) async fn live(State(state): State<ApiState>) -> Json<ServerHealth> {
    Json(ServerHealth { live: true, ready: state.is_ready() })
}

/// Readiness
#[utoipa::path(get, path = "/v2/health/ready", tag = "inference",
    responses((status = 200, body = ServerHealth), (status = 503, body = ServerHealth)))]
pub(crate) async fn ready(State(state): State<ApiState>) -> (StatusCode, Json<ServerHealth>) {
    let ready = state.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ServerHealth { live: true, ready }))
}
