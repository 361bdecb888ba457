//! Attempts to pass what should not pass.

use super::*;

fn objectionable() -> CharterParameters {
    CharterParameters { objection_window_ms: 4, objection_period_ms: 6, ..parameters(1) }
}

#[test]
fn a_last_minute_swing_can_be_objected_to_and_only_that() {
    let fresh = || opened(content(), objectionable(), electorate(weights(&[10, 7, 5], 22), &[]));
    let mut p = fresh();
    cast(&mut p, 2, For, 16).unwrap();
    assert_eq!(p.state(21), Succeeded, "not within the last 4");

    let mut p = fresh();
    cast(&mut p, 2, For, 17).unwrap();
    let objection = ProposalState::Objection { until_ms: 26 };
    assert_eq!([p.state(20), p.state(21), p.state(26)], [Active, objection, objection]);
    assert_eq!((p.state(27), p.due()), (Succeeded, Some((27, Step::Queue))));
    assert_eq!(state_of(p.queue(26)), objection);
    assert_eq!(cast(&mut p, 3, For, 22), Err(GovernanceError::OnlyAgainst));
    assert_eq!(cast(&mut p, 3, Abstain, 22), Err(GovernanceError::OnlyAgainst));
    let mixed = ballot(
        &p,
        1,
        Capacity::Entrusted,
        Vote::Split(Split { against: 1, in_favour: 1, abstain: 0 }),
    );
    assert_eq!(p.cast(&mixed, 22), Err(GovernanceError::OnlyAgainst));
    cast(&mut p, 1, Against, 22).unwrap();
    assert_eq!((p.state(22), p.state(27)), (Defeated, Defeated));
}

#[test]
fn a_swing_away_and_back_in_the_last_minute_can_be_objected_to() {
    let voters = electorate(weights(&[10, 7, 5, 30], 52), &[]);
    let mut p = opened(content(), objectionable(), voters);
    cast(&mut p, 2, For, 6).unwrap();
    cast(&mut p, 3, Against, 7).unwrap();
    assert!(p.succeeds());
    cast(&mut p, 1, Against, 18).unwrap();
    assert_eq!(p.state(21), Defeated);
    cast(&mut p, 4, For, 19).unwrap();
    assert_eq!(p.state(21), ProposalState::Objection { until_ms: 26 });
}

#[test]
fn what_succeeds_early_is_not_objected_to() {
    let mut p = opened(content(), objectionable(), electorate(weights(&[10, 7], 17), &[]));
    cast(&mut p, 1, For, 6).unwrap();
    cast(&mut p, 2, For, 20).unwrap();
    assert_eq!(p.state(21), Succeeded);
}

#[test]
fn fewer_voters_than_the_minimum_make_no_quorum() {
    let three = CharterParameters { minimum_voters: 3, ..parameters(1) };
    let mut p = opened(content(), three, electorate(weights(&[1, 1, 1, 1], 4), &[]));
    vote(&mut p, 1, For);
    vote(&mut p, 2, For);
    vote(&mut p, 4, Against);
    assert_eq!(p.state(21), Defeated);
    vote(&mut p, 3, Abstain);
    assert_eq!(p.state(21), Succeeded);
}

#[test]
fn a_delegate_is_one_voter_however_many_it_votes_for() {
    let two = CharterParameters { minimum_voters: 2, ..parameters(1) };
    let mut p = opened(content(), two, electorate(weights(&[1, 1, 1], 3), &[(1, 3), (2, 3)]));
    vote(&mut p, 3, For);
    assert_eq!((p.tally().quorum_voters, p.quorum_reached()), (1, false));
    // Who overrides is one more; a delegate of whom everything was taken back is none.
    override_(&mut p, 1, For).unwrap();
    assert_eq!((p.tally().quorum_voters, p.quorum_reached()), (2, true));
    let mut q = opened(content(), two, electorate(weights(&[1], 1), &[(1, 2)]));
    vote(&mut q, 2, For);
    override_(&mut q, 1, For).unwrap();
    assert_eq!((q.tally().quorum_voters, q.tally().voters, sums(&q)), (1, 1, [0, 1, 0]));
}

#[test]
fn one_per_cent_of_many_members_is_needed() {
    let given = vec![1_u128; 98];
    let part = CharterParameters { minimum_voters_per_mille: 30, ..parameters(1) };
    let mut p = opened(content(), part, electorate(weights(&given, 98), &[]));
    vote(&mut p, 1, For);
    vote(&mut p, 2, For);
    assert_eq!(p.state(21), Defeated, "3 % of 98 is 3");
    vote(&mut p, 3, For);
    assert_eq!(p.state(21), Succeeded);
}

#[test]
fn what_others_entrusted_is_not_split() {
    let mut p = opened(content(), parameters(1), electorate(weights(&[10, 7], 17), &[(1, 2)]));
    let refused = Err(GovernanceError::SplitOfEntrusted { voter: voter(2) });
    assert_eq!(split(&mut p, 2, [1, 1, 0]), refused);
    let part =
        ballot(&p, 1, Capacity::Override, Vote::Split(Split { against: 9, ..Split::default() }));
    let (voter, weight, got) = (voter(1), 10, 9);
    assert_eq!(p.cast(&part, 10), Err(GovernanceError::SplitIsNotAll { voter, weight, got }));
    let all = Split { against: 9, in_favour: 1, abstain: 0 };
    let all = ballot(&p, 1, Capacity::Override, Vote::Split(all));
    assert_eq!(p.cast(&all, 10), Ok(10));
    assert_eq!(split(&mut p, 2, [3, 4, 0]), Ok(7), "nothing is entrusted any more");
}

#[test]
fn who_entrusted_everything_has_nothing_to_vote_with() {
    let mut p = opened(content(), parameters(1), electorate(weights(&[10, 7], 17), &[(1, 2)]));
    assert_eq!(cast(&mut p, 1, For, 10), Err(GovernanceError::NoWeight { voter: voter(1) }));
}

#[test]
fn a_deep_cycle_of_delegations_counts_every_weight_once() {
    let given = vec![1_u128; 90];
    let cycle: Vec<_> = (1..=90_u8).map(|n| (n, n % 90 + 1)).collect();
    let mut p = opened(content(), parameters(1), electorate(weights(&given, 90), &cycle));
    for number in 1..=90 {
        assert_eq!(cast(&mut p, number, For, 10), Ok(1));
    }
    assert_eq!((sums(&p), p.tally().voters), ([0, 90, 0], 90));
}

#[test]
fn a_proposer_that_lost_its_weight_is_canceled_at_the_snapshot() {
    let threshold = CharterParameters { proposal_threshold_per_mille: 50, ..parameters(1) };
    let mut p = submitted(content(), threshold);
    p.open(electorate(weights(&[4], 100), &[]), 5).unwrap();
    assert_eq!((p.state(5), p.due()), (Canceled, None));
    let mut p = submitted(content(), threshold);
    p.open(electorate(weights(&[5], 100), &[]), 5).unwrap();
    assert_eq!(p.state(5), Active);
}

#[test]
fn who_has_too_little_weight_cannot_propose() {
    let charter = charter(CharterParameters { proposal_threshold_per_mille: 5, ..parameters(1) });
    let submit = |weight, supply, charter, now| {
        Proposal::submit(Draft::new(content()).unwrap(), &weights(&[weight], supply), charter, now)
    };
    let with = |weight| submit(weight, 1000, charter, 0);
    assert!(with(5).is_ok());
    assert_eq!(with(4), Err(GovernanceError::BelowThreshold { got: 4, needed: 5 }));
    let charter = self::charter(parameters(1));
    let nobody = submit(0, 1000, charter, 0);
    assert_eq!(nobody, Err(GovernanceError::BelowThreshold { got: 0, needed: 1 }));
    let late = submit(1, 1, charter, u64::MAX - 5);
    assert_eq!(late, Err(GovernanceError::TimeOverflow));
}

#[test]
fn a_guardian_says_why_and_never_decides_about_itself() {
    let mut p = base(1);
    let stranger = p.veto(&veto(&p, 81), guardian(), 5);
    assert_eq!(stranger, Err(GovernanceError::NotTheGuardian { by: voter(81) }));
    let nobody = p.veto(&veto(&p, 80), None, 5);
    assert_eq!(nobody, Err(GovernanceError::NotTheGuardian { by: voter(80) }));
    let silent = Veto { reason: String::new(), ..veto(&p, 80) };
    assert!(matches!(p.veto(&silent, guardian(), 5), Err(GovernanceError::Length { .. })));
    assert_eq!(p.state(5), Active);
    let about = vec![Action::Text, Action::SetGuardian { guardian: None, term_ms: 0 }];
    let about = ProposalContent { actions: about, ..content() };
    let mut p = opened(about, parameters(1), electorate(weights(&[10], 10), &[]));
    let refused = p.veto(&veto(&p, 80), guardian(), 5);
    assert_eq!(refused, Err(GovernanceError::AboutTheGuardian));
    let words = ProposalContent { actions: vec![Action::Text], ..content() };
    let mut p = opened(words, parameters(1), electorate(weights(&[10], 10), &[]));
    assert_eq!(p.veto(&veto(&p, 80), guardian(), 5), Ok(()));
}

#[test]
fn nothing_is_carried_past_the_guardian_in_a_bundle_with_its_own_office() {
    let same = Action::SetGuardian { guardian: Some(voter(80)), term_ms: 1 };
    let all = Action::TreasuryTransfer { to: voter(1), amount: 1_000_000 };
    for actions in [vec![all.clone(), same.clone()], vec![same, Action::Text, all]] {
        let bundle = ProposalContent { actions, ..content() };
        let mut p = opened(bundle, parameters(1), electorate(weights(&[10], 10), &[]));
        assert_eq!(p.veto(&veto(&p, 80), guardian(), 5), Ok(()));
        assert_eq!(p.state(5), Vetoed);
    }
}

#[test]
fn weights_beyond_128_bits_are_refused() {
    let weights = [(voter(1), u128::MAX), (voter(2), 1)].into();
    let refused = Electorate::new(weights, [], position());
    assert_eq!(refused, Err(GovernanceError::WeightOverflow));
}

#[test]
fn empty_oversized_and_contradictory_content_is_refused() {
    let price = |price| Action::SetPredictionPrice { model: "wine".into(), price };
    let suspend = Action::SuspendMember { member: voter(2), reason: "x".into() };
    let admit = |roles| Action::AdmitMember { member: voter(2), label: "x".into(), roles };
    let lengths = [
        ProposalContent { title: String::new(), ..content() },
        ProposalContent { title: "x".repeat(crate::TITLE_BYTES_MAX + 1), ..content() },
        ProposalContent { actions: vec![], ..content() },
        ProposalContent { actions: vec![Action::Text; crate::ACTIONS_MAX + 1], ..content() },
        ProposalContent {
            actions: vec![Action::SuspendMember { member: voter(2), reason: String::new() }],
            ..content()
        },
    ];
    for case in lengths {
        assert!(matches!(Draft::new(case), Err(GovernanceError::Length { .. })));
    }
    for actions in [vec![price(1), price(2)], vec![suspend, admit(vec![crate::Role::Member])]] {
        let refused = Draft::new(ProposalContent { actions, ..content() });
        assert!(matches!(refused, Err(GovernanceError::SameTarget { .. })));
    }
    use crate::Role::{Buyer, Contributor};
    for roles in [vec![], vec![Buyer, Contributor], vec![Buyer, Buyer]] {
        let refused = Draft::new(ProposalContent { actions: vec![admit(roles)], ..content() });
        assert_eq!(refused, Err(GovernanceError::Roles));
    }
}

#[test]
fn unknown_actions_are_refused() {
    for text in [r#"{"mint_credits":{"to":"me"}}"#, r#""mint""#, r#"{"text":{}}"#, r#"{}"#] {
        assert!(serde_json::from_str::<Action>(text).is_err(), "{text}");
    }
}

#[test]
fn every_part_of_the_content_changes_the_id() {
    let id = content().id();
    let others = [
        ProposalContent { dao: Digest([2; 32]), ..content() },
        ProposalContent { title: "Prices".into(), ..content() },
        ProposalContent { description: "Because.".into(), ..content() },
        ProposalContent { actions: vec![Action::Text], ..content() },
        ProposalContent { ballots: BallotSecrecy::Sealed, ..content() },
        ProposalContent { proposer: voter(2), ..content() },
        ProposalContent { salt: 1, ..content() },
    ];
    for other in others {
        assert_ne!(other.id(), id, "{other:?}");
    }
}

#[test]
fn content_swapped_after_the_vote_is_not_executed() {
    let mut p = base(1);
    vote(&mut p, 1, For);
    let eta = p.queue(21).unwrap();
    p.content.actions = vec![Action::SetPredictionPrice { model: "wine".into(), price: 1_000 }];
    assert!(matches!(p.execute(eta, 1), Err(GovernanceError::ContentChanged { .. })));
}

#[test]
fn a_nonce_counts_once_and_only_upwards_and_late_messages_do_not() {
    let mut nonces = crate::Nonces::default();
    let with = |nonce| Ballot {
        nonce,
        expires_ms: 100,
        ..ballot(&base(1), 1, Capacity::Entrusted, Vote::Whole(For))
    };
    assert_eq!(nonces.check(&with(5), 100), Ok(()));
    nonces.take(&with(5));
    for got in [0, 5] {
        let (signer, last) = (voter(1), 5);
        let refused = Err(GovernanceError::NonceUsed { signer, last, got });
        assert_eq!(nonces.check(&with(got), 10), refused);
    }
    assert_eq!(nonces.check(&with(6), 10), Ok(()));
    let late = Err(GovernanceError::RequestExpired { expires_ms: 100, now_ms: 101 });
    assert_eq!(nonces.check(&with(6), 101), late);
}
