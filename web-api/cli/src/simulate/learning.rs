//! What a virtual contributor learns in a round, or sends instead.

use std::num::NonZeroUsize;

use aggregator_strategy::{Attack, HonestRound, Updates};
use anyhow::Context as _;
use rand::CryptoRng;
use trainer_model::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, TrainingOutcome, TrainingPlan,
    train, train_scaffold,
};

use super::{
    clock::Stopwatch,
    control::Scaffold,
    data::SimulationData,
    own_model::{OwnModel, PersonalTask},
    parallel::in_order,
    population::{Contributor, Kind},
    seeds::{Purpose, generator},
};

/// What training gave.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    /// What training changed of what is shared.
    pub(crate) delta: Vec<f32>,
    /// What the contributor keeps to itself from now on, if anything.
    pub(crate) own: Option<Vec<f32>>,
    /// How its control variate changes, if it has one; known when it is known what is sent.
    pub(crate) control: Option<Vec<f32>>,
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
    pub(crate) scaffold: Option<Scaffold<'a>>,
    pub(crate) own: OwnModel<'a>,
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
        let start = self.own.start(contributor.index, model)?;
        let outcome = self.train(contributor.index, &start, &examples, &mut rng)?;
        let mut delta = outcome.parameters.difference(&start)?;
        delta.truncate(self.own.shared);
        let task = PersonalTask {
            device: self.device,
            examples: &examples,
            plan: self.plan,
            seed: self.seed,
            round,
        };
        let own = self.own.kept(contributor.index, (&outcome.parameters, model), &task)?;
        let (loss, seconds) = (Some(f64::from(outcome.loss)), watch.seconds());
        Ok(Learned { delta, own, control: None, loss, seconds })
    }

    fn train(
        &self,
        contributor: usize,
        start: &Parameters,
        examples: &Examples,
        rng: &mut impl CryptoRng,
    ) -> Result<TrainingOutcome, ModelError> {
        let Self { device, architecture, plan, scaffold, .. } = self;
        let Some(scaffold) = scaffold else {
            return train(device, architecture, start, examples, plan, rng);
        };
        let task = (plan, scaffold.variates(contributor));
        Ok(train_scaffold(device, architecture, start, examples, task, rng)?.training)
    }

    /// Notes how the contributor's control variate changes by what it sends, if there are any.
    ///
    /// * `sent` — its update as it counts, clipped and crafted.
    pub(crate) fn change_control(
        &self,
        contributor: &Contributor,
        sent: &[f32],
    ) -> Option<Vec<f32>> {
        let steps = self.plan.steps(contributor.rows.len());
        self.scaffold.as_ref().map(|scaffold| scaffold.change(sent, steps))
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
            None => Learned { delta, own: None, control: None, loss: None, seconds: 0.0 },
        })
    }
}
