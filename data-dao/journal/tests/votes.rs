//! Only members decide, each once, with their own signature, and only with a quorum.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use data_dao_governance::{Action, Cancellation, Choice, GovernanceError, ProposalState};
use data_dao_journal::{ProposalCanceled, ProposalExecuted, ProposalMade, ProposalQueued, Refusal};
use world::{World, digest, key, member, members, name};

fn price(price: u128) -> Vec<Action> {
    vec![Action::SetPredictionPrice { model: "wine-quality".into(), price }]
}

/// Voting on a price of 300 is open. Members 0 and 1 have 750 and 250 votes.
fn voting() -> (World, data_dao_governance::ProposalId) {
    let mut world = World::with_paid_calls();
    let proposal = world.propose(0, price(300));
    world.now_ms += 11;
    (world, proposal)
}

#[test]
fn a_successful_proposal_executes_itself() {
    let world = World::whole_life();
    assert_eq!(world.state.model(&name("wine-quality")).unwrap().price(), Some(300));
    assert_eq!(world.state.counts().proposals_executed, 1);
    assert_eq!(world.state.counts().ballots, 2);
}

#[test]
fn calls_paid_before_keep_their_price() {
    let mut world = World::whole_life();
    world.push(world.reservation(40));
    world.push(world.prediction(40));
    assert_eq!(world.state.counts().revenue, 500);
}

#[test]
fn a_vote_changes_the_budget_of_later_rounds_only() {
    let mut world = World::after_one_round();
    world.open_round(2);
    let action = Action::SetRoundBudget { federation: "wine".into(), credits: 5_000 };
    let proposal = world.propose(0, vec![action]);
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::Abstain));
    world.now_ms += 100;
    world.push(ProposalQueued { proposal });
    world.now_ms += 50;
    world.push(ProposalExecuted { proposal });
    let settlement = world.settlement(2, &[(0, 3, 10), (1, 1, 10)]);
    world.push(settlement);
    assert_eq!(world.state.counts().credits_issued, 2_000);
    world.open_round(3);
    let settlement = world.settlement(3, &[(0, 3, 10), (1, 1, 10)]);
    world.push(settlement);
    assert_eq!(world.state.counts().credits_issued, 7_000);
}

#[test]
fn a_forged_ballot_is_refused() {
    let (mut world, proposal) = voting();
    let sound = world.ballot(1, proposal, Choice::Against);
    let mut turned = sound.clone();
    turned.ballot.choice = Choice::For;
    assert!(matches!(world.refusal(turned), Refusal::Signature(_)));
    let mut by_another = sound.clone();
    by_another.signature = sound.ballot.sign(&members()[0]);
    assert!(matches!(world.refusal(by_another), Refusal::Signature(_)));
    let mut elsewhere = sound.clone();
    elsewhere.ballot.dao = digest(99);
    elsewhere.signature = elsewhere.ballot.sign(&members()[1]);
    assert!(matches!(world.refusal(elsewhere), Refusal::Differs { .. }));
    world.push(sound.clone());
    let twice = world.refusal(sound);
    assert!(matches!(twice, Refusal::Governance(GovernanceError::AlreadyVoted { .. })));
}

#[test]
fn who_has_earned_nothing_has_no_vote() {
    let (mut world, proposal) = voting();
    let refusal = world.refusal(world.ballot(2, proposal, Choice::For));
    assert!(matches!(refusal, Refusal::Governance(GovernanceError::NoWeight { .. })));
    let mut stranger = world.ballot(0, proposal, Choice::For);
    stranger.ballot.voter = key(77).verifying_key();
    stranger.signature = stranger.ballot.sign(&key(77));
    let refusal = world.refusal(stranger);
    assert!(matches!(refusal, Refusal::Governance(GovernanceError::NoWeight { .. })));
}

#[test]
fn credits_earned_after_the_proposal_do_not_vote_on_it() {
    let (mut world, proposal) = voting();
    world.open_round(2);
    let settlement = world.settlement(2, &[(2, 900, 50), (3, 900, 50)]);
    world.push(settlement);
    assert!(world.state.credits(&member(3)) > 0);
    let refusal = world.refusal(world.ballot(3, proposal, Choice::Against));
    assert!(matches!(refusal, Refusal::Governance(GovernanceError::NoWeight { .. })));
}

#[test]
fn nothing_is_executed_without_quorum_or_before_its_time() {
    let (mut world, proposal) = voting();
    world.push(world.ballot(0, proposal, Choice::For));
    let execute = || ProposalExecuted { proposal };
    let state = |refusal| match refusal {
        Refusal::Governance(GovernanceError::WrongState { state, .. }) => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(world.refusal(execute())), ProposalState::Active);
    world.now_ms += 100;
    // 750 of 1000 For, but one voter where two are needed.
    assert_eq!(state(world.refusal(ProposalQueued { proposal })), ProposalState::Defeated);
    assert_eq!(state(world.refusal(execute())), ProposalState::Defeated);
    assert_eq!(world.state.model(&name("wine-quality")).unwrap().price(), Some(250));
}

#[test]
fn the_timelock_holds_and_the_grace_ends() {
    let (mut world, proposal) = voting();
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::For));
    world.now_ms += 100;
    world.push(ProposalQueued { proposal });
    world.now_ms += 49;
    let early = world.refusal(ProposalExecuted { proposal });
    assert!(matches!(early, Refusal::Governance(GovernanceError::TimelockRuns { .. })));
    world.now_ms += 1_001;
    let late = world.refusal(ProposalExecuted { proposal });
    assert!(matches!(
        late,
        Refusal::Governance(GovernanceError::WrongState { state: ProposalState::Expired, .. })
    ));
}

#[test]
fn a_proposal_is_signed_by_its_proposer_and_names_what_exists() {
    let mut world = World::with_paid_calls();
    let content = world.content(0, price(300));
    let forged = ProposalMade { signature: content.sign(&members()[1]), content: content.clone() };
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    for actions in [
        vec![Action::SetPredictionPrice { model: "beer-quality".into(), price: 1 }],
        vec![Action::SetPredictionPrice { model: "x'; DROP TABLE entries; --".into(), price: 1 }],
        vec![Action::SetRoundBudget { federation: "cider".into(), credits: 1 }],
    ] {
        let content = world.content(0, actions);
        let signature = content.sign(&members()[0]);
        let refusal = world.refusal(ProposalMade { content, signature });
        assert!(matches!(refusal, Refusal::Unknown { .. }));
    }
    let signature = content.sign(&members()[0]);
    let made = ProposalMade { content, signature };
    world.push(made.clone());
    assert!(matches!(world.refusal(made), Refusal::Exists { .. }));
}

#[test]
fn who_has_no_vote_does_not_propose() {
    let mut world = World::with_paid_calls();
    let content = world.content(2, price(300));
    let signature = content.sign(&members()[2]);
    let refusal = world.refusal(ProposalMade { content, signature });
    assert!(matches!(refusal, Refusal::Governance(GovernanceError::BelowThreshold { .. })));
}

#[test]
fn only_the_proposer_withdraws_and_only_before_the_vote() {
    let mut world = World::with_paid_calls();
    let proposal = world.propose(0, price(300));
    let cancellation = Cancellation { dao: world.state.dao_id().unwrap(), proposal };
    let by = |position: usize| ProposalCanceled {
        proposal,
        signature: cancellation.sign(&members()[position]),
    };
    assert!(matches!(world.refusal(by(1)), Refusal::Signature(_)));
    let mut late = World::with_paid_calls();
    late.propose(0, price(300));
    late.now_ms += 11;
    assert!(matches!(late.refusal(by(0)), Refusal::Governance(_)));
    world.push(by(0));
    let state = world.state.proposal(proposal).unwrap().state(world.now_ms);
    assert_eq!(state, ProposalState::Canceled);
}
