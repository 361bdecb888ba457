//! The files of a model: who gets them, and what others make of them.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::path::Path;

use axum::{body::Body, http::Request};
use data_dao_governance::Licence;
use data_dao_journal::LicenceSet;
use privacy_identity::Digest;
use serde_json::json;
use web_api::ModelSigner;

use super::support::{Node, OPERATOR, START_MS, model_with, name, release, settle, two_rows};

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

/// The second version, released under a licence.
async fn release_under(node: &Node, licence: Licence) {
    let store = node.state.store();
    let set = LicenceSet { federation: name("wine"), licence };
    store.append(START_MS, vec![set.into()]).await.unwrap();
    let model = model_with(vec![0.5; 6]);
    let (before, after) = (
        store.view(|state| state.model(&name("wine")).unwrap().latest().digest),
        node.state.shelf().put(model).unwrap(),
    );
    settle(store, &node.members, (1, before, after)).await;
    release(store, 2, after).await;
}

#[tokio::test]
async fn a_buyer_names_the_text_that_it_read_and_gets_nothing_under_another() {
    let (node, key) = with_licences().await;
    let [read, now] = [Digest([5; 32]), Digest([6; 32])];
    let under = |sha256| Licence::Other {
        name: "Cellar licence".to_owned(),
        link: "https://dao.example/licence.txt".to_owned(),
        sha256,
    };
    release_under(&node, under(now)).await;
    let order = |sha256: &str| json!({"model": "wine", "plan": "download", "licence": "Cellar licence", "licence_sha256": sha256});
    // The text changed under the same name and link.
    let refused = node.buy(&key, "a", &order(&read.to_string())).await;
    refused.assert_problem(422, "differs");
    assert!(refused.text().contains(&now.to_string()), "{}", refused.text());
    for malformed in ["", "05", "Cellar"] {
        node.buy(&key, "a", &order(malformed)).await.assert_problem(422, "invalid");
    }
    let misplaced = json!({"model": "wine", "calls": 1, "licence_sha256": now.to_string()});
    node.buy(&key, "a", &misplaced).await.assert_problem(422, "invalid");
    // Of the first version no licence was named: no text can be agreed to.
    let mut unnamed = json!({"model": "wine", "plan": "download", "version": 1});
    unnamed["licence_sha256"] = json!(now.to_string());
    node.buy(&key, "a", &unnamed).await.assert_problem(422, "differs");
    let bought = node.buy(&key, "a", &order(&now.to_string())).await;
    bought.status_is(201);
    assert_eq!(bought.json()["licence"]["sha256"], now.to_string());
    let again = node.buy(&key, "a", &order(&now.to_string())).await;
    assert_eq!(again.json(), bought.json());
    let other = node.buy(&key, "a", &order(&read.to_string())).await;
    other.assert_problem(422, "idempotency-key-reused");

    let file = "/v1/models/wine/versions/2/files/model.onnx";
    node.get_as(&key, &format!("{file}?licence_sha256={now}")).await.status_is(200);
    let changed = node.get_as(&key, &format!("{file}?licence_sha256={read}")).await;
    changed.assert_problem(422, "differs");
    node.get_as(&key, &format!("{file}?licence_sha256=x")).await.assert_problem(422, "invalid");
    node.get_as(&key, &format!("{file}?colour=red")).await.assert_problem(400, "malformed");
}

#[tokio::test]
async fn a_version_is_sold_under_its_licence_and_the_buyer_s_agreement_is_in_the_ledger() {
    let (node, key) = with_licences().await;
    let licence = Licence::Other {
        name: "Cellar *licence*".to_owned(),
        link: "https://dao.example/licence.txt".to_owned(),
        sha256: Digest([5; 32]),
    };
    release_under(&node, licence).await;
    let card = |version: u32| format!("/v1/models/wine/versions/{version}/files/README.md");
    assert!(node.get(&card(1)).await.text().starts_with("---\nlicense: unknown\n"));
    let text = node.get(&card(2)).await.text();
    for part in [
        "---\nlicense: other\nlicense_name: \"Cellar *licence*\"\nlicense_link: \"https://dao.example/licence.txt\"\n",
        "| licence | [Cellar \\*licence\\*](https://dao.example/licence.txt), SHA-256 of its text `0505",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let shown = node.get("/v1/models/wine").await.json();
    assert_eq!(shown["versions"][0]["licence"], json!(null));
    assert_eq!(shown["licence"]["name"], "Cellar *licence*");
    assert_eq!(shown["versions"][1]["licence"]["sha256"], "05".repeat(32));
    assert_eq!(
        node.get("/v1/plans").await.json()["models"][0]["download"]["licence"],
        shown["licence"]
    );
    assert_eq!(node.get("/v1/federations/wine").await.json()["licence"], shown["licence"]);
    let found = node.get("/v1/models?query=cellar").await.json();
    assert_eq!(found["models"][0]["name"], "wine");
    for page in ["/models", "/models/wine"] {
        let html = node.get(page).await.text();
        assert!(html.contains("href=\"https://dao.example/licence.txt\""), "{page}: {html}");
    }

    let order =
        |licence: Option<&str>| json!({"model": "wine", "plan": "download", "licence": licence});
    node.buy(&key, "a", &order(Some("MIT"))).await.assert_problem(422, "differs");
    let bought = node.buy(&key, "a", &order(Some("Cellar *licence*"))).await;
    assert_eq!(bought.status, 201, "{}", bought.text());
    assert_eq!(bought.json()["licence"], shown["licence"]);
    node.buy(&key, "a", &order(Some("MIT"))).await.assert_problem(422, "idempotency-key-reused");
    let index = &bought.json()["ledger_index"];
    let entry = node.get(&format!("/v1/ledger/entries/{index}")).await.json();
    let agreed = &entry["body"]["licence"]["other"];
    assert_eq!(agreed["sha256"], "05".repeat(32), "{entry}");
    // The first version is sold as it was released: under none.
    let first = json!({"model": "wine", "plan": "download", "version": 1});
    assert_eq!(node.buy(&key, "b", &first).await.json()["licence"], json!(null));
    let calls = json!({"model": "wine", "calls": 1, "licence": "MIT"});
    node.buy(&key, "c", &calls).await.assert_problem(422, "invalid");
    assert_eq!(node.buy(&key, "c", &json!({"model": "wine", "calls": 1})).await.status, 201);
    let receipt = node.infer(&key, &two_rows()).await.headers["sahakar-receipt"].clone();
    let receipt = node.get(receipt.to_str().unwrap()).await.json();
    assert_eq!(receipt["model"]["licence"], shown["licence"], "{receipt}");
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
    let script = Path::new("tests/python/downloads.py");
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
