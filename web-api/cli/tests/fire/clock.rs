//! Clocks that are set while rounds run.

use std::process::Command;

use sahakar::{
    demo::cooperative::{AGGREGATOR, COORDINATOR, DAO},
    serve::SealingMode,
};
use serde_json::Value;

use crate::{
    clocks::{Clocks, HOUR},
    evidence::Fire,
    roles::Roles,
    world::Setup,
};

/// The end of round `round`, as the DAO node logged it.
async fn end_of(fire: &mut Fire, round: &Value) -> Value {
    loop {
        let (_, said) = fire.until(|who| who == DAO, "settled").await;
        if said["round"] == *round {
            return said;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_neither_end_a_round_early_nor_keep_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let setup = Setup::new(SealingMode::Mpc, dir.path(), 4, 8);
    // Labels follow from the plan, and are known before anybody starts.
    let labels: Vec<_> = setup.vintage().wineries.into_iter().map(|winery| winery.label).collect();
    let mut all: Vec<&str> = labels.iter().map(String::as_str).collect();
    all.extend([COORDINATOR, AGGREGATOR, DAO]);
    let clocks = Clocks::new(dir.path(), &roles, &all);
    // Long enough that nobody is late on a machine that has much else to do, and short beside an hour.
    let setup = Setup { program: roles.program(), round_deadline_ms: 8_000, ..setup };
    let mut fire = Fire::new(setup.start().await);
    let absent = labels[0].clone();

    // Forward: nobody is cut off.
    let started = fire.hear(COORDINATOR, "round-started").await;
    clocks.set(COORDINATOR, HOUR);
    let settled = end_of(&mut fire, &started["round"]).await;
    assert_eq!(settled["participants"], 4, "a clock that jumped ended the collection: {settled}");

    // Back, while somebody is missing: the deadline still comes. Killed, too, before it does.
    fire.signal(&absent, "STOP");
    let started = fire.hear(COORDINATOR, "round-started").await;
    clocks.set(COORDINATOR, -2 * HOUR);
    assert_eq!(end_of(&mut fire, &started["round"]).await["dropped"], 1);
    let started = fire.hear(COORDINATOR, "round-started").await;
    clocks.set(COORDINATOR, -4 * HOUR);
    fire.kill(COORDINATOR).await;
    fire.start(COORDINATOR).await.unwrap();
    assert_eq!(end_of(&mut fire, &started["round"]).await["dropped"], 1);
    fire.signal(&absent, "CONT");

    // Everybody else's, there and back.
    for who in [DAO, AGGREGATOR, &labels[1], &labels[2]] {
        clocks.set(who, HOUR);
    }
    fire.hear(DAO, "settled").await;
    for who in [DAO, AGGREGATOR, &labels[1], &labels[2]] {
        clocks.set(who, -HOUR);
    }
    fire.hear(DAO, "settled").await;
    fire.finish(8).await;
}

#[test]
fn the_library_sets_the_time_of_day_and_leaves_spans_of_time_alone() {
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let clocks = Clocks::new(dir.path(), &roles, &["anybody"]);
    let date = |seconds: i64| -> i64 {
        clocks.set("anybody", seconds);
        let mut date = Command::new("date");
        let date = date.arg("+%s").envs(clocks.environment("anybody")).output().unwrap();
        String::from_utf8(date.stdout).unwrap().trim().parse().unwrap()
    };
    let (now, later) = (date(0), date(10 * HOUR));
    assert!((later - now - 10 * HOUR).abs() < HOUR, "{now} {later}");
}

/// Years, not hours: votes and windows would be over. The node appends nothing, ends, and says what to do, also at its next start;
/// once the clock is right, everything goes on as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_dao_node_whose_clock_leaps_by_years_ends_before_anything_falls_due() {
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let clocks = Clocks::new(dir.path(), &roles, &[DAO]);
    let setup = Setup::new(SealingMode::Mpc, dir.path(), 3, 3);
    let setup = Setup { program: roles.program(), ..setup };
    let mut fire = Fire::new(setup.start().await);
    fire.hear(DAO, "settled").await;
    clocks.set(DAO, 4 * 365 * 24 * HOUR);
    assert_eq!(fire.ended(DAO).await, 1);
    let told = fire.cooperative.log_tail(DAO);
    assert!(told.contains("set the clock"), "{told}");
    assert!(fire.start(DAO).await.is_err());
    let told = fire.cooperative.log_tail(DAO);
    assert!(told.contains("--today"), "{told}");
    clocks.set(DAO, 0);
    fire.start(DAO).await.unwrap();
    fire.finish(3).await;
}
