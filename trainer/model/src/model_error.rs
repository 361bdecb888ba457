//! Why a model could not be trained, measured or asked.

use std::error::Error;

use crate::{Architecture, Features, Parameters, ParametersError};

/// Why a model could not be trained, measured or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The examples have another number of values than the model has inputs.
    #[error("the model has {expected} inputs, the examples have {got} values")]
    InputMismatch {
        /// The inputs of the architecture.
        expected: usize,
        /// The values of an example.
        got: usize,
    },
    /// The examples have another number of classes than the model.
    #[error("the model has {expected} classes, the examples have {got}")]
    ClassMismatch {
        /// The classes of the architecture.
        expected: usize,
        /// The classes of the examples.
        got: usize,
    },
    /// The parameters are of another architecture.
    #[error("the parameters do not fit the architecture")]
    Parameters(#[source] ParametersError),
    /// A result is not finite: the learning rate is too large, or the parameters are.
    #[error("the computation left the range of finite numbers")]
    Diverged(#[source] ParametersError),
    /// The device failed.
    #[error("the compute device failed")]
    Device(#[source] Box<dyn Error + Send + Sync>),
}

/// Checks that a model's parts and its inputs fit each other.
pub(crate) fn check_fit(
    architecture: &Architecture,
    parameters: &Parameters,
    features: &Features,
) -> Result<(), ModelError> {
    parameters.fit(architecture).map_err(ModelError::Parameters)?;
    let (expected, got) = (architecture.inputs(), features.inputs());
    if got == expected { Ok(()) } else { Err(ModelError::InputMismatch { expected, got }) }
}

/// Checks that examples have the classes of the model.
pub(crate) const fn check_classes(
    architecture: &Architecture,
    got: usize,
) -> Result<(), ModelError> {
    let expected = architecture.classes();
    if got == expected { Ok(()) } else { Err(ModelError::ClassMismatch { expected, got }) }
}
