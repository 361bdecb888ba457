//! Noise of integers: it costs at least what the continuous Gaussian does.

use super::*;

#[test]
fn discrete_gaussian_costs_what_the_continuous_does() {
    let mut discrete = RdpCurve::new(&default_orders()).unwrap();
    discrete.add_discrete(&DiscreteMechanism::Gaussian { std: 500.0, l2: 125.0 }, 10).unwrap();
    let continuous = epsilon(&[full(4.0, 10)], 1e-5, Accountant::Rdp).unwrap();
    assert!((discrete.epsilon(1e-5).unwrap().0 / continuous - 1.0).abs() < 1e-12);
}

fn discrete_epsilon(mechanism: DiscreteMechanism) -> f64 {
    let mut curve = RdpCurve::new(&default_orders()).unwrap();
    curve.add_discrete(&mechanism, 10).unwrap();
    curve.epsilon(1e-5).unwrap().0
}

#[test]
fn summed_shares_cost_more_the_coarser_they_are() {
    let (contributors, dimension) = (100, 1_000_000);
    let at = |share_std: f64| {
        // Sensitivity scales with the noise: always a noise multiplier of 4.
        let l2 = share_std * 10.0 / 4.0;
        discrete_epsilon(DiscreteMechanism::GaussianSum { share_std, contributors, l2, dimension })
    };
    let continuous = epsilon(&[full(4.0, 10)], 1e-5, Accountant::Rdp).unwrap();
    // τ falls as e^(-π²σ²): at 3 nothing is left of it, at 1 it costs, at 0.5 it ruins.
    assert!((at(3.0) / continuous - 1.0).abs() < 1e-9);
    assert!(at(1.0) > continuous * 1.1 && at(0.5) > at(1.0) * 10.0);
    // One share is a discrete Gaussian.
    let alone =
        DiscreteMechanism::GaussianSum { share_std: 0.7, contributors: 1, l2: 0.175, dimension };
    assert!((discrete_epsilon(alone) / continuous - 1.0).abs() < 1e-12);
}

#[test]
fn skellam_approaches_the_gaussian_as_it_widens() {
    let at = |std: f64| {
        let l2 = std / 4.0;
        // 10^4 coordinates: L1 is at most √d times L2.
        discrete_epsilon(DiscreteMechanism::Skellam { std, l1: (l2 * l2).min(100.0 * l2), l2 })
    };
    let continuous = epsilon(&[full(4.0, 10)], 1e-5, Accountant::Rdp).unwrap();
    // The chord between integer orders and the excess keep it above.
    assert!(at(1e6) >= continuous && at(1e6) < continuous * 1.02, "{}", at(1e6));
    assert!(at(10.0) > at(100.0) && at(100.0) > at(1e6));
}

#[test]
fn skellam_bound_covers_the_divergence_computed_from_its_probabilities() {
    // D_α(Sk(σ²) + Δ ‖ Sk(σ²)) for one coordinate by direct summation.
    for (std, shift) in [(1.5_f64, 1_i64), (3.0, 2), (6.0, 5)] {
        let mean = 0.5 * std * std;
        let poisson: Vec<f64> = std::iter::successors(Some((0, (-mean).exp())), |(k, p)| {
            Some((k + 1, p * mean / f64::from(k + 1)))
        })
        .take(200)
        .map(|(_, p)| p)
        .collect();
        let at = |x: i64| -> f64 {
            let x = x.unsigned_abs() as usize;
            (0..200 - x).map(|k| poisson[k] * poisson[k + x]).sum()
        };
        let reach = (8.0 * std) as i64 + 5;
        for order in [2.0_f64, 3.0, 8.0] {
            let moment: f64 =
                (-reach..=reach).map(|x| at(x - shift).powf(order) * at(x).powf(1.0 - order)).sum();
            let exact = moment.ln() / (order - 1.0);
            let (l1, l2) = (shift as f64, shift as f64);
            let bound = DiscreteMechanism::Skellam { std, l1, l2 }.rdp(order);
            assert!(bound >= exact, "{std} {shift} {order}: {bound} below {exact}");
            assert!(bound <= exact * 3.0, "{std} {shift} {order}: {bound} far above {exact}");
        }
    }
}
