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
mod auth;
mod chart;
mod cursor;
mod dashboard;
mod extract;
mod idempotency;
mod inference;
mod oip_error;
mod openapi;
mod problem;
mod refusal;
mod request_id;
mod router;
mod routes;
mod shelf;
mod state;

pub use auth::{ApiKeySecret, secret_hash};
pub use chart::{CHART_STYLE, Chart, Curve};
pub use inference::{INFERENCES_MAX, RESERVATION_MS, ROWS_MAX};
pub use router::{BODY_BYTES_MAX, INFER_BODY_BYTES_MAX, REQUEST_SECONDS_MAX, openapi, router};
pub use shelf::{MODELS_MAX, ModelShelf, ShelfError, ShelvedModel};
pub use state::{ApiParts, ApiState, Clock};
