use pulp::{Arch, Scalar};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::cpu::outer::Outer;

/// A product, its factors, and what it should be.
struct Case {
    rows: usize,
    shape: Panels,
    segments: Vec<usize>,
    length: usize,
    starts: Vec<usize>,
    left: Vec<f32>,
    right: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    /// Rows of `segments` parts of `length` values that overlap each other, as those of images do.
    fn new(rows: usize, columns: usize, (segments, length): (usize, usize), seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut draw = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-1.0..1.0_f32)).collect()
        };
        let shape = Panels::new(segments * length, columns);
        Self {
            rows,
            shape,
            segments: (0..segments).map(|segment| segment * (length + 3)).collect(),
            length,
            starts: (0..rows).map(|row| row * 2).collect(),
            left: draw(2 * rows + segments * (length + 3)),
            right: draw(shape.len()),
            bias: draw(shape.columns),
        }
    }

    fn left(&self, row: usize, k: usize) -> f32 {
        self.left[self.starts[row] + self.segments[k / self.length] + k % self.length]
    }

    /// One chain of fused multiply-adds for each value.
    fn expected(&self) -> Vec<f32> {
        let value = |at: usize| {
            let (row, column) = (at / self.shape.columns, at % self.shape.columns);
            let term = |sum: f32, k: usize| {
                self.left(row, k).mul_add(self.right[self.shape.index(k, column)], sum)
            };
            (0..self.shape.rows).fold(self.bias[column], term).max(0.0)
        };
        (0..self.rows * self.shape.columns).map(value).collect()
    }

    fn product<'a>(&'a self, out: &'a mut [f32]) -> Product<'a> {
        let Self { left, starts, segments, length, .. } = self;
        Product {
            left: Rows { values: left, starts, segments, length: *length },
            right: &self.right,
            shape: self.shape,
            first: 0,
            start: Start::Bias(&self.bias),
            rectified: true,
            out,
            stride: self.shape.columns,
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_product_is_a_chain_of_fused_multiply_adds_on_every_machine() {
    let sizes = [1, 2, 3, 5, 13, 14, 15, 29];
    for (seed, rows) in (1..).zip(sizes) {
        for columns in [1, 16, 17, 33, 48, 70] {
            for segments in [(1, 1), (1, 40), (3, 7)] {
                let case = Case::new(rows, columns, segments, seed);
                let expected = bits(&case.expected());
                let mut out = vec![f32::NAN; expected.len()];
                Arch::new().dispatch(case.product(&mut out));
                assert_eq!(bits(&out), expected, "{rows} {columns} {segments:?}");
                out.fill(f32::NAN);
                Scalar::new().vectorize(case.product(&mut out));
                assert_eq!(bits(&out), expected, "plain {rows} {columns} {segments:?}");
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = pulp::x86::V3::try_new() {
                    out.fill(f32::NAN);
                    Simd::vectorize(simd, case.product(&mut out));
                    assert_eq!(bits(&out), expected, "AVX2 {rows} {columns} {segments:?}");
                }
            }
        }
    }
}

#[test]
fn a_sum_of_outer_products_is_a_chain_of_fused_multiply_adds_on_every_machine() {
    for (seed, rows) in (1..).zip([1, 2, 9, 32]) {
        for (count, columns) in [(1, 1), (5, 17), (16, 70), (31, 40)] {
            let case = Case::new(rows, columns, (1, count), seed);
            let right_starts: Vec<usize> = (0..rows).map(|row| row * 3).collect();
            let right: Vec<f32> = case.left.iter().cycle().take(3 * rows + 100).copied().collect();
            let before: Vec<f32> = case.right.clone();
            let mut expected = before.clone();
            for (k, column) in (0..count).flat_map(|k| (0..columns).map(move |c| (k, c))) {
                let at = case.shape.index(k, column);
                expected[at] = (0..rows).fold(before[at], |sum, p| {
                    case.left(p, k).mul_add(right[right_starts[p] + column], sum)
                });
            }
            let run = |simd: Option<Arch>| {
                let mut out = before.clone();
                let outer = Outer {
                    left: &case.left,
                    left_starts: &case.starts,
                    offset: 0,
                    right: &right,
                    right_starts: &right_starts,
                    first: 0,
                    count,
                    shape: case.shape,
                    out: &mut out,
                    fresh: false,
                };
                match simd {
                    Some(arch) => arch.dispatch(outer),
                    None => Scalar::new().vectorize(outer),
                }
                let value = |(k, column)| out[case.shape.index(k, column)].to_bits();
                (0..count)
                    .flat_map(|k| (0..columns).map(move |column| (k, column)))
                    .map(value)
                    .collect::<Vec<u32>>()
            };
            let expected: Vec<u32> = (0..count)
                .flat_map(|k| (0..columns).map(move |column| (k, column)))
                .map(|(k, column)| expected[case.shape.index(k, column)].to_bits())
                .collect();
            assert_eq!(run(Some(Arch::new())), expected, "{rows} {count} {columns}");
            assert_eq!(run(None), expected, "plain {rows} {count} {columns}");
        }
    }
}
