//! One layer of gated recurrent units over a sequence, forth and back.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{
    front::Flat,
    gru::affine_gradient,
    panels::Panels,
    product::{Product, Rows, Start},
    softmax::exp,
};

/// What goes into a layer: row `step · rows + row` starts at `starts[step · rows + row]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence<'a> {
    pub(super) values: &'a [f32],
    pub(super) starts: &'a [usize],
    pub(super) rows: usize,
}

/// A layer with what it keeps of some sequences between the forward and the backward pass.
#[derive(Debug)]
pub(super) struct GruLayer {
    hidden: usize,
    /// From inputs and from states to the three gates, one after the other: reset, keep, new.
    input: Affine,
    state: Affine,
    /// `[1 + steps, rows]`: the states, of which the first are zero.
    states: Flat,
    /// `[steps, rows]`: what comes from the inputs, then the gates, then the gradient of the former.
    gates: Flat,
    /// `[steps, rows]`: what comes from the states, then its gradient.
    from_state: Flat,
    /// The gradient of the states, `[rows]`, and of those before through the product.
    carried: Flat,
    through: Flat,
}

/// A weight and, behind it, a bias among the packed parameters.
#[derive(Debug)]
struct Affine {
    columns: usize,
    shape: Panels,
    at: usize,
    /// The weight from outputs to inputs.
    turned: Panels,
    turned_weight: Vec<f32>,
}

impl GruLayer {
    /// A layer of `[inputs, hidden]` for `[rows, steps]`, whose packed parameters start at `at`.
    pub(super) fn new([inputs, hidden]: [usize; 2], [rows, steps]: [usize; 2], at: usize) -> Self {
        let input = Affine::new(inputs, 3 * hidden, at);
        let state = Affine::new(hidden, 3 * hidden, at + input.parameter_count());
        let (stride, gates) = (Panels::new(0, hidden).columns, input.shape.columns);
        Self {
            hidden,
            input,
            state,
            states: Flat::new((steps + 1) * rows, stride),
            gates: Flat::new(steps * rows, gates),
            from_state: Flat::new(steps * rows, gates),
            carried: Flat::new(rows, stride),
            through: Flat::new(rows, stride),
        }
    }

    pub(super) const fn parameter_count(&self) -> usize {
        self.input.parameter_count() + self.state.parameter_count()
    }

    pub(super) const fn flat_len(&self) -> usize {
        self.input.flat_len() + self.state.flat_len()
    }

    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        self.input.runs(&mut visit);
        let at = self.input.flat_len();
        self.state.runs(|flat, packed| visit(at + flat.start..at + flat.end, packed));
    }

    /// A state: `step · rows + row` after so many steps.
    pub(super) fn state(&self, index: usize) -> &[f32] {
        &self.states.row(index)[..self.hidden]
    }

    /// The states after each step.
    pub(super) fn sequence(&self, rows: usize, length: usize) -> Sequence<'_> {
        let starts = &self.states.starts[rows..][..length];
        Sequence { values: &self.states.values, starts, rows }
    }

    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: Sequence<'_>,
        steps: usize,
    ) {
        let rows = inputs.rows;
        self.states.values[..rows * self.states.stride].fill(0.0);
        let gates = &mut self.gates;
        self.input.apply(arch, parameters, (inputs.values, inputs.starts), &mut gates.values);
        for step in 0..steps {
            let stride = self.from_state.stride;
            let now = step * rows;
            let from_state = &mut self.from_state.values[now * stride..][..rows * stride];
            let before = &self.states.starts[now..][..rows];
            self.state.apply(arch, parameters, (&self.states.values, before), from_state);
            arch.dispatch(Forth { layer: self, rows, step });
        }
    }

    /// Adds to `gradient`, or begins it.
    ///
    /// * `outputs` — the gradient of the states after each step; that of the inputs afterwards.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: Sequence<'_>,
        outputs: &mut Flat,
        (gradient, fresh): (&mut [f32], bool),
    ) {
        let (rows, length) = (inputs.rows, inputs.starts.len());
        self.input.turn(parameters);
        self.state.turn(parameters);
        self.carried.values.fill(0.0);
        self.through.values.fill(0.0);
        for step in (0..length / rows).rev() {
            arch.dispatch(Back { layer: self, rows, step, outputs });
            let gates = &self.from_state.starts[step * rows..][..rows];
            let through = &mut self.through.values;
            let stride = self.states.stride;
            self.state.back(arch, (&self.from_state.values, gates), through, stride);
        }
        let (before, after) = (&self.states.starts[..length], &self.gates.starts[..length]);
        let at = self.input.at;
        let (states, gates) = (&self.states.values, &self.gates.values);
        let input = (inputs.values, inputs.starts);
        let out = (&mut gradient[at..][..self.input.parameter_count()], fresh);
        affine_gradient(arch, input, (gates, after), self.input.shape, out);
        let out = (&mut gradient[self.state.at..][..self.state.parameter_count()], fresh);
        let from_state = (&self.from_state.values[..], after);
        affine_gradient(arch, (states, before), from_state, self.state.shape, out);
        let stride = outputs.stride;
        self.input.back(arch, (gates, after), &mut outputs.values, stride);
    }
}

impl Affine {
    fn new(inputs: usize, outputs: usize, at: usize) -> Self {
        let turned = Panels::new(outputs, inputs);
        Self {
            columns: outputs,
            shape: Panels::new(inputs, outputs),
            at,
            turned,
            turned_weight: vec![0.0; turned.len()],
        }
    }

    const fn parameter_count(&self) -> usize {
        self.shape.len() + self.shape.columns
    }

    const fn flat_len(&self) -> usize {
        (self.shape.rows + 1) * self.columns
    }

    fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        for row in 0..self.shape.rows {
            for (columns, at) in self.shape.runs(row, self.columns) {
                let flat = row * self.columns;
                visit(flat + columns.start..flat + columns.end, self.at + at);
            }
        }
        let bias = self.shape.rows * self.columns;
        visit(bias..bias + self.columns, self.at + self.shape.len());
    }

    fn apply(
        &self,
        arch: Arch,
        parameters: &[f32],
        (values, starts): (&[f32], &[usize]),
        out: &mut [f32],
    ) {
        let (weight, bias) =
            parameters[self.at..][..self.parameter_count()].split_at(self.shape.len());
        arch.dispatch(Product {
            left: Rows { values, starts, segments: &[0], length: self.shape.rows },
            right: weight,
            shape: self.shape,
            first: 0,
            start: Start::Bias(bias),
            rectified: false,
            out,
            stride: self.shape.columns,
        });
    }

    /// Turns the weight around for [`Affine::back`].
    fn turn(&mut self, parameters: &[f32]) {
        for row in 0..self.shape.rows {
            for column in 0..self.columns {
                self.turned_weight[self.turned.index(column, row)] =
                    parameters[self.at + self.shape.index(row, column)];
            }
        }
    }

    /// The gradient of the inputs from that of the outputs.
    fn back(
        &self,
        arch: Arch,
        (values, starts): (&[f32], &[usize]),
        out: &mut [f32],
        stride: usize,
    ) {
        arch.dispatch(Product {
            left: Rows { values, starts, segments: &[0], length: self.columns },
            right: &self.turned_weight,
            shape: self.turned,
            first: 0,
            start: Start::Zero,
            rectified: false,
            out,
            stride,
        });
    }
}

/// From what comes from inputs and states to the gates and the states after a step.
struct Forth<'a> {
    layer: &'a mut GruLayer,
    rows: usize,
    step: usize,
}

impl WithSimd for Forth<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { layer, rows, step } = self;
        let hidden = layer.hidden;
        for row in step * rows..(step + 1) * rows {
            let from_state = &layer.from_state.row(row)[..3 * hidden];
            let (before, after) =
                layer.states.values.split_at_mut((row + rows) * layer.states.stride);
            let before = &before[row * layer.states.stride..][..hidden];
            let after = &mut after[..hidden];
            let gates = &mut layer.gates.row_mut(row)[..3 * hidden];
            let (reset, others) = gates.split_at_mut(hidden);
            let (keep, new) = others.split_at_mut(hidden);
            for j in 0..hidden {
                reset[j] = sigmoid(reset[j] + from_state[j]);
                keep[j] = sigmoid(keep[j] + from_state[hidden + j]);
                new[j] = tanh(new[j] + reset[j] * from_state[2 * hidden + j]);
                after[j] = new[j] + keep[j] * (before[j] - new[j]);
            }
        }
    }
}

/// From the gradient of the states after a step to that of what came from inputs and states.
struct Back<'a> {
    layer: &'a mut GruLayer,
    rows: usize,
    step: usize,
    outputs: &'a Flat,
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { layer, rows, step, outputs } = self;
        let hidden = layer.hidden;
        for row in 0..rows {
            let index = step * rows + row;
            let before = &layer.states.row(index)[..hidden];
            let output = &outputs.row(index)[..hidden];
            let through = &layer.through.row(row)[..hidden];
            let carried = &mut layer.carried.row_mut(row)[..hidden];
            let gates = &mut layer.gates.row_mut(index)[..3 * hidden];
            let from_state = &mut layer.from_state.row_mut(index)[..3 * hidden];
            let (reset, others) = gates.split_at_mut(hidden);
            let (keep, new) = others.split_at_mut(hidden);
            for j in 0..hidden {
                let state = output[j] + carried[j] + through[j];
                let (r, z, n) = (reset[j], keep[j], new[j]);
                carried[j] = state * z;
                new[j] = state * (1.0 - z) * (1.0 - n * n);
                keep[j] = state * (before[j] - n) * z * (1.0 - z);
                reset[j] = new[j] * from_state[2 * hidden + j] * r * (1.0 - r);
                from_state[j] = reset[j];
                from_state[hidden + j] = keep[j];
                from_state[2 * hidden + j] = new[j] * r;
            }
        }
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Within 2⁻²³ of the exact value, which is no relative bound near zero.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exp(-2.0 * x)) - 1.0
}
