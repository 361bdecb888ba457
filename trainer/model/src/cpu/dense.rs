//! A dense layer.

use std::ops::Range;

use pulp::Arch;

use super::{
    outer::{Outer, RowSum},
    panels::{NARROW, PANEL, Panels},
    product::{Product, Rows, Start},
};

/// Where the flat layout keeps the row of the weight that meets an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// In the order of the inputs.
    Plain,
    /// The inputs are an image, `[pixels, padded]` here and `[channels, pixels]` in the layout.
    Image { channels: usize, pixels: usize, padded: usize },
}

/// A dense layer with its outputs and their gradient for some rows.
#[derive(Debug)]
pub(super) struct Dense {
    inputs: usize,
    outputs: usize,
    order: RowOrder,
    rectified: bool,
    weight: Panels,
    /// Where weight and bias start in the packed parameters.
    weight_at: usize,
    bias_at: usize,
    /// From one row of `values` and `gradient` to the next.
    pub(super) stride: usize,
    /// `[rows, stride]`, after the rectifier.
    pub(super) values: Vec<f32>,
    /// `[rows, stride]`, of the loss by what comes out before the rectifier.
    pub(super) gradient: Vec<f32>,
    /// Where each row starts.
    pub(super) starts: Vec<usize>,
    /// Where each row of the weight starts in a full panel and in a narrow one.
    weight_starts: [Vec<usize>; 2],
    /// Where each full panel of the weight starts.
    panel_starts: Vec<usize>,
}

/// Space for [`Dense::input_gradient`].
#[derive(Debug, Default)]
pub(super) struct DenseScratch {
    /// The gradient of the outputs, transposed, in panels.
    turned: Vec<f32>,
    /// The gradient of the inputs, transposed.
    product: Vec<f32>,
}

/// The sizes of a dense layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct DenseShape {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) order: RowOrder,
    pub(super) rectified: bool,
}

impl Dense {
    /// A layer for at most `rows` rows, whose packed parameters start at `at`.
    pub(super) fn new(shape: DenseShape, rows: usize, at: usize) -> Self {
        let DenseShape { inputs, outputs, order, rectified } = shape;
        let weight = Panels::new(inputs, outputs);
        let stride = row_stride(weight.columns);
        let full = weight.full_columns() * inputs;
        Self {
            inputs,
            outputs,
            order,
            rectified,
            weight,
            weight_at: at,
            bias_at: at + weight.len(),
            stride,
            values: vec![0.0; rows * stride],
            gradient: vec![0.0; rows * stride],
            starts: (0..rows).map(|row| row * stride).collect(),
            weight_starts: [
                (0..inputs).map(|row| row * PANEL).collect(),
                (0..inputs).map(|row| full + row * NARROW).collect(),
            ],
            panel_starts: (0..full).step_by(PANEL * inputs).collect(),
        }
    }

    /// Packed parameters.
    pub(super) const fn parameter_count(&self) -> usize {
        self.weight.len() + self.weight.columns
    }

    /// Tells which ranges of the flat layout, counted from that of this layer, are where in the
    /// packed parameters.
    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        for input in 0..self.inputs {
            let Some(row) = self.flat_row(input) else { continue };
            for (columns, at) in self.weight.runs(input, self.outputs) {
                let flat = row * self.outputs;
                visit(flat + columns.start..flat + columns.end, self.weight_at + at);
            }
        }
        let bias = self.flat_len() - self.outputs;
        visit(bias..bias + self.outputs, self.bias_at);
    }

    /// Values in the flat layout.
    pub(super) const fn flat_len(&self) -> usize {
        let rows = match self.order {
            RowOrder::Plain => self.inputs,
            RowOrder::Image { channels, pixels, .. } => channels * pixels,
        };
        (rows + 1) * self.outputs
    }

    /// Computes the outputs of the rows of `inputs` that start at `starts`.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: &[f32],
        starts: &[usize],
    ) {
        let left = Rows { values: inputs, starts, segments: &[0], length: self.inputs };
        arch.dispatch(Product {
            left,
            right: &parameters[self.weight_at..self.bias_at],
            shape: self.weight,
            first: 0,
            start: Start::Bias(&parameters[self.bias_at..][..self.weight.columns]),
            rectified: self.rectified,
            out: &mut self.values,
            stride: self.stride,
        });
    }

    /// Adds to `gradient`, or begins it, from the gradient of the outputs of the rows of `inputs`.
    pub(super) fn backward(
        &self,
        arch: Arch,
        gradient: &mut [f32],
        fresh: bool,
        inputs: &[f32],
        starts: &[usize],
    ) {
        arch.dispatch(Outer {
            left: inputs,
            left_starts: starts,
            offset: 0,
            right: &self.gradient,
            right_starts: &self.starts[..starts.len()],
            first: 0,
            count: self.inputs,
            shape: self.weight,
            out: &mut gradient[self.weight_at..self.bias_at],
            fresh,
        });
        arch.dispatch(RowSum {
            values: &self.gradient,
            starts: &self.starts[..starts.len()],
            fresh,
            out: &mut gradient[self.bias_at..][..self.weight.columns],
        });
    }

    /// Computes the gradient of the inputs of the first `rows` rows, `[inputs, stride]` where row is
    /// a column: see [`DenseScratch`]. It is handed to `visit` as (row, its values by input).
    pub(super) fn input_gradient<'a>(
        &self,
        arch: Arch,
        parameters: &[f32],
        rows: usize,
        scratch: &'a mut DenseScratch,
    ) -> InputGradient<'a> {
        let turned = Panels::new(self.weight.columns, rows);
        scratch.turn(&self.gradient, self.stride, rows, turned);
        scratch.product.resize(self.inputs * turned.columns, 0.0);
        let weight = &parameters[self.weight_at..self.bias_at];
        let full = self.weight.full_columns();
        let mut multiply = |starts, segments: &[usize], length, first, start| {
            arch.dispatch(Product {
                left: Rows { values: weight, starts, segments, length },
                right: &scratch.turned,
                shape: turned,
                first,
                start,
                rectified: false,
                out: &mut scratch.product,
                stride: turned.columns,
            });
        };
        if full > 0 {
            multiply(&self.weight_starts[0], &self.panel_starts, PANEL, 0, Start::Zero);
        }
        if full < self.weight.columns {
            let start = if full > 0 { Start::Sum } else { Start::Zero };
            multiply(&self.weight_starts[1], &[0], NARROW, full, start);
        }
        InputGradient { values: &scratch.product, stride: turned.columns }
    }

    /// Takes over the gradient of the next layer's inputs, through the rectifier.
    pub(super) fn receive(&mut self, inputs: &InputGradient<'_>, rows: usize) {
        let out = self.gradient.chunks_exact_mut(self.stride).take(rows);
        let values = self.values.chunks_exact(self.stride);
        for (row, (out, values)) in out.zip(values).enumerate() {
            for ((out, value), gradient) in out.iter_mut().zip(values).zip(inputs.row(row)) {
                *out = if *value > 0.0 { gradient } else { 0.0 };
            }
        }
    }

    /// The row of the weight in the flat layout that meets an input, if there is one.
    const fn flat_row(&self, input: usize) -> Option<usize> {
        match self.order {
            RowOrder::Plain => Some(input),
            RowOrder::Image { channels, pixels, padded } => {
                let (pixel, channel) = (input / padded, input % padded);
                if channel < channels { Some(channel * pixels + pixel) } else { None }
            }
        }
    }
}

impl DenseScratch {
    /// Transposes the first `rows` rows of `values` into panels.
    fn turn(&mut self, values: &[f32], stride: usize, rows: usize, turned: Panels) {
        self.turned.resize(turned.len(), 0.0);
        for (row, values) in values.chunks_exact(stride).take(rows).enumerate() {
            for (column, value) in values[..turned.rows].iter().enumerate() {
                self.turned[turned.index(column, row)] = *value;
            }
        }
    }
}

/// The gradient of a layer's inputs, `[inputs, rows]`.
pub(super) struct InputGradient<'a> {
    values: &'a [f32],
    stride: usize,
}

impl InputGradient<'_> {
    /// The gradient of the inputs of one row, input by input.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = f32> {
        self.values[row..].iter().step_by(self.stride).copied()
    }
}

/// From one row to the next: not a multiple of a kilobyte, or rows would share the few places that a
/// cache has for one address in 4 096.
pub(super) const fn row_stride(columns: usize) -> usize {
    if columns.is_multiple_of(256) { columns + NARROW } else { columns }
}
