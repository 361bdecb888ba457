//! The Open Inference Protocol.

use axum::{body::Body, http::Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Node, START_MS, name, two_rows};

#[tokio::test]
async fn a_prediction_has_probabilities_and_labels() {
    let (node, key) = Node::with_calls(2).await;
    let reply = node.infer(&key, &two_rows()).await;
    let body = reply.json();
    assert_eq!(reply.status, 200, "{body}");
    assert_eq!(
        (&body["model_name"], &body["model_version"], &body["id"]),
        (&json!("wine"), &json!("1"), &json!("mine"))
    );
    let (probabilities, label) = (&body["outputs"][0], &body["outputs"][1]);
    assert_eq!(probabilities["name"], "probabilities");
    assert_eq!(
        (&probabilities["datatype"], &probabilities["shape"]),
        (&json!("FP32"), &json!([2, 2]))
    );
    assert_eq!((&label["datatype"], &label["shape"]), (&json!("BYTES"), &json!([2])));
    // Standardised, the first row is zero: the logits are the biases 0 and 1/4.
    let expected = 1.0 / (1.0 + (-0.25_f64).exp());
    assert!((probabilities["data"][1].as_f64().unwrap() - expected).abs() < 1e-6);
    assert_eq!(label["data"][0], "fine");

    let version = node.post_as(&key, "/v2/models/wine/versions/1/infer", &two_rows()).await;
    assert_eq!(version.json()["outputs"], body["outputs"]);
    node.infer(&key, &two_rows()).await.assert_oip_error(402, "no call of wine left");
}

#[tokio::test]
async fn wanted_outputs_are_given_and_no_others() {
    let (node, key) = Node::with_calls(1).await;
    let wanting = |names: Value| {
        let mut body = two_rows();
        body["outputs"] = names;
        body
    };
    let refused = node.infer(&key, &wanting(json!([{"name": "logits"}]))).await;
    refused.assert_oip_error(400, "logits");
    let label = json!([{"name": "label"}]);
    let reply = node.infer(&key, &wanting(label)).await.json();
    assert_eq!(reply["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(reply["outputs"][0]["name"], "label");
}

#[tokio::test]
async fn a_refused_request_costs_nothing() {
    let (node, key) = Node::with_calls(1).await;
    let tensor = |shape: Value, data: Value| json!({"inputs": [{"name": "input", "shape": shape, "datatype": "FP32", "data": data}]});
    let bad = [
        tensor(json!([2, 2]), json!([1, 2, 3])),
        tensor(json!([1, 3]), json!([1, 2, 3])),
        tensor(json!([0, 2]), json!([])),
        tensor(json!([2000, 2]), json!(vec![0; 4000])),
        tensor(json!([1, 2]), json!([1, 1e39])),
        tensor(json!([1, 2]), json!([1, null])),
        json!({"inputs": []}),
    ];
    for body in bad {
        node.infer(&key, &body).await.assert_oip_error(400, "");
    }
    // Finite as sent, but not once it is standardised.
    let large = tensor(json!([1, 2]), json!([3.4e38, 1]));
    node.infer(&key, &large).await.assert_oip_error(400, "not a finite number");
    node.infer(&key, &json!({"inputs": 5})).await.assert_oip_error(422, "");
    node.infer(&key, &json!([])).await.assert_oip_error(422, "");
    let order = Request::post("/v2/models/wine/infer")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    // JSON has no NaN.
    let nan = r#"{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[NaN,1]}]}"#;
    node.send(order.body(Body::from(nan)).unwrap()).await.assert_oip_error(400, "");
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
}

#[tokio::test]
async fn who_and_what_is_unknown_is_refused_in_the_protocols_form() {
    let (node, key) = Node::with_calls(1).await;
    let reply = node.infer("sk_wrong", &two_rows()).await;
    reply.assert_oip_error(401, "not known");
    assert!(reply.headers.contains_key("www-authenticate"));
    node.post("/v2/models/wine/infer", &two_rows()).await.assert_oip_error(401, "Bearer");
    for path in ["beer", "beer/versions/1", "wine/versions/2", "wine/versions/x"] {
        let reply = node.post_as(&key, &format!("/v2/models/{path}/infer"), &two_rows()).await;
        reply.assert_oip_error(404, "there is no");
        node.get(&format!("/v2/models/{path}")).await.assert_oip_error(404, "there is no");
        node.get(&format!("/v2/models/{path}/ready")).await.assert_oip_error(404, "there is no");
    }
}

#[tokio::test]
async fn a_body_too_long_or_of_another_type_is_refused() {
    let (node, key) = Node::with_calls(1).await;
    let request =
        || Request::post("/v2/models/wine/infer").header("authorization", format!("Bearer {key}"));
    let long = vec![b' '; web_api::INFER_BODY_BYTES_MAX + 1];
    let reply = request().header("content-type", "application/json").body(Body::from(long));
    node.send(reply.unwrap()).await.assert_oip_error(413, "longer");
    let reply = request().header("content-type", "text/plain");
    let reply = reply.body(Body::from(two_rows().to_string()));
    node.send(reply.unwrap()).await.assert_oip_error(415, "application/json");
    // A batch above the other routes' limit is taken.
    let data = vec![1.234_567_890_123; 2 * web_api::ROWS_MAX];
    let (shape, datatype) = ([web_api::ROWS_MAX, 2], "FP64");
    let input = json!({"name": "input", "shape": shape, "datatype": datatype, "data": data});
    let mut body = json!({"inputs": [input]});
    body["id"] = json!("x".repeat(web_api::BODY_BYTES_MAX));
    assert_eq!(node.infer(&key, &body).await.status, 200);
}

#[tokio::test]
async fn a_model_that_is_not_loaded_costs_nothing_and_says_so() {
    let (node, key) = Node::with_calls(1).await;
    let digest = node.state.store().view(|s| s.model(&name("wine")).unwrap().latest().digest);
    node.state.shelf().remove(&digest);
    node.infer(&key, &two_rows()).await.assert_oip_error(503, "not loaded");
    let ready = node.get("/v2/models/wine/ready").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
    let balance = node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(balance["calls"][0]["left"], "1");
    assert!(node.get("/v1/models/wine").await.json()["signature"].is_null());
}

#[tokio::test]
async fn predictions_at_once_are_each_paid_once() {
    let (node, key) = Node::with_calls(5).await;
    // Two prices in two purchases would refuse a reservation with the other's price.
    let body = two_rows();
    let tasks = (0..8).map(|_| node.infer(&key, &body));
    let mut statuses = Vec::new();
    for reply in futures_of(tasks).await {
        statuses.push(reply.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 402, 402, 402]);
    assert_eq!(node.get("/v1/ledger").await.json()["revenue"], "1250");
}

/// Runs futures at once and returns their results in order.
pub(crate) async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(results.iter_mut().filter_map(Option::take).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn the_server_and_its_models_describe_themselves() {
    let (node, _) = Node::with_calls(1).await;
    assert_eq!(node.get("/v2").await.json()["name"], "sahakar");
    for path in ["/v2/health/live", "/v2/health/ready"] {
        let health = node.get(path).await;
        assert_eq!((health.status, health.json()), (200, json!({"live": true, "ready": true})));
    }
    for path in ["/v2/models/wine", "/v2/models/wine/versions/1"] {
        let model = node.get(path).await.json();
        assert_eq!(model["versions"], json!(["1"]));
        assert_eq!(
            model["inputs"][0],
            json!({"name": "input", "datatype": "FP32", "shape": [-1, 2]})
        );
    }
    for path in ["/v2/models/wine/ready", "/v2/models/wine/versions/1/ready"] {
        assert_eq!(node.get(path).await.json(), json!({"name": "wine", "ready": true}));
    }
}

#[tokio::test]
async fn the_clock_may_go_back_without_harm() {
    let (node, key) = Node::with_calls(1).await;
    node.set_time(START_MS - 500);
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
}

/// Any JSON of moderate size.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9]{0,6}".prop_map(Value::from),
        prop_oneof![Just("input"), Just("FP32"), Just("FP64")].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let keys = prop_oneof![
            Just("inputs".to_owned()),
            Just("name".to_owned()),
            Just("shape".to_owned()),
            Just("datatype".to_owned()),
            Just("data".to_owned()),
            Just("outputs".to_owned()),
            "[a-z]{1,4}",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(keys, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn any_json_is_answered_without_an_error_of_the_node() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (node, key) = runtime.block_on(Node::with_calls(40));
    proptest!(ProptestConfig::with_cases(300), |(body in any_json(), part in any_json())| {
        let near = json!({"inputs": [{
            "name": "input", "datatype": "FP32", "shape": [1, 2], "data": part,
        }]});
        for body in [body, near] {
            let reply = runtime.block_on(node.infer(&key, &body));
            prop_assert!(reply.status < 500, "{} {}", reply.status, body);
        }
    });
}
