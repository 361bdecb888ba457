//! What a virtual contributor learns in a round.

use trainer_model::{Architecture, ComputeDevice, Parameters, TrainingPlan, train};

use super::{
    clock::Stopwatch,
    data::SimulationData,
    population::Contributor,
    seeds::{Purpose, generator},
};

/// What training gave.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    /// What training changed, `[parameter_count]`.
    pub(crate) delta: Vec<f32>,
    /// The mean loss of the last epoch.
    pub(crate) loss: f64,
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
        Ok(Learned { delta, loss: f64::from(outcome.loss), seconds: watch.seconds() })
    }
}
