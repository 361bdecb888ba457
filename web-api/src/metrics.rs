//! Figures of the REST interface, in Prometheus' text format 0.0.4.
//!
//! Routes are named by their templates, never by what buyers ask for; no key and no address is in them.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use tracing::Span;

use crate::ApiState;

/// Upper bounds in seconds: from what a prediction takes to what a request may.
const SECONDS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Upper bounds of how many share a forward pass, or a commit.
const COUNTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What was counted since the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By route and status.
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    seconds: Histogram,
    inference_seconds: Histogram,
    in_flight: AtomicU64,
    batches: Histogram,
    rows: AtomicU64,
    groups: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            seconds: Histogram::new(&SECONDS),
            inference_seconds: Histogram::new(&SECONDS),
            in_flight: AtomicU64::new(0),
            batches: Histogram::new(&COUNTS),
            rows: AtomicU64::new(0),
            groups: Histogram::new(&COUNTS),
        }
    }
}

impl Metrics {
    /// Counts a forward pass over `rows` rows of `requests` requests.
    pub(crate) fn batch(&self, requests: usize, rows: usize) {
        self.batches.add(requests as f64);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Counts an append of what `requests` requests book.
    pub(crate) fn group(&self, requests: usize) {
        self.groups.add(requests as f64);
    }

    fn request(&self, route: &str, status: u16, took: Duration) {
        let seconds = took.as_secs_f64();
        self.seconds.add(seconds);
        if route.ends_with("/infer") {
            self.inference_seconds.add(seconds);
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), status)).or_default() += 1;
    }

    pub(crate) fn write(&self, text: &mut String) -> fmt::Result {
        let header = |text: &mut String, name: &str, kind: &str, help: &str| {
            writeln!(text, "# HELP sahakar_{name} {help}\n# TYPE sahakar_{name} {kind}")
        };
        header(text, "http_requests_total", "counter", "Requests answered.")?;
        for ((route, status), count) in
            &*self.requests.lock().unwrap_or_else(PoisonError::into_inner)
        {
            writeln!(
                text,
                "sahakar_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            )?;
        }
        let histograms = [
            ("http_request_seconds", "Time to answer a request.", &self.seconds),
            ("inference_seconds", "Time to answer a prediction.", &self.inference_seconds),
            ("inference_batch_requests", "Requests of a forward pass.", &self.batches),
            ("ledger_group_requests", "Requests of a commit.", &self.groups),
        ];
        for (name, help, histogram) in histograms {
            header(text, name, "histogram", help)?;
            histogram.write(name, text)?;
        }
        header(text, "inference_rows_total", "counter", "Rows predicted.")?;
        writeln!(text, "sahakar_inference_rows_total {}", self.rows.load(Ordering::Relaxed))
    }
}

/// Counts of what is at most each bound, and the sum.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: what is above all.
    counts: Vec<AtomicU64>,
    /// In millionths.
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    fn add(&self, value: f64) {
        let place = self.bounds.iter().position(|bound| value <= *bound);
        self.counts[place.unwrap_or(self.bounds.len())].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add((value * 1e6).max(0.0) as u64, Ordering::Relaxed);
    }

    fn write(&self, name: &str, text: &mut String) -> fmt::Result {
        let mut total = 0;
        for (index, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = self.bounds.get(index).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            writeln!(text, "sahakar_{name}_bucket{{le=\"{bound}\"}} {total}")?;
        }
        let sum = self.sum.load(Ordering::Relaxed) as f64 / 1e6;
        writeln!(text, "sahakar_{name}_sum {sum}\nsahakar_{name}_count {total}")
    }
}

/// Counts each request, its time and its status.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a request takes is this process's own time"
)]
pub(crate) async fn counted(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let metrics = state.metrics();
    metrics.in_flight.fetch_add(1, Ordering::Relaxed);
    // Also where the client goes away, and this future is dropped.
    let _leaving = Leaving(&metrics.in_flight);
    let response = next.run(request).await;
    let status = response.status().as_u16();
    metrics.request(&route, status, began.elapsed());
    Span::current().record("http.route", &route).record("http.response.status_code", status);
    response
}

struct Leaving<'a>(&'a AtomicU64);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ApiState {
    /// The figures of the REST interface, in Prometheus' text format 0.0.4.
    ///
    /// # Panics
    /// Never: a `String` takes all.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let mut text = String::new();
        self.metrics().write(&mut text).expect("a String takes all");
        let shelf = self.shelf().figures();
        let in_flight = self.metrics().in_flight.load(Ordering::Relaxed);
        let waiting = self.batcher().waiting() as u64;
        let explained = self.courses().replayed();
        let ready = u64::from(self.is_ready());
        for (name, kind, help, value) in [
            ("http_requests_in_flight", "gauge", "Requests being answered.", in_flight),
            ("inference_waiting", "gauge", "Predictions computed or waiting.", waiting),
            ("model_cache_bytes", "gauge", "Memory of the models kept.", shelf.bytes as u64),
            ("model_cache_models", "gauge", "Models kept.", shelf.models as u64),
            ("model_cache_hits_total", "counter", "Models found in memory.", shelf.hits),
            ("model_cache_loads_total", "counter", "Models read from disk.", shelf.loads),
            ("model_cache_evictions_total", "counter", "Models let go.", shelf.evictions),
            (
                "explained_steps_total",
                "counter",
                "Settlements replayed for explanations.",
                explained,
            ),
            ("ledger_entries", "gauge", "Entries in the ledger.", self.store().size()),
            ("ready", "gauge", "Whether the node can serve.", ready),
        ] {
            write!(
                text,
                "# HELP sahakar_{name} {help}\n# TYPE sahakar_{name} {kind}\nsahakar_{name} {value}\n"
            )
            .expect("a String takes all");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_at_most_each_bound() {
        let histogram = Histogram::new(&COUNTS);
        for value in [1.0, 2.0, 3.0, 300.0] {
            histogram.add(value);
        }
        let mut text = String::new();
        histogram.write("x", &mut text).unwrap();
        for line in [
            "sahakar_x_bucket{le=\"1\"} 1",
            "sahakar_x_bucket{le=\"4\"} 3",
            "sahakar_x_bucket{le=\"256\"} 3",
            "sahakar_x_bucket{le=\"+Inf\"} 4",
            "sahakar_x_sum 306",
            "sahakar_x_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
