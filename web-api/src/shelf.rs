//! The models that this node can compute.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use datasets::{Schema, Standardiser};
use privacy_identity::Digest;
use thiserror::Error;
use trainer_model::{Architecture, Parameters, model_digest};

/// Most models on a shelf: each is at most 64 MiB.
pub const MODELS_MAX: usize = 256;

/// Why a model was not put on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// Two parts of the model are of different sizes.
    #[error("the model has {expected} {what}, got {got}")]
    Mismatch {
        /// Which sizes were compared.
        what: &'static str,
        /// The architecture's size.
        expected: usize,
        /// The other part's.
        got: usize,
    },
    /// There is no room.
    #[error("the shelf holds {MODELS_MAX} models already")]
    Full,
}

/// All that a prediction needs of a model. [`ShelvedModel::new`] checks that the parts fit.
#[derive(Debug)]
pub struct ShelvedModel {
    architecture: Architecture,
    parameters: Parameters,
    standardiser: Standardiser,
    schema: Schema,
    digest: Digest,
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
        Ok(Self { architecture, parameters, standardiser, schema, digest })
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
}

/// The models that this node can compute, by digest. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ModelShelf(Arc<RwLock<BTreeMap<Digest, Arc<ShelvedModel>>>>);

impl ModelShelf {
    /// Puts a model on the shelf; the same one again changes nothing.
    ///
    /// # Errors
    /// [`ShelfError::Full`].
    pub fn put(&self, model: ShelvedModel) -> Result<Digest, ShelfError> {
        let digest = *model.digest();
        let mut models = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MODELS_MAX && !models.contains_key(&digest) {
            return Err(ShelfError::Full);
        }
        models.insert(digest, Arc::new(model));
        Ok(digest)
    }

    /// The model with this digest.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Arc<ShelvedModel>> {
        let models = self.0.read().unwrap_or_else(PoisonError::into_inner);
        models.get(digest).map(Arc::clone)
    }

    /// Takes a model off; predictions in progress end with it.
    pub fn remove(&self, digest: &Digest) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }
}
