//! The files of a model: who gets them, and what others make of them.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::path::Path;

use axum::{body::Body, http::Request};
use serde_json::json;
use web_api::ModelSigner;

use super::support::{Node, OPERATOR, two_rows};

const FILES: &str = "/v1/models/wine/versions/1/files";
/// The environment variable that asks for the comparison with others' programs.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_PYTHON_CLIENTS";

fn signing(node: &Node) {
    let key = ModelSigner::generate_pkcs8().unwrap();
    assert!(node.state.sign_models_with(ModelSigner::from_pkcs8(&key).unwrap()));
}

#[tokio::test]
async fn the_card_is_public_and_says_what_the_ledger_says() {
    let (node, _) = Node::with_buyer("100").await;
    let card = node.get(&format!("{FILES}/README.md")).await;
    assert_eq!(card.status, 200);
    assert!(card.headers["content-type"].to_str().unwrap().starts_with("text/markdown"));
    let text = card.text();
    let digest = node.get("/v1/models/wine").await.json()["versions"][0]["digest"].clone();
    for part in [
        "---\nlicense: unknown\n",
        "      value: 0.75\n",
        "# wine, version 1",
        "federation wine of Test &lt;DAO> in 1 rounds on the data of 3 contributors",
        "Agreed purpose: tests",
        "| loss on it, in nats | 0.512345 |",
        "| privacy loss ε of a contributor | no bound is guaranteed |",
        "1. acidity\n2. alcohol",
        digest.as_str().unwrap(),
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("Winery"), "no member is named in what leaves the node");
    assert_eq!(node.get(&format!("{FILES}/README.md")).await.text(), text);
}

/// A node that sells licences, too, and a buyer who can pay for one.
async fn with_licences() -> (Node, String) {
    let node = Node::new().await;
    let policy = json!({"model": "wine", "low": "100", "high": "300", "calls_low": 1,
        "calls_high": 3, "window_ms": 60_000, "month_calls": 4, "month_price": "40",
        "download": "1000"});
    let set = node.post_as(OPERATOR, "/v1/plans", &policy).await;
    assert_eq!(set.status, 201, "{}", set.text());
    let order = json!({"buyer": "Cellar", "deposit": "5000"});
    let key = node.post_as(OPERATOR, "/v1/keys", &order).await;
    let key = key.json()["api_key"].as_str().unwrap().to_owned();
    (node, key)
}

#[tokio::test]
async fn only_who_bought_a_licence_gets_a_model_s_parameters() {
    let (node, key) = with_licences().await;
    for file in ["model.safetensors", "model.onnx"] {
        let path = format!("{FILES}/{file}");
        node.get(&path).await.assert_problem(401, "unauthorized");
        node.get_as(&key, &path).await.assert_problem(402, "no-licence");
    }
    assert_eq!(node.buy(&key, "a", &json!({"model": "wine", "calls": 1})).await.status, 201);
    node.get_as(&key, &format!("{FILES}/model.onnx")).await.assert_problem(402, "no-licence");
    let licence = json!({"model": "wine", "plan": "download"});
    assert_eq!(node.buy(&key, "b", &licence).await.status, 201);
    for file in ["model.safetensors", "model.onnx"] {
        let path = format!("{FILES}/{file}");
        let got = node.get_as(&key, &path).await;
        assert_eq!(got.status, 200);
        let etag = got.headers["etag"].to_str().unwrap().to_owned();
        let again = Request::get(&path)
            .header("authorization", format!("Bearer {key}"))
            .header("if-none-match", &etag);
        let again = node.send(again.body(Body::empty()).unwrap()).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(node.get_as(&key, &path).await.body, got.body, "the same for ever");
    }
    for path in ["files/x", "files/..%2fkey", "files/model.pkl"] {
        let path = format!("/v1/models/wine/versions/1/{path}");
        node.get_as(&key, &path).await.assert_problem(404, "not-found");
    }
    node.get_as(&key, "/v1/models/wine/versions/7/files/model.onnx")
        .await
        .assert_problem(404, "not-found");
}

#[tokio::test]
async fn a_node_without_a_key_signs_nothing() {
    let (node, _) = Node::with_buyer("100").await;
    node.get("/v1/model-signing-key").await.assert_problem(404, "not-found");
    node.get(&format!("{FILES}/model.sig")).await.assert_problem(503, "unavailable");
    signing(&node);
    let key = ModelSigner::generate_pkcs8().unwrap();
    let second = ModelSigner::from_pkcs8(&key).unwrap();
    assert!(!node.state.sign_models_with(second), "a key stays");
    assert_eq!(node.get(&format!("{FILES}/model.sig")).await.status, 200);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test reads what it is asked for")]
async fn others_verify_and_compute_what_was_downloaded() {
    if std::env::var(ASKED_BY).is_err() {
        eprintln!(
            "skipped: set {ASKED_BY}=1 to install model-signing and onnxruntime and run them"
        );
        return;
    }
    let (node, key) = with_licences().await;
    assert_eq!(node.buy(&key, "a", &json!({"model": "wine", "calls": 1})).await.status, 201);
    let licence = json!({"model": "wine", "plan": "download"});
    assert_eq!(node.buy(&key, "b", &licence).await.status, 201);
    signing(&node);
    let scratch = tempfile::TempDir::new().unwrap();
    let folder = scratch.path().join("wine-1");
    std::fs::create_dir(&folder).unwrap();
    for file in ["README.md", "model.safetensors", "model.onnx", "model.sig"] {
        let got = node.get_as(&key, &format!("{FILES}/{file}")).await;
        assert_eq!(got.status, 200, "{file}: {}", String::from_utf8_lossy(&got.body));
        std::fs::write(folder.join(file), got.body).unwrap();
    }
    let pem = node.get("/v1/model-signing-key").await;
    std::fs::write(scratch.path().join("key.pem"), pem.body).unwrap();
    let predicted = node.infer(&key, &two_rows()).await.json()["outputs"][0]["data"].clone();
    let digest = node.get("/v1/models/wine").await.json()["versions"][0]["digest"].clone();
    let expected = json!({
        "inputs": [[1.0, 10.0], [0.5, 14.0]], "probabilities": predicted, "digest": digest,
    });
    std::fs::write(scratch.path().join("expected.json"), expected.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/downloads.py");
    let run = tokio::process::Command::new("python3")
        .arg(script)
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("downloads"))
        .arg(scratch.path())
        .output()
        .await
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", said(&run.stdout), said(&run.stderr));
}
