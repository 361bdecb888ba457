//! Whole federations under a seeded network that loses, delays, reorders, doubles and garbles messages,
//! with processes that crash at any step, dishonest contributors and a coordinator that asks for what
//! it must not. After each event every `invariant_*` holds; the seed is in each failure.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

#[path = "../world/mod.rs"]
mod world;

mod contributor;
mod faults;
mod invariants;
mod network;

use aggregator_protocol::{CustodyTerms, SealingTerms};

use crate::{
    invariants::{INVARIANTS, invariant_all_rounds_ended},
    network::Simulation,
};

/// Events after which a run counts as one that never ends.
const EVENTS_MAX: usize = 30_000;

/// Names the seed when a check fails somewhere below.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the failure above happened with seed {}", self.0);
        }
    }
}

/// Runs the federation of `seed` to its end.
fn run(sealing: SealingTerms, seed: u64) -> Simulation {
    let _named = Named(seed);
    let mut simulation = Simulation::new(sealing, seed);
    for _ in 0..EVENTS_MAX {
        if !simulation.step() {
            invariant_all_rounds_ended(&simulation);
            return simulation;
        }
        for invariant in INVARIANTS {
            invariant(&simulation);
        }
    }
    panic!("no end after {EVENTS_MAX} events; the last were {:#?}", simulation.last_events(30));
}

/// What must have happened somewhere among many seeds, so that the invariants were not idle.
#[derive(Debug, Default)]
struct Seen {
    settled: usize,
    aborted: usize,
    crashes: usize,
    refusals: usize,
    left_out_by_peers: usize,
    forged: usize,
    echoes: usize,
}

fn check_seeds(sealing: SealingTerms, seeds: impl Iterator<Item = u64>) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let simulation = run(sealing, seed);
        simulation.tally(&mut seen);
    }
    let counts = [seen.settled, seen.aborted, seen.crashes, seen.refusals, seen.left_out_by_peers];
    assert!(counts.iter().all(|count| *count > 0), "something never happened: {seen:?}");
    seen
}

#[test]
fn every_invariant_holds_under_faults_in_mpc_mode() {
    // Even seeds have two aggregators, odd ones three.
    check_seeds(SealingTerms::Mpc, 0..160);
}

#[test]
fn every_invariant_holds_under_faults_in_verified_mode() {
    let seen = check_seeds(SealingTerms::MpcVerified, 0..60);
    assert!(seen.forged > 0, "{seen:?}");
}

#[test]
fn every_invariant_holds_under_faults_in_fhe_mode() {
    for (custodians, seeds) in [(3, 0..25), (4, 25..50)] {
        let custody = CustodyTerms::new(custodians, 2).unwrap();
        let seen = check_seeds(SealingTerms::Fhe(custody), seeds);
        assert!(seen.echoes > 0, "{seen:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 300..303 {
        let run = |seed| run(SealingTerms::Mpc, seed);
        let (first, second) = (run(seed), run(seed));
        assert!(first.log == second.log, "two runs of seed {seed} differ");
        assert!(first.log != run(seed + 100).log, "seeds {seed} and {} agree", seed + 100);
    }
}
