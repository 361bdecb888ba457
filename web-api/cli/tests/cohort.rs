//! The members of a federation of real processes are one cohort, check their sums, and keep records that
//! anybody can check.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sahakar::{
    demo::{
        children::End,
        cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
        wineries::Vintage,
    },
    serve::SealingMode,
};
use serde_json::Value;

type Seen = Vec<(String, Value)>;

/// Runs to the end and checks that nobody had to dispute anything.
async fn run_to_the_end(cooperative: &mut Cooperative, vintage: &Vintage, seen: &mut Seen) {
    world::until(cooperative, DAO, "released", seen).await;
    for winery in &vintage.wineries {
        let finished =
            |(from, value): &(String, Value)| *from == winery.label && value["event"] == "finished";
        if !seen.iter().any(finished) {
            world::until(cooperative, &winery.label, "finished", seen).await;
        }
    }
    let bad: Vec<_> = seen.iter().filter(|(_, value)| value["event"] == "disputed").collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// The newest state of the cohort that `label` told of: epoch and members.
fn cohort_of(seen: &Seen, label: &str) -> Option<(u64, u64)> {
    let told = seen.iter().rev().find(|(from, v)| from == label && v["event"] == "cohort");
    told.map(|(_, v)| (v["epoch"].as_u64().unwrap(), v["members"].as_u64().unwrap()))
}

/// Checks that every member told of the same cohort of `members`.
fn check_one_cohort(seen: &Seen, vintage: &Vintage, members: u64) {
    let first = cohort_of(seen, &vintage.wineries[0].label).unwrap();
    assert_eq!(first.1, members);
    for winery in &vintage.wineries {
        assert_eq!(cohort_of(seen, &winery.label), Some(first), "{}", winery.label);
    }
}

fn receipts(cooperative: &Cooperative, label: &str) -> Vec<PathBuf> {
    let dir = cooperative.trainer_dir(label).join("receipts");
    let mut files: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn verify(receipt: &Path, terms: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sahakar"))
        .args(["receipt", "verify"])
        .arg(receipt)
        .arg("--terms")
        .arg(terms)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

async fn a_cohort_forms_and_every_record_holds(mode: SealingMode) {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start_in(mode, dir.path(), 4, 2).await;
    let mut seen = Vec::new();
    run_to_the_end(&mut cooperative, &vintage, &mut seen).await;
    check_one_cohort(&seen, &vintage, 4);
    for winery in &vintage.wineries {
        let state = cooperative.trainer_dir(&winery.label);
        let terms = state.join("terms.bin");
        let files = receipts(&cooperative, &winery.label);
        assert_eq!(files.len(), 2, "{}", winery.label);
        for file in &files {
            let (holds, text) = verify(file, &terms);
            assert!(holds, "{text}");
            assert_eq!(text.matches("ok      ").count(), 4, "{text}");
            assert!(text.contains("not checked: "), "{text}");
        }
        assert!(!state.join("tag.bin").exists(), "a round's secret outlives it");
    }
    // A changed byte, and another federation's terms.
    let files = receipts(&cooperative, &vintage.wineries[0].label);
    let terms = cooperative.trainer_dir(&vintage.wineries[0].label).join("terms.bin");
    let mut bytes = std::fs::read(&files[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let altered = dir.path().join("altered.bin");
    std::fs::write(&altered, bytes).unwrap();
    assert!(!verify(&altered, &terms).0);
    cooperative.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_2_in_mpc_mode_a_cohort_forms_and_every_record_holds() {
    a_cohort_forms_and_every_record_holds(SealingMode::Mpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_2_in_verified_mode_a_cohort_forms_and_every_record_holds() {
    a_cohort_forms_and_every_record_holds(SealingMode::MpcVerified).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_2_in_fhe_mode_a_cohort_forms_and_every_record_holds() {
    a_cohort_forms_and_every_record_holds(SealingMode::Fhe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_aggregators_while_the_cohort_forms_does_not_keep_it_from_forming() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 5, 2).await;
    let mut seen = Vec::new();
    let first = vintage.wineries[0].label.clone();
    world::until(&mut cooperative, &first, "joined", &mut seen).await;
    for name in [COORDINATOR, AGGREGATOR] {
        cooperative.end(name, End::Kill).await;
        cooperative.start_aggregator(name).await.unwrap();
    }
    world::until(&mut cooperative, &first, "cohort", &mut seen).await;
    cooperative.end(COORDINATOR, End::Kill).await;
    cooperative.start_aggregator(COORDINATOR).await.unwrap();
    run_to_the_end(&mut cooperative, &vintage, &mut seen).await;
    check_one_cohort(&seen, &vintage, 5);
    cooperative.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_killed_and_started_again_stays_in_the_cohort() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 4, 4).await;
    let mut seen = Vec::new();
    let victim = vintage.wineries[1].clone();
    world::until(&mut cooperative, &victim.label, "cohort", &mut seen).await;
    cooperative.end(&victim.label, End::Kill).await;
    cooperative.start_trainer(&victim).unwrap();
    run_to_the_end(&mut cooperative, &vintage, &mut seen).await;
    check_one_cohort(&seen, &vintage, 4);
    assert!(seen.iter().any(|(from, v)| *from == victim.label && v["event"] == "counted"));
    cooperative.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_joins_and_goes_away_does_not_keep_the_others_from_their_rounds() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 4, 2).await;
    let mut seen = Vec::new();
    let victim = vintage.wineries[0].label.clone();
    // Admitted by the DAO; whether it still gets into the cohort is a matter of moments.
    world::until(&mut cooperative, &victim, "joined", &mut seen).await;
    cooperative.end(&victim, End::Kill).await;
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let settled: Vec<_> = seen.iter().filter(|(_, v)| v["event"] == "settled").collect();
    assert!(settled.iter().all(|(_, v)| v["participants"] == 3), "{settled:?}");
    cooperative.end_all().await;
}
