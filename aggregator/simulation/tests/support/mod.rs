//! Seeds over all cores.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use aggregator_simulation::{Scenario, Seen, minimised, run};

/// What a run took. The tests' only clock, and nothing depends on it.
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "printed, never decided on")]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Runs each seed on one of as many threads as there are cores. Fails with the smallest seed that fails, minimised.
pub(crate) fn over_seeds(
    seeds: std::ops::Range<u64>,
    scenario: impl Fn(u64) -> (Scenario, u64) + Sync,
) -> Seen {
    let next = AtomicU64::new(seeds.start);
    let (seen, failed) = (Mutex::new(Seen::default()), Mutex::new(Vec::new()));
    let work = || {
        let mut own = Seen::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || !failed.lock().unwrap().is_empty() {
                break;
            }
            let (scenario, seed) = scenario(seed);
            match catch_unwind(AssertUnwindSafe(|| run(seed, &scenario))) {
                Ok(Ok(report)) => own.merge(&report.seen),
                Ok(Err(failure)) => {
                    failed.lock().unwrap().push((seed, minimised(*failure).to_string()))
                }
                Err(_) => failed.lock().unwrap().push((seed, format!("panicked: {scenario:?}"))),
            }
        }
        seen.lock().unwrap().merge(&own);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    if let Some((seed, failure)) = failed.into_inner().unwrap().into_iter().min() {
        panic!(
            "run it alone by `replay({seed}, &scenario, faults)` with what follows, minimised:\n{failure}"
        );
    }
    seen.into_inner().unwrap()
}

/// The counts, for people (`--nocapture`).
pub(crate) fn print(mode: &str, seeds: u64, seen: &Seen, seconds: f64) {
    let rounds = seen.count("rounds");
    println!("mode {mode}: {seeds} seeds, {rounds} rounds in {seconds:.1} s: {:?}", seen.counts);
}
