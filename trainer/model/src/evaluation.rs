//! What a model predicts, and how good that is.

use crate::{
    Architecture, ComputeDevice, Examples, Features, ModelError, Parameters, ParametersError, cpu,
    device::Engine,
    model_error::{check_classes, check_fit},
    network,
};

/// How good a model is on some examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// The share of examples whose class was predicted, 0 to 1.
    pub accuracy: f64,
    /// The mean cross-entropy, in nats.
    pub loss: f64,
    /// The examples whose class was predicted.
    pub correct: usize,
    /// All examples.
    pub examples: usize,
}

/// Class probabilities, `[rows, classes]`; those of a row add up to 1 but for rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    probabilities: Vec<f32>,
    classes: usize,
}

impl Predictions {
    /// All probabilities, `[rows, classes]`, row-major.
    #[must_use]
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The number of classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The number of rows.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.probabilities.len() / self.classes
    }

    /// The predictions of consecutive parts of so many rows each, at most as many rows as there are.
    ///
    /// * `counts` — rows of each part.
    #[must_use]
    pub fn split(self, counts: &[usize]) -> Vec<Self> {
        let Self { mut probabilities, classes } = self;
        let mut parts: Vec<Self> = Vec::with_capacity(counts.len());
        for count in counts.iter().rev() {
            let rest = probabilities.len().saturating_sub(count * classes);
            parts.push(Self { probabilities: probabilities.split_off(rest), classes });
        }
        parts.reverse();
        parts
    }

    /// The probabilities of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.probabilities.chunks_exact(self.classes)
    }

    /// The most probable class of each row; of equals, the first.
    pub fn labels(&self) -> impl Iterator<Item = usize> {
        self.rows().map(index_of_largest)
    }
}

/// Predicts the class probabilities of each row of `features`.
///
/// # Errors
/// [`ModelError::InputMismatch`] or [`ModelError::Parameters`] if the parts do not fit each other,
/// [`ModelError::Diverged`] if an output is not finite, [`ModelError::Device`] if the device fails.
pub fn predict(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    features: &Features,
) -> Result<Predictions, ModelError> {
    let outputs = outputs(device, architecture, parameters, features)?;
    Ok(predictions_from_outputs(outputs, architecture.classes()))
}

/// The softmax of each row of outputs.
pub(crate) fn predictions_from_outputs(mut outputs: Vec<f32>, classes: usize) -> Predictions {
    for row in outputs.chunks_exact_mut(classes) {
        let log_sum = log_sum_exp(row);
        row.iter_mut().for_each(|value| *value = f32_from_f64((f64::from(*value) - log_sum).exp()));
    }
    Predictions { probabilities: outputs, classes }
}

/// Measures the accuracy and the loss on `examples`.
///
/// # Errors
/// As [`predict`], and [`ModelError::ClassMismatch`] if the examples have other classes.
pub fn evaluate(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
) -> Result<Evaluation, ModelError> {
    check_classes(architecture, examples.classes())?;
    let outputs = outputs(device, architecture, parameters, examples.features())?;
    let (mut correct, mut loss) = (0, 0.0);
    for (row, &label) in outputs.chunks_exact(architecture.classes()).zip(examples.labels()) {
        correct += usize::from(index_of_largest(row) == label);
        loss += log_sum_exp(row) - f64::from(row[label]);
    }
    let examples = examples.count();
    let (accuracy, loss) = (correct as f64 / examples as f64, loss / examples as f64);
    Ok(Evaluation { accuracy, loss, correct, examples })
}

/// The outputs before the softmax, `[rows, classes]`, finite.
fn outputs(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    features: &Features,
) -> Result<Vec<f32>, ModelError> {
    check_fit(architecture, parameters, features)?;
    let outputs = match device.engine() {
        Engine::Cpu => cpu::logits(architecture, parameters, features),
        Engine::Burn(device) => network::logits(device, architecture, parameters, features)?,
    };
    check_outputs(&outputs)?;
    Ok(outputs)
}

pub(crate) fn check_outputs(outputs: &[f32]) -> Result<(), ModelError> {
    match outputs.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(ModelError::Diverged(ParametersError::NotFinite { index })),
        None => Ok(()),
    }
}

/// `ln Σ exp(value)`, shifted by the largest value so that nothing overflows.
fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = f64::from(row[index_of_largest(row)]);
    let sum: f64 = row.iter().map(|value| (f64::from(*value) - largest).exp()).sum();
    largest + sum.ln()
}

/// The index of the largest value; of equals, the first.
fn index_of_largest(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

#[expect(clippy::cast_possible_truncation, reason = "a probability; rounding is wanted")]
const fn f32_from_f64(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_outputs_the_first_class_is_predicted() {
        assert_eq!(index_of_largest(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(index_of_largest(&[0.0, 0.0]), 0);
    }

    #[test]
    fn the_log_of_a_sum_of_exponentials_does_not_overflow() {
        assert!((log_sum_exp(&[1e30, 1e30]) - 1e30).abs() < 1e23);
        assert!((log_sum_exp(&[0.0, 0.0]) - std::f64::consts::LN_2).abs() < 1e-12);
    }
}
