//! The probe against exact Shapley values of the same game.

use data_dao_value::{banzhaf, leave_one_out, shapley};
use privacy_dp::{Accountant, Sampling, Target, noise_multiplier};
use rand::RngExt as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use rand_distr::StandardNormal;

use crate::{
    coalitions::RoundGame,
    federation::{Behaviour, Federation, Stepped},
    row::{Agreement, Match, Row},
    statistics::{mean, relative_l2, spearman},
    world::{Skew, Source, Task},
};

/// ε of the one opening whose noise is tried.
pub(crate) const EPSILONS: [f64; 3] = [1.0, 3.0, 8.0];
const DELTA: f64 = 1e-5;
/// Draws of noise of which means are taken.
const DRAWS: usize = 20;
/// Rounds of a run: the first starts from a random model, the second from a trained one.
const ROUNDS: u64 = 2;

/// Runs a deal; of 16 contributors only the last round, as it takes 2¹⁶ models.
pub(crate) fn run(
    source: &Source,
    task: Task,
    contributors: usize,
    alpha: Skew,
    seed: u64,
) -> anyhow::Result<Vec<Row>> {
    let world = source.deal(task, contributors, alpha, seed)?;
    let mut federation = Federation::new(world, vec![Behaviour::Honest; contributors], seed);
    let mut rows = Vec::new();
    for round in 0..ROUNDS {
        let stepped = federation.step()?;
        if contributors > 10 && round + 1 < ROUNDS {
            continue;
        }
        let of = Agreement {
            task,
            contributors,
            alpha,
            seed,
            round,
            ..compared(&federation, &stepped)?
        };
        rows.push(Row::Agreement(of));
    }
    Ok(rows)
}

/// The statistics of a round; what it is a round of is left to fill in.
fn compared(federation: &Federation, stepped: &Stepped) -> anyhow::Result<Agreement> {
    let Stepped { before, measured, clip, .. } = stepped;
    let world = &federation.world;
    let table = RoundGame {
        architecture: &world.architecture,
        model: before,
        updates: &measured.updates,
        validation: &world.validation,
    }
    .table()?;
    let exact = shapley(&table);
    let to = |values: &[f64]| Match {
        spearman: spearman(values, &exact),
        relative_l2: relative_l2(values, &exact),
    };
    let sealed = measured.sealed();
    // Value and innovation together: each at most C‖p‖/n.
    #[expect(clippy::cast_precision_loss, reason = "a count of updates")]
    let sensitivity = 2.0_f64.sqrt() * clip * measured.probe_norm() / measured.updates.len() as f64;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut noisy = |epsilon| -> anyhow::Result<Match> {
        let target = Target { epsilon, delta: DELTA };
        let multiplier = noise_multiplier(target, Sampling::Full, 1, Accountant::Pld)?;
        let mut draw = || -> Vec<f64> {
            let noise = |value: &f64| {
                value + sensitivity * multiplier * rng.sample::<f64, _>(StandardNormal)
            };
            sealed.iter().map(noise).collect()
        };
        let matches: Vec<Match> = (0..DRAWS).map(|_| to(&draw())).collect();
        let of = |take: fn(&Match) -> Option<f64>| {
            let values: Vec<f64> = matches.iter().filter_map(take).collect();
            (!values.is_empty()).then(|| mean(&values))
        };
        Ok(Match { spearman: of(|m| m.spearman), relative_l2: of(|m| m.relative_l2) })
    };
    let noisy = [noisy(EPSILONS[0])?, noisy(EPSILONS[1])?, noisy(EPSILONS[2])?];
    let left =
        leave_one_out(table.players(), |c| Ok::<_, std::convert::Infallible>(table.worth(c)))?;
    let gap = (sealed.iter().sum::<f64>() - table.gain()).abs() / table.gain().abs();
    Ok(Agreement {
        task: Task::Wine,
        contributors: 0,
        alpha: Skew(None),
        seed: 0,
        round: 0,
        sealed: to(&sealed),
        clear: to(&measured.clear()),
        first_order: to(&measured.first_order),
        banzhaf: to(&banzhaf(&table)),
        leave_one_out: to(&left),
        noisy,
        efficiency_gap: gap,
    })
}
