//! Receipts: which model made a prediction, and who earns what from it.

use axum::{Json, extract::State};
use data_dao_journal::{
    Body, Entry, ModelReleased, Predicted, Prediction, PredictionReserved, PredictionResolution,
    ResolvedPrediction, RevenueLine, State as Ledger,
};
use data_dao_ledger::Name;
use data_dao_market::Recipient;
use data_dao_store::Store;
use privacy_identity::Digest;
use serde::Serialize;
use utoipa::ToSchema;

use super::entries::ProofView;
use super::names;
use crate::ApiState;
use crate::amount::{count, share, text};
use crate::api_error::ApiError;
use crate::extract::PathPart;
use crate::licence::LicenceView;
use crate::problem::Problem;

/// The receipt of a prediction.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptView {
    /// The prediction's id.
    id: String,
    /// Ledger time in milliseconds since 1970.
    time_ms: u64,
    #[serde(flatten)]
    sale: SaleView,
    /// Digest of the output.
    output: String,
    /// What was paid, in 10⁻⁴ of the currency's unit.
    price: String,
    /// The entry that says so.
    ledger_index: u64,
    /// The entry's leaf, byte for byte.
    leaf: String,
    /// That the entry is in the log.
    proof: ProofView,
    /// The entries that it rests on, each proven.
    evidence: EvidenceView,
}

/// What a sale rests on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceView {
    /// The reservation: key, version, digest of the input.
    reserved: ProofView,
    /// The release: federation, rounds, and the weights by which the price is split.
    released: ProofView,
}

/// Who bought what from whom.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SaleView {
    /// With which key it was bought.
    key_id: String,
    /// What made it.
    model: LineageView,
    /// Digest of the input.
    input: String,
    /// The currency.
    currency: String,
    /// Who earns how much; the amounts sum to the price.
    lines: Vec<LineView>,
}

/// Where a model comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineageView {
    /// The model's name.
    name: String,
    /// Its version.
    version: u32,
    /// Its digest.
    digest: String,
    /// The federation that trained it.
    federation: String,
    /// In how many rounds.
    rounds: u64,
    /// How many contributors earn from it.
    contributors: u64,
    /// The licence under which it was released; absent if none was named.
    licence: Option<LicenceView>,
    /// Accuracy on the test set, 0 to 1.
    test_accuracy: Option<f64>,
    /// Privacy loss of a contributor's data, over the rounds that made it, at the terms' δ; null: no bound
    /// is guaranteed.
    epsilon: Option<f64>,
}

/// One part of the price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineView {
    /// `treasury` or a member's public key.
    recipient: String,
    /// What the recipient is called.
    label: String,
    /// How much, in 10⁻⁴ of the currency's unit.
    amount: String,
}

/// A receipt
#[utoipa::path(get, path = "/v1/receipts/{id}", tag = "market",
    params(("id" = String, Path, description = "The prediction's id")),
    responses((status = 200, body = ReceiptView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    PathPart(id): PathPart<String>,
) -> Result<Json<ReceiptView>, ApiError> {
    let missing = || ApiError::not_found("receipt", &id);
    let prediction: Digest = id.parse().map_err(|_source| missing())?;
    let made = state.store().view(|state| match state.prediction(&prediction)? {
        Prediction::Resolved(ResolvedPrediction {
            resolution: PredictionResolution::Made,
            reserved,
            index,
            ..
        }) => Some((reserved, index)),
        // What was not made, was not paid: there is nothing to receipt.
        _ => None,
    });
    let (reserved, index) = made.ok_or_else(missing)?;
    let reserved_at = reserved;
    let reserved = state.store().entry(reserved_at).await?.ok_or_else(missing)?;
    let reserved_leaf = reserved.leaf.clone();
    let Body::PredictionReserved(reserved) = &reserved.entry.body else {
        return Err(missing());
    };
    let stored = state.store().entry(index).await?.ok_or_else(missing)?;
    let Entry { time_ms, body: Body::Predicted(predicted) } = &stored.entry else {
        return Err(missing());
    };
    let store = state.store();
    let released_at = store
        .view(|state| state.model(&reserved.model)?.released_at(reserved.version))
        .ok_or_else(missing)?;
    let released = store.entry(released_at).await?.ok_or_else(missing)?;
    let sale = store.view(|ledger| SaleView::new(ledger, store, (reserved, predicted)));
    Ok(Json(ReceiptView {
        id,
        time_ms: *time_ms,
        sale: sale.ok_or_else(|| ApiError::not_found("receipt", prediction))?,
        output: predicted.output.to_string(),
        price: text(predicted.price),
        ledger_index: index,
        leaf: String::from_utf8_lossy(&stored.leaf).into_owned(),
        proof: ProofView::new(&state.store().prove(index)?, &stored.leaf),
        evidence: EvidenceView {
            reserved: ProofView::new(&state.store().prove(reserved_at)?, &reserved_leaf),
            released: ProofView::new(&state.store().prove(released_at)?, &released.leaf),
        },
    }))
}

impl SaleView {
    fn new(
        state: &Ledger,
        store: &Store,
        (reserved, predicted): (&PredictionReserved, &Predicted),
    ) -> Option<Self> {
        let model = LineageView::new(state, reserved)?;
        let federation = Name::new(model.federation.as_str()).ok()?;
        let lines = match predicted.lines.as_slice() {
            // More than an entry carries: they follow from the version's weights.
            [] => {
                let model = (&reserved.model, reserved.version);
                state.prediction_lines(&reserved.prediction, model, predicted.price).ok()?
            }
            lines => lines.to_vec(),
        };
        let line = |line: &RevenueLine| LineView {
            recipient: line.recipient.to_string(),
            label: label((state, store), &federation, &line.recipient),
            amount: text(line.amount),
        };
        Some(Self {
            key_id: reserved.key_id.to_string(),
            input: reserved.input.to_string(),
            currency: state.genesis()?.currency.to_string(),
            lines: lines.iter().map(line).collect(),
            model,
        })
    }
}

impl LineageView {
    fn new(state: &Ledger, reserved: &PredictionReserved) -> Option<Self> {
        let name = &reserved.model;
        let release = state.model(name)?.release(reserved.version)?;
        Some(Self {
            name: name.to_string(),
            version: release.version,
            digest: release.digest.to_string(),
            federation: release.federation.to_string(),
            rounds: release.rounds,
            contributors: count(release.weights.len()),
            licence: state.model(name)?.licence(release.version).map(LicenceView::new),
            test_accuracy: release.test_accuracy_ppm.map(share),
            epsilon: epsilon(state, release),
        })
    }
}

/// ε of the rounds that led to a release.
pub(super) fn epsilon(state: &Ledger, release: &ModelReleased) -> Option<f64> {
    let settled = state.federation(&release.federation)?.settled();
    let last = settled.iter().find(|round| round.model_after == release.digest)?;
    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has the integer")]
    last.epsilon_micro.map(|micro| micro as f64 / 1e6)
}

fn label((state, store): (&Ledger, &Store), federation: &Name, recipient: &Recipient) -> String {
    match recipient {
        Recipient::Treasury => {
            let name = state.genesis().map(|genesis| format!("{} (treasury)", genesis.dao_name));
            name.unwrap_or_else(|| recipient.to_string())
        }
        Recipient::Member(key) => {
            let member = state.federation(federation).and_then(|f| f.members().get(key));
            member.map_or_else(|| key.short(), |member| names::shown(store, key, &member.label))
        }
    }
}
