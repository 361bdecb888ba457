//! Random changes of the images that a contributor trains on.

use rand::{Rng, RngExt as _};

use crate::{Architecture, Examples, ModelError};

/// How each image is changed whenever a step takes it, so that no two epochs see the same one.
///
/// First it is moved: surrounded by `padding` pixels of `fill` and cut to its size again, each place
/// with the same probability. Then, if `flip` says so, it is mirrored, left and right changing sides,
/// with probability 1/2. Labels stay. Nothing is drawn for what is not asked for, so that a padding
/// of 0 without mirroring is the same as no augmentation, bit for bit.
///
/// Source: Krizhevsky, Sutskever & Hinton 2012, "`ImageNet` Classification with Deep Convolutional
/// Neural Networks", §4.1; as `torchvision`'s `RandomCrop` and `RandomHorizontalFlip`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Channels, height and width of an image; the values of a row are `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Pixels around the image, below its height and its width: some of the image is always left.
    pub padding: usize,
    /// Whether every other image is mirrored, on average.
    pub flip: bool,
    /// The value of the pixels around the image: that of black, in the scale of the features.
    pub fill: f32,
}

impl Augmentation {
    /// Whether the settings can be carried out at all.
    pub(crate) fn is_sound(&self) -> bool {
        let [channels, height, width] = self.shape;
        let values = channels.checked_mul(height).and_then(|plane| plane.checked_mul(width));
        values.is_some_and(|values| values > 0)
            && self.padding < height.min(width)
            && self.fill.is_finite()
    }

    /// Whether the inputs of `architecture` are such images.
    pub(crate) fn check_fit(&self, architecture: &Architecture) -> Result<(), ModelError> {
        let inputs = architecture.inputs();
        if (0..inputs).any(|column| architecture.levels(column).is_some()) {
            let reason = "augmentation moves pixels, and this model sees categories";
            return Err(ModelError::PlanUnsupported { reason });
        }
        if self.shape.iter().product::<usize>() != inputs {
            let reason = "augmentation is for images of another size than the model's";
            return Err(ModelError::PlanUnsupported { reason });
        }
        Ok(())
    }

    fn draw(&self, rng: &mut impl Rng) -> Change {
        let mut place = || match u32::try_from(2 * self.padding) {
            Ok(0) | Err(_) => 0,
            Ok(last) => rng.random_range(0..=last) as usize,
        };
        let (down, right) = (place(), place());
        Change { down, right, mirrored: self.flip && rng.random() }
    }

    /// Puts a changed image into `out`; both are `[channels, height, width]`.
    fn put(&self, change: Change, image: &[f32], out: &mut [f32]) {
        let [_, height, width] = self.shape;
        let (plane, padding) = (height * width, self.padding);
        // Columns of the frame that is cut out which lie in the image, and where they lie there.
        let (before, from) =
            (padding.saturating_sub(change.right), change.right.saturating_sub(padding));
        let length = width - before.max(from);
        for (image, out) in image.chunks_exact(plane).zip(out.chunks_exact_mut(plane)) {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                out.fill(self.fill);
                let at = (y + change.down).checked_sub(padding).filter(|at| *at < height);
                if let Some(at) = at {
                    let pixels = &image[at * width + from..][..length];
                    out[before..before + length].copy_from_slice(pixels);
                }
                if change.mirrored {
                    out.reverse();
                }
            }
        }
    }
}

/// What happens to one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    /// The first row that is cut out, in the image with padding.
    down: usize,
    /// The first column that is cut out, in the image with padding.
    right: usize,
    mirrored: bool,
}

/// Space for the changed images of one step.
pub(crate) struct Augmenter {
    augmentation: Augmentation,
    batch: Examples,
    rows: Vec<usize>,
}

impl Augmenter {
    /// * `batch_max` — images for which space is taken; a larger batch takes more.
    pub(crate) fn new(augmentation: Augmentation, examples: &Examples, batch_max: usize) -> Self {
        Self { augmentation, batch: examples.with_space(batch_max), rows: Vec::new() }
    }

    /// The rows `batch` of `examples`, each changed anew, and their numbers there: 0, 1, 2, ….
    pub(crate) fn changed(
        &mut self,
        examples: &Examples,
        batch: &[usize],
        rng: &mut impl Rng,
    ) -> (&Examples, &[usize]) {
        let augmentation = self.augmentation;
        self.batch.refill(examples, batch, |image, out| {
            augmentation.put(augmentation.draw(rng), image, out);
        });
        self.rows.extend(self.rows.len()..batch.len());
        (&self.batch, &self.rows[..batch.len()])
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::Features;

    const FILL: f32 = -1.0;

    fn augmentation(padding: usize, flip: bool) -> Augmentation {
        Augmentation { shape: [2, 3, 4], padding, flip, fill: FILL }
    }

    /// Two channels of 3 × 4 pixels: 0 to 23.
    fn image() -> Vec<f32> {
        (0..24_u8).map(f32::from).collect()
    }

    fn put(augmentation: &Augmentation, change: Change, image: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; image.len()];
        augmentation.put(change, image, &mut out);
        out
    }

    /// The definition, pixel by pixel.
    fn by_definition(augmentation: &Augmentation, change: Change, image: &[f32]) -> Vec<f32> {
        let [channels, height, width] = augmentation.shape;
        let (padding, mut out) = (augmentation.padding, Vec::new());
        let padded = |channel: usize, y: usize, x: usize| {
            let inside = |at: usize, size: usize| at >= padding && at < padding + size;
            if inside(y, height) && inside(x, width) {
                image[(channel * height + y - padding) * width + x - padding]
            } else {
                FILL
            }
        };
        for channel in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let x = if change.mirrored { width - 1 - x } else { x };
                    out.push(padded(channel, y + change.down, x + change.right));
                }
            }
        }
        out
    }

    #[test]
    fn every_place_and_both_sides_are_exact_to_the_pixel() {
        for padding in 0..3 {
            let augmentation = augmentation(padding, true);
            for down in 0..=2 * padding {
                for right in 0..=2 * padding {
                    for mirrored in [false, true] {
                        let change = Change { down, right, mirrored };
                        let expected = by_definition(&augmentation, change, &image());
                        let got = put(&augmentation, change, &image());
                        assert_eq!(got, expected, "padding {padding}, {change:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_middle_of_the_padding_is_the_image_and_mirroring_twice_gives_it_back() {
        let middle = Change { down: 2, right: 2, mirrored: false };
        assert_eq!(put(&augmentation(2, false), middle, &image()), image());
        let mirrored = Change { down: 0, right: 0, mirrored: true };
        let once = put(&augmentation(0, true), mirrored, &image());
        assert_eq!(once[..8], [3.0, 2.0, 1.0, 0.0, 7.0, 6.0, 5.0, 4.0]);
        assert_eq!(put(&augmentation(0, true), mirrored, &once), image());
    }

    #[test]
    fn places_are_equally_likely_and_every_other_image_is_mirrored() {
        const DRAWS: usize = 50_000;
        let augmentation = augmentation(2, true);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (mut places, mut mirrored) = ([[0_usize; 5]; 5], 0);
        for _ in 0..DRAWS {
            let change = augmentation.draw(&mut rng);
            places[change.down][change.right] += 1;
            mirrored += usize::from(change.mirrored);
        }
        // Binomial with deviation 43.8 about 2 000; 5.5 of them: a false alarm in 10^6 for 25 places.
        for count in places.into_iter().flatten() {
            assert!(count.abs_diff(DRAWS / 25) < 241, "{count}");
        }
        assert!(mirrored.abs_diff(DRAWS / 2) < 560, "{mirrored}");
    }

    #[test]
    fn nothing_is_drawn_for_what_is_not_asked_for() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let unchanged = Change { down: 0, right: 0, mirrored: false };
        assert_eq!(augmentation(0, false).draw(&mut rng), unchanged);
        assert_eq!(rng.random::<u64>(), ChaCha20Rng::seed_from_u64(1).random::<u64>());
    }

    #[test]
    fn a_batch_keeps_labels_and_its_space() {
        let values = [image(), image().iter().map(|value| value + 100.0).collect()].concat();
        let examples = Examples::new(Features::new(values, 24).unwrap(), &[0, 1], 2).unwrap();
        let mut augmenter = Augmenter::new(augmentation(0, false), &examples, 2);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (batch, rows) = augmenter.changed(&examples, &[1, 0], &mut rng);
        assert_eq!((rows, batch.labels()), (&[0, 1][..], &[1, 0][..]));
        assert_eq!(batch.features().values()[0].to_bits(), 100.0_f32.to_bits());
        let at = batch.features().values().as_ptr();
        let (batch, rows) = augmenter.changed(&examples, &[0], &mut rng);
        assert_eq!((rows.len(), batch.count(), batch.features().rows()), (1, 1, 1));
        assert_eq!(batch.features().values(), image());
        assert_eq!(batch.features().values().as_ptr(), at, "no allocation");
    }

    #[test]
    fn unsound_settings_are_seen() {
        assert!(augmentation(2, true).is_sound());
        assert!(!augmentation(3, true).is_sound(), "nothing of the image would be left");
        for shape in [[0, 3, 4], [usize::MAX, 3, 4]] {
            assert!(!Augmentation { shape, ..augmentation(0, true) }.is_sound());
        }
        assert!(!Augmentation { fill: f32::NAN, ..augmentation(0, true) }.is_sound());
    }
}
