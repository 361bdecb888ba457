//! Prices, keys, deposits, purchases, and the way of the money.

use serde_json::json;

use super::support::{Node, OPERATOR, number, two_rows};

#[tokio::test]
async fn the_price_of_a_prediction_reaches_those_who_earned_it_to_the_last_unit() {
    let (node, key) = Node::with_calls(3).await;
    let prediction = node.infer(&key, &two_rows()).await;
    assert_eq!(prediction.status, 200, "{}", prediction.text());
    let path = prediction.headers["sahakar-receipt"].to_str().unwrap().to_owned();
    let id = prediction.json()["parameters"]["receipt"].as_str().unwrap().to_owned();
    assert_eq!(path, format!("/v1/receipts/{id}"));

    let receipt = node.get(&path).await.json();
    assert_eq!(receipt["id"], id);
    assert_eq!(receipt["price"], "250");
    assert_eq!(receipt["model"]["name"], "wine");
    assert_eq!(receipt["model"]["contributors"], 3);
    assert_eq!(receipt["model"]["rounds"], 1);
    assert!(receipt["model"]["epsilon"].is_null());
    let lines = receipt["lines"].as_array().unwrap();
    assert_eq!(lines.iter().map(|line| number(&line["amount"])).sum::<u128>(), 250);
    assert_eq!(
        (lines[0]["recipient"].as_str(), number(&lines[0]["amount"])),
        (Some("treasury"), 25)
    );
    assert_eq!(lines[0]["label"], "Test <DAO> (treasury)");
    let path = format!("/v1/ledger/accounts?prefix=money/EUR/{}", "member/");
    let accounts = node.get(&path).await.json();
    let earned = accounts["accounts"].as_array().unwrap().iter();
    assert_eq!(earned.map(|account| number(&account["balance"])).sum::<u128>(), 225);

    let balance = node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(balance["balance"], "9250");
    assert_eq!(balance["calls"][0]["left"], "2");
    assert_eq!(balance["calls"][0]["lots"][0]["price"], "250");
    let ledger = node.get("/v1/ledger").await.json();
    assert_eq!((&ledger["predictions"], &ledger["revenue"]), (&json!(1), &json!("250")));
}

#[tokio::test]
async fn a_repeated_purchase_is_answered_again_and_booked_once() {
    let (node, key) = Node::with_buyer("10000").await;
    let order = json!({"model": "wine", "calls": 4});
    let first = node.buy(&key, "order-1", &order).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.json()["total"], "1000");
    let again = node.buy(&key, "\"order-1\"", &order).await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    let other = node.buy(&key, "order-1", &json!({"model": "wine", "calls": 5})).await;
    other.assert_problem(422, "idempotency-key-reused");
    assert_eq!(node.get_as(&key, "/v1/balance").await.json()["balance"], "9000");
}

#[tokio::test]
async fn a_repeated_deposit_is_booked_once() {
    let (node, key) = Node::with_buyer("100").await;
    let id = node.get_as(&key, "/v1/balance").await.json()["key_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/keys/{id}/deposits");
    let deposit = |amount: &str| json!({"amount": amount});
    for _ in 0..2 {
        let booked = node.post_once(OPERATOR, &path, ("transfer-7", &deposit("50"))).await;
        assert_eq!((booked.status, &booked.json()["amount"]), (201, &json!("50")));
    }
    let other = node.post_once(OPERATOR, &path, ("transfer-7", &deposit("51"))).await;
    other.assert_problem(422, "idempotency-key-reused");
    // A purchase is another request, too.
    let purchase = node.buy(&key, "transfer-7", &json!({"model": "wine", "calls": 1})).await;
    purchase.assert_problem(422, "idempotency-key-reused");
    assert_eq!(node.get_as(&key, "/v1/balance").await.json()["balance"], "150");
    node.post_as(OPERATOR, &path, &deposit("1"))
        .await
        .assert_problem(400, "idempotency-key-missing");
    let nobody = node.post_once(OPERATOR, "/v1/keys/k-none/deposits", ("a", &deposit("1"))).await;
    nobody.assert_problem(404, "not-found");
    let nothing = node.post_once(OPERATOR, &path, ("b", &deposit("0"))).await;
    nothing.assert_problem(422, "amount");
    let negative = node.post_once(OPERATOR, &path, ("c", &deposit("-1"))).await;
    negative.assert_problem(422, "invalid");
}

#[tokio::test]
async fn only_the_operator_books_deposits_and_sets_prices() {
    let (node, key) = Node::with_buyer("100").await;
    let routes = [
        ("/v1/keys/k-1/deposits", json!({"amount": "1"})),
        ("/v1/prices", json!({"model": "wine", "price": "1"})),
    ];
    for (path, body) in routes {
        node.post(path, &body).await.assert_problem(401, "unauthorized");
        node.post_as(&key, path, &body).await.assert_problem(403, "forbidden");
        node.post_as("", path, &body).await.assert_problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn only_a_key_reads_its_balance_and_buys() {
    let (node, key) = Node::with_buyer("100").await;
    for token in [OPERATOR, "sk_wrong", &key[..key.len() - 1], &"x".repeat(1_000)] {
        node.get_as(token, "/v1/balance").await.assert_problem(401, "unauthorized");
        let order = json!({"model": "wine", "calls": 1});
        node.buy(token, "order", &order).await.assert_problem(401, "unauthorized");
    }
    node.get("/v1/balance").await.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_key_is_shown_once_and_not_cached() {
    let node = Node::new().await;
    let reply = node.post_as(OPERATOR, "/v1/keys", &json!({"buyer": "Cellar"})).await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    let key = reply.json()["api_key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("sk_") && key.len() == 46, "{key}");
    let entries = node.get("/v1/ledger/entries?limit=200").await.text();
    assert!(!entries.contains(&key) && entries.contains("key_granted"));
    assert!(!entries.contains("Cellar"), "the log is for ever");
}

#[tokio::test]
async fn keys_and_prices_out_of_bounds_are_refused() {
    let node = Node::new().await;
    let node = &node;
    let key = |body| async move { node.post_as(OPERATOR, "/v1/keys", &body).await };
    key(json!({"buyer": ""})).await.assert_problem(422, "out-of-bounds");
    key(json!({"buyer": "x".repeat(201)})).await.assert_problem(422, "out-of-bounds");
    key(json!({"buyer": "x", "deposit": "0"})).await.assert_problem(422, "invalid");
    key(json!({"buyer": "x", "deposit": 5})).await.assert_problem(422, "invalid");
    key(json!({"buyer": "x", "scopes": []})).await.assert_problem(422, "invalid");
    let price = |body| async move { node.post_as(OPERATOR, "/v1/prices", &body).await };
    price(json!({"model": "wine", "price": "0"})).await.assert_problem(422, "out-of-bounds");
    price(json!({"model": "beer", "price": "5"})).await.assert_problem(404, "not-found");
    price(json!({"model": "BEER", "price": "5"})).await.assert_problem(404, "not-found");
    assert_eq!(price(json!({"model": "wine", "price": "5"})).await.status, 201);
    price(json!({"model": "wine", "price": "6"})).await.assert_problem(409, "price-needs-vote");
}

#[tokio::test]
async fn purchases_that_make_no_sense_are_refused() {
    let node = Node::new().await;
    let key = node.post_as(OPERATOR, "/v1/keys", &json!({"buyer": "x", "deposit": "1000"})).await;
    let key = key.json()["api_key"].as_str().unwrap().to_owned();
    let order = |model: &str, calls: u64| json!({"model": model, "calls": calls});
    node.buy(&key, "a", &order("wine", 1)).await.assert_problem(409, "no-price");
    let price = json!({"model": "wine", "price": "250"});
    assert_eq!(node.post_as(OPERATOR, "/v1/prices", &price).await.status, 201);
    node.buy(&key, "a", &order("beer", 1)).await.assert_problem(404, "not-found");
    node.buy(&key, "a", &order("", 1)).await.assert_problem(404, "not-found");
    node.buy(&key, "a", &order("wine", 0)).await.assert_problem(422, "purchase");
    node.buy(&key, "a", &order("wine", 1 << 33)).await.assert_problem(422, "invalid");
    node.buy(&key, "a", &order("wine", 5)).await.assert_problem(402, "insufficient-balance");
    let missing = node.post_as(&key, "/v1/purchases", &order("wine", 1)).await;
    missing.assert_problem(400, "idempotency-key-missing");
    for unfit in ["", "a b", &"x".repeat(201)] {
        let refused = node.buy(&key, unfit, &order("wine", 1)).await;
        refused.assert_problem(400, "idempotency-key-missing");
    }
    // What was refused took no Idempotency-Key.
    assert_eq!(node.buy(&key, "a", &order("wine", 4)).await.status, 201);
}

#[tokio::test]
async fn a_key_that_is_ordered_again_is_the_same_key_and_its_deposit_is_booked_once() {
    let (node, _) = Node::with_buyer("100").await;
    let order = json!({"buyer": "Cellar", "deposit": "500"});
    let first = node.post_once(OPERATOR, "/v1/keys", ("order-1", &order)).await;
    first.status_is(201);
    let again = node.post_once(OPERATOR, "/v1/keys", ("order-1", &order)).await;
    again.status_is(201);
    let (first, again) = (first.json(), again.json());
    assert!(first["api_key"].is_string() && again["api_key"].is_null(), "shown once");
    for field in ["key_id", "balance", "ledger_index", "buyer"] {
        assert_eq!(first[field], again[field]);
    }
    assert_eq!(again["balance"], "500");
    for other in [
        json!({"buyer": "Cellar", "deposit": "501"}),
        json!({"buyer": "Cellar"}),
        json!({"buyer": "Other", "deposit": "500"}),
        json!({"buyer": "Cellar", "deposit": "500", "grant": {"pay_as_you_go": true}}),
    ] {
        let refused = node.post_once(OPERATOR, "/v1/keys", ("order-1", &other)).await;
        refused.assert_problem(422, "idempotency-key-reused");
    }
    let unnamed = axum::http::Request::post("/v1/keys")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {OPERATOR}"))
        .body(axum::body::Body::from(order.to_string()));
    node.send(unnamed.unwrap()).await.assert_problem(400, "idempotency-key-missing");
    // The same name of somebody else is another order.
    let owner = first["api_key"].as_str().unwrap();
    let till = node.post_once(owner, "/v1/keys", ("order-1", &json!({"buyer": "Till"}))).await;
    till.status_is(201);
    assert_ne!(till.json()["key_id"], first["key_id"]);
}
