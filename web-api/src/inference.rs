//! One sold prediction: a call is reserved, the model computed, and the price paid or given back.
//!
//! ```text
//!  reserve ──► compute ──► Predicted (the price is split)
//!     │           └─ fails ─► PredictionVoided (the call is the buyer's again)
//!     └─ the process ends ─► the reservation expires, the call is the buyer's again
//!
//!  compute ──► PredictionReserved, Predicted in one transaction        if computing takes less than a reservation
//!     └─ fails, or the process ends ─► nothing was booked
//! ```
//! The second way has the same entries and the same promise: the answer goes out when both are in the log, and not before. What
//! is computed for nothing if they are refused takes less than refusing it did: see [`crate::batcher`].

use std::sync::Arc;

use data_dao_journal::{
    Body, LIST_MAX, Predicted, PredictionReserved, PredictionVoided, Refusal, RevenueLine, Scope,
    State as Ledger,
};
use data_dao_ledger::Name;
use data_dao_market::CallSource;
use privacy_identity::{Digest, Tag, Writer};
use tracing::{Instrument as _, info_span, warn};
use trainer_model::{Attribution, Features, Predictions, check_features, integrated_gradients};

use crate::api_error::ApiError;
use crate::auth::needs;
use crate::batcher::Place;
use crate::call_name::{Call, was_made};
use crate::{ApiState, ShelvedModel};

/// Most rows of one call.
pub const ROWS_MAX: usize = 1_024;
/// Most threads that compute predictions.
pub const INFERENCES_MAX: usize = 4;
/// Most rows of one call that are explained: each is 64 forward and backward passes.
pub const EXPLAINED_ROWS_MAX: usize = 16;
/// Most explanations computed at the same time; more wait.
pub(crate) const EXPLANATIONS_MAX: usize = 2;
/// How long a call stays reserved: longer than any request may take.
pub const RESERVATION_MS: u64 = 120_000;
/// How often a reservation is tried while other requests use up the same purchase.
const ATTEMPTS_MAX: u32 = 8;

/// A model of the catalogue that this node can compute.
#[derive(Debug, Clone)]
pub(crate) struct ServedModel {
    pub(crate) name: Name,
    pub(crate) version: u32,
    pub(crate) model: Arc<ShelvedModel>,
}

impl ServedModel {
    /// The model `name`, in `version` or the newest.
    pub(crate) async fn find(
        state: &ApiState,
        name: &str,
        version: Option<&str>,
    ) -> Result<Self, ApiError> {
        let unknown = || ApiError::not_found("model", name);
        let parsed = Name::new(name).map_err(|_source| unknown())?;
        let (version, digest) = state.store().view(|state| {
            let model = state.model(&parsed).ok_or_else(unknown)?;
            let release = match version {
                None => Some(model.latest()),
                Some(text) => text.parse().ok().and_then(|version| model.release(version)),
            };
            let release = release.ok_or_else(|| {
                ApiError::not_found("version of the model", version.unwrap_or_default())
            })?;
            Ok::<_, ApiError>((release.version, release.digest))
        })?;
        let model = state.shelf().fetch(&digest).await.map_err(ApiError::internal)?;
        let model = model.ok_or_else(|| {
            let model = parsed.to_string();
            ApiError::ModelNotLoaded { model, version }
        })?;
        Ok(Self { name: parsed, version, model })
    }

    /// The features of rows as a buyer sends them, `[rows, inputs]`.
    pub(crate) fn features(&self, values: &[f32]) -> Result<Features, ApiError> {
        let refused = |error: &dyn std::fmt::Display| {
            ApiError::Malformed(format!("the input is refused: {error}"))
        };
        let features = Features::standardised(values, self.model.standardiser());
        let features = features.map_err(|error| refused(&error))?;
        check_features(self.model.architecture(), &features).map_err(|error| refused(&error))?;
        Ok(features)
    }
}

/// What was sold.
#[derive(Debug)]
pub(crate) struct SoldPrediction {
    pub(crate) id: Digest,
    pub(crate) predictions: Predictions,
    /// Why, for each row; empty if nobody asked.
    pub(crate) attributions: Vec<Attribution>,
}

/// Whether a prediction comes with its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explain {
    No,
    /// By integrated gradients of the predicted class's probability.
    Yes,
}

/// Sells one call: reserves it for `key_id`, computes, and books the outcome.
///
/// * `values` — `[rows, inputs]` as the buyer sent them: their digest is in the log.
/// * `explain` — with [`Explain::Yes`], at most [`EXPLAINED_ROWS_MAX`] rows.
pub(crate) async fn sell(
    state: &ApiState,
    key_id: &Name,
    served: &ServedModel,
    values: &[f32],
    explain: Explain,
) -> Result<SoldPrediction, ApiError> {
    needs(state, key_id, Scope::Infer)?;
    let features = served.features(values)?;
    if explain == Explain::Yes && features.rows() > EXPLAINED_ROWS_MAX {
        let rows = features.rows();
        let refused = format!("at most {EXPLAINED_ROWS_MAX} rows are explained, got {rows}");
        return Err(ApiError::Malformed(refused));
    }
    let place = state.batcher().place()?;
    let input = digest(Tag::PredictionInput, features.inputs(), values);
    if explain == Explain::No && state.batcher().is_short(&served.model, features.rows()) {
        let computing = state.batcher().predict(place, &served.model, features);
        return sell_at_once(state, key_id, served, (input, computing)).await;
    }
    let (id, price) =
        reserve(state, key_id, served, input).instrument(info_span!("reserve")).await?;
    let (predictions, attributions) = match compute(state, served, features, (place, explain))
        .instrument(info_span!("compute"))
        .await
    {
        Ok(computed) => computed,
        Err(error) => {
            give_back(state, id).await;
            return Err(error);
        }
    };
    let output = digest(Tag::PredictionReceipt, predictions.classes(), predictions.probabilities());
    if was_made(state, &id, &output).await? {
        // Paid by the same request before: its answer did not arrive.
        return Ok(SoldPrediction { id, predictions, attributions });
    }
    let model = (&served.name, served.version);
    let lines = state.store().view(|state| state.prediction_lines(&id, model, price));
    let predicted = predicted(served, (id, output), (price, lines))?;
    let posted = state.append(vec![predicted]).instrument(info_span!("post"));
    match posted.await {
        Ok(_) => Ok(SoldPrediction { id, predictions, attributions }),
        Err(error) => {
            give_back(state, id).await;
            Err(error.into())
        }
    }
}

/// Computes, and books reservation and payment together.
async fn sell_at_once(
    state: &ApiState,
    key_id: &Name,
    served: &ServedModel,
    (input, computing): (Digest, impl Future<Output = Result<Predictions, ApiError>>),
) -> Result<SoldPrediction, ApiError> {
    let mut asked = asked(state, key_id, served, &input).await?;
    let predictions = computing.instrument(info_span!("compute")).await?;
    let output = digest(Tag::PredictionReceipt, predictions.classes(), predictions.probabilities());
    for _ in 0..ATTEMPTS_MAX {
        let sold =
            |id| SoldPrediction { id, predictions: predictions.clone(), attributions: Vec::new() };
        let reserved = match asked {
            // Paid by the same request before: its answer did not arrive.
            Asked::Made(id, _) if was_made(state, &id, &output).await? => return Ok(sold(id)),
            Asked::Made(..) => return Err(ApiError::Contention),
            Asked::New(reserved) => reserved,
        };
        let (prediction, price) = (reserved.prediction, reserved.price);
        let lines = state.store().view(|l| l.revenue_lines(&served.name, served.version, price));
        let predicted = predicted(served, (prediction, output), (price, lines));
        let bodies = vec![Body::PredictionReserved(reserved), predicted?];
        let posted = state.append(bodies).instrument(info_span!("post")).await;
        match posted.map_err(ApiError::from) {
            Ok(_) => return Ok(sold(prediction)),
            Err(ApiError::Refused(refusal)) if is_overtaken(&refusal) => {}
            Err(error) => return Err(error),
        }
        asked = self::asked(state, key_id, served, &input).await?;
    }
    Err(ApiError::Contention)
}

/// The entry of a prediction that was made; `lines` are those of its price.
fn predicted(
    served: &ServedModel,
    (prediction, output): (Digest, Digest),
    (price, lines): (u128, Result<Vec<RevenueLine>, Refusal>),
) -> Result<Body, ApiError> {
    let mut lines = lines.map_err(ApiError::internal)?;
    if lines.len() > LIST_MAX {
        // Everybody recomputes them; an entry has to fit a leaf.
        lines.clear();
    }
    let model_digest = *served.model.digest();
    Ok(Body::Predicted(Predicted { prediction, output, model_digest, price, lines }))
}

/// Whether another request was faster: it used up the purchase, so that the next call has another price, or it was the same
/// request.
const fn is_overtaken(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Differs { .. } | Refusal::Exists { .. })
}

/// What a request comes to.
enum Asked {
    /// A call to be booked.
    New(PredictionReserved),
    /// It was made, at this price.
    Made(Digest, u128),
}

/// Looks what is to be booked now.
async fn asked(
    state: &ApiState,
    key_id: &Name,
    served: &ServedModel,
    input: &Digest,
) -> Result<Asked, ApiError> {
    let version = (&served.name, served.version);
    let prediction = match Call::of_request(state, key_id, version, input).await? {
        Call::New(id) => id,
        Call::Made(id, price) => return Ok(Asked::Made(id, price)),
    };
    let now_ms = state.now_ms();
    let (price, owed) = state.store().view(|state| {
        let call = state.next_call(key_id, &served.name, now_ms);
        let call = call
            .filter(|call| call.source != CallSource::Balance || may_spend(state, key_id))
            .map(|call| call.price);
        (call, state.debt(key_id))
    });
    let refused = |refusal| Err(ApiError::Refused(Box::new(refusal)));
    let Some(price) = price else {
        let (key_id, model) = (key_id.to_string(), served.name.to_string());
        return match owed {
            0 => refused(Refusal::NoCallsLeft { key_id, model }),
            owed => refused(Refusal::InDebt { key_id, owed }),
        };
    };
    Ok(Asked::New(PredictionReserved {
        prediction,
        key_id: key_id.clone(),
        model: served.name.clone(),
        version: served.version,
        input: *input,
        price,
        expires_at_ms: now_ms.saturating_add(RESERVATION_MS),
    }))
}

/// Sets one paid call aside. Returns the prediction's id and the call's price.
async fn reserve(
    state: &ApiState,
    key_id: &Name,
    served: &ServedModel,
    input: Digest,
) -> Result<(Digest, u128), ApiError> {
    for _ in 0..ATTEMPTS_MAX {
        let reserved = match asked(state, key_id, served, &input).await? {
            Asked::New(reserved) => reserved,
            Asked::Made(id, price) => return Ok((id, price)),
        };
        let (prediction, price) = (reserved.prediction, reserved.price);
        match state.append(vec![Body::PredictionReserved(reserved)]).await.map_err(ApiError::from) {
            Ok(_) => return Ok((prediction, price)),
            Err(ApiError::Refused(refusal)) if is_overtaken(&refusal) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::Contention)
}

/// Whether the key whose money this one spends may spend its balance: by calls as they are made, or by buying them.
pub(crate) fn may_spend(ledger: &Ledger, key_id: &Name) -> bool {
    let account = ledger.key(ledger.account_of(key_id));
    account.is_some_and(|account| account.grant().pay_as_you_go || account.has(Scope::Buy))
}

async fn give_back(state: &ApiState, prediction: Digest) {
    let reason = "the prediction failed on the node".to_owned();
    let voided = PredictionVoided { prediction, reason };
    if let Err(error) = state.append(vec![Body::PredictionVoided(voided)]).await {
        warn!(%prediction, cause = %error, "a failed prediction expires instead of being voided");
    }
}

async fn compute(
    state: &ApiState,
    served: &ServedModel,
    features: Features,
    (place, explain): (Place, Explain),
) -> Result<(Predictions, Vec<Attribution>), ApiError> {
    let to_explain = (explain == Explain::Yes).then(|| features.clone());
    let predictions = state.batcher().predict(place, &served.model, features).await?;
    let Some(features) = to_explain else { return Ok((predictions, Vec::new())) };
    let permit = state.explanations().acquire_owned().await.map_err(ApiError::internal)?;
    let (device, model) = (state.parts().device.clone(), Arc::clone(&served.model));
    let classes: Vec<usize> = predictions.labels().collect();
    let task = tokio::task::spawn_blocking(move || {
        // Held by the work, which goes on when whoever asked has gone away.
        let _permit = permit;
        let (architecture, parameters) = (model.architecture(), model.parameters());
        integrated_gradients(&device, architecture, parameters, &features, &classes)
    });
    let attributions = task.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok((predictions, attributions))
}

/// The digest of a matrix: width (u32), number of values (u32), the values' IEEE-754 bits (u32
/// each), all big-endian.
fn digest(tag: Tag, width: usize, values: &[f32]) -> Digest {
    let length = |length: usize| u32::try_from(length).expect("bodies are bounded below 2^32");
    let mut writer = Writer::default();
    writer.u32(length(width));
    writer.u32(length(values.len()));
    for value in values {
        writer.u32(value.to_bits());
    }
    Digest::of(tag, &writer.into_bytes())
}
