//! Terms that change under a running federation, and who decides whether a device follows.

use aggregator_protocol::{ContributorReply, FederationTerms, Refusal, RoundId};
use aggregator_round::Bearing;
use privacy_identity::{Digest, Signed, SigningKey, Tag};
use trainer_agent::{Agent, AgentError, AgentEvent};

use crate::support::{Coordinator, GOOD_CSV, Machine, Script, TEST_TIMEOUT, terms};

/// The DAO node's key: here it is on the attacker's side.
fn dao_node() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// The terms with twice as many rounds, all else the same.
fn weaker() -> FederationTerms {
    FederationTerms { rounds: 2 * terms().rounds, ..terms() }
}

fn signed(terms: FederationTerms) -> Signed<FederationTerms> {
    Signed::new(terms, Tag::Terms, &dao_node())
}

/// A coordinator that orders rounds under the weaker terms, with grants of the DAO node.
fn weakening() -> Script {
    Script {
        terms: signed(weaker()),
        ordered: weaker().id(),
        order: Some(RoundId(1)),
        ..Script::default()
    }
}

/// Updates in the log of what left.
fn updates_sent(machine: &Machine) -> usize {
    let log = std::fs::read_to_string(machine.state().join("sent.jsonl")).unwrap();
    log.lines().filter(|line| line.contains("\"submit\"")).count()
}

/// A machine whose owner agreed to the terms and contributed to one round.
async fn enrolled() -> (Coordinator, Machine) {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    assert_eq!(machine.run(machine.config(&coordinator)).await.0.unwrap().counted, 1);
    (coordinator, machine)
}

fn check_stopped(error: &AgentError, events: &[AgentEvent]) {
    let AgentError::TermsChanged { change } = error else { panic!("{error}") };
    assert_eq!((change.agreed().id(), change.digest()), (terms().id(), weaker().id()));
    assert_eq!(change.text_of(Bearing::Weaker).as_deref(), Some("rounds 1 → 2"));
    let text = error.to_string();
    assert!(text.contains("weaker: rounds 1 → 2"), "{text}");
    assert!(text.contains(&format!("--consent {}", weaker().id())), "{text}");
    let told = |event: &AgentEvent| matches!(event, AgentEvent::TermsChanged { .. });
    assert_eq!(events.iter().filter(|event| told(event)).count(), 1, "{events:?}");
    let trained = |event: &AgentEvent| {
        matches!(event, AgentEvent::Ordered { .. } | AgentEvent::Sealed { .. })
    };
    assert!(!events.iter().any(trained), "{events:?}");
}

#[tokio::test]
async fn promise_7_a_grant_of_weakened_terms_gets_no_byte_of_an_update_without_consent() {
    let (coordinator, machine) = enrolled().await;
    // Coordinator and DAO node together: terms, grant and order are all signed.
    coordinator.rewrite(|script| *script = weakening());
    for _start in 0..2 {
        let (ended, events) = machine.run(machine.config(&coordinator)).await;
        check_stopped(&ended.unwrap_err(), &events);
    }
    assert_eq!(coordinator.heard(|heard| heard.submissions.len()), 1);
    assert_eq!(updates_sent(&machine), 1);
}

#[tokio::test]
async fn promise_7_a_running_device_stops_when_it_is_ordered_under_weakened_terms() {
    let script = Script { order: None, waits: true, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let running = machine.start(machine.config(&coordinator));
    coordinator.until(|heard| heard.fetches > 0).await;
    coordinator.rewrite(|script| *script = weakening());
    let ended = tokio::time::timeout(TEST_TIMEOUT, running).await.unwrap().unwrap();
    let events = std::mem::take(&mut *machine.events.lock().unwrap());
    check_stopped(&ended.unwrap_err(), &events);
    assert_eq!(coordinator.heard(|heard| heard.submissions.len()), 0);
    assert_eq!(updates_sent(&machine), 0);
}

#[tokio::test]
async fn promise_7_a_grant_of_other_terms_whose_terms_are_not_shown_is_refused_and_nothing_else() {
    let script = Script { ordered: weaker().id(), waits: true, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let running = machine.start(machine.config(&coordinator));
    coordinator.until(|heard| heard.fetches > 3).await;
    assert_eq!(coordinator.heard(|heard| heard.submissions.len()), 0);
    assert!(!running.is_finished());
    running.abort();
}

#[tokio::test]
async fn terms_that_nobody_of_this_federation_signed_stop_no_device() {
    let (coordinator, machine) = enrolled().await;
    let stranger = SigningKey::from_seed(&[8; 32]);
    let forged = Signed::new(weaker(), Tag::Terms, &stranger);
    let elsewhere = signed(FederationTerms { dao: Digest([8; 32]), ..weaker() });
    for shown in [forged, elsewhere] {
        coordinator.rewrite(|script| script.terms = shown);
        let (ended, _) = machine.run(machine.config(&coordinator)).await;
        assert_eq!(ended.unwrap().counted, 0);
    }
}

#[tokio::test]
async fn promise_7_a_device_moves_to_the_terms_whose_digest_its_owner_names_and_to_no_others() {
    let (coordinator, machine) = enrolled().await;
    coordinator.rewrite(|script| *script = weakening());
    let config = machine.config(&coordinator);
    let (state, join) = (config.state_dir.clone(), config.invitation.clone());
    let wrong = Agent::offered_change(&state, None, &join, Digest([5; 32])).await.unwrap_err();
    assert!(matches!(wrong, AgentError::ConsentOther { .. }), "{wrong}");
    let change = Agent::offered_change(&state, None, &join, weaker().id()).await.unwrap().unwrap();
    // Looking agrees to nothing.
    let (ended, events) = machine.run(machine.config(&coordinator)).await;
    check_stopped(&ended.unwrap_err(), &events);

    Agent::consent(&state, &change).unwrap();
    Agent::consent(&state, &change).unwrap();
    assert_eq!(Agent::offered_change(&state, None, &join, weaker().id()).await.unwrap(), None);
    let former = state.join("terms").join(terms().id().to_string());
    for name in ["terms.bin", "round.bin"] {
        assert!(former.join(name).exists(), "{name}");
    }
    // The old invitation still leads there; the update goes out under the terms that were agreed to now.
    machine.events.lock().unwrap().clear();
    let running = machine.start(config);
    coordinator.until(|heard| heard.submissions.len() > 1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let events = std::mem::take(&mut *machine.events.lock().unwrap());
    assert!(events.contains(&AgentEvent::Ordered { round: RoundId(1) }), "{events:?}");
    // And back it does not go without another consent.
    let sent = updates_sent(&machine);
    coordinator.rewrite(|script| *script = Script::default());
    let (ended, _) = machine.run(machine.config(&coordinator)).await;
    assert!(matches!(ended.unwrap_err(), AgentError::TermsChanged { .. }));
    assert_eq!(updates_sent(&machine), sent);
}

#[tokio::test]
async fn a_change_of_terms_that_a_crash_cut_off_is_ended_by_the_next_start() {
    let (coordinator, machine) = enrolled().await;
    let next = privacy_identity::Encode::to_bytes(&signed(weaker()));
    std::fs::write(machine.state().join("next-terms.bin"), &next).unwrap();
    // As if the crash came before the first file was set aside: nobody else has the directory now.
    coordinator.rewrite(|script| {
        script.terms = signed(weaker());
        script.join = ContributorReply::Refused(Refusal::NotInvited);
    });
    let (ended, _) = machine.run(machine.config(&coordinator)).await;
    assert!(matches!(ended.unwrap_err(), AgentError::Refused { asked: "join", .. }));
    assert_eq!(std::fs::read(machine.state().join("terms.bin")).unwrap(), next);
    assert!(!machine.state().join("next-terms.bin").exists());
    assert!(!machine.state().join("round.bin").exists());
}
