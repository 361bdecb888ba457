//! Local training.

use rand::CryptoRng;

use crate::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, Pull, TrainingPlan, cpu,
    device::Engine,
    model_error::{check_classes, check_fit},
    network,
    watch::Watched,
};

/// What training gave.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOutcome {
    /// The trained parameters.
    pub parameters: Parameters,
    /// The mean loss over the examples of the last epoch, or of what was done of it, each as it was
    /// met during training; without the proximal term and weight decay. 0 if every batch of a private
    /// plan was empty.
    pub loss: f32,
    /// The steps taken.
    pub steps: u64,
}

/// Trains a model with SGD on the cross-entropy, as `plan` says.
///
/// Each epoch goes through all examples in a new order drawn from `rng`. The same start, examples,
/// plan and generator state give the same parameters on the same device, bit for bit on a CPU and
/// whatever thread it runs on.
///
/// # Errors
/// [`ModelError::InputMismatch`], [`ModelError::ClassMismatch`] or [`ModelError::Parameters`] if
/// the parts do not fit each other, [`ModelError::Diverged`] if a parameter or the loss is no
/// longer finite, [`ModelError::NotACategory`] if an input that stands for a category is none,
/// [`ModelError::PlanUnsupported`] if the device cannot do what the plan asks for,
/// [`ModelError::Device`] if it fails, [`ModelError::BrokenOff`] if a [`Watch`](crate::Watch) of the
/// device broke it off.
pub fn train(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
    plan: &TrainingPlan,
    rng: &mut impl CryptoRng,
) -> Result<TrainingOutcome, ModelError> {
    train_task(device, architecture, parameters, examples, Task::plain(plan), rng)
}

/// A plan, and what else steps do.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) plan: &'a TrainingPlan,
    /// Is added to the gradient of every step; in the flat layout.
    pub(crate) correction: Option<&'a [f32]>,
    /// Draws parameters to others after every step.
    pub(crate) pull: Option<Pull<'a>>,
    /// Is told of every step.
    pub(crate) watch: Option<&'a Watched>,
}

impl<'a> Task<'a> {
    /// The plan alone.
    pub(crate) const fn plain(plan: &'a TrainingPlan) -> Self {
        Self { plan, correction: None, pull: None, watch: None }
    }
}

/// As [`train`], with more than a plan.
pub(crate) fn train_task(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
    task: Task<'_>,
    rng: &mut impl CryptoRng,
) -> Result<TrainingOutcome, ModelError> {
    check_fit(architecture, parameters, examples.features())?;
    check_classes(architecture, examples.classes())?;
    if let Some(augmentation) = task.plan.settings().augmentation {
        augmentation.check_fit(architecture)?;
    }
    let task = Task { watch: device.watch(), ..task };
    match device.engine() {
        Engine::Cpu => cpu::train(architecture, parameters, examples, task, rng),
        Engine::Burn(_) if task.plan.settings().privacy.is_some() => {
            let reason = "example-level privacy is computed on the device `cpu` alone";
            Err(ModelError::PlanUnsupported { reason })
        }
        Engine::Burn(device) => {
            network::sgd::train((device, architecture), parameters, examples, task, rng)
        }
    }
}

/// The mean over the examples of batches, given the mean over each batch and its size.
pub(crate) fn mean_loss(batches: impl Iterator<Item = (f64, usize)>) -> f32 {
    let (mut sum, mut examples) = (0.0, 0);
    for (loss, count) in batches {
        sum += loss * count as f64;
        examples += count;
    }
    f32_from_loss(sum / examples.max(1) as f64)
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values; rounding is wanted")]
const fn f32_from_loss(loss: f64) -> f32 {
    loss as f32
}
