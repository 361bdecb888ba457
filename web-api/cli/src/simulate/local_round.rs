//! What happens on the contributors' side of a round: what they train with, what they keep, how they are tested.

use std::collections::BTreeSet;

use anyhow::Context as _;
use trainer_model::{Architecture, ComputeDevice, evaluate};

use super::{
    control::{ControlChanges, Scaffold},
    data::SimulationData,
    learning::Trainer,
    local_state::{LocalRecord, LocalTest, Retained},
    local_test::LocalTests,
    own_model::OwnModel,
    plan::Plan,
    population::Contributor,
    simulation::Simulation,
    state::State,
    terms::contribution_weight,
};

/// What trainers are made from: everything but the parties of a round.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    pub(crate) data: SimulationData,
    pub(crate) architecture: Architecture,
    pub(crate) device: ComputeDevice,
    /// Parameters that are shared, the first ones.
    pub(crate) shared: usize,
}

impl Bench {
    /// Training in a round, which starts from `state`.
    pub(crate) fn trainer<'a>(&'a self, state: &'a State) -> anyhow::Result<Trainer<'a>> {
        let plan = self.plan.local.in_round(self.plan.training, state.next_round)?;
        let local = &state.local;
        let rate = plan.settings().learning_rate;
        let scaffold =
            self.plan.local.scaffold.then(|| Scaffold::new(&local.control, &local.controls, rate));
        Ok(Trainer {
            data: &self.data,
            architecture: &self.architecture,
            plan,
            device: &self.device,
            seed: self.plan.seed,
            scaffold,
            own: self.own(state),
        })
    }

    /// Counts in what a sealed round says about control variates, if there are any: of those in its sum, and their
    /// mean, which follows from the mean update as all took equally many steps.
    pub(crate) fn count_controls(
        &self,
        trainer: &Trainer<'_>,
        (population, counted): (&[Contributor], &BTreeSet<usize>),
        mean_update: &[f32],
        changes: &mut ControlChanges,
    ) {
        let Some(scaffold) = &trainer.scaffold else { return };
        changes.own.retain(|(index, _)| counted.contains(index));
        let most = largest(population);
        let weight = |index: &usize| contribution_weight(&self.plan, &population[*index], most);
        let change = scaffold.change(mean_update, trainer.plan.steps(1));
        changes.add_mean(counted.iter().map(weight).sum(), &change);
    }

    /// What contributors have of a model to themselves.
    pub(crate) fn own<'a>(&'a self, state: &'a State) -> OwnModel<'a> {
        OwnModel {
            architecture: &self.architecture,
            shared: self.shared,
            ditto: self.plan.local.ditto,
            kept: &state.local.personal,
        }
    }
}

impl Simulation {
    /// The mean update with zeros for what is not shared.
    pub(crate) fn whole_update(&self, mean_update: &[f32]) -> Vec<f32> {
        let mut whole = mean_update.to_vec();
        whole.resize(self.bench.architecture.parameter_count(), 0.0);
        whole
    }

    /// Takes over what contributors keep of the round, and tests what came of it.
    ///
    /// * `round` — 0-based.
    /// * `changed` — whether there is a new model.
    pub(crate) fn close_locally(
        &mut self,
        round: u64,
        retained: Retained,
        changed: bool,
    ) -> anyhow::Result<LocalRecord> {
        let plan = self.bench.plan.local.in_round(self.bench.plan.training, round)?;
        self.state.local.keep(retained, self.total_weight());
        let model = &self.state.model;
        let validation = match &mut self.state.local.stopping {
            Some(stopping) if changed => {
                let rows = &self.bench.data.validation;
                let validated =
                    evaluate(&self.bench.device, &self.bench.architecture, model, rows)?;
                Some(stopping.observe(round, &validated).context("--early-stopping")?)
            }
            _ => None,
        };
        self.state.local.tested = self.local_tests()?;
        let tested = &self.state.local.tested;
        Ok(LocalRecord {
            learning_rate: super::plan::shortest(plan.settings().learning_rate),
            validation,
            shared_accuracy: overall(tested, |test| test.shared),
            personal_accuracy: overall(tested, |test| test.personal),
        })
    }

    fn local_tests(&self) -> anyhow::Result<Vec<LocalTest>> {
        let tests = LocalTests {
            data: &self.bench.data,
            device: &self.bench.device,
            architecture: &self.bench.architecture,
            model: &self.state.model,
            own: self.bench.own(&self.state),
        };
        tests.run(&self.population, self.threads)
    }

    /// What all contributors weigh together.
    fn total_weight(&self) -> f64 {
        let most = largest(&self.population);
        let weight =
            |contributor: &Contributor| contribution_weight(&self.bench.plan, contributor, most);
        self.population.iter().map(weight).sum()
    }
}

/// Rows of the largest contributor.
fn largest(population: &[Contributor]) -> usize {
    population.iter().map(|contributor| contributor.rows.len()).max().unwrap_or(1)
}

/// The share of all rows that are told apart; none if a contributor has no answer, or there are no rows.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn overall(tests: &[LocalTest], of: impl Fn(&LocalTest) -> Option<u64>) -> Option<f64> {
    let correct: Option<u64> = tests.iter().map(of).sum();
    let rows: u64 = tests.iter().map(|test| test.rows).sum();
    (rows > 0).then(|| correct.map(|correct| correct as f64 / rows as f64)).flatten()
}
