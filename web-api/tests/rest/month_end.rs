//! Bills at the end of months: FOCUS 1.2, "Billing Period Start", "Billing Period End", "Charge Class".
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use serde_json::json;

use super::support::{Node, OPERATOR, two_rows};

/// First moments of days, in milliseconds since 1970 (`date -u -d … +%s`).
const JANUARY_2027_MS: u64 = 1_798_761_600_000;
const FEBRUARY_2027_MS: u64 = 1_801_440_000_000;
const MARCH_2027_MS: u64 = 1_803_859_200_000;
const FEBRUARY_29_2028_MS: u64 = 1_835_395_200_000;
const MARCH_2028_MS: u64 = 1_835_481_600_000;
const YEAR_2029_MS: u64 = 1_861_920_000_000;

type Row = BTreeMap<String, String>;

/// Months in which nothing happened, after which the operator says that the clock is right.
fn set_time(node: &Node, now_ms: u64) {
    node.set_time(now_ms);
    node.state.store().confirm_clock(now_ms);
}

/// The rows of the export for the days of these moments. Nothing in them has a comma.
async fn rows(node: &Node, key: &str, (from_ms, to_ms): (u64, u64)) -> Vec<Row> {
    let path = format!("/v1/usage/focus.csv?from_ms={from_ms}&to_ms={to_ms}");
    let csv = node.get_as(key, &path).await;
    csv.status_is(200);
    let text = csv.text();
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| -> Row {
        let cells = line.split(',').map(str::to_owned);
        heads.iter().map(ToString::to_string).zip(cells).collect()
    };
    lines.map(row).collect()
}

fn billed(row: &Row) -> (&str, &str, &str, &str, &str) {
    let field = |name: &str| row[name].as_str();
    (
        field("BillingPeriodStart"),
        field("BillingPeriodEnd"),
        field("ChargeCategory"),
        field("ChargeClass"),
        field("BilledCost"),
    )
}

async fn buy(node: &Node, key: &str, order: &str, calls: u32) {
    node.buy(key, order, &json!({"model": "wine", "calls": calls})).await.status_is(201);
}

async fn give_back(node: &Node, key: &str, order: &str, (lot, calls): (u32, u32)) {
    let body = json!({"model": "wine", "lot": lot, "calls": calls});
    node.post_once(key, "/v1/refunds", (order, &body)).await.status_is(201);
}

#[tokio::test]
async fn the_last_moment_of_january_is_januarys_and_what_comes_back_in_february_corrects_it() {
    let (node, key) = Node::with_buyer("100000").await;
    let last_ms = FEBRUARY_2027_MS - 1;
    set_time(&node, last_ms);
    buy(&node, &key, "a", 4).await;
    give_back(&node, &key, "a-back", (0, 1)).await;
    set_time(&node, FEBRUARY_2027_MS);
    buy(&node, &key, "b", 2).await;
    give_back(&node, &key, "b-back", (0, 2)).await;
    give_back(&node, &key, "c-back", (1, 1)).await;
    let january = ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z");
    let february = ("2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z");
    let rows = rows(&node, &key, (last_ms, FEBRUARY_2027_MS)).await;
    let found: Vec<_> = rows.iter().map(billed).collect();
    let purchase = |month: (&'static str, &'static str), class, cost| {
        (month.0, month.1, "Purchase", class, cost)
    };
    assert_eq!(
        found,
        [
            purchase(january, "", "0.1000"),
            // Within its own period it is no correction.
            purchase(january, "", "-0.0250"),
            purchase(february, "", "0.0500"),
            purchase(february, "", "-0.0250"),
            purchase(february, "Correction", "-0.0500"),
        ]
    );
    let quantities: Vec<&str> = rows.iter().map(|row| row["PricingQuantity"].as_str()).collect();
    assert_eq!(quantities, ["4", "-1", "2", "-1", "-2"]);
    let days: Vec<_> =
        rows.iter().map(|row| (&*row["ChargePeriodStart"], &*row["ChargePeriodEnd"])).collect();
    assert_eq!(days[0], ("2027-01-31T00:00:00Z", "2027-02-01T00:00:00Z"));
    assert_eq!(days[4], ("2027-02-01T00:00:00Z", "2027-02-02T00:00:00Z"));
    // A month at a time: each bill has its own rows and no other's.
    let of_january = self::rows(&node, &key, (JANUARY_2027_MS, last_ms)).await;
    assert_eq!(of_january.iter().map(billed).collect::<Vec<_>>(), found[..2]);
    let of_february = self::rows(&node, &key, (FEBRUARY_2027_MS, MARCH_2027_MS - 1)).await;
    assert_eq!(of_february.iter().map(billed).collect::<Vec<_>>(), found[2..]);
}

#[tokio::test]
async fn a_leap_day_is_of_february_and_the_year_ends_with_december() {
    let (node, key) = Node::with_buyer("100000").await;
    for (place, now_ms) in
        [FEBRUARY_29_2028_MS, MARCH_2028_MS - 1, MARCH_2028_MS, YEAR_2029_MS - 1, YEAR_2029_MS]
            .into_iter()
            .enumerate()
    {
        set_time(&node, now_ms);
        buy(&node, &key, &place.to_string(), 1).await;
        node.infer(&key, &two_rows()).await.status_is(200);
    }
    let rows = rows(&node, &key, (FEBRUARY_29_2028_MS, YEAR_2029_MS)).await;
    let months: Vec<_> = rows
        .iter()
        .filter(|row| row["ChargeCategory"] == "Purchase")
        .map(|row| {
            let field = |name: &str| row[name][..10].to_owned();
            let quantity = row["PricingQuantity"].clone();
            (
                field("ChargePeriodStart"),
                field("BillingPeriodStart"),
                field("BillingPeriodEnd"),
                quantity,
            )
        })
        .collect();
    let month = |day: &str, start: &str, end: &str, calls: &str| {
        (day.to_owned(), start.to_owned(), end.to_owned(), calls.to_owned())
    };
    assert_eq!(
        months,
        [
            month("2028-02-29", "2028-02-01", "2028-03-01", "2"),
            month("2028-03-01", "2028-03-01", "2028-04-01", "1"),
            month("2028-12-31", "2028-12-01", "2029-01-01", "1"),
            month("2029-01-01", "2029-01-01", "2029-02-01", "1"),
        ]
    );
    // What took effect is what was bought, and every charge lies within its billing period.
    let sum =
        |column: &str| rows.iter().map(|row| row[column].parse::<f64>().unwrap()).sum::<f64>();
    assert!((sum("BilledCost") - sum("EffectiveCost")).abs() < 1e-9);
    for row in &rows {
        assert!(row["BillingPeriodStart"] <= row["ChargePeriodStart"], "{row:?}");
        assert!(row["ChargePeriodEnd"] <= row["BillingPeriodEnd"], "{row:?}");
    }
    node.post_as(OPERATOR, "/v1/keys", &json!({"buyer": "x"})).await.status_is(201);
}
