//! Connections of strangers who mean no good, over real sockets; TLS; and an end without a failed request.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use web_api::{ConnectionLimits, HttpPolicy, Quota, Tls, router, serve};

use super::support::{Node, two_rows};

const HEALTH: &str = "GET /v1/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// A node on a port of its own.
struct Served {
    node: Node,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn served(node: Node, limits: ConnectionLimits, tls: Option<Tls>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let router = router(node.state.clone());
    let task = tokio::spawn(serve(listener, router, (limits, tls), async {
        stopped.await.unwrap_or(());
    }));
    Served { node, address, stop, task }
}

/// Sends bytes and reads the answer to its end.
async fn exchanged(mut stream: impl AsyncRead + AsyncWrite + Unpin, sent: &[u8]) -> String {
    // The server may close before it has read all.
    let _sent = stream.write_all(sent).await;
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, request: &[u8]) -> String {
        exchanged(self.connect().await, request).await
    }
}

fn limits(connections_max: usize, per_address_max: usize, header_ms: u64) -> ConnectionLimits {
    let header_time = Duration::from_millis(header_ms);
    ConnectionLimits {
        connections_max,
        per_address_max,
        header_time,
        ..ConnectionLimits::default()
    }
}

#[tokio::test]
async fn who_asks_and_never_reads_loses_its_place() {
    let write_time = Duration::from_millis(300);
    let limits = ConnectionLimits { write_time, ..limits(1, 1, 60_000) };
    let served = served(Node::new().await, limits, None).await;
    let mut deaf = served.connect().await;
    // Some 60 MB of answers: more than the buffers of two sockets hold.
    let asked = "GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200);
    deaf.write_all(asked.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(60), served.ask(HEALTH.as_bytes()));
    assert!(answer.await.expect("the only place is free").starts_with("HTTP/1.1 200"));
    drop(deaf);
}

#[tokio::test]
async fn who_sends_a_byte_now_and_then_is_cut_off_and_others_are_served() {
    let served = served(Node::new().await, limits(64, 64, 300), None).await;
    let mut slow = Vec::new();
    for _ in 0..48 {
        let mut stream = served.connect().await;
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nx-slow: ").await.unwrap();
        slow.push(stream);
    }
    assert!(served.ask(HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    for mut stream in slow {
        let mut rest = Vec::new();
        // Ends by the server's doing; what it says is 408 or nothing.
        let _read = stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }
}

#[tokio::test]
async fn one_address_has_only_its_part_of_the_places() {
    let served = served(Node::new().await, limits(64, 4, 60_000), None).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = served.connect().await;
        stream.write_all(b"GET ").await.unwrap();
        held.push(stream);
    }
    // The four are taken before the fifth: connections are accepted in their order.
    assert_eq!(served.ask(HEALTH.as_bytes()).await, "");
    drop(held);
    let mut answer = String::new();
    for _ in 0..200 {
        answer = served.ask(HEALTH.as_bytes()).await;
        if !answer.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// As many as the limit of open files lets one process have at both ends, at most 10 000.
#[tokio::test]
async fn thousands_of_connections_are_borne_and_each_is_answered() {
    let count = rlimit_files().map_or(400, |files| ((files.saturating_sub(300)) / 2).min(10_000));
    let served = served(Node::new().await, limits(20_000, 20_000, 120_000), None).await;
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        streams.push(served.connect().await);
    }
    println!("{count} connections are open");
    for stream in &mut streams {
        stream.write_all(HEALTH.as_bytes()).await.unwrap();
    }
    let mut answered = 0;
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answered += usize::from(answer.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(answered, count);
}

/// The soft limit of open files, where the system tells it.
pub(crate) fn rlimit_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[tokio::test]
async fn hostile_requests_get_the_right_status_and_cost_nothing() {
    let (node, key) = Node::with_calls(3).await;
    let served = served(node, limits(64, 64, 5_000), None).await;
    let infer = |body: &[u8]| {
        let head = format!(
            "POST /v2/models/wine/infer HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let status = |answer: &str| answer.split(' ').nth(1).unwrap_or("none").to_owned();
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let bodies: [(&[u8], &[&str]); 7] = [
        (b"\xff\xfe\xfd", &["400", "422"]),
        (&deep, &["400", "422"]),
        (br#"{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[NaN,1]}]}"#, &["400", "422"]),
        (br#"{"inputs":[{"name":"input","shape":[1,99999999999999999999],"datatype":"FP32","data":[1]}]}"#, &["400", "422"]),
        (br#"{"inputs":[{"name":"input","shape":[4294967296,4294967296],"datatype":"FP32","data":[1]}]}"#, &["400", "422"]),
        (b"", &["400", "422"]),
        (b"null", &["400", "422"]),
    ];
    for (body, expected) in bodies {
        let answer = served.ask(&infer(body)).await;
        assert!(expected.contains(&status(&answer).as_str()), "{expected:?}: {answer}");
    }
    let raw: [(Vec<u8>, &[&str]); 6] = [
        (infer(&vec![b' '; 5 << 20]), &["413", "none"]),
        (b"GET /v1/models/%ff HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec(), &["404"]),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n".to_vec(), &["400"]),
        ([b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec(), vec![b'a'; 1 << 20]].concat(), &["431", "none"]),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), &["400", "none"]),
        (b"POST /v1/purchases HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n".to_vec(), &["400"]),
    ];
    for (request, expected) in raw {
        let answer = served.ask(&request).await;
        assert!(expected.contains(&status(&answer).as_str()), "{expected:?}: {answer}");
    }
    let balance = served.node.get_as(&key, "/v1/balance").await.json();
    assert_eq!(balance["calls"][0]["left"], "3");
    assert_eq!(served.node.infer(&key, &two_rows()).await.status, 200);
}

fn connector(certificate: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn over_tls_a_client_that_knows_the_certificate_is_served_and_plain_text_is_not() {
    let files = Path::new("tests/rest/tls");
    let (certificate, key) = (files.join("certificate.pem"), files.join("key.pem"));
    let tls = Tls::read(&certificate, &key).unwrap();
    let served = served(Node::new().await, limits(64, 64, 500), Some(tls)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&certificate).connect(name, served.connect().await).await.unwrap();
    let answer = exchanged(stream, HEALTH.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let plain = served.ask(HEALTH.as_bytes()).await;
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    let other = ServerName::try_from("other.example").unwrap();
    assert!(connector(&certificate).connect(other, served.connect().await).await.is_err());
    // A handshake that never comes does not hold its place for ever.
    let mut silent = served.connect().await;
    let mut rest = Vec::new();
    let _read = silent.read_to_end(&mut rest).await;
    assert!(Tls::read(&certificate, &certificate).is_err());
    assert!(Tls::read(&key, &key).is_err());
}

#[tokio::test]
async fn a_stopped_server_takes_nobody_new_and_ends() {
    let served = served(Node::new().await, limits(8, 8, 60_000), None).await;
    // Idle between two requests: it must not hold the end up.
    let mut kept = served.connect().await;
    kept.write_all(b"GET /v1/health HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    served.stop.send(()).unwrap();
    served.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_page_that_watches_the_log_does_not_hold_the_end_up() {
    let served = served(Node::new().await, limits(8, 8, 60_000), None).await;
    let mut page = served.connect().await;
    page.write_all(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("event: entries") {
        assert!(page.read_buf(&mut told).await.unwrap() > 0);
    }
    served.node.state.begin_stopping();
    served.stop.send(()).unwrap();
    // The stream ends by itself, whole: it is not cut off after the time that requests get.
    page.read_to_end(&mut told).await.unwrap();
    assert!(told.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&told));
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_in_progress_when_the_server_stops_is_answered() {
    let (node, key) = Node::with_calls(1).await;
    let served = served(node, limits(8, 8, 60_000), None).await;
    let body = two_rows().to_string();
    let head = format!(
        "POST /v2/models/wine/infer HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut asking = served.connect().await;
    asking.write_all(head.as_bytes()).await.unwrap();
    // The node has begun with it when it counts it.
    let metrics = || served.node.state.metrics_text();
    while !metrics().contains("sahakar_http_requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    served.stop.send(()).unwrap();
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.task.is_finished());
    let answer = exchanged(asking, body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"model_version\""), "{answer}");
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_given_up_and_books_nothing() {
    let policy = HttpPolicy { request_time: Duration::from_millis(300), ..HttpPolicy::default() };
    let (node, key) = Node::with_policy(policy).await;
    let size = node.state.store().size();
    let served = served(node, limits(8, 8, 60_000), None).await;
    let head = format!(
        "POST /v1/purchases HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nidempotency-key: slow\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"model\":"
    );
    let answer = tokio::time::timeout(Duration::from_secs(60), served.ask(head.as_bytes()));
    let answer = answer.await.expect("the connection is closed");
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("/problems/timed-out"),
        "{answer}"
    );
    assert_eq!(served.node.state.store().size(), size);
    assert!(served.ask(HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_again() {
    let quota = Quota { requests: 2, window_s: 60 };
    let policy = HttpPolicy { per_key: Some(quota), ..HttpPolicy::default() };
    let (node, key) = Node::with_policy(policy).await;
    let ask = || node.get_as(&key, "/v1/balance");
    let first = ask().await;
    assert_eq!(first.headers["ratelimit-policy"], "\"key\";q=2;w=60");
    assert_eq!(first.headers["ratelimit"], "\"key\";r=1;t=30");
    assert_eq!(ask().await.status, 200);
    let refused = ask().await;
    refused.assert_problem(429, "too-many-requests");
    assert_eq!(refused.headers["retry-after"], "30");
    node.infer(&key, &two_rows()).await.assert_oip_error(429, "used up");
    node.set_time(super::support::START_MS + 30_000);
    assert_eq!(ask().await.status, 200);
    // Who has no key that opens something has no bucket of keys.
    assert!(!node.get("/v1/plans").await.headers.contains_key("ratelimit"));
}
