//! A model that stays ready to predict.

use std::fmt;

use crate::{
    Architecture, ComputeDevice, Features, ModelError, Parameters, Predictions, cpu,
    device::Engine,
    evaluation::{check_outputs, predictions_from_outputs},
    model_error::{check_features, check_fit},
    network,
};

/// A model whose parameters are in the order of the engine, once and for all predictions.
///
/// Results are those of [`predict`](crate::predict), and on the CPU the same bits however rows are batched.
pub struct Predictor {
    architecture: Architecture,
    ready: Ready,
}

enum Ready {
    /// Packed.
    Cpu(Vec<f32>),
    /// As they are; a graphics adapter gets them with each call.
    Burn(burn::tensor::Device, Parameters),
}

impl Predictor {
    /// Makes a model ready.
    ///
    /// # Errors
    /// [`ModelError::Parameters`] if they are of another architecture.
    pub fn new(
        device: &ComputeDevice,
        architecture: &Architecture,
        parameters: &Parameters,
    ) -> Result<Self, ModelError> {
        parameters.fit(architecture).map_err(ModelError::Parameters)?;
        let ready = match device.engine() {
            Engine::Cpu => Ready::Cpu(cpu::packed(architecture, parameters)),
            Engine::Burn(device) => Ready::Burn(device.clone(), parameters.clone()),
        };
        Ok(Self { architecture: architecture.clone(), ready })
    }

    /// Predicts the class probabilities of each row of `features`.
    ///
    /// # Errors
    /// As [`predict`](crate::predict).
    pub fn predict(&self, features: &Features) -> Result<Predictions, ModelError> {
        let Self { architecture, ready } = self;
        let outputs = match ready {
            Ready::Cpu(packed) => {
                check_features(architecture, features)?;
                cpu::logits_of_packed(architecture, packed, features)
            }
            Ready::Burn(device, parameters) => {
                check_fit(architecture, parameters, features)?;
                network::logits(device, architecture, parameters, features)?
            }
        };
        check_outputs(&outputs)?;
        Ok(predictions_from_outputs(outputs, architecture.classes()))
    }

    /// The memory that it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        match &self.ready {
            Ready::Cpu(packed) => size_of::<f32>() * packed.len(),
            Ready::Burn(_, parameters) => size_of::<f32>() * parameters.count(),
        }
    }
}

/// Shows what it computes alone: values have no place in a log.
impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Predictor({})", self.architecture.to_json())
    }
}
