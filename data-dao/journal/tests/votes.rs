//! Only members decide, each once, with their own signature, and only with a quorum; and what they
//! decided happens by itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{
    Action, BallotSecrecy, Cancellation, Capacity, Choice, Delegation, GovernanceError, Opening,
    ProposalId, ProposalState, Request as _,
};
use data_dao_journal::{
    BallotCast, BallotRevealed, BallotSealed, Body, PollOpened, ProposalCanceled, ProposalExecuted,
    ProposalMade, ProposalQueued, Refusal, VoteDelegated,
};
use world::{World, digest, key, member, members, name};

fn price(price: u128) -> Vec<Action> {
    vec![Action::SetPredictionPrice { model: "wine-quality".into(), price }]
}

fn price_of(world: &World) -> Option<u128> {
    world.state.model(&name("wine-quality")).unwrap().price()
}

/// Voting on a price of 300 is open. Members 0 and 1 have 750 and 250 votes.
fn voting() -> (World, ProposalId) {
    let mut world = World::with_paid_calls();
    let proposal = world.propose(0, price(300));
    world.now_ms += 11;
    (world, proposal)
}

fn governance(refusal: Refusal) -> GovernanceError {
    match refusal {
        Refusal::Governance(error) => error,
        other => panic!("{other:?}"),
    }
}

fn state_of(refusal: Refusal) -> ProposalState {
    match governance(refusal) {
        GovernanceError::WrongState { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_successful_proposal_executes_itself() {
    let world = World::whole_life();
    assert_eq!(price_of(&world), Some(300));
    assert_eq!((world.state.counts().proposals_executed, world.state.counts().ballots), (1, 2));
    let proposal = world.state.proposals().values().next().unwrap();
    assert_eq!(proposal.executed_by(), Some(world.state.entries() - 1));
}

#[test]
fn what_is_due_comes_before_anything_else() {
    let (mut world, proposal) = voting();
    // Nobody votes before the snapshot stands in the log, whoever keeps it.
    let entry = |world: &World, body: Body| data_dao_journal::Entry { time_ms: world.now_ms, body };
    let due_first = |world: &World, kind: &str| {
        let ballot = world.ballot(0, proposal, Choice::For);
        let mut state = world.state.clone();
        match state.apply(&entry(world, ballot.into())) {
            Err(Refusal::DueFirst { kind: due, proposal: of, .. }) => {
                assert_eq!((due, of), (kind, proposal));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(state, world.state);
    };
    due_first(&world, "poll_opened");
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::For));
    world.now_ms += 100;
    due_first(&world, "proposal_queued");
    world.tick();
    world.now_ms += 49;
    assert_eq!((world.state.due(world.now_ms), price_of(&world)), (None, Some(250)));
    world.now_ms += 1;
    due_first(&world, "proposal_executed");
    world.tick();
    assert_eq!((world.state.due(u64::MAX), price_of(&world)), (None, Some(300)));
}

#[test]
fn steps_are_refused_before_their_time_and_a_second_time() {
    let (mut world, proposal) = voting();
    assert_eq!(state_of(world.refusal(ProposalQueued { proposal })), ProposalState::Active);
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::For));
    world.now_ms += 100;
    world.tick();
    let early = governance(world.refusal(ProposalExecuted { proposal }));
    assert!(matches!(early, GovernanceError::TimelockRuns { .. }));
    world.now_ms += 50;
    world.tick();
    let again = state_of(world.refusal(ProposalExecuted { proposal }));
    assert_eq!(again, ProposalState::Executed);
    assert_eq!(world.state.counts().proposals_executed, 1);
}

#[test]
fn a_snapshot_names_the_log_and_cannot_be_made_up() {
    let mut world = World::with_paid_calls();
    let proposal = world.propose(0, price(300));
    let (tree_size, root) = (world.state.entries(), world.state.log_root());
    let tree = privacy_identity::MerkleTree::from_leaves(world.leaves.iter().map(Vec::as_slice));
    assert_eq!((tree.size(), tree.root()), (tree_size, root));
    world.now_ms += 11;
    let Some(Body::PollOpened(honest)) = world.state.due(world.now_ms) else { panic!() };
    let expected = PollOpened { proposal, tree_size, root, supply: 1_000, holders: 2 };
    assert_eq!(honest, expected);
    for lie in [
        PollOpened { supply: 10, ..honest.clone() },
        PollOpened { root: digest(3), ..honest.clone() },
        PollOpened { tree_size: 3, ..honest.clone() },
        PollOpened { holders: 1, ..honest },
    ] {
        let time_ms = world.now_ms;
        let refused = world.state.apply(&data_dao_journal::Entry { time_ms, body: lie.into() });
        assert!(matches!(refused, Err(Refusal::DueFirst { .. })));
    }
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
    world.pass(vec![Action::SetRoundBudget { federation: "wine".into(), credits: 5_000 }]);
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
    turned.ballot.vote = data_dao_governance::Vote::Whole(Choice::For);
    assert!(matches!(world.refusal(turned), Refusal::Signature(_)));
    let mut by_another = sound.clone();
    by_another.signature = sound.ballot.sign(&members()[0]);
    assert!(matches!(world.refusal(by_another), Refusal::Signature(_)));
    let mut elsewhere = sound.clone();
    elsewhere.ballot.dao = digest(99);
    elsewhere.signature = elsewhere.ballot.sign(&members()[1]);
    assert!(matches!(world.refusal(elsewhere), Refusal::Differs { .. }));
    world.push(sound.clone());
    let replayed = governance(world.refusal(sound));
    assert!(matches!(replayed, GovernanceError::NonceUsed { last: 1, got: 1, .. }));
    let second = governance(world.refusal(world.ballot(1, proposal, Choice::For)));
    assert!(matches!(second, GovernanceError::AlreadyVoted { .. }));
    let mut late = world.ballot(0, proposal, Choice::For);
    late.ballot.expires_ms = world.now_ms - 1;
    late.signature = late.ballot.sign(&members()[0]);
    let late = governance(world.refusal(late));
    assert!(matches!(late, GovernanceError::RequestExpired { .. }));
}

#[test]
fn a_clock_that_goes_backwards_is_refused() {
    let (mut world, proposal) = voting();
    world.tick();
    let entry = data_dao_journal::Entry {
        time_ms: world.now_ms - 1,
        body: world.ballot(0, proposal, Choice::For).into(),
    };
    let before = world.state.clone();
    let refused = world.state.apply(&entry);
    assert!(matches!(refused, Err(Refusal::TimeBackwards { .. })));
    assert_eq!(world.state, before);
}

#[test]
fn who_has_earned_nothing_has_no_vote() {
    let (mut world, proposal) = voting();
    let refusal = governance(world.refusal(world.ballot(2, proposal, Choice::For)));
    assert!(matches!(refusal, GovernanceError::NoWeight { .. }));
    let mut stranger = world.ballot(0, proposal, Choice::For);
    stranger.ballot.voter = key(77).verifying_key();
    stranger.signature = stranger.ballot.sign(&key(77));
    let refusal = governance(world.refusal(stranger));
    assert!(matches!(refusal, GovernanceError::NoWeight { .. }));
}

#[test]
fn credits_earned_after_the_snapshot_do_not_vote() {
    let (mut world, proposal) = voting();
    world.open_round(2);
    let settlement = world.settlement(2, &[(2, 900, 50), (3, 900, 50)]);
    world.push(settlement);
    assert!(world.state.credits(&member(3)) > 0);
    let refusal = governance(world.refusal(world.ballot(3, proposal, Choice::Against)));
    assert!(matches!(refusal, GovernanceError::NoWeight { .. }));
}

#[test]
fn nothing_is_executed_without_quorum() {
    let (mut world, proposal) = voting();
    world.push(world.ballot(0, proposal, Choice::For));
    world.now_ms += 100;
    // 750 of 1000 For, but one voter where two are needed.
    assert_eq!(world.state.due(u64::MAX), None);
    assert_eq!(state_of(world.refusal(ProposalQueued { proposal })), ProposalState::Defeated);
    assert_eq!(state_of(world.refusal(ProposalExecuted { proposal })), ProposalState::Defeated);
    assert_eq!(price_of(&world), Some(250));
}

#[test]
fn an_execution_that_comes_too_late_does_not_come() {
    let (mut world, proposal) = voting();
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::For));
    world.now_ms += 100;
    world.tick();
    world.now_ms += 1_050;
    assert_eq!(world.state.due(world.now_ms), None);
    assert_eq!(state_of(world.refusal(ProposalExecuted { proposal })), ProposalState::Expired);
    assert_eq!(price_of(&world), Some(250));
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
    for _ in 0..2 {
        world.propose(0, vec![Action::Text]);
    }
    let content = world.content(0, vec![Action::Text]);
    let signature = content.sign(&members()[0]);
    let many = world.refusal(ProposalMade { content, signature });
    assert!(matches!(many, Refusal::TooManyProposals { count: 3, .. }));
}

#[test]
fn who_has_no_vote_does_not_propose() {
    let mut world = World::with_paid_calls();
    let content = world.content(2, price(300));
    let signature = content.sign(&members()[2]);
    let refusal = governance(world.refusal(ProposalMade { content, signature }));
    assert!(matches!(refusal, GovernanceError::BelowThreshold { .. }));
}

#[test]
fn only_the_proposer_withdraws() {
    let mut world = World::with_paid_calls();
    let proposal = world.propose(0, price(300));
    let by = |world: &World, position: usize| {
        let proposer = member(position);
        let cancellation = Cancellation {
            dao: world.state.dao_id().unwrap(),
            proposal,
            proposer,
            nonce: world.nonce(&proposer),
            expires_ms: u64::MAX,
        };
        let signature = cancellation.sign(&members()[position]);
        ProposalCanceled { cancellation, signature }
    };
    let stranger = governance(world.refusal(by(&world, 1)));
    assert!(matches!(stranger, GovernanceError::NotTheProposer { .. }));
    let mut forged = by(&world, 0);
    forged.signature = forged.cancellation.sign(&members()[1]);
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    world.push(by(&world, 0));
    let state = world.state.proposal(proposal).unwrap().state(world.now_ms);
    assert_eq!(state, ProposalState::Canceled);
    world.now_ms += 11;
    assert_eq!(world.state.due(world.now_ms), None);
}

fn delegation(world: &World, from: usize, to: Option<usize>, until_ms: u64) -> VoteDelegated {
    let delegator = member(from);
    let delegation = Delegation {
        dao: world.state.dao_id().unwrap(),
        delegator,
        delegate: to.map(member),
        until_ms,
        nonce: world.nonce(&delegator),
        expires_ms: u64::MAX,
    };
    let signature = delegation.sign(&members()[from]);
    VoteDelegated { delegation, signature }
}

#[test]
fn a_delegate_votes_for_others_and_they_can_override() {
    let mut world = World::with_paid_calls();
    let until_ms = world.now_ms + 10_000;
    world.push(delegation(&world, 1, Some(3), until_ms));
    let proposal = world.propose(0, price(300));
    world.now_ms += 11;
    world.tick();
    // What is taken back after the snapshot counts for later proposals.
    world.push(delegation(&world, 1, None, 0));
    world.push(world.ballot(3, proposal, Choice::For));
    let tally = |world: &World| world.state.proposal(proposal).unwrap().tally();
    assert_eq!(tally(&world).in_favour, 250);
    world.push(world.ballot_as(1, proposal, (Capacity::Override, Choice::Against)));
    assert_eq!((tally(&world).in_favour, tally(&world).against), (0, 250));
}

#[test]
fn vector_10_delegations_are_signed_once_in_time_and_between_members() {
    let mut world = World::with_paid_calls();
    let until_ms = world.now_ms + 10_000;
    let sound = delegation(&world, 1, Some(3), until_ms);
    let mut forged = sound.clone();
    forged.signature = sound.delegation.sign(&members()[2]);
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    let mut late = sound.clone();
    late.delegation.expires_ms = world.now_ms - 1;
    late.signature = late.delegation.sign(&members()[1]);
    assert!(matches!(governance(world.refusal(late)), GovernanceError::RequestExpired { .. }));
    world.push(sound.clone());
    assert!(matches!(governance(world.refusal(sound)), GovernanceError::NonceUsed { .. }));
    let mut bad_nonce = delegation(&world, 1, Some(2), until_ms);
    bad_nonce.delegation.nonce = 0;
    bad_nonce.signature = bad_nonce.delegation.sign(&members()[1]);
    assert!(matches!(governance(world.refusal(bad_nonce)), GovernanceError::NonceUsed { .. }));
    let mut stranger = delegation(&world, 1, Some(2), until_ms);
    stranger.delegation.delegate = Some(key(77).verifying_key());
    stranger.signature = stranger.delegation.sign(&members()[1]);
    assert!(matches!(world.refusal(stranger), Refusal::NotAMemberOfTheDao { .. }));
    let to_self = governance(world.refusal(delegation(&world, 1, Some(1), until_ms)));
    assert!(matches!(to_self, GovernanceError::DelegatedToSelf { .. }));
}

#[test]
fn sealed_ballots_are_counted_when_they_are_opened() {
    let mut world = World::with_paid_calls();
    let mut content = world.content(0, price(300));
    content.ballots = BallotSecrecy::Sealed;
    let (proposal, signature) = (content.id(), content.sign(&members()[0]));
    world.push(ProposalMade { content, signature });
    world.now_ms += 11;
    let open = governance(world.refusal(world.ballot(0, proposal, Choice::For)));
    assert_eq!(open, GovernanceError::BallotsAreSealed);
    let openings: Vec<_> = [0, 1]
        .into_iter()
        .map(|position| {
            let BallotCast { ballot, signature } = world.ballot(position, proposal, Choice::For);
            Opening { ballot, signature, blinding: digest(5) }
        })
        .collect();
    for (position, opening) in openings.iter().enumerate() {
        let ballot = opening.sealed();
        let signature = ballot.sign(&members()[position]);
        let sealed = BallotSealed { ballot, signature };
        world.push(sealed.clone());
        assert!(matches!(governance(world.refusal(sealed)), GovernanceError::NonceUsed { .. }));
    }
    let early = governance(world.refusal(BallotRevealed { opening: openings[0].clone() }));
    assert!(matches!(early, GovernanceError::TooEarlyToReveal { .. }));
    world.now_ms += 100;
    for opening in openings {
        let mut forged = opening.clone();
        forged.signature = opening.ballot.sign(&members()[3]);
        assert!(matches!(world.refusal(BallotRevealed { opening: forged }), Refusal::Signature(_)));
        world.push(BallotRevealed { opening });
    }
    assert_eq!(world.state.counts().ballots, 2);
    world.now_ms += 40;
    world.tick();
    world.now_ms += 50;
    world.tick();
    assert_eq!(price_of(&world), Some(300));
}
