//! A multilayer perceptron for tables with columns of categories.

use privacy_identity::Writer;

use super::{
    ArchitectureError, CLASSES_MAX, INPUTS_MAX, check, check_parameters,
    mlp::{check_hidden, dense_layers, put_hidden},
    put_size,
};
use crate::layout::{Initial, TensorSpec, dense};

/// The most columns of categories.
pub const CATEGORICAL_MAX: usize = 1_024;

/// The most levels of a column: `f32` counts exactly far beyond.
pub const LEVELS_MAX: usize = 65_536;

/// The most values that stand for a level.
pub const EMBEDDING_MAX: usize = 1_024;

/// A column of categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Categorical {
    /// Different levels, 1 to [`LEVELS_MAX`].
    pub levels: usize,
    /// Values that stand for a level, 1 to [`EMBEDDING_MAX`].
    pub dimension: usize,
}

/// The sizes of a [`TableMlp`], unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMlpShape {
    /// Columns of numbers, 0 to [`INPUTS_MAX`].
    pub numeric: usize,
    /// Columns of categories, 1 to [`CATEGORICAL_MAX`].
    pub categorical: Vec<Categorical>,
    /// Units of each hidden layer, as in [`MlpShape`](crate::MlpShape).
    pub hidden: Vec<usize>,
    /// Outputs, 2 to [`CLASSES_MAX`].
    pub classes: usize,
}

/// A multilayer perceptron that sees numbers, and a learned vector for each category.
///
/// An example is its numbers, then the level of each column of categories as a whole number in
/// `f32`, counted from 0.
///
/// Source: Guo & Berkhahn 2016, "Entity Embeddings of Categorical Variables".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMlp(TableMlpShape);

impl TableMlp {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ArchitectureError::OutOfRange`] if a size, or the number of parameters, is out of bounds.
    pub fn new(shape: TableMlpShape) -> Result<Self, ArchitectureError> {
        check("numeric columns", 0, INPUTS_MAX, shape.numeric)?;
        check("categorical columns", 1, CATEGORICAL_MAX, shape.categorical.len())?;
        for column in &shape.categorical {
            check("levels of a column", 1, LEVELS_MAX, column.levels)?;
            check("dimension of a column", 1, EMBEDDING_MAX, column.dimension)?;
        }
        check_hidden(&shape.hidden)?;
        check("classes", 2, CLASSES_MAX, shape.classes)?;
        let table = Self(shape);
        check("inputs", 1, INPUTS_MAX, table.layers()[0].0)?;
        check_parameters(&table.tensors())?;
        Ok(table)
    }

    /// The sizes.
    #[must_use]
    pub const fn shape(&self) -> &TableMlpShape {
        &self.0
    }

    /// The (inputs, outputs) of each dense layer.
    pub(crate) fn layers(&self) -> Vec<(usize, usize)> {
        let embedded: usize = self.0.categorical.iter().map(|column| column.dimension).sum();
        dense_layers(self.0.numeric + embedded, &self.0.hidden, self.0.classes)
    }

    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let embedding = |(index, column): (usize, &Categorical)| TensorSpec {
            name: format!("embeddings.{index}.weight"),
            shape: vec![column.levels, column.dimension],
            initial: Initial::Normal,
        };
        let embeddings = self.0.categorical.iter().enumerate().map(embedding);
        embeddings.chain(dense(&self.layers())).collect()
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let TableMlpShape { numeric, categorical, hidden, classes } = &self.0;
        for size in [4, *numeric, categorical.len()] {
            put_size(writer, size);
        }
        for column in categorical {
            put_size(writer, column.levels);
            put_size(writer, column.dimension);
        }
        put_hidden(writer, hidden);
        put_size(writer, *classes);
    }
}
