//! What is done to images before a model sees them: the scale of their pixels, and random changes of those that are
//! trained on.

use std::{fmt, str::FromStr};

use anyhow::bail;
use trainer_model::Augmentation;

use super::prepared::Inputs;

/// A random change of training images, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageChange {
    /// Moved by up to so many pixels in each direction.
    Crop(usize),
    /// Every other one mirrored, left and right changing sides.
    Flip,
}

impl FromStr for ImageChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "flip" => Ok(Self::Flip),
            Some(("crop", pixels)) => {
                pixels.parse().map(Self::Crop).map_err(|error| format!("crop:{pixels}: {error}"))
            }
            _ => Err(format!("expected crop:PIXELS or flip, got {text:?}")),
        }
    }
}

/// All changes of a plan; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ImageChanges {
    crop: Option<usize>,
    flip: bool,
}

impl ImageChanges {
    /// Puts the changes together.
    ///
    /// # Errors
    /// One of them is asked for twice.
    pub(crate) fn new(changes: &[ImageChange]) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for change in changes {
            let twice = match change {
                ImageChange::Crop(pixels) => all.crop.replace(*pixels).is_some(),
                ImageChange::Flip => std::mem::replace(&mut all.flip, true),
            };
            if twice {
                bail!("--augment: each change is asked for once");
            }
        }
        Ok(all)
    }

    /// As the model's crate takes them, for rows of this kind; none if nothing is asked for.
    ///
    /// # Errors
    /// Changes of what is no image.
    pub(crate) fn augmentation(
        self,
        inputs: &Inputs,
        scale: PixelScale,
        name: &str,
    ) -> anyhow::Result<Option<Augmentation>> {
        if self == Self::default() {
            return Ok(None);
        }
        let Inputs::Image(shape) = *inputs else {
            bail!("--augment changes images, the rows of {name} are none");
        };
        // Black, which images are surrounded with before they are brought to scale.
        let fill = scale.scaled(0.0);
        let padding = self.crop.unwrap_or(0);
        Ok(Some(Augmentation { shape, padding, flip: self.flip, fill }))
    }
}

/// As on the command line; empty if there are none.
impl fmt::Display for ImageChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.crop, self.flip) {
            (None, false) => Ok(()),
            (None, true) => f.write_str("flip"),
            (Some(pixels), false) => write!(f, "crop:{pixels}"),
            (Some(pixels), true) => write!(f, "crop:{pixels},flip"),
        }
    }
}

/// Pixels from 0 to 1 become (pixel − mean)/deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelScale {
    mean: f32,
    deviation: f32,
}

impl PixelScale {
    /// Leaves pixels as they are.
    pub(crate) const PLAIN: Self = Self { mean: 0.0, deviation: 1.0 };

    /// A pixel on the scale.
    pub(crate) const fn scaled(self, pixel: f32) -> f32 {
        (pixel - self.mean) / self.deviation
    }

    /// Brings pixels to the scale.
    pub(crate) fn apply(self, pixels: &mut [f32]) {
        if self != Self::PLAIN {
            pixels.iter_mut().for_each(|pixel| *pixel = self.scaled(*pixel));
        }
    }
}

impl FromStr for PixelScale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once(',').map(|(mean, deviation)| (mean.parse(), deviation.parse()));
        match numbers {
            Some((Ok(mean), Ok(deviation))) => {
                let scale = Self { mean, deviation };
                let finite = |pixel| f32::is_finite(scale.scaled(pixel));
                if deviation > 0.0 && finite(0.0) && finite(1.0) {
                    Ok(scale)
                } else {
                    Err(format!("a finite mean and a deviation above 0 are needed, got {text:?}"))
                }
            }
            _ => Err(format!("expected MEAN,DEVIATION, got {text:?}")),
        }
    }
}

impl fmt::Display for PixelScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.mean, self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_printed_as_they_are_read() {
        for text in ["crop:4,flip", "crop:0", "flip"] {
            let changes: Vec<_> = text.split(',').map(|part| part.parse().unwrap()).collect();
            assert_eq!(ImageChanges::new(&changes).unwrap().to_string(), text);
        }
        for text in ["crop", "crop:", "crop:-1", "flip:1", "rotate"] {
            assert!(text.parse::<ImageChange>().is_err(), "{text}");
        }
        let twice = [ImageChange::Flip, ImageChange::Flip];
        assert!(ImageChanges::new(&twice).is_err());
    }

    #[test]
    fn black_around_an_image_is_on_the_scale_of_its_pixels() {
        let scale: PixelScale = "0.1307,0.3081".parse().unwrap();
        let changes = ImageChanges::new(&[ImageChange::Crop(4)]).unwrap();
        let inputs = Inputs::Image([1, 28, 28]);
        let augmentation = changes.augmentation(&inputs, scale, "images").unwrap().unwrap();
        let mut black = [0.0];
        scale.apply(&mut black);
        assert_eq!(augmentation.fill.to_bits(), black[0].to_bits());
        assert!((augmentation.fill + 0.424_213).abs() < 1e-6);
        assert!(changes.augmentation(&Inputs::Numbers, scale, "wine").is_err());
    }

    #[test]
    fn a_scale_is_printed_as_it_is_read_and_bad_ones_are_refused() {
        assert_eq!("0.5,2".parse::<PixelScale>().unwrap().to_string(), "0.5,2");
        for text in ["1", "1,0", "1,-1", "nan,1", "0,inf,1", "1e30,1e-30"] {
            assert!(text.parse::<PixelScale>().is_err(), "{text}");
        }
    }
}
