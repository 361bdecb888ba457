//! A multilayer perceptron.

use privacy_identity::Writer;

use super::{
    ArchitectureError, CLASSES_MAX, HIDDEN_LAYERS_MAX, INPUTS_MAX, WIDTH_MAX, check,
    check_parameters, put_size,
};
use crate::layout::{TensorSpec, dense};

/// The sizes of a multilayer perceptron, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlpShape {
    /// Values of an example, 1 to [`INPUTS_MAX`].
    pub inputs: usize,
    /// Units of each hidden layer, 1 to [`WIDTH_MAX`] each; none makes it logistic regression.
    pub hidden: Vec<usize>,
    /// Outputs, 2 to [`CLASSES_MAX`].
    pub classes: usize,
}

/// A multilayer perceptron: dense layers, the rectifier after each but the last, softmax at the
/// end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mlp(MlpShape);

impl Mlp {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ArchitectureError::OutOfRange`] if a size, or the number of parameters, is out of bounds.
    pub fn new(shape: MlpShape) -> Result<Self, ArchitectureError> {
        check("inputs", 1, INPUTS_MAX, shape.inputs)?;
        check_hidden(&shape.hidden)?;
        check("classes", 2, CLASSES_MAX, shape.classes)?;
        let mlp = Self(shape);
        check_parameters(&mlp.tensors())?;
        Ok(mlp)
    }

    /// The sizes.
    #[must_use]
    pub const fn shape(&self) -> &MlpShape {
        &self.0
    }

    /// The (inputs, outputs) of each dense layer, from the first to the last.
    pub(crate) fn layers(&self) -> Vec<(usize, usize)> {
        dense_layers(self.0.inputs, &self.0.hidden, self.0.classes)
    }

    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        dense(&self.layers())
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let MlpShape { inputs, hidden, classes } = &self.0;
        put_size(writer, 1);
        put_size(writer, *inputs);
        put_hidden(writer, hidden);
        put_size(writer, *classes);
    }
}

/// The (inputs, outputs) of each dense layer between `inputs` and `classes`.
pub(crate) fn dense_layers(inputs: usize, hidden: &[usize], classes: usize) -> Vec<(usize, usize)> {
    let before = std::iter::once(inputs).chain(hidden.iter().copied());
    let after = hidden.iter().copied().chain([classes]);
    before.zip(after).collect()
}

pub(super) fn check_hidden(hidden: &[usize]) -> Result<(), ArchitectureError> {
    check("hidden layers", 0, HIDDEN_LAYERS_MAX, hidden.len())?;
    hidden.iter().try_for_each(|&width| check("width of a hidden layer", 1, WIDTH_MAX, width))
}

pub(super) fn put_hidden(writer: &mut Writer, hidden: &[usize]) {
    put_size(writer, hidden.len());
    hidden.iter().for_each(|&width| put_size(writer, width));
}
