//! A recurrent network that predicts the next character of a text.

use privacy_identity::Writer;

use super::{ArchitectureError, CLASSES_MAX, check, check_parameters, put_size};
use crate::layout::{Initial, TensorSpec, dense};

/// The most recurrent layers.
pub const GRU_LAYERS_MAX: usize = 4;

/// The most units of a recurrent layer, and of the embedding of a character.
pub const GRU_WIDTH_MAX: usize = 2_048;

/// The most characters of an example: the gradient goes back through all of them.
pub const CONTEXT_MAX: usize = 1_024;

/// The sizes of a [`CharGru`], unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharGruShape {
    /// Different characters, 2 to [`CLASSES_MAX`]; also the number of classes.
    pub vocabulary: usize,
    /// Values that stand for a character, 1 to [`GRU_WIDTH_MAX`].
    pub embedding: usize,
    /// Units of each recurrent layer, 1 to [`GRU_WIDTH_MAX`].
    pub hidden: usize,
    /// Recurrent layers, 1 to [`GRU_LAYERS_MAX`].
    pub layers: usize,
    /// Characters of an example, 1 to [`CONTEXT_MAX`].
    pub context: usize,
}

/// An embedding, gated recurrent units, and a dense layer on the state after the last character.
///
/// An example is `[context]` indices of characters as whole numbers in `f32`, its label the index
/// of the character that follows. The units are those of `PyTorch`'s `GRU`, whose reset gate acts
/// after the product with the state:
///
/// ```text
/// r = σ(W_r x + b_r + U_r h + c_r)      z = σ(W_z x + b_z + U_z h + c_z)
/// n = tanh(W_n x + b_n + r ∘ (U_n h + c_n))         h ← (1 − z) ∘ n + z ∘ h
/// ```
///
/// Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder for
/// Statistical Machine Translation", section 2.3, in the form of `torch.nn.GRU`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharGru(CharGruShape);

impl CharGru {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ArchitectureError::OutOfRange`] if a size, or the number of parameters, is out of bounds.
    pub fn new(shape: CharGruShape) -> Result<Self, ArchitectureError> {
        check("vocabulary", 2, CLASSES_MAX, shape.vocabulary)?;
        check("embedding", 1, GRU_WIDTH_MAX, shape.embedding)?;
        check("hidden units", 1, GRU_WIDTH_MAX, shape.hidden)?;
        check("recurrent layers", 1, GRU_LAYERS_MAX, shape.layers)?;
        check("context", 1, CONTEXT_MAX, shape.context)?;
        let gru = Self(shape);
        check_parameters(&gru.tensors())?;
        Ok(gru)
    }

    /// The sizes.
    #[must_use]
    pub const fn shape(&self) -> &CharGruShape {
        &self.0
    }

    /// What each recurrent layer sees of a character.
    pub(crate) fn recurrent_inputs(&self) -> Vec<usize> {
        let later = std::iter::repeat_n(self.0.hidden, self.0.layers - 1);
        std::iter::once(self.0.embedding).chain(later).collect()
    }

    /// The (inputs, outputs) of the dense layer.
    pub(crate) fn layers(&self) -> Vec<(usize, usize)> {
        vec![(self.0.hidden, self.0.vocabulary)]
    }

    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let CharGruShape { vocabulary, embedding, hidden, .. } = self.0;
        let mut tensors = vec![TensorSpec {
            name: "embedding.weight".to_owned(),
            shape: vec![vocabulary, embedding],
            initial: Initial::Normal,
        }];
        for (index, inputs) in self.recurrent_inputs().into_iter().enumerate() {
            let mut push = |name: &str, shape| {
                let name = format!("recurrent.{index}.{name}");
                let initial = Initial::Uniform { inputs: hidden };
                tensors.push(TensorSpec { name, shape, initial });
            };
            push("input.weight", vec![inputs, 3 * hidden]);
            push("input.bias", vec![3 * hidden]);
            push("state.weight", vec![hidden, 3 * hidden]);
            push("state.bias", vec![3 * hidden]);
        }
        tensors.extend(dense(&self.layers()));
        tensors
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let CharGruShape { vocabulary, embedding, hidden, layers, context } = self.0;
        for size in [3, vocabulary, embedding, hidden, layers, context] {
            put_size(writer, size);
        }
    }
}
