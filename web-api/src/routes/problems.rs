//! The kinds of problems, each at the URL that its `type` names (RFC 9457 §3.1.1).

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse as _, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::api_error::ApiError;
use crate::extract::PathPart;
use crate::problem::{KNOWN, Known, Problem, TYPE_PREFIX};

/// Pages without scripts, with styles of their own and nothing from elsewhere.
pub(super) const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");
/// They change with the program alone.
pub(super) const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");
pub(super) const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;\
    max-width:62rem;margin:2rem auto;padding:0 1rem}code,pre{font:14px/1.5 ui-monospace,monospace}\
    pre{overflow:auto;padding:.75rem;border:1px solid color-mix(in srgb,currentColor 25%,transparent);\
    border-radius:6px}table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}th,td{\
    text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid \
    color-mix(in srgb,currentColor 15%,transparent)}h2{margin-top:2.5rem}summary{cursor:pointer;\
    padding:.35rem 0}.m{display:inline-block;min-width:4.2rem;font-weight:600}.d{opacity:.75}\
    nav a{margin-right:1rem}";

/// A page with this title.
pub(super) fn page(title: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { (content) }
        }
    };
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, CACHE)];
    (headers, Html(page.into_string())).into_response()
}

/// All kinds of problems
#[utoipa::path(get, path = "/problems", tag = "node",
    responses((status = 200, description = "A page for people", content_type = "text/html")))]
pub(crate) async fn list() -> Response {
    let row = |known: &Known| {
        html! {
            tr {
                td { (known.kind.status.as_u16()) }
                td { a href={ (TYPE_PREFIX) (known.kind.slug) } { code { (known.kind.slug) } } }
                td { (known.kind.title) }
                td { (known.advice) }
            }
        }
    };
    let content = html! {
        h1 { "Problems" }
        p {
            "What went wrong is told as " code { "application/problem+json" } " (RFC 9457). Its "
            code { "type" } " is one of these and never changes; " code { "detail" }
            " says what happened this time."
        }
        table {
            thead { tr { th { "Status" } th { "Type" } th { "Title" } th { "What to do" } } }
            tbody { @for known in KNOWN { (row(known)) } }
        }
    };
    page("Problems", &content)
}

/// A kind of problem
#[utoipa::path(get, path = "/problems/{slug}", tag = "node",
    params(("slug" = String, Path, description = "The last part of the problem's type")),
    responses((status = 200, description = "A page for people", content_type = "text/html"),
        (status = 404, body = Problem)))]
pub(crate) async fn show(PathPart(slug): PathPart<String>) -> Result<Response, ApiError> {
    let known = KNOWN.iter().find(|known| known.kind.slug == slug);
    let known = known.ok_or_else(|| ApiError::not_found("kind of problem", &slug))?;
    let content = html! {
        nav { a href="/problems" { "All problems" } a href="/docs" { "The interface" } }
        h1 { (known.kind.title) }
        p { "Type " code { (TYPE_PREFIX) (known.kind.slug) } ", status " (known.kind.status.as_u16()) "." }
        p { (known.advice) }
    };
    Ok(page(known.kind.title, &content))
}
