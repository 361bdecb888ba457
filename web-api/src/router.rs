//! All routes behind their layers.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, error, info_span};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::api_error::ApiError;
use crate::openapi::Frame;
use crate::request_id::RandomRequestId;
use crate::{ApiState, dashboard, routes};

/// Longest body of a request; the longest proposal fits several times.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest body of a prediction: 1024 rows of 200 numbers with 16 digits fit.
pub const INFER_BODY_BYTES_MAX: usize = 4 << 20;
/// How long a request may take, its body included.
pub const REQUEST_SECONDS_MAX: u64 = 30;

/// The REST interface over `state`.
pub fn router(state: ApiState) -> Router {
    let (routes, _) = described().split_for_parts();
    routes
        .merge(dashboard::routes())
        .fallback(dashboard::nowhere)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(state)
        // The first layer is the innermost. Routes with a limit of their own keep it.
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(within_time))
        .layer(CatchPanicLayer::custom(response_from_panic))
        .layer(middleware::map_response(hardened))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(RandomRequestId))
}

/// The description of the REST interface.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Frame::openapi()).merge(routes::all())
}

async fn within_time(request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(REQUEST_SECONDS_MAX);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut { seconds: REQUEST_SECONDS_MAX }.into_response(),
    }
}

fn response_from_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    error!(panic = text.as_deref().unwrap_or("no text"), "a request panicked: this is a bug");
    ApiError::Panicked.into_response()
}

/// Browsers must not guess types.
async fn hardened(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Method, path and id of a request; never its query, headers or body.
fn span(request: &axum::http::Request<axum::body::Body>) -> Span {
    let id = request.extensions().get::<RequestId>();
    let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    info_span!("request", request.id = id, method = %request.method(), path = request.uri().path())
}
