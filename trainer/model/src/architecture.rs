//! What a model computes, without its parameters.

use privacy_identity::{Encode, Writer};

use crate::UpdateLayout;

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
        /// `inputs`, `hidden layers`, `width of a hidden layer`, `classes` or `parameters`.
        what: &'static str,
        /// The smallest allowed.
        min: usize,
        /// The largest allowed.
        max: usize,
        /// The size given.
        got: usize,
    },
}

/// What a model computes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// A multilayer perceptron.
    Mlp(Mlp),
}

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
        check("hidden layers", 0, HIDDEN_LAYERS_MAX, shape.hidden.len())?;
        for &width in &shape.hidden {
            check("width of a hidden layer", 1, WIDTH_MAX, width)?;
        }
        check("classes", 2, CLASSES_MAX, shape.classes)?;
        let mlp = Self(shape);
        let parameters = mlp.layers().map(|(inputs, outputs)| (inputs + 1) * outputs).sum();
        check("parameters", 1, PARAMETERS_MAX, parameters)?;
        Ok(mlp)
    }

    /// The sizes.
    #[must_use]
    pub const fn shape(&self) -> &MlpShape {
        &self.0
    }

    /// The (inputs, outputs) of each dense layer, from the first to the last.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (usize, usize)> {
        let MlpShape { inputs, hidden, classes } = &self.0;
        let before = std::iter::once(*inputs).chain(hidden.iter().copied());
        let after = hidden.iter().copied().chain([*classes]);
        before.zip(after)
    }
}

impl Architecture {
    /// A multilayer perceptron of the given sizes.
    ///
    /// # Errors
    /// As [`Mlp::new`].
    pub fn mlp(shape: MlpShape) -> Result<Self, ArchitectureError> {
        Ok(Self::Mlp(Mlp::new(shape)?))
    }

    /// The values of an example.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.shape().inputs,
        }
    }

    /// The number of outputs.
    #[must_use]
    pub const fn classes(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.shape().classes,
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
}

/// Bytes: kind (u8, 1 is an MLP), inputs, number of hidden layers, their widths, classes (u32 each).
impl Encode for Architecture {
    fn encode(&self, writer: &mut Writer) {
        let mut size = |size: usize| {
            writer.u32(u32::try_from(size).expect("sizes are bounded below 2^32"));
        };
        match self {
            Self::Mlp(mlp) => {
                size(1);
                let MlpShape { inputs, hidden, classes } = mlp.shape();
                size(*inputs);
                size(hidden.len());
                hidden.iter().copied().for_each(&mut size);
                size(*classes);
            }
        }
    }
}

fn check(what: &'static str, min: usize, max: usize, got: usize) -> Result<(), ArchitectureError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ArchitectureError::OutOfRange { what, min, max, got })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(inputs: usize, hidden: &[usize], classes: usize) -> MlpShape {
        MlpShape { inputs, hidden: hidden.to_vec(), classes }
    }

    fn check_refused(shape: MlpShape, expected: &str) {
        assert_eq!(Architecture::mlp(shape).unwrap_err().to_string(), expected);
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        check_refused(shape(0, &[3], 2), "inputs must lie between 1 and 65536, got 0");
        check_refused(
            shape(usize::MAX, &[3], 2),
            &format!("inputs must lie between 1 and 65536, got {}", usize::MAX),
        );
        check_refused(shape(4, &[3; 17], 2), "hidden layers must lie between 0 and 16, got 17");
        check_refused(
            shape(4, &[3, 0], 2),
            "width of a hidden layer must lie between 1 and 16384, got 0",
        );
        check_refused(shape(4, &[3], 1), "classes must lie between 2 and 4096, got 1");
        check_refused(
            shape(65_536, &[16_384], 2),
            "parameters must lie between 1 and 16777216, got 1073790978",
        );
    }

    #[test]
    fn the_canonical_bytes_are_pinned() {
        let architecture = Architecture::mlp(shape(11, &[32], 2)).unwrap();
        let expected: Vec<u8> =
            [1_u32, 11, 1, 32, 2].iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(architecture.to_bytes(), expected);
    }
}
