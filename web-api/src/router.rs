//! All routes behind their layers.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use tower::{ServiceBuilder, util::option_layer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{self, AllowOrigin, CorsLayer},
    request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, error, field::Empty, info_span};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::api_error::ApiError;
use crate::call_name::named;
use crate::http_signature::signed;
use crate::metrics::counted;
use crate::oip_error::in_the_protocols_form;
use crate::openapi::{Frame, complete};
use crate::rate_limit::limited;
use crate::request_id::RandomRequestId;
use crate::validator::validated;
use crate::{ApiState, dashboard, routes};

/// Longest body of a request; the longest proposal fits several times.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest body of a prediction: 1024 rows of 200 numbers with 16 digits fit.
pub const INFER_BODY_BYTES_MAX: usize = 4 << 20;
/// How long a request may take, its body included.
pub const REQUEST_SECONDS_MAX: u64 = 30;

/// How long a browser may remember what it may ask, in seconds.
const CORS_SECONDS: u64 = 600;

/// The REST interface over `state`.
pub fn router(state: ApiState) -> Router {
    let (routes, _) = described().split_for_parts();
    let cors = cors(&state.policy().cors_origins);
    // One stack, and not a layer for each: `Router::layer` puts every layer of every route into a box of its own, and each
    // request would clone the boxes below each layer. The first is the outermost.
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(RandomRequestId))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(option_layer(cors))
        .layer(middleware::from_fn_with_state(state.clone(), counted))
        .layer(middleware::map_response(hardened))
        .layer(middleware::from_fn(in_the_protocols_form))
        .layer(CatchPanicLayer::custom(response_from_panic))
        .layer(middleware::from_fn_with_state(state.clone(), limited))
        .layer(middleware::from_fn_with_state(state.clone(), within_time))
        .layer(middleware::from_fn_with_state(state.clone(), signed))
        .layer(middleware::from_fn(named))
        .layer(middleware::from_fn(validated))
        // Routes with a limit of their own keep it.
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    routes
        .merge(dashboard::routes())
        .fallback(dashboard::nowhere)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(state)
        .layer(layers)
}

/// Which pages of other sites may read answers. Credentials travel in headers that a page has to set itself: there are no
/// cookies, so that `*` gives nobody anything that it could not ask for without a browser.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(cors::Any)
    } else {
        let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
        AllowOrigin::list(origins)
    };
    let layer = CorsLayer::new().allow_origin(allowed).allow_methods(cors::Any).allow_headers([
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("x-request-id"),
    ]);
    let exposed = ["link", "ratelimit", "ratelimit-policy", "retry-after", "sahakar-receipt"];
    let exposed: Vec<_> = exposed.into_iter().map(HeaderName::from_static).collect();
    let layer = layer.expose_headers(exposed).max_age(Duration::from_secs(CORS_SECONDS));
    (!origins.is_empty()).then_some(layer)
}

/// The description of the REST interface.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut description = described().into_openapi();
    complete(&mut description);
    description
}

fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Frame::openapi()).merge(routes::all())
}

async fn within_time(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let limit = state.policy().request_time;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut { seconds: limit.as_secs() }.into_response(),
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

/// Method, path and id of a request, and the caller's trace; never its query, other headers or body.
fn span(request: &axum::http::Request<axum::body::Body>) -> Span {
    let id = request.extensions().get::<RequestId>();
    let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    info_span!(
        "request",
        trace.parent = parent,
        request.id = id,
        http.request.method = %request.method(),
        http.route = Empty,
        http.response.status_code = Empty,
        path = request.uri().path(),
    )
}
