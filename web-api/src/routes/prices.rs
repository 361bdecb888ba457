//! First prices; later ones are voted.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_governance::text;
use data_dao_journal::{Body, PriceSet};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::Operator;
use crate::extract::JsonBody;
use crate::problem::Problem;
use crate::{ApiState, amount};

/// A model's first price.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceRequest {
    /// The model.
    #[schema(example = "wine")]
    model: String,
    /// Price of one call in 10⁻⁴ of the currency's unit, as decimal text.
    #[serde(with = "text")]
    #[schema(value_type = String, example = "250")]
    price: u128,
}

/// A price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceView {
    /// The model.
    model: String,
    /// Price of one call in 10⁻⁴ of the currency's unit.
    price: String,
    /// The entry that set it.
    ledger_index: u64,
}

/// Set a model's first price
#[utoipa::path(post, path = "/v1/prices", tag = "market",
    request_body = PriceRequest, security(("operator" = [])),
    responses((status = 201, body = PriceView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "The price is set: a vote may change it"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Operator { by }: Operator,
    JsonBody(request): JsonBody<PriceRequest>,
) -> Result<(StatusCode, Json<PriceView>), ApiError> {
    let unknown = |_source| ApiError::not_found("model", &request.model);
    let model = Name::new(request.model.as_str()).map_err(unknown)?;
    let price = request.price;
    let set = PriceSet { model: model.clone(), price };
    let bodies = vec![Body::PriceSet(set)];
    let appended = state.append_act(&by, ("set-price", model.as_str()), bodies).await?;
    info!(model = %model, "set the first price of {model}");
    let (model, price) = (model.to_string(), amount::text(price));
    Ok((StatusCode::CREATED, Json(PriceView { model, price, ledger_index: appended.index })))
}
