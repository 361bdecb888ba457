//! Predictions that share forward passes, one among them that cannot be computed, and more of them than there are places.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::sync::Arc;

use datasets::{Schema, Standardiser};
use serde_json::{Value, json};
use trainer_model::{Architecture, MlpShape, Parameters};
use web_api::ShelvedModel;

use super::inference::futures_of;
use super::support::{Node, Reply, name, release, settle};

/// Units of the model's hidden layer.
const HIDDEN: usize = 16_384;
/// What the model cannot compute: finite itself, and some of its hidden units are not.
const OVERFLOWING: f32 = f32::MAX;
/// Places of the queue, as [`web_api`] has them.
const PLACES: usize = 1_024;

/// A model too wide to be computed where it is asked for: it goes through the queue.
fn wide() -> ShelvedModel {
    let shape = MlpShape { inputs: 2, hidden: vec![HIDDEN], classes: 2 };
    let architecture = Architecture::mlp(shape).unwrap();
    let values = (0_u8..250).cycle().map(|step| f32::from(step) / 12_500.0 - 0.01);
    let mut values: Vec<f32> = values.take(architecture.parameter_count()).collect();
    // Those of the second feature, which is 0 but for what overflows.
    values[HIDDEN..2 * HIDDEN].fill(1e9);
    let parameters = Parameters::new(&architecture.layout(), values).unwrap();
    let standardiser = Standardiser::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let texts = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let schema =
        Schema::new(texts(["acidity", "alcohol"]), "quality".to_owned(), texts(["plain", "fine"]));
    ShelvedModel::new(architecture, parameters, standardiser, schema.unwrap()).unwrap()
}

/// A node that sells the wide model, and a buyer with so many paid calls.
async fn market(calls: usize) -> (Node, String) {
    let (node, key) = Node::with_buyer("10000000").await;
    let store = node.state.store();
    let old = store.view(|s| s.model(&name("wine")).unwrap().latest().digest);
    let new = node.state.shelf().put(wide()).unwrap();
    settle(store, &node.members, (1, old, new)).await;
    release(store, 2, new).await;
    let order = json!({"model": "wine", "calls": calls});
    assert_eq!(node.buy(&key, "calls", &order).await.status, 201);
    (node, key)
}

fn row(value: f32) -> Value {
    let data = if value >= OVERFLOWING { [0.0, value] } else { [value, 0.0] };
    json!({"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": data}]})
}

async fn calls_left(node: &Node, key: &str) -> Value {
    let balance = node.get_as(key, "/v1/balance").await.json();
    balance["calls"].as_array().unwrap().first().map_or(json!("0"), |calls| calls["left"].clone())
}

/// What the node counted.
fn figure(node: &Node, name: &str) -> usize {
    let text = node.state.metrics_text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

async fn ask_at_once(node: &Arc<Node>, key: &str, values: Vec<f32>) -> Vec<Reply> {
    let ask = |value| {
        let (node, key) = (Arc::clone(node), key.to_owned());
        tokio::spawn(async move { node.infer(&key, &row(value)).await })
    };
    let tasks: Vec<_> = values.into_iter().map(ask).collect();
    let mut replies = Vec::new();
    for task in tasks {
        replies.push(task.await.unwrap());
    }
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn predictions_at_once_share_passes_and_one_that_cannot_be_computed_fails_alone() {
    const AT_ONCE: usize = 300;
    let (node, key) = market(AT_ONCE + 8).await;
    let mut alone = Vec::new();
    for value in 0_u8..8 {
        alone.push(node.infer(&key, &row(f32::from(value))).await.json()["outputs"].clone());
    }
    assert_ne!(alone[0], alone[1]);
    let (passes, rows) = ("sahakar_inference_batch_requests_count", "sahakar_inference_rows_total");
    assert_eq!((figure(&node, passes), figure(&node, rows)), (8, 8));
    let node = Arc::new(node);
    let value = |index: usize| match index % 10 {
        9 => OVERFLOWING,
        _ => f32::from(u8::try_from(index % 8).unwrap()),
    };
    let replies = ask_at_once(&node, &key, (0..AT_ONCE).map(value).collect()).await;
    for (index, reply) in replies.iter().enumerate() {
        if index % 10 == 9 {
            reply.assert_oip_error(500, "");
        } else {
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.json()["outputs"], alone[index % 8], "row {index}");
        }
    }
    assert_eq!(figure(&node, rows), 8 + AT_ONCE);
    let shared = figure(&node, passes) - 8;
    println!("{AT_ONCE} predictions in {shared} passes");
    assert!(shared < AT_ONCE, "none shared a pass");
    assert_eq!(calls_left(&node, &key).await, (AT_ONCE / 10).to_string());
    let predictions = node.state.store().view(|state| state.counts().predictions);
    assert_eq!(predictions, (8 + AT_ONCE - AT_ONCE / 10) as u64);
}

/// On one thread: all of them ask before the first is booked.
#[tokio::test]
async fn who_finds_the_queue_full_is_told_when_to_come_again_and_charged_nothing() {
    const MORE: usize = 40;
    let (node, key) = market(PLACES + MORE).await;
    let body = row(1.0);
    let replies = futures_of((0..PLACES + MORE).map(|_| node.infer(&key, &body))).await;
    let (served, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|r| r.status == 200);
    assert_eq!((served.len(), refused.len()), (PLACES, MORE));
    for reply in refused {
        reply.assert_oip_error(503, "too many predictions are waiting");
        assert_eq!(reply.headers["retry-after"], "1");
    }
    assert_eq!(calls_left(&node, &key).await, MORE.to_string());
    let reserved = node.state.store().view(|state| state.counts().predictions);
    assert_eq!(reserved, PLACES as u64);
    assert_eq!(figure(&node, "sahakar_inference_waiting"), 0);
    // The same request, a moment later.
    assert_eq!(node.infer(&key, &body).await.status, 200);
}
