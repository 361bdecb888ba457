//! `out += leftᵀ · right`, the gradient of a weight: the sum over examples (or pixels) of the outer
//! products of what went into a layer and the gradient of what came out.
//!
//! As in [`product`](super::product), a tile is summed in registers, and each value is one chain of
//! fused multiply-adds in the order of the rows.

use std::array;

use pulp::{Simd, WithSimd};

use super::{
    panels::{NARROW, PANEL, Panel, Panels, parts},
    product::{ROWS_FEW, ROWS_MANY, vectors, with_constant_rows},
};

/// A sum of outer products to be computed.
pub(super) struct Outer<'a> {
    /// Row `p` is `count` values from `left_starts[p] + offset`.
    pub(super) left: &'a [f32],
    pub(super) left_starts: &'a [usize],
    pub(super) offset: usize,
    /// Row `p` is `shape.columns` values from `right_starts[p]`.
    pub(super) right: &'a [f32],
    pub(super) right_starts: &'a [usize],
    /// The rows of the result that are computed.
    pub(super) first: usize,
    pub(super) count: usize,
    /// The result, in panels.
    pub(super) shape: Panels,
    pub(super) out: &'a mut [f32],
    /// Whether the result is overwritten instead of added to.
    pub(super) fresh: bool,
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lengths = if S::REGISTER_COUNT >= 32 { &ROWS_MANY[..] } else { &ROWS_FEW[..] };
        for panel in self.shape.panels() {
            for (row, rows) in parts(self.count, lengths) {
                if panel.width == PANEL {
                    self.rows::<S, PANEL>(simd, panel, row, rows);
                } else {
                    self.rows::<S, NARROW>(simd, panel, row, rows);
                }
            }
        }
    }
}

impl Outer<'_> {
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
        let start = panel.start + (self.first + row) * W;
        for group in 0..W / columns {
            let out = &mut self.out[start..start + M * W];
            let (out, _) = out.as_chunks_mut::<W>();
            let mut sums: [[S::f32s; V]; M] = if self.fresh {
                [[simd.splat_f32s(0.0); V]; M]
            } else {
                array::from_fn(|r| vectors::<S, V>(&out[r][group * columns..]))
            };
            let (left, right) = (self.offset + row, panel.column + group * columns);
            for (&l, &r) in self.left_starts.iter().zip(self.right_starts) {
                let left: &[f32; M] =
                    self.left[l + left..].first_chunk().expect("a row has all its values");
                let right: [S::f32s; V] = vectors::<S, V>(&self.right[r + right..]);
                for r in 0..M {
                    let left = simd.splat_f32s(left[r]);
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_f32s(left, right[v], sums[r][v]);
                    }
                }
            }
            for (out, sums) in out.iter_mut().zip(&sums) {
                let (out, _) = S::as_mut_simd_f32s(&mut out[group * columns..][..columns]);
                out.copy_from_slice(sums);
            }
        }
    }
}

/// A sum of rows, the gradient of a bias.
pub(super) struct RowSum<'a> {
    pub(super) values: &'a [f32],
    pub(super) starts: &'a [usize],
    /// Whether the result is overwritten instead of added to.
    pub(super) fresh: bool,
    pub(super) out: &'a mut [f32],
}

impl WithSimd for RowSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        if self.fresh {
            self.out.fill(0.0);
        }
        for &start in self.starts {
            let row = &self.values[start..][..self.out.len()];
            self.out.iter_mut().zip(row).for_each(|(out, value)| *out += value);
        }
    }
}
