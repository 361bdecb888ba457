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
    /// An input that stands for a category is not one of its levels.
    #[error("expected a whole number from 0 to {max} in row {row}, column {column}, got {got}")]
    NotACategory {
        /// 0-based row.
        row: usize,
        /// 0-based column.
        column: usize,
        /// The last level.
        max: usize,
        /// The value.
        got: f32,
    },
    /// The parameters are of another architecture.
    #[error("the parameters do not fit the architecture")]
    Parameters(#[source] ParametersError),
    /// A result is not finite: the learning rate is too large, or the parameters are.
    #[error("the computation left the range of finite numbers")]
    Diverged(#[source] ParametersError),
    /// The plan asks for what cannot be done there.
    #[error("the plan cannot be carried out: {reason}")]
    PlanUnsupported {
        /// Why not.
        reason: &'static str,
    },
    /// Whoever watched the training broke it off.
    #[error("the training was broken off")]
    BrokenOff,
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
    check_features(architecture, features)
}

/// Checks that inputs are those of an architecture.
///
/// # Errors
/// [`ModelError::InputMismatch`] or [`ModelError::NotACategory`].
pub fn check_features(architecture: &Architecture, features: &Features) -> Result<(), ModelError> {
    let (expected, got) = (architecture.inputs(), features.inputs());
    if got != expected {
        return Err(ModelError::InputMismatch { expected, got });
    }
    (0..expected).try_for_each(|column| match architecture.levels(column) {
        Some(levels) => check_column(features, column, levels),
        None => Ok(()),
    })
}

/// Checks that a column holds levels of a category.
fn check_column(features: &Features, column: usize, levels: usize) -> Result<(), ModelError> {
    let values = features.values().iter().skip(column).step_by(features.inputs());
    for (row, &got) in values.enumerate() {
        if category(got).is_none_or(|level| level >= levels) {
            return Err(ModelError::NotACategory { row, column, max: levels - 1, got });
        }
    }
    Ok(())
}

/// Checks that examples have the classes of the model.
pub(crate) const fn check_classes(
    architecture: &Architecture,
    got: usize,
) -> Result<(), ModelError> {
    let expected = architecture.classes();
    if got == expected { Ok(()) } else { Err(ModelError::ClassMismatch { expected, got }) }
}

/// The category that a value stands for, if it is a whole number that `f32` counts exactly.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
pub(crate) fn category(value: f32) -> Option<usize> {
    /// The first whole number whose successor is not an `f32`.
    const EXACT: f32 = 16_777_216.0;
    let whole = value.fract().abs() < f32::MIN_POSITIVE;
    (whole && (0.0..EXACT).contains(&value)).then_some(value as usize)
}
