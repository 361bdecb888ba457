//! A network with space for some rows: the forward and the backward pass.

use std::ops::Range;

use pulp::Arch;

use super::{
    convolution::{ConvolutionLayer, Frame},
    dense::{Dense, DenseScratch, DenseShape, RowOrder, row_stride},
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

/// A network of one architecture. It allocates when it is made, and not afterwards.
#[derive(Debug)]
pub(super) struct Engine {
    arch: Arch,
    stages: Vec<ConvolutionLayer>,
    dense: Vec<Dense>,
    /// What the stages leave of each row, `[rows, stride]`.
    flat: Vec<f32>,
    flat_starts: Vec<usize>,
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
        let mut at = 0;
        let stages = stages(architecture, rows_max, &mut at);
        let dense = dense_layers(architecture, &stages, rows_max, &mut at);
        let stride = stages.last().map_or(0, |stage| row_stride(stage.pooled().len()));
        Self {
            arch: Arch::new(),
            stages,
            dense,
            flat: vec![0.0; rows_max * stride],
            flat_starts: (0..rows_max).map(|row| row * stride).collect(),
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
        let stages = self.stages.iter().map(ConvolutionLayer::parameter_count);
        stages.chain(self.dense.iter().map(Dense::parameter_count)).sum()
    }

    /// Tells which ranges of the flat layout are where in the packed parameters.
    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        let mut at = 0;
        for stage in &self.stages {
            stage.runs(|flat, packed| visit(at + flat.start..at + flat.end, packed));
            at += stage.flat_len();
        }
        for layer in &self.dense {
            layer.runs(|flat, packed| visit(at + flat.start..at + flat.end, packed));
            at += layer.flat_len();
        }
    }

    /// Computes the outputs before the softmax of some rows of `features`, at most
    /// [`Engine::rows_max`]; each row of the result has at least as many values as there are classes.
    pub(super) fn forward(
        &mut self,
        parameters: &[f32],
        features: &Features,
        rows: &[usize],
    ) -> impl Iterator<Item = &[f32]> {
        self.starts.clear();
        self.starts.extend(rows.iter().map(|row| row * features.inputs()));
        self.forward_stages(parameters, features);
        let Self { arch, dense, flat, flat_starts, starts, .. } = self;
        let (mut inputs, mut input_starts) = match self.stages.is_empty() {
            true => (features.values(), &starts[..]),
            false => (&flat[..], &flat_starts[..rows.len()]),
        };
        for layer in dense.iter_mut() {
            layer.forward(*arch, parameters, inputs, input_starts);
            (inputs, input_starts) = (&layer.values, &layer.starts[..rows.len()]);
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
        let features = examples.features();
        drop(self.forward(parameters, features, rows));
        let last = self.dense.last_mut().expect("a network has a dense layer");
        last.gradient.copy_from_slice(&last.values);
        let outputs = last.gradient.chunks_exact_mut(last.stride).zip(rows);
        let classes = self.classes;
        let loss = outputs
            .map(|(row, &at)| {
                cross_entropy_gradient(&mut row[..classes], examples.labels()[at], scale)
            })
            .sum();
        self.backward_dense(parameters, features, gradient, fresh);
        self.backward_stages(parameters, gradient, fresh);
        loss
    }

    fn forward_stages(&mut self, parameters: &[f32], features: &Features) {
        let Some(first) = self.stages.first_mut() else { return };
        for (row, &start) in self.starts.iter().enumerate() {
            let frame = first.input();
            let image = &mut first.images[row * frame.len()..][..frame.len()];
            frame.fill_from_planes(image, &features.values()[start..][..features.inputs()]);
        }
        for row in 0..self.starts.len() {
            for index in 0..self.stages.len() {
                let (now, later) = self.stages[index..].split_at_mut(1);
                let stage = &mut now[0];
                match later.first_mut() {
                    Some(next) => {
                        let frame = next.input();
                        let out = &mut next.images[row * frame.len()..][..frame.len()];
                        stage.forward(self.arch, parameters, row, out, frame);
                    }
                    None => {
                        let out = &mut self.flat[self.flat_starts[row]..];
                        let frame = stage.pooled().frame();
                        stage.forward(self.arch, parameters, row, out, frame);
                    }
                }
            }
        }
    }

    /// From the gradient of the last layer to that of the first; leaves that of the flattened
    /// images, if there are stages, with the last stage.
    fn backward_dense(
        &mut self,
        parameters: &[f32],
        features: &Features,
        gradient: &mut [f32],
        fresh: bool,
    ) {
        let count = self.starts.len();
        for index in (0..self.dense.len()).rev() {
            let (before, now) = self.dense.split_at_mut(index);
            let layer = &now[0];
            if let Some(previous) = before.last_mut() {
                let starts = &previous.starts[..count];
                layer.backward(self.arch, gradient, fresh, &previous.values, starts);
                let inputs = layer.input_gradient(self.arch, parameters, count, &mut self.scratch);
                for row in 0..count {
                    let at = previous.starts[row];
                    let values = &previous.values[at..];
                    let out = previous.gradient[at..].iter_mut();
                    for ((out, value), gradient) in out.zip(values).zip(inputs.row(row)) {
                        *out = if *value > 0.0 { gradient } else { 0.0 };
                    }
                }
            } else if let Some(stage) = self.stages.last_mut() {
                let starts = &self.flat_starts[..count];
                layer.backward(self.arch, gradient, fresh, &self.flat, starts);
                let inputs = layer.input_gradient(self.arch, parameters, count, &mut self.scratch);
                let length = stage.pooled().len();
                let out = stage.gradient.chunks_exact_mut(length).take(count).enumerate();
                for (row, out) in out {
                    out.iter_mut().zip(inputs.row(row)).for_each(|(out, value)| *out = value);
                }
            } else {
                layer.backward(self.arch, gradient, fresh, features.values(), &self.starts);
            }
        }
    }

    fn backward_stages(&mut self, parameters: &[f32], gradient: &mut [f32], fresh: bool) {
        for stage in self.stages.iter_mut().skip(1) {
            stage.flip(parameters);
        }
        for row in 0..self.starts.len() {
            for index in (0..self.stages.len()).rev() {
                let (before, now) = self.stages.split_at_mut(index);
                now[0].backward(self.arch, gradient, fresh && row == 0, row);
                if let Some(previous) = before.last_mut() {
                    let length = previous.pooled().len();
                    let out = &mut previous.gradient[row * length..][..length];
                    now[0].input_gradient(self.arch, out);
                }
            }
        }
    }
}

impl Frame {
    /// Puts an image `[channels, height, width]` into the frame.
    fn fill_from_planes(self, image: &mut [f32], planes: &[f32]) {
        for (channel, plane) in planes.chunks_exact(self.height * self.width).enumerate() {
            for (y, row) in plane.chunks_exact(self.width).enumerate() {
                let at = self.pixel(y, 0) + channel;
                let out = image[at..].iter_mut().step_by(self.channels);
                out.zip(row).for_each(|(out, value)| *out = *value);
            }
        }
    }
}

fn rows_at_once(architecture: &Architecture) -> usize {
    let values = match architecture {
        Architecture::Mlp(mlp) => mlp.shape().hidden.iter().sum::<usize>(),
        Architecture::Cnn(cnn) => {
            cnn.stages().iter().map(|stage| stage.input.iter().product::<usize>()).sum()
        }
    };
    (VALUES_AT_ONCE / values.max(1)).clamp(ROWS_AT_ONCE_MIN, ROWS_AT_ONCE_MAX)
}

fn stages(architecture: &Architecture, rows: usize, at: &mut usize) -> Vec<ConvolutionLayer> {
    let Architecture::Cnn(cnn) = architecture else { return Vec::new() };
    let mut channels = cnn.shape().channels;
    let stage = |stage| {
        let layer = ConvolutionLayer::new(stage, channels, rows, *at);
        *at += layer.parameter_count();
        channels = layer.pooled().channels;
        layer
    };
    cnn.stages().iter().map(stage).collect()
}

fn dense_layers(
    architecture: &Architecture,
    stages: &[ConvolutionLayer],
    rows: usize,
    at: &mut usize,
) -> Vec<Dense> {
    let layers = match architecture {
        Architecture::Mlp(mlp) => mlp.layers(),
        Architecture::Cnn(cnn) => cnn.layers(),
    };
    let image = stages.last().map(ConvolutionLayer::pooled);
    let layer = |(index, &(inputs, outputs)): (usize, &(usize, usize))| {
        let (inputs, order) = match image {
            Some(image) if index == 0 => {
                let pixels = image.height * image.width;
                let padded = image.channels;
                (image.len(), RowOrder::Image { channels: inputs / pixels, pixels, padded })
            }
            _ => (inputs, RowOrder::Plain),
        };
        let rectified = index + 1 < layers.len();
        let layer = Dense::new(DenseShape { inputs, outputs, order, rectified }, rows, *at);
        *at += layer.parameter_count();
        layer
    };
    layers.iter().enumerate().map(layer).collect()
}
