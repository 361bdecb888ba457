//! Krum and multi-Krum: the updates that have the closest neighbours.

use crate::{Updates, number::float};

use super::RobustError;

/// Coordinates of one pass over all pairs: 100 updates of this piece are 400 KiB and stay in the second
/// cache, so that memory is read once, not once per pair.
const PIECE: usize = 1024;
/// Sums kept side by side: fixed, so that the order of additions, and with it the bits, do not depend on
/// the machine.
const LANES: usize = 16;

/// Returns the indices of the `selected` updates of the lowest scores, ascending.
///
/// The score of an update is the sum of its squared distances to the n - f - 2 updates closest to it.
/// Equal scores: the lower index.
///
/// * `byzantine` — f: contributors that may lie. n ≥ 2f + 3, else the closest neighbours of an update
///   could all be liars.
/// * `selected` — m in 1..=n - f - 2: 1 is Krum, more is multi-Krum.
///
/// Takes O(n²d) operations. Distances are summed in f32 over a lane of 64 coordinates and in f64 beyond;
/// a score's relative error is below 10⁻⁵.
///
/// # Errors
/// [`RobustError::TooManyByzantine`] or [`RobustError::Selection`].
///
/// Source: Blanchard et al. 2017, "Machine Learning with Adversaries", §4 and §6. The bound on m is
/// Damaskinos et al. 2019, "`AggregaThor`": up to it multi-Krum is as resilient as Krum.
pub fn krum_selection(
    updates: &Updates<'_>,
    byzantine: usize,
    selected: usize,
) -> Result<Vec<usize>, RobustError> {
    let n = updates.count();
    check(n, byzantine, selected)?;
    let neighbours = n - byzantine - 2;
    let distances = squared_distances(updates.as_slices());
    let mut ranked: Vec<(f64, usize)> = (0..n)
        .map(|index| (score(&distances[index * n..][..n], index, neighbours), index))
        .collect();
    ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut best: Vec<_> = ranked[..selected].iter().map(|(_, index)| *index).collect();
    best.sort_unstable();
    Ok(best)
}

/// Checks that `n` updates are enough for the selection of `selected`.
pub(super) fn check(n: usize, byzantine: usize, selected: usize) -> Result<(), RobustError> {
    let needed = byzantine.saturating_mul(2).saturating_add(3);
    if n < needed {
        return Err(RobustError::TooManyByzantine { rule: "krum", byzantine, needed, got: n });
    }
    let neighbours = n - byzantine - 2;
    if !(1..=neighbours).contains(&selected) {
        return Err(RobustError::Selection { max: neighbours, got: selected });
    }
    Ok(())
}

/// The sum of the `neighbours` smallest of `row` without the distance to itself.
fn score(row: &[f64], itself: usize, neighbours: usize) -> f64 {
    let others = row.iter().enumerate().filter(|(index, _)| *index != itself);
    let mut others: Vec<f64> = others.map(|(_, distance)| *distance).collect();
    others.sort_unstable_by(f64::total_cmp);
    others[..neighbours].iter().sum()
}

/// Squared distances between all pairs, `[n × n]`; infinite where they leave f32's range.
fn squared_distances(updates: &[&[f32]]) -> Vec<f64> {
    let (n, d) = (updates.len(), updates[0].len());
    let mut distances = vec![0.0; n * n];
    for start in (0..d).step_by(PIECE) {
        let piece = start..d.min(start + PIECE);
        for i in 1..n {
            let a = &updates[i][piece.clone()];
            for j in 0..i {
                distances[i * n + j] += squared_distance(a, &updates[j][piece.clone()]);
            }
        }
    }
    for i in 1..n {
        for j in 0..i {
            distances[j * n + i] = distances[i * n + j];
        }
    }
    distances
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_lanes.remainder().iter().zip(b_lanes.remainder());
    let rest: f64 = rest.map(|(x, y)| f64::from((x - y) * (x - y))).sum();
    for (x, y) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            let difference = x[lane] - y[lane];
            sums[lane] += difference * difference;
        }
    }
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest
}

/// What each update counts in the mean of the updates `indices`, each of which counts once.
pub(super) fn weights_of(updates: &Updates<'_>, indices: &[usize]) -> Vec<f64> {
    let share = 1.0 / float(indices.len());
    let mut weights = vec![0.0; updates.count()];
    indices.iter().for_each(|&index| weights[index] = share);
    weights
}
