//! The ledger as a whole.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::text;

/// The ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerView {
    /// The log's name.
    origin: String,
    /// The key that signs checkpoints, as C2SP signed-note spells it.
    vkey: String,
    /// How many entries.
    size: u64,
    /// The root over them, in hexadecimal.
    root: String,
    /// The signed checkpoint (C2SP tlog-checkpoint).
    checkpoint: String,
    /// The newest checkpoint that enough witnesses have cosigned, if the node asks any.
    cosigned: Option<String>,
    /// The DAO's id: the leaf hash of its first entry.
    dao: Option<String>,
    /// The DAO's name.
    dao_name: Option<String>,
    /// The currency of all prices.
    currency: Option<String>,
    /// Ledger time of the last entry.
    time_ms: u64,
    /// Transfers booked.
    transfers: u64,
    /// Credits paid.
    credits_issued: String,
    /// Predictions made and paid.
    predictions: u64,
    /// Money paid for them, in 10⁻⁴ of the currency's unit.
    revenue: String,
    /// The DAO's own money.
    treasury: String,
}

/// The ledger
#[utoipa::path(get, path = "/v1/ledger", tag = "ledger",
    responses((status = 200, body = LedgerView)))]
pub(crate) async fn show(State(state): State<ApiState>) -> Json<LedgerView> {
    let store = state.store();
    let (checkpoint, root, size) = (store.checkpoint(), store.root(), store.size());
    let cosigned = store.cosigned().map(|cosigned| cosigned.to_string());
    let (origin, vkey) = (store.origin().to_owned(), store.vkey().to_owned());
    Json(store.view(|state| LedgerView {
        origin,
        vkey,
        size,
        root: root.to_string(),
        checkpoint,
        cosigned,
        dao: state.dao_id().map(|id| id.to_string()),
        dao_name: state.genesis().map(|genesis| genesis.dao_name.clone()),
        currency: state.genesis().map(|genesis| genesis.currency.to_string()),
        time_ms: state.time_ms(),
        transfers: state.accounts().transfer_count(),
        credits_issued: text(state.counts().credits_issued),
        predictions: state.counts().predictions,
        revenue: text(state.counts().revenue),
        treasury: text(state.treasury()),
    }))
}
