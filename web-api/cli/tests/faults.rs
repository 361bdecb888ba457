//! Processes are killed with `kill -9` in the middle of rounds; nothing acknowledged is lost.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use sahakar::demo::{
    children::End,
    cooperative::{AGGREGATOR, COORDINATOR, DAO},
};
use serde_json::Value;

/// Rounds whose update `label` was promised to be held, and those that ended for it.
fn acknowledged_and_ended(seen: &[(String, Value)], label: &str) -> (Vec<u64>, Vec<u64>) {
    let rounds = |events: &[&str]| {
        let of = |(from, value): &&(String, Value)| {
            from == label && value["event"].as_str().is_some_and(|e| events.contains(&e))
        };
        seen.iter().filter(of).filter_map(|(_, value)| value["round"].as_u64()).collect()
    };
    (rounds(&["submitted"]), rounds(&["counted", "aborted"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_closes_without_a_contributor_that_was_killed_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 4, 3).await;
    let mut seen = Vec::new();
    let victim = vintage.wineries[0].label.clone();
    // In the cohort, and with it in every grant; it has not delivered.
    world::until(&mut cooperative, &victim, "cohort", &mut seen).await;
    cooperative.end(&victim, End::Kill).await;
    let settled = world::until(&mut cooperative, DAO, "settled", &mut seen).await;
    let dropped = settled["dropped"].as_u64().unwrap();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let settled: Vec<_> = seen.iter().filter(|(_, v)| v["event"] == "settled").collect();
    assert_eq!(settled.len(), 3);
    assert!(settled.iter().any(|(_, v)| v["dropped"] == 1 && v["participants"] == 3), "{dropped}");
    assert_eq!(world::audit(&cooperative).await.rounds_settled, 3);
    cooperative.end_all().await;
}

/// Kills `name` with `kill -9` when the coordinator says `event`, and starts it again.
async fn promise_6_after_killing(name: &str, event: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 4, 4).await;
    let mut seen = Vec::new();
    world::until(&mut cooperative, COORDINATOR, event, &mut seen).await;
    cooperative.end(name, End::Kill).await;
    if name == DAO {
        cooperative.start_dao_again().await.unwrap();
    } else {
        cooperative.start_aggregator(name).await.unwrap();
    }
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    for winery in &vintage.wineries {
        let finished =
            |(from, value): &(String, Value)| *from == winery.label && value["event"] == "finished";
        if !seen.iter().any(finished) {
            world::until(&mut cooperative, &winery.label, "finished", &mut seen).await;
        }
        let (acknowledged, ended) = acknowledged_and_ended(&seen, &winery.label);
        assert!(!acknowledged.is_empty(), "{} never delivered", winery.label);
        for round in acknowledged {
            assert!(ended.contains(&round), "{}: round {round} was lost", winery.label);
        }
    }
    // Recomputed from the log alone: no credit lost or paid twice.
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, 4);
    cooperative.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_killing_the_coordinator_while_it_collects_loses_nothing() {
    promise_6_after_killing(COORDINATOR, "round-started").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_killing_the_coordinator_while_it_sums_loses_nothing() {
    promise_6_after_killing(COORDINATOR, "round-collected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_killing_the_other_aggregator_loses_nothing() {
    promise_6_after_killing(AGGREGATOR, "round-collected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_killing_the_dao_node_while_a_round_runs_loses_nothing() {
    promise_6_after_killing(DAO, "round-started").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_killing_the_dao_node_before_it_measures_loses_nothing() {
    promise_6_after_killing(DAO, "round-collected").await;
}
