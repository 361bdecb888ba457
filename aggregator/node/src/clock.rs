//! The shell's clock.
//!
//! Threat: a machine's clock that is set, by a person or by a time server that errs. A round whose deadline was taken
//! before it went back would wait for as long as the jump; one that jumped forward would end all rounds under way
//! without anybody's fault. Deadlines are spans of time, so that they are measured by a clock that only runs: the
//! machine's is looked at once, at start.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// The process's one clock.
static CLOCK: OnceLock<Clock> = OnceLock::new();

struct Clock {
    started: Instant,
    /// The time at the start, in milliseconds since the Unix epoch.
    start_ms: AtomicU64,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the shell that reads the clock for the core"
    )]
    fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).into();
        Self { started: Instant::now(), start_ms }
    }

    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.start_ms.load(Ordering::Relaxed).saturating_add(elapsed)
    }
}

/// Milliseconds since the Unix epoch as they were at the start of the process, and time that passed since: never
/// decreasing.
pub(crate) fn now_ms() -> u64 {
    CLOCK.get_or_init(Clock::start).now_ms()
}

/// Sets the clock to `at_ms` unless it is later already: what was stored under an earlier clock lies in the past.
pub(crate) fn not_before(at_ms: u64) {
    let clock = CLOCK.get_or_init(Clock::start);
    let behind = at_ms.saturating_sub(clock.now_ms());
    clock.start_ms.fetch_add(behind, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_takes_up_where_the_last_process_was_and_never_goes_back() {
        let before = now_ms();
        not_before(before + 3_600_000);
        let after = now_ms();
        assert!(after >= before + 3_600_000);
        not_before(before);
        assert!(now_ms() >= after && now_ms() < after + 600_000);
    }
}
