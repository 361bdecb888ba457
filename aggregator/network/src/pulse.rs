//! Whether a peer that owes an answer is still there.
//!
//! TCP tells of a peer that vanished (a laptop that was closed, a router that forgot a connection)
//! after a quarter of an hour, if at all. So while an answer is awaited, and only then, a silent peer
//! is asked whether it is there. A link over which nothing is awaited costs nothing.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of one peer's life.
#[derive(Debug)]
pub(crate) struct Pulse {
    heard_at: Instant,
    asked_at: Option<Instant>,
    /// Answers that it owes.
    owed: u32,
}

/// What to do about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    Alive,
    /// It should be asked whether it is there.
    Silent,
    /// It was asked, and did not answer.
    Dead,
}

impl Pulse {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { heard_at: now, asked_at: None, owed: 0 }
    }

    /// Something is asked of it.
    pub(crate) const fn owes(&mut self, now: Instant) {
        if self.owed == 0 {
            self.heard_at = now;
        }
        self.owed = self.owed.saturating_add(1);
    }

    /// An exchange with it ended, in whatever way.
    pub(crate) const fn settled(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// Anything came from it.
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked_at = None;
    }

    /// It was asked whether it is there.
    pub(crate) const fn asked(&mut self, now: Instant) {
        self.asked_at = Some(now);
    }

    /// Starts over, with a new connection or without any.
    pub(crate) const fn reset(&mut self, now: Instant) {
        self.heard(now);
    }

    pub(crate) fn diagnosis(
        &self,
        now: Instant,
        keep_alive: Duration,
        silence_max: Duration,
    ) -> Diagnosis {
        let since = |then| now.saturating_duration_since(then);
        match self.asked_at {
            _ if self.owed == 0 => Diagnosis::Alive,
            Some(asked_at) if since(asked_at) >= silence_max => Diagnosis::Dead,
            Some(_) => Diagnosis::Alive,
            None if since(self.heard_at) >= keep_alive => Diagnosis::Silent,
            None => Diagnosis::Alive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(5);
    const SILENCE: Duration = Duration::from_secs(20);

    fn at(pulse: &Pulse, begun: Instant, seconds: u64) -> Diagnosis {
        pulse.diagnosis(begun + Duration::from_secs(seconds), KEEP_ALIVE, SILENCE)
    }

    #[test]
    fn silence_matters_only_while_an_answer_is_owed() {
        let begun = Instant::now();
        let mut pulse = Pulse::new(begun);
        assert_eq!(at(&pulse, begun, 1000), Diagnosis::Alive);
        pulse.owes(begun + Duration::from_secs(1000));
        assert_eq!(at(&pulse, begun, 1004), Diagnosis::Alive);
        assert_eq!(at(&pulse, begun, 1005), Diagnosis::Silent);
        pulse.settled();
        assert_eq!(at(&pulse, begun, 1005), Diagnosis::Alive);
    }

    #[test]
    fn dead_is_who_does_not_answer_within_the_stated_time() {
        let begun = Instant::now();
        let mut pulse = Pulse::new(begun);
        pulse.owes(begun);
        pulse.asked(begun + KEEP_ALIVE);
        assert_eq!(at(&pulse, begun, 24), Diagnosis::Alive);
        assert_eq!(at(&pulse, begun, 25), Diagnosis::Dead);
        pulse.heard(begun + Duration::from_secs(24));
        assert_eq!(at(&pulse, begun, 28), Diagnosis::Alive);
        assert_eq!(at(&pulse, begun, 29), Diagnosis::Silent);
    }
}
