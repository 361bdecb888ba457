//! What a key did and what it cost: by day, model and key; and the same for accountants.
//!
//! The export has the columns of FOCUS 1.2 (the open cost and usage specification at focus.finops.org, May 2025, §3) that are
//! mandatory, and those of usage, SKU, resource and sub-account. Prices that moved within a day have no one unit price, so that the
//! conditional columns of unit prices are left out. What is paid in advance is billed when it is bought and takes effect when
//! it is used: `BilledCost` and `EffectiveCost` say which. Periods are of UTC, begin with their first moment and end without that
//! of the next. What is given back is billed in the month in which that happens, and is a correction only if it was bought in an
//! earlier one.

use std::fmt::Write as _;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use data_dao_journal::{DAY_MS, Date, Scope, State as Ledger, USAGE_DAYS_MAX, Usage};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::text;
use crate::api_error::ApiError;
use crate::auth::Buyer;
use crate::extract::QueryPart;
use crate::problem::Problem;

/// Days of usage that are shown unless the request says otherwise.
const DAYS_DEFAULT: u64 = 31;
/// Most rows of one answer.
const ROWS_MAX: usize = 10_000;

/// The columns of the export, in the order of the specification's names.
const COLUMNS: [&str; 30] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
];

/// Which days.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// From the day of this moment on, in milliseconds since 1970; 31 days ago if absent.
    from_ms: Option<u64>,
    /// Up to the day of this moment; today if absent.
    to_ms: Option<u64>,
}

/// What was done with a buyer's keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageList {
    /// The key whose money it is.
    account: String,
    /// The currency.
    currency: Option<String>,
    /// By day, model and key.
    usage: Vec<UsageView>,
}

/// What was done on one day with one model and one key. Prices are in 10⁻⁴ of the currency's unit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    /// The day's first moment in UTC (ISO 8601).
    #[schema(example = "2026-11-23T00:00:00Z")]
    day: String,
    /// The key.
    key_id: String,
    /// The model.
    model: String,
    /// Predictions made.
    calls: u64,
    /// What they cost.
    calls_price: String,
    /// Of these, what was paid straight from the balance and not in advance.
    direct_price: String,
    /// Calls bought, singly and by the month.
    bought: u64,
    /// What they cost.
    bought_price: String,
    /// Calls given back.
    refunded: u64,
    /// What came back for them.
    refunded_price: String,
    /// Licences bought.
    licences: u64,
    /// What they cost.
    licences_price: String,
}

/// One row of [`Usage`] with what it is of.
struct Row {
    day: u64,
    model: Name,
    key_id: Name,
    usage: Usage,
}

/// My usage
///
/// Of the key, and for a key with money of its own also of all keys that spend it.
#[utoipa::path(get, path = "/v1/usage", tag = "market", params(UsageQuery),
    security(("api_key" = [])),
    responses((status = 200, body = UsageList), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    buyer: Buyer,
    QueryPart(query): QueryPart<UsageQuery>,
) -> Result<Json<UsageList>, ApiError> {
    let rows = rows(&state, &buyer, &query)?;
    let view = |row: &Row| UsageView {
        day: Date::from_days(row.day).to_string(),
        key_id: row.key_id.to_string(),
        model: row.model.to_string(),
        calls: row.usage.calls,
        calls_price: text(row.usage.calls_price),
        direct_price: text(row.usage.direct_price),
        bought: row.usage.bought,
        bought_price: text(row.usage.bought_price),
        refunded: row.usage.refunded,
        refunded_price: text(row.usage.refunded_price),
        licences: row.usage.licences,
        licences_price: text(row.usage.licences_price),
    };
    let usage = rows.iter().map(view).collect();
    Ok(Json(state.store().view(|ledger| UsageList {
        account: ledger.account_of(&buyer.key_id).to_string(),
        currency: ledger.genesis().map(|genesis| genesis.currency.to_string()),
        usage,
    })))
}

/// My usage as FOCUS 1.2
#[utoipa::path(get, path = "/v1/usage/focus.csv", tag = "market", params(UsageQuery),
    security(("api_key" = [])),
    responses((status = 200, body = String, content_type = "text/csv"),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn focus(
    State(state): State<ApiState>,
    buyer: Buyer,
    QueryPart(query): QueryPart<UsageQuery>,
) -> Result<Response, ApiError> {
    let rows = rows(&state, &buyer, &query)?;
    let store = state.store();
    let csv = store.view(|ledger| {
        let genesis = ledger.genesis();
        let account = ledger.account_of(&buyer.key_id);
        let bill = Bill {
            currency: genesis.map(|genesis| genesis.currency.to_string()).unwrap_or_default(),
            dao: genesis.map(|genesis| genesis.dao_name.clone()).unwrap_or_default(),
            account: account.to_string(),
            buyer: ledger
                .key(account)
                .and_then(|key| store.reveal(key.buyer()))
                .unwrap_or_default(),
        };
        bill.csv(&rows)
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"usage-focus-1.2.csv\""),
        ),
    ];
    Ok((headers, csv).into_response())
}

fn rows(state: &ApiState, buyer: &Buyer, query: &UsageQuery) -> Result<Vec<Row>, ApiError> {
    buyer.needs(state, Scope::Usage)?;
    let today = state.now_ms() / DAY_MS;
    let to = query.to_ms.map_or(today, |to_ms| to_ms / DAY_MS);
    let from = query.from_ms.map_or(to.saturating_sub(DAYS_DEFAULT), |from_ms| from_ms / DAY_MS);
    if from > to || to - from > USAGE_DAYS_MAX {
        let told = format!("from_ms and to_ms: at most {USAGE_DAYS_MAX} days, in this order");
        return Err(ApiError::Invalid(told));
    }
    let mut rows = state.store().view(|ledger| collected(ledger, &buyer.key_id, (from, to)));
    if rows.len() > ROWS_MAX {
        return Err(ApiError::Invalid(format!("more than {ROWS_MAX} rows; ask for fewer days")));
    }
    rows.sort_by(|a, b| (a.day, &a.model, &a.key_id).cmp(&(b.day, &b.model, &b.key_id)));
    Ok(rows)
}

fn collected(ledger: &Ledger, key_id: &Name, (from, to): (u64, u64)) -> Vec<Row> {
    ledger
        .keys_of(key_id)
        .flat_map(|(id, key)| {
            let days = key.usage().iter().filter(|((day, _), _)| (from..=to).contains(day));
            days.map(|((day, model), usage)| Row {
                day: *day,
                model: model.clone(),
                key_id: id.clone(),
                usage: *usage,
            })
        })
        .take(ROWS_MAX + 1)
        .collect()
}

/// What all rows of an export share.
struct Bill {
    currency: String,
    dao: String,
    account: String,
    buyer: String,
}

/// `ChargeClass` of what changes a billing period before the present one, which was invoiced; within a period it is null, whatever is
/// corrected (FOCUS 1.2, "Charge Class").
const CORRECTION: &str = "Correction";

/// One charge: what of a row an accountant sees as one thing.
#[derive(Debug, Clone, Copy)]
struct Charge {
    category: &'static str,
    class: &'static str,
    what: &'static str,
    frequency: &'static str,
    sku: &'static str,
    /// Below zero of what was given back.
    quantity: i128,
    unit: &'static str,
    billed: i128,
    effective: i128,
}

impl Bill {
    fn csv(&self, rows: &[Row]) -> String {
        let mut csv = format!("{}\r\n", COLUMNS.join(","));
        for row in rows {
            for charge in charges(&row.usage) {
                let fields = self.fields(row, &charge);
                let quoted: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
                writeln!(csv, "{}\r", quoted.join(",")).expect("a String takes all");
            }
        }
        csv
    }

    /// In the order of [`COLUMNS`].
    fn fields(&self, row: &Row, charge: &Charge) -> [String; 30] {
        let date = Date::from_days(row.day);
        let is_usage = charge.category == "Usage";
        let quantity = charge.quantity.to_string();
        let only = |value: &str, holds: bool| if holds { value.to_owned() } else { String::new() };
        let cost = if is_usage { charge.effective } else { charge.billed };
        let sku = format!("{}/{}", row.model, charge.sku);
        [
            money(charge.billed),
            self.account.clone(),
            self.buyer.clone(),
            self.currency.clone(),
            date.next_month().to_string(),
            date.month_start().to_string(),
            charge.category.to_owned(),
            charge.class.to_owned(),
            format!("{} of {}", charge.what, row.model),
            charge.frequency.to_owned(),
            Date::from_days(row.day + 1).to_string(),
            date.to_string(),
            only(&quantity, is_usage),
            only(charge.unit, is_usage),
            money(cost),
            money(charge.effective),
            self.dao.clone(),
            money(cost),
            "Standard".to_owned(),
            quantity,
            charge.unit.to_owned(),
            self.dao.clone(),
            self.dao.clone(),
            row.model.to_string(),
            "Model".to_owned(),
            "AI and Machine Learning".to_owned(),
            "Predictions".to_owned(),
            sku.clone(),
            sku,
            row.key_id.to_string(),
        ]
    }
}

/// The charges of a row, those that are any.
fn charges(usage: &Usage) -> Vec<Charge> {
    let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
    let base = Charge {
        category: "Usage",
        class: "",
        what: "Predictions paid in advance",
        frequency: "Usage-Based",
        sku: "call",
        quantity: usage.calls.saturating_sub(usage.direct).into(),
        unit: "Calls",
        billed: 0,
        effective: signed(usage.calls_price.saturating_sub(usage.direct_price)),
    };
    let purchase = Charge {
        category: "Purchase",
        what: "Calls bought in advance",
        frequency: "One-Time",
        quantity: usage.bought.into(),
        billed: signed(usage.bought_price),
        effective: 0,
        ..base
    };
    let direct = signed(usage.direct_price);
    let licences = signed(usage.licences_price);
    let charges = [
        Charge {
            what: "Predictions paid from the balance",
            quantity: usage.direct.into(),
            billed: direct,
            effective: direct,
            ..base
        },
        purchase,
        Charge {
            what: "Calls given back",
            quantity: -i128::from(usage.refunded.saturating_sub(usage.corrected)),
            billed: -signed(usage.refunded_price.saturating_sub(usage.corrected_price)),
            ..purchase
        },
        Charge {
            class: CORRECTION,
            what: "Calls given back",
            quantity: -i128::from(usage.corrected),
            billed: -signed(usage.corrected_price),
            ..purchase
        },
        Charge {
            category: "Purchase",
            what: "Licence",
            frequency: "One-Time",
            sku: "download",
            unit: "Licences",
            quantity: usage.licences.into(),
            billed: licences,
            effective: licences,
            ..base
        },
    ];
    std::iter::once(base).chain(charges).filter(|charge| charge.quantity != 0).collect()
}

/// 10⁻⁴ of the currency's unit as a decimal number.
fn money(amount: i128) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    format!("{sign}{}.{:04}", amount / 10_000, amount % 10_000)
}

/// A field of RFC 4180. One that a spreadsheet would take for a formula gets an apostrophe before it: names are the buyers' to
/// choose.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '@', '\t', '\r'])
        || (field.starts_with(['+', '-']) && field.parse::<f64>().is_err());
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_no_formulas() {
        let texts = ["plain", "a,b", "say \"x\"", "=1+1", "-5.0000", "-cmd", "@x"];
        let quoted: Vec<_> = texts.into_iter().map(quoted).collect();
        let expected =
            ["plain", "\"a,b\"", "\"say \"\"x\"\"\"", "'=1+1", "-5.0000", "'-cmd", "'@x"];
        assert_eq!(quoted, expected);
        assert_eq!([money(-12_345), money(7), money(0)], ["-1.2345", "0.0007", "0.0000"]);
    }

    #[test]
    fn what_is_billed_and_what_took_effect_add_up() {
        let usage = Usage {
            calls: 5,
            calls_price: 500,
            direct: 2,
            direct_price: 200,
            bought: 10,
            bought_price: 1_000,
            refunded: 3,
            refunded_price: 300,
            corrected: 2,
            corrected_price: 200,
            licences: 1,
            licences_price: 9_000,
        };
        let charges = charges(&usage);
        assert_eq!(charges.len(), 6);
        assert_eq!(charges.iter().map(|c| c.billed).sum::<i128>(), 200 + 1_000 - 300 + 9_000);
        let back = |class: &str| {
            let given_back =
                charges.iter().find(|c| c.what == "Calls given back" && c.class == class);
            given_back.map(|c| (c.quantity, c.billed))
        };
        assert_eq!((back(""), back(CORRECTION)), (Some((-1, -100)), Some((-2, -200))));
        assert_eq!(charges.iter().map(|c| c.effective).sum::<i128>(), 500 + 9_000);
    }
}
