//! Numbers and looked-up vectors of categories, in front of the dense layers of a table's network.

use std::ops::Range;

use super::front::{Flat, Inputs};
use crate::{Categorical, TableMlp, model_error::category};

/// The embeddings of a table's columns of categories.
#[derive(Debug)]
pub(super) struct Embeddings {
    numeric: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    dimension: usize,
    /// Where its vectors are among the parameters.
    at: Range<usize>,
    /// Its first value in a row that goes into the dense layers.
    out: usize,
}

impl Embeddings {
    pub(super) fn new(table: &TableMlp) -> Self {
        let numeric = table.shape().numeric;
        let (mut start, mut out) = (0, numeric);
        let column = |&Categorical { levels, dimension }: &Categorical| {
            let column = Column { dimension, at: start..start + levels * dimension, out };
            start = column.at.end;
            out += dimension;
            column
        };
        Self { numeric, columns: table.shape().categorical.iter().map(column).collect() }
    }

    /// Values of a row that goes into the dense layers.
    pub(super) fn outputs(&self) -> usize {
        self.numeric + self.columns.iter().map(|column| column.dimension).sum::<usize>()
    }

    /// The number of parameters; they are in the order of the layout.
    pub(super) fn parameter_count(&self) -> usize {
        self.columns.iter().map(|column| column.at.len()).sum()
    }

    pub(super) fn forward(&self, parameters: &[f32], inputs: Inputs<'_>, out: &mut Flat) {
        for (row, &start) in inputs.starts.iter().enumerate() {
            let values = &inputs.values[start..][..inputs.width];
            let out = out.row_mut(row);
            out[..self.numeric].copy_from_slice(&values[..self.numeric]);
            for (column, value) in self.columns.iter().zip(&values[self.numeric..]) {
                let vector = &parameters[column.vector(*value)];
                out[column.out..][..column.dimension].copy_from_slice(vector);
            }
        }
    }

    /// Adds to `gradient` from the gradient of what went into the dense layers of one row.
    pub(super) fn backward(&self, values: &[f32], outputs: &[f32], gradient: &mut [f32]) {
        for (column, value) in self.columns.iter().zip(&values[self.numeric..]) {
            let vector = &mut gradient[column.vector(*value)];
            let outputs = &outputs[column.out..];
            vector.iter_mut().zip(outputs).for_each(|(sum, value)| *sum += value);
        }
    }
}

impl Column {
    /// Where the vector of a level is among the parameters.
    fn vector(&self, value: f32) -> Range<usize> {
        let level = category(value).expect("inputs are checked to be levels");
        let start = self.at.start + level * self.dimension;
        start..start + self.dimension
    }
}
