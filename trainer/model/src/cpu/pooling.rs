//! The largest value of each window, and the way back.

use pulp::{Simd, WithSimd};

use super::convolution::Frame;
use crate::architecture::cnn::Stage;

/// What pooling makes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pooled {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// The side of the window, which is also its stride.
    window: usize,
    /// Pixels of a row before pooling.
    row: usize,
}

impl Pooled {
    pub(super) const fn new(stage: &Stage, before: Frame) -> Self {
        let [height, width] = stage.pooled;
        let window = stage.convolution.pooling.window();
        Self { height, width, channels: before.channels, window, row: before.width }
    }

    /// The number of values.
    pub(super) const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// As a frame without margin.
    pub(super) const fn frame(self) -> Frame {
        Frame { height: self.height, width: self.width, channels: self.channels, margin: 0 }
    }

    fn pixels(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.height).flat_map(move |y| (0..self.width).map(move |x| (y, x)))
    }

    /// The pixels of a window, in the order in which they are compared.
    fn window(self, y: usize, x: usize) -> impl Iterator<Item = (u32, usize, usize)> {
        let side = self.window;
        (0_u32..)
            .zip((0..side).flat_map(move |dy| (0..side).map(move |dx| (dy, dx))))
            .map(move |(index, (dy, dx))| (index, y * side + dy, x * side + dx))
    }
}

/// What is noted for a window without a value above zero: the rectifier lets no gradient through.
const NONE: u32 = u32::MAX;

/// Takes the largest value of each window; of equals, the first.
pub(super) struct Pool<'a> {
    pub(super) pooled: Pooled,
    /// Rectified, `[pixels, channels]`.
    pub(super) values: &'a [f32],
    /// `[pooled]`: which pixel of its window each is from.
    pub(super) choices: &'a mut [u32],
    /// The pooled image, within `place`.
    pub(super) out: &'a mut [f32],
    pub(super) place: Frame,
}

impl WithSimd for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pooled, values, choices, out, place } = self;
        let channels = pooled.channels;
        for ((y, x), choices) in pooled.pixels().zip(choices.chunks_exact_mut(channels)) {
            let out = &mut out[place.pixel(y, x)..][..channels];
            out.fill(0.0);
            choices.fill(NONE);
            for (index, y, x) in pooled.window(y, x) {
                let values = &values[(y * pooled.row + x) * channels..][..channels];
                for ((out, choice), value) in out.iter_mut().zip(&mut *choices).zip(values) {
                    // Not a number is larger than anything, so that it is not lost.
                    let larger = (*value > *out) | value.is_nan();
                    *choice = if larger { index } else { *choice };
                    *out = if larger { *value } else { *out };
                }
            }
        }
    }
}

/// Puts the gradient of each pooled value where it was taken from, and zero beside it.
pub(super) struct Unpool<'a> {
    pub(super) pooled: Pooled,
    /// `[pooled]`, as are the choices.
    pub(super) values: &'a [f32],
    pub(super) choices: &'a [u32],
    /// The gradient of the image before rectifier and pooling, within `frame`.
    pub(super) out: &'a mut [f32],
    pub(super) frame: Frame,
}

impl WithSimd for Unpool<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pooled, values, choices, out, frame } = self;
        let channels = pooled.channels;
        let pixels = values.chunks_exact(channels).zip(choices.chunks_exact(channels));
        for ((y, x), (values, choices)) in pooled.pixels().zip(pixels) {
            for (index, y, x) in pooled.window(y, x) {
                let out = &mut out[frame.pixel(y, x)..][..channels];
                for ((out, value), choice) in out.iter_mut().zip(values).zip(choices) {
                    *out = if *choice == index { *value } else { 0.0 };
                }
            }
        }
    }
}
