//! Images with a label each, a byte a value.

use std::fmt;

use crate::{
    CLASSES_MAX, IdxImages, ImageShape, ROWS_MAX, RowOutOfRange, RowSource, Schema, SchemaError,
    Table, TableError, TakenRows, row_source::take_by,
};

/// Why images and labels are not a set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSetError {
    /// There is no image.
    #[error("an image set needs at least one image")]
    Empty,
    /// There are more images than [`ROWS_MAX`].
    #[error("{got} images are more than {ROWS_MAX}")]
    RowsTooMany {
        /// The images given.
        got: usize,
    },
    /// The pixels are not one whole image for each label.
    #[error("expected {expected} pixels, one image for each label, got {got}")]
    PixelCount {
        /// Labels times pixels of an image.
        expected: usize,
        /// The pixels given.
        got: usize,
    },
    /// There are fewer than two classes, or more than [`CLASSES_MAX`].
    #[error("expected 2 to {CLASSES_MAX} classes, got {got}")]
    ClassCount {
        /// The classes given.
        got: usize,
    },
    /// A label is not the index of a class.
    #[error("the label {label} of image {row} is not below the number of classes, {classes}")]
    LabelOutOfRange {
        /// 0-based image.
        row: usize,
        /// The label.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
}

/// Why rows of an image set are not a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageTableError {
    /// A row does not exist.
    #[error(transparent)]
    Row(#[from] RowOutOfRange),
    /// The names of the classes are unfit.
    #[error("the classes of the images do not make a schema")]
    Schema(#[from] SchemaError),
    /// No row was asked for.
    #[error("the images do not make a table")]
    Table(#[from] TableError),
}

/// Images of one shape with a label each.
///
/// Invariants: at least one image, every image whole, every label the index of a class. It takes
/// `count · (channels · height · width + 4)` bytes, a quarter of the same images as a [`Table`].
#[derive(Clone, PartialEq, Eq)]
pub struct ImageSet {
    shape: ImageShape,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    classes: Vec<String>,
}

impl ImageSet {
    /// What a pixel is divided by: 0 to 255 become 0 to 1.
    pub(crate) const BRIGHTEST: f32 = 255.0;

    /// Puts images and labels together.
    ///
    /// * `images` — `[count, channels, height, width]`, as of [`images_from_idx`](crate::images_from_idx).
    /// * `labels` — `[count]`, indices into `classes`.
    /// * `classes` — their names, in the order of a model's outputs.
    ///
    /// # Errors
    /// [`ImageSetError`] if there is no image, the counts differ, or a label is out of range.
    pub fn new(
        images: IdxImages,
        labels: &[u8],
        classes: Vec<String>,
    ) -> Result<Self, ImageSetError> {
        let IdxImages { shape, pixels } = images;
        if labels.is_empty() {
            return Err(ImageSetError::Empty);
        }
        if labels.len() > ROWS_MAX {
            return Err(ImageSetError::RowsTooMany { got: labels.len() });
        }
        let expected = labels.len().saturating_mul(shape.values());
        if pixels.len() != expected {
            return Err(ImageSetError::PixelCount { expected, got: pixels.len() });
        }
        let count = classes.len();
        if !(2..=CLASSES_MAX).contains(&count) {
            return Err(ImageSetError::ClassCount { got: count });
        }
        if let Some(row) = labels.iter().position(|&label| usize::from(label) >= count) {
            let label = labels[row];
            return Err(ImageSetError::LabelOutOfRange { row, label, classes: count });
        }
        Ok(Self { shape, pixels, labels: labels.iter().copied().map(u32::from).collect(), classes })
    }

    /// The shape of each image.
    #[must_use]
    pub const fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All pixels, `[count, channels, height, width]`, 0 to 255.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The names of the classes; a label is an index into them.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// The images at `indices` as a [`Table`] of pixels from 0 to 1, for what wants a schema, a
    /// digest or a standardiser. The columns are called as [`ImageShape::columns`] says.
    ///
    /// # Errors
    /// [`ImageTableError`] if an index is past the last image, there is none, or a class has a name
    /// that a schema refuses.
    pub fn table(&self, indices: &[u32]) -> Result<Table, ImageTableError> {
        let columns = self.shape.columns();
        let schema = Schema::new(columns, "class".to_string(), self.classes.clone())?;
        let TakenRows { values, labels } = self.take(indices)?;
        Ok(Table::new(schema, values, labels)?)
    }
}

/// Values are pixels divided by 255: 0 to 1.
impl RowSource for ImageSet {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn width(&self) -> usize {
        self.shape.values()
    }

    fn take(&self, indices: &[u32]) -> Result<TakenRows, RowOutOfRange> {
        let width = self.width();
        take_by(self, indices, |at, values| {
            let image = &self.pixels[at * width..][..width];
            values.extend(image.iter().map(|&pixel| f32::from(pixel) / Self::BRIGHTEST));
        })
    }
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for ImageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageSet")
            .field("count", &self.labels.len())
            .field("shape", &self.shape)
            .field("classes", &self.classes)
            .finish()
    }
}
