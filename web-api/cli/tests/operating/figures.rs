//! Figures for Prometheus, on an address of their own.

use std::{collections::BTreeMap, net::TcpListener, path::Path, process::Command};

use serde_json::json;
use tempfile::TempDir;

use crate::node::{Node, OPERATOR, config, refuses};

/// The environment variable that asks for the parsers of others, which are installed by their script and take a network.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_PYTHON_CLIENTS";

/// Reads what others wrote parsers for: `what` is `figures` or `spans`, and `file` has them.
#[expect(clippy::disallowed_methods, reason = "a test reads what it is asked for")]
pub(crate) fn read_by_others(what: &str, file: &Path) {
    if std::env::var(ASKED_BY).is_err() {
        eprintln!("not read by others: set {ASKED_BY}=1 to install their parsers and run them");
        return;
    }
    let run = Command::new("python3")
        .arg("tests/python/telemetry.py")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("telemetry"))
        .arg(what)
        .arg(file)
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", said(&run.stdout), said(&run.stderr));
    println!("{}", said(&run.stdout));
}

/// The status, the type and the body of an answer.
fn fetch(url: &str) -> (u16, String, String) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(url).call().unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), kind.unwrap_or_default(), text)
}

/// The values of a text in Prometheus' format 0.0.4, by name and labels. Each is announced with its kind before, once, and is
/// there once.
fn read(text: &str) -> BTreeMap<String, f64> {
    let (mut kinds, mut values) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(announced) = line.strip_prefix("# TYPE ") {
            let (name, kind) = announced.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| bare.strip_suffix(part))
                .filter(|base| kinds.get(*base).is_some_and(|kind| kind == "histogram"));
            assert!(of_histogram.is_some() || kinds.contains_key(bare), "{line} without a kind");
            assert!(values.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    values
}

#[test]
fn figures_are_served_on_an_address_of_their_own_and_every_parser_reads_them() {
    let dir = TempDir::new().unwrap();
    let node = Node::start(&config(dir.path(), ""), &["--metrics", "127.0.0.1:0"], &[]);
    let metrics = node.listening["metrics"].as_str().unwrap().to_owned();
    for path in ["/v1/health", "/v1/health", "/v1/models/none", "/nothing"] {
        fetch(&format!("{}{path}", node.url()));
    }
    let order = json!({"buyer": "Cellar", "deposit": "1"});
    sahakar::rest::Rest::new(node.url())
        .with_bearer(OPERATOR)
        .post("/v1/keys", Some("order"), &order)
        .unwrap();
    let (status, kind, text) = fetch(&metrics);
    assert_eq!((status, &*kind), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let values = read(&text);
    let requests = |route: &str, status: u16| {
        values[&format!("sahakar_http_requests_total{{route=\"{route}\",status=\"{status}\"}}")]
    };
    let counted = [
        requests("/v1/health", 200),
        requests("/v1/models/{name}", 404),
        requests("none", 404),
        requests("/v1/keys", 201),
        values["sahakar_http_request_seconds_count"],
        values["sahakar_http_request_seconds_bucket{le=\"+Inf\"}"],
        values["sahakar_ready"],
    ];
    assert_eq!(format!("{counted:?}"), "[2.0, 1.0, 1.0, 1.0, 5.0, 5.0, 1.0]");
    assert!(text.contains("sahakar_link_"), "those of the link, too");
    // Buyers do not see them, and whoever collects them sees nothing else.
    assert_eq!(fetch(&format!("{}/metrics", node.url())).0, 404);
    assert_eq!(fetch(&metrics.replace("/metrics", "/v1/health")).0, 404);
    let file = dir.path().join("figures.txt");
    std::fs::write(&file, &text).unwrap();
    read_by_others("figures", &file);
}

#[test]
fn an_address_in_use_is_named_before_the_node_says_that_it_listens() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    refuses(&config(dir.path(), ""), &["--json", "--metrics", &address], &["--metrics", &address]);
}
