//! Logs by the first rules replay as they were written, and a vote takes them to the newer ones, not back.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, CharterParameters, Choice, Parameter, ProposalState};
use data_dao_journal::{Genesis, MemberAdmitted, ProposalMade, Refusal, Rules, State};
use world::{World, federation, genesis, members, name};

/// After one round, in which members 0 and 1 earned 750 and 250.
fn founded_by(rules: Rules, minimum_voters: u32) -> World {
    let mut world = World { state: State::default(), leaves: Vec::new(), now_ms: 1_000 };
    let charter = CharterParameters { minimum_voters, ..genesis().charter };
    world.push(Genesis { rules, charter, ..genesis() });
    world.push(federation("wine"));
    for key in members() {
        let (member, label) = (key.verifying_key(), "a winery".to_owned());
        world.push(MemberAdmitted { federation: name("wine"), member, label });
    }
    world.open_round(1);
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
    world.push(settlement);
    world
}

fn set_voters(value: u64) -> Vec<Action> {
    vec![Action::SetParameter { parameter: Parameter::MinimumVoters, value }]
}

fn refused(world: &mut World, actions: Vec<Action>) -> Refusal {
    let content = world.content(0, actions);
    let signature = content.sign(&members()[0]);
    world.refusal(ProposalMade { content, signature })
}

#[test]
fn an_old_log_replays_to_the_defect_that_it_has() {
    let mut world = founded_by(Rules::V1, 2);
    assert!(
        !String::from_utf8_lossy(&world.leaves[0]).contains("rules"),
        "old leaves keep their bytes"
    );
    let proposal = world.pass(set_voters(u64::from(u32::MAX)));
    assert!(world.executed(proposal));
    // From here on nothing passes, whoever votes.
    let shut = world.pass(vec![Action::Text]);
    assert_eq!(world.state.proposal(shut).unwrap().state(world.now_ms), ProposalState::Defeated);
    let replay = data_dao_journal::audit(&world.leaves, None).unwrap();
    assert_eq!(replay.entries, world.state.entries());
}

#[test]
fn a_dao_founded_now_cannot_vote_itself_shut() {
    let mut world = founded_by(Rules::NEWEST, 2);
    assert!(matches!(refused(&mut world, set_voters(101)), Refusal::Charter(_)));
    let proposal = world.pass(set_voters(100));
    assert!(world.executed(proposal));
    let open = world.pass(set_voters(2));
    assert!(world.executed(open), "both who have votes can take it back");
    // One of the two alone asks for what it does not show.
    let proposal = world.propose(0, set_voters(3));
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, Choice::For));
    world.now_ms += 100;
    assert_eq!(
        world.state.proposal(proposal).unwrap().state(world.now_ms),
        ProposalState::Defeated
    );
    let replay = data_dao_journal::audit(&world.leaves, None).unwrap();
    assert_eq!(replay.entries, world.state.entries());
}

#[test]
fn a_vote_takes_an_old_log_to_the_newer_rules_and_not_back() {
    let mut world = founded_by(Rules::V1, 2);
    let upgrade = |rules: Rules| vec![Action::UpgradeRules { rules: rules.digest() }];
    let many = Action::SetParameter { parameter: Parameter::MinimumVoters, value: 4_000_000_000 };
    let proposal = world.pass([vec![many], upgrade(Rules::V2)].concat());
    assert!(world.executed(proposal));
    assert_eq!(world.state.rules(), Rules::V2.digest());
    assert_eq!(world.state.charter().unwrap().parameters().minimum_voters, 100);
    let back = refused(&mut world, upgrade(Rules::V1));
    assert!(matches!(back, Refusal::OlderRules { .. }));
    let proposal = world.pass(set_voters(2));
    assert!(world.executed(proposal));
    let replay = data_dao_journal::audit(&world.leaves, None).unwrap();
    assert_eq!(replay.entries, world.state.entries());
}
