//! Credits against exact values, in the demonstration's setting: eight wineries, one with the wrong labels, one that
//! sends noise, one that replays; 15 rounds.

use data_dao_value::shapley;

use crate::{
    coalitions::RoundGame,
    federation::{Behaviour, Federation},
    row::{Fairness, Row},
    world::{Skew, Source, Task},
};

const CONTRIBUTORS: usize = 8;
const ROUNDS: u64 = 15;
/// Rows that the wineries have of an even share: 80 to 190 of 125, as in the demonstration.
const SHARES: [f64; CONTRIBUTORS] = [0.64, 0.75, 0.85, 0.95, 1.0, 0.9, 0.8, 1.0];

/// Runs a seed.
pub(crate) fn run(source: &Source, seed: u64) -> anyhow::Result<Row> {
    let mut world = source.deal(Task::Wine, CONTRIBUTORS, Skew(None), seed)?;
    for (part, share) in world.parts.iter_mut().zip(SHARES) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count of rows"
        )]
        let count = (part.labels.len() as f64 * share) as usize;
        *part = part.slice(0..count);
    }
    let mut behaviours = vec![Behaviour::Honest; 5];
    behaviours.extend([Behaviour::LabelFlip, Behaviour::Noise, Behaviour::Replay]);
    let kinds =
        ["honest", "honest", "honest", "honest", "honest", "wrong labels", "noise", "replay"];
    let mut federation = Federation::new(world, behaviours, seed);
    let (mut exact, mut sealed) = (vec![0.0; CONTRIBUTORS], vec![0.0; CONTRIBUTORS]);
    for _ in 0..ROUNDS {
        let stepped = federation.step()?;
        let game = RoundGame {
            architecture: &federation.world.architecture,
            model: &stepped.before,
            updates: &stepped.measured.updates,
            validation: &federation.world.validation,
        };
        let values = shapley(&game.table()?);
        exact.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        let opened = stepped.measured.sealed();
        sealed.iter_mut().zip(opened).for_each(|(sum, value)| *sum += value);
    }
    let kinds = kinds.map(str::to_owned).to_vec();
    Ok(Row::Fairness(Fairness { seed, kinds, exact, sealed, credits: federation.credits() }))
}
