//! The one error of all routes.

use std::{error::Error, fmt::Write as _};

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use data_dao_journal::Refusal;
use data_dao_store::{AppendError, StoreError, TilesError};
use tracing::{error, warn};

use crate::problem::{Problem, ProblemKind};
use crate::refusal::problem_from_refusal;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No credentials, or wrong ones.
    #[error("{0}")]
    Unauthorized(String),
    /// Good credentials that do not reach so far.
    #[error("{0}")]
    Forbidden(String),
    /// More requests than one may send.
    #[error(
        "the limit {policy:?} of {quota} requests in {window_s} s is used up; wait {retry_s} s"
    )]
    TooManyRequests {
        /// Which limit.
        policy: &'static str,
        /// How many requests it lets through.
        quota: u32,
        /// In how many seconds.
        window_s: u32,
        /// When to try again, in seconds.
        retry_s: u64,
    },
    /// The same request came before, and is not done yet.
    #[error("the first request with this Idempotency-Key is not done yet")]
    IdempotencyInProgress,
    /// The price of the moment is above what the buyer said.
    #[error("the price is {price}, you would pay {maximum}")]
    PriceAboveMaximum {
        /// The price.
        price: u128,
        /// What the buyer would pay.
        maximum: u128,
    },
    /// Nothing is there.
    #[error("there is no {what} {id}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// No route has this path.
    #[error("nothing is served at this path; see /openapi.json")]
    NoRoute,
    /// The path has no such method.
    #[error("the path is served, but not with this method; see the Allow header")]
    MethodNotAllowed,
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The request can be read, but a field is not what it has to be.
    #[error("{0}")]
    Invalid(String),
    /// The body is not JSON.
    #[error("send the body as application/json")]
    UnsupportedMediaType,
    /// The body is compressed in an unknown way.
    #[error("send the body as it is, or with Content-Encoding gzip or deflate")]
    UnsupportedEncoding,
    /// The body is longer than the route takes.
    #[error("the body is longer than this route takes")]
    TooLarge,
    /// The route needs an Idempotency-Key.
    #[error("send an Idempotency-Key header of 1 to 200 visible ASCII characters")]
    IdempotencyKeyMissing,
    /// The key was used for another request.
    #[error("the Idempotency-Key was used for another request (entry {index})")]
    IdempotencyKeyReused {
        /// The entry that booked the other request.
        index: u64,
    },
    /// The journal refused.
    #[error("{}", chain(.0))]
    Refused(Box<Refusal>),
    /// A model's parameters are for those who bought a licence.
    #[error(
        "buy the plan `download` of version {version} of {model}: its parameters are for those who did"
    )]
    NoLicence {
        /// The model.
        model: String,
        /// Its version.
        version: u32,
    },
    /// Somebody else was faster, several times.
    #[error("other requests with this key were faster; send it again")]
    Contention,
    /// The model's file is not here.
    #[error("version {version} of {model} is not loaded on this node")]
    ModelNotLoaded {
        /// The model.
        model: String,
        /// Which version.
        version: u32,
    },
    /// The node cannot serve now, and can in a moment.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The node cannot serve this as it is set up, whenever one asks.
    #[error("{0}")]
    NotEquipped(&'static str),
    /// The request took too long.
    #[error("the request took longer than {seconds} seconds")]
    TimedOut {
        /// The bound.
        seconds: u64,
    },
    /// A bug, logged where it was caught.
    #[error("the node failed; its log says why")]
    Panicked,
    /// A bug or a failing disk: the cause is logged and not told.
    #[error("the node failed; its log says why")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl ApiError {
    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    pub(crate) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(cause))
    }

    /// The error with what a body names missing made the body's fault.
    pub(crate) fn of_the_body(self) -> Self {
        match self {
            Self::Refused(refusal) if matches!(*refusal, Refusal::Unknown { .. }) => {
                Self::Invalid(refusal.to_string())
            }
            error => error,
        }
    }

    pub(crate) fn kind(&self) -> ProblemKind {
        let slug = match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound { .. } => "not-found",
            Self::NoRoute => "no-route",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Malformed(_) => "malformed",
            Self::Invalid(_) => "invalid",
            Self::UnsupportedMediaType => "media-type",
            Self::UnsupportedEncoding => "content-encoding",
            Self::NoLicence { .. } => "no-licence",
            Self::TooLarge => "too-large",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::IdempotencyKeyMissing => "idempotency-key-missing",
            Self::IdempotencyKeyReused { .. } => "idempotency-key-reused",
            Self::IdempotencyInProgress => "idempotency-in-progress",
            Self::PriceAboveMaximum { .. } => "price-above-maximum",
            Self::Refused(refusal) => return problem_from_refusal(refusal),
            Self::Contention => "contention",
            Self::ModelNotLoaded { .. } => "model-not-loaded",
            Self::Unavailable(_) | Self::NotEquipped(_) => "unavailable",
            Self::TimedOut { .. } => "timed-out",
            Self::Panicked | Self::Internal(_) => "internal",
        };
        ProblemKind::of(slug)
    }

    /// Adds what a client has to know beside the body, which has another form in each protocol: what to come with, and when.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
            }
            Self::TooManyRequests { retry_s, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_s));
            }
            Self::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(UNAVAILABLE_RETRY_S));
            }
            _ => {}
        }
    }

    /// Logs what only the operator may know. Errors are handled where they become responses.
    pub(crate) fn log(&self) {
        if let Self::Internal(cause) = self {
            error!(cause = %chain(cause.as_ref()), "a request failed");
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("a String takes all");
        cause = error.source();
    }
    text
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<TilesError> for ApiError {
    fn from(error: TilesError) -> Self {
        Self::internal(error)
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused { refusal, .. } => Self::Refused(Box::new(refusal)),
            error @ AppendError::Unavailable(_) => {
                warn!(cause = %chain(&error), "nothing was appended");
                Self::Unavailable("the ledger cannot be reached; nothing was booked, try again")
            }
            error @ AppendError::ClockAhead { .. } => {
                warn!(cause = %chain(&error), "nothing was appended");
                Self::Unavailable(
                    "the node's clock may be wrong; nothing was booked, tell its operator",
                )
            }
            error => Self::internal(error),
        }
    }
}

/// When to try again what cannot be served now, in seconds: the shortest that the header can say. A queue is empty again within a
/// tenth of it.
const UNAVAILABLE_RETRY_S: u64 = 1;

/// What a client without valid credentials is asked for (RFC 6750 §3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"sahakar\"");

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let mut response = Problem::response(self.kind(), self.to_string());
        self.write_headers(response.headers_mut());
        response
    }
}
