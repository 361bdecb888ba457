//! A buyer's balance.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::problem::Problem;
use crate::{ApiState, amount};

/// What a buyer has left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BalanceView {
    /// The key's public name.
    key_id: String,
    /// What the buyer is called.
    buyer: String,
    /// Money not yet spent, in 10⁻⁴ of the currency's unit.
    balance: String,
    /// The currency.
    currency: Option<String>,
    /// Paid calls, by model.
    calls: Vec<CallsLeft>,
}

/// Paid calls of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallsLeft {
    /// The model.
    model: String,
    /// How many calls are left.
    left: String,
}

/// My balance
#[utoipa::path(get, path = "/v1/balance", tag = "market", security(("api_key" = [])),
    responses((status = 200, body = BalanceView), (status = 401, body = Problem)))]
pub(crate) async fn balance(
    State(state): State<ApiState>,
    Buyer { key_id }: Buyer,
) -> Result<Json<BalanceView>, ApiError> {
    let now_ms = state.now_ms();
    let store = state.store();
    let view = store.view(|state| {
        let key = state.key(&key_id)?;
        let bought = state.models().keys().filter(|model| !key.lots(model).is_empty());
        let calls = bought.map(|model| CallsLeft {
            model: model.to_string(),
            left: amount::text(state.calls_left(&key_id, model, now_ms)),
        });
        Some(BalanceView {
            key_id: key_id.to_string(),
            buyer: store.reveal(key.buyer()).unwrap_or_default(),
            balance: amount::text(state.buyer_balance(&key_id)),
            currency: state.genesis().map(|genesis| genesis.currency.to_string()),
            calls: calls.collect(),
        })
    });
    view.map(Json).ok_or_else(|| ApiError::not_found("key", key_id))
}
