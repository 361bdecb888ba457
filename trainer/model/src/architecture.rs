//! What a model computes, without its parameters.

use privacy_identity::{Encode, Writer};

use crate::{UpdateLayout, layout::TensorSpec};

mod char_gru;
pub(crate) mod cnn;
mod mlp;
mod table_mlp;

pub use char_gru::{CONTEXT_MAX, CharGru, CharGruShape, GRU_LAYERS_MAX, GRU_WIDTH_MAX};
pub use cnn::{
    CHANNELS_MAX, CONVOLUTIONS_MAX, Cnn, CnnShape, Convolution, FEATURE_MAP_MAX, KERNEL_MAX,
    Padding, Pooling,
};
pub use mlp::{Mlp, MlpShape};
pub use table_mlp::{
    CATEGORICAL_MAX, Categorical, EMBEDDING_MAX, LEVELS_MAX, TableMlp, TableMlpShape,
};

/// The most inputs of a model: a flattened 256 × 256 image.
pub const INPUTS_MAX: usize = 65_536;

/// The most hidden layers; deeper models of this plain kind do not train without normalisation.
pub const HIDDEN_LAYERS_MAX: usize = 16;

/// The most units of a hidden layer.
pub const WIDTH_MAX: usize = 16_384;

/// The most classes, as in `datasets`.
pub const CLASSES_MAX: usize = datasets::CLASSES_MAX;

/// The most parameters: 2^24, 64 MiB as `f32`, what one update may weigh before it is sealed.
pub const PARAMETERS_MAX: usize = 1 << 24;

/// Why an architecture was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// A size is outside its bounds.
    #[error("{what} must lie between {min} and {max}, got {got}")]
    OutOfRange {
        /// Which size, such as `inputs` or `width of a hidden layer`.
        what: &'static str,
        /// The smallest allowed.
        min: usize,
        /// The largest allowed.
        max: usize,
        /// The size given.
        got: usize,
    },
    /// The side of a kernel is even, so that it has no centre.
    #[error("the side of a kernel must be odd, got {got}")]
    EvenKernel {
        /// The side given.
        got: usize,
    },
}

/// What a model computes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// A multilayer perceptron; without hidden layers, logistic regression.
    Mlp(Mlp),
    /// A convolutional network for images.
    Cnn(Cnn),
    /// A recurrent network for text.
    CharGru(CharGru),
    /// A multilayer perceptron for tables with columns of categories.
    TableMlp(TableMlp),
}

impl Architecture {
    /// A multilayer perceptron of the given sizes.
    ///
    /// # Errors
    /// As [`Mlp::new`].
    pub fn mlp(shape: MlpShape) -> Result<Self, ArchitectureError> {
        Ok(Self::Mlp(Mlp::new(shape)?))
    }

    /// A convolutional network of the given sizes.
    ///
    /// # Errors
    /// As [`Cnn::new`].
    pub fn cnn(shape: CnnShape) -> Result<Self, ArchitectureError> {
        Ok(Self::Cnn(Cnn::new(shape)?))
    }

    /// A recurrent network of the given sizes.
    ///
    /// # Errors
    /// As [`CharGru::new`].
    pub fn char_gru(shape: CharGruShape) -> Result<Self, ArchitectureError> {
        Ok(Self::CharGru(CharGru::new(shape)?))
    }

    /// A multilayer perceptron with embeddings of the given sizes.
    ///
    /// # Errors
    /// As [`TableMlp::new`].
    pub fn table_mlp(shape: TableMlpShape) -> Result<Self, ArchitectureError> {
        Ok(Self::TableMlp(TableMlp::new(shape)?))
    }

    /// The values of an example.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.shape().inputs,
            Self::Cnn(cnn) => cnn.shape().channels * cnn.shape().height * cnn.shape().width,
            Self::CharGru(gru) => gru.shape().context,
            Self::TableMlp(table) => table.shape().numeric + table.shape().categorical.len(),
        }
    }

    /// The number of outputs.
    #[must_use]
    pub const fn classes(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.shape().classes,
            Self::Cnn(cnn) => cnn.shape().classes,
            Self::CharGru(gru) => gru.shape().vocabulary,
            Self::TableMlp(table) => table.shape().classes,
        }
    }

    /// The order of the parameters in a flat vector.
    #[must_use]
    pub fn layout(&self) -> UpdateLayout {
        UpdateLayout::of(self)
    }

    /// The number of parameters, 1 to [`PARAMETERS_MAX`].
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.layout().parameter_count()
    }

    /// The tensors in the order of the layout.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        match self {
            Self::Mlp(mlp) => mlp.tensors(),
            Self::Cnn(cnn) => cnn.tensors(),
            Self::CharGru(gru) => gru.tensors(),
            Self::TableMlp(table) => table.tensors(),
        }
    }

    /// The (inputs, outputs) of each dense layer at the end.
    pub(crate) fn dense_layers(&self) -> Vec<(usize, usize)> {
        match self {
            Self::Mlp(mlp) => mlp.layers(),
            Self::Cnn(cnn) => cnn.layers(),
            Self::CharGru(gru) => gru.layers(),
            Self::TableMlp(table) => table.layers(),
        }
    }

    /// The number of levels of an input that is a category; nothing if it is a number.
    pub(crate) fn levels(&self, column: usize) -> Option<usize> {
        match self {
            Self::Mlp(_) | Self::Cnn(_) => None,
            Self::CharGru(gru) => Some(gru.shape().vocabulary),
            Self::TableMlp(table) => {
                let column = column.checked_sub(table.shape().numeric)?;
                Some(table.shape().categorical.get(column)?.levels)
            }
        }
    }
}

/// Bytes, each number u32: the kind, then
/// - 1, an MLP: inputs, hidden layers, classes;
/// - 2, a CNN: channels, height, width, number of stages, for each stage its channels, kernel,
///   padding (1 is same, 0 valid) and pooling window (1 is none), hidden layers, classes;
/// - 3, a character GRU: vocabulary, embedding, hidden, layers, context;
/// - 4, an MLP for tables: numeric columns, number of categorical columns, for each of them levels
///   and dimension, hidden layers, classes;
///
/// where hidden layers are their number and their widths.
impl Encode for Architecture {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Mlp(mlp) => mlp.encode(writer),
            Self::Cnn(cnn) => cnn.encode(writer),
            Self::CharGru(gru) => gru.encode(writer),
            Self::TableMlp(table) => table.encode(writer),
        }
    }
}

fn put_size(writer: &mut Writer, size: usize) {
    writer.u32(u32::try_from(size).expect("sizes are bounded below 2^32"));
}

fn check(what: &'static str, min: usize, max: usize, got: usize) -> Result<(), ArchitectureError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ArchitectureError::OutOfRange { what, min, max, got })
    }
}

fn check_parameters(tensors: &[TensorSpec]) -> Result<(), ArchitectureError> {
    let parameters = tensors.iter().map(TensorSpec::element_count).sum();
    check("parameters", 1, PARAMETERS_MAX, parameters)
}

#[cfg(test)]
mod tests;
