//! SGD on packed parameters.

use pulp::{Arch, Simd, WithSimd};

use crate::TrainingSettings;

/// Keeps the norm in the denominator of clipping above zero, as `PyTorch` does.
const CLIP_EPSILON: f64 = 1e-6;

/// Sums of squares that are kept side by side: as many as the widest vectors hold of `f64`, twice.
const LANES: usize = 16;

/// Parameters between two steps.
pub(super) struct Descent {
    arch: Arch,
    settings: TrainingSettings,
    pub(super) parameters: Vec<f32>,
    /// The gradient of the step to come.
    pub(super) gradient: Vec<f32>,
    /// Empty without momentum.
    velocity: Vec<f32>,
    /// The parameters of the start; empty without a proximal term.
    anchor: Vec<f32>,
    /// What is added to every gradient; empty if nothing is.
    correction: Vec<f32>,
    /// What parameters are drawn to after each step, and the share of the way; empty if to nothing.
    target: Vec<f32>,
    share: f32,
}

impl Descent {
    pub(super) fn new(
        arch: Arch,
        settings: TrainingSettings,
        parameters: Vec<f32>,
        correction: Vec<f32>,
    ) -> Self {
        let zeros = vec![0.0; parameters.len()];
        let velocity = if settings.momentum > 0.0 { zeros.clone() } else { Vec::new() };
        let anchor = if settings.proximal > 0.0 { parameters.clone() } else { Vec::new() };
        let (gradient, target) = (zeros, Vec::new());
        Self {
            arch,
            settings,
            parameters,
            gradient,
            velocity,
            anchor,
            correction,
            target,
            share: 0.0,
        }
    }

    /// From now on each step ends by going `share` of the way, 0 to 1, to `target`.
    pub(super) fn pull_toward(&mut self, target: Vec<f32>, share: f32) {
        (self.target, self.share) = (target, share);
    }

    /// One step, as the documentation of [`TrainingSettings`] says.
    pub(super) fn step(&mut self) {
        self.arch.dispatch(Step(self));
    }
}

/// A step to be taken.
struct Step<'a>(&'a mut Descent);

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Descent {
            arch: _,
            settings,
            parameters,
            gradient,
            velocity,
            anchor,
            correction,
            target,
            share,
        } = self.0;
        let share = *share;
        add_proximal(gradient, parameters, anchor, settings.proximal);
        if let Some(clip) = settings.gradient_clip {
            clip_to(gradient, clip);
        }
        gradient.iter_mut().zip(&*correction).for_each(|(sum, value)| *sum += value);
        if settings.weight_decay > 0.0 {
            let pairs = gradient.iter_mut().zip(&*parameters);
            pairs.for_each(|(gradient, value)| *gradient += settings.weight_decay * value);
        }
        for (velocity, gradient) in velocity.iter_mut().zip(&mut *gradient) {
            *velocity = settings.momentum * *velocity + *gradient;
            *gradient = *velocity;
        }
        let pairs = parameters.iter_mut().zip(&*gradient);
        pairs.for_each(|(value, gradient)| *value -= settings.learning_rate * gradient);
        // A share of 1 is the target to the last bit, one of 0 changes nothing.
        let pairs = parameters.iter_mut().zip(&*target);
        pairs.for_each(|(value, target)| *value = (1.0 - share) * *value + share * target);
    }
}

/// `gradient += weight · (parameters − anchor)`; nothing if there is no anchor.
#[inline(always)]
fn add_proximal(gradient: &mut [f32], parameters: &[f32], anchor: &[f32], weight: f32) {
    for ((gradient, value), anchor) in gradient.iter_mut().zip(parameters).zip(anchor) {
        *gradient += weight * (value - anchor);
    }
}

/// Shortens a gradient to a norm.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a factor of at most 1; rounding is wanted")]
fn clip_to(gradient: &mut [f32], clip: f32) {
    let norm = sum_of_squares(gradient).sqrt();
    let factor = f64::from(clip) / (norm + CLIP_EPSILON);
    if factor < 1.0 {
        let factor = factor as f32;
        gradient.iter_mut().for_each(|value| *value *= factor);
    }
}

/// The sum of squares, added up in an order that does not depend on the machine.
#[inline(always)]
pub(super) fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest.iter().map(|value| f64::from(*value).powi(2)).sum();
    sums.iter().sum::<f64>() + rest
}
