//! Spans for an OpenTelemetry collector: OTLP 1.3 over HTTP, in its JSON form.
//!
//! ```text
//!  span closes ─► bounded queue ─► a thread: up to 512 at a time, once a second ─► POST ENDPOINT/v1/traces
//! ```
//! Own exporter of two hundred lines: the crates of OpenTelemetry bring some twenty others, an asynchronous client and a
//! second protobuf among them, for what is one JSON document here. What the collector does not take is dropped and
//! counted: a node never waits for who watches it. Spans have names of routes and ids of requests, never what was asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use rand::Rng as _;
use serde_json::{Value, json};
use tracing::{
    Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// The field of a span that has the caller's `traceparent` (W3C Trace Context §3.2).
const PARENT_FIELD: &str = "trace.parent";
/// Most spans that wait: some seconds of a busy node.
const QUEUE_MAX: usize = 8_192;
/// Most spans of one document.
const BATCH_MAX: usize = 512;
/// How often spans are sent.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How long the collector may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last spans.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// A layer of `tracing` that sends spans to a collector.
#[derive(Debug)]
pub struct OtlpLayer {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// What is to be sent until a process ends.
#[derive(Debug, Clone)]
pub struct OtlpFlush(SyncSender<Message>);

#[derive(Debug)]
enum Message {
    Span(Box<SpanRecord>),
    Flush(SyncSender<()>),
}

#[derive(Debug)]
struct SpanRecord {
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    name: &'static str,
    began_ns: u64,
    ended_ns: u64,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

impl OtlpLayer {
    /// A layer that sends to the collector at `endpoint`, such as `http://127.0.0.1:4318`, and what sends the rest at the end.
    ///
    /// * `service` — what this process is called there.
    ///
    /// # Errors
    /// An endpoint that is no HTTP address, or no thread.
    pub fn new(endpoint: &str, service: &'static str) -> anyhow::Result<(Self, OtlpFlush)> {
        let is_http = ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
        ensure!(is_http, "the collector {endpoint:?} is no http:// or https:// address");
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let (queue, taken) = sync_channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let exporter = Exporter { url, service, dropped: Arc::clone(&dropped), reachable: true };
        let thread = thread::Builder::new().name("otlp".to_owned());
        thread.spawn(move || exporter.run(&taken)).context("starting the exporter of spans")?;
        Ok((Self { queue: queue.clone(), dropped }, OtlpFlush(queue)))
    }
}

impl OtlpFlush {
    /// Sends what waits, for at most three seconds.
    pub fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.0.try_send(Message::Flush(done)).is_ok() {
            // Too late is as good as never: the process ends.
            let _sent = is_done.recv_timeout(FLUSH_TIMEOUT).is_ok();
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for OtlpLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let above = span.parent().and_then(|parent| {
            parent.extensions().get::<SpanRecord>().map(|parent| (parent.trace, parent.id))
        });
        let (trace, parent) = match above.or(fields.parent) {
            Some((trace, parent)) => (trace, Some(parent)),
            None => (random(), None),
        };
        span.extensions_mut().insert(SpanRecord {
            trace,
            id: random(),
            parent,
            name: span.name(),
            began_ns: now_ns(),
            ended_ns: 0,
            attributes: fields.attributes,
            failed: false,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(record) = span.extensions_mut().get_mut::<SpanRecord>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            record.attributes.extend(fields.attributes);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR
            && let Some(span) = context.event_span(event)
            && let Some(record) = span.extensions_mut().get_mut::<SpanRecord>()
        {
            record.failed = true;
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(mut record) = span.extensions_mut().remove::<SpanRecord>() else { return };
        record.ended_ns = now_ns();
        if self.queue.try_send(Message::Span(Box::new(record))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The fields of a span.
#[derive(Debug, Default)]
struct Fields {
    attributes: Vec<(&'static str, Value)>,
    /// Trace and span of the caller.
    parent: Option<([u8; 16], [u8; 8])>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == PARENT_FIELD {
            self.parent = parent_from_header(value);
        } else {
            self.attributes.push((field.name(), json!({"stringValue": value})));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attributes.push((field.name(), json!({"intValue": value.to_string()})));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.attributes.push((field.name(), json!({"intValue": value.to_string()})));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attributes.push((field.name(), json!({"boolValue": value})));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// `00-TRACE-SPAN-FLAGS` in lower-case hexadecimal; ids of zeros are none.
fn parent_from_header(text: &str) -> Option<([u8; 16], [u8; 8])> {
    let mut parts = text.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?;
    let ends = parts.next().is_none() || version != "00";
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    if version.len() != 2 || version == "ff" || flags.len() != 2 || !lower || !ends {
        return None;
    }
    let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
    hex::decode_to_slice(trace, &mut trace_id).ok()?;
    hex::decode_to_slice(span, &mut span_id).ok()?;
    (trace_id != [0; 16] && span_id != [0; 8]).then_some((trace_id, span_id))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[expect(clippy::disallowed_methods, reason = "spans are about this process's own time")]
fn now_ns() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// What runs on the thread.
struct Exporter {
    url: String,
    service: &'static str,
    dropped: Arc<AtomicU64>,
    /// Whether the last document was taken: only a change is told.
    reachable: bool,
}

impl Exporter {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut batch = Vec::new();
        loop {
            match queue.recv_timeout(SEND_EVERY) {
                Ok(Message::Span(span)) => {
                    batch.push(*span);
                    if batch.len() >= BATCH_MAX {
                        self.send(&mut batch);
                    }
                }
                Ok(Message::Flush(done)) => {
                    self.send(&mut batch);
                    // Who waited may have gone.
                    let _told = done.send(()).is_ok();
                }
                Err(RecvTimeoutError::Timeout) => self.send(&mut batch),
                Err(RecvTimeoutError::Disconnected) => return self.send(&mut batch),
            }
        }
    }

    fn send(&mut self, batch: &mut Vec<SpanRecord>) {
        if batch.is_empty() {
            return;
        }
        let document = document(self.service, batch);
        let agent = ureq::Agent::config_builder().timeout_global(Some(SEND_TIMEOUT)).build();
        let sent = ureq::Agent::new_with_config(agent).post(&self.url).send_json(&document);
        let count = batch.len() as u64;
        batch.clear();
        let reachable = sent.is_ok();
        if !reachable {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
        if reachable != self.reachable {
            let dropped = self.dropped.load(Ordering::Relaxed);
            let state = if reachable { "takes spans again" } else { "takes no spans" };
            tracing::warn!("the collector {} {state}; {dropped} were dropped so far", self.url);
        }
        self.reachable = reachable;
    }
}

/// The document of a batch: `ExportTraceServiceRequest` in OTLP's JSON form, with ids in hexadecimal.
fn document(service: &str, batch: &[SpanRecord]) -> Value {
    let span = |span: &SpanRecord| {
        let attributes =
            span.attributes.iter().map(|(key, value)| json!({"key": key, "value": value}));
        // 1 is internal, 2 a server's; status 2 is an error.
        let kind = if span.name == "request" { 2 } else { 1 };
        let mut json = json!({
            "traceId": hex::encode(span.trace),
            "spanId": hex::encode(span.id),
            "name": span.name,
            "kind": kind,
            "startTimeUnixNano": span.began_ns.to_string(),
            "endTimeUnixNano": span.ended_ns.to_string(),
            "attributes": attributes.collect::<Vec<_>>(),
            "status": if span.failed { json!({"code": 2}) } else { json!({}) },
        });
        if let Some(parent) = span.parent {
            json["parentSpanId"] = hex::encode(parent).into();
        }
        json
    };
    let named = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let version = env!("CARGO_PKG_VERSION");
    json!({"resourceSpans": [{
        "resource": {"attributes": [named("service.name", service), named("service.version", version)]},
        "scopeSpans": [{
            "scope": {"name": "sahakar", "version": version},
            "spans": batch.iter().map(span).collect::<Vec<_>>(),
        }],
    }]})
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
    };

    use tracing::{error, info_span};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Takes one document as a collector does, and returns its path and itself.
    fn one_document(listener: &TcpListener) -> (String, Value) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        (first, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn spans_reach_the_collector_with_their_parents() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let (layer, flush) = OtlpLayer::new(&endpoint, "test").unwrap();
        let collector = thread::spawn(move || one_document(&listener));
        let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let request = info_span!(
                "request",
                trace.parent = caller,
                path = "/v2",
                status = tracing::field::Empty
            );
            request.in_scope(|| {
                info_span!("compute", rows = 3_u64).in_scope(|| error!("a failure"));
            });
            request.record("status", 500_u64);
        });
        flush.flush();
        let (first, document) = collector.join().unwrap();
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        let spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
        let (compute, request) = (&spans[0], &spans[1]);
        assert_eq!((&compute["name"], &request["name"]), (&json!("compute"), &json!("request")));
        assert_eq!(request["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(request["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(compute["traceId"], request["traceId"]);
        assert_eq!(compute["parentSpanId"], request["spanId"]);
        assert_eq!(compute["status"]["code"], 2);
        assert_eq!(compute["attributes"][0], json!({"key": "rows", "value": {"intValue": "3"}}));
        let attributes = request["attributes"].as_array().unwrap();
        assert_eq!(attributes.len(), 2, "the caller's header is no attribute: {attributes:?}");
        assert_eq!(attributes[1]["value"]["intValue"], "500");
        let time = |name: &str| request[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(
            time("startTimeUnixNano") > 0 && time("startTimeUnixNano") <= time("endTimeUnixNano")
        );
    }

    #[test]
    fn a_header_that_is_none_starts_a_trace_of_our_own() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        assert!(parent_from_header(&format!("00-{trace}-{span}-00")).is_some());
        assert!(parent_from_header(&format!("01-{trace}-{span}-00-abcd")).is_some());
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            "00".to_owned(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-00-abcd"),
            format!("ff-{trace}-{span}-00"),
            format!("00-{zeros}-{span}-00"),
            format!("00-{}-{span}-00", trace.to_uppercase()),
            format!("00-{trace}-{}-00", &span[1..]),
        ] {
            assert_eq!(parent_from_header(&text), None, "{text}");
        }
    }

    #[test]
    fn a_collector_that_is_away_costs_the_spans_and_nothing_else() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (layer, flush) = OtlpLayer::new(&format!("http://{address}"), "test").unwrap();
        let dropped = Arc::clone(&layer.dropped);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            drop(info_span!("request"));
        });
        flush.flush();
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert!(OtlpLayer::new("127.0.0.1:4318", "test").is_err());
    }
}
