//! Proofs that the log was only ever appended to.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::extract::QueryPart;
use crate::problem::Problem;

/// Between which sizes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sizes {
    /// Entries of the earlier log, at least 1.
    #[param(minimum = 1)]
    old: u64,
    /// Entries of the later one, at most as many as there are.
    #[param(minimum = 1)]
    new: u64,
}

/// That the log of `new` entries begins with that of `old` (RFC 9162 §2.1.4).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsistencyView {
    /// Entries of the earlier log.
    old: u64,
    /// Entries of the later one.
    new: u64,
    /// The hashes of the proof, in hexadecimal.
    path: Vec<String>,
}

/// That the log continues an earlier one
///
/// For whoever keeps a checkpoint and holds a later one against it. The proof between two sizes never changes.
#[utoipa::path(get, path = "/v1/ledger/consistency", tag = "ledger", params(Sizes),
    responses((status = 200, body = ConsistencyView), (status = 400, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    QueryPart(Sizes { old, new }): QueryPart<Sizes>,
) -> Result<Json<ConsistencyView>, ApiError> {
    let size = state.store().size();
    if old == 0 || old > new || new > size {
        let told = format!("old is {old} and new is {new}, allowed is 1 ≤ old ≤ new ≤ {size}");
        return Err(ApiError::Invalid(told));
    }
    let proof = state.store().prove_consistency(old, new)?;
    let path = proof.path.iter().map(ToString::to_string).collect();
    Ok(Json(ConsistencyView { old, new, path }))
}
