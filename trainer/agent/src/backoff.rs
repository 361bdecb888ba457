//! Pauses between attempts.

use std::time::Duration;

/// First pause after a failed exchange, in milliseconds.
const CONNECTION_MS: u64 = 100;
/// Longest pause between failed exchanges, in milliseconds.
const CONNECTION_MS_MAX: u64 = 2_000;
/// First pause between two questions for a receipt, in milliseconds.
const RECEIPT_MS: u64 = 100;
/// Longest pause between two questions for a receipt, in milliseconds.
const RECEIPT_MS_MAX: u64 = 1_000;
/// Longest pause that a coordinator can ask for, in milliseconds: the owner should not wait for days
/// because of one number in one answer.
const WAIT_MS_MAX: u64 = 60_000;

/// Pauses that double up to a bound, each drawn from its upper half, so that many contributors that
/// lost the same coordinator do not all return at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    first_ms: u64,
    next_ms: u64,
    max_ms: u64,
}

impl Backoff {
    /// For exchanges that failed: 100 ms to 2 s.
    pub(crate) const fn for_connection() -> Self {
        Self::new(CONNECTION_MS, CONNECTION_MS_MAX)
    }

    /// For receipts that are not there yet: 100 ms to 1 s.
    pub(crate) const fn for_receipt() -> Self {
        Self::new(RECEIPT_MS, RECEIPT_MS_MAX)
    }

    const fn new(first_ms: u64, max_ms: u64) -> Self {
        Self { first_ms, next_ms: first_ms, max_ms }
    }

    /// Starts over.
    pub(crate) const fn reset(&mut self) {
        self.next_ms = self.first_ms;
    }

    /// Waits. The future may be dropped.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.delay()).await;
    }

    /// How long to wait, and longer the next time.
    pub(crate) fn delay(&mut self) -> Duration {
        let full = self.next_ms;
        self.next_ms = full.saturating_mul(2).min(self.max_ms);
        Duration::from_millis(rand::random_range(full / 2..=full))
    }
}

/// Waits as long as the coordinator asked for, and up to a quarter more. The future may be dropped.
pub(crate) async fn wait(retry_ms: u64) {
    tokio::time::sleep(wait_delay(retry_ms)).await;
}

fn wait_delay(retry_ms: u64) -> Duration {
    let least = retry_ms.min(WAIT_MS_MAX);
    Duration::from_millis(rand::random_range(least..=least + least / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_over() {
        let mut backoff = Backoff::for_connection();
        for full in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            let delay = backoff.delay();
            let range = Duration::from_millis(full / 2)..=Duration::from_millis(full);
            assert!(range.contains(&delay), "{delay:?}");
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(100));
    }

    /// Of 64 draws some lie in each half of the range; by chance alone all would lie in one once in 2^63.
    #[test]
    fn many_who_lost_the_same_coordinator_do_not_return_at_once() {
        let late = |pauses: Vec<Duration>, middle_ms| {
            let late = pauses.iter().filter(|pause| **pause > Duration::from_millis(middle_ms));
            assert!((1..64).contains(&late.count()), "{pauses:?}");
        };
        late((0..64).map(|_| Backoff::for_connection().delay()).collect(), 75);
        // Those whom the coordinator asked to come back are spread over a quarter more.
        late((0..64).map(|_| wait_delay(1_000)).collect(), 1_125);
    }

    #[test]
    fn no_coordinator_makes_a_contributor_wait_for_ever() {
        assert!(wait_delay(u64::MAX) <= Duration::from_millis(75_000));
        assert!(wait_delay(1_000) >= Duration::from_millis(1_000));
        assert_eq!(wait_delay(0), Duration::ZERO);
    }
}
