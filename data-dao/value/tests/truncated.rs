//! The sampled estimate against the exact value.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;

use data_dao_value::{
    Coalition, Convergence, GameError, SettingsError, TruncatedMonteCarlo, TruncationSettings,
    WorthTable, shapley, truncated_monte_carlo,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

const UNTRUNCATED: TruncationSettings = TruncationSettings {
    truncation: 0.0,
    tolerance: 0.01,
    permutations_min: 64,
    permutations_max: 100_000,
};

/// Square roots of sums of unequal parts: each player brings less the more there are.
fn worth(coalition: Coalition) -> f64 {
    let part = |player| f64::from(u32::try_from(player).unwrap()) + 1.0;
    coalition.players().map(part).sum::<f64>().sqrt()
}

fn exact(players: usize) -> Vec<f64> {
    shapley(&WorthTable::evaluate(players, |c| Ok::<_, Infallible>(worth(c))).unwrap())
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

#[test]
fn untruncated_estimates_cover_the_exact_values() {
    let estimate =
        truncated_monte_carlo(8, UNTRUNCATED, |c| Ok::<_, Infallible>(worth(c)), &mut rng(1))
            .unwrap();
    assert_eq!(estimate.convergence, Convergence::Reached);
    // Eight two-sided normal tests at 4.5 standard errors: a false alarm in 2 · 10⁴ seeds.
    for ((value, error), exact) in
        estimate.values.iter().zip(&estimate.standard_errors).zip(exact(8))
    {
        assert!((value - exact).abs() < 4.5 * error, "{value} ± {error} beside {exact}");
    }
    let gain = worth(Coalition::grand(8));
    assert!((estimate.values.iter().sum::<f64>() - gain).abs() < 1e-9);
}

#[test]
fn truncation_saves_evaluations_and_is_off_by_no_more_than_it_says() {
    // Two of twelve players bring all but next to nothing.
    let worth = |c: Coalition| {
        let of = |player| if c.contains(player) { 1.0 } else { 0.0 };
        let small = f64::from(u32::try_from(c.without(0).without(1).len()).unwrap());
        Ok::<_, Infallible>(of(0) + of(1) + 1e-4 * small)
    };
    let settings = |truncation| TruncationSettings { truncation, ..UNTRUNCATED };
    let cut = truncated_monte_carlo(12, settings(0.01), worth, &mut rng(2)).unwrap();
    let whole = truncated_monte_carlo(12, settings(0.0), worth, &mut rng(2)).unwrap();
    let each = |estimate: &data_dao_value::Estimate| {
        estimate.evaluations / u64::from(estimate.permutations)
    };
    assert!(each(&cut) < each(&whole), "{} beside {}", each(&cut), each(&whole));
    let sum: f64 = cut.values.iter().sum();
    assert!((sum - 2.001).abs() <= 0.01 * 2.001, "{sum}");
}

#[test]
fn the_same_generator_gives_the_same_bits_whoever_walks() {
    let settings = TruncationSettings { permutations_max: 96, ..UNTRUNCATED };
    let alone =
        truncated_monte_carlo(5, settings, |c| Ok::<_, Infallible>(worth(c)), &mut rng(3)).unwrap();
    let ends = [worth(Coalition::EMPTY), worth(Coalition::grand(5))];
    let mut estimator = TruncatedMonteCarlo::new::<Infallible>(5, settings, ends).unwrap();
    let mut rng = rng(3);
    let orders: Vec<_> = (0..96).map(|_| estimator.permutation(&mut rng)).collect();
    // Walked backwards, added in order.
    let walk = |order| estimator.walk(order, |c| Ok::<_, Infallible>(worth(c))).unwrap();
    let mut walks: Vec<_> = orders.iter().rev().map(walk).collect();
    walks.reverse();
    for walk in &walks {
        estimator.add(walk);
    }
    assert_eq!(estimator.estimate(), alone);
}

#[test]
fn an_estimate_that_has_not_converged_says_so() {
    let settings = TruncationSettings { tolerance: 1e-9, permutations_max: 70, ..UNTRUNCATED };
    let estimate =
        truncated_monte_carlo(6, settings, |c| Ok::<_, Infallible>(worth(c)), &mut rng(4)).unwrap();
    assert_eq!((estimate.convergence, estimate.permutations), (Convergence::NotReached, 70));
}

#[test]
fn games_of_nobody_one_and_too_many_are_defined() {
    let of = |players| {
        truncated_monte_carlo(players, UNTRUNCATED, |c| Ok::<_, Infallible>(worth(c)), &mut rng(5))
    };
    assert_eq!(of(0).unwrap().values, Vec::<f64>::new());
    assert_eq!(of(1).unwrap().values, [1.0]);
    assert_eq!(of(129), Err(GameError::PlayersTooMany { max: 128, got: 129 }));
}

#[test]
fn a_game_in_which_nothing_is_won_has_values_of_zero() {
    let flat = truncated_monte_carlo(4, UNTRUNCATED, |_| Ok::<_, Infallible>(2.0), &mut rng(6));
    let flat = flat.unwrap();
    assert_eq!((flat.values, flat.convergence), (vec![0.0; 4], Convergence::Reached));
}

#[test]
fn senseless_settings_and_worths_are_refused() {
    let of = |settings| {
        truncated_monte_carlo(3, settings, |c| Ok::<_, Infallible>(worth(c)), &mut rng(7))
    };
    let refused = |settings| match of(settings) {
        Err(GameError::Settings(refused)) => refused,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(TruncationSettings { truncation: 1.0, ..UNTRUNCATED }),
        SettingsError::Truncation { got: 1.0 }
    );
    assert_eq!(
        refused(TruncationSettings { tolerance: 0.0, ..UNTRUNCATED }),
        SettingsError::Tolerance { got: 0.0 }
    );
    assert_eq!(
        refused(TruncationSettings { permutations_min: 1, ..UNTRUNCATED }),
        SettingsError::Permutations { min: 1, max: 100_000 }
    );
    let nan = |c: Coalition| Ok::<_, Infallible>(if c.len() == 2 { f64::NAN } else { 0.0 });
    let refused = truncated_monte_carlo(3, UNTRUNCATED, nan, &mut rng(8)).unwrap_err();
    assert!(matches!(refused, GameError::NotFinite { .. }), "{refused}");
}
