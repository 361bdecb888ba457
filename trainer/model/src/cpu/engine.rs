//! A network with space for some rows: the forward and the backward pass.

use std::ops::Range;

use pulp::Arch;

use super::{
    dense::{Dense, DenseScratch, DenseShape, RowOrder, row_stride},
    descent::sum_of_squares,
    front::{Flat, Front, Inputs},
    softmax::cross_entropy_gradient,
};
use crate::{Architecture, Examples, Features};

/// The most rows that are computed at once.
const ROWS_AT_ONCE_MAX: usize = 128;

/// The fewest rows that are computed at once, if there are so many: two of the widest vectors.
const ROWS_AT_ONCE_MIN: usize = 32;

/// Values of activations up to which more rows are computed at once: about what a second-level
/// cache holds.
const VALUES_AT_ONCE: usize = 1 << 19;

/// Values of activations beyond which fewer rows are computed at once than that: 64 MiB, which bounds
/// the memory of training whatever the architecture and the batch size.
const VALUES_MAX: usize = 1 << 24;

/// A network of one architecture. It allocates when it is made, and not afterwards.
#[derive(Debug)]
pub(super) struct Engine {
    arch: Arch,
    front: Front,
    dense: Vec<Dense>,
    /// What the front makes of each row, and its gradient; empty if there is none.
    flat: Flat,
    flat_gradient: Flat,
    /// Where the rows that are being computed start among the features.
    starts: Vec<usize>,
    scratch: DenseScratch,
    rows_max: usize,
    classes: usize,
}

impl Engine {
    /// A network for up to `rows` rows at once, or fewer if they take much space.
    pub(super) fn new(architecture: &Architecture, rows: usize) -> Self {
        let rows_max = rows.clamp(1, rows_at_once(architecture));
        let front = Front::new(architecture, rows_max);
        let stride = row_stride(front.outputs().0);
        let flat_rows = if front.is_none() { 0 } else { rows_max };
        Self {
            arch: Arch::new(),
            dense: dense_layers(architecture, &front, rows_max),
            front,
            flat: Flat::new(flat_rows, stride),
            flat_gradient: Flat::new(flat_rows, stride),
            starts: Vec::with_capacity(rows_max),
            scratch: DenseScratch::default(),
            rows_max,
            classes: architecture.classes(),
        }
    }

    /// The most rows of a call.
    pub(super) const fn rows_max(&self) -> usize {
        self.rows_max
    }

    pub(super) const fn arch(&self) -> Arch {
        self.arch
    }

    /// The number of packed parameters.
    pub(super) fn parameter_count(&self) -> usize {
        let dense = self.dense.iter().map(Dense::parameter_count);
        self.front.parameter_count() + dense.sum::<usize>()
    }

    /// Tells which ranges of the flat layout are where in the packed parameters.
    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        self.front.runs(&mut visit);
        let mut at = self.front.flat_len();
        for layer in &self.dense {
            layer.runs(|flat, packed| visit(at + flat.start..at + flat.end, packed));
            at += layer.flat_len();
        }
    }

    /// Computes the outputs before the softmax of some rows of `features`, at most
    /// [`Engine::rows_max`]: `[rows][classes]`.
    pub(super) fn forward(
        &mut self,
        parameters: &[f32],
        features: &Features,
        rows: &[usize],
    ) -> impl Iterator<Item = &[f32]> {
        self.starts.clear();
        self.starts.extend(rows.iter().map(|row| row * features.inputs()));
        let Self { arch, front, dense, flat, starts, .. } = self;
        let inputs = Inputs { values: features.values(), starts, width: features.inputs() };
        front.forward(*arch, parameters, inputs, flat);
        let (mut values, mut value_starts) = if front.is_none() {
            (features.values(), &starts[..])
        } else {
            (&flat.values[..], &flat.starts[..rows.len()])
        };
        for layer in dense.iter_mut() {
            layer.forward(*arch, parameters, values, value_starts);
            (values, value_starts) = (&layer.values, &layer.starts[..rows.len()]);
        }
        let last = self.dense.last().expect("a network has a dense layer");
        last.values.chunks_exact(last.stride).take(rows.len()).map(|row| &row[..self.classes])
    }

    /// Adds the gradient of `scale` times the sum of the losses over some rows, at most
    /// [`Engine::rows_max`], to `gradient`, or begins it; returns the sum of the losses.
    pub(super) fn loss_and_gradient(
        &mut self,
        parameters: &[f32],
        examples: &Examples,
        rows: &[usize],
        scale: f32,
        (gradient, fresh): (&mut [f32], bool),
    ) -> f64 {
        let loss = self.deltas(parameters, examples, rows, scale);
        self.dense_gradient(examples.features(), gradient, fresh);
        let Self { arch, front, flat_gradient, starts, .. } = self;
        let inputs = Inputs::new(examples.features(), starts);
        front.backward(*arch, parameters, inputs, flat_gradient, (gradient, fresh));
        loss
    }

    /// Adds the sum of the clipped gradients of some rows times `share` to `gradient`; returns the
    /// sum of the losses. Only one row if there is a recurrent front.
    ///
    /// * `example` — space for a gradient.
    pub(super) fn clipped_gradient(
        &mut self,
        parameters: &[f32],
        examples: &Examples,
        rows: &[usize],
        (clip, share): (f32, f32),
        (gradient, example): (&mut [f32], &mut [f32]),
    ) -> f64 {
        let features = examples.features();
        let loss = self.deltas(parameters, examples, rows, 1.0);
        for row in 0..rows.len() {
            let dense = self.dense_square(features, row);
            let Self { arch, front, flat_gradient, starts, .. } = self;
            let inputs = Inputs::new(features, starts);
            let front_len = front.parameter_count();
            let example = &mut example[..front_len];
            front.backward_row(*arch, parameters, (inputs, row), flat_gradient, example);
            let factor = clip_factor(dense + sum_of_squares(example), clip, share);
            let sums = gradient[..front_len].iter_mut().zip(&*example);
            sums.for_each(|(sum, value)| *sum += factor * value);
            for layer in &mut self.dense {
                let delta = &mut layer.gradient[row * layer.stride..][..layer.stride];
                delta.iter_mut().for_each(|value| *value *= factor);
            }
        }
        self.dense_gradient(features, gradient, false);
        loss
    }

    pub(super) const fn is_recurrent(&self) -> bool {
        matches!(self.front, Front::Recurrent(_))
    }

    /// Computes the gradient of `scale` times the sum of the losses by the outputs of every dense
    /// layer and of the front; returns the sum of the losses.
    fn deltas(
        &mut self,
        parameters: &[f32],
        examples: &Examples,
        rows: &[usize],
        scale: f32,
    ) -> f64 {
        drop(self.forward(parameters, examples.features(), rows));
        let last = self.dense.last_mut().expect("a network has a dense layer");
        let outputs = last.gradient.chunks_exact_mut(last.stride);
        let values = last.values.chunks_exact(last.stride);
        let classes = self.classes;
        let loss = outputs.zip(values).zip(rows).map(|((out, values), &at)| {
            out[..classes].copy_from_slice(&values[..classes]);
            cross_entropy_gradient(&mut out[..classes], examples.labels()[at], scale)
        });
        let loss = loss.sum();
        let Self { arch, dense, front, flat_gradient, scratch, .. } = self;
        for index in (1..dense.len()).rev() {
            let (before, now) = dense.split_at_mut(index);
            let inputs = now[0].input_gradient(*arch, parameters, rows.len(), scratch);
            before[index - 1].receive(&inputs, rows.len());
        }
        if !front.is_none() {
            let inputs = dense[0].input_gradient(*arch, parameters, rows.len(), scratch);
            for row in 0..rows.len() {
                let out = flat_gradient.row_mut(row).iter_mut();
                out.zip(inputs.row(row)).for_each(|(out, value)| *out = value);
            }
        }
        loss
    }

    /// Adds to the gradient of the dense layers, or begins it, from that of their outputs.
    fn dense_gradient(&mut self, features: &Features, gradient: &mut [f32], fresh: bool) {
        let Self { arch, front, dense, flat, starts, .. } = self;
        let count = starts.len();
        for index in 0..dense.len() {
            let (values, starts) = match index.checked_sub(1) {
                Some(before) => (&dense[before].values[..], &dense[before].starts[..count]),
                None if front.is_none() => (features.values(), &starts[..]),
                None => (&flat.values[..], &flat.starts[..count]),
            };
            dense[index].backward(*arch, gradient, fresh, values, starts);
        }
    }

    /// The square of the norm of one row's gradient of all dense layers.
    fn dense_square(&self, features: &Features, row: usize) -> f64 {
        let square = |index: usize| {
            let layer = &self.dense[index];
            let inputs = match index.checked_sub(1) {
                Some(before) => {
                    let before = &self.dense[before];
                    &before.values[row * before.stride..][..before.stride]
                }
                None if self.front.is_none() => {
                    &features.values()[self.starts[row]..][..features.inputs()]
                }
                None => self.flat.row(row),
            };
            let delta = &layer.gradient[row * layer.stride..][..layer.stride];
            (sum_of_squares(inputs) + 1.0) * sum_of_squares(delta)
        };
        (0..self.dense.len()).map(square).sum()
    }
}

/// By what a gradient is multiplied to be clipped and shared out, given the square of its norm.
#[expect(clippy::cast_possible_truncation, reason = "a factor of at most 1; rounding is wanted")]
fn clip_factor(square: f64, clip: f32, share: f32) -> f32 {
    let norm = square.sqrt();
    let factor = if norm > f64::from(clip) { f64::from(clip) / norm } else { 1.0 };
    // Not a number stays what it is: training is then said to diverge.
    (if norm.is_nan() { norm } else { factor }) as f32 * share
}

/// How many rows of an architecture fit into a cache, within bounds.
fn rows_at_once(architecture: &Architecture) -> usize {
    let values = match architecture {
        Architecture::Mlp(mlp) => mlp.shape().hidden.iter().sum::<usize>(),
        Architecture::Cnn(cnn) => {
            cnn.stages().iter().map(|stage| stage.input.iter().product::<usize>()).sum()
        }
        Architecture::CharGru(gru) => {
            // States, two times three gates, and the gradient of the inputs, for each character.
            8 * gru.shape().hidden * gru.shape().context * gru.shape().layers
        }
        Architecture::TableMlp(table) => table.layers().iter().map(|(inputs, _)| inputs).sum(),
    };
    let values = values.max(1);
    let rows = (VALUES_AT_ONCE / values).clamp(ROWS_AT_ONCE_MIN, ROWS_AT_ONCE_MAX);
    rows.min((VALUES_MAX / values).max(1))
}

fn dense_layers(architecture: &Architecture, front: &Front, rows: usize) -> Vec<Dense> {
    let layers = architecture.dense_layers();
    let mut at = front.parameter_count();
    let layer = |(index, &(inputs, outputs)): (usize, &(usize, usize))| {
        let (inputs, order) = match front.outputs() {
            front if index == 0 && front.0 > 0 => front,
            (_, _) => (inputs, RowOrder::Plain),
        };
        let rectified = index + 1 < layers.len();
        let layer = Dense::new(DenseShape { inputs, outputs, order, rectified }, rows, at);
        at += layer.parameter_count();
        layer
    };
    layers.iter().enumerate().map(layer).collect()
}
