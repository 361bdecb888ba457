//! Clients of others, unmodified, in Python. They are installed by their script, which takes a network: the test runs
//! where `SAHAKAR_REQUIRE_PYTHON_CLIENTS` asks for it.

use std::path::Path;

use super::support::Node;

/// The environment variable that asks for these tests.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_PYTHON_CLIENTS";

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test reads what it is asked for")]
async fn an_unmodified_tritonclient_works() {
    if std::env::var(ASKED_BY).is_err() {
        eprintln!("skipped: set {ASKED_BY}=1 to install tritonclient and run it");
        return;
    }
    let (node, key) = Node::with_buyer("1000000").await;
    for order in 0..4 {
        let calls = serde_json::json!({"model": "wine", "calls": 25});
        assert_eq!(node.buy(&key, &format!("order-{order}"), &calls).await.status, 201);
    }
    let address = node.listen().await;
    let script = Path::new("tests/python/oip_clients.py");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oip-clients");
    let run = tokio::process::Command::new("python3")
        .arg(script)
        .arg(venv)
        .args([format!("http://{address}"), key, "wine".to_owned()])
        .output()
        .await
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", said(&run.stdout), said(&run.stderr));
}
