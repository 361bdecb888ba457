//! The log as static files of C2SP tlog-tiles: copy them and audit offline.

use std::{io, path::PathBuf};

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use tokio::fs;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::ApiState;
use crate::api_error::ApiError;
use crate::problem::Problem;

/// Deepest path below `tile/`: a level and an index of a log of 2^64 entries.
const SEGMENTS_MAX: usize = 12;

#[derive(OpenApi)]
#[openapi(paths(tile))]
struct Documented;

/// The checkpoint, and the description of the tiles. Their route has a wildcard, which
/// the description cannot spell.
pub(super) fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Documented::openapi()).routes(routes!(checkpoint))
}

/// The signed checkpoint of the tiles
///
/// The tiles are brought up to date first.
#[utoipa::path(get, path = "/checkpoint", tag = "ledger",
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = Problem, description = "The ledger is empty")))]
pub(crate) async fn checkpoint(State(state): State<ApiState>) -> Result<Response, ApiError> {
    state.export_tiles().await?;
    let bytes = file(&state, "checkpoint".into()).await?;
    Ok(answer(bytes, "text/plain; charset=utf-8", "no-cache"))
}

/// A tile: hashes, or a bundle of entries
///
/// `{path}` is `<level>/<index>` or `entries/<index>`, the index in groups of three digits with
/// slashes, with `.p/<width>` behind it for a partial tile (C2SP tlog-tiles).
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
    if !is_tile_path(&path) {
        return Err(ApiError::not_found("tile", path));
    }
    let bytes = file(&state, format!("tile/{path}").into()).await?;
    // A tile never changes: a partial one has its width in its name.
    Ok(answer(bytes, "application/octet-stream", "public, max-age=31536000, immutable"))
}

/// Whether every segment is one that C2SP tlog-tiles knows: letters and digits with at most one
/// `.p` at the end, so that no path leaves the folder.
fn is_tile_path(path: &str) -> bool {
    let fits = |segment: &str| {
        let segment = segment.strip_suffix(".p").unwrap_or(segment);
        !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let segments = path.split('/');
    segments.clone().count() <= SEGMENTS_MAX && segments.into_iter().all(fits)
}

/// A file below the folder of tiles.
async fn file(state: &ApiState, path: PathBuf) -> Result<Vec<u8>, ApiError> {
    let found = fs::read(state.parts().tiles_dir.join(&path)).await;
    found.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            ApiError::not_found("file", path.display())
        }
        _ => ApiError::internal(error),
    })
}

fn answer(bytes: Vec<u8>, content_type: &'static str, cache: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    (headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_tiles_are_looked_up() {
        for good in ["0/000", "0/x001/234", "entries/000.p/17", "1/000.p/1"] {
            assert!(is_tile_path(good), "{good}");
        }
        let long = "0/".repeat(20);
        for bad in
            ["", "..", "0/../../ledger.sqlite", "0//1", ".p", "0/.p/1", "a\\b", "C:/x", &long]
        {
            assert!(!is_tile_path(bad), "{bad}");
        }
    }
}
