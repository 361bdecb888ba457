//! Local training.

use burn::tensor::Tensor;
use rand::{Rng, seq::SliceRandom as _};

use crate::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, TrainingPlan,
    model_error::{check_classes, check_fit},
    network::{Batch, Network, values},
};

/// What training gave.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOutcome {
    /// The trained parameters.
    pub parameters: Parameters,
    /// The mean loss over the examples of the last epoch, each as it was met during training.
    pub loss: f32,
    /// The steps taken.
    pub steps: u64,
}

/// Trains a model with plain SGD on the cross-entropy.
///
/// Each epoch goes through all examples in a new order drawn from `rng`. The same start, examples,
/// plan and generator state give the same parameters on the same device, bit for bit on a CPU.
///
/// Data are copied to the device once, and nothing is copied back until the end.
///
/// # Errors
/// [`ModelError::InputMismatch`], [`ModelError::ClassMismatch`] or [`ModelError::Parameters`] if
/// the parts do not fit each other, [`ModelError::Diverged`] if a parameter or the loss is no
/// longer finite, [`ModelError::Device`] if the device fails.
pub fn train(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
    plan: &TrainingPlan,
    rng: &mut impl Rng,
) -> Result<TrainingOutcome, ModelError> {
    check_fit(architecture, parameters, examples.features())?;
    check_classes(architecture, examples.classes())?;
    let data = Batch::upload(device.burn(), examples);
    let mut network = Network::upload(device.burn(), architecture, parameters);
    let mut order: Vec<i64> = (0_i64..).take(examples.count()).collect();
    let mut steps = 0;
    let mut losses = Vec::new();
    for _ in 0..plan.settings().local_epochs {
        order.shuffle(rng);
        (network, losses) = epoch(network, &data.in_order(&order), plan);
        steps += losses.len() as u64;
    }
    let loss = mean_loss(losses, examples.count(), plan)?;
    let parameters = network.download_parameters(&architecture.layout())?;
    Ok(TrainingOutcome { parameters, loss, steps })
}

/// Takes one step for each part of `data`; returns the mean loss of each part, on the device.
fn epoch(mut network: Network, data: &Batch, plan: &TrainingPlan) -> (Network, Vec<Tensor<1>>) {
    let rate = f64::from(plan.settings().learning_rate);
    let mut losses = Vec::new();
    for batch in data.parts(batch_size(plan)) {
        let (loss, gradient) = network.loss_and_gradient(batch);
        network = network.plus_scaled(gradient, -rate);
        losses.push(loss);
    }
    (network, losses)
}

/// The mean over all examples of the mean losses of an epoch's batches.
fn mean_loss(
    losses: Vec<Tensor<1>>,
    examples: usize,
    plan: &TrainingPlan,
) -> Result<f32, ModelError> {
    let size = batch_size(plan);
    let losses = values(Tensor::cat(losses, 0))?;
    let weighted = losses.iter().enumerate().map(|(index, loss)| {
        let count = size.min(examples - index * size);
        f64::from(*loss) * count as f64
    });
    Ok(f32_from_loss(weighted.sum::<f64>() / examples as f64))
}

fn batch_size(plan: &TrainingPlan) -> usize {
    usize::try_from(plan.settings().batch_size).expect("BATCH_SIZE_MAX fits in usize")
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values; rounding is wanted")]
const fn f32_from_loss(loss: f64) -> f32 {
    loss as f32
}
