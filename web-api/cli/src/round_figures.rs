//! Figures of an aggregator's rounds, for Prometheus: how they ended, how many took part, how long each step took.
//!
//! Counted since the process started, as counters are. Only the coordinator hears of the steps of a round; the other
//! aggregators' figures stay at zero but for refusals.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aggregator_node::NodeEvent;
use aggregator_round::RoundEvent;

/// The steps of a round that are timed, in their order: until the updates are in, until the sum is open, until it is settled.
const STEPS: [&str; 3] = ["collect", "open", "settle"];

/// Figures of rounds; clones share them.
#[derive(Debug, Clone, Default)]
pub struct RoundFigures(Arc<Mutex<Figures>>);

#[derive(Debug, Default)]
struct Figures {
    settled: u64,
    aborted: u64,
    participants: u64,
    dropped: u64,
    refused: u64,
    /// Seconds and how often, of each of [`STEPS`].
    steps: BTreeMap<&'static str, (f64, u64)>,
    /// When the last step of the round under way ended, in milliseconds.
    since_ms: Option<u64>,
}

impl RoundFigures {
    /// Takes note of `event`, which happened at `now_ms`, by a clock that only goes forward.
    pub fn hear(&self, event: &NodeEvent, now_ms: u64) {
        // A count is a count even if somebody else panicked while counting.
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            NodeEvent::Refused { .. } => figures.refused += 1,
            NodeEvent::Round(event) => figures.round(event, now_ms),
            _ => {}
        }
    }
}

impl Figures {
    fn round(&mut self, event: &RoundEvent, now_ms: u64) {
        match event {
            RoundEvent::Started { .. } => self.since_ms = Some(now_ms),
            RoundEvent::Collected { .. } => self.step(STEPS[0], now_ms),
            RoundEvent::Opened { .. } => self.step(STEPS[1], now_ms),
            RoundEvent::Settled { participants, dropped, .. } => {
                self.step(STEPS[2], now_ms);
                self.since_ms = None;
                self.settled += 1;
                self.participants += *participants as u64;
                self.dropped += dropped.len() as u64;
            }
            RoundEvent::Aborted { .. } => {
                self.since_ms = None;
                self.aborted += 1;
            }
            _ => {}
        }
    }

    /// A step that began before this process did has no time.
    fn step(&mut self, name: &'static str, now_ms: u64) {
        if let Some(since_ms) = self.since_ms.replace(now_ms) {
            let (seconds, count) = self.steps.entry(name).or_default();
            *seconds += now_ms.saturating_sub(since_ms) as f64 / 1e3;
            *count += 1;
        }
    }
}

impl fmt::Display for RoundFigures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = |name: &str, help: &str, kind: &str| {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
        };
        family("sahakar_rounds_total", "Rounds that ended, by how", "counter")?;
        writeln!(out, "sahakar_rounds_total{{end=\"settled\"}} {}", figures.settled)?;
        writeln!(out, "sahakar_rounds_total{{end=\"aborted\"}} {}", figures.aborted)?;
        for (name, help, value) in [
            ("sahakar_round_participants_total", "Updates in settled sums", figures.participants),
            (
                "sahakar_round_dropped_total",
                "Members of settled rounds without an update",
                figures.dropped,
            ),
            ("sahakar_refusals_total", "Messages that were refused", figures.refused),
        ] {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}")?;
        }
        let name = "sahakar_round_step_seconds";
        writeln!(out, "# HELP {name} How long the steps of a round took\n# TYPE {name} summary")?;
        for step in STEPS {
            let (seconds, count) = figures.steps.get(step).copied().unwrap_or_default();
            writeln!(out, "{name}_sum{{step=\"{step}\"}} {seconds}")?;
            writeln!(out, "{name}_count{{step=\"{step}\"}} {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::RoundId;
    use privacy_identity::SigningKey;

    use super::*;

    #[test]
    fn rounds_and_their_steps_are_counted_and_a_round_resumed_in_the_middle_has_no_false_times() {
        let figures = RoundFigures::default();
        let member = SigningKey::from_seed(&[1; 32]).verifying_key();
        let round = RoundId(3);
        let hear = |event, now_ms| figures.hear(&NodeEvent::Round(event), now_ms);
        // A restart: the first thing that this process hears of is the opening.
        hear(RoundEvent::Opened { round }, 900);
        hear(RoundEvent::Aborted { round, reason: "late".to_owned() }, 950);
        hear(RoundEvent::Started { round, cohort: 3 }, 1_000);
        hear(RoundEvent::Collected { round, accepted: 2, dropped: vec![member] }, 1_500);
        hear(RoundEvent::Opened { round }, 1_750);
        hear(RoundEvent::Settled { round, participants: 2, dropped: vec![member] }, 2_000);
        figures.hear(&NodeEvent::Refused { peer: member, reason: "late" }, 2_001);
        let text = figures.to_string();
        for line in [
            "sahakar_rounds_total{end=\"settled\"} 1",
            "sahakar_rounds_total{end=\"aborted\"} 1",
            "sahakar_round_participants_total 2",
            "sahakar_round_dropped_total 1",
            "sahakar_refusals_total 1",
            "sahakar_round_step_seconds_sum{step=\"collect\"} 0.5",
            "sahakar_round_step_seconds_count{step=\"open\"} 1",
            "sahakar_round_step_seconds_sum{step=\"settle\"} 0.25",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} in {text}");
        }
    }
}
