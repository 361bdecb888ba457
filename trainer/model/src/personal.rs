//! Personal models that are pulled toward a shared one.

use rand::CryptoRng;

use crate::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, TrainingOutcome, TrainingPlan,
    training::{Task, train_task},
};

/// What draws a personal model toward another.
#[derive(Debug, Clone, Copy)]
pub struct Pull<'a> {
    /// The model it is drawn to.
    pub toward: &'a Parameters,
    /// λ, the weight of the term λ/2 · ‖v − w‖²: 0 leaves the personal model to itself, infinity makes it the
    /// other.
    pub strength: f32,
}

impl Pull<'_> {
    /// The share of the way to the other model that a step goes: ηλ/(1 + ηλ).
    #[expect(clippy::cast_possible_truncation, reason = "a share of at most 1; rounding is wanted")]
    pub(crate) fn share(&self, learning_rate: f32) -> f32 {
        let weight = f64::from(self.strength) * f64::from(learning_rate);
        // So written, infinity gives 1 and 0 gives 0.
        (1.0 / (1.0 + 1.0 / weight)) as f32
    }
}

/// Trains a personal model v by SGD on the contributor's loss and the term λ/2 · ‖v − w‖², w being a shared model.
///
/// Each step is that of [`train`](crate::train), then v ← (v + ηλw)/(1 + ηλ): the term is minimised
/// where the step ends (a proximal step), not where it begins. So every λ is stable, where a plain gradient step
/// overshoots beyond λ = 2/η; to the first order in ηλ they are the same. Nothing of a personal
/// model leaves its device, and `plan` should ask for no privacy.
///
/// * `personal` — v before, as the last call left it.
/// * `plan` — its own proximal term counts from `personal`, and is usually 0.
///
/// Source: Li, Hu, Beirami & Smith 2021, "Ditto: Fair and Robust Federated Learning Through
/// Personalization", Algorithm 1; Parikh & Boyd 2014, "Proximal Algorithms", §4.2.
///
/// # Errors
/// As [`train`](crate::train); [`ModelError::Parameters`] if `toward` is of another architecture,
/// [`ModelError::PlanUnsupported`] if λ is negative or no number.
pub fn train_personal(
    device: &ComputeDevice,
    architecture: &Architecture,
    personal: &Parameters,
    examples: &Examples,
    (plan, pull): (&TrainingPlan, Pull<'_>),
    rng: &mut impl CryptoRng,
) -> Result<TrainingOutcome, ModelError> {
    pull.toward.fit(architecture).map_err(ModelError::Parameters)?;
    if pull.strength.is_nan() || pull.strength < 0.0 {
        let reason = "the weight of a personal model's term must be at least 0";
        return Err(ModelError::PlanUnsupported { reason });
    }
    let task = Task { pull: Some(pull), ..Task::plain(plan) };
    train_task(device, architecture, personal, examples, task, rng)
}
