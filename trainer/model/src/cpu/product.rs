//! `out = start + left · right`, the product of rows that lie anywhere with a matrix in panels.
//!
//! A tile of up to 14 rows by one panel is summed in registers over the whole length, so
//! that nothing but the two factors is read. Each value of the result is one chain of fused
//! multiply-adds in the order of the length, whatever the width of the machine's vectors: AVX-512,
//! AVX2 and plain code give the same bits.
//!
//! The rows on the left are made of segments, so that a convolution is a product whose left side is
//! the image itself: the row of a pixel is one segment for each row of the kernel.

use std::array;

use pulp::{Simd, WithSimd};

use super::panels::{NARROW, PANEL, Panel, Panels, parts};

/// Rows of a tile with 32 vector registers: up to 14 × 2 sums, two vectors of the panel, one value of
/// the left side. 32 rows, the usual batch, are 14 + 14 + 4.
pub(super) const ROWS_MANY: [usize; 7] = [14, 10, 8, 5, 4, 2, 1];

/// Rows of a tile with 16 vector registers.
pub(super) const ROWS_FEW: [usize; 4] = [6, 4, 2, 1];

/// Rows of values: row `i` is, one after the other, `length` values from `starts[i] + segment` for
/// each of `segments`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) starts: &'a [usize],
    pub(super) segments: &'a [usize],
    pub(super) length: usize,
}

/// What a product is added to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
    /// Zero.
    Zero,
    /// The same values for each row, `[columns]`.
    Bias(&'a [f32]),
    /// What is in the result already.
    Sum,
}

/// A product to be computed.
pub(super) struct Product<'a> {
    pub(super) left: Rows<'a>,
    /// In panels of `shape`.
    pub(super) right: &'a [f32],
    pub(super) shape: Panels,
    /// The row of `right` that meets the first value of the left side.
    pub(super) first: usize,
    pub(super) start: Start<'a>,
    /// Whether negative results become zero.
    pub(super) rectified: bool,
    /// Row `i` of the result starts at `i · stride`; it has `shape.columns` values.
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lengths = if S::REGISTER_COUNT >= 32 { &ROWS_MANY[..] } else { &ROWS_FEW[..] };
        for panel in self.shape.panels() {
            for (row, rows) in parts(self.left.starts.len(), lengths) {
                if panel.width == PANEL {
                    self.rows::<S, PANEL>(simd, panel, row, rows);
                } else {
                    self.rows::<S, NARROW>(simd, panel, row, rows);
                }
            }
        }
    }
}

/// Calls a method with the number of rows as a constant.
macro_rules! with_constant_rows {
    (@one $self:ident, $method:ident, $simd:ty, $rows:literal, $width:ident, ($($argument:expr),*)) => {
        if 2 * <$simd>::F32_LANES <= $width {
            $self.$method::<$simd, $rows, 2, $width>($($argument),*)
        } else {
            $self.$method::<$simd, $rows, 1, $width>($($argument),*)
        }
    };
    (@all $rows:expr, $self:ident, $method:ident, $simd:ty, $width:ident, $arguments:tt,
        $($constant:literal)*) => {
        match $rows {
            $($constant => with_constant_rows!(
                @one $self, $method, $simd, $constant, $width, $arguments
            ),)*
            _ => {}
        }
    };
    ($rows:expr, $self:ident.$method:ident::<$simd:ty, $width:ident>$arguments:tt) => {
        if <$simd>::REGISTER_COUNT >= 32 {
            with_constant_rows!(@all $rows, $self, $method, $simd, $width, $arguments,
                1 2 4 5 8 10 14)
        } else {
            with_constant_rows!(@all $rows, $self, $method, $simd, $width, $arguments,
                1 2 4 6)
        }
    };
}
pub(super) use with_constant_rows;

impl Product<'_> {
    #[inline(always)]
    fn rows<S: Simd, const W: usize>(&mut self, simd: S, panel: Panel, row: usize, rows: usize) {
        with_constant_rows!(rows, self.tile::<S, W>(simd, panel, row));
    }

    /// `M` rows by the `W` columns of a panel, `V` vectors of columns at a time.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize, const W: usize>(
        &mut self,
        simd: S,
        panel: Panel,
        row: usize,
    ) {
        let columns = V * S::F32_LANES;
        for group in 0..W / columns {
            let column = panel.column + group * columns;
            let sums = self.started::<S, M, V>(simd, row, column);
            let sums = self.added::<S, M, V, W>(simd, sums, panel, row, group);
            self.store::<S, M, V>(simd, &sums, row, column);
        }
    }

    #[inline(always)]
    fn started<S: Simd, const M: usize, const V: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
    ) -> [[S::f32s; V]; M] {
        match self.start {
            Start::Zero => [[simd.splat_f32s(0.0); V]; M],
            Start::Bias(bias) => [vectors::<S, V>(&bias[column..]); M],
            Start::Sum => {
                array::from_fn(|r| vectors::<S, V>(&self.out[(row + r) * self.stride + column..]))
            }
        }
    }

    #[inline(always)]
    fn added<S: Simd, const M: usize, const V: usize, const W: usize>(
        &self,
        simd: S,
        mut sums: [[S::f32s; V]; M],
        panel: Panel,
        row: usize,
        group: usize,
    ) -> [[S::f32s; V]; M] {
        let Rows { values, starts, segments, length } = self.left;
        let starts: &[usize; M] = starts[row..].first_chunk().expect("the tile is within the rows");
        let (panel, _) = self.right[panel.start..].as_chunks::<W>();
        for (index, segment) in segments.iter().enumerate() {
            let left: [&[f32]; M] = array::from_fn(|r| &values[starts[r] + segment..][..length]);
            let right = &panel[self.first + index * length..][..length];
            for k in 0..length {
                let right: [S::f32s; V] = vectors::<S, V>(&right[k][group * V * S::F32_LANES..]);
                for r in 0..M {
                    let left = simd.splat_f32s(left[r][k]);
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_f32s(left, right[v], sums[r][v]);
                    }
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn store<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        sums: &[[S::f32s; V]; M],
        row: usize,
        column: usize,
    ) {
        let zero = simd.splat_f32s(0.0);
        for (r, sums) in sums.iter().enumerate() {
            let at = (row + r) * self.stride + column;
            let out = &mut self.out[at..at + V * S::F32_LANES];
            let (out, _) = S::as_mut_simd_f32s(out);
            for v in 0..V {
                // The second operand is what comes out if one is NaN.
                out[v] = if self.rectified { simd.max_f32s(zero, sums[v]) } else { sums[v] };
            }
        }
    }
}

/// The first `V` vectors of `values`.
#[inline(always)]
pub(super) fn vectors<S: Simd, const V: usize>(values: &[f32]) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(&values[..V * S::F32_LANES]);
    array::from_fn(|v| vectors[v])
}

#[cfg(test)]
mod tests;
