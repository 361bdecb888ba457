//! Opaque cursors and the Link header (RFC 8288) of lists.

use axum::http::{HeaderValue, header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api_error::ApiError;

/// Most items of one page.
pub(crate) const PAGE_MAX: u32 = 200;
/// Items of a page if the request does not say.
const PAGE_DEFAULT: u32 = 50;

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Where to go on: the `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// How many items, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
}

impl Page {
    pub(crate) fn limit(&self) -> Result<u32, ApiError> {
        match self.limit {
            None => Ok(PAGE_DEFAULT),
            Some(limit @ 1..=PAGE_MAX) => Ok(limit),
            Some(limit) => {
                Err(ApiError::Invalid(format!("limit is {limit}, allowed are 1 to {PAGE_MAX}")))
            }
        }
    }

    /// What the cursor stands for, if there is one.
    pub(crate) fn after(&self) -> Result<Option<String>, ApiError> {
        self.cursor.as_deref().map(text_from_cursor).transpose()
    }
}

pub(crate) fn cursor_from_text(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

pub(crate) fn bad_cursor() -> ApiError {
    ApiError::Invalid("the cursor is not one of this list".to_owned())
}

fn text_from_cursor(cursor: &str) -> Result<String, ApiError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_source| bad_cursor())?;
    String::from_utf8(bytes).map_err(|_source| bad_cursor())
}

/// The Link header to the next page. `path` has its query, but not cursor and limit.
pub(crate) fn link_to_next(
    path: &str,
    next: Option<&str>,
    limit: u32,
) -> Option<[(header::HeaderName, HeaderValue); 1]> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let link = format!("<{path}{joint}cursor={}&limit={limit}>; rel=\"next\"", next?);
    // Names and base64 are visible ASCII; a link that is not is left out, `next` is in the body.
    Some([(header::LINK, HeaderValue::from_str(&link).ok()?)])
}
