//! Problem details: the native error body (RFC 9457).

mod catalogue;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use catalogue::{KNOWN, Known};

/// The prefix of every problem's type: a reference that a client resolves against the node it asked (RFC 9457 §3.1.1), so
/// that each node documents the kinds of its own version there.
pub(crate) const TYPE_PREFIX: &str = "/problems/";
/// The media type of problems.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Which problem it is: status, type and title belong together and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProblemKind {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// The last part of the type.
    pub(crate) slug: &'static str,
    /// What it is, the same for every occurrence.
    pub(crate) title: &'static str,
}

/// A problem, as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Stable identifier of the kind of problem, `/problems/…`: the page there says what to do.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not-found")]
    kind: String,
    /// The kind in words.
    #[schema(example = "Not found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What happened this time.
    #[schema(example = "there is no model wine")]
    detail: String,
}

impl Problem {
    pub(crate) fn response(kind: ProblemKind, detail: String) -> Response {
        let problem = Self {
            kind: format!("{TYPE_PREFIX}{}", kind.slug),
            title: kind.title.to_owned(),
            status: kind.status.as_u16(),
            detail,
        };
        let body = serde_json::to_string(&problem).expect("texts and a number always serialise");
        (kind.status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
    }
}
