//! An agent that is held back, and one that is let go while it is.

use trainer_agent::{AgentConfig, AgentError, AgentEvent, Brake};

use crate::support::{Coordinator, GOOD_CSV, Machine, Script, TEST_TIMEOUT};

fn is_work(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::Ordered { .. } | AgentEvent::Training { .. })
}

#[tokio::test]
async fn an_agent_that_is_held_takes_part_in_nothing_until_it_is_released() {
    let coordinator = Coordinator::start(Script { waits: true, ..Script::default() }).await;
    let machine = Machine::with_data(GOOD_CSV);
    let brake = Brake::default();
    brake.hold();
    let config = AgentConfig { brake: brake.clone(), ..machine.config(&coordinator) };
    let running = machine.start(config);
    // It asks on, and takes no order with its model: that may be large.
    coordinator.until(|heard| heard.fetches > 3).await;
    coordinator.heard(|heard| assert_eq!(heard.orders, 0));
    assert!(!machine.events.lock().unwrap().iter().any(is_work));
    coordinator.heard(|heard| assert!(heard.submissions.is_empty()));

    coordinator.rewrite(|script| script.waits = false);
    brake.release();
    let ended = tokio::time::timeout(TEST_TIMEOUT, running).await.unwrap().unwrap();
    assert_eq!(ended.unwrap().counted, 1);
}

#[tokio::test]
async fn an_agent_that_ends_while_its_training_is_held_frees_its_directory() {
    let coordinator = Coordinator::start(Script::default()).await;
    let rows = "1,0,good\n0,1,ordinary\n".repeat(20_000);
    let machine = Machine::with_data(&format!("acidity,sugar,quality\n{rows}"));
    let brake = Brake::default();
    let config = AgentConfig { brake: brake.clone(), ..machine.config(&coordinator) };
    let running = machine.start(config);
    let training = || machine.events.lock().unwrap().iter().any(is_work);
    while !training() {
        tokio::task::yield_now().await;
    }
    brake.hold();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // The step under way ends first.
    let freed = async {
        loop {
            match machine.run(machine.config(&coordinator)).await.0 {
                Err(AgentError::StateInUse { .. }) => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    };
    let ended = tokio::time::timeout(TEST_TIMEOUT, freed).await.unwrap();
    assert_eq!(ended.unwrap().counted, 1);
    assert!(brake.holds());
}
