//! The gradient of the loss, from which the value probe is made.

use crate::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters,
    model_error::{check_classes, check_fit},
    network::{Batch, Network},
};

/// The gradient of the mean cross-entropy over `examples`, `[parameter_count]`, in the flat layout.
///
/// # Errors
/// [`ModelError::InputMismatch`], [`ModelError::ClassMismatch`] or [`ModelError::Parameters`] if
/// the parts do not fit each other, [`ModelError::Diverged`] if the gradient is not finite,
/// [`ModelError::Device`] if the device fails.
pub fn loss_gradient(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
) -> Result<Vec<f32>, ModelError> {
    check_fit(architecture, parameters, examples.features())?;
    check_classes(architecture, examples.classes())?;
    let network = Network::upload(device.burn(), architecture, parameters);
    let data = Batch::upload(device.burn(), examples);
    let total = examples.count() as f64;
    let mut sum: Option<Network> = None;
    for part in data.bounded_parts() {
        let share = part.count() as f64 / total;
        let (_, gradient) = network.loss_and_gradient(part);
        sum = Some(match sum {
            Some(sum) => sum.plus_scaled(gradient, share),
            None => gradient.scaled(share),
        });
    }
    let sum = sum.expect("there is at least one example");
    Ok(sum.download_parameters(&architecture.layout())?.into_values())
}
