//! The error body of the Open Inference Protocol.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api_error::{ApiError, CHALLENGE};

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
        if let ApiError::Unauthorized(_) = self.0 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}
