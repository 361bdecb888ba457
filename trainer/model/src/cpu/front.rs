//! What an architecture has in front of its dense layers.

use std::ops::Range;

use pulp::Arch;

use super::{dense::RowOrder, embeddings::Embeddings, gru::Recurrent, images::Images};
use crate::{Architecture, Features};

/// The layers in front of the dense ones; none, if the features go there as they are.
#[derive(Debug)]
pub(super) enum Front {
    None,
    Images(Images),
    Embeddings(Embeddings),
    Recurrent(Recurrent),
}

/// Rows of features: each is `width` values from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) values: &'a [f32],
    pub(super) starts: &'a [usize],
    pub(super) width: usize,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(features: &'a Features, starts: &'a [usize]) -> Self {
        Self { values: features.values(), starts, width: features.inputs() }
    }

    pub(super) fn row(self, row: usize) -> &'a [f32] {
        &self.values[self.starts[row]..][..self.width]
    }
}

/// Rows that go into the dense layers.
#[derive(Debug)]
pub(super) struct Flat {
    pub(super) values: Vec<f32>,
    pub(super) starts: Vec<usize>,
    pub(super) stride: usize,
}

impl Flat {
    pub(super) fn new(rows: usize, stride: usize) -> Self {
        let starts = (0..rows).map(|row| row * stride).collect();
        Self { values: vec![0.0; rows * stride], starts, stride }
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.stride..][..self.stride]
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.stride]
    }
}

impl Front {
    /// The front of an architecture, for at most `rows` rows; its packed parameters come first.
    pub(super) fn new(architecture: &Architecture, rows: usize) -> Self {
        match architecture {
            Architecture::Mlp(_) => Self::None,
            Architecture::Cnn(cnn) => Self::Images(Images::new(cnn, rows)),
            Architecture::CharGru(gru) => Self::Recurrent(Recurrent::new(gru, rows)),
            Architecture::TableMlp(table) => Self::Embeddings(Embeddings::new(table)),
        }
    }

    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Values of a row that it makes, and where the flat layout has them.
    pub(super) fn outputs(&self) -> (usize, RowOrder) {
        match self {
            Self::None => (0, RowOrder::Plain),
            Self::Images(images) => {
                let [channels, pixels, padded] = images.image();
                (images.outputs(), RowOrder::Image { channels, pixels, padded })
            }
            Self::Embeddings(embeddings) => (embeddings.outputs(), RowOrder::Plain),
            Self::Recurrent(recurrent) => (recurrent.outputs(), RowOrder::Plain),
        }
    }

    /// Packed parameters.
    pub(super) fn parameter_count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Images(images) => images.parameter_count(),
            Self::Embeddings(embeddings) => embeddings.parameter_count(),
            Self::Recurrent(recurrent) => recurrent.parameter_count(),
        }
    }

    /// Values in the flat layout.
    pub(super) fn flat_len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Images(images) => images.flat_len(),
            Self::Embeddings(embeddings) => embeddings.parameter_count(),
            Self::Recurrent(recurrent) => recurrent.flat_len(),
        }
    }

    /// As [`Dense::runs`](super::dense::Dense::runs).
    pub(super) fn runs(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        match self {
            Self::None => {}
            Self::Images(images) => images.runs(visit),
            Self::Embeddings(embeddings) => visit(0..embeddings.parameter_count(), 0),
            Self::Recurrent(recurrent) => recurrent.runs(visit),
        }
    }

    /// Computes what goes into the dense layers.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: Inputs<'_>,
        out: &mut Flat,
    ) {
        match self {
            Self::None => {}
            Self::Images(images) => images.forward(arch, parameters, inputs, out),
            Self::Embeddings(embeddings) => embeddings.forward(parameters, inputs, out),
            Self::Recurrent(recurrent) => recurrent.forward(arch, parameters, inputs, out),
        }
    }

    /// Adds to `gradient`, or begins it, from the gradient of what went into the dense layers.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        inputs: Inputs<'_>,
        outputs: &Flat,
        (gradient, fresh): (&mut [f32], bool),
    ) {
        let rows = 0..inputs.starts.len();
        match self {
            Self::None => {}
            Self::Images(images) => {
                images.flip(parameters);
                for row in rows {
                    let out = (&mut *gradient, fresh && row == 0);
                    images.backward(arch, row, outputs.row(row), out);
                }
            }
            Self::Embeddings(embeddings) => {
                if fresh {
                    gradient[..embeddings.parameter_count()].fill(0.0);
                }
                for row in rows {
                    embeddings.backward(inputs.row(row), outputs.row(row), gradient);
                }
            }
            Self::Recurrent(recurrent) => {
                recurrent.backward(arch, parameters, outputs, (gradient, fresh));
            }
        }
    }

    /// Computes the gradient of one row alone, `[parameter_count]`; a recurrent front has computed
    /// only this row.
    pub(super) fn backward_row(
        &mut self,
        arch: Arch,
        parameters: &[f32],
        (inputs, row): (Inputs<'_>, usize),
        outputs: &Flat,
        gradient: &mut [f32],
    ) {
        match self {
            Self::None => {}
            Self::Images(images) => {
                if row == 0 {
                    images.flip(parameters);
                }
                images.backward(arch, row, outputs.row(row), (gradient, true));
            }
            Self::Embeddings(embeddings) => {
                gradient.fill(0.0);
                embeddings.backward(inputs.row(row), outputs.row(row), gradient);
            }
            Self::Recurrent(recurrent) => {
                recurrent.backward(arch, parameters, outputs, (gradient, true));
            }
        }
    }
}
