//! Lists of rows cut into parts.

use rand::{Rng, seq::SliceRandom as _};

use super::u32_from_row;

/// Sizes that add up to `rows` and differ by at most one, the larger ones first.
pub(super) fn even_sizes(rows: usize, parts: usize) -> Vec<usize> {
    (0..parts).map(|part| rows / parts + usize::from(part < rows % parts)).collect()
}

/// All of `0..rows`, shuffled and cut to `sizes`, which add up to `rows`.
pub(super) fn cut_shuffled(rows: usize, sizes: &[usize], rng: &mut impl Rng) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..rows).map(u32_from_row).collect();
    order.shuffle(rng);
    let mut parts = vec![Vec::new(); sizes.len()];
    append_cut(&order, sizes, &mut parts);
    sorted(parts)
}

/// Appends to each part as many of `rows` as `sizes` says; the sizes add up to the rows.
pub(super) fn append_cut(rows: &[u32], sizes: &[usize], parts: &mut [Vec<u32>]) {
    debug_assert_eq!(sizes.iter().sum::<usize>(), rows.len(), "every row is dealt");
    let mut rest = rows;
    for (part, &size) in parts.iter_mut().zip(sizes) {
        let (own, others) = rest.split_at(size);
        part.extend_from_slice(own);
        rest = others;
    }
}

/// Sizes that add up to `rows` in proportion to `weights`, which are not all zero.
///
/// The rows are cut at the cumulative shares, rounded down: exact, without rounding each share.
pub(super) fn proportional_sizes(rows: usize, weights: &[f64]) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    // The last part that has a weight takes what rounding left: a weight of zero is no rows.
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    let (mut sum, mut dealt) = (0.0, 0);
    let size = |(part, weight): (usize, &f64)| {
        sum += weight;
        let end = if part >= last { rows } else { floor(rows as f64 * (sum / total)).min(rows) };
        let size = end - dealt;
        dealt = end;
        size
    };
    weights.iter().enumerate().map(size).collect()
}

/// Each part in ascending order.
pub(super) fn sorted(mut parts: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    for part in &mut parts {
        part.sort_unstable();
        part.shrink_to_fit();
    }
    parts
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of at most ROWS_MAX rows, never negative; the fraction is to be dropped"
)]
const fn floor(share: f64) -> usize {
    share as usize
}
