//! Many predictions at once, a model that is replaced under load, figures, and the end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use super::support::{Node, model_with, name, release, settle, two_rows};

/// One row whose probabilities follow from the model alone.
fn one_row(value: f32) -> Value {
    json!({"inputs": [
        {"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [value, 10.0]},
    ]})
}

async fn buy(node: &Node, key: &str, calls: u32) {
    let order = json!({"model": "wine", "calls": calls});
    assert_eq!(node.buy(key, "many", &order).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn predictions_that_are_batched_are_each_their_own() {
    let (node, key) = Node::with_buyer("100000").await;
    buy(&node, &key, 240).await;
    let mut expected = Vec::new();
    for row in 0_u8..8 {
        let reply = node.infer(&key, &one_row(f32::from(row))).await.json();
        expected.push(reply["outputs"].clone());
    }
    assert_ne!(expected[0], expected[1]);
    let node = Arc::new(node);
    let tasks: Vec<_> = (0..200_usize)
        .map(|number| {
            let (node, key) = (Arc::clone(&node), key.clone());
            let row = u8::try_from(number % 8).unwrap();
            tokio::spawn(async move { node.infer(&key, &one_row(f32::from(row))).await })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let reply = task.await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["outputs"], expected[number % 8]);
    }
    let ledger = node.get("/v1/ledger").await.json();
    assert_eq!((&ledger["predictions"], &ledger["revenue"]), (&json!(208), &json!("52000")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_version_takes_over_without_a_failed_request() {
    let (node, key) = Node::with_buyer("1000000").await;
    // The buyers' and two more.
    buy(&node, &key, 2_002).await;
    let (node, answered) = (Arc::new(node), Arc::new(AtomicUsize::new(0)));
    let buyers: Vec<_> = (0..4)
        .map(|_| {
            let (node, key, answered) = (Arc::clone(&node), key.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                let (mut versions, mut of_new) = (Vec::new(), 0);
                // Until the new one has answered for a while; then each has asked on both sides of the change.
                while of_new < 5 && versions.len() < 500 {
                    let reply = node.infer(&key, &two_rows()).await;
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    let body = reply.json();
                    let data = body["outputs"][0]["data"].clone();
                    of_new += usize::from(body["model_version"] == "2");
                    versions.push((body["model_version"].clone(), data));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                versions
            })
        })
        .collect();
    while answered.load(Ordering::SeqCst) < 20 {
        tokio::task::yield_now().await;
    }
    let store = node.state.store();
    let old = store.view(|s| s.model(&name("wine")).unwrap().latest().digest);
    let new = node.state.shelf().put(model_with(vec![-1.0, 1.0, 0.5, -0.5, 0.3, 0.0])).unwrap();
    settle(store, &node.members, (1, old, new)).await;
    release(store, 2, new).await;
    let after = node.infer(&key, &two_rows()).await.json();
    assert_eq!(after["model_version"], "2");
    // The old one can still be asked for by its number, until it is taken off.
    let version = node.post_as(&key, "/v2/models/wine/versions/1/infer", &two_rows()).await;
    assert_eq!(version.status, 200);
    let mut of_version = BTreeMap::new();
    for buyer in buyers {
        for (version, data) in buyer.await.unwrap() {
            let same = data == after["outputs"][0]["data"];
            assert_eq!(same, version == "2", "an answer is of the version that it names");
            *of_version.entry(version.as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    println!("answers of each version: {of_version:?}");
    assert!(of_version["1"] >= 20 && of_version["2"] == 4 * 5, "{of_version:?}");
    let metadata = node.get("/v2/models/wine").await.json();
    assert_eq!(metadata["versions"], json!(["1", "2"]));
}

#[tokio::test]
async fn what_is_counted_is_what_happened() {
    let (node, key) = Node::with_calls(2).await;
    node.infer(&key, &two_rows()).await;
    node.get("/v1/models/secret-of-a-buyer").await;
    node.get("/nothing").await;
    let text = node.state.metrics_text();
    for line in [
        "sahakar_http_requests_total{route=\"/v2/models/{name}/infer\",status=\"200\"} 1",
        "sahakar_http_requests_total{route=\"/v1/models/{name}\",status=\"404\"} 1",
        "sahakar_http_requests_total{route=\"none\",status=\"404\"} 1",
        "sahakar_inference_seconds_count 1",
        "sahakar_inference_batch_requests_count 1",
        "sahakar_inference_rows_total 2",
        "sahakar_inference_waiting 0",
        "sahakar_http_requests_in_flight 0",
        "sahakar_model_cache_models 1",
        "sahakar_ready 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains(&key));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("sahakar_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_node_that_is_about_to_stop_is_not_ready_but_answers() {
    let (node, key) = Node::with_calls(1).await;
    node.state.begin_stopping();
    let ready = node.get("/v2/health/ready").await;
    assert_eq!((ready.status, ready.json()), (503, json!({"live": true, "ready": false})));
    assert_eq!(node.get("/v2/health/live").await.status, 200);
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    assert!(node.state.metrics_text().contains("\nsahakar_ready 0\n"));
}
