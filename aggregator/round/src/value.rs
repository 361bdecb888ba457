//! The probe of a round: what a contribution is measured along.
//!
//! Per round the game is `U(S) = L(w) − L(w + (1/n) Σ_{i∈S} Δ_i)`. Its Aumann–Shapley value is
//! `φ_i = (1/n)⟨Δ_i, p⟩` with `p = −∫₀¹ ∇L(w + t·Δ̄) dt`, public once the mean update Δ̄ is, and linear
//! in `Δ_i`, so that it can be taken under sharing. `Σφ_i = L(w) − L(w + Δ̄)` up to quadrature.
//!
//! Source: Aumann & Shapley 1974, "Values of Non-Atomic Games"; the sealed form is ours (DESIGN §6).

/// Past mean updates off which the innovation probe is projected.
///
/// A contributor that replays what is public, or a mixture of it, has no component along what is
/// left. Five are enough to cover mixtures seen in experiments; more cost honest value.
pub const PAST_UPDATES_MAX: usize = 5;

/// Nodes and weights of the 3-point Gauss–Legendre rule on [0, 1]: exact for polynomials of degree
/// 5 (Abramowitz & Stegun 1964, table 25.4).
const NODES: [(f64, f64); 3] = [
    (0.112_701_665_379_258_3, 5.0 / 18.0),
    (0.5, 8.0 / 18.0),
    (0.887_298_334_620_741_7, 5.0 / 18.0),
];

/// Shards of the validation set: row modulo 8. So many that the error of a value has seven degrees of freedom, and so few that
/// small sets still have some rows in each.
pub const VALUE_SHARDS: usize = 8;

/// Contrasts of the shards that take turns over rounds: the rows of the Hadamard matrix of order 8 but the first,
/// which is the value itself.
pub const VALUE_CONTRASTS: usize = VALUE_SHARDS - 1;

/// Whether a row of the validation set counts positively in the contrast of `round`: the number of bits that the
/// Hadamard matrix's row and column have in common is even (Sylvester 1867). Half of the shards do.
///
/// Threat: a DAO node that chooses signs after it saw updates, to make an interval look narrow. They follow from the round and
/// the row, whose order the ledger committed to; who is given the table recomputes the contrast (`sahakar audit`).
#[must_use]
pub const fn counts_positively(round: u64, row: usize) -> bool {
    let contrast = 1 + round % VALUE_CONTRASTS as u64;
    let shard = (row % VALUE_SHARDS) as u64;
    (contrast & shard).count_ones().is_multiple_of(2)
}

/// The contrast c of a round: the probe with signs on rows, less their mean, `(1/M)·Σ (h − h̄)·p_row`.
///
/// With h = ±1 and m rows counted positively this is 2m/M·(p₊ − p), p₊ the probe of those rows alone: half a pass over the
/// validation set more. If rows are independent draws, ⟨Δ, c⟩/n is zero in expectation, with the variance of the value's error up to
/// 1 − h̄², and uncorrelated with it and with the contrasts of the six rounds around it.
///
/// * `probe`, `positive` — p of all rows and of those that count positively, `[parameter_count]`.
/// * `rows` — how many rows there are, and how many count positively.
#[must_use]
pub fn contrast_probe(probe: &[f64], positive: &[f64], rows: (usize, usize)) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^52")]
    let factor = 2.0 * rows.1 as f64 / rows.0.max(1) as f64;
    probe.iter().zip(positive).map(|(all, positive)| factor * (positive - all)).collect()
}

/// p = −∫₀¹ ∇L(w + t·Δ̄) dt by three evaluations of the gradient.
///
/// * `parameters` — w, `[parameter_count]`.
/// * `mean_update` — Δ̄, `[parameter_count]`.
/// * `gradient` — ∇L of the validation loss at given parameters, `[parameter_count]`.
///
/// # Errors
/// What `gradient` refuses.
pub fn aumann_shapley_probe<E>(
    parameters: &[f32],
    mean_update: &[f32],
    mut gradient: impl FnMut(&[f32]) -> Result<Vec<f32>, E>,
) -> Result<Vec<f64>, E> {
    let mut probe = vec![0.0; parameters.len()];
    for (node, weight) in NODES {
        let gradient = gradient(&point(parameters, mean_update, node))?;
        for (total, slope) in probe.iter_mut().zip(gradient) {
            *total -= weight * f64::from(slope);
        }
    }
    Ok(probe)
}

#[expect(clippy::cast_possible_truncation, reason = "a step between two f32 parameter vectors")]
fn point(parameters: &[f32], mean_update: &[f32], node: f64) -> Vec<f32> {
    let step = |(w, d): (&f32, &f32)| (f64::from(*w) + node * f64::from(*d)) as f32;
    parameters.iter().zip(mean_update).map(step).collect()
}

/// What is left of `probe` after its projection on the span of `past` updates is taken off, by
/// modified Gram–Schmidt. Past updates that depend on earlier ones are skipped.
#[must_use]
pub fn project_off(probe: &[f64], past: &[Vec<f32>]) -> Vec<f64> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for update in past {
        let mut direction: Vec<f64> = update.iter().map(|&value| f64::from(value)).collect();
        let before = norm(&direction);
        remove_components(&mut direction, &basis);
        let left = norm(&direction);
        // Below 10⁻⁶ of its length an update is a combination of earlier ones up to f32 rounding.
        if left > 1e-6 * before {
            direction.iter_mut().for_each(|value| *value /= left);
            basis.push(direction);
        }
    }
    let mut rest = probe.to_vec();
    // Twice is enough for orthogonality to rounding (Kahan–Parlett).
    remove_components(&mut rest, &basis);
    remove_components(&mut rest, &basis);
    rest
}

fn remove_components(vector: &mut [f64], basis: &[Vec<f64>]) {
    for direction in basis {
        let component: f64 = vector.iter().zip(direction).map(|(v, d)| v * d).sum();
        for (value, along) in vector.iter_mut().zip(direction) {
            *value -= component * along;
        }
    }
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// `L(w) = ½ Σ a_j (w_j − b_j)²`, with `a_j = j + 1` and `b_j = 1`.
    fn quadratic_loss(w: &[f64]) -> f64 {
        (1_u32..).zip(w).map(|(a, w)| 0.5 * f64::from(a) * (w - 1.0).powi(2)).sum()
    }

    #[expect(clippy::cast_possible_truncation, clippy::unnecessary_wraps, reason = "test helper")]
    fn quadratic_gradient(w: &[f32]) -> Result<Vec<f32>, Infallible> {
        let slope = |(a, w): (u32, &f32)| (f64::from(a) * (f64::from(*w) - 1.0)) as f32;
        Ok((1_u32..).zip(w).map(slope).collect())
    }

    /// Exact Shapley value of the round's game by enumeration of all coalitions.
    fn shapley(w: &[f32], updates: &[Vec<f32>]) -> Vec<f64> {
        let n = updates.len();
        let count = f64::from(u32::try_from(n).unwrap());
        let utility = |coalition: usize| {
            let mut at: Vec<f64> = w.iter().map(|&v| f64::from(v)).collect();
            for (i, update) in updates.iter().enumerate().filter(|(i, _)| coalition >> i & 1 == 1) {
                let _ = i;
                at.iter_mut().zip(update).for_each(|(a, u)| *a += f64::from(*u) / count);
            }
            let start: Vec<f64> = w.iter().map(|&v| f64::from(v)).collect();
            quadratic_loss(&start) - quadratic_loss(&at)
        };
        let factorial =
            |k: usize| (1..=k).map(|v| f64::from(u32::try_from(v).unwrap())).product::<f64>();
        let marginal = |i: usize| {
            let without = (0..1 << n).filter(|c: &usize| c >> i & 1 == 0);
            without
                .map(|c| {
                    let size = c.count_ones() as usize;
                    let weight = factorial(size) * factorial(n - size - 1) / factorial(n);
                    weight * (utility(c | 1 << i) - utility(c))
                })
                .sum()
        };
        (0..n).map(marginal).collect()
    }

    #[test]
    fn on_a_quadratic_loss_the_probe_gives_the_exact_shapley_value() {
        let w = vec![0.0_f32; 4];
        let updates: Vec<Vec<f32>> = (0_u8..6)
            .map(|i| (0_u8..4).map(|j| (f32::from(i) * 1.7 + f32::from(j)).sin()).collect())
            .collect();
        let mean: Vec<f32> =
            (0..4).map(|j| updates.iter().map(|u| u[j]).sum::<f32>() / 6.0).collect();
        let probe = aumann_shapley_probe(&w, &mean, quadratic_gradient).unwrap();
        for (update, exact) in updates.iter().zip(shapley(&w, &updates)) {
            let value: f64 =
                update.iter().zip(&probe).map(|(u, p)| f64::from(*u) * p).sum::<f64>() / 6.0;
            assert!((value - exact).abs() < 1e-5, "{value} beside {exact}");
        }
    }

    #[test]
    fn values_add_up_to_the_improvement() {
        let w = vec![0.2_f32, -0.3];
        let mean = vec![0.4_f32, 0.1];
        let probe = aumann_shapley_probe(&w, &mean, quadratic_gradient).unwrap();
        let total: f64 = mean.iter().zip(&probe).map(|(m, p)| f64::from(*m) * p).sum();
        let after: Vec<f64> =
            w.iter().zip(&mean).map(|(w, m)| f64::from(*w) + f64::from(*m)).collect();
        let before: Vec<f64> = w.iter().map(|&w| f64::from(w)).collect();
        assert!((total - (quadratic_loss(&before) - quadratic_loss(&after))).abs() < 1e-6);
    }

    #[test]
    fn contrasts_are_balanced_and_orthogonal() {
        let sign = |round, row| if counts_positively(round, row) { 1 } else { -1 };
        for round in 0..7 {
            assert_eq!((0..VALUE_SHARDS).map(|row| sign(round, row)).sum::<i32>(), 0);
            for other in 0..7 {
                let product: i32 =
                    (0..VALUE_SHARDS).map(|row| sign(round, row) * sign(other, row)).sum();
                assert_eq!(product, if round == other { 8 } else { 0 });
            }
            assert!((0..24).all(|row| sign(round, row) == sign(round + 7, row + 8)));
        }
    }

    /// Of M = 11 rows, of which three have no partner.
    #[test]
    fn a_contrast_is_the_mean_of_rows_with_signs_less_their_mean() {
        let rows: Vec<f64> = (0_u8..11).map(|row| (f64::from(row) * 2.3).sin()).collect();
        for round in 0..7 {
            let signs: Vec<f64> =
                (0..11).map(|row| if counts_positively(round, row) { 1.0 } else { -1.0 }).collect();
            let mean_sign = signs.iter().sum::<f64>() / 11.0;
            let expected: f64 =
                rows.iter().zip(&signs).map(|(p, h)| p * (h - mean_sign)).sum::<f64>() / 11.0;
            let positive: Vec<f64> =
                rows.iter().zip(&signs).filter(|(_, h)| **h > 0.0).map(|(p, _)| *p).collect();
            let count = positive.len();
            let mean =
                |of: &[f64]| of.iter().sum::<f64>() / f64::from(u8::try_from(of.len()).unwrap());
            let got = contrast_probe(&[mean(&rows)], &[mean(&positive)], (11, count));
            assert!((got[0] - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn nothing_public_is_left_in_the_innovation_probe() {
        let past =
            vec![vec![1.0_f32, 2.0, 3.0, 0.5], vec![0.0, 1.0, -1.0, 2.0], vec![2.0, 4.0, 6.0, 1.0]];
        let rest = project_off(&[0.3, -0.2, 0.9, 1.0], &past);
        for update in &past {
            let along: f64 = update.iter().zip(&rest).map(|(u, r)| f64::from(*u) * r).sum();
            assert!(along.abs() < 1e-12);
        }
        assert!(norm(&rest) > 0.1);
    }

    #[test]
    fn without_a_past_the_innovation_probe_is_the_probe() {
        assert_eq!(project_off(&[0.3, -0.2], &[]), [0.3, -0.2]);
        assert_eq!(project_off(&[0.3, -0.2], &[vec![0.0, 0.0]]), [0.3, -0.2]);
    }
}
