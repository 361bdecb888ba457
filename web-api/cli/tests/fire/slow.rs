//! A contributor that stops in the middle of a round and goes on when the others are done with it.

use sahakar::{
    demo::cooperative::{COORDINATOR, DAO},
    serve::SealingMode,
};

use crate::{evidence::Fire, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_contributor_that_stands_still_costs_its_own_part_and_is_in_the_next_round_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut fire = Fire::new(world::start_in(SealingMode::Mpc, dir.path(), 4, 4).await);
    let slow = fire.labels()[1].clone();
    let ordered = fire.hear(&slow, "ordered").await;
    // Between two instructions: nothing of it is told to stop in order.
    fire.signal(&slow, "STOP");
    let round = &ordered["round"];
    let collected = loop {
        let collected = fire.hear(COORDINATOR, "round-collected").await;
        if collected["round"] == *round {
            break collected;
        }
    };
    fire.signal(&slow, "CONT");
    // It had delivered before it was stopped, or it was done without.
    let dropped = collected["dropped"].as_array().unwrap().len() as u64;
    assert_eq!(collected["accepted"].as_u64().unwrap() + dropped, 4);
    let settled = fire.hear(DAO, "settled").await;
    assert_eq!(settled["dropped"].as_u64().unwrap(), dropped);
    fire.hear(&slow, "counted").await;
    fire.finish(4).await;
}
