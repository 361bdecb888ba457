//! What a server optimiser remembers from round to round.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use super::{AdaptiveStep, BiasCorrection, SecondMomentStart, ServerOptimizer};
use crate::{
    Positive,
    number::{power, single},
};

/// Most parameters of a model: 2³⁰, far above what contributors' machines train.
const PARAMETERS_MAX: usize = 1 << 30;

/// Why a step was refused. The state is unchanged.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// A model without parameters, or with too many.
    #[error("a model has 1..={max} parameters, got {got}", max = PARAMETERS_MAX)]
    ParameterCount {
        /// What was given.
        got: usize,
    },
    /// A vector of another length than the model.
    #[error("{name} has {got} coordinates, the optimiser was made for {expected}")]
    LengthMismatch {
        /// Which vector.
        name: &'static str,
        /// The model's length.
        expected: usize,
        /// The length given.
        got: usize,
    },
    /// A coordinate that is NaN or infinite.
    #[error("coordinate {index} of {name} is not a finite number")]
    NotFinite {
        /// Which vector.
        name: &'static str,
        /// 0-based.
        index: usize,
    },
    /// The step leads out of the range of f32.
    #[error("the step takes parameter {index} out of range: lower the server's learning rate")]
    Diverged {
        /// 0-based.
        index: usize,
    },
}

/// A server optimiser under way: settings, steps taken, moments.
///
/// Moments are f64 and every operation is one of IEEE 754's exactly rounded ones, in a fixed order for each
/// coordinate: the same steps give the same bits on every machine, so that anybody can recompute the next
/// model from the published sum. To be persisted with the model it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    optimizer: ServerOptimizer,
    parameter_count: usize,
    steps: u64,
    moments: Moments,
}

impl OptimizerState {
    /// The state before the first step, for a model of `parameter_count` parameters.
    ///
    /// # Errors
    /// [`OptimizerError::ParameterCount`].
    pub fn new(optimizer: ServerOptimizer, parameter_count: usize) -> Result<Self, OptimizerError> {
        if !(1..=PARAMETERS_MAX).contains(&parameter_count) {
            return Err(OptimizerError::ParameterCount { got: parameter_count });
        }
        let (first, second) = moment_counts(&optimizer, parameter_count);
        let start = match adaptive(&optimizer) {
            Some(AdaptiveStep { start: SecondMomentStart::TauSquared, tau, .. }) => tau.0 * tau.0,
            _ => 0.0,
        };
        let moments = Moments { first: vec![0.0; first], second: vec![start; second] };
        Ok(Self { optimizer, parameter_count, steps: 0, moments })
    }

    /// The settings.
    #[must_use]
    pub const fn optimizer(&self) -> &ServerOptimizer {
        &self.optimizer
    }

    /// Parameters of the model that it is for.
    #[must_use]
    pub const fn parameter_count(&self) -> usize {
        self.parameter_count
    }

    /// Steps taken.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes one step and returns the new parameters.
    ///
    /// * `parameters` — `[parameter_count]`, finite: the model that was trained from.
    /// * `mean_update` — `[parameter_count]`, finite: the mean of what training changed.
    ///
    /// # Errors
    /// [`OptimizerError`]; the state is then as before.
    pub fn step(
        &mut self,
        parameters: &[f32],
        mean_update: &[f32],
    ) -> Result<Vec<f32>, OptimizerError> {
        self.step_scaled(parameters, mean_update, Positive::ONE)
    }

    /// As [`OptimizerState::step`] with η multiplied by `rate_factor` (a schedule's value).
    ///
    /// # Errors
    /// [`OptimizerError`]; the state is then as before.
    pub fn step_scaled(
        &mut self,
        parameters: &[f32],
        mean_update: &[f32],
        rate_factor: Positive,
    ) -> Result<Vec<f32>, OptimizerError> {
        self.check("the model", parameters)?;
        self.check("the mean update", mean_update)?;
        let rate = self.optimizer.learning_rate().0 * rate_factor.0 * self.correction();
        let mut next = self.moments.clone();
        let mut moved = Vec::with_capacity(parameters.len());
        for (index, (&x, &delta)) in parameters.iter().zip(mean_update).enumerate() {
            let direction = next.direction(&self.optimizer, index, f64::from(delta));
            let value = single(f64::from(x) + rate * direction);
            if !value.is_finite() {
                return Err(OptimizerError::Diverged { index });
            }
            moved.push(value);
        }
        self.moments = next;
        self.steps = self.steps.saturating_add(1);
        Ok(moved)
    }

    /// What η is multiplied by in the coming step.
    fn correction(&self) -> f64 {
        let ServerOptimizer::FedAdam { step, beta2, correction: BiasCorrection::KingmaBa } =
            self.optimizer
        else {
            return 1.0;
        };
        let t = self.steps.saturating_add(1);
        (1.0 - power(beta2.0, t)).sqrt() / (1.0 - power(step.beta1.0, t))
    }

    fn check(&self, name: &'static str, vector: &[f32]) -> Result<(), OptimizerError> {
        let (expected, got) = (self.parameter_count, vector.len());
        if got != expected {
            return Err(OptimizerError::LengthMismatch { name, expected, got });
        }
        match vector.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(OptimizerError::NotFinite { name, index }),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Moments {
    /// m: empty without momentum.
    first: Vec<f64>,
    /// v, never negative: empty unless adaptive.
    second: Vec<f64>,
}

impl Moments {
    /// Brings coordinate `index` up to date with `delta` and returns which way to step.
    fn direction(&mut self, optimizer: &ServerOptimizer, index: usize, delta: f64) -> f64 {
        let square = delta * delta;
        match optimizer {
            ServerOptimizer::FedAvg { .. } => delta,
            ServerOptimizer::FedAvgM { momentum, .. } => {
                let m = &mut self.first[index];
                *m = momentum.0 * *m + delta;
                *m
            }
            ServerOptimizer::FedAdagrad { step } => {
                self.second[index] += square;
                self.adapted(step, index, delta)
            }
            ServerOptimizer::FedAdam { step, beta2, .. } => {
                let v = &mut self.second[index];
                *v = beta2.0 * *v + (1.0 - beta2.0) * square;
                self.adapted(step, index, delta)
            }
            ServerOptimizer::FedYogi { step, beta2 } => {
                let v = &mut self.second[index];
                *v -= (1.0 - beta2.0) * square * sign(*v - square);
                // Rounding may take a v that should come out as zero just below it.
                *v = v.max(0.0);
                self.adapted(step, index, delta)
            }
        }
    }

    fn adapted(&mut self, step: &AdaptiveStep, index: usize, delta: f64) -> f64 {
        let m = &mut self.first[index];
        *m = step.beta1.0 * *m + (1.0 - step.beta1.0) * delta;
        *m / (self.second[index].sqrt() + step.tau.0)
    }
}

/// -1, 0 or 1 (`f64::signum` has no 0).
fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

const fn adaptive(optimizer: &ServerOptimizer) -> Option<&AdaptiveStep> {
    match optimizer {
        ServerOptimizer::FedAvg { .. } | ServerOptimizer::FedAvgM { .. } => None,
        ServerOptimizer::FedAdagrad { step }
        | ServerOptimizer::FedAdam { step, .. }
        | ServerOptimizer::FedYogi { step, .. } => Some(step),
    }
}

/// Coordinates of the first and the second moment.
const fn moment_counts(optimizer: &ServerOptimizer, parameter_count: usize) -> (usize, usize) {
    match optimizer {
        ServerOptimizer::FedAvg { .. } => (0, 0),
        ServerOptimizer::FedAvgM { .. } => (parameter_count, 0),
        _ => (parameter_count, parameter_count),
    }
}

impl Encode for OptimizerState {
    fn encode(&self, writer: &mut Writer) {
        self.optimizer.encode(writer);
        writer.u32(u32::try_from(self.parameter_count).expect("at most PARAMETERS_MAX"));
        writer.u64(self.steps);
        for value in self.moments.first.iter().chain(&self.moments.second) {
            writer.f64(*value);
        }
    }
}

impl Decode for OptimizerState {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let optimizer = ServerOptimizer::decode(reader)?;
        let parameter_count = reader.length("parameter count", PARAMETERS_MAX)?;
        if parameter_count == 0 {
            return Err(DecodeError::invalid("parameter count", "0"));
        }
        let steps = reader.u64()?;
        let (first, second) = moment_counts(&optimizer, parameter_count);
        let first = moments(reader, "first moment", first)?;
        let second = moments(reader, "second moment", second)?;
        if second.iter().any(|v| v.is_sign_negative()) {
            return Err(DecodeError::invalid("second moment", "negative"));
        }
        Ok(Self { optimizer, parameter_count, steps, moments: Moments { first, second } })
    }
}

/// Reads `count` numbers; memory is taken only for bytes that are there.
fn moments(
    reader: &mut Reader<'_>,
    field: &'static str,
    count: usize,
) -> Result<Vec<f64>, DecodeError> {
    let mut numbers = Reader::new(reader.take(count * size_of::<f64>())?);
    (0..count).map(|_| numbers.f64(field)).collect()
}
