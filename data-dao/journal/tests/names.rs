//! A ledger that was founded so names nobody in the clear; one that was not replays as it did.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, Role};
use data_dao_journal::{
    Entry, Founder, Genesis, KeyIssued, MemberAdmitted, MembersFounded, NamesKind, Refusal, State,
};
use world::{World, digest, federation, genesis, key, member, members, name};

fn founded(names: NamesKind) -> World {
    let mut world = World { state: State::default(), leaves: Vec::new(), now_ms: 1_000 };
    world.push(Genesis { names, ..genesis() });
    world
}

fn commitment() -> String {
    format!("salted:{}", digest(7))
}

fn admitted(label: &str) -> MemberAdmitted {
    MemberAdmitted { federation: name("wine"), member: member(0), label: label.to_owned() }
}

fn founders(label: &str) -> MembersFounded {
    let label = label.to_owned();
    let founder = Founder { member: member(1), label, roles: vec![Role::Member] };
    MembersFounded { members: vec![founder], guardian: None, guardian_term_ms: 0 }
}

fn issued(buyer: &str) -> KeyIssued {
    KeyIssued { key_id: name("k1"), key_hash: digest(3), buyer: buyer.to_owned() }
}

#[test]
fn a_name_in_the_clear_is_refused_wherever_an_entry_names_somebody() {
    let mut world = founded(NamesKind::Salted);
    let short = format!("salted:{}", "a".repeat(63));
    let upper = format!("salted:{}", "A".repeat(64));
    for clear in ["Château Margaux", "salted:", short.as_str(), upper.as_str()] {
        let refused = world.refusal(founders(clear));
        assert!(matches!(refused, Refusal::NameInTheClear { what: "label" }), "{refused:?}");
        assert!(!refused.to_string().contains(clear), "the name is repeated");
        let refused = world.refusal(issued(clear));
        assert!(matches!(refused, Refusal::NameInTheClear { what: "buyer" }), "{refused:?}");
    }
    world.push(founders(&commitment()));
    world.push(federation("wine"));
    let refused = world.refusal(admitted("Winery 1"));
    assert!(matches!(refused, Refusal::NameInTheClear { what: "label" }));
    world.push(admitted(&commitment()));
    world.push(issued(&commitment()));
}

#[test]
fn a_vote_cannot_take_somebody_in_under_a_name_in_the_clear() {
    let whole = World::after_one_round();
    let mut leaves = whole.leaves.clone();
    // The same life, founded otherwise: every label is a commitment.
    let mut world = founded(NamesKind::Salted);
    for leaf in leaves.drain(1..) {
        let mut entry = Entry::from_leaf(&leaf).unwrap();
        if let data_dao_journal::Body::MemberAdmitted(admitted) = &mut entry.body {
            admitted.label = commitment();
        }
        world.push(entry.body);
    }
    let admit = |label: &str| Action::AdmitMember {
        member: key(60).verifying_key(),
        label: label.to_owned(),
        roles: vec![Role::Member],
    };
    let content = world.content(0, vec![admit("Jean")]);
    let signature = content.sign(&members()[0]);
    let refused = world.refusal(data_dao_journal::ProposalMade { content, signature });
    assert!(matches!(refused, Refusal::NameInTheClear { .. }), "{refused:?}");
    world.propose(0, vec![admit(&commitment())]);
}

#[test]
fn a_ledger_of_before_keeps_its_bytes_and_its_names() {
    let entry = Entry {
        time_ms: 1,
        body: Genesis { rules: data_dao_journal::Rules::V1, ..genesis() }.into(),
    };
    let leaf = String::from_utf8(entry.to_leaf().unwrap()).unwrap();
    assert!(!leaf.contains("names"), "{leaf}");
    assert_eq!(Entry::from_leaf(leaf.as_bytes()).unwrap(), entry);
    let salted =
        Genesis { names: NamesKind::Salted, rules: data_dao_journal::Rules::V1, ..genesis() };
    let leaf = Entry { time_ms: 1, body: salted.into() }.to_leaf().unwrap();
    assert!(String::from_utf8(leaf).unwrap().ends_with(r#","names":"salted"}}}"#));
    let mut world = founded(NamesKind::InTheClear);
    world.push(federation("wine"));
    world.push(admitted("Winery 1"));
}
