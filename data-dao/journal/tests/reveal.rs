//! The validation set has to be shown by a round that was agreed on, or rounds and pay wait.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::Action;
use data_dao_journal::{Refusal, RoundPosted, SafeguardsSet, ValidationRevealed, audit};
use world::{World, digest, name, round_opened};

const WINDOW_MS: u64 = 300;

fn safeguards(reveal_by_rounds: Option<u64>) -> SafeguardsSet {
    let challenge_window_ms = WINDOW_MS;
    let federation = name("wine");
    SafeguardsSet { federation, epsilon_micro_max: None, challenge_window_ms, reveal_by_rounds }
}

fn revealed(url: &str) -> ValidationRevealed {
    ValidationRevealed { federation: name("wine"), digest: digest(2), url: url.to_owned() }
}

/// A federation whose set has to be shown after two rounds, with `rounds` rounds settled and out of their windows.
fn settled(rounds: u64) -> World {
    let mut world = World::founded();
    world.push(safeguards(Some(2)));
    for round in 1..=rounds {
        world.open_round(round);
        let settlement = world.settlement(round, &[(0, 30, 10), (1, 10, 10)]);
        world.push(settlement);
    }
    world.now_ms += WINDOW_MS;
    world
}

fn posted(round: u64) -> RoundPosted {
    RoundPosted { federation: name("wine"), round, credits: 1_000 }
}

fn next_round(round: u64) -> data_dao_journal::RoundOpened {
    round_opened("wine", round)
}

fn overdue(world: &World) -> bool {
    world.state.federation(&name("wine")).unwrap().is_reveal_overdue()
}

fn audited(world: &World) -> u64 {
    audit(&world.leaves, None).unwrap().reveals_overdue
}

#[test]
fn without_the_set_no_round_starts_and_no_pay_is_final_when_it_is_due() {
    let mut world = settled(2);
    assert!(overdue(&world));
    assert_eq!(audited(&world), 1);
    let late = |refusal: &Refusal| matches!(refusal, Refusal::RevealOverdue { by_rounds: 2, .. });
    assert!(late(&world.refusal(posted(1))));
    assert!(late(&world.refusal(next_round(3))));
    let now_ms = world.now_ms;
    let due = |world: &World| world.state.federation(&name("wine")).unwrap().due(now_ms).count();
    assert_eq!(due(&world), 0, "a node would try in vain");

    world.push(revealed("https://example.org/validation.csv"));
    assert_eq!((overdue(&world), audited(&world), due(&world)), (false, 0, 2));
    world.push(posted(1));
    world.push(posted(2));
    world.push(next_round(3));
}

#[test]
fn before_it_is_due_everything_goes_on_and_what_was_shown_early_is_shown() {
    let mut world = settled(1);
    assert!(!overdue(&world));
    world.push(posted(1));
    world.push(revealed("http://127.0.0.1/validation.csv"));
    world.push(next_round(2));
    let settlement = world.settlement(2, &[(0, 30, 10), (1, 10, 10)]);
    world.push(settlement);
    assert!(!overdue(&world));
}

#[test]
fn a_federation_that_ended_early_has_to_show_its_set_too() {
    let mut world = settled(1);
    let ended = data_dao_journal::RoundsEnded {
        federation: name("wine"),
        best_round: 1,
        reason: "no improvement".into(),
    };
    world.push(ended);
    assert!(overdue(&world));
    assert!(matches!(world.refusal(posted(1)), Refusal::RevealOverdue { .. }));
}

#[test]
fn another_table_and_what_is_no_address_are_refused() {
    let mut world = settled(2);
    let other = ValidationRevealed { digest: digest(9), ..revealed("https://example.org") };
    assert!(matches!(world.refusal(other), Refusal::Differs { .. }));
    let elsewhere =
        ValidationRevealed { federation: name("cider"), ..revealed("https://example.org") };
    assert!(matches!(world.refusal(elsewhere), Refusal::Unknown { .. }));
    for bad in ["javascript:alert(1)", "ftp://example.org", "https://exa mple", "https://é"] {
        assert!(matches!(world.refusal(revealed(bad)), Refusal::NoUrl { .. }), "{bad}");
    }
    let long = format!("https://{}", "a".repeat(500));
    for bad in ["", long.as_str()] {
        assert!(matches!(world.refusal(revealed(bad)), Refusal::OutOfBounds { .. }), "{bad}");
    }
    assert!(overdue(&world));
}

#[test]
fn a_vote_makes_the_rule_and_takes_it_back() {
    let mut world = World::after_one_round();
    let rule = |rounds| vec![Action::SetRevealBy { federation: "wine".into(), rounds }];
    assert!(!overdue(&world));
    let proposal = world.pass(rule(1));
    assert!(world.executed(proposal));
    assert!(overdue(&world));
    assert!(matches!(world.refusal(next_round(2)), Refusal::RevealOverdue { by_rounds: 1, .. }));
    let proposal = world.pass(rule(0));
    assert!(world.executed(proposal));
    world.push(next_round(2));
}

#[test]
fn a_rule_is_for_a_round_that_there_is() {
    let mut world = World::founded();
    for bad in [0, 6] {
        let refused = world.refusal(safeguards(Some(bad)));
        assert!(matches!(refused, Refusal::OutOfBounds { what: "reveal_by_rounds", .. }));
    }
    world.push(safeguards(Some(5)));
}

#[test]
fn a_leaf_without_the_rule_keeps_its_bytes() {
    let entry = data_dao_journal::Entry { time_ms: 7, body: safeguards(None).into() };
    let leaf = String::from_utf8(entry.to_leaf().unwrap()).unwrap();
    let expected = r#"{"safeguards_set":{"federation":"wine","epsilon_micro_max":null,"challenge_window_ms":300}}"#;
    assert!(leaf.contains(expected), "{leaf}");
}
