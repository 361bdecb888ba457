//! What can be bought of each model, and what it costs now.

use std::ops::Bound;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use data_dao_governance::{MonthTerms, PricePolicy};
use data_dao_journal::{MONTH_MS, Model, PricePolicySet};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::text;
use crate::api_error::ApiError;
use crate::auth::Operator;
use crate::cursor::{Page, behind, link_to_next, page_of};
use crate::extract::{JsonBody, QueryPart};
use crate::licence::LicenceView;
use crate::problem::Problem;

/// A page of the plans of the models on the market.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanList {
    /// The currency of all prices.
    currency: Option<String>,
    /// By model.
    models: Vec<PlansView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// The plans of a model. Prices are in 10⁻⁴ of the currency's unit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlansView {
    /// The model.
    model: String,
    /// Calls, one by one.
    call: CallPlan,
    /// Thirty days of calls, paid at once.
    month: Option<MonthPlan>,
    /// The licence to download one version's parameters.
    download: Option<DownloadPlan>,
}

/// Calls one by one: the price follows demand between two voted bounds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallPlan {
    /// Price of a call now.
    price: String,
    /// Price while nobody asks.
    low: String,
    /// Price when everybody asks.
    high: String,
    /// Calls within a window up to which the price is `low`.
    calls_low: u64,
    /// Calls within a window from which the price is `high`.
    calls_high: u64,
    /// Length of the window, in milliseconds.
    window_ms: u64,
    /// Calls within the window that ends now.
    calls: u64,
}

/// Thirty days of calls. What is not called within them is lost, and split like a sale.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthPlan {
    /// How many calls.
    calls: u32,
    /// Price of each.
    price: String,
    /// What the month costs.
    total: String,
    /// How long it is, in milliseconds.
    length_ms: u64,
}

/// The licence of one version's parameters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DownloadPlan {
    /// What it costs.
    price: String,
    /// The licence of the newest version: what its buyer agrees to. Absent if none was named.
    licence: Option<LicenceView>,
}

/// A model's first prices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyRequest {
    /// The model.
    #[schema(example = "wine")]
    model: String,
    /// Price of a call while nobody asks, in 10⁻⁴ of the currency's unit.
    #[schema(example = "100", pattern = "^[1-9][0-9]{0,17}$")]
    low: String,
    /// Price of a call when everybody asks; `low` if absent.
    #[schema(example = "400", pattern = "^[1-9][0-9]{0,17}$")]
    high: Option<String>,
    /// Calls within a window up to which the price is `low`; 0 if absent.
    calls_low: Option<u64>,
    /// Calls within a window from which the price is `high`.
    calls_high: Option<u64>,
    /// Length of the window, in milliseconds; an hour if absent.
    #[schema(minimum = 60_000)]
    window_ms: Option<u64>,
    /// Calls of a month, if months are sold.
    month_calls: Option<u32>,
    /// Price of each of them.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    month_price: Option<String>,
    /// What the licence of a version costs, if licences are sold.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    download: Option<String>,
}

/// An hour.
const WINDOW_MS_DEFAULT: u64 = 60 * 60 * 1_000;

impl PolicyRequest {
    fn policy(&self) -> Result<PricePolicy, ApiError> {
        let number = |field: &str, text: &str| {
            let parsed = text.parse::<u128>();
            parsed
                .map_err(|_source| ApiError::Invalid(format!("{field}: expected a decimal number")))
        };
        let low = number("low", &self.low)?;
        let month = match (self.month_calls, self.month_price.as_deref()) {
            (Some(calls), Some(price)) => {
                Some(MonthTerms { calls, price: number("month_price", price)? })
            }
            (None, None) => None,
            _ => {
                let told = "a month has both month_calls and month_price".to_owned();
                return Err(ApiError::Invalid(told));
            }
        };
        let download =
            self.download.as_deref().map(|price| number("download", price)).transpose()?;
        Ok(PricePolicy {
            low,
            high: self.high.as_deref().map_or(Ok(low), |text| number("high", text))?,
            calls_low: self.calls_low.unwrap_or(0),
            calls_high: self.calls_high.unwrap_or(0),
            window_ms: self.window_ms.unwrap_or(WINDOW_MS_DEFAULT),
            month,
            download,
        })
    }
}

impl PlansView {
    fn new(name: &Name, model: &Model, now_ms: u64) -> Option<Self> {
        let policy = model.policy()?;
        let month = policy.month.map(|month| MonthPlan {
            calls: month.calls,
            price: text(month.price),
            total: text(month.price.saturating_mul(u128::from(month.calls))),
            length_ms: MONTH_MS,
        });
        Some(Self {
            model: name.to_string(),
            call: CallPlan {
                price: text(model.price_at(now_ms)?),
                low: text(policy.low),
                high: text(policy.high),
                calls_low: policy.calls_low,
                calls_high: policy.calls_high,
                window_ms: policy.window_ms,
                calls: model.demand_at(now_ms),
            },
            month,
            download: policy.download.map(|price| DownloadPlan {
                price: text(price),
                licence: model.licence(model.latest().version).map(LicenceView::new),
            }),
        })
    }
}

/// What can be bought
#[utoipa::path(get, path = "/v1/plans", tag = "market", params(Page),
    responses((status = 200, body = PlanList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let (limit, after) = (page.limit()?, page.after_a::<Name>()?);
    let now_ms = state.now_ms();
    let list = state.store().view(|ledger| {
        let rest = ledger.models().range((behind(after), Bound::Unbounded));
        // What has no price, or is not sold, is on no page.
        let sold =
            rest.filter(|(_, model)| !model.is_delisted() && model.price_at(now_ms).is_some());
        let (page, next) = page_of(sold, limit, |(name, _)| name.to_string());
        let plans =
            page.into_iter().filter_map(|(name, model)| PlansView::new(name, model, now_ms));
        PlanList {
            currency: ledger.genesis().map(|genesis| genesis.currency.to_string()),
            models: plans.collect(),
            next,
        }
    });
    let link = link_to_next("/v1/plans", list.next.as_deref(), limit);
    Ok((link, Json(list)))
}

/// Set a model's first prices
///
/// Later ones are voted: `SetPricePolicy`.
#[utoipa::path(post, path = "/v1/plans", tag = "market",
    request_body = PolicyRequest, security(("operator" = [])),
    responses((status = 201, body = PlansView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Prices are set: a vote may change them"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Operator { by }: Operator,
    JsonBody(request): JsonBody<PolicyRequest>,
) -> Result<(StatusCode, Json<PlansView>), ApiError> {
    let unknown = || ApiError::not_found("model", &request.model);
    let model = Name::new(request.model.as_str()).map_err(|_source| unknown())?;
    let set = PricePolicySet { model: model.clone(), policy: request.policy()? };
    state.append_act(&by, ("set-plans", model.as_str()), vec![set.into()]).await?;
    let now_ms = state.now_ms();
    let view = state.store().view(|ledger| PlansView::new(&model, ledger.model(&model)?, now_ms));
    view.map(|view| (StatusCode::CREATED, Json(view))).ok_or_else(unknown)
}
