//! Predictions, one paid call each.

use axum::{
    body::Bytes,
    extract::{FromRequest as _, Request, State},
    http::{HeaderName, HeaderValue},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, Body, Coding};
use super::outputs::{Output, OutputTensor, WantedOutput, explanation};
use super::parameters::RequestParameters;
use super::tensor::{InputTensor, rows};
use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::extract::PathPart;
use crate::inference::{Explain, ServedModel, sell};
use crate::oip_error::{OipError, OipErrorBody};

/// The header that names the receipt of a prediction.
const RECEIPT_HEADER: HeaderName = HeaderName::from_static("sahakar-receipt");

/// What a model is asked.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InferRequest {
    /// The client's own name of the request; comes back.
    id: Option<String>,
    /// How the response is wanted.
    #[serde(default)]
    parameters: RequestParameters,
    /// The tensor `input`, or one for each feature.
    inputs: Vec<InputTensor>,
    /// Which outputs are wanted; all if absent or empty.
    #[serde(default)]
    outputs: Vec<WantedOutput>,
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

/// Predict with the newest version
///
/// Costs one paid call, whatever the number of rows (at most 1024). With the parameter `explain` the response says what
/// each input added to the probability of the predicted class, from what baseline, and what gap is left. Bodies may be compressed (gzip, deflate), and
/// tensors binary: the extension of the protocol with `Inference-Header-Content-Length`.
#[utoipa::path(post, path = "/v2/models/{name}/infer", tag = "inference",
    params(("name" = String, Path, description = "The model's name")),
    request_body = InferRequest, security(("api_key" = [])),
    responses(
        (status = 200, content((InferResponse = "application/json"),
            (Vec<u8> = "application/octet-stream")),
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
    request: Request,
) -> Result<Response, OipError> {
    Ok(answer(&state, &buyer?, (&name, None), request).await?)
}

/// Predict with a version
///
/// As `/v2/models/{name}/infer`.
#[utoipa::path(post, path = "/v2/models/{name}/versions/{version}/infer", tag = "inference",
    params(("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version")),
    request_body = InferRequest, security(("api_key" = [])),
    responses(
        (status = 200, content((InferResponse = "application/json"),
            (Vec<u8> = "application/octet-stream")),
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
    request: Request,
) -> Result<Response, OipError> {
    Ok(answer(&state, &buyer?, (&name, Some(&version)), request).await?)
}

/// Everything that can be refused is refused before the call is paid.
async fn answer(
    state: &ApiState,
    buyer: &Buyer,
    (name, version): (&str, Option<&str>),
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let (headers, request) = (parts.headers, Request::new(body));
    // The only way to fail is a body that is too long, or breaks off.
    let bytes = Bytes::from_request(request, &()).await.map_err(|_source| ApiError::TooLarge)?;
    let body = Body::read(&headers, bytes).await?;
    let request: InferRequest = body.json()?;
    let served = ServedModel::find(state, name, version).await?;
    let values = rows(&request.inputs, &served.model, body.binary())?;
    let wanted = Output::wanted(&request.outputs, &request.parameters)?;
    let explain = if request.parameters.explain { Explain::Yes } else { Explain::No };
    let sold = sell(state, &buyer.key_id, &served, &values, explain).await?;
    let receipt = sold.id.to_string();
    let path = HeaderValue::from_str(&format!("/v1/receipts/{receipt}"));
    let header = (RECEIPT_HEADER, path.expect("hexadecimal is ASCII"));
    let mut binary = Vec::new();
    let tensor = |output: Output| output.tensor(&served, &sold, &mut binary);
    let mut outputs: Vec<_> = wanted.into_iter().map(tensor).collect();
    outputs.extend(explanation(&sold, &request.parameters, &mut binary));
    let response = InferResponse {
        outputs,
        model_name: served.name.to_string(),
        model_version: served.version.to_string(),
        id: request.id,
        parameters: InferParameters { receipt },
    };
    body::response(&response, &binary, Coding::of_response(&headers), [header])
}
