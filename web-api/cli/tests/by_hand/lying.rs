//! A node that lies about a ballot: a member's command finds it out, says so, and fails.

use std::{
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use data_dao_log::LogKey;
use data_dao_store::{checkpoint_head, log_vkey};
use privacy_identity::{Digest, SigningKey, TreeHead};
use sahakar::rest::Rest;
use serde_json::{Value, json};

use super::{
    node::Node,
    terminal::{done, failed, key_file},
};

const ORIGIN: &str = "test/hand";

/// What it does to an answer, by the request's method and path.
type Lie = fn(&Known, &str, &mut Value);

/// What the lying node can lay its hands on.
struct Known {
    /// The node that it stands before.
    node: String,
    /// The proof of another ballot of the same member.
    other: Value,
    /// The ballot that was sent last.
    sent: Mutex<Value>,
}

struct Liar {
    known: Known,
    lie: Lie,
    /// Whether ballots reach the node at all.
    drops: bool,
}

/// Somebody else's key, under the log's name.
fn own_key() -> SigningKey {
    SigningKey::from_seed(&[77; 32])
}

/// Hands a request on, and alters what comes back.
async fn answer(
    State(liar): State<Arc<Liar>>,
    (method, uri): (Method, Uri),
    body: Bytes,
) -> Response {
    let answered = tokio::task::spawn_blocking(move || {
        let asked = format!("{method} {}", uri.path());
        let rest = Rest::new(&liar.known.node);
        let path = uri.path_and_query().unwrap().as_str();
        let mut answer = if method == Method::GET {
            rest.get(path).unwrap()
        } else {
            let ballot: Value = serde_json::from_slice(&body).unwrap();
            *liar.known.sent.lock().unwrap() = ballot.clone();
            if liar.drops {
                let proposal = path.strip_suffix("/ballots").unwrap();
                rest.get(proposal).unwrap()
            } else {
                rest.post(path, None, &ballot).unwrap()
            }
        };
        (liar.lie)(&liar.known, &asked, &mut answer);
        answer
    });
    let answer = answered.await.unwrap().to_string();
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

fn is_ballot(asked: &str) -> bool {
    asked.starts_with("POST ") && asked.ends_with("/ballots")
}

/// Signs this head of the log by a key that is none of its.
fn signed_by_other(head: &TreeHead) -> String {
    LogKey::new(ORIGIN, &own_key()).unwrap().sign(head)
}

fn head_of(known: &Known, answer: &Value) -> TreeHead {
    let vkey = Rest::new(&known.node).get("/v1/ledger").unwrap()["vkey"].clone();
    let checkpoint = answer["receipt"]["proof"]["checkpoint"].as_str().unwrap();
    let head = checkpoint_head(checkpoint, vkey.as_str().unwrap()).unwrap();
    TreeHead { size: head.size, root: head.root }
}

/// A log of one entry of its own making, which says what the member wants to hear.
fn made_up(known: &Known) -> Value {
    let sent = known.sent.lock().unwrap().clone();
    let leaf = json!({"time_ms": 1_000_000, "body": {"ballot_cast": sent}}).to_string();
    let entry: data_dao_journal::Entry = serde_json::from_str(&leaf).unwrap();
    let leaf = String::from_utf8(entry.to_leaf().unwrap()).unwrap();
    let root = privacy_identity::leaf_hash(leaf.as_bytes());
    let checkpoint = signed_by_other(&TreeHead { size: 1, root });
    let proof = json!({"size": 1, "path": [], "checkpoint": checkpoint, "tlog_proof": ""});
    json!({"index": 0, "leaf": leaf, "proof": proof})
}

/// How a node may lie, and what the command says to it.
const LIES: [(&str, Lie, bool); 10] = [
    (
        "no receipt",
        |_, asked, answer| {
            if is_ballot(asked) {
                answer.as_object_mut().unwrap().remove("receipt");
            }
        },
        false,
    ),
    ("no receipt", |_, _, _| {}, true),
    (
        "not what was signed here",
        |known, asked, answer| {
            if is_ballot(asked) {
                answer["receipt"] = known.other.clone();
            }
        },
        true,
    ),
    (
        "no ballot",
        |known, asked, answer| {
            if is_ballot(asked) {
                answer["receipt"] = Rest::new(&known.node).get("/v1/ledger/entries/0").unwrap();
            }
        },
        true,
    ),
    (
        "not in the log",
        |known, asked, answer| {
            if is_ballot(asked) {
                // The right words, and the proof of others.
                let mut receipt = known.other.clone();
                receipt["leaf"] = made_up(known)["leaf"].clone();
                answer["receipt"] = receipt;
            }
        },
        true,
    ),
    (
        "not in the log",
        |_, asked, answer| {
            if is_ballot(asked) {
                answer["receipt"]["proof"]["path"][0] = json!(Digest([6; 32]).to_string());
            }
        },
        false,
    ),
    (
        "not in the log",
        |_, asked, answer| {
            if is_ballot(asked) {
                let index = answer["receipt"]["index"].as_u64().unwrap();
                answer["receipt"]["index"] = json!(index - 1);
            }
        },
        false,
    ),
    (
        "does not prove it",
        |_, asked, answer| {
            if is_ballot(asked) {
                let checkpoint = answer["receipt"]["proof"]["checkpoint"].as_str().unwrap();
                let size = answer["receipt"]["proof"]["size"].as_u64().unwrap();
                let altered =
                    checkpoint.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
                assert_ne!(altered, checkpoint);
                answer["receipt"]["proof"]["checkpoint"] = json!(altered);
                answer["receipt"]["proof"]["size"] = json!(size + 1);
            }
        },
        false,
    ),
    (
        "does not prove it",
        |known, asked, answer| {
            if is_ballot(asked) {
                let head = head_of(known, answer);
                answer["receipt"]["proof"]["checkpoint"] = json!(signed_by_other(&head));
            }
        },
        false,
    ),
    (
        "does not prove it",
        |known, asked, answer| {
            if is_ballot(asked) {
                answer["receipt"] = made_up(known);
            }
        },
        true,
    ),
];

async fn served(liar: Liar) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::new(liar));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn sahakar(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(arguments).env("SAHAKAR_URL", url);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// A proposal whose vote has begun, and its id; the clock is at `after_ms` and a little.
async fn open(node: &Node, key: &str, after_ms: u64) -> String {
    node.pass_time(after_ms).await;
    let words = ["proposal", "new", "--title", "Words", "--description", "Why.", "--json"];
    let made = done(&node.sahakar("", &[&words[..], &["--key", key]].concat()).await);
    node.pass_time(after_ms + 20).await;
    serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned()
}

/// A node, the member's key file, and an honest ballot of it with its proof.
async fn with_a_ballot() -> (Node, String, Value) {
    let node = Node::start().await;
    let key = key_file(&node);
    let id = open(&node, &key, 0).await;
    let vote = ["vote", "--proposal", &id, "--choice", "against", "--key", &key, "--json"];
    let cast = done(&node.sahakar("", &vote).await);
    let other = serde_json::from_str::<Value>(&cast).unwrap()["receipt"].clone();
    assert_eq!(other["kind"], "ballot_cast");
    (node, key, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_node_says_instead_of_the_proof_the_vote_fails_and_nothing_is_kept() {
    let (node, key, other) = with_a_ballot().await;
    let receipt = node.file("lie.json");
    for (number, (words, lie, drops)) in (1..).zip(LIES) {
        let id = open(&node, &key, 2_000 * number).await;
        let known = Known { node: node.url.clone(), other: other.clone(), sent: Mutex::default() };
        let url = served(Liar { known, lie, drops }).await;
        let vote =
            ["vote", "--proposal", &id, "--choice", "for", "--key", &key, "--receipt", &receipt];
        let error = failed(&sahakar(&url, &vote).await, 1);
        let what = format!("lie {number}: {error}");
        assert!(error.contains("does not prove it: tell other members"), "{what}");
        assert!(error.contains(words), "{what}");
        assert_eq!(error.lines().count(), 1, "{what}");
        assert!(!Path::new(&receipt).exists(), "{what}");
    }
}

/// The whole of a lie: a log, and a key, of its own.
fn own_log(known: &Known, asked: &str, answer: &mut Value) {
    if asked == "GET /v1/ledger" {
        answer["vkey"] = json!(log_vkey(ORIGIN, &own_key().verifying_key()).unwrap());
    }
    if is_ballot(asked) {
        answer["receipt"] = made_up(known);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_a_node_s_own_making_is_found_out_by_the_key_that_members_know() {
    let (node, key, other) = with_a_ballot().await;
    let vkey = node.api.store().vkey().to_owned();
    let id = open(&node, &key, 2_000).await;
    let known = Known { node: node.url.clone(), other, sent: Mutex::default() };
    let url = served(Liar { known, lie: own_log, drops: true }).await;
    let vote = ["vote", "--proposal", &id, "--choice", "for", "--key", &key];
    let error = failed(&sahakar(&url, &[&vote[..], &["--vkey", &vkey]].concat()).await, 1);
    assert!(error.contains("does not prove it: tell other members"), "{error}");
    // By the key that it names itself the lie is sound; what it signed is kept, and is held against the right key later.
    let receipt = node.file("evidence.json");
    done(&sahakar(&url, &[&vote[..], &["--receipt", &receipt]].concat()).await);
    let checked =
        failed(&sahakar(&url, &["receipt", "ballot", &receipt, "--vkey", &vkey]).await, 1);
    assert!(checked.contains("does not hold"), "{checked}");
    // The honest node proves the ballot by that key.
    let honest = [&vote[..], &["--vkey", &vkey]].concat();
    done(&node.sahakar("", &honest).await);
}
