//! One stage of a convolutional network: convolution, rectifier, pooling.
//!
//! Images are `[height, width, channels]` here, with channels padded to a vector and zeros around
//! the image, so that what a pixel sees is one contiguous segment for each row of the kernel.

use std::ops::Range;

use pulp::Arch;

use super::{
    outer::{Outer, RowSum},
    panels::Panels,
    pooling::{Pool, Pooled, Unpool},
    product::{Product, Rows, Start},
};
use crate::architecture::cnn::Stage;

/// An image `[height, width, channels]` within a margin of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) margin: usize,
}

impl Frame {
    pub(super) const fn len(self) -> usize {
        (self.height + 2 * self.margin) * self.row()
    }

    /// Values of a row with its margins.
    pub(super) const fn row(self) -> usize {
        (self.width + 2 * self.margin) * self.channels
    }

    /// Where a pixel of the image starts.
    pub(super) const fn pixel(self, y: usize, x: usize) -> usize {
        (y + self.margin) * self.row() + (x + self.margin) * self.channels
    }
}

/// One stage, with what it keeps of some rows between the forward and the backward pass.
#[derive(Debug)]
pub(super) struct ConvolutionLayer {
    /// Channels in and out as in the flat layout.
    channels: [usize; 2],
    kernel: usize,
    weight: Panels,
    weight_at: usize,
    bias_at: usize,
    input: Frame,
    /// `[rows, input]`.
    pub(super) images: Vec<f32>,
    pooled: Pooled,
    /// Where what an output pixel sees starts in the input.
    input_starts: Vec<usize>,
    input_segments: Vec<usize>,
    /// One image before pooling, `[pixels, channels]`.
    convolved: Vec<f32>,
    /// `[rows, pooled]`: which pixel of its window each pooled value is from.
    choices: Vec<u32>,
    /// `[pooled]`: the gradient of the pooled values of one row.
    pub(super) gradient: Vec<f32>,
    /// The gradient of one image before pooling and rectifier.
    output: Frame,
    output_gradient: Vec<f32>,
    /// Where output pixels start in it.
    output_starts: Vec<usize>,
    /// Where what an input pixel was seen by starts in it, and its segments.
    seen_starts: Vec<usize>,
    seen_segments: Vec<usize>,
    /// The weight from outputs to inputs, `[kernel² · outputs, inputs]`.
    flipped: Panels,
    flipped_weight: Vec<f32>,
}

impl ConvolutionLayer {
    /// A stage for at most `rows` images of `channels` (padded) channels, whose packed parameters
    /// start at `at`.
    pub(super) fn new(stage: &Stage, channels: usize, rows: usize, at: usize) -> Self {
        let (kernel, margin) = (stage.convolution.kernel, stage.margin());
        let [_, height, width] = stage.input;
        let input = Frame { height, width, channels, margin };
        let weight = Panels::new(kernel * kernel * channels, stage.convolution.channels);
        let [height, width] = stage.convolved;
        let output = Frame { height, width, channels: weight.columns, margin: kernel - 1 - margin };
        let pooled = Pooled::new(stage, output);
        let flipped = Panels::new(kernel * kernel * weight.columns, channels);
        let pixels = |frame: Frame, within: Frame| {
            let row =
                move |y| (0..frame.width).map(move |x| y * within.row() + x * within.channels);
            (0..frame.height).flat_map(row).collect::<Vec<usize>>()
        };
        let interior = output.pixel(0, 0);
        Self {
            channels: [stage.input[0], stage.convolution.channels],
            kernel,
            weight,
            weight_at: at,
            bias_at: at + weight.len(),
            input,
            images: vec![0.0; rows * input.len()],
            pooled,
            input_starts: pixels(output, input),
            input_segments: (0..kernel).map(|y| y * input.row()).collect(),
            convolved: vec![0.0; height * width * weight.columns],
            choices: vec![0; rows * pooled.len()],
            gradient: vec![0.0; pooled.len()],
            output,
            output_gradient: vec![0.0; output.len()],
            output_starts: pixels(output, output).iter().map(|start| start + interior).collect(),
            seen_starts: pixels(input, output),
            seen_segments: (0..kernel).map(|y| y * output.row()).collect(),
            flipped,
            flipped_weight: vec![0.0; flipped.len()],
        }
    }

    /// Packed parameters.
    pub(super) const fn parameter_count(&self) -> usize {
        self.weight.len() + self.weight.columns
    }

    /// Values in the flat layout.
    pub(super) const fn flat_len(&self) -> usize {
        let [inputs, outputs] = self.channels;
        (inputs * self.kernel * self.kernel + 1) * outputs
    }

    /// As [`Dense::runs`](super::dense::Dense::runs).
    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        let ([inputs, outputs], kernel) = (self.channels, self.kernel);
        for flat in 0..inputs * outputs * kernel * kernel {
            let (x, y) = (flat % kernel, flat / kernel % kernel);
            let (input, output) =
                (flat / kernel / kernel % inputs, flat / kernel / kernel / inputs);
            let row = (y * kernel + x) * self.input.channels + input;
            visit(flat..flat + 1, self.weight_at + self.weight.index(row, output));
        }
        let bias = self.flat_len() - outputs;
        visit(bias..bias + outputs, self.bias_at);
    }

    /// What the stage makes of an image: a frame without margin.
    pub(super) const fn pooled(&self) -> Pooled {
        self.pooled
    }

    /// The frame that images are put into.
    pub(super) const fn input(&self) -> Frame {
        self.input
    }

    /// Computes the pooled values of one row into `out`, whose pixels start as `place` says.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        row: usize,
        out: &mut [f32],
        place: Frame,
    ) {
        let image = &self.images[row * self.input.len()..][..self.input.len()];
        let length = self.kernel * self.input.channels;
        arch.dispatch(Product {
            left: Rows {
                values: image,
                starts: &self.input_starts,
                segments: &self.input_segments,
                length,
            },
            right: &parameters[self.weight_at..self.bias_at],
            shape: self.weight,
            first: 0,
            start: Start::Bias(&parameters[self.bias_at..][..self.weight.columns]),
            rectified: true,
            out: &mut self.convolved,
            stride: self.weight.columns,
        });
        let choices = &mut self.choices[row * self.pooled.len()..][..self.pooled.len()];
        arch.dispatch(Pool { pooled: self.pooled, values: &self.convolved, choices, out, place });
    }

    /// Turns the weight around for [`ConvolutionLayer::backward`].
    pub(super) fn flip(&mut self, parameters: &[f32]) {
        let weight = &parameters[self.weight_at..self.bias_at];
        let positions = self.kernel * self.kernel;
        for position in 0..positions {
            for input in 0..self.input.channels {
                let row = position * self.input.channels + input;
                for output in 0..self.weight.columns {
                    let flipped = (positions - 1 - position) * self.weight.columns + output;
                    self.flipped_weight[self.flipped.index(flipped, input)] =
                        weight[self.weight.index(row, output)];
                }
            }
        }
    }

    /// Adds to `gradient`, or begins it, from [`ConvolutionLayer::gradient`] of one row.
    pub(super) fn backward(&mut self, arch: Arch, gradient: &mut [f32], fresh: bool, row: usize) {
        let at = row * self.pooled.len()..(row + 1) * self.pooled.len();
        arch.dispatch(Unpool {
            pooled: self.pooled,
            values: &self.gradient,
            choices: &self.choices[at],
            out: &mut self.output_gradient,
            frame: self.output,
        });
        let length = self.kernel * self.input.channels;
        for (y, &segment) in self.input_segments.iter().enumerate() {
            arch.dispatch(Outer {
                left: &self.images[row * self.input.len()..][..self.input.len()],
                left_starts: &self.input_starts,
                offset: segment,
                right: &self.output_gradient,
                right_starts: &self.output_starts,
                first: y * length,
                count: length,
                shape: self.weight,
                out: &mut gradient[self.weight_at..self.bias_at],
                fresh,
            });
        }
        arch.dispatch(RowSum {
            values: &self.output_gradient,
            starts: &self.output_starts,
            fresh,
            out: &mut gradient[self.bias_at..][..self.weight.columns],
        });
    }

    /// Computes the gradient of the input of the row that went through
    /// [`ConvolutionLayer::backward`] last, `[pixels, channels]`.
    pub(super) fn input_gradient(&self, arch: Arch, out: &mut [f32]) {
        arch.dispatch(Product {
            left: Rows {
                values: &self.output_gradient,
                starts: &self.seen_starts,
                segments: &self.seen_segments,
                length: self.kernel * self.output.channels,
            },
            right: &self.flipped_weight,
            shape: self.flipped,
            first: 0,
            start: Start::Zero,
            rectified: false,
            out,
            stride: self.input.channels,
        });
    }
}
