//! Rules that sort each coordinate: median and trimmed mean.
//!
//! Coordinates are independent, so any cut of the vectors into pieces gives the same bits. A piece of
//! [`LANES`] coordinates of all updates is sorted at once by a network of compare-exchanges: the same
//! operations whatever the values, without branches, side by side in the lanes.

use std::ops::Range;

use crate::{
    Updates,
    number::{float, single},
};

/// Coordinates sorted side by side: with 100 updates a piece is 25 KiB and stays in the first cache.
const LANES: usize = 64;

type Row = [f32; LANES];

/// The 0-based ranks whose mean is the coordinate median of `n` ≥ 1 updates: with an even number the two in the middle.
///
/// Source: Yin et al. 2018, "Byzantine-Robust Distributed Learning", Definition 1.
pub(super) const fn median(n: usize) -> Range<usize> {
    (n - 1) / 2..n / 2 + 1
}

/// The 0-based ranks that are left of each coordinate of `n` updates without its `cut` smallest and `cut` largest values;
/// 2·cut < n.
///
/// Source: Yin et al. 2018, Definition 2.
pub(super) const fn trimmed_mean(n: usize, cut: usize) -> Range<usize> {
    cut..n - cut
}

/// The mean `[d]` of the values of each coordinate whose 0-based rank is in `ranks`.
pub(super) fn mean_of_ranks(updates: &Updates<'_>, ranks: &Range<usize>) -> Vec<f32> {
    let network = comparators(updates.count(), ranks);
    let mut rows = vec![[0.0; LANES]; updates.count()];
    let mut result = Vec::with_capacity(updates.dimension());
    for start in (0..updates.dimension()).step_by(LANES) {
        let end = updates.dimension().min(start + LANES);
        for (row, update) in rows.iter_mut().zip(updates.as_slices()) {
            for (value, &coordinate) in row.iter_mut().zip(&update[start..end]) {
                // Minus zero becomes zero: equal values have equal bits, whatever order they came in.
                *value = coordinate + 0.0;
            }
        }
        for &(low, high) in &network {
            exchange(&mut rows, low, high);
        }
        let means = row_mean(&rows[ranks.clone()]);
        result.extend(means.iter().take(end - start).map(|mean| single(*mean)));
    }
    result
}

fn row_mean(rows: &[Row]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for row in rows {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    sums.map(|sum| sum / float(rows.len()))
}

/// Puts the smaller of each lane into row `low`, the larger into row `high`.
fn exchange(rows: &mut [Row], low: usize, high: usize) {
    let (head, tail) = rows.split_at_mut(high);
    let (smaller, larger) = (&mut head[low], &mut tail[0]);
    // All of one side before the other is written: the compiler then uses vector minima and maxima.
    let mut minima = [0.0; LANES];
    for lane in 0..LANES {
        minima[lane] = if smaller[lane] < larger[lane] { smaller[lane] } else { larger[lane] };
    }
    for lane in 0..LANES {
        larger[lane] = if smaller[lane] > larger[lane] { smaller[lane] } else { larger[lane] };
    }
    *smaller = minima;
}

/// The compare-exchanges (low, high), low < high, after which rows `wanted` hold what sorting would put
/// there.
///
/// Source: Batcher's merge exchange, Knuth, TAOCP vol. 3, §5.2.2, Algorithm M, for any n; those that no
/// wanted row depends on are left out.
fn comparators(n: usize, wanted: &Range<usize>) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    let top = n.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut distance) = (top, 0, p);
        loop {
            let low = (0..n.saturating_sub(distance)).filter(|i| i & p == r);
            all.extend(low.map(|i| (i, i + distance)));
            if q == p {
                break;
            }
            (distance, r) = (q - p, p);
            q /= 2;
        }
        p /= 2;
    }
    let mut needed: Vec<_> = (0..n).map(|row| wanted.contains(&row)).collect();
    let mut kept: Vec<_> = (all.into_iter().rev())
        .filter(|&(low, high)| {
            let kept = needed[low] || needed[high];
            needed[low] |= kept;
            needed[high] |= kept;
            kept
        })
        .collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the 0–1 principle a network that sorts all zero-one inputs sorts everything.
    #[test]
    fn the_network_sorts_every_zero_one_input() {
        for n in 1..=12_usize {
            let network = comparators(n, &(0..n));
            for bits in 0..1_u32 << n {
                let mut wires: Vec<_> = (0..n).map(|i| bits >> i & 1).collect();
                for &(low, high) in &network {
                    if wires[low] > wires[high] {
                        wires.swap(low, high);
                    }
                }
                assert!(wires.is_sorted(), "n {n}, input {bits:b}");
            }
        }
    }

    #[test]
    fn the_pruned_network_puts_the_right_values_into_the_wanted_rows() {
        for n in [1_usize, 2, 7, 10, 11, 12] {
            let wanted = (n - 1) / 2..n / 2 + 1;
            let network = comparators(n, &wanted);
            for bits in 0..1_u32 << n {
                let mut wires: Vec<_> = (0..n).map(|i| bits >> i & 1).collect();
                let mut sorted = wires.clone();
                sorted.sort_unstable();
                for &(low, high) in &network {
                    if wires[low] > wires[high] {
                        wires.swap(low, high);
                    }
                }
                assert_eq!(wires[wanted.clone()], sorted[wanted.clone()], "n {n}, {bits:b}");
            }
        }
    }
}
