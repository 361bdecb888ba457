//! A round whose updates are in the clear: for robust rules and attacks, which have to see them, and as the
//! measure of what sealing costs. No real federation runs this way: an update in the clear has no encoding.

use aggregator_round::aumann_shapley_probe;
use aggregator_strategy::{RobustRule, Updates};
use anyhow::{Context as _, bail};
use privacy_dp::{ClipNorm, LocalUpdate};
use trainer_model::Parameters;

use super::{
    args::ValueKind,
    clock::Stopwatch,
    learning::{Learned, TrainingRound},
    local_state::Retained,
    oracle::{OracleValues, RoundGame},
    population::Contributor,
};
use crate::measure::Evaluator;

/// How updates in the clear become one.
pub(crate) struct OpenFederation {
    pub(crate) rule: RobustRule,
    /// Updates are clipped to it first.
    pub(crate) clip: Option<ClipNorm>,
    /// Whether a contribution weighs as many as it has rows.
    pub(crate) by_samples: bool,
    pub(crate) value: ValueKind,
}

/// What came of an open round.
pub(crate) struct OpenOutcome {
    pub(crate) mean_update: Vec<f32>,
    /// Contributors in the mean, with the loss that each contribution took off, if it was measured.
    pub(crate) values: Vec<(usize, Option<f64>)>,
    pub(crate) dropped: Vec<(usize, String)>,
    pub(crate) train_seconds: Vec<f64>,
    pub(crate) train_losses: Vec<f64>,
    pub(crate) aggregate_seconds: f64,
    /// What there is to say about the values.
    pub(crate) remark: Option<String>,
    /// What contributors keep to themselves.
    pub(crate) retained: Retained,
}

/// Updates that wait for the end of the round, with their weights.
#[derive(Default)]
struct Kept {
    indices: Vec<usize>,
    updates: Vec<Vec<f32>>,
    weights: Vec<f64>,
}

/// A mean that is taken as updates come: nothing else of them is kept.
struct RunningMean {
    sum: Vec<f64>,
    weight: f64,
    indices: Vec<usize>,
}

impl OpenFederation {
    /// Lets everybody train on all threads and aggregates.
    pub(crate) fn run(
        &self,
        cohort: &[&Contributor],
        training: &TrainingRound<'_>,
        evaluator: &Evaluator,
    ) -> anyhow::Result<OpenOutcome> {
        let streams = self.rule == RobustRule::Mean && self.value == ValueKind::None;
        let mut mean = RunningMean { sum: Vec::new(), weight: 0.0, indices: Vec::new() };
        let mut kept = Kept::default();
        let mut outcome = OpenOutcome {
            mean_update: Vec::new(),
            values: Vec::new(),
            dropped: Vec::new(),
            train_seconds: Vec::new(),
            train_losses: Vec::new(),
            aggregate_seconds: 0.0,
            remark: None,
            retained: Retained::default(),
        };
        let finish = |contributor: &Contributor, learned: anyhow::Result<Learned>| {
            let clipped = learned.and_then(|learned| self.clipped(learned)).map(|learned| {
                let control = training.trainer.change_control(contributor, &learned.delta);
                Learned { control, ..learned }
            });
            (contributor.index, self.weight(contributor), clipped)
        };
        training.run(cohort, finish, |(index, weight, learned)| {
            match learned {
                Ok(learned) => {
                    let watch = Stopwatch::start();
                    outcome.train_seconds.push(learned.seconds);
                    outcome.train_losses.extend(learned.loss);
                    outcome.retained.personal.extend(learned.own.map(|own| (index, own)));
                    if let Some(change) = learned.control {
                        outcome.retained.control.add(index, weight, change);
                    }
                    if streams {
                        mean.add(index, weight, &learned.delta);
                    } else {
                        kept.indices.push(index);
                        kept.weights.push(weight);
                        kept.updates.push(learned.delta);
                    }
                    outcome.aggregate_seconds += watch.seconds();
                }
                Err(error) => outcome.dropped.push((index, format!("{error:#}"))),
            }
            Ok(())
        })?;
        let watch = Stopwatch::start();
        if streams {
            outcome.values = mean.indices.iter().map(|index| (*index, None)).collect();
            outcome.mean_update = mean.finish().with_context(|| reasons(&outcome.dropped))?;
        } else {
            if kept.updates.is_empty() {
                bail!("{}", reasons(&outcome.dropped));
            }
            let slices: Vec<&[f32]> = kept.updates.iter().map(Vec::as_slice).collect();
            let updates = Updates::weighted(&slices, &kept.weights)?;
            outcome.mean_update = self.rule.aggregate(&updates)?;
            let values = if self.value.plays_game() {
                let (updates, weights) = (&kept.updates[..], &kept.weights[..]);
                let game = RoundGame { training, evaluator, updates, weights };
                let OracleValues { values, remark } = game.values(self.value)?;
                outcome.remark = remark;
                values.into_iter().map(Some).collect()
            } else {
                self.values(&kept, training.model, &outcome.mean_update, evaluator)?
            };
            outcome.values = kept.indices.iter().copied().zip(values).collect();
        }
        outcome.aggregate_seconds += watch.seconds();
        Ok(outcome)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    fn weight(&self, contributor: &Contributor) -> f64 {
        if self.by_samples { contributor.rows.len() as f64 } else { 1.0 }
    }

    fn clipped(&self, learned: Learned) -> anyhow::Result<Learned> {
        let Some(clip) = self.clip else { return Ok(learned) };
        let delta = LocalUpdate::new(learned.delta)?.clip(clip).delta().to_vec();
        Ok(Learned { delta, ..learned })
    }

    /// Each contributor's part of the mean along the round's probe, in the clear.
    fn values(
        &self,
        kept: &Kept,
        model: &Parameters,
        mean_update: &[f32],
        evaluator: &Evaluator,
    ) -> anyhow::Result<Vec<Option<f64>>> {
        if self.value == ValueKind::None {
            return Ok(vec![None; kept.updates.len()]);
        }
        let gradient = |values: &[f32]| evaluator.validation_gradient(values);
        let probe = aumann_shapley_probe(model.values(), mean_update, gradient)?;
        let total: f64 = kept.weights.iter().sum();
        let value = |(update, weight): (&Vec<f32>, &f64)| {
            let along: f64 = update.iter().zip(&probe).map(|(u, p)| f64::from(*u) * p).sum();
            Some(along * weight / total)
        };
        Ok(kept.updates.iter().zip(&kept.weights).map(value).collect())
    }
}

impl RunningMean {
    fn add(&mut self, index: usize, weight: f64, delta: &[f32]) {
        self.sum.resize(delta.len(), 0.0);
        for (sum, value) in self.sum.iter_mut().zip(delta) {
            *sum += weight * f64::from(*value);
        }
        self.weight += weight;
        self.indices.push(index);
    }

    #[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values; rounding is wanted")]
    fn finish(&self) -> Option<Vec<f32>> {
        let mean = |sum: &f64| (sum / self.weight) as f32;
        (!self.indices.is_empty()).then(|| self.sum.iter().map(mean).collect())
    }
}

/// Why nobody contributed.
fn reasons(dropped: &[(usize, String)]) -> String {
    match dropped.first() {
        Some((index, reason)) => {
            format!("nobody has an update; contributor {}: {reason}", index + 1)
        }
        None => "nobody takes part".to_owned(),
    }
}
