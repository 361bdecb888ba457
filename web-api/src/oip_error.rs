//! The error body of the Open Inference Protocol.

use axum::{
    Json,
    extract::Request,
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::problem::PROBLEM_JSON;

/// A problem is a few short texts.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// An error as clients of the Open Inference Protocol read it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OipErrorBody {
    /// What happened.
    error: String,
}

/// An [`ApiError`] that answers in the Open Inference Protocol's form.
#[derive(Debug)]
pub(crate) struct OipError(pub(crate) ApiError);

impl<E: Into<ApiError>> From<E> for OipError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OipError {
    fn into_response(self) -> Response {
        self.0.log();
        let body = Json(OipErrorBody { error: self.0.to_string() });
        let mut response = (self.0.kind().status, body).into_response();
        self.0.write_headers(response.headers_mut());
        response
    }
}

/// Whatever refuses a request below `/v2`, be it a layer that knows no protocol, is answered in the protocol's form.
pub(crate) async fn in_the_protocols_form(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_protocol = path == "/v2" || path.starts_with("/v2/");
    let response = next.run(request).await;
    let is_problem = response.headers().get(header::CONTENT_TYPE) == Some(&PROBLEM_JSON);
    if !is_protocol || !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = axum::body::to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap_or_default();
    let text = problem["detail"].as_str().or_else(|| problem["title"].as_str());
    let body = OipErrorBody { error: text.unwrap_or("the request was refused").to_owned() };
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts.status, parts.headers, Json(body)).into_response()
}
