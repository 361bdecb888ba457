//! What went wrong, as a page; and which of both a stranger's request gets: a page or a problem.

use axum::{
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use maud::html;

use super::layout::{Page, response};
use crate::api_error::ApiError;

/// An [`ApiError`] that answers with a page.
#[derive(Debug)]
pub(super) struct PageError(ApiError);

impl PageError {
    pub(super) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self(ApiError::not_found(what, id))
    }
}

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.log();
        let kind = self.0.kind();
        // What is missing, lies at the other end; what failed, here.
        let next = if kind.status == StatusCode::NOT_FOUND {
            "It may have been mistyped, or belong to another co-operative's node."
        } else {
            "Nothing was changed by this. Try again in a moment; if it stays, tell whoever runs this node."
        };
        let content = html! {
            div class="error" {
                p class="code" aria-hidden="true" { (kind.status.as_u16()) }
                h1 { (kind.title) }
                p class="lead" { (sentence(&self.0.to_string())) }
                p { (next) }
                p { a class="button" href="/" { "To the overview" } }
            }
        };
        let page = Page { title: kind.title, section: None, scripts: &[], content };
        let mut response = response(&page.document(None));
        *response.status_mut() = kind.status;
        response
    }
}

/// Messages begin in lower case and end without a full stop.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Where nothing is served: a page for people, a problem for programs.
pub(crate) async fn nowhere(uri: Uri, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let for_people = accepted.is_some_and(|types| types.contains("text/html"));
    let for_programs = ["/v1", "/v2", "/tile"].iter().any(|prefix| uri.path().starts_with(prefix));
    if for_people && !for_programs {
        PageError::from(ApiError::NoRoute).into_response()
    } else {
        ApiError::NoRoute.into_response()
    }
}
