//! Clients of others, unmodified, in Python. They are installed by their scripts, which takes a network: the tests run
//! where `SAHAKAR_REQUIRE_PYTHON_CLIENTS` asks for them, and fail there if the packages are not to be had.

use std::{net::SocketAddr, path::Path};

use serde_json::json;
use tokio::process::Command;

use super::support::{Node, OPERATOR};

/// The environment variable that asks for these tests.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_PYTHON_CLIENTS";
/// Examples of schemathesis for each operation and phase: some two thousand requests by each of six callers, half a minute each on
/// a machine that has much else to do.
const EXAMPLES: &str = "3";

#[expect(clippy::disallowed_methods, reason = "a test reads what it is asked for")]
fn is_asked_for(what: &str) -> bool {
    let asked = std::env::var(ASKED_BY).is_ok();
    if !asked {
        eprintln!("skipped: set {ASKED_BY}=1 to install {what} and run it");
    }
    asked
}

/// A script of `tests/python`, with an environment that is kept for the next time.
fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new("tests/python").join(name).with_extension("py"));
    command.arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    command
}

async fn succeeds(mut command: Command) {
    let run = command.output().await.expect("python3 is installed");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = said(&run.stdout) + &said(&run.stderr);
    assert!(run.status.success(), "{all}");
    println!("{all}");
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[tokio::test]
async fn an_unmodified_tritonclient_works() {
    if !is_asked_for("tritonclient") {
        return;
    }
    let (node, key) = Node::with_buyer("1000000").await;
    for order in 0..4 {
        let calls = json!({"model": "wine", "calls": 25});
        assert_eq!(node.buy(&key, &format!("order-{order}"), &calls).await.status, 201);
    }
    let address = node.listen().await;
    let mut client = script("oip_clients");
    client.args([url(address), key, "wine".to_owned()]);
    succeeds(client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_answers_schemathesis_as_its_description_says_and_never_by_a_failure() {
    if !is_asked_for("schemathesis") {
        return;
    }
    let (node, _) = Node::with_buyer("1000000").await;
    let address = node.listen().await;
    let mut client = script("description");
    client.arg(EXAMPLES).env("SAHAKAR_URL", url(address)).env("SAHAKAR_TOKEN", OPERATOR);
    succeeds(client).await;
}
