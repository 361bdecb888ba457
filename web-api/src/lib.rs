//! Routers of the REST interface.
//!
//! ```text
//!  request ─ request id ─ trace ─ panic, time and body limits ─► route ─► Store::view / append
//!                                                                  │
//!        problem+json (RFC 9457) or the Open Inference Protocol's {"error"} ◄─ ApiError
//! ```
//! A route reads the published state, or appends entries to the log and answers with what they did;
//! it decides nothing that the journal decides. The clock, the store and the models are put in by
//! whoever starts the process.

mod amount;
mod api_error;
mod appender;
mod auth;
mod batcher;
mod call_name;
mod chart;
mod courses;
mod cursor;
mod dashboard;
mod extract;
mod http_policy;
mod http_signature;
mod idempotency;
mod inference;
mod judge;
mod licence;
mod metrics;
mod model_card;
mod model_files;
mod model_signer;
mod oip_error;
mod openapi;
mod problem;
mod rate_limit;
mod refusal;
mod request_id;
mod router;
mod routes;
mod server;
mod shelf;
mod shelved_model;
mod standstill;
mod state;
mod tls;
mod validator;

pub use auth::{ApiKeySecret, secret_hash};
pub use batcher::QUEUE_MAX;
pub use chart::{CHART_STYLE, Chart, Curve};
pub use http_policy::{HttpPolicy, Network, NetworkError, Quota, WebhookSecret};
pub use inference::{EXPLAINED_ROWS_MAX, INFERENCES_MAX, RESERVATION_MS, ROWS_MAX};
pub use judge::{Judge, JudgeError};
pub use model_signer::{ModelSigner, ModelSignerError};
pub use router::{BODY_BYTES_MAX, INFER_BODY_BYTES_MAX, REQUEST_SECONDS_MAX, openapi, router};
pub use server::{ConnectionLimits, serve};
pub use shelf::{ModelShelf, ModelSource, SHELF_BYTES_MAX, ShelfError, ShelfFigures};
pub use shelved_model::ShelvedModel;
pub use standstill::Standstill;
pub use state::{ApiParts, ApiState, Clock};
pub use tls::{Tls, TlsError};
