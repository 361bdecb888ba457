//! Exact semivalues by enumeration.

use crate::WorthTable;

/// The Shapley value of each player: its mean marginal over all orders in which the players may come.
///
/// `φ_i = Σ_{S ∌ i} |S|!(n−|S|−1)!/n! · (v(S ∪ i) − v(S))`, summed by size first, so that games whose
/// worths are small integers are exact up to one division a size. Values add up to v(N) − v(∅).
///
/// Returns `[players]`.
///
/// Source: Shapley 1953, "A Value for n-Person Games".
#[must_use]
pub fn shapley(game: &WorthTable) -> Vec<f64> {
    let n = game.players();
    // n · C(n−1, s): how many (coalition, order) classes each sum over a size stands for.
    let classes: Vec<f64> = (0..n).map(|size| whole(n) * binomial(n - 1, size)).collect();
    let value = |player| {
        let mut sums = vec![0.0; n];
        for coalition in game.without(player) {
            sums[coalition.len()] += game.marginal(coalition, player);
        }
        sums.iter().zip(&classes).map(|(sum, classes)| sum / classes).sum()
    };
    (0..n).map(value).collect()
}

/// The Banzhaf value of each player: its mean marginal over all coalitions without it.
///
/// It does not add up to v(N) − v(∅); of all semivalues its order is least disturbed by noise on the
/// worths (Wang & Jia 2023, "Data Banzhaf").
///
/// Returns `[players]`.
///
/// Source: Banzhaf 1965, "Weighted Voting Doesn't Work".
#[must_use]
pub fn banzhaf(game: &WorthTable) -> Vec<f64> {
    let n = game.players();
    let value = |player| {
        let sum: f64 = game.without(player).map(|c| game.marginal(c, player)).sum();
        sum / whole(1 << (n - 1))
    };
    (0..n).map(value).collect()
}

/// Banzhaf values over their sum: shares of power, as tables of voting power state them.
///
/// Returns nothing if the values sum to 0, or to what is not a number.
#[must_use]
pub fn banzhaf_index(game: &WorthTable) -> Option<Vec<f64>> {
    let values = banzhaf(game);
    let sum: f64 = values.iter().sum();
    let shares: Vec<f64> = values.iter().map(|value| value / sum).collect();
    shares.iter().all(|share| share.is_finite()).then_some(shares)
}

/// C(n, k), exact for n ≤ 16.
fn binomial(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |value, step| value * whole(n - step) / whole(step + 1))
}

/// A small count as a number.
#[expect(clippy::cast_precision_loss, reason = "at most 2^16")]
const fn whole(count: usize) -> f64 {
    count as f64
}
