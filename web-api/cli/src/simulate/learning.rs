//! What a virtual contributor learns in a round, or sends instead.

use std::num::NonZeroUsize;

use aggregator_strategy::{Attack, HonestRound, Updates};
use anyhow::Context as _;
use trainer_model::{Architecture, ComputeDevice, Parameters, TrainingPlan, train};

use super::{
    clock::Stopwatch,
    data::SimulationData,
    parallel::in_order,
    population::{Contributor, Kind},
    seeds::{Purpose, generator},
};

/// What training gave.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    /// What training changed, `[parameter_count]`.
    pub(crate) delta: Vec<f32>,
    /// The mean loss of the last epoch; none without training.
    pub(crate) loss: Option<f64>,
    /// Seconds of training.
    pub(crate) seconds: f64,
}

/// Everything that training needs but the model and the contributor.
pub(crate) struct Trainer<'a> {
    pub(crate) data: &'a SimulationData,
    pub(crate) architecture: &'a Architecture,
    pub(crate) plan: TrainingPlan,
    pub(crate) device: &'a ComputeDevice,
    pub(crate) seed: u64,
}

impl Trainer<'_> {
    /// Trains from `model` on the contributor's rows, which exist only meanwhile.
    ///
    /// # Errors
    /// Rows that are no examples of the model, or training that diverges.
    pub(crate) fn learn(
        &self,
        contributor: &Contributor,
        round: u64,
        model: &Parameters,
    ) -> anyhow::Result<Learned> {
        let examples = self.data.examples(&contributor.rows, contributor.kind)?;
        let mut rng = generator(self.seed, Purpose::Training, &[round, contributor.index as u64]);
        let watch = Stopwatch::start();
        let outcome =
            train(self.device, self.architecture, model, &examples, &self.plan, &mut rng)?;
        let delta = outcome.parameters.difference(model)?;
        Ok(Learned { delta, loss: Some(f64::from(outcome.loss)), seconds: watch.seconds() })
    }
}

/// A round's training.
pub(crate) struct TrainingRound<'a> {
    pub(crate) trainer: &'a Trainer<'a>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) round: u64,
    pub(crate) model: &'a Parameters,
    /// The mean update of the round before.
    pub(crate) last: Option<&'a [f32]>,
}

impl TrainingRound<'_> {
    /// Lets everybody train on all threads; attackers come last, as they may see what the honest ones have.
    ///
    /// * `finish` — what a contributor does with its update, on its thread.
    /// * `take` — gets the results in the cohort's order, first those of the honest.
    ///
    /// # Errors
    /// Of `take`, and attacks that are impossible.
    pub(crate) fn run<R: Send>(
        &self,
        cohort: &[&Contributor],
        finish: impl Fn(&Contributor, anyhow::Result<Learned>) -> R + Sync,
        mut take: impl FnMut(R) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (honest, attackers): (Vec<&Contributor>, Vec<&Contributor>) =
            cohort.iter().partition(|contributor| contributor.kind == Kind::Honest);
        let mut seen = Vec::new();
        let work = |contributor: &&Contributor| {
            let learned = self.trainer.learn(contributor, self.round, self.model);
            let copy = match &learned {
                Ok(learned) if !attackers.is_empty() => Some(learned.delta.clone()),
                _ => None,
            };
            (copy, finish(contributor, learned))
        };
        in_order(self.threads, &honest, work, |(copy, result)| {
            seen.extend(copy);
            take(result)
        })?;
        if attackers.is_empty() {
            return Ok(());
        }
        let seen: Vec<&[f32]> = seen.iter().map(Vec::as_slice).collect();
        let honest = match Updates::new(&seen) {
            Ok(updates) => Some(HonestRound::new(&updates, attackers.len(), self.last)?),
            Err(_) => None,
        };
        let work = |contributor: &&Contributor| {
            let Kind::Attacks(attack) = contributor.kind else {
                return finish(contributor, Err(anyhow::anyhow!("is honest")));
            };
            finish(contributor, self.attack(contributor, &attack, honest.as_ref()))
        };
        in_order(self.threads, &attackers, work, take)
    }

    fn attack(
        &self,
        contributor: &Contributor,
        attack: &Attack,
        honest: Option<&HonestRound>,
    ) -> anyhow::Result<Learned> {
        let honest = honest.context("nobody honest takes part whose update could be attacked")?;
        let own = match attack.trains() {
            true => Some(self.trainer.learn(contributor, self.round, self.model)?),
            false => None,
        };
        let indices = [self.round, contributor.index as u64];
        let mut rng = generator(self.trainer.seed, Purpose::Attack, &indices);
        let delta = own.as_ref().map(|own| own.delta.as_slice());
        let delta = honest.craft(attack, delta, &mut rng)?;
        Ok(match own {
            Some(own) => Learned { delta, ..own },
            None => Learned { delta, loss: None, seconds: 0.0 },
        })
    }
}
