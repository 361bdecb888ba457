//! Opaque cursors and the Link header (RFC 8288) of lists.

use std::{ops::Bound, str::FromStr};

use axum::{
    http::{HeaderValue, header},
    response::AppendHeaders,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api_error::ApiError;

/// Most items of one page.
pub(crate) const PAGE_MAX: u32 = 200;
/// Items of a page if the request does not say.
const PAGE_DEFAULT: u32 = 50;

/// The Link header.
pub(crate) type LinkHeader = AppendHeaders<[(header::HeaderName, HeaderValue); 1]>;

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

    /// The same, of a list whose items are named by a `T`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if it is no cursor of such a list.
    pub(crate) fn after_a<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        let text = self.after()?;
        text.map(|text| text.parse().map_err(|_source| bad_cursor())).transpose()
    }
}

/// A page of a list that is in memory: what is on it, and the cursor of the next one.
///
/// * `rest` — the items behind the cursor, in the list's order; one more than a page holds is looked at.
/// * `name` — what tells an item's place from every other's, now and later.
pub(crate) fn page_of<T>(
    rest: impl Iterator<Item = T>,
    limit: u32,
    name: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut items: Vec<T> = rest.take(wanted.saturating_add(1)).collect();
    let more = items.len() > wanted;
    items.truncate(wanted);
    let next = items.last().filter(|_| more).map(|last| cursor_from_text(&name(last)));
    (items, next)
}

/// Where a list that is ordered by name goes on: behind an item, or at its beginning.
pub(crate) fn behind<T>(item: Option<T>) -> Bound<T> {
    item.map_or(Bound::Unbounded, Bound::Excluded)
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
pub(crate) fn link_to_next(path: &str, next: Option<&str>, limit: u32) -> Option<LinkHeader> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let link = format!("<{path}{joint}cursor={}&limit={limit}>; rel=\"next\"", next?);
    // Names and base64 are visible ASCII; a link that is not is left out, `next` is in the body.
    Some(AppendHeaders([(header::LINK, HeaderValue::from_str(&link).ok()?)]))
}

/// Percent-encodes all but unreserved characters and the slash (RFC 3986 §3.4).
pub(crate) fn query_text(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
