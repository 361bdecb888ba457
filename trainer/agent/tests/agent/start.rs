//! Under which circumstances an agent does not start to contribute.

use std::sync::Arc;

use aggregator_network::{Address, Limits, Link, LinkConfig, ListenAddress, Transport};
use aggregator_protocol::{ContributorReply, Refusal};
use privacy_identity::{Digest, Passphrase, Signed, SigningKey, Tag};
use trainer_agent::{AgentConfig, AgentError, AgentEvent};

use crate::support::{
    Coordinator, GOOD_CSV, Machine, OnReceipt, Script, chain, signed_terms, terms,
};

async fn refused(
    script: Script,
    csv: &str,
    change: impl FnOnce(&mut AgentConfig),
) -> (AgentError, Vec<AgentEvent>) {
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(csv);
    let mut config = machine.config(&coordinator);
    change(&mut config);
    let (ended, events) = machine.run(config).await;
    assert!(!events.contains(&AgentEvent::Joined));
    assert!(coordinator.heard(|heard| heard.submissions.is_empty()));
    (ended.unwrap_err(), events)
}

#[tokio::test]
async fn a_key_under_another_passphrase_is_not_used_and_nothing_is_asked_of_anybody() {
    let passphrase = |text: &str| Some(Arc::new(Passphrase::new(text.to_owned().into()).unwrap()));
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    let config = |passphrase| AgentConfig { passphrase, ..machine.config(&coordinator) };
    let right = passphrase("five words of a list");
    let (first, _) = machine.run(config(right.clone())).await;
    let member = first.unwrap().member;
    let (key, log) = (machine.state().join("key"), machine.state().join("sent.jsonl"));
    let before = [&key, &log].map(|path| std::fs::read(path).unwrap());
    assert!(before[0].starts_with(b"age-encryption.org/v1\n"));
    for other in [None, passphrase("five other words of it")] {
        let (ended, events) = machine.run(config(other)).await;
        assert!(matches!(ended.unwrap_err(), AgentError::Key(_)));
        assert!(events.is_empty(), "{events:?}");
    }
    assert_eq!([&key, &log].map(|path| std::fs::read(path).unwrap()), before);
    assert_eq!(machine.run(config(right)).await.0.unwrap().member, member);
}

#[tokio::test]
async fn terms_other_than_the_invited_are_refused() {
    let mut other = terms();
    other.purpose = "anything".to_owned();
    let key = SigningKey::from_seed(&[1; 32]);
    let script =
        Script { terms: Signed::new(other.clone(), Tag::Terms, &key), ..Script::default() };
    let (error, _) = refused(script, GOOD_CSV, |_| {}).await;
    let expected = format!(
        "the coordinator's terms are those of federation {}, the invitation is to {}",
        other.id(),
        terms().id()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn terms_that_the_dao_node_did_not_sign_are_refused() {
    let stranger = SigningKey::from_seed(&[8; 32]);
    let script = Script { terms: Signed::new(terms(), Tag::Terms, &stranger), ..Script::default() };
    let (error, _) = refused(script, GOOD_CSV, |_| {}).await;
    assert!(matches!(error, AgentError::TermsUnsigned), "{error}");
}

#[tokio::test]
async fn a_coordinator_that_the_terms_do_not_name_is_refused() {
    let mut other = terms();
    other.aggregators.swap(0, 1);
    let id = other.id();
    let key = SigningKey::from_seed(&[1; 32]);
    let script = Script { terms: Signed::new(other, Tag::Terms, &key), ..Script::default() };
    let (error, _) = refused(script, GOOD_CSV, |config| config.invitation.federation = id).await;
    assert!(matches!(error, AgentError::CoordinatorOther { .. }), "{error}");
}

#[tokio::test]
async fn data_that_do_not_fit_the_terms_are_refused_with_the_line() {
    let check = async |csv: &str, expected: &str| {
        let (error, events) = refused(Script::default(), csv, |_| {}).await;
        let text = chain(&error);
        assert!(text.contains("do not fit the federation's terms: "), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(matches!(events[..], [AgentEvent::Started { .. }]), "{events:?}");
    };
    check("acidity,quality\n1,good\n", "the column \"sugar\" of the federation is missing").await;
    check("acidity,sugar,quality\n1,x,good\n", "line 2, column \"sugar\"").await;
    check(
        "acidity,sugar,quality\n1,1,superb\n",
        "line 2, column \"quality\": \"superb\" is none of the classes",
    )
    .await;
}

#[tokio::test]
async fn data_that_cannot_be_read_are_refused_before_anybody_is_asked() {
    let change = |config: &mut AgentConfig| assert!(config.data.path.set_extension("none"));
    let (error, events) = refused(Script::default(), GOOD_CSV, change).await;
    assert!(error.to_string().starts_with("cannot read the data in "), "{error}");
    assert_eq!(events, []);
}

#[tokio::test]
async fn an_invitation_that_is_not_valid_is_told() {
    let join = ContributorReply::Refused(Refusal::NotInvited);
    let (error, _) = refused(Script { join, ..Script::default() }, GOOD_CSV, |_| {}).await;
    assert_eq!(chain(&error), "the coordinator refused (join): invitation is not valid");
}

#[tokio::test]
async fn a_label_or_token_that_cannot_be_sent_is_refused() {
    let change = |config: &mut AgentConfig| config.label = "x".repeat(65);
    let (error, _) = refused(Script::default(), GOOD_CSV, change).await;
    assert!(matches!(error, AgentError::LabelTooLong { got: 65 }));
    let change = |config: &mut AgentConfig| config.invitation.token = String::new();
    let (error, _) = refused(Script::default(), GOOD_CSV, change).await;
    assert_eq!(chain(&error), "the invitation cannot be used: the invitation lacks token=…");
}

#[tokio::test]
async fn a_second_agent_on_the_same_state_is_refused() {
    let script = Script { receipt: OnReceipt::Pending, ..Script::default() };
    let coordinator = Coordinator::start(script).await;
    let machine = Machine::with_data(GOOD_CSV);
    let first = machine.start(machine.config(&coordinator));
    coordinator.until(|heard| heard.receipts > 0).await;
    let (ended, _) = machine.run(machine.config(&coordinator)).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, AgentError::StateInUse { .. }), "{error}");
    assert!(error.to_string().contains(&machine.state().display().to_string()), "{error}");
    coordinator.rewrite(|script| script.receipt = OnReceipt::Settled);
    assert_eq!(first.await.unwrap().unwrap().counted, 1);
}

#[tokio::test]
async fn a_state_directory_belongs_to_one_federation() {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    machine.run(machine.config(&coordinator)).await.0.unwrap();
    let agreed = std::fs::read(machine.state().join("terms.bin")).unwrap();
    assert_eq!(agreed, privacy_identity::Encode::to_bytes(&signed_terms()));
    let mut config = machine.config(&coordinator);
    config.invitation.federation = Digest([6; 32]);
    let (ended, _) = machine.run(config).await;
    assert!(matches!(ended.unwrap_err(), AgentError::OtherFederation { .. }));
}

/// An address of the coordinator at which nobody listens.
fn dead_address(coordinator: &Coordinator) -> Address {
    ListenAddress::loopback(Transport::Tcp, 1).with_peer(coordinator.address.peer())
}

#[tokio::test]
async fn a_coordinator_is_reached_at_the_second_address_of_the_invitation() {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    let mut config = machine.config(&coordinator);
    config.invitation.coordinator.insert(0, dead_address(&coordinator));
    let agent = machine.start(config);
    coordinator.until(|heard| !heard.submissions.is_empty()).await;
    agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_behind_a_router_is_reached_by_the_relay_of_the_invitation() {
    let limits = Limits { relayed_circuits_max: 4, ..Limits::default() };
    let listen = vec![ListenAddress::loopback(Transport::Quic, 0)];
    let relay = Link::start(LinkConfig { secret: [7; 32].into(), listen, limits }).await.unwrap();
    let relay_address = relay.0.address(Transport::Quic).unwrap();
    let coordinator = Coordinator::start(Script::default()).await;
    coordinator.link.listen_by(relay_address).await.unwrap();
    let machine = Machine::with_data(GOOD_CSV);
    let mut config = machine.config(&coordinator);
    config.invitation.coordinator = vec![dead_address(&coordinator)];
    config.invitation.relays = vec![relay_address];
    let agent = machine.start(config);
    coordinator.until(|heard| !heard.submissions.is_empty()).await;
    agent.abort();
}

#[tokio::test]
async fn a_coordinator_that_is_not_there_yet_is_waited_for_and_the_owner_is_told() {
    let coordinator = Coordinator::start(Script::default()).await;
    let machine = Machine::with_data(GOOD_CSV);
    let mut config = machine.config(&coordinator);
    // Nobody listens on port 1 of loopback; the key is the right one.
    config.invitation.coordinator = vec![dead_address(&coordinator)];
    let agent = machine.start(config);
    tokio::time::timeout(crate::support::TEST_TIMEOUT, async {
        while machine.events.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(!agent.is_finished());
    let told = machine.events.lock().unwrap()[1].to_json();
    assert_eq!((&told["event"], &told["asked"]), (&"unreachable".into(), &"terms".into()));
    let reason = told["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("no connection to /ip4/127.0.0.1/tcp/1/") && reason.contains("refused"),
        "{reason}"
    );
    assert!(told["next_seconds"].as_f64().unwrap() <= 0.1, "{told}");
    assert!(told["advice"].as_str().unwrap().contains("addresses of the invitation"));
    agent.abort();
    assert!(agent.await.unwrap_err().is_cancelled());
}
