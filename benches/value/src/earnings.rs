//! What attackers earn who know the pay rule.

use data_dao_journal::{DUPLICATE_ROUNDS_MIN, Standing, duplicate_groups};

use crate::{
    federation::{Behaviour, Disguise, Federation, LateKind},
    row::{Earnings, Row, Twins},
    statistics::mean,
    world::{Rows, Skew, Source, Task, World},
};

/// Honest contributors, beside whom the others act.
const HONEST: usize = 9;
const ROUNDS: u64 = 8;
/// The round in which late joiners come.
const LATE: u64 = 4;
/// Distances of which it is counted how many pairs of honest contributors are nearer; the first is that of the pay
/// rule.
pub(crate) const NEAR: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];

/// A strategy: its name, how many identities it takes, how they act, and how many rows they have of an honest share.
pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    behaviours: &'static [Behaviour],
    rows: OwnRows,
}

/// What rows the group has.
enum OwnRows {
    /// Each a share of its own.
    Each,
    /// One share, cut among them.
    Cut,
    /// One share, of which each has all.
    Same,
}

const fn copy(disguise: Disguise) -> Behaviour {
    Behaviour::Copy { of: HONEST, disguise }
}

const fn strategy(name: &'static str, behaviours: &'static [Behaviour], rows: OwnRows) -> Strategy {
    Strategy { name, behaviours, rows }
}

const fn alone(name: &'static str, behaviours: &'static [Behaviour]) -> Strategy {
    strategy(name, behaviours, OwnRows::Each)
}

const HONEST_ONE: Behaviour = Behaviour::Honest;

/// All that are tried.
pub(crate) const STRATEGIES: [Strategy; 26] = [
    alone("honest", &[HONEST_ONE]),
    alone("scales to the clip norm", &[Behaviour::Scaled]),
    alone("replay", &[Behaviour::Replay]),
    alone("replay and noise", &[Behaviour::NoisyReplay]),
    alone("replay, 5 % own", &[Behaviour::Blend(0.05)]),
    alone("replay, 10 % own", &[Behaviour::Blend(0.1)]),
    alone("replay, 20 % own", &[Behaviour::Blend(0.2)]),
    alone("replay, 30 % own", &[Behaviour::Blend(0.3)]),
    alone("replay, 50 % own", &[Behaviour::Blend(0.5)]),
    alone("replay, 70 % own", &[Behaviour::Blend(0.7)]),
    alone("trains on 5 % of its rows", &[Behaviour::Lazy(0.05)]),
    alone("trains on 10 % of its rows", &[Behaviour::Lazy(0.1)]),
    alone("trains on 25 % of its rows", &[Behaviour::Lazy(0.25)]),
    alone("trains on 50 % of its rows", &[Behaviour::Lazy(0.5)]),
    alone("late, honest", &[Behaviour::Late(LATE, LateKind::Honest)]),
    alone("late, replay", &[Behaviour::Late(LATE, LateKind::Replay)]),
    alone("2 copies", &[HONEST_ONE, copy(Disguise::None)]),
    alone(
        "4 copies",
        &[HONEST_ONE, copy(Disguise::None), copy(Disguise::None), copy(Disguise::None)],
    ),
    alone("2 copies, scaled", &[HONEST_ONE, copy(Disguise::Scale)]),
    alone("2 copies, scaled and mixed", &[HONEST_ONE, copy(Disguise::ScaleAndPublic)]),
    alone(
        "4 copies, scaled and mixed",
        &[
            HONEST_ONE,
            copy(Disguise::ScaleAndPublic),
            copy(Disguise::ScaleAndPublic),
            copy(Disguise::ScaleAndPublic),
        ],
    ),
    alone("2 copies, noise", &[HONEST_ONE, copy(Disguise::Noise)]),
    strategy("2 train on the same rows", &[HONEST_ONE; 2], OwnRows::Same),
    strategy("4 train on the same rows", &[HONEST_ONE; 4], OwnRows::Same),
    strategy("2 train on halves of the rows", &[HONEST_ONE; 2], OwnRows::Cut),
    strategy("4 train on quarters of the rows", &[HONEST_ONE; 4], OwnRows::Cut),
];

/// Runs a strategy beside [`HONEST`] honest contributors.
pub(crate) fn run(
    source: &Source,
    strategy: &Strategy,
    alpha: Skew,
    seed: u64,
) -> anyhow::Result<Row> {
    let mut world = source.deal(Task::Digits, HONEST + 1, alpha, seed)?;
    give_rows(&mut world, strategy);
    let behaviours = [&[Behaviour::Honest; HONEST][..], strategy.behaviours].concat();
    let mut federation = Federation::new(world, behaviours, seed);
    for _ in 0..ROUNDS {
        federation.step()?;
    }
    let credits = federation.credits();
    let group: f64 = credits[HONEST..].iter().sum();
    let (within, outside) = distances(&federation);
    let least = |values: &[f64]| values.iter().copied().reduce(f64::min);
    Ok(Row::Earnings(Earnings {
        strategy: strategy.name.to_owned(),
        alpha,
        seed,
        credits: group / mean(&credits[..HONEST]),
        group_distance: least(&within),
        honest_distance: least(&outside).unwrap_or(f64::INFINITY),
        false_duplicates: false_duplicates(&federation),
    }))
}

/// Gives the group's rows, which are those of the last contributor dealt to, to its identities.
fn give_rows(world: &mut World, strategy: &Strategy) {
    let Some(own) = world.parts.pop() else { return };
    let count = strategy.behaviours.len();
    let part = |index: usize| -> Rows {
        let rows = own.labels.len();
        match strategy.rows {
            OwnRows::Each | OwnRows::Same => own.clone(),
            OwnRows::Cut => own.slice(index * rows / count..(index + 1) * rows / count),
        }
    };
    world.parts.extend((0..count).map(part));
}

/// Distances of trajectories within the group, and of all other pairs.
fn distances(federation: &Federation) -> (Vec<f64>, Vec<f64>) {
    let (mut within, mut outside) = (Vec::new(), Vec::new());
    for (first, a) in federation.standings.iter().enumerate() {
        for b in &federation.standings[first + 1..] {
            let group = if first >= HONEST { &mut within } else { &mut outside };
            group.push(distance(a.values(), b.values()));
        }
    }
    (within, outside)
}

/// Pairs that the pay rule takes for one, of which at most one is of the group.
fn false_duplicates(federation: &Federation) -> usize {
    let standings = &federation.standings;
    let others = |first: usize| {
        standings[first + 1..].iter().filter(move |other| taken_for_one(&standings[first], other))
    };
    (0..HONEST).map(|first| others(first).count()).sum()
}

fn taken_for_one(a: &Standing, b: &Standing) -> bool {
    duplicate_groups(&[a, b]) == [0, 0]
}

/// Root of the sum of squared differences of values over the last common rounds, over the root of the mean of both
/// sums of squares, as the pay rule takes it; infinite where that has too few rounds to tell.
#[expect(clippy::cast_precision_loss, reason = "for statistics")]
fn distance(a: &[i64], b: &[i64]) -> f64 {
    let rounds = a.len().min(b.len());
    let square = |value: i64| (value as f64).powi(2);
    let (a, b) = (&a[a.len() - rounds..], &b[b.len() - rounds..]);
    let apart: f64 = a.iter().zip(b).map(|(v, w)| square(v - w)).sum();
    let size: f64 = a.iter().chain(b).map(|value| square(*value) / 2.0).sum();
    let tells = rounds >= DUPLICATE_ROUNDS_MIN && size > 0.0;
    if tells { (apart / size).sqrt() } else { f64::INFINITY }
}

/// How near the values of sixteen honest contributors come, after four and after eight rounds.
pub(crate) fn twins(
    source: &Source,
    task: Task,
    alpha: Skew,
    seed: u64,
) -> anyhow::Result<Vec<Row>> {
    const CONTRIBUTORS: usize = 16;
    let world = source.deal(task, CONTRIBUTORS, alpha, seed)?;
    let mut federation = Federation::new(world, vec![Behaviour::Honest; CONTRIBUTORS], seed);
    let mut found = Vec::new();
    for round in 1..=8 {
        federation.step()?;
        if round != DUPLICATE_ROUNDS_MIN && round != 8 {
            continue;
        }
        let mut distances = Vec::new();
        let mut taken = 0;
        for (first, a) in federation.standings.iter().enumerate() {
            let others = &federation.standings[first + 1..];
            distances.extend(others.iter().map(|b| distance(a.values(), b.values())));
            taken += others.iter().filter(|b| taken_for_one(a, b)).count();
        }
        found.push(Row::Twins(Twins {
            task,
            alpha,
            seed,
            rounds: round,
            pairs: distances.len(),
            taken_for_one: taken,
            below: NEAR.map(|near| distances.iter().filter(|d| **d <= near).count()),
            least: distances.iter().copied().fold(f64::INFINITY, f64::min),
        }));
    }
    Ok(found)
}
