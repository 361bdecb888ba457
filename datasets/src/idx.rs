//! Images and labels in the IDX format, plain or gzipped.
//!
//! ```text
//! 0 0 | type 8 = u8 | dimensions 1 or 3 | each dimension: u32, big-endian | values, one byte each
//! ```
//!
//! Source: Lecun, Cortes & Burges, "The MNIST database of handwritten digits", section "File
//! formats"; Fashion-MNIST and others are published in it, too.
//!
//! A header is written by whoever made the file. It is checked before any memory is taken, and
//! memory then grows with the bytes that really arrive: a few bytes cannot ask for gigabytes.

use std::{
    fmt,
    io::{self, Read},
};

use crate::{FEATURES_MAX, ROWS_MAX, plain::plain};

/// The most bytes of pixels that are read: the 1.28 million images of ILSVRC at 64 × 64 in grey take
/// 5.2 GB.
pub const PIXEL_BYTES_MAX: u64 = 8 << 30;

/// Zero, zero, unsigned bytes, three dimensions.
const IMAGES_MAGIC: [u8; 4] = [0, 0, 8, 3];
/// Zero, zero, unsigned bytes, one dimension.
const LABELS_MAGIC: [u8; 4] = [0, 0, 8, 1];

/// Why bytes are not images or labels in the IDX format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdxError {
    /// The bytes could not be read, or the archive is damaged.
    #[error("cannot read the {part}")]
    Read {
        /// Where reading stopped: `start`, `header` or `values`.
        part: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The gzip archive ends before its own end mark.
    #[error("the gzip archive is cut off: it gives {got} bytes of {part} and then ends")]
    ArchiveTruncated {
        /// `header` or `values`.
        part: &'static str,
        /// The bytes that could be unpacked.
        got: u64,
    },
    /// There are fewer bytes than the header says.
    #[error("the file is cut off: expected {expected} bytes of {part}, got {got}")]
    Truncated {
        /// `header` or `values`.
        part: &'static str,
        /// The bytes that had to be there.
        expected: u64,
        /// The bytes that were there.
        got: u64,
    },
    /// The file does not begin as this kind of IDX file does.
    #[error("expected the file to begin with the bytes {expected:?}, got {got:?}")]
    MagicMismatch {
        /// The beginning of such a file.
        expected: [u8; 4],
        /// The beginning of this one.
        got: [u8; 4],
    },
    /// The header announces no item.
    #[error("the file has no rows")]
    Empty,
    /// The header announces more items than [`ROWS_MAX`].
    #[error("the header announces {got} rows, at most {ROWS_MAX} are read")]
    RowsTooMany {
        /// The rows announced.
        got: u32,
    },
    /// The header announces images without pixels, or with more than [`FEATURES_MAX`].
    #[error(
        "the header announces images of {height} x {width}, expected 1 to {FEATURES_MAX} pixels"
    )]
    ShapeOutOfRange {
        /// Pixel rows announced.
        height: u32,
        /// Pixel columns announced.
        width: u32,
    },
    /// The header announces more than [`PIXEL_BYTES_MAX`].
    #[error("the header announces {got} bytes of pixels, at most {PIXEL_BYTES_MAX} are read")]
    BytesTooMany {
        /// The bytes announced.
        got: u64,
    },
    /// The file goes on where its header says that it ends.
    #[error("the file goes on after the {expected} bytes of values that its header announces")]
    Trailing {
        /// The bytes announced.
        expected: u64,
    },
}

/// Which colours an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channels {
    /// One value a pixel.
    #[default]
    Grey,
    /// Red, green, blue: three planes, one after the other.
    Colour,
}

impl Channels {
    /// Values a pixel: 1 or 3.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
        }
    }
}

/// The colours, height and width of an image; 1 to [`FEATURES_MAX`] values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    channels: Channels,
    height: usize,
    width: usize,
}

impl ImageShape {
    /// Checks the shape of a grey image; `None` if it has no pixel or more than [`FEATURES_MAX`].
    #[must_use]
    pub fn new(height: usize, width: usize) -> Option<Self> {
        Self::with_channels(Channels::Grey, height, width)
    }

    /// Checks a shape; `None` if it has no pixel or more values than [`FEATURES_MAX`].
    #[must_use]
    pub fn with_channels(channels: Channels, height: usize, width: usize) -> Option<Self> {
        let values = height.checked_mul(width)?.checked_mul(channels.count())?;
        (1..=FEATURES_MAX).contains(&values).then_some(Self { channels, height, width })
    }

    /// Which colours.
    #[must_use]
    pub const fn channels(self) -> Channels {
        self.channels
    }

    /// Pixel rows.
    #[must_use]
    pub const fn height(self) -> usize {
        self.height
    }

    /// Pixel columns.
    #[must_use]
    pub const fn width(self) -> usize {
        self.width
    }

    /// Channels times height times width, 1 to [`FEATURES_MAX`]: the values of an image.
    #[must_use]
    pub const fn values(self) -> usize {
        self.channels.count() * self.height * self.width
    }
}

/// Images of one shape, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct IdxImages {
    /// The shape of each; what is read from IDX is grey.
    pub shape: ImageShape,
    /// `[count, channels, height, width]`, 0 to 255.
    pub pixels: Vec<u8>,
}

/// Reads images: `u8`, three dimensions.
///
/// # Errors
/// [`IdxError`] if `source` is not exactly one whole IDX file of images.
pub fn images_from_idx(source: impl Read) -> Result<IdxImages, IdxError> {
    let mut source = plain(source).map_err(|source| IdxError::Read { part: "start", source })?;
    let [count, height, width] = read_header(&mut source, IMAGES_MAGIC)?;
    let unfit = IdxError::ShapeOutOfRange { height, width };
    let (Ok(high), Ok(wide)) = (usize::try_from(height), usize::try_from(width)) else {
        return Err(unfit);
    };
    let Some(shape) = ImageShape::new(high, wide) else {
        return Err(unfit);
    };
    let bytes = u64::from(count) * shape.values() as u64;
    if bytes > PIXEL_BYTES_MAX {
        return Err(IdxError::BytesTooMany { got: bytes });
    }
    Ok(IdxImages { shape, pixels: read_values(&mut source, bytes)? })
}

/// Reads labels: `u8`, one dimension.
///
/// # Errors
/// [`IdxError`] if `source` is not exactly one whole IDX file of labels.
pub fn labels_from_idx(source: impl Read) -> Result<Vec<u8>, IdxError> {
    let mut source = plain(source).map_err(|source| IdxError::Read { part: "start", source })?;
    let [count] = read_header(&mut source, LABELS_MAGIC)?;
    read_values(&mut source, u64::from(count))
}

/// The dimensions, of which the first counts the rows: 1 to [`ROWS_MAX`].
fn read_header<const DIMENSIONS: usize>(
    source: &mut impl Read,
    magic: [u8; 4],
) -> Result<[u32; DIMENSIONS], IdxError> {
    let expected = 4 + 4 * DIMENSIONS as u64;
    let header = read_bounded(source, expected, "header")?;
    // What is too short but begins wrongly is not a cut-off file but another one.
    let start = header.first_chunk().copied().unwrap_or(magic);
    if start != magic {
        return Err(IdxError::MagicMismatch { expected: magic, got: start });
    }
    if header.len() as u64 != expected {
        return Err(IdxError::Truncated { part: "header", expected, got: header.len() as u64 });
    }
    let mut dimensions = [0; DIMENSIONS];
    for (dimension, bytes) in dimensions.iter_mut().zip(header[4..].as_chunks().0) {
        *dimension = u32::from_be_bytes(*bytes);
    }
    match dimensions[0] {
        0 => Err(IdxError::Empty),
        got if got as usize > ROWS_MAX => Err(IdxError::RowsTooMany { got }),
        _ => Ok(dimensions),
    }
}

/// Exactly `expected` bytes, after which the source ends.
fn read_values(source: &mut impl Read, expected: u64) -> Result<Vec<u8>, IdxError> {
    // One byte more than announced, so that a file that goes on is told from one that ends.
    let mut values = read_bounded(source, expected + 1, "values")?;
    let got = values.len() as u64;
    if got < expected {
        return Err(IdxError::Truncated { part: "values", expected, got });
    }
    if got > expected {
        return Err(IdxError::Trailing { expected });
    }
    values.shrink_to_fit();
    Ok(values)
}

/// At most `max` bytes; fewer if the source, or the archive around it, ends before.
fn read_bounded(source: &mut impl Read, max: u64, part: &'static str) -> Result<Vec<u8>, IdxError> {
    let mut bytes = Vec::new();
    match source.take(max).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(IdxError::ArchiveTruncated { part, got: bytes.len() as u64 })
        }
        Err(source) => Err(IdxError::Read { part, source }),
    }
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for IdxImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.pixels.len();
        f.debug_struct("IdxImages").field("shape", &self.shape).field("bytes", &bytes).finish()
    }
}
