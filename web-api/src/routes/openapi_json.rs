//! The description of this interface.

use std::sync::LazyLock;

use axum::{body::Bytes, http::header, response::IntoResponse};

/// As it is sent: it changes with the program alone.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| {
    let text = serde_json::to_vec(&crate::openapi());
    Bytes::from(text.expect("a description has texts, lists and maps of texts"))
});

/// The description of this interface
#[utoipa::path(get, path = "/openapi.json", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION.clone())
}
