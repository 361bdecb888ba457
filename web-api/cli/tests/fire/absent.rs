//! A contributor that was killed and does not come back.

use sahakar::demo::{children::End, cooperative::DAO};

use crate::world;

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
