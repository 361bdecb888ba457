//! Accountants against published and independently computed values.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "test ranges are small, and limits must be exact"
)]

mod discrete;

use super::*;

fn poisson(rate: f64, noise_multiplier: f64, steps: u64) -> Release {
    Release { sampling: Sampling::Poisson(rate), noise_multiplier, steps }
}

/// q, σ, T, δ, then ε by RDP at the default orders and ε by PLD, both of Google's dp-accounting 0.6.0
/// (grid of 10^-4).
const REFERENCE: [(f64, f64, u64, f64, f64, f64); 16] = [
    (1.0, 1.0, 1, 1e-5, 4.728507, 4.377178),
    (1.0, 4.0, 1, 1e-3, 0.688108, 0.592007),
    (1.0, 1.0, 10, 1e-5, 19.053598, 17.856587),
    (1.0, 5.0, 100, 1e-5, 10.725510, 9.997256),
    (1.0, 10.0, 100, 1e-5, 4.728507, 4.377178),
    (0.01, 1.0, 1000, 1e-5, 2.101367, 1.828244),
    (0.01, 1.1, 10_000, 1e-5, 5.632011, 5.192620),
    (0.01, 4.0, 10_000, 1e-5, 1.035490, 0.946999),
    (256.0 / 60_000.0, 1.1, 14_062, 1e-5, 2.596556, 2.381686),
    (256.0 / 60_000.0, 1.3, 3_515, 1e-5, 0.954430, 0.864459),
    (256.0 / 60_000.0, 0.7, 10_546, 1e-5, 6.319464, 5.639447),
    (0.1, 1.0, 100, 1e-5, 7.903850, 7.046603),
    (0.1, 2.0, 100, 1e-3, 1.799004, 1.543864),
    (0.2, 1.0, 50, 1e-5, 11.340185, 10.127951),
    (0.5, 3.0, 100, 1e-5, 9.152967, 8.387476),
    (0.001, 0.8, 10_000, 1e-6, 1.703625, 0.947324),
];

#[test]
fn rdp_has_the_reference_values() {
    for (q, sigma, steps, delta, rdp, _) in REFERENCE {
        let got = epsilon(&[poisson(q, sigma, steps)], delta, Accountant::Rdp).unwrap();
        assert!((got - rdp).abs() < 1e-6 * rdp.max(1.0), "{q} {sigma} {steps}: {got} for {rdp}");
    }
}

#[test]
fn pld_has_the_reference_values_and_stays_below_rdp() {
    for (q, sigma, steps, delta, rdp, pld) in REFERENCE {
        let got = epsilon(&[poisson(q, sigma, steps)], delta, Accountant::Pld).unwrap();

        assert!((got / pld - 1.0).abs() < 0.005, "{q} {sigma} {steps}: {got} for {pld}");
        assert!(got <= rdp, "{q} {sigma} {steps}: {got} above {rdp}");
    }
}

fn full(noise_multiplier: f64, steps: u64) -> Release {
    Release { sampling: Sampling::Full, noise_multiplier, steps }
}

fn fixed(cohort: u64, population: u64, noise_multiplier: f64, steps: u64) -> Release {
    Release { sampling: Sampling::FixedSize { cohort, population }, noise_multiplier, steps }
}

/// Checks the RDP of `steps` steps at `orders` against `expected`.
fn check_rdp(release: &Release, expected: &[(f64, f64)]) {
    let orders: Vec<f64> = expected.iter().map(|(order, _)| *order).collect();
    let mut curve = RdpCurve::new(&orders).unwrap();
    curve.add(release).unwrap();
    for ((order, got), (_, expected)) in curve.points().zip(expected) {
        assert!(
            (got / expected - 1.0).abs() < 1e-6,
            "{release:?} at {order}: {got} for {expected}"
        );
    }
}

#[test]
fn single_steps_have_the_reference_moments() {
    let orders = [1.5, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0, 64.0];
    let at = |values: [f64; 8]| orders.into_iter().zip(values).collect::<Vec<_>>();
    check_rdp(
        &poisson(0.01, 1.0, 1),
        &at([
            1.3236850294e-04,
            1.7181342207e-04,
            2.6463757458e-04,
            3.6315404891e-04,
            8.9364390761e-04,
            3.0878507837,
            11.246275937,
            27.321731875,
        ]),
    );
    check_rdp(
        &poisson(0.1, 2.0, 1),
        &at([
            2.7267112618e-03,
            2.8362282663e-03,
            4.3736583486e-03,
            6.0032829645e-03,
            1.3725430103e-02,
            4.5291839084e-02,
            1.6272023010,
            5.6608672584,
        ]),
    );
    // Published in the tests of google/differential-privacy.
    check_rdp(
        &poisson(0.01, 2.5, 50),
        &[
            (1.5, 6.70579741e-4),
            (2.5, 1.08548710e-3),
            (5.0, 2.18075656e-3),
            (50.0, 2.38460375e-2),
            (100.0, 167.416308),
        ],
    );
}

#[test]
fn fractional_orders_bound_the_integral_from_above() {
    for (q, sigma) in [(1e-4, 0.7), (0.01, 1.1), (0.1, 2.0), (0.5, 3.0), (0.9, 1.0), (0.5, 60.0)] {
        for order in [1.1, 1.5, 2.5, 4.7, 7.8, 10.9] {
            let exact = moments::ln_excess_integral(q, sigma, order).exp().ln_1p() / (order - 1.0);
            let bound = moments::rdp(&poisson(q, sigma, 1), order);
            assert!(bound >= exact * (1.0 - 1e-7), "{q} {sigma} {order}: {bound} below {exact}");
            // At low orders, and at rates around one half, the alternating terms matter.
            let slack = if order > 4.0 && q < 0.2 { 1.05 } else { 200.0 };
            assert!(bound <= exact * slack, "{q} {sigma} {order}: {bound} far above {exact}");
        }
    }
}

#[test]
fn integral_and_sum_agree_at_integers() {
    for (q, sigma) in [(1e-5, 0.5), (1e-4, 0.7), (0.01, 1.1), (0.5, 3.0), (0.99, 10.0)] {
        for order in [2.0, 3.0, 5.0, 17.0] {
            let integral =
                moments::ln_excess_integral(q, sigma, order).exp().ln_1p() / (order - 1.0);
            let sum = moments::rdp(&poisson(q, sigma, 1), order);
            assert!((integral / sum - 1.0).abs() < 1e-7, "{q} {sigma} {order}: {integral}, {sum}");
        }
    }
}

#[test]
fn conversion_has_the_published_value() {
    let best = (2..=32).map(|order| rdp::at_order(f64::from(order), 1.1, 1e-5));
    assert!((best.fold(f64::INFINITY, f64::min) - 1.32783806176).abs() < 1e-10);
}

#[test]
fn analytic_gaussian_has_the_reference_values() {
    for (sigma, epsilon, delta) in [
        (1.0, 1.0, 0.1269367375066),
        (2.0, 1.0, 6.829594983115e-3),
        (4.0, 1.0, 2.924272104856e-6),
        (1.0, 4.0, 4.712241200793e-5),
    ] {
        let got = gaussian_delta(sigma, epsilon).unwrap();
        assert!((got / delta - 1.0).abs() < 1e-9, "{sigma} {epsilon}: {got}");
    }
    for (sigma, epsilon, delta) in
        [(3.730631635, 1.0, 1e-5), (8.057618481, 0.5, 1e-6), (0.600229072, 8.0, 1e-5)]
    {
        let got = gaussian_epsilon(sigma, delta).unwrap();
        assert!((got - epsilon).abs() < 1e-8, "{sigma} {delta}: {got}");
    }
}

#[test]
fn concentrated_dp_has_the_reference_values() {
    // ρ = 1/(2σ²): RDP at the default orders, and exact.
    for (rho, delta, rdp, exact) in [(0.81_f64, 1e-10, 8.922, 8.549), (1.0, 1e-10, 10.034, 9.618)] {
        let sigma = (0.5 / rho).sqrt();
        let got = epsilon(&[full(sigma, 1)], delta, Accountant::Rdp).unwrap();
        assert!((got - rdp).abs() < 2e-3, "rho {rho}: {got} for {rdp}");
        assert!((gaussian_epsilon(sigma, delta).unwrap() - exact).abs() < 1e-3);
    }
}

#[test]
fn pld_is_at_least_the_exact_gaussian_composition() {
    for (sigma, steps) in
        [(0.3, 1), (1.0, 1), (1.0, 10), (5.0, 100), (30.0, 3000), (100.0, 1_000_000)]
    {
        for delta in [1e-9, 1e-5, 1e-2, 0.3] {
            let exact = gaussian_epsilon(sigma / (steps as f64).sqrt(), delta).unwrap();
            // Step by step, not folded into one Gaussian as the accountant does for these.
            let step = loss::Step { q: 1.0, sigma, count: steps };
            let composed = pld::Composed::of(&[step], loss::Direction::Remove, delta * 1e-4);
            let got = composed.epsilon(delta);
            assert!(got >= exact, "{sigma} {steps} {delta}: {got} below {exact}");
            assert!(got <= exact * 1.003 + 1e-4, "{sigma} {steps} {delta}: {got} above {exact}");
            let folded = epsilon(&[full(sigma, steps)], delta, Accountant::Pld).unwrap();
            assert!(folded >= exact && folded <= exact * 1.003 + 1e-4, "{folded} for {exact}");
        }
    }
}

#[test]
fn one_sampled_step_has_its_exact_delta() {
    // H_{e^ε}((1-q)Q + qP ‖ Q) = q H(P ‖ Q) at ε' with e^ε' = 1 + (e^ε - 1)/q.
    for (q, sigma) in [(0.01, 0.5), (0.1, 1.0), (0.5, 2.0), (0.9, 0.7)] {
        for at in [0.01_f64, 0.3, 1.0, 3.0] {
            let inner = (at.exp_m1() / q).ln_1p();
            let exact = q * gaussian_delta(sigma, inner).unwrap();
            let got = delta(&[poisson(q, sigma, 1)], at).unwrap();
            assert!(got >= exact * (1.0 - 1e-9), "{q} {sigma} {at}: {got} below {exact}");
            assert!(got <= exact * 1.01 + 1e-11, "{q} {sigma} {at}: {got} above {exact}");
            // Replacement changes the sum by twice the clip norm.
            let cohort = (q * 1000.0) as u64;
            let replaced = delta(&[fixed(cohort, 1000, 2.0 * sigma, 1)], at).unwrap();
            assert!((replaced - got).abs() < 0.02 * got + 1e-11, "{replaced} for {got}");
        }
    }
}

#[test]
fn pld_has_a_published_delta() {
    let got = delta(&[poisson(0.2, 0.5, 3)], 1.0).unwrap();
    assert!((got - 0.155933).abs() < 2e-4 && got > 0.1559, "{got}");
    // 10 000 steps, not the 1000 that a well-known example names.
    let got = delta(&[poisson(0.01, 4.0, 10_000)], 1.0).unwrap();
    assert!((got / 4.2532e-6 - 1.0).abs() < 0.01, "{got}");
}

#[test]
fn pld_stays_below_rdp() {
    for q in [1e-4, 0.03, 0.2, 0.7] {
        for sigma in [0.6, 1.0, 4.0] {
            for steps in [1, 300] {
                for delta in [1e-9, 1e-3] {
                    let at = |accountant| {
                        epsilon(&[poisson(q, sigma, steps)], delta, accountant).unwrap()
                    };
                    let (pld, rdp) = (at(Accountant::Pld), at(Accountant::Rdp));
                    assert!(pld <= rdp + 1e-9, "{q} {sigma} {steps} {delta}: {pld} above {rdp}");
                }
            }
        }
    }
}

#[test]
fn fixed_size_pld_stays_below_its_rdp_and_above_what_one_removal_costs() {
    for (cohort, population, sigma, steps) in
        [(10, 1000, 2.0, 100), (50, 100, 4.0, 50), (1, 10_000, 1.5, 5000), (100, 100, 8.0, 30)]
    {
        let release = fixed(cohort, population, sigma, steps);
        let pld = epsilon(&[release], 1e-5, Accountant::Pld).unwrap();
        let rdp = epsilon(&[release], 1e-5, Accountant::Rdp).unwrap();
        assert!(pld <= rdp, "{release:?}: {pld} above {rdp}");
        let removal = poisson(cohort as f64 / population as f64, sigma, steps);
        let removal = epsilon(&[removal], 1e-5, Accountant::Pld).unwrap();
        assert!(pld > removal, "{release:?}: {pld} not above {removal}");
    }
    // Everybody: a Gaussian of twice the sensitivity.
    let whole = epsilon(&[fixed(7, 7, 4.0, 9)], 1e-5, Accountant::Pld).unwrap();
    assert!((whole / gaussian_epsilon(4.0 / 2.0 / 3.0, 1e-5).unwrap() - 1.0).abs() < 1e-3);
}

#[test]
fn different_rounds_add_up() {
    for accountant in [Accountant::Pld, Accountant::Rdp] {
        let at = |releases: &[Release]| epsilon(releases, 1e-5, accountant).unwrap();
        let (a, b) = (poisson(0.01, 1.0, 500), poisson(0.05, 2.0, 100));
        let whole = at(&[a, b, full(20.0, 3)]);
        // Split in any way and order, the same training has the same loss.
        let half = Release { steps: 250, ..a };
        let split = at(&[half, full(20.0, 1), b, half, full(20.0, 2)]);
        assert!((whole / split - 1.0).abs() < 1e-6, "{whole} {split}");
        let parts = at(&[a]) + at(&[b]) + at(&[full(20.0, 3)]);
        assert!(whole < parts && whole > at(&[a, b]) && at(&[a, b]) > at(&[a]));
    }
    // Four full steps of σ and one of σ/2 are one of σ/√8.
    let mixed = epsilon(&[full(4.0, 4), full(2.0, 1)], 1e-5, Accountant::Pld).unwrap();
    let exact = gaussian_epsilon(4.0 / 8_f64.sqrt(), 1e-5).unwrap();
    assert!(mixed >= exact && mixed < exact * 1.001);
}

#[test]
fn epsilon_falls_with_noise_and_grows_with_sampling_and_steps() {
    for accountant in [Accountant::Pld, Accountant::Rdp] {
        let at = |q, sigma, steps, delta| {
            epsilon(&[poisson(q, sigma, steps)], delta, accountant).unwrap()
        };
        let base = at(0.01, 1.0, 1000, 1e-5);
        for (more, what) in [
            (at(0.01, 0.98, 1000, 1e-5), "less noise"),
            (at(0.0102, 1.0, 1000, 1e-5), "more sampling"),
            (at(0.01, 1.0, 1020, 1e-5), "more steps"),
            (at(0.01, 1.0, 1000, 0.9e-5), "less delta"),
        ] {
            assert!(more > base, "{accountant:?}, {what}: {more} for {base}");
        }
    }
}

#[test]
fn nothing_released_or_nobody_sampled_costs_nothing() {
    for accountant in [Accountant::Pld, Accountant::Rdp] {
        assert_eq!(epsilon(&[], 1e-5, accountant), Ok(0.0));
        assert_eq!(epsilon(&[poisson(0.0, 1.0, 10)], 1e-5, accountant), Ok(0.0));
        let hidden = epsilon(&[poisson(1e-4, 50.0, 1)], 0.01, accountant).unwrap();
        assert_eq!(hidden, 0.0, "total variation is below delta");
    }
}

#[test]
fn extreme_releases_are_accounted_for() {
    for release in [
        poisson(1e-6, 0.5, 1_000_000),
        poisson(0.5, 0.01, 3),
        poisson(0.999_999, 5.0, 10),
        poisson(1e-3, 1e6, 1_000_000),
        full(0.01, 1_000_000),
        poisson(0.01, 0.3, 20_000),
    ] {
        let got = epsilon(&[release], 1e-6, Accountant::Pld).unwrap();
        let rdp = epsilon(&[release], 1e-6, Accountant::Rdp).unwrap();
        assert!(got.is_finite() && got >= 0.0 && got <= rdp, "{release:?}: {got}, rdp {rdp}");
    }
}

#[test]
fn noise_is_calibrated_to_the_reference_values() {
    for (q, steps, epsilon, pld, rdp) in [
        (0.1, 100, 8.0, 0.9360, 0.9938),
        (0.1, 100, 2.0, 2.2478, 2.4224),
        (0.01, 1000, 1.0, 1.4158, 1.5131),
    ] {
        let target = Target { epsilon, delta: 1e-5 };
        for (accountant, expected) in [(Accountant::Pld, pld), (Accountant::Rdp, rdp)] {
            let got = noise_multiplier(target, Sampling::Poisson(q), steps, accountant).unwrap();
            assert!((got / expected - 1.0).abs() < 2e-3, "{accountant:?}: {got} for {expected}");
            let at = |sigma| super::epsilon(&[poisson(q, sigma, steps)], 1e-5, accountant).unwrap();
            assert!(at(got) <= epsilon, "the target is met");
            assert!(at(got * (1.0 - 3e-5)) > epsilon, "less noise does not meet it");
        }
    }
    for (epsilon, delta, sigma) in
        [(1.0, 1e-5, 3.730631635), (0.5, 1e-6, 8.057618481), (8.0, 1e-5, 0.600229072)]
    {
        let target = Target { epsilon, delta };
        let got = noise_multiplier(target, Sampling::Full, 1, Accountant::Pld).unwrap();
        assert!(got >= sigma && got < sigma * 1.001, "{got} for {sigma}");
    }
    let target = Target { epsilon: 1.0, delta: 1e-6 };
    let got = noise_multiplier(target, Sampling::Full, 1, Accountant::Rdp).unwrap();
    assert!((got / 4.530877117 - 1.0).abs() < 1e-3, "{got}");
}

#[test]
fn unreachable_and_trivial_targets_are_told_apart() {
    let tiny = Target { epsilon: 1e-9, delta: 1e-11 };
    let refused = noise_multiplier(tiny, Sampling::Full, 1_000_000, Accountant::Rdp);
    assert_eq!(refused, Err(AccountantError::Unreachable { epsilon: 1e-9, delta: 1e-11 }));
    let loose = Target { epsilon: 1e6, delta: 0.5 };
    let got = noise_multiplier(loose, Sampling::Poisson(0.01), 1, Accountant::Pld).unwrap();
    assert_eq!(got, 0.01, "the least that is accounted for");
}

#[test]
fn millionths_are_rounded_up() {
    assert_eq!(epsilon_micro(0.0), Ok(0));
    assert_eq!(epsilon_micro(1.0), Ok(1_000_000));
    assert_eq!(epsilon_micro(2.3816861), Ok(2_381_687));
    assert_eq!(epsilon_micro(1e-12), Ok(1));
    assert_eq!(epsilon_micro(3.000_000_000_000_001), Ok(3_000_001));
    for bad in [-1e-9, f64::NAN, f64::INFINITY, 1e13] {
        assert!(matches!(epsilon_micro(bad), Err(AccountantError::Epsilon { .. })));
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    let at = |release, delta| epsilon(&[release], delta, Accountant::Pld).unwrap_err();
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(at(poisson(bad, 1.0, 1), 1e-5), AccountantError::SamplingRate { .. }));
    }
    for bad in [0.0, -1.0, 0.009, 2e6, f64::NAN, f64::INFINITY] {
        assert!(matches!(at(full(bad, 1), 1e-5), AccountantError::NoiseMultiplier { .. }));
        assert!(gaussian_epsilon(bad, 1e-5).is_err() && gaussian_delta(bad, 1.0).is_err());
    }
    for bad in [0, u64::MAX] {
        assert!(matches!(at(full(1.0, bad), 1e-5), AccountantError::Steps { .. }));
    }
    for bad in [0.0, 1.0, -1e-5, 2.0, f64::NAN] {
        assert!(matches!(at(full(1.0, 1), bad), AccountantError::Delta { .. }));
        let target = Target { epsilon: 1.0, delta: bad };
        assert!(noise_multiplier(target, Sampling::Full, 1, Accountant::Rdp).is_err());
    }
    assert!(matches!(at(full(1.0, 1), 1e-13), AccountantError::DeltaTooSmall { .. }));
    assert!(epsilon(&[full(1.0, 1)], 1e-13, Accountant::Rdp).is_ok(), "rdp has no such bound");
    for (cohort, population) in [(0, 5), (6, 5), (0, 0)] {
        assert!(matches!(
            at(fixed(cohort, population, 1.0, 1), 1e-5),
            AccountantError::Cohort { .. }
        ));
    }
    let mixed = epsilon(&[full(1.0, 1), fixed(1, 5, 1.0, 1)], 1e-5, Accountant::Pld);
    assert_eq!(mixed, Err(AccountantError::MixedAdjacency));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let target = Target { epsilon: bad, delta: 1e-5 };
        let refused = noise_multiplier(target, Sampling::Full, 1, Accountant::Pld);
        assert!(matches!(refused, Err(AccountantError::Epsilon { .. })));
    }
    let many: Vec<_> = (0..300).map(|i| poisson(0.01, 1.0 + f64::from(i), 1)).collect();
    assert!(matches!(epsilon(&many, 1e-5, Accountant::Pld), Err(AccountantError::TooMany { .. })));
}

#[test]
fn bad_orders_and_mechanisms_are_refused_and_leave_the_curve() {
    for orders in [&[][..], &[1.0], &[2.0, f64::NAN], &[1e9]] {
        assert!(matches!(RdpCurve::new(orders), Err(AccountantError::Order { .. })));
    }
    let mut curve = RdpCurve::new(&[2.0, 3.5]).unwrap();
    let empty = curve.clone();
    assert!(curve.add(&full(0.0, 1)).is_err());
    for bad in [0.0, 0.4, f64::NAN, f64::INFINITY] {
        assert!(curve.add_discrete(&DiscreteMechanism::Gaussian { std: bad, l2: 1.0 }, 1).is_err());
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let skellam = DiscreteMechanism::Skellam { std: 1.0, l1: bad, l2: 1.0 };
        assert!(matches!(curve.add_discrete(&skellam, 1), Err(AccountantError::Mechanism { .. })));
    }
    assert!(curve.add_discrete(&DiscreteMechanism::Gaussian { std: 1.0, l2: 1.0 }, 0).is_err());
    assert_eq!(curve, empty);
    assert!(curve.epsilon(f64::NAN).is_err());
}
