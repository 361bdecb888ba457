//! Predictions, one paid call each.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tensor::{InputTensor, LABEL, OutputTensor, PROBABILITIES, TensorData, rows};
use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::extract::{JsonBody, PathPart};
use crate::inference::{ServedModel, SoldPrediction, sell};
use crate::oip_error::{OipError, OipErrorBody};

/// The header that names the receipt of a prediction.
const RECEIPT_HEADER: HeaderName = HeaderName::from_static("sahakar-receipt");

/// What a model is asked.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InferRequest {
    /// The client's own name of the request; comes back.
    id: Option<String>,
    /// The one tensor `input`.
    inputs: Vec<InputTensor>,
    /// Which outputs are wanted; all if absent or empty.
    #[serde(default)]
    outputs: Vec<WantedOutput>,
}

/// An output that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WantedOutput {
    /// `probabilities` or `label`.
    name: String,
}

/// What a model answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InferResponse {
    /// The model.
    model_name: String,
    /// Its version.
    model_version: String,
    /// The request's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Where the receipt is.
    parameters: InferParameters,
    /// The outputs.
    outputs: Vec<OutputTensor>,
}

/// What comes beside the outputs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InferParameters {
    /// The prediction's id: its receipt is at `/v1/receipts/{id}`.
    receipt: String,
}

type Answer = ([(HeaderName, HeaderValue); 1], Json<InferResponse>);

/// Predict with the newest version
///
/// Costs one paid call, whatever the number of rows (at most 1024).
#[utoipa::path(post, path = "/v2/models/{name}/infer", tag = "inference",
    params(("name" = String, Path, description = "The model's name")),
    request_body = InferRequest, security(("api_key" = [])),
    responses(
        (status = 200, body = InferResponse,
            headers(("Sahakar-Receipt" = String, description = "Path of the receipt"))),
        (status = 400, body = OipErrorBody), (status = 401, body = OipErrorBody),
        (status = 402, body = OipErrorBody, description = "No paid calls are left"),
        (status = 404, body = OipErrorBody), (status = 409, body = OipErrorBody),
        (status = 413, body = OipErrorBody), (status = 415, body = OipErrorBody),
        (status = 422, body = OipErrorBody), (status = 503, body = OipErrorBody)))]
pub(crate) async fn infer(
    State(state): State<ApiState>,
    PathPart(name): PathPart<String>,
    buyer: Result<Buyer, ApiError>,
    request: Result<JsonBody<InferRequest>, ApiError>,
) -> Result<Answer, OipError> {
    let (buyer, JsonBody(request)) = (buyer?, request?);
    Ok(answer(&state, &buyer, (&name, None), request).await?)
}

/// Predict with a version
///
/// Costs one paid call, whatever the number of rows (at most 1024).
#[utoipa::path(post, path = "/v2/models/{name}/versions/{version}/infer", tag = "inference",
    params(("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version")),
    request_body = InferRequest, security(("api_key" = [])),
    responses(
        (status = 200, body = InferResponse,
            headers(("Sahakar-Receipt" = String, description = "Path of the receipt"))),
        (status = 400, body = OipErrorBody), (status = 401, body = OipErrorBody),
        (status = 402, body = OipErrorBody, description = "No paid calls are left"),
        (status = 404, body = OipErrorBody), (status = 409, body = OipErrorBody),
        (status = 413, body = OipErrorBody), (status = 415, body = OipErrorBody),
        (status = 422, body = OipErrorBody), (status = 503, body = OipErrorBody)))]
pub(crate) async fn infer_version(
    State(state): State<ApiState>,
    PathPart((name, version)): PathPart<(String, String)>,
    buyer: Result<Buyer, ApiError>,
    request: Result<JsonBody<InferRequest>, ApiError>,
) -> Result<Answer, OipError> {
    let (buyer, JsonBody(request)) = (buyer?, request?);
    Ok(answer(&state, &buyer, (&name, Some(&version)), request).await?)
}

async fn answer(
    state: &ApiState,
    buyer: &Buyer,
    (name, version): (&str, Option<&str>),
    request: InferRequest,
) -> Result<Answer, ApiError> {
    let served = ServedModel::find(state, name, version)?;
    let values = rows(&request.inputs, served.model.architecture().inputs())?;
    let wanted = wanted_outputs(&request.outputs)?;
    let sold = sell(state, &buyer.key_id, &served, &values).await?;
    let receipt = sold.id.to_string();
    let path = HeaderValue::from_str(&format!("/v1/receipts/{receipt}"));
    let header = (RECEIPT_HEADER, path.expect("hexadecimal is ASCII"));
    let outputs = wanted.into_iter().map(|name| output(name, &served, &sold)).collect();
    let response = InferResponse {
        model_name: served.name.to_string(),
        model_version: served.version.to_string(),
        id: request.id,
        parameters: InferParameters { receipt },
        outputs,
    };
    Ok(([header], Json(response)))
}

fn wanted_outputs(wanted: &[WantedOutput]) -> Result<Vec<&'static str>, ApiError> {
    let known = [PROBABILITIES, LABEL];
    if wanted.is_empty() {
        return Ok(known.to_vec());
    }
    if wanted.len() > known.len() {
        return Err(ApiError::Malformed(format!(
            "at most {} outputs can be asked for",
            known.len()
        )));
    }
    let find = |output: &WantedOutput| {
        let found = known.into_iter().find(|name| *name == output.name);
        found.ok_or_else(|| ApiError::Malformed(format!("there is no output {:?}", output.name)))
    };
    wanted.iter().map(find).collect()
}

fn output(name: &'static str, served: &ServedModel, sold: &SoldPrediction) -> OutputTensor {
    let predictions = &sold.predictions;
    let rows = predictions.count();
    if name == LABEL {
        let classes = served.model.schema().classes();
        let labels = predictions.labels().map(|label| classes[label].clone()).collect();
        let data = TensorData::Texts(labels);
        OutputTensor { name, shape: vec![rows], datatype: "BYTES", data }
    } else {
        let data = TensorData::Numbers(predictions.probabilities().to_vec());
        let shape = vec![rows, predictions.classes()];
        OutputTensor { name, shape, datatype: "FP32", data }
    }
}
