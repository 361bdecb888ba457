//! The DAO's own last layers, in a federation where each contributor has its own (`FedPer`).
//!
//! Nobody but their owners has whole models, so that the DAO could not measure, test or sell one. It takes part like anybody
//! else: with last layers of its own, fitted on its validation rows. They travel with the model, so that a newcomer starts
//! from them. What they tell of the validation set is less than the probes do, which the cohort sees each round.

use trainer_model::Parameters;

use super::{Evaluator, MeasureError};

/// Steps of a fit, over all validation rows each: enough for a convex problem of one layer to follow a round's change.
const STEPS: usize = 40;
/// Size of a step: inputs of last layers are of order one, where plain descent on the cross-entropy is stable.
const LEARNING_RATE: f32 = 0.25;

/// `model` with last layers that are fitted to its shared ones on the validation rows; as it is, if all layers are shared.
///
/// Plain gradient descent from the layers as they are, so that whoever has the rows recomputes it: the same bits on a CPU.
///
/// # Errors
/// [`MeasureError`] if the model diverges.
pub fn fitted_head(evaluator: &Evaluator, model: Parameters) -> Result<Parameters, MeasureError> {
    let shared = evaluator.encoding.dimension();
    if shared == model.count() {
        return Ok(model);
    }
    let mut values = model.into_values();
    for _ in 0..STEPS {
        let gradient = evaluator.validation_gradient(&values)?;
        let head = values.iter_mut().zip(gradient).skip(shared);
        head.for_each(|(value, slope)| *value -= LEARNING_RATE * slope);
    }
    Ok(Parameters::new(&evaluator.architecture.layout(), values)?)
}
