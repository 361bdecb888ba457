//! Fashion-MNIST from its IDX files.

use std::path::Path;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;
use trainer_model::{Examples, Features};

use super::Failure;

/// Pixels of an image: 28 × 28.
pub(crate) const PIXELS: usize = 784;
/// Kinds of clothing.
pub(crate) const CLASSES: usize = 10;
/// Magic numbers of IDX files of bytes: three dimensions, one dimension.
const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Both parts of the data set.
pub(crate) struct Images {
    training: Part,
    test: Part,
}

struct Part {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Reads the four unpacked files of `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        Ok(Self { training: Part::read(dir, "train")?, test: Part::read(dir, "t10k")? })
    }

    /// `rows` training images for each of `contributors`, dealt at random.
    pub(crate) fn deal(
        &self,
        contributors: usize,
        rows: usize,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<Examples>, Failure> {
        let mut order: Vec<usize> = (0..self.training.labels.len()).collect();
        order.shuffle(rng);
        let hands = order.chunks_exact(rows).take(contributors);
        let dealt: Result<Vec<_>, _> = hands.map(|hand| self.training.examples(hand)).collect();
        let dealt = dealt?;
        if dealt.len() < contributors {
            return Err(format!("{} contributors get {rows} images", dealt.len()).into());
        }
        Ok(dealt)
    }

    /// All test images.
    pub(crate) fn test(&self) -> Result<Examples, Failure> {
        let all: Vec<usize> = (0..self.test.labels.len()).collect();
        self.test.examples(&all)
    }
}

impl Part {
    fn read(dir: &Path, name: &str) -> Result<Self, Failure> {
        let file = |kind: &str| -> Result<Vec<u8>, Failure> {
            let path = dir.join(format!("{name}-{kind}-ubyte"));
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
        };
        let (images, labels) = (file("images-idx3")?, file("labels-idx1")?);
        let pixels = body(&images, IMAGES_MAGIC, 16)?.to_vec();
        let labels = body(&labels, LABELS_MAGIC, 8)?.to_vec();
        if pixels.len() != labels.len() * PIXELS {
            return Err(format!("{} pixels for {} labels", pixels.len(), labels.len()).into());
        }
        Ok(Self { pixels, labels })
    }

    /// The images at `rows`, pixels brought to mean 0 and deviation 1 by the data set's published figures.
    fn examples(&self, rows: &[usize]) -> Result<Examples, Failure> {
        const MEAN: f32 = 0.286;
        const DEVIATION: f32 = 0.353;
        let pixels = rows.iter().flat_map(|row| &self.pixels[row * PIXELS..][..PIXELS]);
        let values = pixels.map(|pixel| (f32::from(*pixel) / 255.0 - MEAN) / DEVIATION).collect();
        let labels: Vec<u32> = rows.iter().map(|row| self.labels[*row].into()).collect();
        Ok(Examples::new(Features::new(values, PIXELS)?, &labels, CLASSES)?)
    }
}

fn body(file: &[u8], magic: u32, header: usize) -> Result<&[u8], Failure> {
    let word = |at: usize| {
        file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
    };
    let count = word(4).and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
    let each = if magic == IMAGES_MAGIC { PIXELS } else { 1 };
    match file.get(header..) {
        Some(body) if word(0) == Some(magic) && body.len() == count * each => Ok(body),
        _ => Err("not an IDX file of 28 × 28 images or their labels (unpacked?)".into()),
    }
}
