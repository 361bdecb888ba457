//! What a contributor has of a model to itself: the last layers, or a whole model beside the shared one.

use std::collections::BTreeMap;

use trainer_model::{
    Architecture, ComputeDevice, Examples, Parameters, Pull, TrainingPlan, TrainingSettings,
    train_personal,
};

use super::seeds::{Purpose, generator};

/// What contributors have to themselves. None of it is uploaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnModel<'a> {
    pub(crate) architecture: &'a Architecture,
    /// Parameters that are shared, the first ones.
    pub(crate) shared: usize,
    /// λ, if each has a whole model.
    pub(crate) ditto: Option<f32>,
    /// By contributor, of those who took part.
    pub(crate) kept: &'a BTreeMap<usize, Vec<f32>>,
}

impl OwnModel<'_> {
    /// Whether all contributors have the whole of one model.
    pub(crate) fn is_whole_shared(&self) -> bool {
        self.shared == self.architecture.parameter_count()
    }

    /// From where a contributor trains: the shared model, with its own last layers if it has them. Before it took part
    /// they are the federation's first, which nobody changes.
    pub(crate) fn start(
        &self,
        contributor: usize,
        model: &Parameters,
    ) -> anyhow::Result<Parameters> {
        match self.kept.get(&contributor) {
            Some(layers) if !self.is_whole_shared() => {
                let values = [&model.values()[..self.shared], layers].concat();
                Ok(Parameters::new(&self.architecture.layout(), values)?)
            }
            _ => Ok(model.clone()),
        }
    }

    /// What a contributor predicts with, if it is not simply the shared model.
    pub(crate) fn of(
        &self,
        contributor: usize,
        model: &Parameters,
    ) -> anyhow::Result<Option<Parameters>> {
        if !self.is_whole_shared() {
            return self.start(contributor, model).map(Some);
        }
        self.ditto.map(|_| self.whole(contributor, model)).transpose()
    }

    /// Ditto's model of a contributor: the shared one before it took part.
    fn whole(&self, contributor: usize, model: &Parameters) -> anyhow::Result<Parameters> {
        match self.kept.get(&contributor) {
            Some(values) => Ok(Parameters::new(&self.architecture.layout(), values.clone())?),
            None => Ok(model.clone()),
        }
    }

    /// What a contributor keeps of a round.
    ///
    /// * `trained` — what its local training gave.
    /// * `model` — the shared model before it.
    pub(crate) fn kept(
        &self,
        contributor: usize,
        (trained, model): (&Parameters, &Parameters),
        task: &PersonalTask<'_>,
    ) -> anyhow::Result<Option<Vec<f32>>> {
        if !self.is_whole_shared() {
            return Ok(Some(trained.values()[self.shared..].to_vec()));
        }
        let Some(strength) = self.ditto else { return Ok(None) };
        // Its own term takes the place of FedProx's, and what stays on the device needs no noise.
        let settings = TrainingSettings { proximal: 0.0, privacy: None, ..task.plan.settings() };
        let (plan, pull) = (TrainingPlan::new(settings)?, Pull { toward: model, strength });
        let mut rng = generator(task.seed, Purpose::Personal, &[task.round, contributor as u64]);
        let own = self.whole(contributor, model)?;
        let (architecture, examples) = (self.architecture, task.examples);
        let outcome =
            train_personal(task.device, architecture, &own, examples, (&plan, pull), &mut rng)?;
        Ok(Some(outcome.parameters.values().to_vec()))
    }
}

/// What a contributor trains a model of its own with.
pub(crate) struct PersonalTask<'a> {
    pub(crate) device: &'a ComputeDevice,
    pub(crate) examples: &'a Examples,
    pub(crate) plan: TrainingPlan,
    pub(crate) seed: u64,
    pub(crate) round: u64,
}
