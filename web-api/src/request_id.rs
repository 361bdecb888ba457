//! A random id for each request, in `x-request-id` and in the log.

use axum::http::{HeaderValue, Request};
use rand::Rng as _;
use tower_http::request_id::{MakeRequestId, RequestId};

/// Draws request ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RandomRequestId;

impl MakeRequestId for RandomRequestId {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        let mut bytes = [0; 8];
        rand::rng().fill_bytes(&mut bytes);
        let value = HeaderValue::from_str(&hex::encode(bytes)).expect("hexadecimal is ASCII");
        Some(RequestId::new(value))
    }
}
