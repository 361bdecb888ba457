//! The stages of a convolutional network, in front of its dense layers.

use std::ops::Range;

use pulp::Arch;

use super::{
    convolution::{ConvolutionLayer, Frame},
    front::{Flat, Inputs},
};
use crate::Cnn;

/// All stages, with space for some rows.
#[derive(Debug)]
pub(super) struct Images {
    stages: Vec<ConvolutionLayer>,
    channels: usize,
}

impl Images {
    pub(super) fn new(cnn: &Cnn, rows: usize) -> Self {
        let (mut at, mut channels) = (0, cnn.shape().channels);
        let stage = |stage| {
            let layer = ConvolutionLayer::new(stage, channels, rows, at);
            at += layer.parameter_count();
            channels = layer.pooled().channels;
            layer
        };
        let stages: Vec<_> = cnn.stages().iter().map(stage).collect();
        let channels = cnn.shape().convolutions.last().map_or(0, |last| last.channels);
        Self { stages, channels }
    }

    /// Values of a row after the last stage, padding of channels included.
    pub(super) fn outputs(&self) -> usize {
        self.last().pooled().len()
    }

    /// Channels, pixels and padded channels after the last stage.
    pub(super) fn image(&self) -> [usize; 3] {
        let pooled = self.last().pooled();
        [self.channels, pooled.height * pooled.width, pooled.channels]
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.stages.iter().map(ConvolutionLayer::parameter_count).sum()
    }

    pub(super) fn flat_len(&self) -> usize {
        self.stages.iter().map(ConvolutionLayer::flat_len).sum()
    }

    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        let mut at = 0;
        for stage in &self.stages {
            stage.runs(|flat, packed| visit(at + flat.start..at + flat.end, packed));
            at += stage.flat_len();
        }
    }

    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: Inputs<'_>,
        out: &mut Flat,
    ) {
        for (row, &start) in inputs.starts.iter().enumerate() {
            let first = &mut self.stages[0];
            let frame = first.input();
            let image = &mut first.images[row * frame.len()..][..frame.len()];
            frame.fill_from_planes(image, &inputs.values[start..][..inputs.width]);
            for index in 0..self.stages.len() {
                let (now, later) = self.stages[index..].split_at_mut(1);
                let stage = &mut now[0];
                if let Some(next) = later.first_mut() {
                    let frame = next.input();
                    let out = &mut next.images[row * frame.len()..][..frame.len()];
                    stage.forward(arch, parameters, row, out, frame);
                } else {
                    let frame = stage.pooled().frame();
                    stage.forward(arch, parameters, row, out.row_mut(row), frame);
                }
            }
        }
    }

    /// Makes ready for [`Images::backward`].
    pub(super) fn flip(&mut self, parameters: &[f32]) {
        self.stages.iter_mut().skip(1).for_each(|stage| stage.flip(parameters));
    }

    /// Adds to `gradient`, or begins it, from the gradient of what the last stage made of one row.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        row: usize,
        outputs: &[f32],
        (gradient, fresh): (&mut [f32], bool),
    ) {
        if let Some(last) = self.stages.last_mut() {
            let length = last.gradient.len();
            last.gradient.copy_from_slice(&outputs[..length]);
        }
        for index in (0..self.stages.len()).rev() {
            let (before, now) = self.stages.split_at_mut(index);
            now[0].backward(arch, gradient, fresh, row);
            if let Some(previous) = before.last_mut() {
                now[0].input_gradient(arch, &mut previous.gradient);
            }
        }
    }

    fn last(&self) -> &ConvolutionLayer {
        self.stages.last().expect("there is at least one stage")
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
