//! One picture: unpacked, and brought to the shape that a model takes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;
use zune_png::PngDecoder;

use crate::{Channels, ImageShape};

use super::png_chunks::{needed_chunks, png_size};

/// The most pixels of a picture, told from its header before anything is unpacked: what most cameras make. It takes 256 MiB.
pub const PICTURE_PIXELS_MAX: usize = 64 << 20;

/// The longest side: PNG and JPEG by other programs stop at 65 535.
const SIDE_MAX: usize = 65_535;

/// What kind of picture a file begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureFormat {
    Png,
    Jpeg,
}

impl PictureFormat {
    /// By the first bytes: the PNG signature (RFC 2083, section 3.1), or JPEG's start of image and next marker.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if start.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else {
            None
        }
    }
}

/// A picture as it was unpacked.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Whether it has colours.
    pub(crate) coloured: bool,
    /// Values of a pixel: 1, 2 (with opacity), 3 or 4.
    depth: usize,
    /// `[height, width, depth]`.
    bytes: Vec<u8>,
}

impl Picture {
    /// Unpacks a picture.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let format = PictureFormat::of(bytes).ok_or("neither PNG nor JPEG")?;
        // The decoders are others' work: whatever a damaged file does to them, it ends in a sentence.
        let decoded = catch_unwind(AssertUnwindSafe(|| match format {
            PictureFormat::Png => decode_png(bytes),
            PictureFormat::Jpeg => decode_jpeg(bytes),
        }));
        let picture = decoded.unwrap_or_else(|_| Err("the picture is damaged".to_owned()))?;
        let pixels = picture.width * picture.height;
        if pixels == 0 || picture.bytes.len() != pixels * picture.depth {
            return Err("the picture is damaged".to_owned());
        }
        Ok(picture)
    }

    /// The picture in `shape`: each value the mean of the area that it covers, so that a picture of the same
    /// size is unchanged. Its proportions become those of the shape. `[channels, height, width]`.
    pub(crate) fn in_shape(&self, shape: ImageShape) -> Vec<u8> {
        let columns = spans(self.width, shape.width());
        let rows = spans(self.height, shape.height());
        let plane = |value: &dyn Fn(&[u8]) -> f64| -> Vec<u8> {
            let cells = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
            cells.map(|(row, column)| self.mean(row, column, value)).collect()
        };
        match shape.channels() {
            Channels::Grey => plane(&|pixel| grey(pixel)),
            Channels::Colour => {
                (0..3).flat_map(|channel| plane(&|pixel| colour(pixel, channel))).collect()
            }
        }
    }

    fn mean(&self, rows: &Span, columns: &Span, value: &dyn Fn(&[u8]) -> f64) -> u8 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, height) in rows.cells() {
            for (column, width) in columns.cells() {
                let at = (row * self.width + column) * self.depth;
                let area = height * width;
                sum += area * value(&self.bytes[at..at + self.depth]);
                total += area;
            }
        }
        byte(sum / total)
    }
}

/// A stretch of pixels, its ends in fractions of them.
struct Span {
    start: f64,
    end: f64,
    pixels: usize,
}

impl Span {
    /// Each pixel that it touches, and how much of it.
    fn cells(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let first = whole(self.start);
        let last = whole(self.end.ceil()).min(self.pixels).max(first + 1);
        (first..last).map(|at| {
            let (left, right) = (at as f64, at as f64 + 1.0);
            (at.min(self.pixels - 1), (self.end.min(right) - self.start.max(left)).max(1e-9))
        })
    }
}

/// `pixels` cut into `parts` stretches of one length.
fn spans(pixels: usize, parts: usize) -> Vec<Span> {
    let end = |part: usize| (pixels * part) as f64 / parts as f64;
    (0..parts).map(|part| Span { start: end(part), end: end(part + 1), pixels }).collect()
}

/// Luma of ITU-R BT.601, as JPEG has it.
fn grey(pixel: &[u8]) -> f64 {
    if pixel.len() < 3 {
        return colour(pixel, 0);
    }
    0.299 * colour(pixel, 0) + 0.587 * colour(pixel, 1) + 0.114 * colour(pixel, 2)
}

/// A channel over white, as a viewer shows it.
fn colour(pixel: &[u8], channel: usize) -> f64 {
    let value = f64::from(if pixel.len() < 3 { pixel[0] } else { pixel[channel] });
    match pixel {
        [_, opacity] | [_, _, _, opacity] => 255.0 + (value - 255.0) * f64::from(*opacity) / 255.0,
        _ => value,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of bytes is within 0 to 255"
)]
fn byte(mean: f64) -> u8 {
    mean.round() as u8
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a picture is never negative and below 2^17"
)]
const fn whole(place: f64) -> usize {
    place as usize
}

fn options() -> DecoderOptions {
    DecoderOptions::new_safe()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .inflate_set_limit(PICTURE_PIXELS_MAX * 8)
        .png_set_strip_to_8bit(true)
        .png_set_decode_animated(false)
}

fn bounded(dimensions: Option<(usize, usize)>) -> Result<(usize, usize), String> {
    let (width, height) = dimensions.ok_or("the picture has no size")?;
    match width.checked_mul(height) {
        Some(pixels) if pixels <= PICTURE_PIXELS_MAX => Ok((width, height)),
        _ => Err(format!("{width} x {height} pixels, at most {PICTURE_PIXELS_MAX} are read")),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Picture, String> {
    let (width, height) = bounded(png_size(bytes))?;
    let needed = needed_chunks(bytes)?;
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(&needed), options());
    let said = |error| format!("a damaged PNG: {error:?}");
    let bytes = decoder.decode_raw().map_err(said)?;
    let space = decoder.colorspace().ok_or("the picture has no colours")?;
    let coloured = matches!(space, ColorSpace::RGB | ColorSpace::RGBA);
    Ok(Picture { width, height, coloured, depth: space.num_components(), bytes })
}

fn decode_jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    let said = |error| format!("a damaged JPEG: {error:?}");
    decoder.decode_headers().map_err(said)?;
    let (width, height) = bounded(decoder.dimensions())?;
    let coloured = decoder.input_colorspace() != Some(ColorSpace::Luma);
    let space = if coloured { ColorSpace::RGB } else { ColorSpace::Luma };
    decoder.set_options(options().jpeg_set_out_colorspace(space));
    let bytes = decoder.decode().map_err(said)?;
    Ok(Picture { width, height, coloured, depth: space.num_components(), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, depth: usize, bytes: &[u8]) -> Picture {
        Picture { width, height, coloured: depth > 2, depth, bytes: bytes.to_vec() }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let bytes: Vec<u8> = (0..12).map(|value| value * 20).collect();
        let shape = ImageShape::new(3, 4).unwrap();
        assert_eq!(picture(4, 3, 1, &bytes).in_shape(shape), bytes);
    }

    #[test]
    fn a_smaller_picture_is_the_mean_of_areas_and_a_larger_one_repeats() {
        let half = ImageShape::new(1, 2).unwrap();
        let small = picture(4, 2, 1, &[0, 100, 10, 10, 200, 100, 10, 10]).in_shape(half);
        assert_eq!(small, [100, 10]);
        let two_thirds = ImageShape::new(1, 2).unwrap();
        // Each of two covers one and a half of three: (0 + 30/2)/1.5 and (30/2 + 90)/1.5.
        assert_eq!(picture(3, 1, 1, &[0, 30, 90]).in_shape(two_thirds), [10, 70]);
        assert_eq!(picture(1, 1, 1, &[7]).in_shape(ImageShape::new(2, 2).unwrap()), [7; 4]);
    }

    #[test]
    fn colours_become_planes_or_grey_and_what_is_transparent_is_white() {
        let colour = ImageShape::with_channels(Channels::Colour, 1, 2).unwrap();
        let two = picture(2, 1, 3, &[10, 20, 30, 40, 50, 60]);
        assert_eq!(two.in_shape(colour), [10, 40, 20, 50, 30, 60]);
        assert_eq!(picture(1, 1, 3, &[255, 0, 0]).in_shape(ImageShape::new(1, 1).unwrap()), [76]);
        assert_eq!(picture(1, 1, 2, &[0, 0]).in_shape(ImageShape::new(1, 1).unwrap()), [255]);
    }
}
