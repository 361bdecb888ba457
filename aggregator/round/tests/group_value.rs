//! What contributions are worth whose groups' means a robust rule made one step of: by the sealed probe, beside the exact
//! Shapley value of the game by enumeration of all coalitions.
//!
//! The game has the weights as the rule came to them: `U(S) = L(w) − L(w + Σ_g a_g ⊙ (1/n_g) Σ_{i∈S∩g} Δ_i)`.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;

use aggregator_round::aumann_shapley_probe;
use aggregator_strategy::{GroupMeans, Taken};

const DIMENSION: usize = 5;

/// `L(w) = ½ Σ a_j (w_j − b_j)²`, with `a_j = j + 1` and `b_j = 1`.
fn loss(w: &[f64]) -> f64 {
    (1_u32..).zip(w).map(|(a, w)| 0.5 * f64::from(a) * (w - 1.0).powi(2)).sum()
}

#[expect(clippy::cast_possible_truncation, clippy::unnecessary_wraps, reason = "test helper")]
fn gradient(w: &[f32]) -> Result<Vec<f32>, Infallible> {
    let slope = |(a, w): (u32, &f32)| (f64::from(a) * (f64::from(*w) - 1.0)) as f32;
    Ok((1_u32..).zip(w).map(slope).collect())
}

/// Groups of two and one of three, of which the last is poisoned.
fn groups(count: usize) -> Vec<Vec<Vec<f32>>> {
    let update = |group: usize, member: usize| -> Vec<f32> {
        let of = |j: usize| (group * 7 + member * 3 + j) as f32;
        (0..DIMENSION).map(|j| 0.25 + 0.1 * (of(j) * 1.7).sin()).collect()
    };
    let mut groups: Vec<Vec<Vec<f32>>> = (0..count)
        .map(|group| {
            let members = if group == 0 { 3 } else { 2 };
            (0..members).map(|member| update(group, member)).collect()
        })
        .collect();
    groups[count - 1][0] = vec![-9.0; DIMENSION];
    groups
}

fn means(groups: &[Vec<Vec<f32>>]) -> GroupMeans {
    let sum = |group: &Vec<Vec<f32>>| {
        (0..DIMENSION).map(|j| group.iter().map(|update| update[j]).sum()).collect()
    };
    let sizes: Vec<u32> = groups.iter().map(|group| u32::try_from(group.len()).unwrap()).collect();
    GroupMeans::from_sums(groups.iter().map(sum).collect(), &sizes, 2).unwrap()
}

/// φ_i = (1/n_g)⟨Δ_i, a_g ⊙ p⟩, of all groups one after another, and the gain of the step.
fn values(groups: &[Vec<Vec<f32>>], taken: &Taken<'_>) -> (Vec<f64>, f64) {
    let start = [0.0_f32; DIMENSION];
    let probe = aumann_shapley_probe(&start, &taken.update, gradient).unwrap();
    let mut values = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        let probe = taken.weighed(place, &probe);
        for update in group {
            let product: f64 = update.iter().zip(&probe).map(|(x, p)| f64::from(*x) * p).sum();
            values.push(product / group.len() as f64);
        }
    }
    let after: Vec<f64> = taken.update.iter().map(|step| f64::from(*step)).collect();
    (values, loss(&[0.0; DIMENSION]) - loss(&after))
}

/// By enumeration: the mean marginal contribution over all orders.
fn shapley(groups: &[Vec<Vec<f32>>], taken: &Taken<'_>) -> Vec<f64> {
    let players: Vec<(usize, usize)> = (groups.iter().enumerate())
        .flat_map(|(place, group)| (0..group.len()).map(move |member| (place, member)))
        .collect();
    let n = players.len();
    let worth = |coalition: usize| {
        let mut at = [0.0; DIMENSION];
        for (index, &(place, member)) in players.iter().enumerate() {
            if coalition >> index & 1 == 1 {
                let update = &groups[place][member];
                for (j, at) in at.iter_mut().enumerate() {
                    let share = taken.weight(place, j) / groups[place].len() as f64;
                    *at += share * f64::from(update[j]);
                }
            }
        }
        loss(&[0.0; DIMENSION]) - loss(&at)
    };
    let worths: Vec<f64> = (0..1 << n).map(worth).collect();
    let factorial = |k: usize| (1..=k).map(|v| v as f64).product::<f64>();
    let value = |player: usize| {
        let without = (0..1_usize << n).filter(|c| c >> player & 1 == 0);
        without
            .map(|c| {
                let size = c.count_ones() as usize;
                let weight = factorial(size) * factorial(n - size - 1) / factorial(n);
                weight * (worths[c | 1 << player] - worths[c])
            })
            .sum()
    };
    (0..n).map(value).collect()
}

#[test]
fn for_every_rule_the_probe_gives_the_exact_value_and_values_add_up_to_the_step_s_gain() {
    for (count, rule) in [
        (3, "median"),
        (4, "median"),
        (5, "trimmed-mean:beta=0.2"),
        (5, "krum:f=1"),
        (5, "multi-krum:f=1,m=2"),
        (5, "geometric-median"),
    ] {
        let groups = groups(count);
        let means = means(&groups);
        let taken = means.take(&rule.parse().unwrap()).unwrap();
        let (values, gain) = values(&groups, &taken);
        assert!(gain > 0.1, "{rule}: the honest outvote the poisoned group: {gain}");
        let total: f64 = values.iter().sum();
        assert!((total - gain).abs() < 1e-5, "{rule}: values of {total} for a gain of {gain}");
        for (value, exact) in values.iter().zip(shapley(&groups, &taken)) {
            assert!((value - exact).abs() < 1e-5, "{rule}: {value} beside {exact}");
        }
    }
}

#[test]
fn a_group_that_the_rule_passes_over_earns_nothing_and_equals_earn_the_same() {
    for rule in ["krum:f=1", "multi-krum:f=1,m=2", "trimmed-mean:beta=0.2", "median"] {
        let mut groups = groups(5);
        // Two of the first group send the same.
        groups[0][1] = groups[0][0].clone();
        let means = means(&groups);
        let taken = means.take(&rule.parse().unwrap()).unwrap();
        let (values, _) = values(&groups, &taken);
        // -9 and an honest one: below all others in each coordinate.
        let poisoned = &values[values.len() - 2..];
        assert_eq!(poisoned, [0.0, 0.0], "{rule}");
        assert_eq!(values[0].to_bits(), values[1].to_bits(), "{rule}");
    }
    // Of a mean the poisoned group has a part: it is charged for the harm.
    let groups = groups(5);
    let means = means(&groups);
    let (values, _) = values(&groups, &means.take(&"mean".parse().unwrap()).unwrap());
    assert!(values[values.len() - 2] < -0.1, "{values:?}");
}

#[test]
fn two_groups_with_the_same_mean_are_worth_the_same() {
    let mut groups = groups(5);
    groups[2] = groups[1].clone();
    let means = means(&groups);
    for rule in ["median", "trimmed-mean:beta=0.2", "geometric-median"] {
        let taken = means.take(&rule.parse().unwrap()).unwrap();
        let (values, _) = values(&groups, &taken);
        let of = |from: usize| [values[from], values[from + 1]];
        assert_eq!(of(3), of(5), "{rule}");
    }
}
