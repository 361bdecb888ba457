//! Example-level private gradients.
//!
//! The norm of the gradient of an example is known before that gradient is: for a dense layer with
//! inputs x and gradient δ of its outputs it is ‖x‖·‖δ‖, with 1 more under the first root for the
//! bias. So one backward pass for the whole batch gives every δ, then every norm, and the clipped sum
//! is the ordinary gradient of δ scaled. What is in front of the dense layers is small and computed
//! for each example: of a convolution there is one gradient at a time. A recurrent front takes
//! example by example throughout.
//!
//! Source: Goodfellow 2015, "Efficient Per-Example Gradient Computations"; Rochette, Manoel & Tramel
//! 2019, "Efficient Per-Example Gradient Computations in Convolutional Neural Networks".

use rand::CryptoRng;
use rand_distr::{Distribution as _, StandardNormal};

use super::{engine::Engine, f32_from_count};
use crate::{DpSgd, Examples};

/// The mechanism of a plan.
pub(super) struct Private {
    privacy: DpSgd,
    /// One over the batch size.
    share: f32,
    /// The gradient of one example.
    example: Vec<f32>,
}

impl Private {
    /// * `batch` — by what sums are divided.
    pub(super) fn new(privacy: DpSgd, batch: usize) -> Self {
        Self { privacy, share: f32_from_count(batch).recip(), example: Vec::new() }
    }

    /// Computes the sum of the clipped gradients of a batch over the batch size; returns the sum of
    /// the losses.
    pub(super) fn sum(
        &mut self,
        engine: &mut Engine,
        parameters: &[f32],
        examples: &Examples,
        batch: &[usize],
        gradient: &mut [f32],
    ) -> f64 {
        gradient.fill(0.0);
        self.example.resize(gradient.len(), 0.0);
        let clip = (self.privacy.clip_norm, self.share);
        let rows_max = if engine.is_recurrent() { 1 } else { engine.rows_max() };
        let part = |rows| {
            let out = (&mut *gradient, &mut self.example[..]);
            engine.clipped_gradient(parameters, examples, rows, clip, out)
        };
        batch.chunks(rows_max).map(part).sum()
    }

    /// Adds the noise to the mean over a batch, in the order of the flat layout.
    pub(super) fn add_noise(
        &self,
        engine: &Engine,
        gradient: &mut [f32],
        rng: &mut impl CryptoRng,
    ) {
        let deviation = self.privacy.noise_multiplier * self.privacy.clip_norm * self.share;
        if deviation <= 0.0 {
            return;
        }
        engine.runs(|range, at| {
            for value in &mut gradient[at..at + range.len()] {
                let draw: f32 = StandardNormal.sample(rng);
                *value += deviation * draw;
            }
        });
    }
}
