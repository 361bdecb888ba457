//! The description of this interface.

use axum::Json;
use utoipa::openapi::OpenApi;

/// The description of this interface
#[utoipa::path(get, path = "/openapi.json", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(crate) async fn openapi_json() -> Json<OpenApi> {
    Json(crate::openapi())
}
