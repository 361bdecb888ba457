//! How an agent goes through a round, and what it does after a crash.

use aggregator_protocol::{Refusal, RoundId};
use trainer_agent::{AgentEvent, SentCopies, SentCopyError};

use crate::support::{Coordinator, GOOD_CSV, Machine, OnReceipt, OnSubmit, Script, terms};

const ROUND: RoundId = RoundId(0);

fn names(events: &[AgentEvent]) -> Vec<String> {
    // How often training is told of depends on how long it takes.
    let lasting = events.iter().filter(|event| !matches!(event, AgentEvent::Training { .. }));
    lasting.map(|event| event.to_json()["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_round_ends_with_a_proven_value() {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    let summary = ended.unwrap();
    let expected = [
        "started",
        "ready",
        "joined",
        "ordered",
        "trained",
        "sealed",
        "submitted",
        "counted",
        "finished",
    ];
    assert_eq!(names(&events), expected);
    let value = 1_000.0 * terms().encoding.value_unit();
    assert!(events.contains(&AgentEvent::Counted { round: ROUND, value, participants: 2 }));
    let bytes = coordinator.heard(|heard| heard.submissions[0].len() as u64);
    assert!(events.contains(&AgentEvent::Submitted { round: ROUND, bytes, plain_bytes: 24 }));
    assert_eq!((summary.counted, summary.refused, summary.disputed), (1, 0, 0));
    assert!((summary.value - value).abs() < f64::EPSILON);
}

#[tokio::test]
async fn after_a_crash_the_very_same_bytes_are_sent_again() {
    let script = Script { submit: OnSubmit::Vanish, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let crashed = machine.start(machine.config(&coordinator));
    coordinator.until(|heard| !heard.submissions.is_empty()).await;
    crashed.abort();
    assert!(crashed.await.unwrap_err().is_cancelled());
    machine.events.lock().unwrap().clear();

    coordinator.rewrite(|script| script.submit = OnSubmit::Acknowledge);
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    assert_eq!(ended.unwrap().counted, 1);
    // Nothing is ordered, trained or sealed a second time.
    let expected = ["started", "ready", "joined", "submitted", "counted", "finished"];
    assert_eq!(names(&events), expected);
    coordinator.heard(|heard| {
        assert!(heard.submissions.len() >= 2);
        assert!(heard.submissions.iter().all(|bytes| *bytes == heard.submissions[0]));
    });
}

#[tokio::test]
async fn what_was_promised_is_not_sent_again_after_a_crash() {
    let script = Script { receipt: OnReceipt::Pending, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let crashed = machine.start(machine.config(&coordinator));
    coordinator.until(|heard| heard.receipts > 0).await;
    crashed.abort();
    assert!(crashed.await.unwrap_err().is_cancelled());
    machine.events.lock().unwrap().clear();

    coordinator.rewrite(|script| script.receipt = OnReceipt::Settled);
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    assert_eq!(ended.unwrap().counted, 1);
    assert_eq!(names(&events), ["started", "ready", "joined", "counted", "finished"]);
    assert_eq!(coordinator.heard(|heard| heard.submissions.len()), 1);
}

#[tokio::test]
async fn a_round_that_ended_is_not_contributed_to_again() {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    machine.run(machine.config(&coordinator)).await.0.unwrap();
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    assert_eq!(ended.unwrap().counted, 0);
    assert_eq!(names(&events), ["started", "ready", "joined", "finished"]);
    assert_eq!(coordinator.heard(|heard| heard.submissions.len()), 1);
}

#[tokio::test]
async fn an_update_whose_acknowledgement_was_lost_is_counted_all_the_same() {
    let script = Script { submit: OnSubmit::Vanish, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let agent = machine.start(machine.config(&coordinator));
    coordinator.until(|heard| !heard.submissions.is_empty()).await;
    coordinator.rewrite(|script| script.submit = OnSubmit::Refuse(Refusal::Late));
    let summary = agent.await.unwrap().unwrap();
    assert_eq!((summary.counted, summary.refused), (1, 0));
    // The owner saw that there was no answer, and that there was one again: each once.
    let told = names(&machine.events.lock().unwrap());
    let about = told.iter().filter(|name| ["unreachable", "reached"].contains(&name.as_str()));
    assert_eq!(about.collect::<Vec<_>>(), ["unreachable", "reached"], "{told:?}");
}

async fn check_end(script: Script, expected: AgentEvent) {
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    assert_eq!(ended.unwrap().counted, 0);
    assert!(events.contains(&expected), "{events:?}");
    let reason = "all rounds were run".to_owned();
    assert_eq!(events.last(), Some(&AgentEvent::Finished { rounds: 0, reason }));
}

#[tokio::test]
async fn a_refused_update_is_told_with_the_reason() {
    let submit = OnSubmit::Refuse(Refusal::Stranger);
    let reason = "sender is not in the cohort".to_owned();
    let expected = AgentEvent::Refused { round: ROUND, reason };
    check_end(Script { submit, ..Script::default() }, expected).await;
}

#[tokio::test]
async fn an_update_that_came_too_late_is_refused_and_accuses_nobody() {
    let (submit, receipt) = (OnSubmit::Refuse(Refusal::Late), OnReceipt::LeftOut);
    let reason = "round no longer takes updates".to_owned();
    let expected = AgentEvent::Refused { round: ROUND, reason };
    check_end(Script { submit, receipt, ..Script::default() }, expected).await;
}

#[tokio::test]
async fn an_aborted_round_is_told_with_the_reason() {
    let reason = "too few".to_owned();
    let expected = AgentEvent::Aborted { round: ROUND, reason };
    check_end(Script { receipt: OnReceipt::Aborted, ..Script::default() }, expected).await;
}

#[tokio::test]
async fn a_broken_promise_is_disputed() {
    let script = Script { receipt: OnReceipt::LeftOut, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    let (finder, accused) = (ended.unwrap().member, terms().coordinator().verifying);
    let reason = format!(
        "the acknowledged update is not in the accepted set; found by {finder}; accused: {accused}"
    );
    assert!(events.contains(&AgentEvent::Disputed { round: ROUND, reason }), "{events:?}");
}

#[tokio::test]
async fn what_left_the_machine_is_noted_and_only_the_update_is_sealed() {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    machine.run(machine.config(&coordinator)).await.0.unwrap();
    let log = std::fs::read_to_string(machine.state().join("sent.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["terms", "join", "fetch", "submit", "receipt", "fetch"]);
    for line in &lines {
        assert_eq!(line["sealed"].as_bool().unwrap(), line["kind"] == "submit", "{line}");
    }
    let bytes = coordinator.heard(|heard| heard.submissions[0].len());
    assert_eq!(lines[3]["bytes"], bytes);
    assert_eq!(lines[3]["to"], coordinator.address.peer().to_string());
    // What is kept is what the coordinator heard, and only of what was sealed.
    let copies = SentCopies::of(&machine.state(), 0);
    let digest = |line: &serde_json::Value| line["digest"].as_str().unwrap().parse().unwrap();
    let kept = copies.message(&digest(&lines[3])).unwrap();
    assert!(coordinator.heard(|heard| heard.submissions[0] == kept));
    assert_eq!(std::fs::read_dir(machine.state().join("sent")).unwrap().count(), 1);
    assert!(matches!(copies.message(&digest(&lines[1])), Err(SentCopyError::Gone { .. })));
    // The token admits whoever has it, the data are nobody's business.
    assert!(!log.contains("grape"));
}
