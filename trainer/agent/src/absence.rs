//! A coordinator that does not answer: the owner is told at once, again at widening intervals, and when it is back.
//!
//! ```text
//!  answered ──a try fails: told──► away ──another fails: told after 10 s, 20 s, 40 s … of absence──┐
//!     ▲                             │ ▲                                                            │
//!     └────────answers: told────────┘ └────────────────────────────────────────────────────────────┘
//! ```
//! Threat: silence. A device that asks for ever and says nothing looks like one that waits for its round; the owner finds
//! out after weeks that it never had a part in any.

use std::{sync::Arc, time::Duration};

use crate::{AgentEvent, clock::Stopwatch};

/// After how much absence it is told of for the second time, in seconds: a coordinator that restarts is back before.
const AGAIN_SECONDS: f64 = 10.0;
/// Longest time between two tellings, in seconds: an hour, so that a weekend of absence is some fifty lines.
const AGAIN_SECONDS_MAX: f64 = 3_600.0;

/// What a person can look at.
const ADVICE: &str = "is this machine on the network, does the coordinator run, and are the addresses of the invitation still its own?";

/// Gets what the agent tells.
pub(crate) type Listener = Arc<dyn Fn(AgentEvent) + Send + Sync>;

/// Whether the coordinator is away, and who is told.
pub(crate) struct Absence {
    away: Option<Away>,
    listener: Option<Listener>,
}

struct Away {
    since: Stopwatch,
    schedule: Schedule,
}

impl Absence {
    /// Nobody was asked yet. Without a listener the log is told.
    pub(crate) const fn new(listener: Option<Listener>) -> Self {
        Self { away: None, listener }
    }

    /// A try failed; the next one comes after `pause`.
    pub(crate) fn missed(&mut self, asked: &'static str, reason: &str, pause: Duration) {
        let begin = || Away { since: Stopwatch::start(), schedule: Schedule::default() };
        let away = self.away.get_or_insert_with(begin);
        let seconds = away.since.seconds();
        if !away.schedule.is_due(seconds) {
            return;
        }
        let next_seconds = pause.as_secs_f64();
        match &self.listener {
            Some(listener) => listener(AgentEvent::Unreachable {
                asked,
                reason: reason.to_owned(),
                seconds,
                next_seconds,
                advice: ADVICE,
            }),
            None => tracing::warn!(
                asked,
                seconds,
                next_seconds,
                "cannot reach the coordinator since {seconds:.0} s: {reason}; next try in {next_seconds:.1} s: {ADVICE}"
            ),
        }
    }

    /// It answered.
    pub(crate) fn ended(&mut self) {
        let Some(away) = self.away.take() else { return };
        let seconds = away.since.seconds();
        match &self.listener {
            Some(listener) => listener(AgentEvent::Reached { seconds }),
            None => tracing::warn!(seconds, "the coordinator is back after {seconds:.0} s"),
        }
    }
}

/// When an absence is told of: at once, after ten seconds, and then whenever it lasted twice as long, at least hourly.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Schedule {
    next: f64,
}

impl Schedule {
    /// Whether it is time, `seconds` after the absence began.
    fn is_due(&mut self, seconds: f64) -> bool {
        if seconds < self.next {
            return false;
        }
        self.next = seconds + seconds.clamp(AGAIN_SECONDS, AGAIN_SECONDS_MAX);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_of_absence_is_told_of_at_once_then_ever_more_rarely_and_never_less_than_hourly() {
        let mut schedule = Schedule::default();
        // A try every two seconds.
        let tries = (0..302_400_u32).map(|index| f64::from(index) * 2.0);
        let told: Vec<f64> = tries.filter(|seconds| schedule.is_due(*seconds)).collect();
        assert_eq!(told[..6], [0.0, 10.0, 20.0, 40.0, 80.0, 160.0]);
        let gaps = told.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.clone().all(|gap| gap <= AGAIN_SECONDS_MAX));
        assert!(gaps.skip(1).is_sorted());
        assert!(told.len() < 200, "{}", told.len());
    }
}
