//! A model's files: card, parameters, and the signature over them.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use data_dao_journal::{Refusal, Scope};
use serde::Deserialize;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::extract::{PathPart, QueryPart};
use crate::inference::ServedModel;
use crate::licence::AgreedLicence;
use crate::model_files::{CARD, MODEL_FILES, ModelFiles, SIGNATURE};
use crate::problem::Problem;
use crate::validator;

/// What is agreed to with a download.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Agreement {
    /// SHA-256 of the licence's text that was agreed to, in hexadecimal: the file is refused if the version's licence names another
    /// text.
    licence_sha256: Option<String>,
}

/// A file of a model
///
/// `README.md` (the card) and `model.sig` (the signature over the other files, OpenSSF Model Signing) are public;
/// `model.safetensors` and `model.onnx` are for those who bought a licence of the version (the plan `download`).
#[utoipa::path(get, path = "/v1/models/{name}/versions/{version}/files/{file}", tag = "market",
    params(("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version"),
        ("file" = String, Path, description = "Which file"), Agreement),
    security((), ("api_key" = [])),
    responses((status = 200, content(
                (Vec<u8> = "application/octet-stream"),
                (String = "text/markdown; charset=utf-8"),
                (String = "application/vnd.dev.sigstore.bundle.v0.3+json")),
            headers(("ETag" = String, description = "Its SHA-256"))),
        (status = 304, description = "The client has it"), (status = 401, body = Problem),
        (status = 402, body = Problem, description = "No licence was bought, or its payment was taken back"),
        (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 422, body = Problem, description = "The version's licence is another text"),
        (status = 503, body = Problem)))]
pub(crate) async fn file(
    State(state): State<ApiState>,
    PathPart((name, version, file)): PathPart<(String, String, String)>,
    buyer: Result<Buyer, ApiError>,
    QueryPart(agreement): QueryPart<Agreement>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let kind = content_type(&file).ok_or_else(|| ApiError::not_found("file", &file))?;
    let served = ServedModel::find(&state, &name, Some(&version)).await?;
    if MODEL_FILES.contains(&file.as_str()) {
        check_may_download(&state, &buyer?, &served)?;
        let agreed = AgreedLicence::new(None, agreement.licence_sha256.as_deref())?;
        let model = &served.name;
        state.store().view(|ledger| {
            agreed.check(ledger.model(model).and_then(|model| model.licence(served.version)))
        })?;
    }
    let files = ModelFiles::of(&state, &served).await?;
    let (bytes, etag) = if file == SIGNATURE {
        (files.signature(&state)?.into_bytes(), None)
    } else {
        let (bytes, digest) =
            files.file(&file).ok_or_else(|| ApiError::not_found("file", &file))?;
        (bytes.to_vec(), Some(format!("\"{}\"", hex::encode(digest))))
    };
    let mut response_headers = HeaderMap::new();
    response_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(etag) = etag {
        let known = headers.get(header::IF_NONE_MATCH);
        let same = known.is_some_and(|known| validator::names(known, &etag));
        let etag = HeaderValue::from_str(&etag).expect("hexadecimal is ASCII");
        response_headers.insert(header::ETAG, etag);
        let cached = HeaderValue::from_static("private, max-age=31536000, immutable");
        response_headers.insert(header::CACHE_CONTROL, cached);
        if same {
            return Ok((StatusCode::NOT_MODIFIED, response_headers).into_response());
        }
    }
    Ok((response_headers, bytes).into_response())
}

/// The public key of the models' signatures
///
/// ECDSA P-256 as PEM. Get it from somebody you trust: it proves nothing where the files themselves come from.
#[utoipa::path(get, path = "/v1/model-signing-key", tag = "market",
    responses((status = 200, content_type = "application/x-pem-file", body = String),
        (status = 404, body = Problem, description = "This node signs no models")))]
pub(crate) async fn signing_key(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let signer = state.model_signer().ok_or_else(|| ApiError::not_found("key", "for models"))?;
    let kind = [(header::CONTENT_TYPE, "application/x-pem-file")];
    Ok((kind, signer.public_key_pem().to_owned()).into_response())
}

fn content_type(file: &str) -> Option<&'static str> {
    match file {
        CARD => Some("text/markdown; charset=utf-8"),
        SIGNATURE => Some("application/vnd.dev.sigstore.bundle.v0.3+json"),
        file => MODEL_FILES.contains(&file).then_some("application/octet-stream"),
    }
}

/// Refuses who has no licence of this version, or a key that may not download.
fn check_may_download(
    state: &ApiState,
    buyer: &Buyer,
    served: &ServedModel,
) -> Result<(), ApiError> {
    buyer.needs(state, Scope::Download)?;
    let (model, version) = (&served.name, served.version);
    let (licensed, owed) = state.store().view(|state| {
        (state.is_licensed(&buyer.key_id, model, version), state.debt(&buyer.key_id))
    });
    if owed > 0 {
        let key_id = buyer.key_id.to_string();
        return Err(ApiError::Refused(Box::new(Refusal::InDebt { key_id, owed })));
    }
    if licensed { Ok(()) } else { Err(ApiError::NoLicence { model: model.to_string(), version }) }
}
