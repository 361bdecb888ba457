//! What the processes tell while they work, gathered by round.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    children::{ChildEvent, ChildNews},
    cooperative::{AGGREGATOR, COORDINATOR, DAO},
};

/// One round, as its processes told it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoundStats {
    /// Contributions in the sum.
    pub participants: u64,
    /// Members that sent nothing in time.
    pub dropped: u64,
    /// Refused messages.
    pub refused: u64,
    /// Accuracy on the test set, 0 to 1.
    pub test_accuracy: f64,
    /// Loss on the test set.
    pub test_loss: f64,
    /// Privacy loss so far; none: unbounded.
    pub epsilon: Option<f64>,
    /// Bytes of each contributor's upload.
    pub upload_bytes: Vec<u64>,
    /// Bytes of the plain f32 vector.
    pub plain_bytes: u64,
    /// Seconds of each contributor's training.
    pub train_seconds: Vec<f64>,
    /// Seconds of each contributor's sealing.
    pub seal_seconds: Vec<f64>,
    /// When the round started, was collected and settled, in milliseconds since the Unix epoch.
    pub times_ms: [u64; 3],
}

/// All rounds so far, and who is still there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The rounds that settled.
    pub settled: BTreeMap<u64, RoundStats>,
    /// Rounds under way.
    open: BTreeMap<u64, RoundStats>,
    /// Rounds that were given up, with the reason.
    pub aborted: BTreeMap<u64, String>,
    /// Contributors whose process ended before the last round.
    pub gone: BTreeSet<String>,
    /// Whether the model of the last round is in the catalogue.
    pub released: bool,
    /// Contributors that have finished.
    pub finished: BTreeSet<String>,
}

/// What a piece of news means for people.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A round settled.
    Settled(u64),
    /// A round was given up.
    Aborted(u64, String),
    /// A contributor vanished.
    Gone(String),
    /// A process without which nothing goes on has ended.
    Lost(String),
    /// Something that a person may want to read.
    Remark(String),
}

impl Progress {
    /// Takes in one piece of news.
    pub fn take(&mut self, news: ChildEvent) -> Option<Notice> {
        match news.what {
            ChildNews::Said(event) => match news.from.as_str() {
                DAO => self.dao_said(&event),
                COORDINATOR => self.coordinator_said(&event),
                AGGREGATOR => None,
                _ => self.trainer_said(&news.from, &event),
            },
            ChildNews::Ended(_) if [DAO, COORDINATOR, AGGREGATOR].contains(&news.from.as_str()) => {
                Some(Notice::Lost(news.from))
            }
            ChildNews::Ended(_) if self.finished.contains(&news.from) => None,
            ChildNews::Ended(_) => {
                self.gone.insert(news.from.clone());
                Some(Notice::Gone(news.from))
            }
        }
    }

    fn round(&mut self, event: &Value) -> Option<&mut RoundStats> {
        Some(self.open.entry(event["round"].as_u64()?).or_default())
    }

    fn dao_said(&mut self, event: &Value) -> Option<Notice> {
        match event["event"].as_str()? {
            "settled" => {
                let round = event["round"].as_u64()?;
                let stats = self.round(event)?;
                stats.participants = event["participants"].as_u64()?;
                stats.dropped = event["dropped"].as_u64()?;
                stats.refused = event["refused"].as_u64()?;
                stats.test_accuracy = event["test_accuracy"].as_f64()?;
                stats.test_loss = event["test_loss"].as_f64()?;
                stats.epsilon = event["epsilon"].as_f64();
                stats.times_ms[2] = event["at_ms"].as_u64()?;
                let stats = self.open.remove(&round)?;
                self.settled.insert(round, stats);
                Some(Notice::Settled(round))
            }
            "aborted" => {
                let round = event["round"].as_u64()?;
                let reason = event["reason"].as_str()?.to_owned();
                self.open.remove(&round);
                self.aborted.insert(round, reason.clone());
                Some(Notice::Aborted(round, reason))
            }
            "released" => {
                self.released = true;
                None
            }
            "refused" => Some(Notice::Remark(format!("the DAO node refused a request: {event}"))),
            _ => None,
        }
    }

    fn coordinator_said(&mut self, event: &Value) -> Option<Notice> {
        let at_ms = event["at_ms"].as_u64()?;
        match event["event"].as_str()? {
            "round-started" => self.round(event)?.times_ms[0] = at_ms,
            "round-collected" => self.round(event)?.times_ms[1] = at_ms,
            _ => {}
        }
        None
    }

    fn trainer_said(&mut self, label: &str, event: &Value) -> Option<Notice> {
        match event["event"].as_str()? {
            "trained" => {
                let seconds = event["seconds"].as_f64()?;
                self.round(event)?.train_seconds.push(seconds);
            }
            "sealed" => {
                let seconds = event["seconds"].as_f64()?;
                self.round(event)?.seal_seconds.push(seconds);
            }
            "submitted" => {
                let (bytes, plain) = (event["bytes"].as_u64()?, event["plain_bytes"].as_u64()?);
                // The last contributor's word may come after the round has settled.
                let round = event["round"].as_u64()?;
                let late = self.settled.get_mut(&round);
                let stats = match late {
                    Some(stats) => stats,
                    None => self.round(event)?,
                };
                stats.upload_bytes.push(bytes);
                stats.plain_bytes = plain;
            }
            "finished" => {
                self.finished.insert(label.to_owned());
            }
            "refused" | "disputed" => {
                let (kind, reason) = (event["event"].as_str()?, event["reason"].as_str()?);
                return Some(Notice::Remark(format!("{label}: {kind}: {reason}")));
            }
            _ => {}
        }
        None
    }
}

/// The mean of `values`, or 0 of none.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of contributors")]
    let count = values.len().max(1) as f64;
    values.iter().sum::<f64>() / count
}
