//! Spans reach a collector: one that takes what OTLP 1.3 describes, and nothing else.

use std::{
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use axum::{Json, Router, http::HeaderMap, routing::post};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::figures::read_by_others;
use crate::node::{Node, config};

/// Longest wait for a document: they are sent once a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// A caller's trace, as the specification has it for an example (W3C Trace Context §3.2.3).
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// `ExportTraceServiceRequest` in OTLP's JSON form. What it does not know is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Export {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    name: String,
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    key: String,
    value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    #[serde(default)]
    code: u8,
}

impl Span {
    fn of_route(&self, route: &str) -> bool {
        self.attribute("http.route") == Some(&json!({"stringValue": route}))
    }

    fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.key == key).map(|found| &found.value)
    }

    fn check(&self) {
        let is_hex = |text: &str, len| {
            text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        assert!(is_hex(&self.trace_id, 32) && is_hex(&self.span_id, 16), "{self:?}");
        assert!(self.parent_span_id.as_ref().is_none_or(|id| is_hex(id, 16)), "{self:?}");
        let nanoseconds = |text: &String| text.parse::<u64>().unwrap();
        let (began, ended) = (&self.start_time_unix_nano, &self.end_time_unix_nano);
        assert!(0 < nanoseconds(began) && nanoseconds(began) <= nanoseconds(ended), "{self:?}");
        // A server's or an internal one.
        assert!(self.kind == if self.name == "request" { 2 } else { 1 }, "{self:?}");
        assert!(self.status.code <= 2);
    }
}

/// A collector on a port of its own, for as long as the test runs.
struct Collector {
    endpoint: String,
    documents: Receiver<Value>,
    taken: Vec<Value>,
}

async fn collect(listener: TcpListener, documents: Sender<Value>) {
    let take = move |headers: HeaderMap, Json(document): Json<Value>| async move {
        let kind = headers["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/json"), "{kind}");
        // Who waited may have seen enough.
        let _taken = documents.send(document);
        Json(json!({}))
    };
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    axum::serve(listener, Router::new().route("/v1/traces", post(take))).await.unwrap();
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, documents) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(collect(listener, sender));
        });
        Self { endpoint, documents, taken: Vec::new() }
    }

    /// The first span from now on that is of this route.
    fn until(&mut self, route: &str) -> Span {
        loop {
            let document = self.documents.recv_timeout(PATIENCE).expect("spans come");
            self.taken.push(document.clone());
            let export: Export = serde_json::from_value(document).unwrap();
            let mut found = None;
            for of_resource in export.resource_spans {
                let named =
                    |a: &Attribute| a.key == "service.name" && a.value["stringValue"] == "sahakar";
                assert!(of_resource.resource.attributes.iter().any(named));
                for of_scope in of_resource.scope_spans {
                    assert_eq!(of_scope.scope.name, "sahakar");
                    assert_eq!(of_scope.scope.version, env!("CARGO_PKG_VERSION"));
                    of_scope.spans.iter().for_each(Span::check);
                    found = found.or(of_scope.spans.into_iter().find(|s| s.of_route(route)));
                }
            }
            if let Some(span) = found {
                return span;
            }
        }
    }
}

fn ask(url: &str, path: &str, parent: Option<&str>) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.get(format!("{url}{path}")).header("authorization", "Bearer sk_secret");
    if let Some(parent) = parent {
        request = request.header("traceparent", parent);
    }
    request.call().unwrap();
}

#[test]
fn spans_of_requests_reach_the_collector_that_the_configuration_names_and_the_last_before_the_end()
{
    let mut collector = Collector::start();
    let dir = TempDir::new().unwrap();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())];
    let node = Node::start(&config(dir.path(), ""), &[], &environment);
    ask(node.url(), "/v1/models/grape?secret=1", Some(CALLER));
    let span = collector.until("/v1/models/{name}");
    assert_eq!(span.name, "request");
    assert_eq!(span.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(span.attribute("http.request.method"), Some(&json!({"stringValue": "GET"})));
    assert_eq!(span.attribute("http.response.status_code"), Some(&json!({"intValue": "404"})));
    ask(node.url(), "/v1/health", None);
    let other = collector.until("/v1/health");
    assert!(other.parent_span_id.is_none() && other.trace_id != span.trace_id);
    // What is asked last is sent before the process ends.
    ask(node.url(), "/v1/plans", None);
    node.signal("TERM");
    let (status, logged) = node.ended();
    assert!(status.success(), "{logged}");
    collector.until("/v1/plans");
    let taken = serde_json::to_string(&collector.taken).unwrap();
    assert!(!taken.contains("secret"), "neither a query nor a key: {taken}");
    let file = dir.path().join("spans.json");
    std::fs::write(&file, &taken).unwrap();
    read_by_others("spans", &file);
}
