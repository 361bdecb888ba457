//! Suspension by the DAO's rule: for harm alone, once, and only after a vote made the rule.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::Action;
use data_dao_journal::{MembershipState, ProposalMade, Refusal, RoundPosted, SafeguardsSet};
use world::{World, member, members, name};

fn rule(below_zero: u32, of_rounds: u32) -> Vec<Action> {
    vec![Action::SetSuspension { federation: "wine".into(), below_zero, of_rounds }]
}

fn state_of(world: &World, position: usize) -> MembershipState {
    world.state.membership(&member(position)).unwrap().state
}

/// Settles a round in which member 2 has this value.
fn round(world: &mut World, round: u64, value: i64) {
    world.open_round(round);
    let settlement = world.settlement(round, &[(0, 30, 10), (1, 10, 10), (2, value, 10)]);
    world.push(settlement);
}

#[test]
fn without_a_rule_nobody_is_suspended() {
    let mut world = World::after_one_round();
    (2..=5).for_each(|at| round(&mut world, at, -100));
    assert_eq!(state_of(&world, 2), MembershipState::Active);
}

#[test]
fn who_does_harm_in_two_of_three_rounds_is_suspended_and_nobody_else() {
    let mut world = World::after_one_round();
    world.pass(rule(2, 3));
    round(&mut world, 2, -5);
    assert_eq!(state_of(&world, 2), MembershipState::Active, "two rounds are not three");
    round(&mut world, 3, -5);
    let index = u64::try_from(world.leaves.len()).unwrap() - 1;
    assert_eq!(state_of(&world, 2), MembershipState::Suspended { index });
    assert_eq!(state_of(&world, 0), MembershipState::Active);
    assert!(!world.state.contributors(&name("wine")).contains(&member(2)));
    world.open_round(4);
    let settlement = world.settlement(4, &[(0, 3, 10), (2, 1, 10)]);
    assert!(matches!(world.refusal(settlement), Refusal::MemberIs { state: "suspended", .. }));
}

/// A vote that reinstates would else be undone by the next round.
#[test]
fn what_a_member_was_suspended_for_does_not_count_again() {
    let mut world = World::after_one_round();
    world.pass(rule(2, 3));
    (2..=3).for_each(|at| round(&mut world, at, -5));
    world.pass(vec![Action::ReinstateMember { member: member(2) }]);
    round(&mut world, 4, -5);
    assert_eq!(state_of(&world, 2), MembershipState::Active);
}

#[test]
fn value_that_can_still_be_objected_to_suspends_nobody() {
    let mut world = World::founded();
    let federation = name("wine");
    let (epsilon_micro_max, challenge_window_ms) = (None, 300);
    // Nobody has votes yet: the rule comes with the pay of `beer`.
    world.push(world::round_opened("beer", 1));
    let mut twin = World { state: world.state.clone(), leaves: vec![], now_ms: world.now_ms };
    twin.open_round(1);
    let mut votes = twin.settlement(1, &[(0, 10, 10), (1, 10, 10)]);
    votes.federation = name("beer");
    world.push(votes);
    world.push(SafeguardsSet {
        federation,
        epsilon_micro_max,
        challenge_window_ms,
        reveal_by_rounds: None,
    });
    world.pass(rule(1, 1));
    world.open_round(1);
    let mut settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, -50, 10)]);
    settlement.receipt = world::digest(198);
    (0..)
        .zip(&mut settlement.participants)
        .for_each(|(at, own)| own.update = world::digest(90 + at));
    world.push(settlement);
    assert_eq!(state_of(&world, 2), MembershipState::Active);
    world.now_ms += 300;
    world.push(RoundPosted { federation: name("wine"), round: 1, credits: 1000 });
    assert!(matches!(state_of(&world, 2), MembershipState::Suspended { .. }));
}

#[test]
fn rules_that_are_none_are_refused_and_a_rule_can_be_taken_back() {
    let mut world = World::after_one_round();
    for (below_zero, of_rounds) in [(0, 3), (4, 3), (1, 0), (1, u32::MAX)] {
        let content = world.content(0, rule(below_zero, of_rounds));
        let signature = content.sign(&members()[0]);
        let refusal = world.refusal(ProposalMade { content, signature });
        assert!(matches!(refusal, Refusal::OutOfBounds { .. }), "{below_zero} of {of_rounds}");
    }
    let federation = |world: &World| world.state.federation(&name("wine")).unwrap().clone();
    world.pass(rule(2, 3));
    assert!(federation(&world).suspension().is_some());
    world.pass(rule(0, 0));
    assert!(federation(&world).suspension().is_none());
}
