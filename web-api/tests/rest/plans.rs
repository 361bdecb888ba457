//! Plans, refunds, webhooks, usage, and calls with a name of their own.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use axum::{body::Body, http::Request};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};

use super::inference::futures_of;
use super::support::{Node, OPERATOR, START_MS, WEBHOOK, number, two_rows};

async fn market() -> (Node, String) {
    let node = Node::new().await;
    let policy = json!({"model": "wine", "low": "100", "high": "300", "calls_low": 1,
        "calls_high": 3, "window_ms": 60_000, "month_calls": 4, "month_price": "40",
        "download": "1000"});
    let set = node.post_as(OPERATOR, "/v1/plans", &policy).await;
    assert_eq!(set.status, 201, "{}", set.text());
    let key = node.post_as(OPERATOR, "/v1/keys", &json!({"buyer": "x", "deposit": "5000"})).await;
    (node, key.json()["api_key"].as_str().unwrap().to_owned())
}

async fn balance(node: &Node, key: &str) -> u128 {
    number(&node.get_as(key, "/v1/balance").await.json()["balance"])
}

#[tokio::test]
async fn each_plan_is_sold_once_at_the_price_that_is_shown() {
    let (node, key) = market().await;
    let plans = node.get("/v1/plans").await.json();
    assert_eq!(plans["models"][0]["call"]["price"], "100");
    assert_eq!(plans["models"][0]["month"]["total"], "160");
    let month = json!({"model": "wine", "plan": "month"});
    for _ in 0..2 {
        let bought = node.buy(&key, "m", &month).await;
        assert_eq!((bought.status, &bought.json()["total"]), (201, &json!("160")));
    }
    let licence = json!({"model": "wine", "plan": "download"});
    let bought = node.buy(&key, "l", &licence).await.json();
    assert_eq!((&bought["total"], &bought["version"]), (&json!("1000"), &json!(1)));
    node.buy(&key, "l2", &licence).await.assert_problem(409, "exists");
    node.buy(&key, "m", &licence).await.assert_problem(422, "idempotency-key-reused");
    assert_eq!(balance(&node, &key).await, 5_000 - 160 - 1_000);
    let cheap = json!({"model": "wine", "plan": "call", "calls": 2, "price_max": "99"});
    node.buy(&key, "c", &cheap).await.assert_problem(409, "price-above-maximum");
    for (plan, extra) in [
        ("month", json!({"calls": 1})),
        ("call", json!({})),
        ("call", json!({"calls": 1, "version": 1})),
    ] {
        let mut body = json!({"model": "wine", "plan": plan});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        node.buy(&key, "w", &body).await.assert_problem(422, "invalid");
    }
    // Three calls of the month: the price of a call has risen to its upper bound.
    for _ in 0..3 {
        assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    }
    assert_eq!(node.get("/v1/plans").await.json()["models"][0]["call"]["price"], "300");
}

#[tokio::test]
async fn a_purchase_is_answered_again_though_the_price_has_risen_above_its_maximum() {
    let (node, key) = market().await;
    let order = json!({"model": "wine", "calls": 3, "price_max": "150"});
    let first = node.buy(&key, "c", &order).await;
    assert_eq!((first.status, &first.json()["price"]), (201, &json!("100")), "{}", first.text());
    for _ in 0..3 {
        assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    }
    node.buy(&key, "d", &order).await.assert_problem(409, "price-above-maximum");
    let again = node.buy(&key, "c", &order).await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    assert_eq!(balance(&node, &key).await, 5_000 - 300);
}

#[tokio::test]
async fn a_month_that_ends_is_split_by_the_node_itself() {
    let (node, key) = market().await;
    assert_eq!(node.buy(&key, "m", &json!({"model": "wine", "plan": "month"})).await.status, 201);
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    node.pass_time(START_MS + 30 * 86_400_000).await;
    let ledger = node.get("/v1/ledger").await.json();
    assert_eq!((&ledger["predictions"], &ledger["revenue"]), (&json!(1), &json!("160")));
    node.infer(&key, &two_rows()).await.assert_oip_error(402, "no call of wine left");
}

#[tokio::test]
async fn calls_and_money_come_back_and_are_booked_once() {
    let (node, key) = market().await;
    assert_eq!(node.buy(&key, "c", &json!({"model": "wine", "calls": 3})).await.status, 201);
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    let refund = |calls: u32| json!({"model": "wine", "lot": 0, "calls": calls});
    let path = "/v1/refunds";
    node.post_once(&key, path, ("r", &refund(3))).await.assert_problem(402, "insufficient-balance");
    for _ in 0..2 {
        assert_eq!(node.post_once(&key, path, ("r", &refund(2))).await.status, 201);
    }
    node.post_once(&key, path, ("r", &refund(1)))
        .await
        .assert_problem(422, "idempotency-key-reused");
    assert_eq!(balance(&node, &key).await, 4_900);
    let id = node.get_as(&key, "/v1/balance").await.json()["key_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/keys/{id}/withdrawals");
    let out = |amount: &str| json!({"amount": amount});
    let refused = node.post_once(OPERATOR, &path, ("w", &out("4901"))).await;
    refused.assert_problem(402, "insufficient-balance");
    for _ in 0..2 {
        assert_eq!(node.post_once(OPERATOR, &path, ("w", &out("900"))).await.status, 201);
    }
    node.post_once(&key, &path, ("w2", &out("1"))).await.assert_problem(403, "forbidden");
    assert_eq!(balance(&node, &key).await, 4_000);
}

fn announced(body: &Value, (secret, time_s): (&str, u64)) -> Request<Body> {
    let body = body.to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time_s}.{body}").as_bytes());
    let signature = format!("t={time_s},v1={}", hex::encode(mac.finalize().into_bytes()));
    let request = Request::post("/v1/payments").header("content-type", "application/json");
    request.header("stripe-signature", signature).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn a_payment_is_booked_once_however_often_it_is_announced() {
    let (node, key) = market().await;
    let id = node.get_as(&key, "/v1/balance").await.json()["key_id"].clone();
    let event = |event: &str, amount: u64, currency: &str| {
        json!({"id": event,
        "type": "payment_intent.succeeded", "livemode": true, "data": {"object": {"id": "pi_1",
        "amount_received": amount, "currency": currency, "metadata": {"sahakar_key": id}}}})
    };
    let now = (WEBHOOK, START_MS / 1_000);
    let first = node.send(announced(&event("evt_1", 1_999, "eur"), now)).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let again = node.send(announced(&event("evt_1", 1_999, "eur"), now)).await;
    assert_eq!(again.json(), first.json());
    // 19.99 EUR are 199 900 of our units.
    assert_eq!(balance(&node, &key).await, 5_000 + 199_900);
    // Another event that tells of the same payment.
    let told_twice = node.send(announced(&event("evt_9", 1_999, "eur"), now)).await;
    assert_eq!(told_twice.json(), first.json());
    assert_eq!(balance(&node, &key).await, 5_000 + 199_900);
    let other = node.send(announced(&event("evt_1", 5, "eur"), now)).await;
    other.assert_problem(422, "idempotency-key-reused");
    let dollars = node.send(announced(&event("evt_2", 5, "usd"), now)).await;
    dollars.assert_problem(422, "invalid");
    let mut ignored = event("evt_3", 5, "eur");
    ignored["type"] = json!("payment_intent.created");
    assert_eq!(node.send(announced(&ignored, now)).await.json()["booked"], false);
    for wrong in [("whsec_not_the_secret", now.1), (WEBHOOK, now.1 + 301), (WEBHOOK, now.1 - 301)] {
        let refused = node.send(announced(&event("evt_4", 5, "eur"), wrong)).await;
        refused.assert_problem(401, "unauthorized");
    }
    node.post("/v1/payments", &event("evt_5", 5, "eur")).await.assert_problem(401, "unauthorized");
    assert_eq!(balance(&node, &key).await, 5_000 + 199_900);
}

#[tokio::test]
async fn a_call_with_a_name_is_paid_once_and_answered_again() {
    let (node, key) = Node::with_calls(2).await;
    let path = "/v2/models/wine/infer";
    let first = node.post_once(&key, path, ("call-1", &two_rows())).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let again = node.post_once(&key, path, ("call-1", &two_rows())).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    let mut other = two_rows();
    other["inputs"][0]["data"][0] = json!(2.0);
    let refused = node.post_once(&key, path, ("call-1", &other)).await;
    refused.assert_oip_error(422, "was used for another request");
    let unfit = node.post_once(&key, path, ("a b", &two_rows())).await;
    unfit.assert_oip_error(400, "Idempotency-Key");
    let ledger = node.get("/v1/ledger").await.json();
    assert_eq!((&ledger["predictions"], &ledger["revenue"]), (&json!(1), &json!("250")));
    let left = node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(left["calls"][0]["left"], "1");
}

#[tokio::test]
async fn a_call_that_is_repeated_while_it_is_made_is_paid_once_and_never_told_to_take_another_name()
{
    let (node, key) = Node::with_calls(8).await;
    let path = "/v2/models/wine/infer";
    // Booked at once, and reserved first.
    let mut explained = two_rows();
    explained["parameters"] = json!({"explain": true});
    for (name, body, answered_each_time) in
        [("quick", two_rows(), true), ("slow", explained, false)]
    {
        let asked = (0..4).map(|_| node.post_once(&key, path, (name, &body)));
        let replies = futures_of(asked).await;
        let mut ids = std::collections::BTreeSet::new();
        for reply in &replies {
            let told = reply.text();
            match reply.status {
                200 => drop(ids.insert(reply.json()["parameters"]["receipt"].to_string())),
                409 if !answered_each_time => assert!(told.contains("is not done yet"), "{told}"),
                other => panic!("{name}: {other} {told}"),
            }
        }
        assert_eq!(ids.len(), 1, "{name}: {ids:?}");
        let again = node.post_once(&key, path, (name, &body)).await;
        assert_eq!(again.status, 200, "{}", again.text());
    }
    assert_eq!(node.get("/v1/ledger").await.json()["predictions"], 2);
}

#[tokio::test]
async fn usage_is_exported_with_the_columns_of_focus() {
    let (node, key) = market().await;
    assert_eq!(node.buy(&key, "c", &json!({"model": "wine", "calls": 3})).await.status, 201);
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    let csv = node.get_as(&key, "/v1/usage/focus.csv").await;
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let text = csv.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines.len(), lines[0].len()), (3, 30), "{text}");
    assert!(lines.iter().all(|line| line.len() == 30), "{text}");
    let column = |name: &str| lines[0].iter().position(|column| *column == name).unwrap();
    let cell = |row: usize, name: &str| lines[row][column(name)];
    assert_eq!(
        (cell(1, "ChargeCategory"), cell(1, "EffectiveCost"), cell(1, "BilledCost")),
        ("Usage", "0.0100", "0.0000")
    );
    assert_eq!(
        (cell(2, "ChargeCategory"), cell(2, "EffectiveCost"), cell(2, "BilledCost")),
        ("Purchase", "0.0000", "0.0300")
    );
    assert_eq!(cell(1, "BillingPeriodEnd"), "1970-02-01T00:00:00Z");
    node.get_as(&key, "/v1/usage?from_ms=2&to_ms=1").await.status_is(200);
    node.get_as(&key, "/v1/usage?to_ms=1&from_ms=99999999999").await.assert_problem(422, "invalid");
    node.get("/v1/usage").await.assert_problem(401, "unauthorized");
}
