//! A federation in miniature: contributors pull towards their own optimum of a quadratic loss.
#![expect(clippy::unwrap_used, reason = "a test's way to fail")]

use aggregator_strategy::{
    AttackPlan, GroupMeans, HonestRound, OptimizerState, RobustRule, ServerOptimizer, Updates,
};
use rand::RngExt as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

const DIMENSION: usize = 30;
const HONEST: usize = 16;
const LIARS: usize = 4;

/// Optima of the honest contributors: around 2 in every coordinate, spread evenly over ±0.5.
fn optima() -> Vec<Vec<f32>> {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let one = |rng: &mut ChaCha20Rng| (0..DIMENSION).map(|_| 1.5 + rng.random::<f32>()).collect();
    (0..HONEST).map(|_| one(&mut rng)).collect()
}

/// What one contributor changes: a fifth of the way to its optimum.
fn train(parameters: &[f32], optimum: &[f32]) -> Vec<f32> {
    parameters.iter().zip(optimum).map(|(x, target)| 0.2 * (target - x)).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
}

fn centre(optima: &[Vec<f32>]) -> Vec<f32> {
    let slices: Vec<_> = optima.iter().map(Vec::as_slice).collect();
    RobustRule::Mean.aggregate(&Updates::new(&slices).unwrap()).unwrap()
}

/// How far from the honest optimum 60 rounds end, under `attack`, with `aggregate` for the mean.
fn run(optimizer: &str, attack: Option<&str>, aggregate: impl Fn(&[Vec<f32>]) -> Vec<f32>) -> f32 {
    let optima = optima();
    let plan: Option<AttackPlan> = attack.map(|text| text.parse().unwrap());
    let optimizer: ServerOptimizer = optimizer.parse().unwrap();
    let mut state = OptimizerState::new(optimizer, DIMENSION).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let (mut parameters, mut last) = (vec![0.0; DIMENSION], None);
    for _ in 0..60 {
        let mut updates: Vec<_> = optima.iter().map(|o| train(&parameters, o)).collect();
        if let Some(plan) = plan {
            let slices: Vec<_> = updates.iter().map(Vec::as_slice).collect();
            let honest = Updates::new(&slices).unwrap();
            let round = HonestRound::new(&honest, plan.count, last.as_deref()).unwrap();
            let lie = |own: &Vec<f32>| round.craft(&plan.attack, Some(own), &mut rng).unwrap();
            let lies: Vec<_> = updates[..plan.count].iter().map(lie).collect();
            // Liars in between, so that groups of neighbours are mixed.
            lies.into_iter().enumerate().for_each(|(i, lie)| updates.insert(4 * i, lie));
        }
        let mean = aggregate(&updates);
        parameters = state.step(&parameters, &mean).unwrap();
        last = Some(mean);
    }
    distance(&parameters, &centre(&optima))
}

fn by_rule(rule: &str) -> impl Fn(&[Vec<f32>]) -> Vec<f32> {
    let rule: RobustRule = rule.parse().unwrap();
    move |updates| {
        let slices: Vec<_> = updates.iter().map(Vec::as_slice).collect();
        rule.aggregate(&Updates::new(&slices).unwrap()).unwrap()
    }
}

#[test]
fn every_optimizer_finds_the_optimum() {
    for optimizer in [
        "fedavg",
        "fedavgm:lr=0.5,momentum=0.5",
        "fedadagrad:lr=0.5",
        "fedadam:lr=0.1",
        "fedadam:lr=0.1,start=zero,correction=kingma-ba",
        "fedyogi:lr=0.1",
    ] {
        let away = run(optimizer, None, by_rule("mean"));
        // From 11 at the start; adaptive steps go on swinging by about their rate.
        assert!(away < 0.5, "{optimizer} ends {away} away");
    }
}

/// The mean is pulled far off by each attack; a rule that withstands four liars stays within the spread of the
/// honest optima (their mean distance from the centre is 1.6).
#[test]
fn rules_withstand_what_breaks_the_mean() {
    let attacks = ["signflip:4,scale=20", "gaussian:4,deviation=10", "ipm:4"];
    let rules =
        ["median", "trimmed-mean:beta=0.2", "krum:f=4", "multi-krum:f=4,m=10", "geometric-median"];
    for attack in attacks {
        let mean = run("fedavg", Some(attack), by_rule("mean"));
        assert!(mean > 5.0, "{attack}: the mean ends {mean} away");
        for rule in rules {
            let away = run("fedavg", Some(attack), by_rule(rule));
            assert!(away < 1.6, "{attack}: {rule} ends {away} away");
        }
    }
}

/// ALIE stays inside the honest spread, so no rule can tell it from honest data: each is moved, within the
/// spread, and the median more than the mean (as Baruch et al. report of trimmed means and Krum).
#[test]
fn alie_moves_every_rule_within_the_honest_spread() {
    let away = |rule| run("fedavg", Some("alie:4,z=1.5"), by_rule(rule));
    let mean = away("mean");
    assert!(mean > 0.3, "mean: {mean}");
    assert!(away("median") > mean);
    for rule in ["mean", "median", "trimmed-mean:beta=0.2", "geometric-median"] {
        assert!(away(rule) < 1.6, "{rule}: {}", away(rule));
    }
}

#[test]
fn free_riders_slow_the_mean_and_do_not_turn_it() {
    for attack in ["zero:4", "replay:4"] {
        let away = run("fedavg", Some(attack), by_rule("mean"));
        assert!(away < 0.1, "{attack}: {away}");
    }
}

/// Twenty contributors in ten groups of two, each of the four liars in a group of its own.
#[test]
fn groups_withstand_liars_without_single_updates() {
    let grouped = |rule: &'static str| {
        move |updates: &[Vec<f32>]| {
            let add =
                |pair: &[Vec<f32>]| pair[0].iter().zip(&pair[1]).map(|(a, b)| a + b).collect();
            let sums: Vec<_> = updates.chunks_exact(2).map(add).collect();
            let groups = GroupMeans::from_sums(sums, &[2; 10], 2).unwrap();
            groups.aggregate(&rule.parse().unwrap(), LIARS).unwrap()
        }
    };
    for rule in ["median", "trimmed-mean:beta=0.4", "geometric-median"] {
        let away = run("fedavg", Some("gaussian:4,deviation=10"), grouped(rule));
        assert!(away < 2.0, "{rule} ends {away} away");
    }
}
