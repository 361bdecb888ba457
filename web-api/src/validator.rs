//! Validators (RFC 9110 §8.8.3): an answer that a client has already is not sent again.
//!
//! ```text
//!  GET ─► route ─► 200 with a body in memory ─► ETag = "SHA-256 of the bytes" ─ If-None-Match has it ─► 304, no body
//! ```
//! The bytes of an answer are its validator, so that whatever cannot change — an entry's leaf, a receipt under one checkpoint, a
//! released model — is asked for once, and what does change is never taken for what it was. Routes that know more about
//! their answer, such as for how long it holds, set a validator of their own, which stays.

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use crate::api_error::ApiError;

/// Longest answer that is held in memory for its digest: the longest page of entries.
const BODY_BYTES_MAX: u64 = 8 << 20;
/// Bytes of the digest that make the validator: 128 bits, so that no two answers share one by chance or design of a client's.
const TAG_BYTES: usize = 16;

/// Whether answers at this path have a validator.
pub(crate) fn is_validated(path: &str) -> bool {
    path.starts_with("/v1/") || path == "/openapi.json"
}

/// The middleware.
pub(crate) async fn validated(request: Request, next: Next) -> Response {
    if request.method() != Method::GET || !is_validated(request.uri().path()) {
        return next.run(request).await;
    }
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let is_short = response.body().size_hint().exact().is_some_and(|size| size <= BODY_BYTES_MAX);
    let is_plain = response.status() == StatusCode::OK
        && !response.headers().contains_key(header::ETAG)
        && response.headers().get(header::CACHE_CONTROL).is_none();
    if !is_short || !is_plain {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX)).await
    else {
        return ApiError::Unavailable("the answer broke off").into_response();
    };
    let digest = Sha256::digest(&bytes);
    let tag = format!("\"{}\"", hex::encode(&digest[..TAG_BYTES]));
    insert(&mut parts.headers, &tag);
    if known.is_some_and(|known| names(&known, &tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn insert(headers: &mut HeaderMap, tag: &str) {
    headers.insert(header::ETAG, HeaderValue::from_str(tag).expect("hexadecimal is ASCII"));
    // To be kept, and asked about each time; by the client alone, as credentials may have shaped it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// Whether `If-None-Match` names the validator (RFC 9110 §13.1.2: by weak comparison).
pub(crate) fn names(known: &HeaderValue, tag: &str) -> bool {
    let Ok(known) = known.to_str() else { return false };
    known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_is_found_in_a_list_weak_or_strong() {
        let names = |known: &str| names(&HeaderValue::from_str(known).unwrap(), "\"ab\"");
        assert!(names("\"ab\"") && names("\"x\", W/\"ab\"") && names("*"));
        assert!(!names("\"abc\"") && !names("ab") && !names(""));
    }
}
