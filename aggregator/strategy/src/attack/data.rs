//! Attacks on the data that a liar trains on: pure maps of labels and pixels.

use thiserror::Error;

/// Why data cannot be spoilt as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataAttackError {
    /// A class that the task does not have.
    #[error("class {class} is not one of {classes}")]
    Class {
        /// The class.
        class: u32,
        /// How many there are.
        classes: u32,
    },
    /// Pixels that do not fill the shape.
    #[error("an image of {expected} values was expected, got {got}")]
    PixelCount {
        /// channels × height × width.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A patch that is larger than the image, or empty.
    #[error("a patch of {side} pixels a side does not fit into {height} × {width}")]
    Patch {
        /// Side of the patch.
        side: usize,
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
    },
}

/// Which label a liar's example gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFlip {
    /// c becomes classes - 1 - c (Tolpegin et al. 2020 flip pairs; this flips all of them).
    Mirror,
    /// Every label becomes `class`.
    To {
        /// The class.
        class: u32,
    },
}

impl LabelFlip {
    /// The label that takes the place of `label`.
    ///
    /// # Errors
    /// [`DataAttackError::Class`] if `label`, or the class to flip to, is not below `classes`.
    pub fn label(self, label: u32, classes: u32) -> Result<u32, DataAttackError> {
        let check = |class: u32| {
            if class < classes { Ok(class) } else { Err(DataAttackError::Class { class, classes }) }
        };
        let label = check(label)?;
        match self {
            Self::Mirror => Ok(classes - 1 - label),
            Self::To { class } => check(class),
        }
    }
}

/// The shape of an image whose values lie as `[channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A trigger: a square patch in the lower right corner, one pixel from the edges if there is room, and
/// the label that it shall call (Gu, Dolan-Gavitt & Garg 2017, "`BadNets`").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backdoor {
    /// Side of the patch, in pixels.
    pub side: usize,
    /// Value of the patch's pixels, in whatever unit the image has (its brightest, for one).
    pub value: f32,
    /// The label.
    pub target: u32,
}

impl Backdoor {
    /// Puts the patch onto `image`, `[channels × height × width]`, in every channel, and returns the
    /// label to train with, or to count as the attack's success.
    ///
    /// # Errors
    /// [`DataAttackError`]; the image is then as it was.
    pub fn apply(
        &self,
        image: &mut [f32],
        shape: ImageShape,
        classes: u32,
    ) -> Result<u32, DataAttackError> {
        let ImageShape { channels, height, width } = shape;
        let expected = channels.saturating_mul(height).saturating_mul(width);
        if image.len() != expected {
            return Err(DataAttackError::PixelCount { expected, got: image.len() });
        }
        let side = self.side;
        if side == 0 || side > height.min(width) || channels == 0 {
            return Err(DataAttackError::Patch { side, height, width });
        }
        if self.target >= classes {
            return Err(DataAttackError::Class { class: self.target, classes });
        }
        let margin = usize::from(side < height.min(width));
        let (top, left) = (height - side - margin, width - side - margin);
        for plane in image.chunks_exact_mut(height * width) {
            for row in plane.chunks_exact_mut(width).skip(top).take(side) {
                row[left..left + side].fill(self.value);
            }
        }
        Ok(self.target)
    }
}
