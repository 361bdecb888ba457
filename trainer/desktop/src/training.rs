//! Training as it goes: what the trainer's lines say, added up.

use std::collections::VecDeque;

use serde_json::Value;
use trainer_conditions::{Condition, Pace};

use crate::seat::Seat;

/// Points of the loss that are drawn.
const LOSSES_MAX: usize = 4_000;

/// Rounds that are listed.
const ROUNDS_MAX: usize = 1_000;

/// Lines of the log that are kept.
const LOG_MAX: usize = 500;

/// Whether the trainer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Running {
    /// It does not.
    #[default]
    Off,
    /// It was started.
    On,
    /// It was told to stop.
    Stopping,
}

/// What the trainer does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Looks for the coordinator.
    #[default]
    Connecting,
    /// Waits for a round.
    Waiting,
    /// Trains.
    Learning,
    /// Seals its update.
    Sealing,
    /// Sends it.
    Sending,
    /// Waits until the others have sent theirs.
    Settling,
    /// All rounds were run.
    Finished,
}

impl Phase {
    /// The key of its name in files of translations.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Connecting => "phase_connecting",
            Self::Waiting => "phase_waiting",
            Self::Learning => "phase_learning",
            Self::Sealing => "phase_sealing",
            Self::Sending => "phase_sending",
            Self::Settling => "phase_settling",
            Self::Finished => "phase_finished",
        }
    }
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It counted.
    Counted {
        /// What the update did to the validation loss.
        value: f64,
        /// How many had a part.
        participants: u64,
    },
    /// It did not.
    Not {
        /// `aborted`, `refused` or `disputed`.
        how: &'static str,
        /// Why.
        reason: String,
    },
}

/// A round that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Its number.
    pub round: u64,
    /// Mean loss at the end.
    pub loss: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
    /// How it ended.
    pub end: End,
}

/// Steps of the round under way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Steps {
    /// Taken.
    pub done: u64,
    /// In all.
    pub all: u64,
    /// Examples each second.
    pub examples_per_second: Option<f64>,
    /// Seconds that are left.
    pub left_seconds: Option<f64>,
}

/// The model that came last, tried on the rows that are kept from training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// Share of the rows that it tells right, from 0 to 1.
    pub accuracy: f64,
    /// How many rows these are.
    pub rows: u64,
}

/// Training as it goes.
#[derive(Debug, Clone, Default)]
pub struct Training {
    /// Whether the trainer runs.
    pub running: Running,
    /// What it does.
    pub phase: Phase,
    /// The round under way.
    pub round: Option<u64>,
    /// Its steps.
    pub steps: Steps,
    /// Loss over all steps so far: (step, loss).
    pub losses: Vec<[f64; 2]>,
    /// The newest model on rows that were kept from training; none where no row is kept.
    pub tried: Option<Tried>,
    /// Rounds that ended, oldest first.
    pub rounds: VecDeque<Round>,
    /// What it computes on.
    pub device: Option<String>,
    /// Rows of the table.
    pub samples: Option<u64>,
    /// Members of the cohort.
    pub cohort: Option<u64>,
    /// Whether it may train, and why not.
    pub pace: Option<Pace>,
    /// For which other federation's training it waits.
    pub waits_for: Option<Seat>,
    /// Whether the coordinator does not answer.
    pub away: bool,
    /// What the pacer cannot see on this machine.
    pub unwatched: Vec<Condition>,
    /// Lines for whoever asks for help; nothing secret is in them.
    pub log: VecDeque<String>,
    /// When the round's first step was told, and the examples then.
    began: Option<(u64, u64)>,
    steps_before: u64,
    loss: Option<f64>,
    seconds: f64,
}

impl Training {
    /// Takes one line of the trainer.
    pub fn apply(&mut self, event: &Value) {
        let number = |name: &str| event[name].as_u64();
        let round = number("round");
        self.note(event);
        match event["event"].as_str().unwrap_or_default() {
            "ready" => {
                self.device = event["device"].as_str().map(str::to_owned);
                self.samples = number("samples");
            }
            "joined" => self.phase = Phase::Waiting,
            "unreachable" => self.away = true,
            "reached" => self.away = false,
            "cohort" => self.cohort = number("members"),
            "ordered" => {
                self.phase = Phase::Learning;
                self.round = round;
                self.steps = Steps::default();
                self.began = None;
            }
            "held_out" => {
                let rows = number("rows").unwrap_or_default();
                self.tried = event["accuracy"].as_f64().map(|accuracy| Tried { accuracy, rows });
            }
            "training" => self.step(event),
            "trained" => {
                self.phase = Phase::Sealing;
                self.loss = event["loss"].as_f64();
                self.seconds = event["seconds"].as_f64().unwrap_or_default();
                self.steps_before += number("steps").unwrap_or_default();
                self.steps.done = self.steps.all;
                self.steps.left_seconds = None;
                if let Some(loss) = self.loss {
                    self.point(self.steps_before, loss);
                }
            }
            "sealed" => self.phase = Phase::Sending,
            "submitted" => self.phase = Phase::Settling,
            "counted" => {
                let value = event["value"].as_f64().unwrap_or_default();
                let participants = number("participants").unwrap_or_default();
                self.ended(round, End::Counted { value, participants });
            }
            "aborted" => self.not_counted(event, "aborted"),
            "refused" => self.not_counted(event, "refused"),
            "disputed" => self.not_counted(event, "disputed"),
            "finished" => self.phase = Phase::Finished,
            _ => {}
        }
    }

    /// Takes note that the trainer starts.
    pub fn start(&mut self) {
        self.running = Running::On;
        self.phase = Phase::Connecting;
        self.away = false;
    }

    fn step(&mut self, event: &Value) {
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let (done, all, examples, at_ms) =
            (number("step"), number("steps"), number("examples"), number("at_ms"));
        self.phase = Phase::Learning;
        let (began_ms, before) = *self.began.get_or_insert((at_ms, examples));
        let seconds = at_ms.saturating_sub(began_ms) as f64 / 1e3;
        let examples = examples.saturating_sub(before) as f64;
        let speed = (seconds > 0.0 && examples > 0.0).then(|| examples / seconds);
        let per_step = if done > 0 { number("examples") as f64 / done as f64 } else { 0.0 };
        let left = speed.map(|speed| all.saturating_sub(done) as f64 * per_step / speed);
        self.steps = Steps { done, all, examples_per_second: speed, left_seconds: left };
        if let Some(loss) = event["loss"].as_f64() {
            self.point(self.steps_before + done, loss);
        }
    }

    fn point(&mut self, step: u64, loss: f64) {
        if self.losses.len() == LOSSES_MAX {
            // Every other one says the same in less room.
            let mut index = 0;
            self.losses.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
        self.losses.push([step as f64, loss]);
    }

    fn not_counted(&mut self, event: &Value, how: &'static str) {
        let reason = event["reason"].as_str().unwrap_or_default().to_owned();
        self.ended(event["round"].as_u64(), End::Not { how, reason });
    }

    fn ended(&mut self, round: Option<u64>, end: End) {
        if self.rounds.len() == ROUNDS_MAX {
            self.rounds.pop_front();
        }
        let (loss, seconds) = (self.loss.take(), std::mem::take(&mut self.seconds));
        if loss.is_none() {
            // Steps of a round that was not learnt to its end were steps all the same: the curve never goes back.
            self.steps_before += self.steps.done;
        }
        self.rounds.push_back(Round { round: round.unwrap_or_default(), loss, seconds, end });
        self.phase = Phase::Waiting;
        self.steps = Steps::default();
    }

    /// Keeps a line, unless there are many of its kind.
    fn note(&mut self, event: &Value) {
        if event["event"] == "training" {
            return;
        }
        if self.log.len() == LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(event.to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_round_is_followed_from_its_order_to_its_value() {
        let mut training = Training::default();
        training.start();
        for event in [
            json!({"event": "ready", "samples": 120, "device": "CPU"}),
            json!({"event": "joined"}),
            json!({"event": "ordered", "round": 4}),
            json!({"event": "training", "round": 4, "step": 10, "steps": 50, "examples": 320, "loss": 0.9, "at_ms": 1_000}),
            json!({"event": "training", "round": 4, "step": 20, "steps": 50, "examples": 640, "loss": 0.8, "at_ms": 2_000}),
        ] {
            training.apply(&event);
        }
        assert_eq!((training.phase, training.round), (Phase::Learning, Some(4)));
        let expected =
            Steps { done: 20, all: 50, examples_per_second: Some(320.0), left_seconds: Some(3.0) };
        assert_eq!(training.steps, expected);
        for event in [
            json!({"event": "trained", "round": 4, "loss": 0.7, "seconds": 5.0, "steps": 50}),
            json!({"event": "sealed", "round": 4}),
            json!({"event": "submitted", "round": 4}),
            json!({"event": "counted", "round": 4, "value": 0.01, "participants": 8}),
        ] {
            training.apply(&event);
        }
        let end = End::Counted { value: 0.01, participants: 8 };
        let round = Round { round: 4, loss: Some(0.7), seconds: 5.0, end };
        assert_eq!(training.rounds, [round]);
        assert_eq!(training.losses.last(), Some(&[50.0, 0.7]));
        assert_eq!(training.phase, Phase::Waiting);
    }

    #[test]
    fn a_coordinator_that_is_away_is_shown_until_it_is_back_or_the_trainer_starts_anew() {
        let mut training = Training::default();
        for (event, away) in [("unreachable", true), ("cohort", true), ("reached", false)] {
            training.apply(&json!({"event": event}));
            assert_eq!(training.away, away, "{event}");
        }
        training.apply(&json!({"event": "unreachable"}));
        training.start();
        assert!(!training.away);
    }

    #[test]
    fn the_curve_never_goes_back_whatever_becomes_of_a_round() {
        let mut training = Training::default();
        for (round, end) in ["refused", "aborted", "refused"].into_iter().enumerate() {
            training.apply(&json!({"event": "ordered", "round": round}));
            for step in [10, 20] {
                training.apply(&json!({"event": "training", "round": round, "step": step, "steps": 50, "loss": 1.0}));
            }
            training.apply(&json!({"event": end, "round": round, "reason": "late"}));
        }
        let steps: Vec<f64> = training.losses.iter().map(|[step, _]| *step).collect();
        assert_eq!(steps, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut training = Training::default();
        for index in 0..10_000_u64 {
            training.apply(&json!({"event": "refused", "round": index, "reason": "late"}));
            training.apply(&json!({"event": "training", "step": index, "steps": 1, "loss": 1.0}));
        }
        assert_eq!((training.rounds.len(), training.log.len()), (ROUNDS_MAX, LOG_MAX));
        assert!(training.losses.len() <= LOSSES_MAX);
    }
}
