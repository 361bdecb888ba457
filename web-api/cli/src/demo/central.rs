//! The comparison: the same model, trained in one place on the rows of all honest wineries.

use anyhow::Context as _;
use datasets::{Standardiser, Table, read_csv};
use rand::CryptoRng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use trainer_model::{
    Architecture, ComputeDevice, Examples, MlpShape, ModelError, Parameters, TrainingPlan,
    TrainingSettings, evaluate, train as train_round,
};

use super::{
    report::CentralRound,
    wineries::{Kind, Vintage},
};
use crate::serve::initial_parameters;

/// Units of the hidden layers of the demonstration's model.
pub const HIDDEN: [usize; 1] = [32];

/// Passes over its data that each contributor makes in a round of the demonstration.
pub const LOCAL_EPOCHS: u32 = 2;

/// How each contributor trains in a round of the demonstration, and the central model likewise.
pub const SETTINGS: TrainingSettings = TrainingSettings::sgd(LOCAL_EPOCHS, 16, 0.05);

/// The norm to which updates are clipped. Honest updates of this model have norms of 0.1 to 0.5
/// (median 0.17): next to none is shortened, and noise of the largest allowed norm stays small.
/// Measured in `benches/tests/value_over_seeds.rs`.
pub const CLIP_NORM: f64 = 0.5;

/// How much innovation qualifies for pay, in per cent of the cohort's median: below every honest
/// contributor's of 1 000 seeds (26 % and more), far above a replayed update's (0.2 % and less).
/// Measured in `benches/tests/value_over_seeds.rs`.
pub const NOVELTY_PERCENT: u32 = 20;

/// The model, and the tables on which it is trained and tested.
#[derive(Debug, Clone)]
pub struct CentralTask {
    /// What it computes.
    pub architecture: Architecture,
    /// The rows of all honest contributors, standardised as in the federation.
    pub honest: Examples,
    /// The test set, standardised likewise.
    pub test: Examples,
    /// How it is trained, one plan a round.
    pub plan: TrainingPlan,
}

impl CentralTask {
    /// Puts the honest tables together.
    ///
    /// # Errors
    /// Tables that do not fit each other.
    pub fn new<'a>(
        honest: impl IntoIterator<Item = &'a Table>,
        [validation, test]: [&Table; 2],
    ) -> anyhow::Result<Self> {
        let mut honest = honest.into_iter();
        let first = honest.next().context("there is no honest contributor")?.clone();
        let all = honest.try_fold(first, |all, table| all.concat(table))?;
        let schema = validation.schema();
        let standardiser = Standardiser::fit(validation);
        Ok(Self {
            architecture: Architecture::mlp(MlpShape {
                inputs: schema.features().len(),
                hidden: HIDDEN.to_vec(),
                classes: schema.classes().len(),
            })?,
            honest: Examples::from_table(&all, &standardiser)?,
            test: Examples::from_table(test, &standardiser)?,
            plan: TrainingPlan::new(SETTINGS)?,
        })
    }

    /// Trains `start` for as many epochs as the federation does and tests it after each round's.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn train(
        &self,
        device: &ComputeDevice,
        mut parameters: Parameters,
        rounds: u32,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<CentralRound>, ModelError> {
        let Self { architecture, honest, test, plan } = self;
        let mut trained = Vec::new();
        for round in 0..u64::from(rounds) {
            parameters =
                train_round(device, architecture, &parameters, honest, plan, rng)?.parameters;
            let tested = evaluate(device, architecture, &parameters, test)?;
            trained.push(CentralRound {
                round,
                test_accuracy: tested.accuracy,
                test_loss: tested.loss,
            });
        }
        Ok(trained)
    }
}

/// Trains the demonstration's model centrally on the tables of `vintage`, from the parameters from
/// which the federation starts.
///
/// # Errors
/// Tables that cannot be read, a model that diverges.
pub fn train(
    device: &ComputeDevice,
    vintage: &Vintage,
    rounds: u32,
    seed: u64,
) -> anyhow::Result<Vec<CentralRound>> {
    let read = |path| read_csv(path, &vintage.schema);
    let honest = vintage.wineries.iter().filter(|winery| winery.kind == Kind::Honest);
    let honest = honest.map(|winery| read(&winery.csv)).collect::<Result<Vec<_>, _>>()?;
    let (validation, test) = (read(&vintage.validation)?, read(&vintage.test)?);
    let task = CentralTask::new(&honest, [&validation, &test])?;
    let start = initial_parameters(&task.architecture, seed);
    Ok(task.train(device, start, rounds, &mut ChaCha20Rng::seed_from_u64(seed))?)
}

#[cfg(test)]
mod tests {
    use super::{super::wineries::VintagePlan, *};

    #[test]
    fn the_central_model_learns_and_is_repeatable() {
        let dir = tempfile::tempdir().unwrap();
        let plan =
            VintagePlan { dataset: "wine".to_owned(), data_dir: None, contributors: 8, seed: 3 };
        let vintage = Vintage::prepare(&plan, dir.path()).unwrap();
        let run = || train(&ComputeDevice::cpu(), &vintage, 10, 3).unwrap();
        let rounds = run();
        assert_eq!(rounds, run());
        assert_eq!(rounds.iter().map(|r| r.round).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert!(rounds[9].test_accuracy > 0.68, "{rounds:?}");
        assert!(rounds[9].test_loss < rounds[0].test_loss, "{rounds:?}");
    }
}
