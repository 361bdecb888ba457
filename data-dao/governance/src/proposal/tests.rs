//! The scenario vectors of the governance research (numbers in the names), as far as they apply.

use proptest::prelude::*;

use super::*;
use crate::{Bounds, CharterParameters};
use Choice::{Abstain, Against, For};
use ProposalState::{Active, Canceled, Defeated, Executed, Expired, Pending, Queued, Succeeded};

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn voter(number: u8) -> VerifyingKey {
    key(number).verifying_key()
}

fn charter(quorum_percent: u8) -> Charter {
    let parameters = CharterParameters {
        voting_delay_ms: 4,
        voting_period_ms: 16,
        quorum_percent,
        minimum_voters: 1,
        proposal_threshold_per_mille: 0,
        timelock_ms: 3_600_000,
        grace_ms: 14 * 24 * 3_600_000,
    };
    Charter::new(parameters, Bounds::Demonstration).unwrap()
}

fn content() -> ProposalContent {
    ProposalContent {
        dao: Digest([1; 32]),
        title: "Price".into(),
        description: "Predictions cost more than they earn.".into(),
        actions: vec![Action::SetPredictionPrice { model: "wine".into(), price: 7 }],
        proposer: voter(1),
        salt: 0,
    }
}

/// Weights of voters 1, 2, …; what is missing to `supply` belongs to voter 99.
fn proposal(weights: &[u128], supply: u128, quorum_percent: u8) -> Proposal {
    let mut map: Weights = (1..).zip(weights).map(|(n, weight)| (voter(n), *weight)).collect();
    let rest = supply - weights.iter().sum::<u128>();
    if rest > 0 {
        map.insert(voter(99), rest);
    }
    Proposal::new(content(), map, charter(quorum_percent), 0).unwrap()
}

fn base(quorum_percent: u8) -> Proposal {
    proposal(&[10, 7, 5, 2], 100, quorum_percent)
}

fn vote(proposal: &mut Proposal, number: u8, choice: Choice) {
    cast(proposal, number, choice, 10).unwrap();
}

fn cast(p: &mut Proposal, number: u8, choice: Choice, now: u64) -> Result<u128, GovernanceError> {
    let ballot = Ballot { dao: p.content().dao, proposal: p.id(), choice, voter: voter(number) };
    p.cast(&ballot, now)
}

fn after(weights: &[u128], supply: u128, quorum: u8, votes: &[(u8, Choice)]) -> ProposalState {
    let mut proposal = proposal(weights, supply, quorum);
    for (number, choice) in votes {
        vote(&mut proposal, *number, *choice);
    }
    proposal.state(21)
}

#[test]
fn vector_1_boundaries_of_pending_and_active() {
    let mut proposal = base(1);
    for (now, state) in [(0, Pending), (4, Pending), (5, Active), (20, Active), (21, Defeated)] {
        assert_eq!(proposal.state(now), state, "at {now}");
    }
    assert!(matches!(
        cast(&mut proposal, 1, For, 4),
        Err(GovernanceError::WrongState { state: Pending, .. })
    ));
    assert!(matches!(
        cast(&mut proposal, 1, For, 21),
        Err(GovernanceError::WrongState { state: Defeated, .. })
    ));
}

#[test]
fn vector_2_tally_and_second_vote() {
    let mut p = base(10);
    for (number, choice) in [(1, For), (2, For), (3, Against), (4, Abstain)] {
        vote(&mut p, number, choice);
    }
    let tally = *p.tally();
    assert_eq!((tally.against, tally.in_favour, tally.abstain), (5, 17, 2));
    assert_eq!((tally.voters, tally.quorum_voters), (4, 3));
    assert_eq!(
        cast(&mut p, 1, Against, 10),
        Err(GovernanceError::AlreadyVoted { voter: voter(1) })
    );
    assert_eq!(cast(&mut p, 50, For, 10), Err(GovernanceError::NoWeight { voter: voter(50) }));
    assert!(matches!(p.queue(20), Err(GovernanceError::WrongState { state: Active, .. })));
    assert_eq!(p.state(21), Succeeded);
    let eta = p.queue(21).unwrap();
    p.execute(eta).unwrap();
    assert!(matches!(p.execute(eta), Err(GovernanceError::WrongState { state: Executed, .. })));
}

#[test]
fn vector_3_quorum_counts_for_and_abstain_only() {
    let weights = [10, 8, 7, 6, 5, 5, 10];
    let check = |quorum, votes: &[(u8, Choice)], expected| {
        assert_eq!(after(&weights, 100, quorum, votes), expected, "quorum {quorum}: {votes:?}");
    };
    check(8, &[(1, For)], Succeeded);
    check(8, &[(2, For)], Succeeded);
    check(8, &[(3, For)], Defeated);
    check(8, &[(3, For), (4, Against)], Defeated);
    check(10, &[(5, For), (6, Abstain)], Succeeded);
    check(10, &[(1, For), (7, Against)], Defeated);
}

#[test]
fn vector_6_timelock_and_grace() {
    let mut p = base(1);
    vote(&mut p, 1, For);
    assert!(matches!(p.execute(21), Err(GovernanceError::WrongState { state: Succeeded, .. })));
    let eta_ms = p.queue(21).unwrap();
    assert_eq!(eta_ms, 21 + 3_600_000);
    assert!(matches!(p.queue(22), Err(GovernanceError::WrongState { state: Queued { .. }, .. })));
    let early = p.execute(eta_ms - 1);
    assert_eq!(early, Err(GovernanceError::TimelockRuns { eta_ms, now_ms: eta_ms - 1 }));
    let end = eta_ms + 14 * 24 * 3_600_000;
    assert_eq!(p.state(end - 1), Queued { eta_ms });
    assert_eq!(p.state(end), Expired);
    let late = p.clone().execute(end);
    assert!(matches!(late, Err(GovernanceError::WrongState { state: Expired, .. })));
    p.execute(eta_ms).unwrap();
    assert_eq!(p.state(end), Executed);
}

#[test]
fn vector_7_only_the_proposer_cancels_and_only_while_pending() {
    let mut p = base(1);
    assert!(matches!(p.cancel(&voter(2), 1), Err(GovernanceError::NotTheProposer { .. })));
    let late = p.clone().cancel(&voter(1), 5);
    assert!(matches!(late, Err(GovernanceError::WrongState { state: Active, .. })));
    p.cancel(&voter(1), 4).unwrap();
    assert_eq!(p.state(10), Canceled);
    assert!(cast(&mut p, 1, For, 10).is_err());
    assert!(p.cancel(&voter(1), 4).is_err());
}

#[test]
fn vector_12_arithmetic_never_rounds_in_favour() {
    let check = |supply: u128, yes: u128, quorum, expected| {
        assert_eq!(after(&[yes], supply, quorum, &[(1, For)]), expected, "{yes} of {supply}");
    };
    check(100, 1, 1, Succeeded);
    check(1000, 10, 1, Succeeded);
    check(1_000_000_000, 9_999_999, 1, Defeated);
    check(1_000_000_000, 10_000_000, 1, Succeeded);
    check(100, 59, 60, Defeated);
    check(100, 60, 60, Succeeded);
    check(u128::MAX, u128::MAX, 100, Succeeded);
    for quorum in 1..=100 {
        let abstained = after(&[100], 100, quorum, &[(1, Abstain)]);
        assert_eq!(abstained, Defeated, "abstain only, quorum {quorum}");
    }
    let huge = after(&[u128::MAX - 1, 1], u128::MAX, 99, &[(1, For), (2, Against)]);
    assert_eq!(huge, Succeeded);
    assert_eq!(after(&[59, 1], 100, 60, &[(1, For), (2, Against)]), Defeated);
    assert_eq!(after(&[10, 10], 20, 1, &[(1, For), (2, Against)]), Defeated);
}

#[test]
fn weights_beyond_128_bits_are_refused() {
    let weights = [(voter(1), u128::MAX), (voter(2), 1)].into();
    let refused = Proposal::new(content(), weights, charter(1), 0);
    assert_eq!(refused, Err(GovernanceError::WeightOverflow));
}

#[test]
fn fewer_voters_than_the_minimum_make_no_quorum() {
    let parameters = CharterParameters { minimum_voters: 3, ..*charter(1).parameters() };
    let charter = Charter::new(parameters, Bounds::Demonstration).unwrap();
    let weights: Weights = (1..=4).map(|n| (voter(n), 1)).collect();
    let mut p = Proposal::new(content(), weights, charter, 0).unwrap();
    vote(&mut p, 1, For);
    vote(&mut p, 2, For);
    vote(&mut p, 4, Against);
    assert_eq!(p.state(21), Defeated);
    vote(&mut p, 3, Abstain);
    assert_eq!(p.state(21), Succeeded);
}

#[test]
fn who_has_too_little_weight_cannot_propose() {
    let parameters =
        CharterParameters { proposal_threshold_per_mille: 5, ..*charter(1).parameters() };
    let charter = Charter::new(parameters, Bounds::Demonstration).unwrap();
    let with = |weight: u128| {
        let weights = [(voter(1), weight), (voter(2), 1000 - weight)].into();
        Proposal::new(content(), weights, charter, 0)
    };
    assert!(with(5).is_ok());
    assert_eq!(with(4), Err(GovernanceError::BelowThreshold { got: 4, needed: 5 }));
    let stranger = Proposal::new(content(), [(voter(2), 1)].into(), self::charter(1), 0);
    assert_eq!(stranger, Err(GovernanceError::BelowThreshold { got: 0, needed: 1 }));
}

#[test]
fn empty_and_oversized_content_is_refused() {
    let weights: Weights = [(voter(1), 1)].into();
    let cases = [
        ProposalContent { title: String::new(), ..content() },
        ProposalContent { title: "x".repeat(TITLE_BYTES_MAX + 1), ..content() },
        ProposalContent { actions: vec![], ..content() },
        ProposalContent { actions: vec![Action::Text; ACTIONS_MAX + 1], ..content() },
    ];
    for case in cases {
        let refused = Proposal::new(case, weights.clone(), charter(1), 0);
        assert!(matches!(refused, Err(GovernanceError::Length { .. })));
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
    assert!(matches!(p.execute(eta), Err(GovernanceError::ContentChanged { .. })));
}

proptest! {
    #[test]
    fn the_tally_does_not_depend_on_the_order_of_ballots(
        votes in proptest::collection::vec((1_u8..5, 0_u8..3), 0..8),
    ) {
        // Only each voter's first ballot counts, so take distinct voters.
        let votes: BTreeMap<u8, u8> = votes.into_iter().collect();
        let choice = |number| [Against, For, Abstain][usize::from(number)];
        let (mut one, mut other) = (base(10), base(10));
        for (number, which) in &votes {
            vote(&mut one, *number, choice(*which));
        }
        for (number, which) in votes.iter().rev() {
            vote(&mut other, *number, choice(*which));
        }
        prop_assert_eq!(one, other);
    }

    #[test]
    fn nothing_succeeds_without_quorum(
        quorum in 1_u8..=100,
        votes in proptest::collection::vec((1_u8..5, 0_u8..3), 0..12),
    ) {
        let mut p = base(quorum);
        for (number, which) in votes {
            let choice = [Against, For, Abstain][usize::from(which)];
            let _counted_or_refused = cast(&mut p, number, choice, 10);
        }
        let tally = *p.tally();
        if p.state(21) == Succeeded {
            prop_assert!((tally.in_favour + tally.abstain) * 100 >= u128::from(quorum) * 100);
            prop_assert!(tally.in_favour > tally.against);
        } else {
            prop_assert!(p.queue(21).is_err());
        }
    }
}
