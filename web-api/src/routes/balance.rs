//! A buyer's balance.

use axum::{Json, extract::State};
use data_dao_journal::{Lot, Scope, State as Ledger};
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
    /// Money that is owed since a payment was taken back, in 10⁻⁴ of the currency's unit: nothing is sold before it is paid, and
    /// what is paid in pays it first.
    owed: String,
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
    /// The purchases that have calls left, oldest first: calls are taken from the first.
    lots: Vec<LotView>,
}

/// A purchase that has calls left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LotView {
    /// Which purchase of this model, counted from 0: calls are given back by it.
    lot: u32,
    /// How many calls are left of it.
    left: String,
    /// What each cost, in 10⁻⁴ of the currency's unit.
    price: String,
    /// When a month ends, in milliseconds since 1970; null: calls bought singly, which do not end.
    ends_at_ms: Option<u64>,
    /// The entry that booked it.
    ledger_index: u64,
}

/// My balance
#[utoipa::path(get, path = "/v1/balance", tag = "market", security(("api_key" = [])),
    responses((status = 200, body = BalanceView), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn balance(
    State(state): State<ApiState>,
    buyer: Buyer,
) -> Result<Json<BalanceView>, ApiError> {
    buyer.needs(&state, Scope::Usage)?;
    let key_id = buyer.key_id;
    let now_ms = state.now_ms();
    let store = state.store();
    let view = store.view(|state| {
        let key = state.key(&key_id)?;
        let account = state.key(state.account_of(&key_id))?;
        let bought = state.models().keys().filter(|model| !account.lots(model).is_empty());
        let calls = bought.map(|model| CallsLeft {
            model: model.to_string(),
            left: amount::text(state.calls_left(&key_id, model, now_ms)),
            lots: lots(state, account.lots(model), now_ms),
        });
        Some(BalanceView {
            key_id: key_id.to_string(),
            buyer: store.reveal(key.buyer()).unwrap_or_default(),
            balance: amount::text(state.buyer_balance(&key_id)),
            owed: amount::text(state.debt(&key_id)),
            currency: state.genesis().map(|genesis| genesis.currency.to_string()),
            calls: calls.collect(),
        })
    });
    view.map(Json).ok_or_else(|| ApiError::not_found("key", key_id))
}

fn lots(ledger: &Ledger, lots: &[Lot], now_ms: u64) -> Vec<LotView> {
    let view = |lot: &Lot| {
        let left = ledger.calls_of(lot, now_ms);
        (left > 0).then(|| LotView {
            lot: lot.purchase.lot,
            left: amount::text(left),
            price: amount::text(lot.purchase.price),
            ends_at_ms: lot.ends_at_ms,
            ledger_index: lot.index,
        })
    };
    lots.iter().filter_map(view).collect()
}
