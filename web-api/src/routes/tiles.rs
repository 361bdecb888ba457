//! The log as C2SP tlog-tiles serves it: copy the tiles and audit offline.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use data_dao_store::TilePath;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::ApiState;
use crate::api_error::ApiError;
use crate::problem::Problem;

#[derive(OpenApi)]
#[openapi(paths(tile))]
struct Documented;

/// The checkpoint, and the description of the tiles. Their route has a wildcard, which
/// the description cannot spell.
pub(super) fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Documented::openapi()).routes(routes!(checkpoint))
}

/// The signed checkpoint
///
/// With the lines of witnesses, if the node asks any: then it is the newest that enough of them have cosigned.
#[utoipa::path(get, path = "/checkpoint", tag = "ledger",
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = Problem, description = "The ledger is empty")))]
pub(crate) async fn checkpoint(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let store = state.store();
    if store.size() == 0 {
        return Err(ApiError::not_found("file", "checkpoint"));
    }
    let text = store.cosigned().map_or_else(|| store.checkpoint(), |cosigned| cosigned.to_string());
    Ok(answer(text.into_bytes(), "text/plain; charset=utf-8", "no-cache"))
}

/// A tile: hashes, or a bundle of entries
///
/// `{path}` is `<level>/<index>` or `entries/<index>`, the index in groups of three digits with
/// slashes, with `.p/<width>` behind it for a partial tile (C2SP tlog-tiles). Any width that the log has had is served.
#[utoipa::path(get, path = "/tile/{path}", tag = "ledger",
    params(("path" = String, Path, description = "Level and index")),
    responses((status = 200, description = "The tile", content_type = "application/octet-stream"),
        (status = 404, body = Problem)))]
pub(crate) async fn tile(
    State(state): State<ApiState>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, ApiError> {
    let Ok(Path(path)) = path else {
        return Err(ApiError::NoRoute);
    };
    let missing = || ApiError::not_found("tile", &path);
    let tile: TilePath = format!("tile/{path}").parse().map_err(|_source| missing())?;
    let bytes = state.store().tile(&tile).await?.ok_or_else(missing)?;
    // A tile never changes: a partial one has its width in its name.
    Ok(answer(bytes, "application/octet-stream", "public, max-age=31536000, immutable"))
}

fn answer(bytes: Vec<u8>, content_type: &'static str, cache: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    (headers, bytes).into_response()
}
