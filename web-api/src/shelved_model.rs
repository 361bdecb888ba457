//! A model with all that a prediction needs.

use std::sync::OnceLock;

use datasets::{Schema, Standardiser};
use privacy_identity::Digest;
use trainer_model::{
    Architecture, ComputeDevice, Features, ModelError, Parameters, Predictions, Predictor,
    model_digest,
};

use crate::ShelfError;

/// All that a prediction needs of a model. [`ShelvedModel::new`] checks that the parts fit.
#[derive(Debug)]
pub struct ShelvedModel {
    architecture: Architecture,
    parameters: Parameters,
    standardiser: Standardiser,
    schema: Schema,
    digest: Digest,
    /// Made by the first prediction.
    predictor: OnceLock<Predictor>,
}

impl ShelvedModel {
    /// Takes a model.
    ///
    /// * `standardiser` — by which the federation brings inputs to one scale.
    /// * `schema` — the names of inputs and classes.
    ///
    /// # Errors
    /// [`ShelfError::Mismatch`] if a part has other inputs, classes or parameters.
    pub fn new(
        architecture: Architecture,
        parameters: Parameters,
        standardiser: Standardiser,
        schema: Schema,
    ) -> Result<Self, ShelfError> {
        let (inputs, classes) = (architecture.inputs(), architecture.classes());
        let checks = [
            ("parameters", architecture.parameter_count(), parameters.count()),
            ("inputs in the standardiser", inputs, standardiser.mean().len()),
            ("inputs in the schema", inputs, schema.features().len()),
            ("classes in the schema", classes, schema.classes().len()),
        ];
        for (what, expected, got) in checks {
            if expected != got {
                return Err(ShelfError::Mismatch { what, expected, got });
            }
        }
        let digest = model_digest(&architecture, &parameters);
        let predictor = OnceLock::new();
        Ok(Self { architecture, parameters, standardiser, schema, digest, predictor })
    }

    /// What the model computes.
    #[must_use]
    pub const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// By which inputs are brought to one scale.
    #[must_use]
    pub const fn standardiser(&self) -> &Standardiser {
        &self.standardiser
    }

    /// The names of inputs and classes.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The digest by which the catalogue names it.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The memory that it takes: its parameters, and those in the engine's order.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        2 * size_of::<f32>() * self.parameters.count()
    }

    /// Predicts the class probabilities of each row.
    ///
    /// * `device` — the same in each call.
    pub(crate) fn predict(
        &self,
        device: &ComputeDevice,
        features: &Features,
    ) -> Result<Predictions, ModelError> {
        let predictor = match self.predictor.get() {
            Some(predictor) => predictor,
            None => {
                let made = Predictor::new(device, &self.architecture, &self.parameters)?;
                self.predictor.get_or_init(|| made)
            }
        };
        predictor.predict(features)
    }
}
