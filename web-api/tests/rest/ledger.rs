//! Entries, proofs, books and tiles.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use axum::{body::Body as HttpBody, http::Request};
use data_dao_store::{audit_tiles, checkpoint_head};
use privacy_identity::{ConsistencyProof, Digest, InclusionProof, TreeHead};
use serde_json::Value;

use super::support::{Node, OPERATOR, two_rows};

/// Checks an entry's proof as anybody can: leaf, path, signed checkpoint.
fn check_proof(index: u64, leaf: &str, proof: &Value, vkey: &str) {
    let head = checkpoint_head(proof["checkpoint"].as_str().unwrap(), vkey).unwrap();
    let hashes = proof["path"].as_array().unwrap().iter();
    let path: Vec<Digest> = hashes.map(|hash| hash.as_str().unwrap().parse().unwrap()).collect();
    let inclusion = InclusionProof { index, size: proof["size"].as_u64().unwrap(), path };
    assert_eq!(inclusion.size, head.size);
    inclusion.verify(leaf.as_bytes(), &head.root).unwrap();
}

#[tokio::test]
async fn every_entry_is_proven_against_the_signed_checkpoint() {
    let (node, key) = Node::with_calls(1).await;
    let prediction = node.infer(&key, &two_rows()).await.json();
    let ledger = node.get("/v1/ledger").await.json();
    let vkey = ledger["vkey"].as_str().unwrap();
    let size = ledger["size"].as_u64().unwrap();
    assert_eq!(ledger["dao"], node.dao.to_string());
    for index in 0..size {
        let entry = node.get(&format!("/v1/ledger/entries/{index}")).await.json();
        check_proof(index, entry["leaf"].as_str().unwrap(), &entry["proof"], vkey);
    }
    let receipt = prediction["parameters"]["receipt"].as_str().unwrap();
    let receipt = node.get(&format!("/v1/receipts/{receipt}")).await.json();
    let index = receipt["ledger_index"].as_u64().unwrap();
    check_proof(index, receipt["leaf"].as_str().unwrap(), &receipt["proof"], vkey);
    assert!(
        receipt["proof"]["tlog_proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n")
    );
}

#[tokio::test]
async fn entries_are_listed_page_by_page() {
    let node = Node::new().await;
    let size = node.state.store().size();
    let mut seen = Vec::new();
    let mut path = "/v1/ledger/entries?limit=3".to_owned();
    loop {
        let reply = node.get(&path).await;
        let page = reply.json();
        let entries = page["entries"].as_array().unwrap();
        seen.extend(entries.iter().map(|entry| entry["index"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else {
            assert!(!reply.headers.contains_key("link"));
            break;
        };
        let link = reply.headers["link"].to_str().unwrap();
        path = link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
        assert!(path.contains(next) && link.ends_with("rel=\"next\""), "{link}");
    }
    assert_eq!(seen, (0..size).collect::<Vec<_>>());
    let first = node.get("/v1/ledger/entries?limit=1").await.json();
    assert_eq!(first["entries"][0]["kind"], "genesis");
    assert_eq!(first["entries"][0]["body"]["dao_name"], "Test <DAO>");
}

#[tokio::test]
async fn accounts_are_listed_by_prefix_and_page() {
    let (node, key) = Node::with_calls(2).await;
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    let all = node.get("/v1/ledger/accounts?limit=200").await.json();
    let all: Vec<Value> = all["accounts"].as_array().unwrap().clone();
    let mut paged = Vec::new();
    let mut path = "/v1/ledger/accounts?prefix=&limit=2".to_owned();
    while !path.is_empty() {
        let page = node.get(&path).await.json();
        paged.extend(page["accounts"].as_array().unwrap().clone());
        let next = page["next"].as_str();
        path = next.map_or(String::new(), |n| format!("/v1/ledger/accounts?limit=2&cursor={n}"));
    }
    assert_eq!(paged, all);
    let credit = node.get("/v1/ledger/accounts?prefix=credit/member/").await.json();
    assert_eq!(credit["accounts"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn pages_out_of_bounds_are_refused() {
    let node = Node::new().await;
    for list in ["/v1/ledger/entries", "/v1/ledger/accounts"] {
        for query in ["limit=0", "limit=201", "cursor=*", "cursor=_w", "cursor=bm8"] {
            node.get(&format!("{list}?{query}")).await.assert_problem(422, "invalid");
        }
        for query in ["limit=x", "limit=-1", "colour=red"] {
            node.get(&format!("{list}?{query}")).await.assert_problem(400, "malformed");
        }
    }
    // A cursor behind the end is an empty page, however far.
    let far = "MTg0NDY3NDQwNzM3MDk1NTE2MTU"; // 18446744073709551615
    let page = node.get(&format!("/v1/ledger/entries?cursor={far}")).await.json();
    assert_eq!(page["entries"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn the_tiles_that_are_served_pass_an_audit() {
    let (node, key) = Node::with_calls(1).await;
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
    let checkpoint = node.get("/checkpoint").await;
    assert!(checkpoint.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let ledger = node.get("/v1/ledger").await.json();
    assert_eq!(checkpoint.text(), ledger["checkpoint"].as_str().unwrap());
    let size = ledger["size"].as_u64().unwrap();
    let copy = tempfile::TempDir::new().unwrap();
    let write = |name: String, bytes: &[u8]| {
        let path = copy.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("checkpoint".to_owned(), &checkpoint.body);
    for tile in [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")] {
        let reply = node.get(&format!("/{tile}")).await;
        assert_eq!(reply.status, 200, "{tile}");
        assert_eq!(reply.headers["content-type"], "application/octet-stream");
        write(tile, &reply.body);
    }
    let report = audit_tiles(copy.path(), ledger["vkey"].as_str()).unwrap();
    assert_eq!((report.entries, report.predictions), (size, 1));
}

#[tokio::test]
async fn no_path_leaves_the_folder_of_tiles() {
    let node = Node::new().await;
    assert_eq!(node.get("/checkpoint").await.status, 200);
    let paths = [
        "/tile/0/001",
        "/tile/0",
        "/tile/entries",
        "/tile/../checkpoint",
        "/tile/%2e%2e/checkpoint",
        "/tile/..%2f..%2fledger%2fledger.sqlite",
        "/tile/%2fetc%2fpasswd",
        "/tile/0/000%00",
    ];
    for path in paths {
        assert_eq!(node.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_a_buyer_is_called_is_not_in_the_log_and_can_be_erased() {
    let (node, key) = Node::with_buyer("1000").await;
    let balance = node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(balance["buyer"], "Cellar");
    let size = node.state.store().size();
    let leaves = node.state.store().entries(0, 1_000).await.unwrap();
    let leaf = |word: &str| leaves.iter().any(|e| String::from_utf8_lossy(&e.leaf).contains(word));
    assert!(leaf("\"buyer\":\"salted:") && !leaf("Cellar"));

    let path = format!("/v1/keys/{}/buyer", balance["key_id"].as_str().unwrap());
    let erase = |token: &str| {
        let request = Request::delete(&path).header("authorization", format!("Bearer {token}"));
        node.send(request.body(HttpBody::empty()).unwrap())
    };
    erase("somebody").await.assert_problem(401, "unauthorized");
    assert_eq!(erase(OPERATOR).await.status, 204);
    erase(OPERATOR).await.assert_problem(404, "not-found");
    assert_eq!(node.get_as(&key, "/v1/balance").await.json()["buyer"], "");
    // Who erased it is one more entry; those there are what they were.
    assert_eq!(node.state.store().size(), size + 1);
    let after = node.state.store().entries(0, 1_000).await.unwrap();
    assert!(leaves.iter().zip(&after).all(|(before, after)| before.leaf == after.leaf));
}

#[tokio::test]
async fn a_later_log_is_proven_to_continue_an_earlier_one_and_nothing_else_is() {
    let (node, key) = Node::with_calls(2).await;
    let head = |ledger: &Value| TreeHead {
        size: ledger["size"].as_u64().unwrap(),
        root: ledger["root"].as_str().unwrap().parse::<Digest>().unwrap(),
    };
    let old = head(&node.get("/v1/ledger").await.json());
    node.infer(&key, &two_rows()).await.status_is(200);
    let new = head(&node.get("/v1/ledger").await.json());
    assert!(new.size > old.size);
    let path = format!("/v1/ledger/consistency?old={}&new={}", old.size, new.size);
    let answer = node.get(&path).await.json();
    let hashes = answer["path"].as_array().unwrap().iter();
    let path = hashes.map(|hash| hash.as_str().unwrap().parse().unwrap()).collect();
    let proof = ConsistencyProof { path };
    proof.verify(&old, &new).unwrap();
    assert!(proof.verify(&TreeHead { root: Digest([7; 32]), ..old }, &new).is_err());
    for bad in ["old=0&new=1", "old=2&new=1", "old=1&new=100000"] {
        let refused = node.get(&format!("/v1/ledger/consistency?{bad}")).await;
        refused.assert_problem(422, "invalid");
    }
    node.get("/v1/ledger/consistency").await.assert_problem(400, "malformed");
}
