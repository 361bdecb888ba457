//! How well scores tell honest contributors from others.

use data_dao_journal::{Standing, pay};
use data_dao_value::{Coalition, leave_one_out};
use trainer_model::{ComputeDevice, Parameters, evaluate};

use crate::{
    federation::{Behaviour, Disguise, Federation, NOVELTY_PERCENT, Stepped},
    measured::MeasuredRound,
    row::{Detection, Row},
    statistics::{auc, mean},
    world::{Skew, Source, Task, World},
};

/// Contributors, of whom the last two attack.
const CONTRIBUTORS: usize = 10;
const ATTACKERS: usize = 2;
const ROUNDS: u64 = 6;

/// The attacks, by name.
pub(crate) const ATTACKS: [&str; 9] = [
    "label flip",
    "noise",
    "zero",
    "replay",
    "mixture",
    "duplicate data",
    "copied update",
    "scaled",
    "backdoor",
];

/// Scores, in the order of [`Detection::auc`].
pub(crate) const SCORES: [&str; 5] =
    ["sealed value", "pay rule", "leave one out", "cosine", "equal split"];

/// Runs an attack.
pub(crate) fn run(
    source: &Source,
    task: Task,
    attack: &str,
    alpha: Skew,
    seed: u64,
) -> anyhow::Result<Row> {
    let mut world = source.deal(task, CONTRIBUTORS, alpha, seed)?;
    let honest = CONTRIBUTORS - ATTACKERS;
    let behaviour = behaviour(attack, &mut world);
    let mut behaviours = vec![Behaviour::Honest; honest];
    behaviours.extend([behaviour; ATTACKERS]);
    let mut federation = Federation::new(world, behaviours, seed);
    let mut sums = vec![[0.0; 3]; CONTRIBUTORS];
    for _ in 0..ROUNDS {
        let stepped = federation.step()?;
        let left = left_out(&federation.world, &stepped)?;
        let sealed = stepped.measured.sealed();
        let scores = sealed.into_iter().zip(left).zip(stepped.measured.cosines());
        for (sums, ((sealed, left), cosine)) in sums.iter_mut().zip(scores) {
            sums.iter_mut().zip([sealed, left, cosine]).for_each(|(sum, score)| *sum += score);
        }
    }
    let standings: Vec<&Standing> = federation.standings.iter().collect();
    #[expect(clippy::cast_precision_loss, reason = "for statistics")]
    let scores: Vec<f64> =
        pay::scores(&standings, NOVELTY_PERCENT).into_iter().map(|score| score as f64).collect();
    let area = |scores: &[f64]| auc(&scores[..honest], &scores[honest..]);
    let column = |at: usize| -> Vec<f64> { sums.iter().map(|sums| sums[at]).collect() };
    let credits = federation.credits();
    Ok(Row::Detection(Detection {
        task,
        attack: attack.to_owned(),
        alpha,
        seed,
        auc: [area(&column(0)), area(&scores), area(&column(1)), area(&column(2)), 0.5],
        credits: mean(&credits[honest..]) / mean(&credits[..honest]),
    }))
}

fn behaviour(attack: &str, world: &mut World) -> Behaviour {
    match attack {
        "label flip" => Behaviour::LabelFlip,
        "noise" => Behaviour::Noise,
        "zero" => Behaviour::Zero,
        "replay" => Behaviour::Replay,
        "mixture" => Behaviour::Mixture,
        "copied update" => Behaviour::Copy { of: 0, disguise: Disguise::None },
        "scaled" => Behaviour::Scaled,
        "backdoor" => Behaviour::Backdoor,
        // Both have the rows of the first, and train for themselves.
        _ => {
            let copied = world.parts[0].clone();
            let from = world.parts.len() - ATTACKERS;
            world.parts[from..].fill(copied);
            Behaviour::Honest
        }
    }
}

/// v(N) − v(N ∖ i), by n + 1 models.
fn left_out(world: &World, stepped: &Stepped) -> anyhow::Result<Vec<f64>> {
    let MeasuredRound { updates, .. } = &stepped.measured;
    let worth = |coalition: Coalition| {
        let mut at: Vec<f64> = stepped.before.values().iter().map(|v| f64::from(*v)).collect();
        #[expect(clippy::cast_precision_loss, reason = "a count of updates")]
        let share = 1.0 / updates.len() as f64;
        for player in coalition.players() {
            at.iter_mut().zip(&updates[player]).for_each(|(a, u)| *a += share * f64::from(*u));
        }
        #[expect(clippy::cast_possible_truncation, reason = "parameters; rounding is wanted")]
        let at = at.into_iter().map(|value| value as f32).collect();
        let at = Parameters::new(&world.architecture.layout(), at)?;
        let cpu = ComputeDevice::cpu();
        anyhow::Ok(-evaluate(&cpu, &world.architecture, &at, &world.validation)?.loss)
    };
    leave_one_out(updates.len(), worth).map_err(|error| anyhow::anyhow!("{error}"))
}
