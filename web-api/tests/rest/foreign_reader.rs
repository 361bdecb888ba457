//! The served log, read by others: by a script that follows the specifications' text, and by a client of C2SP logs from the package index.
//! What they need is installed by the script, which takes a network: the test runs where `SAHAKAR_REQUIRE_PYTHON_CLIENTS` asks
//! for it.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::path::Path;

use data_dao_journal::{Administered, Body};

use super::support::{Node, START_MS};

/// The environment variable that asks for this test.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_PYTHON_CLIENTS";
/// Two full tiles, and more than half of another: 300 before the older checkpoint, 390 after it.
const ENTRIES: [usize; 2] = [300, 390];

async fn grow(node: &Node, count: usize) {
    let act = |number| {
        let subject = number_of(number);
        Body::from(Administered { by: "operator".into(), act: "note".into(), subject })
    };
    node.state.store().append(START_MS, (0..count).map(act).collect()).await.unwrap();
}

/// Of different lengths, so that each entry has a length of its own in its bundle.
fn number_of(number: usize) -> String {
    "x".repeat(1 + number % 97)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test reads what it is asked for")]
async fn others_read_our_tiles_checkpoints_and_receipts() {
    if std::env::var(ASKED_BY).is_err() {
        eprintln!("skipped: set {ASKED_BY}=1 to install cryptography and aics-tlog and run them");
        return;
    }
    let node = Node::new().await;
    grow(&node, ENTRIES[0]).await;
    let before = node.get("/checkpoint").await.text();
    grow(&node, ENTRIES[1]).await;
    assert!(node.state.store().size() > 2 * 256);
    let receipt = node.get("/v1/ledger/entries/523").await.json()["proof"]["tlog_proof"].clone();
    let scratch = tempfile::TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(scratch.path().join(name), text).unwrap();
        scratch.path().join(name)
    };
    let run = tokio::process::Command::new("python3")
        .arg(Path::new("tests/python/foreign_reader.py"))
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-reader"))
        .args([format!("http://{}", node.listen().await), node.state.store().vkey().to_owned()])
        .args([file("before", &before), file("receipt", receipt.as_str().unwrap())])
        .output()
        .await
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", said(&run.stdout), said(&run.stderr));
    assert!(said(&run.stdout).contains("by the text: "), "{}", said(&run.stdout));
    eprint!("{}", said(&run.stdout));
}
