//! A convolutional network for images.

use privacy_identity::Writer;

use super::{
    ArchitectureError, CLASSES_MAX, INPUTS_MAX, check, check_parameters,
    mlp::{check_hidden, dense_layers, put_hidden},
    put_size,
};
use crate::layout::{Initial, TensorSpec, dense};

/// The most convolution stages; each halves the image or keeps it, and 65 536 pixels are halved to
/// one by eight.
pub const CONVOLUTIONS_MAX: usize = 8;

/// The most channels of an image or of a stage.
pub const CHANNELS_MAX: usize = 1_024;

/// The largest side of a kernel.
pub const KERNEL_MAX: usize = 15;

/// The most values of one example after one convolution: 4 MiB as `f32`, which bounds the memory of
/// training.
pub const FEATURE_MAP_MAX: usize = 1 << 20;

/// What a convolution sees beyond the edge of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros, so many that height and width stay.
    Same,
    /// Nothing: height and width shrink by the kernel's side less one.
    Valid,
}

/// What follows the rectifier of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing.
    None,
    /// The largest of each 2 × 2 pixels, stride 2; an odd last row or column is left out.
    Max2,
}

impl Pooling {
    /// The side of the window, which is also its stride.
    #[must_use]
    pub const fn window(self) -> usize {
        match self {
            Self::None => 1,
            Self::Max2 => 2,
        }
    }
}

/// One stage: convolution with stride 1, rectifier, pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels, 1 to [`CHANNELS_MAX`].
    pub channels: usize,
    /// The side of the square kernel, odd, 1 to [`KERNEL_MAX`].
    pub kernel: usize,
    /// What it sees beyond the edge.
    pub padding: Padding,
    /// What follows.
    pub pooling: Pooling,
}

/// The sizes of a convolutional network, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CnnShape {
    /// Channels of an image, 1 to [`CHANNELS_MAX`].
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// The stages, 1 to [`CONVOLUTIONS_MAX`].
    pub convolutions: Vec<Convolution>,
    /// Units of each hidden dense layer after the stages, as in [`MlpShape`](crate::MlpShape).
    pub hidden: Vec<usize>,
    /// Outputs, 2 to [`CLASSES_MAX`].
    pub classes: usize,
}

/// A convolutional network: stages of convolution, rectifier and pooling, then dense layers as in an
/// [`Mlp`](crate::Mlp).
///
/// An example is an image `[channels, height, width]`, row-major, and so is what the first dense
/// layer sees of the last stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cnn(CnnShape);

/// One stage with the sizes that follow from those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) convolution: Convolution,
    /// Channels, height and width of what it sees.
    pub(crate) input: [usize; 3],
    /// Height and width after the convolution, before pooling.
    pub(crate) convolved: [usize; 2],
    /// Height and width after pooling.
    pub(crate) pooled: [usize; 2],
}

impl Stage {
    /// Zeros on each side of the image.
    pub(crate) const fn margin(&self) -> usize {
        match self.convolution.padding {
            Padding::Same => self.convolution.kernel / 2,
            Padding::Valid => 0,
        }
    }
}

impl Cnn {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ArchitectureError::OutOfRange`] if a size or the number of parameters is out of bounds, or
    /// a stage leaves nothing of the image; [`ArchitectureError::EvenKernel`].
    pub fn new(shape: CnnShape) -> Result<Self, ArchitectureError> {
        check("channels", 1, CHANNELS_MAX, shape.channels)?;
        check("height", 1, INPUTS_MAX, shape.height)?;
        check("width", 1, INPUTS_MAX, shape.width)?;
        check("inputs", 1, INPUTS_MAX, shape.channels * shape.height * shape.width)?;
        check("convolutions", 1, CONVOLUTIONS_MAX, shape.convolutions.len())?;
        check_stages(&shape)?;
        check_hidden(&shape.hidden)?;
        check("classes", 2, CLASSES_MAX, shape.classes)?;
        let cnn = Self(shape);
        check_parameters(&cnn.tensors())?;
        Ok(cnn)
    }

    /// The network of ``McMahan`` et al. 2017 ("Communication-Efficient Learning of Deep Networks from
    /// Decentralized Data", section 3) for images of 28 × 28 grey pixels and 10 classes: 1,663,370
    /// parameters.
    ///
    /// # Panics
    /// Never: its sizes are in bounds.
    #[must_use]
    pub fn mcmahan() -> Self {
        Self::of_grey_28([32, 64], Padding::Same, 512)
    }

    /// A smaller one, of 80,202 parameters: the same with 16 and 32 channels, unpadded, and 128
    /// units. It is the network of the published comparison that `benches` reproduce.
    ///
    /// # Panics
    /// Never: its sizes are in bounds.
    #[must_use]
    pub fn small() -> Self {
        Self::of_grey_28([16, 32], Padding::Valid, 128)
    }

    /// The sizes.
    #[must_use]
    pub const fn shape(&self) -> &CnnShape {
        &self.0
    }

    /// The stages, from the first to the last.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        let mut input = [self.0.channels, self.0.height, self.0.width];
        let mut stages = Vec::with_capacity(self.0.convolutions.len());
        for &convolution in &self.0.convolutions {
            let [_, height, width] = input;
            let convolved = [height, width].map(|side| convolved(convolution, side));
            let pooled = convolved.map(|side| side / convolution.pooling.window());
            stages.push(Stage { convolution, input, convolved, pooled });
            input = [convolution.channels, pooled[0], pooled[1]];
        }
        stages
    }

    /// The (inputs, outputs) of each dense layer after the stages.
    pub(crate) fn layers(&self) -> Vec<(usize, usize)> {
        let stages = self.stages();
        let last = stages.last().expect("there is at least one stage");
        let features = last.convolution.channels * last.pooled[0] * last.pooled[1];
        dense_layers(features, &self.0.hidden, self.0.classes)
    }

    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = Vec::new();
        for (index, stage) in self.stages().iter().enumerate() {
            let Convolution { channels, kernel, .. } = stage.convolution;
            let initial = Initial::Uniform { inputs: stage.input[0] * kernel * kernel };
            let mut push = |name: &str, shape| {
                let name = format!("convolutions.{index}.{name}");
                tensors.push(TensorSpec { name, shape, initial });
            };
            push("weight", vec![channels, stage.input[0], kernel, kernel]);
            push("bias", vec![channels]);
        }
        tensors.extend(dense(&self.layers()));
        tensors
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let CnnShape { channels, height, width, convolutions, hidden, classes } = &self.0;
        for size in [2, *channels, *height, *width, convolutions.len()] {
            put_size(writer, size);
        }
        for convolution in convolutions {
            put_size(writer, convolution.channels);
            put_size(writer, convolution.kernel);
            put_size(writer, usize::from(convolution.padding == Padding::Same));
            put_size(writer, convolution.pooling.window());
        }
        put_hidden(writer, hidden);
        put_size(writer, *classes);
    }

    fn of_grey_28(channels: [usize; 2], padding: Padding, hidden: usize) -> Self {
        let stage = |channels| Convolution { channels, kernel: 5, padding, pooling: Pooling::Max2 };
        Self::new(CnnShape {
            channels: 1,
            height: 28,
            width: 28,
            convolutions: channels.map(stage).to_vec(),
            hidden: vec![hidden],
            classes: 10,
        })
        .expect("the sizes are in bounds")
    }
}

/// Checks each stage on the image that those before it leave.
fn check_stages(shape: &CnnShape) -> Result<(), ArchitectureError> {
    let (mut height, mut width) = (shape.height, shape.width);
    for &convolution in &shape.convolutions {
        check("channels", 1, CHANNELS_MAX, convolution.channels)?;
        check("kernel", 1, KERNEL_MAX, convolution.kernel)?;
        if convolution.kernel.is_multiple_of(2) {
            return Err(ArchitectureError::EvenKernel { got: convolution.kernel });
        }
        let least = match convolution.padding {
            Padding::Same => convolution.pooling.window(),
            Padding::Valid => convolution.kernel + convolution.pooling.window() - 1,
        };
        check("height before a convolution", least, INPUTS_MAX, height)?;
        check("width before a convolution", least, INPUTS_MAX, width)?;
        let sides = [height, width].map(|side| convolved(convolution, side));
        let values = convolution.channels * sides[0] * sides[1];
        check("values after a convolution", 1, FEATURE_MAP_MAX, values)?;
        [height, width] = sides.map(|side| side / convolution.pooling.window());
    }
    Ok(())
}

/// The side of an image after `convolution`, before pooling.
const fn convolved(convolution: Convolution, side: usize) -> usize {
    match convolution.padding {
        Padding::Same => side,
        Padding::Valid => side + 1 - convolution.kernel,
    }
}
