//! Calls paid in advance, months, licences; and calls given back.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_journal::{
    Body, CallsRefunded, Entry, LIST_MAX, LicenceBought, MonthBought, Purchased, Refusal, Scope,
    State as Ledger,
};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::extract::JsonBody;
use crate::idempotency::{IdempotencyKey, append_once, booked_before};
use crate::licence::{AgreedLicence, LicenceView};
use crate::problem::Problem;
use crate::{ApiState, amount};

/// How often a purchase is tried while the price moves with demand.
const ATTEMPTS_MAX: u32 = 8;

/// What can be bought of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Plan {
    /// Calls at the price of the moment; they keep it, do not end, and can be given back.
    #[default]
    Call,
    /// Thirty days of calls.
    Month,
    /// The licence of one version's parameters.
    Download,
}

/// What is bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurchaseRequest {
    /// Of which model.
    #[schema(example = "wine")]
    model: String,
    /// Which plan; `call` if absent.
    plan: Option<Plan>,
    /// How many calls; with the plan `call` alone, and needed there.
    #[schema(example = 10, minimum = 1)]
    calls: Option<u32>,
    /// Which version; with the plan `download` alone, the newest if absent.
    #[schema(minimum = 1)]
    version: Option<u32>,
    /// The name of the licence that is agreed to; with the plan `download` alone. If it is not that of the version, nothing is
    /// bought; if absent, that of the version is agreed to.
    #[schema(example = "CC-BY-NC-4.0")]
    licence: Option<String>,
    /// SHA-256 of the licence's text that is agreed to, in hexadecimal; with the plan `download` alone. If the version's licence names
    /// another text, or none as the licences of the SPDX list do, nothing is bought.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    licence_sha256: Option<String>,
    /// Most that one call, each call of the month, or the licence may cost, in 10⁻⁴ of the currency's unit: above it
    /// nothing is bought.
    #[schema(example = "300", pattern = "^[0-9]{1,39}$")]
    price_max: Option<String>,
}

/// A booked purchase.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurchaseView {
    /// With which key.
    key_id: String,
    /// Of which model.
    model: String,
    /// Which plan.
    plan: Plan,
    /// How many calls; none of a licence.
    calls: u32,
    /// Price of one call, or of the licence, in 10⁻⁴ of the currency's unit.
    price: String,
    /// What was paid, in 10⁻⁴ of the currency's unit.
    total: String,
    /// The licensed version.
    version: Option<u32>,
    /// What the buyer agreed to: it is in the entry. Absent if the version was released under no licence.
    licence: Option<LicenceView>,
    /// The entry that booked it.
    ledger_index: u64,
}

/// Calls that are given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundRequest {
    /// Calls of which model.
    #[schema(example = "wine")]
    model: String,
    /// Which purchase of them, counted from 0: `lot` of the balance.
    lot: u32,
    /// How many calls.
    #[schema(minimum = 1)]
    calls: u32,
}

/// Calls that were given back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundView {
    /// With which key.
    key_id: String,
    /// Calls of which model.
    model: String,
    /// Which purchase of them.
    lot: u32,
    /// How many.
    calls: u32,
    /// The entry that booked it.
    ledger_index: u64,
}

/// What is wanted, checked as far as it can be without the price.
#[derive(Debug, Clone)]
struct Wanted {
    key_id: Name,
    model: Name,
    plan: Plan,
    calls: u32,
    version: u32,
    agreed: AgreedLicence,
    price_max: Option<u128>,
    idempotency_key: String,
}

/// Buy calls, a month or a licence
///
/// The same Idempotency-Key with the same body is answered as the first time and booked once.
#[utoipa::path(post, path = "/v1/purchases", tag = "market",
    params(("Idempotency-Key" = String, Header, description = "The purchase's own name")),
    request_body = PurchaseRequest, security(("api_key" = [])),
    responses((status = 201, body = PurchaseView), (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 402, body = Problem, description = "The balance does not suffice"),
        (status = 403, body = Problem, description = "No scope `buy`, or the spending limit"),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn purchase(
    State(state): State<ApiState>,
    buyer: Buyer,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    JsonBody(request): JsonBody<PurchaseRequest>,
) -> Result<(StatusCode, Json<PurchaseView>), ApiError> {
    buyer.needs(&state, Scope::Buy)?;
    let wanted = Wanted::new(&state, buyer.key_id, idempotency_key, &request)?;
    // What was booked is answered, whatever has become of prices and plans since.
    let name = (&wanted.key_id, wanted.idempotency_key.as_str());
    if let Some(index) = booked_before(&state, name, |entry| wanted.is_booked_by(entry)).await? {
        return Ok((StatusCode::CREATED, Json(view(&state, index).await?)));
    }
    for _ in 0..ATTEMPTS_MAX {
        let now_ms = state.now_ms();
        let body = state.store().view(|ledger| wanted.body(ledger, now_ms))?;
        match append_once(&state, name, body, |entry| wanted.is_booked_by(entry)).await {
            Ok(index) => return Ok((StatusCode::CREATED, Json(view(&state, index).await?))),
            // The price moved between looking and buying.
            Err(ApiError::Refused(refusal)) if matches!(*refusal, Refusal::Differs { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::Contention)
}

impl Wanted {
    fn new(
        state: &ApiState,
        key_id: Name,
        idempotency_key: String,
        request: &PurchaseRequest,
    ) -> Result<Self, ApiError> {
        let unknown = || ApiError::not_found("model", &request.model);
        let model = Name::new(request.model.as_str()).map_err(|_source| unknown())?;
        let latest = state.store().view(|ledger| Some(ledger.model(&model)?.latest().version));
        let latest = latest.ok_or_else(unknown)?;
        let plan = request.plan.unwrap_or_default();
        let invalid = |told: &str| Err(ApiError::Invalid(told.to_owned()));
        let calls = match (plan, request.calls) {
            (Plan::Call, Some(calls)) => calls,
            (Plan::Call, None) => return invalid("the plan call needs the number of calls"),
            (_, Some(_)) => return invalid("calls go with the plan call alone"),
            (_, None) => 0,
        };
        if request.version.is_some() && plan != Plan::Download {
            return invalid("version goes with the plan download alone");
        }
        let agreed =
            AgreedLicence::new(request.licence.clone(), request.licence_sha256.as_deref())?;
        if agreed.is_said() && plan != Plan::Download {
            return invalid("licence and licence_sha256 go with the plan download alone");
        }
        let price_max = request.price_max.as_deref().map(str::parse).transpose();
        let Ok(price_max) = price_max else {
            return invalid("price_max: expected a decimal number");
        };
        let version = request.version.unwrap_or(latest);
        Ok(Self { key_id, model, plan, calls, version, agreed, price_max, idempotency_key })
    }

    /// The entry that buys it at the price of the moment.
    fn body(&self, ledger: &Ledger, now_ms: u64) -> Result<Body, ApiError> {
        let refused = |refusal| Err(ApiError::Refused(Box::new(refusal)));
        let name = || self.model.to_string();
        let Some(model) = ledger.model(&self.model) else {
            return Err(ApiError::not_found("model", &self.model));
        };
        let Some((policy, price)) = model.policy().zip(model.price_at(now_ms)) else {
            return refused(Refusal::NoPrice { model: name() });
        };
        let licence = model.licence(self.version).cloned();
        let (key_id, model) = (self.key_id.clone(), self.model.clone());
        let idempotency_key = self.idempotency_key.clone();
        let (price, body) = match self.plan {
            Plan::Call => {
                let calls = self.calls;
                (price, Purchased { key_id, model, calls, price, idempotency_key }.into())
            }
            Plan::Month => {
                let Some(month) = policy.month else {
                    return refused(Refusal::NotForSale { model: name(), what: "month" });
                };
                let (calls, price) = (month.calls, month.price);
                (price, MonthBought { key_id, model, calls, price, idempotency_key }.into())
            }
            Plan::Download => {
                let Some(price) = policy.download else {
                    return refused(Refusal::NotForSale { model: name(), what: "download" });
                };
                let version = self.version;
                let lines = ledger.revenue_lines(&model, version, price);
                let mut lines = lines.map_err(|refusal| ApiError::Refused(Box::new(refusal)))?;
                if lines.len() > LIST_MAX {
                    lines.clear();
                }
                self.agreed.check(licence.as_ref())?;
                let bought = LicenceBought {
                    key_id,
                    model,
                    version,
                    price,
                    lines,
                    licence,
                    idempotency_key,
                };
                (price, bought.into())
            }
        };
        match self.price_max {
            Some(maximum) if price > maximum => Err(ApiError::PriceAboveMaximum { price, maximum }),
            _ => Ok(body),
        }
    }

    /// Whether an entry booked this request. The price is not the client's to say: it may have changed since.
    fn is_booked_by(&self, entry: &Entry) -> bool {
        match &entry.body {
            Body::Purchased(booked) => {
                self.plan == Plan::Call && booked.model == self.model && booked.calls == self.calls
            }
            Body::MonthBought(booked) => self.plan == Plan::Month && booked.model == self.model,
            Body::LicenceBought(booked) => {
                self.plan == Plan::Download
                    && booked.model == self.model
                    && booked.version == self.version
                    && self.agreed.check(booked.licence.as_ref()).is_ok()
            }
            _ => false,
        }
    }
}

/// The answer, made from the entry alone: it is the same at each repetition.
async fn view(state: &ApiState, index: u64) -> Result<PurchaseView, ApiError> {
    let stored = state.store().entry(index).await?;
    let not_yet = || ApiError::Unavailable("the purchase is booked but not published yet");
    let body = stored.map(|stored| stored.entry.body).ok_or_else(not_yet)?;
    let licence = match &body {
        Body::LicenceBought(bought) => bought.licence.as_ref().map(LicenceView::new),
        _ => None,
    };
    let (key_id, model, plan, calls, price, version) = match body {
        Body::Purchased(b) => (b.key_id, b.model, Plan::Call, b.calls, b.price, None),
        Body::MonthBought(b) => (b.key_id, b.model, Plan::Month, b.calls, b.price, None),
        Body::LicenceBought(b) => (b.key_id, b.model, Plan::Download, 0, b.price, Some(b.version)),
        _ => return Err(not_yet()),
    };
    // A booked total fits 128 bits: the ledger moved it.
    let total = if version.is_some() { price } else { price.saturating_mul(u128::from(calls)) };
    Ok(PurchaseView {
        key_id: key_id.to_string(),
        model: model.to_string(),
        plan,
        calls,
        price: amount::text(price),
        total: amount::text(total),
        version,
        licence,
        ledger_index: index,
    })
}

/// Give calls back
///
/// Calls that were bought singly and not made, at the price that was paid; the money is in the balance again.
#[utoipa::path(post, path = "/v1/refunds", tag = "market",
    params(("Idempotency-Key" = String, Header, description = "The refund's own name")),
    request_body = RefundRequest, security(("api_key" = [])),
    responses((status = 201, body = RefundView), (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 402, body = Problem, description = "So many calls are not left"),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn refund(
    State(state): State<ApiState>,
    buyer: Buyer,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    JsonBody(request): JsonBody<RefundRequest>,
) -> Result<(StatusCode, Json<RefundView>), ApiError> {
    buyer.needs(&state, Scope::Buy)?;
    let unknown = || ApiError::not_found("model", &request.model);
    let model = Name::new(request.model.as_str()).map_err(|_source| unknown())?;
    let RefundRequest { lot, calls, .. } = request;
    let key_id = buyer.key_id;
    let wanted = CallsRefunded { key_id, model, lot, calls, idempotency_key };
    let body = Body::CallsRefunded(wanted.clone());
    let same = |entry: &Entry| entry.body == Body::CallsRefunded(wanted.clone());
    let name = (&wanted.key_id, wanted.idempotency_key.as_str());
    let ledger_index = append_once(&state, name, body.clone(), same).await?;
    let (key_id, model) = (wanted.key_id.to_string(), wanted.model.to_string());
    Ok((StatusCode::CREATED, Json(RefundView { key_id, model, lot, calls, ledger_index })))
}
