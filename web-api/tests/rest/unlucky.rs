//! What becomes of requests when the node itself fails.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use serde_json::json;

use super::support::{BROKEN_CLOCK, Node, START_MS, model_with, name, release, settle, two_rows};

/// How many entries of a kind the log has.
async fn count(node: &Node, kind: &str) -> usize {
    let entries = node.state.store().entries(0, 1_000).await.unwrap();
    entries.iter().filter(|stored| stored.entry.body.kind() == kind).count()
}

#[tokio::test]
async fn a_bug_in_one_request_is_that_request_s_problem_alone() {
    let (node, key) = Node::with_calls(1).await;
    let size = node.state.store().size();
    node.set_time(BROKEN_CLOCK);
    let failed = node.get_as(&key, "/v1/balance").await;
    failed.assert_problem(500, "internal");
    assert!(!failed.text().contains("a bug, for the test"), "causes are not for strangers");
    node.infer(&key, &two_rows()).await.assert_oip_error(500, "its log says why");
    node.set_time(START_MS);
    assert_eq!(node.state.store().size(), size);
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    let text = node.state.metrics_text();
    assert!(text.contains("\nsahakar_http_requests_in_flight 0\n"), "{text}");
}

/// Its parameters are numbers, and what they compute is none.
#[tokio::test]
async fn a_prediction_that_cannot_be_computed_is_given_back() {
    let (node, key) = Node::with_calls(2).await;
    let store = node.state.store();
    let old = store.view(|state| state.model(&name("wine")).unwrap().latest().digest);
    let new = node.state.shelf().put(model_with(vec![f32::MAX; 6])).unwrap();
    settle(store, &node.members, (1, old, new)).await;
    release(store, 2, new).await;
    let mut explained = two_rows();
    explained["inputs"][0]["data"] = json!([1e6, 1e6, 1e6, 1e6]);
    explained["parameters"] = json!({"explain": true});
    node.infer(&key, &explained).await.assert_oip_error(500, "");
    assert_eq!(
        (count(&node, "prediction_reserved").await, count(&node, "predicted").await),
        (1, 0)
    );
    assert_eq!(count(&node, "prediction_voided").await, 1);
    let balance = node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(balance["calls"][0]["left"], "2", "{balance}");
    // Without reasons it is computed before anything is booked.
    let mut plain = explained.clone();
    plain.as_object_mut().unwrap().remove("parameters");
    node.infer(&key, &plain).await.assert_oip_error(500, "");
    assert_eq!(count(&node, "prediction_reserved").await, 1);
    let version = node.post_as(&key, "/v2/models/wine/versions/1/infer", &two_rows()).await;
    assert_eq!(version.status, 200);
}

/// As a disk does that gives back other bytes than it was given.
fn overwrite(dir: &std::path::Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files += overwrite(&path);
        } else {
            // In place: the node has it open.
            let len = usize::try_from(entry.metadata().unwrap().len()).unwrap();
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, &vec![0; len]).unwrap();
            files += 1;
        }
    }
    files
}

#[tokio::test]
async fn a_node_whose_database_is_lost_sells_nothing() {
    let (node, key) = Node::with_calls(1).await;
    assert_eq!(node.get("/v2/health/ready").await.status, 200);
    let size = node.state.store().size();
    assert!(overwrite(node.dir.path()) > 0);
    for _ in 0..2 {
        node.infer(&key, &two_rows()).await.assert_oip_error(503, "");
    }
    let ready = node.get("/v2/health/ready").await;
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (503, Some(false)));
    let predictions = node.state.store().view(|state| state.counts().predictions);
    assert_eq!((node.state.store().size(), predictions), (size, 0));
    let balance = node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(balance["calls"][0]["left"], "1", "{balance}");
}
