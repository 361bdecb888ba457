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
