//! A run from its first event to its last, and what is to be said of one that failed.

use std::fmt;

use privacy_identity::Digest;

use crate::{
    fault::{Fault, Literal},
    invariant::{INVARIANTS, invariant_all_rounds_ended},
    plan::Plan,
    scenario::Scenario,
    simulation::Simulation,
    witness::Seen,
    world::{ROUND_DEADLINE_MS, STEP_DEADLINE_MS},
};

/// How long a run goes on after the last fault, at most, per round and in all, in virtual milliseconds.
const REST_MS: u64 = ROUND_DEADLINE_MS + 5 * STEP_DEADLINE_MS + 2_000;

/// A run whose invariants held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The digest of every event in its order.
    pub log: Digest,
    /// How many there were.
    pub events: u64,
    /// Virtual milliseconds.
    pub took_ms: u64,
    /// What happened, and how often.
    pub seen: Seen,
    /// The faults that happened: listed, they give the same run.
    pub faults: Vec<Fault>,
}

/// A run in which an invariant did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The scenario.
    pub scenario: Scenario,
    /// The number of the event, from 1.
    pub event: u64,
    /// Which invariants, and what was wrong.
    pub broken: Vec<(&'static str, String)>,
    /// The faults that happened until then: listed, they give the same failure.
    pub faults: Vec<Fault>,
    /// The last events.
    pub last: Vec<String>,
}

impl Failure {
    /// Whether `invariant` is among those that did not hold.
    #[must_use]
    pub fn breaks(&self, invariant: &str) -> bool {
        self.broken.iter().any(|(name, _)| *name == invariant)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, event {}:", self.seed, self.event)?;
        for (name, what) in &self.broken {
            writeln!(f, "  {name}: {what}")?;
        }
        writeln!(f, "the last events:\n{}", self.last.join("\n"))?;
        writeln!(f, "scenario: {:?}", self.scenario)?;
        writeln!(f, "faults: {}", Literal(&self.faults))
    }
}

/// Runs the federation of `seed`, with faults drawn by the odds of the scenario.
///
/// # Errors
/// [`Failure`] at the first event after which an invariant does not hold.
pub fn run(seed: u64, scenario: &Scenario) -> Result<Report, Box<Failure>> {
    let failed = match go(Simulation::new(seed, scenario, Plan::drawn(seed, scenario), false)) {
        Ok(report) => return Ok(report),
        Err(failed) => failed,
    };
    // Once more, with a log for people.
    go(Simulation::new(seed, scenario, Plan::drawn(seed, scenario), true))
        .map_or_else(Err, |_| Err(failed))
}

/// Runs the federation of `seed` with exactly these faults.
///
/// # Errors
/// [`Failure`] at the first event after which an invariant does not hold.
pub fn replay(seed: u64, scenario: &Scenario, faults: Vec<Fault>) -> Result<Report, Box<Failure>> {
    go(Simulation::new(seed, scenario, Plan::listed(faults), true))
}

/// The failure with as few faults as can be found by leaving out one after the other while the same invariant
/// breaks: 1-minimal (Zeller & Hildebrandt 2002), as leaving out any other one makes the run pass.
///
/// Leaving out a lost or late message changes which is the nth on its link; so later places on both ways of
/// that link are tried one earlier, too.
#[must_use]
pub fn minimised(failure: Failure) -> Failure {
    let Some((name, _)) = failure.broken.first().cloned() else { return failure };
    let again = |faults: Vec<Fault>| {
        let scenario = Scenario { faults_until_ms: 0, ..failure.scenario.clone() };
        let failed = replay(failure.seed, &scenario, faults).err();
        failed.filter(|failed| failed.breaks(name))
    };
    let Some(mut smallest) = again(failure.faults.clone()) else { return failure };
    let mut left = true;
    while left {
        left = false;
        let mut at = smallest.faults.len();
        while at > 0 {
            at -= 1;
            if let Some(smaller) = without(&smallest.faults, at).into_iter().find_map(again) {
                left = true;
                at = at.min(smaller.faults.len());
                smallest = smaller;
            }
        }
    }
    *smallest
}

/// The list without the fault at `at`, as it is and with later places of its link one earlier.
fn without(faults: &[Fault], at: usize) -> Vec<Vec<Fault>> {
    let mut fewer = faults.to_vec();
    let removed = fewer.remove(at);
    let Some(gone) = removed.site() else { return vec![fewer] };
    let shifted = |there: bool, back: bool| {
        let mut fewer = fewer.clone();
        for site in fewer.iter_mut().filter_map(Fault::site_mut) {
            let same = (site.from, site.to) == (gone.from, gone.to);
            let other = (site.from, site.to) == (gone.to, gone.from);
            if (same && there && site.nth > gone.nth) || (other && back && site.nth > 0) {
                site.nth -= 1;
            }
        }
        fewer
    };
    let mut lists = vec![fewer.clone()];
    for (there, back) in [(true, true), (true, false), (false, true)] {
        let list = shifted(there, back);
        if list != fewer {
            lists.push(list);
        }
    }
    lists
}

fn go(mut simulation: Simulation) -> Result<Report, Box<Failure>> {
    let seed = simulation.seed;
    let standing = simulation.plan.standing().iter().map(Fault::until_ms).max().unwrap_or(0);
    let faults_ms = simulation.scenario.faults_until_ms.max(standing);
    let limit_ms = faults_ms + REST_MS * (u64::from(simulation.scenario.rounds) + 2) + 10_000;
    while simulation.now_ms <= limit_ms && simulation.step() {
        let broken = INVARIANTS
            .iter()
            .filter_map(|(name, invariant)| invariant(&simulation).err().map(|what| (*name, what)));
        let broken: Vec<_> = broken.collect();
        if !broken.is_empty() {
            return Err(failure(seed, &simulation, broken));
        }
        let Simulation { witness, processes, .. } = &mut simulation;
        witness.digest_news(|round| processes.dao.log.contains_key(&round));
    }
    if let Err(what) = invariant_all_rounds_ended(&simulation) {
        let broken = vec![("invariant_rounds_end_by_their_deadlines", what)];
        return Err(failure(seed, &simulation, broken));
    }
    Ok(Report {
        log: simulation.log,
        events: simulation.events,
        took_ms: simulation.now_ms,
        faults: simulation.plan.happened(),
        seen: simulation.witness.seen,
    })
}

fn failure(seed: u64, of: &Simulation, broken: Vec<(&'static str, String)>) -> Box<Failure> {
    Box::new(Failure {
        seed,
        scenario: of.scenario.clone(),
        event: of.events,
        broken,
        faults: of.plan.happened(),
        last: of.last_lines().to_vec(),
    })
}
