//! The gradient of the loss, from which the value probe is made.

use crate::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, cpu,
    device::Engine,
    model_error::{check_classes, check_fit},
    network,
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
    let gradient = match device.engine() {
        Engine::Cpu => cpu::mean_gradient(architecture, parameters, examples)?,
        Engine::Burn(device) => network::mean_gradient(device, architecture, parameters, examples)?,
    };
    Ok(gradient.into_values())
}
