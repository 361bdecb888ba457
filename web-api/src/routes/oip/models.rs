//! A model's tensors and readiness.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_ledger::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::tensor::{INPUT, LABEL, PROBABILITIES};
use crate::api_error::ApiError;
use crate::extract::PathPart;
use crate::inference::ServedModel;
use crate::oip_error::{OipError, OipErrorBody};
use crate::{ApiState, amount};

/// A model, as the protocol describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelMetadata {
    /// The model's name.
    name: String,
    /// Its versions, oldest first.
    versions: Vec<String>,
    /// What computes it.
    platform: &'static str,
    /// What it takes.
    inputs: Vec<TensorMetadata>,
    /// What it gives.
    outputs: Vec<TensorMetadata>,
}

/// A tensor's name, type and shape.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TensorMetadata {
    /// The tensor's name.
    name: &'static str,
    /// Its type, as the protocol spells it.
    datatype: &'static str,
    /// Its dimensions; -1 is the number of rows.
    #[schema(example = json!([-1, 11]))]
    shape: Vec<i64>,
}

/// Whether a model can be asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelReadiness {
    /// The model's name.
    name: String,
    /// It can be asked.
    ready: bool,
}

/// Model metadata
#[utoipa::path(get, path = "/v2/models/{name}", tag = "inference",
    params(("name" = String, Path, description = "The model's name")),
    responses((status = 200, body = ModelMetadata), (status = 404, body = OipErrorBody),
        (status = 503, body = OipErrorBody, description = "The model is not loaded here")))]
pub(crate) async fn model(
    State(state): State<ApiState>,
    PathPart(name): PathPart<String>,
) -> Result<Json<ModelMetadata>, OipError> {
    Ok(metadata(&state, &name, None).await?)
}

/// Model metadata of a version
#[utoipa::path(get, path = "/v2/models/{name}/versions/{version}", tag = "inference",
    params(("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version")),
    responses((status = 200, body = ModelMetadata), (status = 404, body = OipErrorBody),
        (status = 503, body = OipErrorBody, description = "The model is not loaded here")))]
pub(crate) async fn model_version(
    State(state): State<ApiState>,
    PathPart((name, version)): PathPart<(String, String)>,
) -> Result<Json<ModelMetadata>, OipError> {
    Ok(metadata(&state, &name, Some(&version)).await?)
}

/// Model readiness
#[utoipa::path(get, path = "/v2/models/{name}/ready", tag = "inference",
    params(("name" = String, Path, description = "The model's name")),
    responses((status = 200, body = ModelReadiness), (status = 404, body = OipErrorBody),
        (status = 503, body = ModelReadiness)))]
pub(crate) async fn model_ready(
    State(state): State<ApiState>,
    PathPart(name): PathPart<String>,
) -> Result<(StatusCode, Json<ModelReadiness>), OipError> {
    Ok(readiness(&state, name, None).await?)
}

/// Model readiness of a version
#[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/ready", tag = "inference",
    params(("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version")),
    responses((status = 200, body = ModelReadiness), (status = 404, body = OipErrorBody),
        (status = 503, body = ModelReadiness)))]
pub(crate) async fn model_version_ready(
    State(state): State<ApiState>,
    PathPart((name, version)): PathPart<(String, String)>,
) -> Result<(StatusCode, Json<ModelReadiness>), OipError> {
    Ok(readiness(&state, name, Some(&version)).await?)
}

async fn metadata(
    state: &ApiState,
    name: &str,
    version: Option<&str>,
) -> Result<Json<ModelMetadata>, ApiError> {
    let served = ServedModel::find(state, name, version).await?;
    let dimension = |length: usize| i64::try_from(length).expect("sizes are bounded below 2^32");
    let inputs = dimension(served.model.architecture().inputs());
    let classes = dimension(served.model.architecture().classes());
    let tensor = |name, datatype, shape| TensorMetadata { name, datatype, shape };
    let outputs =
        vec![tensor(PROBABILITIES, "FP32", vec![-1, classes]), tensor(LABEL, "BYTES", vec![-1])];
    Ok(Json(ModelMetadata {
        versions: versions(state, &served.name),
        name: served.name.to_string(),
        platform: "sahakar",
        inputs: vec![tensor(INPUT, "FP32", vec![-1, inputs])],
        outputs,
    }))
}

fn versions(state: &ApiState, name: &Name) -> Vec<String> {
    let count = state.store().view(|state| state.model(name).map_or(0, |m| m.releases().len()));
    (1..=amount::count(count)).map(|version| version.to_string()).collect()
}

async fn readiness(
    state: &ApiState,
    name: String,
    version: Option<&str>,
) -> Result<(StatusCode, Json<ModelReadiness>), ApiError> {
    let (status, ready) = match ServedModel::find(state, &name, version).await {
        Ok(_) => (StatusCode::OK, true),
        Err(ApiError::ModelNotLoaded { .. }) => (StatusCode::SERVICE_UNAVAILABLE, false),
        Err(error) => return Err(error),
    };
    Ok((status, Json(ModelReadiness { name, ready })))
}
