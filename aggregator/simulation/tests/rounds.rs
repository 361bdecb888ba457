//! Thousands of seeded rounds in all modes; after each event every `invariant_*` holds.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use aggregator_protocol::{CustodyTerms, SealingTerms};
use aggregator_simulation::{Scenario, replay, run};
use support::{over_seeds, print};

fn fhe() -> SealingTerms {
    SealingTerms::Fhe(CustodyTerms::new(3, 2).unwrap())
}

/// What must have happened somewhere among the seeds, so that the invariants were not idle.
const EVERYWHERE: &[&str] = &[
    "settled",
    "aborted",
    "crashes",
    "lost",
    "delayed",
    "doubled",
    "flipped",
    "cut",
    "forged",
    "stolen",
    "bytes lost",
    "bytes altered",
    "bytes unreadable",
    "updates torn",
    "own work",
    "sums checked by members",
    "acknowledged",
    // Refusals by reason.
    "malformed",
    "bad-signature",
    "wrong-sender",
    "wrong-round",
    "late",
    "duplicate",
    "oversized",
    "unopenable",
    "already-answered",
    "bad-set",
];

fn every_invariant_holds(sealing: SealingTerms, seeds: u64, also: &[&str]) {
    let started = support::Stopwatch::start();
    let seen = over_seeds(0..seeds, |seed| (Scenario::draw(sealing, seed), seed));
    print(sealing.name(), seeds, &seen, started.seconds());
    for name in EVERYWHERE.iter().chain(also) {
        assert!(seen.count(name) > 0, "{name} never happened in mode {}: {seen:?}", sealing.name());
    }
}

#[test]
fn every_invariant_holds_in_mpc_mode() {
    every_invariant_holds(
        SealingTerms::Mpc,
        1_910,
        &["parts refused", "aborted for a lost update"],
    );
}

#[test]
fn every_invariant_holds_in_verified_mode() {
    every_invariant_holds(SealingTerms::MpcVerified, 60, &["proofs refused"]);
}

#[test]
fn every_invariant_holds_in_fhe_mode() {
    every_invariant_holds(fhe(), 30, &["echoes", "no-agreement"]);
}

#[test]
fn the_same_seed_gives_the_same_log_and_its_faults_listed_do_too() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe()] {
        for seed in 5_000..5_004 {
            let scenario = Scenario::draw(sealing, seed);
            let first = run(seed, &scenario).unwrap();
            let second = run(seed, &scenario).unwrap();
            assert_eq!(first, second, "two runs of seed {seed} differ");
            assert_ne!(first.log, run(seed + 100, &scenario).unwrap().log);
            let listed = replay(seed, &scenario, first.faults.clone()).unwrap();
            assert_eq!(first.log, listed.log, "the faults of seed {seed} give another run");
        }
    }
}

#[test]
fn where_nothing_goes_wrong_every_round_settles() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe()] {
        let calm = Scenario::calm(sealing);
        for (cohort, noise) in [(false, 0.0), (true, 0.0), (true, 0.05), (false, 1.0)] {
            // A restart after every step, where that is cheap.
            let audit = sealing == SealingTerms::Mpc;
            let scenario = Scenario { cohort, noise, audit, ..calm.clone() };
            let report = run(1, &scenario).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(report.seen.count("settled"), 3, "{scenario:?}: {:?}", report.seen);
            assert_eq!(report.faults, []);
        }
    }
}
