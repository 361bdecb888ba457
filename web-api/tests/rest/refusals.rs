//! Whatever is refused leaves the log and the buyer's balance as they were, and is refused in the form of its protocol.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::io::Write as _;

use axum::{body::Body, http::Request};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::support::{Node, OPERATOR, Reply, START_MS, two_rows};

/// What must not change.
#[derive(Debug, PartialEq)]
struct Books {
    entries: u64,
    balance: Value,
}

/// A node that is asked what it refuses, and its buyer.
struct Asked {
    node: Node,
    key: String,
}

impl Asked {
    /// The buyer has two paid calls, and 9500 left.
    async fn new() -> Self {
        let (node, key) = Node::with_calls(2).await;
        Self { node, key }
    }

    async fn books(&self) -> Books {
        let balance = self.node.get_as(&self.key, "/v1/balance").await.json();
        Books { entries: self.node.state.store().size(), balance }
    }

    /// What a request is answered that books nothing.
    async fn refused(&self, request: Request<Body>) -> Reply {
        let (before, told) = (self.books().await, format!("{request:?}"));
        let reply = self.node.send(request).await;
        assert!(reply.status >= 400, "{told}: {}", reply.text());
        assert_eq!(self.books().await, before, "{told}");
        reply
    }

    fn infer(&self, path: &str, token: &str) -> axum::http::request::Builder {
        Request::post(format!("/v2/models/{path}/infer"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
    }

    /// A refused prediction, in the protocol's form.
    async fn call(&self, body: impl Into<Body>, (status, part): (u16, &str)) {
        let request = self.infer("wine", &self.key).body(body.into()).unwrap();
        self.refused(request).await.assert_oip_error(status, part);
    }

    /// The same with a tensor of these.
    async fn tensor(&self, shape: Value, data: Value, part: &str) {
        let tensor = json!({"name": "input", "shape": shape, "datatype": "FP32", "data": data});
        self.call(json!({"inputs": [tensor]}).to_string(), (400, part)).await;
    }

    /// A refused order.
    async fn order(&self, (token, path): (&str, &str), name: &str, body: Value) -> Reply {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("idempotency-key", name);
        self.refused(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test]
async fn bodies_that_are_none_are_refused_and_nothing_is_booked() {
    let asked = Asked::new().await;
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    asked.call(deep, (422, "")).await;
    let deep = [b"{\"inputs\":[],\"unknown\":".to_vec(), vec![b'['; 100_000]].concat();
    asked.call(deep, (400, "EOF")).await;
    asked.call(&b"\xff\xfe\xfd"[..], (400, "")).await;
    asked.call(&b"{\"id\":\"\xff\",\"inputs\":[]}"[..], (400, "")).await;
    asked.call("", (400, "EOF")).await;
    asked.call("null", (422, "")).await;
    asked.call("{\"inputs\":", (400, "EOF")).await;
    let long = vec![b' '; web_api::INFER_BODY_BYTES_MAX + 1];
    asked.call(long, (413, "longer")).await;
    // A small body that inflates to a thousand times its size.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..=web_api::INFER_BODY_BYTES_MAX >> 16 {
        bomb.write_all(&[b' '; 1 << 16]).unwrap();
    }
    let request = asked.infer("wine", &asked.key).header("content-encoding", "gzip");
    let request = request.body(Body::from(bomb.finish().unwrap())).unwrap();
    asked.refused(request).await.assert_oip_error(413, "longer");
    let request = asked.infer("wine", &asked.key).header("content-encoding", "br");
    let request = request.body(Body::from(two_rows().to_string())).unwrap();
    asked.refused(request).await.assert_oip_error(415, "gzip");
}

#[tokio::test]
async fn inputs_that_are_no_rows_of_numbers_are_refused_and_nothing_is_booked() {
    let asked = Asked::new().await;
    asked.tensor(json!([1, 3]), json!([1, 2, 3]), "").await;
    asked.tensor(json!([2, 2]), json!([1, 2, 3]), "").await;
    asked.tensor(json!([2]), json!([1, 2]), "").await;
    asked.tensor(json!([1, 2, 2]), json!([1, 2]), "").await;
    asked.tensor(json!([0, 2]), json!([]), "").await;
    let negative = r#"{"inputs":[{"name":"input","shape":[-1,2],"datatype":"FP32","data":[1,2]}]}"#;
    asked.call(negative, (422, "")).await;
    asked.tensor(json!([4_294_967_296_u64, 4_294_967_296_u64]), json!([1]), "").await;
    asked.tensor(json!([1, 2]), json!([1, null]), "").await;
    asked.tensor(json!([1, 2]), json!([1, "2"]), "").await;
    asked.tensor(json!([1, 2]), json!([1, 1e39]), "").await;
    asked.tensor(json!([1, 2]), json!([3.4e38, 1]), "not a finite number").await;
    let nan = r#"{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[NaN,1]}]}"#;
    asked.call(nan, (400, "")).await;
    // In binary there is a NaN.
    let tensor = json!({"name": "input", "shape": [1, 2], "datatype": "FP32",
        "parameters": {"binary_data_size": 8}});
    let header = json!({"inputs": [tensor]}).to_string();
    let request = asked.infer("wine", &asked.key);
    let request = request.header("inference-header-content-length", header.len());
    let body = [header.as_bytes(), &1_f32.to_le_bytes(), &f32::NAN.to_le_bytes()].concat();
    let request = request.body(Body::from(body)).unwrap();
    asked.refused(request).await.assert_oip_error(400, "value 1");
}

#[tokio::test]
async fn who_asks_for_what_is_not_there_or_may_not_ask_is_refused_and_nothing_is_booked() {
    let asked = Asked::new().await;
    let body = || Body::from(two_rows().to_string());
    for path in ["beer", "wine/versions/9", "wine/versions/x", "beer/versions/1"] {
        let request = asked.infer(path, &asked.key).body(body()).unwrap();
        asked.refused(request).await.assert_oip_error(404, "there is no");
    }
    let request = asked.infer("wine", "sk_unknown").body(body()).unwrap();
    asked.refused(request).await.assert_oip_error(401, "not known");
    let request = asked.infer("wine", OPERATOR).body(body()).unwrap();
    asked.refused(request).await.assert_oip_error(401, "");
    let order = json!({"buyer": "Till", "grant": {"expires_at_ms": START_MS + 1_000}});
    let brief = asked.node.post_as(&asked.key, "/v1/keys", &order).await.json();
    let brief = brief["api_key"].as_str().unwrap().to_owned();
    asked.node.set_time(START_MS + 1_000);
    let request = asked.infer("wine", &brief).body(body()).unwrap();
    asked.refused(request).await.assert_oip_error(401, "has expired");
    let order = json!({"model": "wine", "calls": 1});
    let expired = asked.order((&brief, "/v1/purchases"), "brief", order).await;
    expired.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn an_exhausted_balance_buys_and_calls_nothing_and_nothing_is_booked() {
    let asked = Asked::new().await;
    let order = |calls: u32| json!({"model": "wine", "calls": calls});
    let dear = asked.order((&asked.key, "/v1/purchases"), "dear", order(39)).await;
    dear.assert_problem(402, "insufficient-balance");
    assert_eq!(asked.node.buy(&asked.key, "rest", &order(38)).await.status, 201);
    let one_more = asked.order((&asked.key, "/v1/purchases"), "more", order(1)).await;
    one_more.assert_problem(402, "insufficient-balance");
    for _ in 0..40 {
        assert_eq!(asked.node.infer(&asked.key, &two_rows()).await.status, 200);
    }
    asked.call(two_rows().to_string(), (402, "")).await;
}

#[tokio::test]
async fn a_name_of_another_request_is_refused_and_nothing_is_booked_for_it() {
    let asked = Asked::new().await;
    let Asked { node, key } = &asked;
    let reused = |reply: Reply| reply.assert_problem(422, "idempotency-key-reused");
    // A purchase: `order-1` was for two calls.
    let other = json!({"model": "wine", "calls": 3});
    reused(asked.order((key, "/v1/purchases"), "order-1", other).await);
    let id = node.get_as(key, "/v1/balance").await.json()["key_id"].as_str().unwrap().to_owned();
    let deposits = format!("/v1/keys/{id}/deposits");
    let paid = node.post_once(OPERATOR, &deposits, ("paid", &json!({"amount": "7"}))).await;
    assert_eq!(paid.status, 201, "{}", paid.text());
    reused(asked.order((OPERATOR, &deposits), "paid", json!({"amount": "8"})).await);
    // A prediction, in its protocol's form.
    let infer = |body: Value| {
        let request = asked.infer("wine", key).header("idempotency-key", "call");
        request.body(Body::from(body.to_string())).unwrap()
    };
    assert_eq!(node.send(infer(two_rows())).await.status, 200);
    let mut other = two_rows();
    other["inputs"][0]["data"][0] = json!(1.5);
    asked.refused(infer(other)).await.assert_oip_error(422, "used for another request");
    // The same request under its name is answered again, and not paid again.
    let before = asked.books().await;
    assert_eq!(node.send(infer(two_rows())).await.status, 200);
    assert_eq!(asked.books().await, before);
}
