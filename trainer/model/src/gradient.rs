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
    let gradient = mean_gradient(&network, &data);
    Ok(gradient.download_parameters(&architecture.layout())?.into_values())
}

/// The gradients of the parts of `data`, weighted by their share of the examples.
fn mean_gradient(network: &Network, data: &Batch) -> Network {
    let total = data.count() as f64;
    let weighted = data.bounded_parts().map(|part| {
        let share = part.count() as f64 / total;
        network.loss_and_gradient(part).1.scaled(share)
    });
    weighted.reduce(|sum, part| sum.plus_scaled(part, 1.0)).expect("there is at least one example")
}
