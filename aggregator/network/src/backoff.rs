//! Pauses between attempts to reach a peer.

use std::time::Duration;

/// First pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause: how late a peer that comes back is found at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Pauses that double up to a bound, each drawn from its upper half, so that many who lost the same
/// peer do not all return at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: PAUSE_MIN }
    }
}

impl Backoff {
    /// The pause after one more failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(PAUSE_MAX);
        jittered(full)
    }

    /// Starts over, after a success.
    pub(crate) const fn reset(&mut self) {
        self.next = PAUSE_MIN;
    }
}

/// Draws from the upper half of a pause.
pub(crate) fn jittered(full: Duration) -> Duration {
    rand::random_range(full / 2..=full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_over() {
        let mut backoff = Backoff::default();
        for full_ms in [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let full = Duration::from_millis(full_ms);
            let pause = backoff.pause();
            assert!((full / 2..=full).contains(&pause), "{pause:?} after {full:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= PAUSE_MIN);
    }

    /// Of 64 draws some lie in each half of the range; by chance alone all would lie in one once in 2^63.
    #[test]
    fn many_who_lost_the_same_peer_do_not_return_at_once() {
        let full = Duration::from_secs(1);
        let pauses: Vec<Duration> = (0..64).map(|_| jittered(full)).collect();
        let early = pauses.iter().filter(|pause| **pause < full * 3 / 4).count();
        assert!((1..64).contains(&early), "{pauses:?}");
    }
}
