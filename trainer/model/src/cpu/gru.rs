//! An embedding of characters and layers of gated recurrent units, in front of a dense layer.

use std::ops::Range;

use pulp::Arch;

use super::{
    front::{Flat, Inputs},
    gru_layer::{GruLayer, Sequence},
    outer::{Outer, RowSum},
    panels::Panels,
};
use crate::{CharGru, model_error::category};

/// All recurrent layers, with space for some rows.
///
/// Sequences are kept character by character: value `step · rows + row` of a buffer is that of a row
/// after so many characters.
#[derive(Debug)]
pub(super) struct Recurrent {
    vocabulary: usize,
    embedding: usize,
    context: usize,
    hidden: usize,
    layers: Vec<GruLayer>,
    /// Where the vector of each character of the sequences starts among the parameters.
    characters: Vec<usize>,
    /// The gradient of what went into a layer.
    inputs_gradient: Flat,
}

impl Recurrent {
    pub(super) fn new(gru: &CharGru, rows: usize) -> Self {
        let shape = gru.shape();
        let (embedding, hidden) = (shape.embedding, shape.hidden);
        let length = shape.context * rows;
        let mut at = shape.vocabulary * embedding;
        let layer = |inputs| {
            let layer = GruLayer::new([inputs, hidden], [rows, shape.context], at);
            at += layer.parameter_count();
            layer
        };
        let widest = Panels::new(0, embedding.max(hidden)).columns;
        Self {
            vocabulary: shape.vocabulary,
            embedding,
            context: shape.context,
            hidden,
            layers: gru.recurrent_inputs().into_iter().map(layer).collect(),
            characters: Vec::with_capacity(length),
            inputs_gradient: Flat::new(length, widest),
        }
    }

    /// Values of a row that goes into the dense layer.
    pub(super) const fn outputs(&self) -> usize {
        self.hidden
    }

    const fn embeddings(&self) -> usize {
        self.vocabulary * self.embedding
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.embeddings() + self.layers.iter().map(GruLayer::parameter_count).sum::<usize>()
    }

    pub(super) fn flat_len(&self) -> usize {
        self.embeddings() + self.layers.iter().map(GruLayer::flat_len).sum::<usize>()
    }

    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        visit(0..self.embeddings(), 0);
        let mut at = self.embeddings();
        for layer in &self.layers {
            layer.runs(|flat, packed| visit(at + flat.start..at + flat.end, packed));
            at += layer.flat_len();
        }
    }

    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: Inputs<'_>,
        out: &mut Flat,
    ) {
        let rows = inputs.starts.len();
        self.characters.clear();
        for step in 0..self.context {
            let vector = |&start: &usize| {
                let index = category(inputs.values[start + step]);
                index.expect("inputs are checked to be characters") * self.embedding
            };
            self.characters.extend(inputs.starts.iter().map(vector));
        }
        for index in 0..self.layers.len() {
            let (before, now) = self.layers.split_at_mut(index);
            let sequence = sequence(before, &self.characters, parameters, rows);
            now[0].forward(arch, parameters, sequence, self.context);
        }
        if let Some(last) = self.layers.last() {
            for row in 0..rows {
                let state = last.state(self.context * rows + row);
                out.row_mut(row)[..self.hidden].copy_from_slice(state);
            }
        }
    }

    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        outputs: &Flat,
        (gradient, fresh): (&mut [f32], bool),
    ) {
        let rows = self.characters.len() / self.context;
        self.inputs_gradient.values.fill(0.0);
        for row in 0..rows {
            let last = self.inputs_gradient.row_mut((self.context - 1) * rows + row);
            last[..self.hidden].copy_from_slice(&outputs.row(row)[..self.hidden]);
        }
        for index in (0..self.layers.len()).rev() {
            let (before, now) = self.layers.split_at_mut(index);
            let sequence = sequence(before, &self.characters, parameters, rows);
            let out = (&mut *gradient, fresh);
            now[0].backward(arch, parameters, sequence, &mut self.inputs_gradient, out);
        }
        if fresh {
            gradient[..self.embeddings()].fill(0.0);
        }
        for (index, &start) in self.characters.iter().enumerate() {
            let vector = &mut gradient[start..][..self.embedding];
            let inputs = self.inputs_gradient.row(index);
            vector.iter_mut().zip(inputs).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// What goes into a layer: the states of the one before, or the vectors of the characters.
fn sequence<'a>(
    before: &'a [GruLayer],
    characters: &'a [usize],
    parameters: &'a [f32],
    rows: usize,
) -> Sequence<'a> {
    match before.last() {
        Some(layer) => layer.sequence(rows, characters.len()),
        None => Sequence { values: parameters, starts: characters, rows },
    }
}

/// The gradient of a weight in panels and of its bias behind it.
pub(super) fn affine_gradient(
    arch: Arch,
    (inputs, starts): (&[f32], &[usize]),
    (outputs, output_starts): (&[f32], &[usize]),
    shape: Panels,
    (out, fresh): (&mut [f32], bool),
) {
    let (weight, bias) = out.split_at_mut(shape.len());
    arch.dispatch(Outer {
        left: inputs,
        left_starts: starts,
        offset: 0,
        right: outputs,
        right_starts: output_starts,
        first: 0,
        count: shape.rows,
        shape,
        out: weight,
        fresh,
    });
    let out = &mut bias[..shape.columns];
    arch.dispatch(RowSum { values: outputs, starts: output_starts, fresh, out });
}
