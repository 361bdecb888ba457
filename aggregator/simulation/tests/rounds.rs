//! Thousands of seeded rounds in all modes; after each event every `invariant_*` holds.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use aggregator_protocol::{CustodyTerms, SealingTerms};
use aggregator_simulation::{Fault, Scenario, replay, run};
use aggregator_strategy::GroupRule;
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
    every_invariant_holds_of(Scenario::draw, sealing, seeds, &[EVERYWHERE, also].concat());
}

fn every_invariant_holds_of(
    draw: impl Fn(SealingTerms, u64) -> Scenario + Sync,
    sealing: SealingTerms,
    seeds: u64,
    names: &[&str],
) {
    let started = support::Stopwatch::start();
    let seen = over_seeds(0..seeds, |seed| (draw(sealing, seed), seed));
    print(sealing.name(), seeds, &seen, started.seconds());
    for name in names {
        assert!(seen.count(name) > 0, "{name} never happened in mode {}: {seen:?}", sealing.name());
    }
}

#[test]
fn every_invariant_holds_in_mpc_mode() {
    every_invariant_holds(
        SealingTerms::Mpc,
        1_790,
        &[
            "parts refused",
            "aborted for a lost update",
            "members not drawn",
            "sent though not drawn",
            "not-drawn",
            "enough",
        ],
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

/// A round in groups has at least six members: dearer, and so there are fewer.
#[test]
fn every_invariant_holds_in_groups() {
    let also = ["parts refused", "members not drawn", "not-drawn", "asked for one group"];
    let names = [EVERYWHERE, &also].concat();
    every_invariant_holds_of(Scenario::draw_in_groups, SealingTerms::Mpc, 110, &names);
}

#[test]
fn every_invariant_holds_in_groups_in_verified_mode() {
    let names = ["settled", "aborted", "crashes", "lost", "stolen", "groups opened"];
    every_invariant_holds_of(Scenario::draw_in_groups, SealingTerms::MpcVerified, 10, &names);
}

#[test]
fn the_same_seed_gives_the_same_log_and_its_faults_listed_do_too() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe()] {
        for seed in 5_000..5_004 {
            // The last in groups, where there can be any.
            let groups = seed == 5_003 && sealing.custody().is_none();
            let draw = if groups { Scenario::draw_in_groups } else { Scenario::draw };
            let scenario = draw(sealing, seed);
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

#[test]
fn where_nothing_goes_wrong_every_round_in_groups_settles() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified] {
        for (groups, cohort, noise) in [(3, false, 0.0), (4, true, 0.05)] {
            let rule = GroupRule::new(groups, "median".parse().unwrap()).unwrap();
            let audit = sealing == SealingTerms::Mpc;
            let calm = Scenario::calm(sealing).in_groups(rule);
            let scenario = Scenario { members: 9, cohort, noise, audit, ..calm };
            let report = run(1, &scenario).unwrap_or_else(|failure| panic!("{failure}"));
            let seen = &report.seen;
            assert_eq!(seen.count("settled"), 3, "{scenario:?}: {seen:?}");
            assert_eq!(seen.count("groups opened"), 3 * u64::from(groups), "{seen:?}");
            // One more than there are members for: nothing is opened.
            let silent = (0..2).map(|member| Fault::Silent { member }).collect();
            let scenario = Scenario { minimum: 9 / groups, ..scenario };
            let report = replay(1, &scenario, silent).unwrap_or_else(|failure| panic!("{failure}"));
            let seen = &report.seen;
            assert_eq!((seen.count("aborted"), seen.count("opened")), (3, 0), "{seen:?}");
        }
    }
}

#[test]
fn a_round_takes_as_many_as_it_wants_and_tells_the_others_so() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe()] {
        let custodians = sealing.custody().map_or(2, CustodyTerms::custodians);
        let sampling = format!("uniform:size={custodians},over=1.5").parse().unwrap();
        let scenario = Scenario { members: 6, sampling, ..Scenario::calm(sealing) };
        let report = run(3, &scenario).unwrap_or_else(|failure| panic!("{failure}"));
        let seen = &report.seen;
        assert_eq!(seen.count("settled"), 3, "{sealing:?}: {seen:?}");
        assert_eq!(seen.count("acknowledged"), 3 * custodians as u64, "{sealing:?}: {seen:?}");
        assert!(seen.count("enough") + seen.count("late") > 0, "{sealing:?}: {seen:?}");
    }
}

/// Eight rounds of six members at a rate of one half.
#[test]
fn members_draw_for_themselves_and_who_was_not_drawn_is_not_taken() {
    let sampling = "secret:rate=0.5".parse().unwrap();
    let calm = Scenario::calm(SealingTerms::Mpc);
    let scenario = Scenario { members: 6, rounds: 8, sampling, ..calm };
    let report = run(4, &scenario).unwrap_or_else(|failure| panic!("{failure}"));
    let (drawn, not) =
        (report.seen.count("updates sealed"), report.seen.count("members not drawn"));
    assert_eq!(drawn + not, 48, "{:?}", report.seen);
    assert!((10..=38).contains(&drawn), "{:?}", report.seen);
    assert_eq!(report.seen.count("not-drawn"), 0);
    let greedy = (0..6).map(|member| Fault::Greedy { member }).collect();
    let report = replay(4, &scenario, greedy).unwrap_or_else(|failure| panic!("{failure}"));
    let sent = report.seen.count("sent though not drawn");
    assert!(sent > 0 && report.seen.count("not-drawn") >= sent, "{:?}", report.seen);
}
