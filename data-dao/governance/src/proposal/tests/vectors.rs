//! The scenario vectors of the project's study of governance (§2.5), by their numbers. Those about
//! votes over time (10) and parameters (11) stand with `votes` and `charter`, too.

use super::*;

fn after(given: &[u128], supply: u128, quorum: u8, votes: &[(u8, Choice)]) -> ProposalState {
    let mut proposal = proposal(given, supply, quorum);
    for (number, choice) in votes {
        vote(&mut proposal, *number, *choice);
    }
    proposal.state(21)
}

#[test]
fn vector_1_boundaries_of_pending_and_active() {
    let draft = Draft::new(content()).unwrap();
    assert_eq!(draft.state(), ProposalState::Draft);
    let unopened = submitted(content(), parameters(1));
    let mut proposal = base(1);
    for (now, state) in [(0, Pending), (4, Pending), (5, Active), (20, Active), (21, Defeated)] {
        assert_eq!(unopened.state(now), state, "at {now}, before its snapshot was taken");
        assert_eq!(proposal.state(now), state, "at {now}");
    }
    assert_eq!(state_of(cast(&mut proposal, 1, For, 4)), Pending);
    assert_eq!(state_of(cast(&mut proposal, 1, For, 21)), Defeated);
    let mut early = submitted(content(), parameters(1));
    let electorate = electorate(weights(&[10], 100), &[]);
    assert_eq!(state_of(early.open(electorate.clone(), 4)), Pending);
    early.open(electorate.clone(), 5).unwrap();
    assert_eq!(state_of(early.open(electorate, 5)), Active, "the snapshot is taken once");
}

#[test]
fn vector_2_tally_second_vote_and_execution() {
    let mut p = base(10);
    for (number, choice) in [(1, For), (2, For), (3, Against), (4, Abstain)] {
        vote(&mut p, number, choice);
    }
    assert_eq!(sums(&p), [5, 17, 2]);
    assert_eq!((p.tally().voters, p.tally().quorum_voters), (4, 3));
    let again = cast(&mut p, 1, Against, 10);
    assert_eq!(again, Err(GovernanceError::AlreadyVoted { voter: voter(1) }));
    let stranger = cast(&mut p, 50, For, 10);
    assert_eq!(stranger, Err(GovernanceError::NoWeight { voter: voter(50) }));
    // Choice 3: the wire form knows three.
    assert!(serde_json::from_str::<Vote>(r#"{"whole":"for"}"#).is_ok());
    assert!(serde_json::from_str::<Vote>(r#"{"whole":3}"#).is_err());
    assert!(serde_json::from_str::<Vote>(r#"{"whole":"maybe"}"#).is_err());
    assert_eq!(state_of(p.queue(20)), Active);
    assert_eq!(state_of(p.clone().execute(20, 1)), Active);
    assert_eq!(p.state(21), Succeeded);
    let eta = p.queue(21).unwrap();
    p.execute(eta, 9).unwrap();
    assert_eq!((p.executed_by(), state_of(p.execute(eta, 10))), (Some(9), Executed));
}

#[test]
fn vector_3_quorum_counts_for_and_abstain_only() {
    let given = [10, 8, 7, 6, 5, 5, 10];
    let check = |quorum, votes: &[(u8, Choice)], expected| {
        assert_eq!(after(&given, 100, quorum, votes), expected, "quorum {quorum}: {votes:?}");
    };
    check(8, &[(1, For)], Succeeded);
    check(8, &[(2, For)], Succeeded);
    check(8, &[(3, For)], Defeated);
    check(8, &[(3, For), (4, Against)], Defeated);
    check(10, &[(5, For), (6, Abstain)], Succeeded);
    check(10, &[(1, For), (7, Against)], Defeated);
}

#[test]
fn vector_4_a_late_quorum_extends_the_vote_once() {
    let late = CharterParameters { late_extension_ms: 8, ..parameters(1) };
    let everybody = || electorate(weights(&[10, 7, 5, 2], 100), &[]);
    let mut p = opened(content(), late, everybody());
    cast(&mut p, 2, For, 20).unwrap();
    assert_eq!((p.deadline_ms(), p.state(20)), (28, Active));
    cast(&mut p, 1, Against, 21).unwrap();
    assert_eq!((p.deadline_ms(), p.state(28), p.state(29)), (28, Active, Defeated));
    assert_eq!(sums(&p), [10, 7, 0]);

    let mut early = opened(content(), late, everybody());
    cast(&mut early, 2, For, 5).unwrap();
    assert_eq!(early.deadline_ms(), 20);
    cast(&mut early, 3, For, 20).unwrap();
    assert_eq!(early.deadline_ms(), 20, "only the first time counts");

    let extended = |ms| CharterParameters { late_extension_ms: ms, ..parameters(1) };
    assert!(Charter::new(extended(16), Bounds::Demonstration).is_ok());
    assert!(Charter::new(extended(17), Bounds::Demonstration).is_err());
}

#[test]
fn vector_5_a_super_quorum_ends_the_vote_early() {
    // Of a supply of 110, 36 % are 40 and 9 % are 10, rounded up.
    let parameters = CharterParameters { super_quorum_percent: 36, ..parameters(9) };
    let fresh =
        || opened(content(), parameters, electorate(weights(&[40, 30, 20, 15, 5], 110), &[]));
    let mut p = fresh();
    vote(&mut p, 2, For);
    assert_eq!((p.state(10), p.due()), (Active, Some((21, Step::Queue))));
    vote(&mut p, 3, For);
    assert_eq!((p.state(10), p.due()), (Succeeded, Some((0, Step::Queue))));
    assert_eq!(state_of(cast(&mut p, 1, Against, 10)), Succeeded, "the vote is over");

    let mut p = fresh();
    vote(&mut p, 4, For);
    vote(&mut p, 5, For);
    assert_eq!((p.state(20), p.state(21)), (Active, Succeeded));

    let mut p = fresh();
    vote(&mut p, 2, Against);
    vote(&mut p, 3, Against);
    vote(&mut p, 1, For);
    assert_eq!((p.state(20), p.state(21)), (Active, Defeated));

    let mut p = fresh();
    vote(&mut p, 1, For);
    let eta_ms = p.queue(10).unwrap();
    assert!(eta_ms > 0);
    assert_eq!(p.state(10), ProposalState::Queued { eta_ms });
}

#[test]
fn vector_6_timelock_and_grace() {
    let mut p = base(1);
    vote(&mut p, 1, For);
    assert_eq!(state_of(p.execute(21, 1)), Succeeded);
    let eta_ms = p.queue(21).unwrap();
    assert_eq!(eta_ms, 21 + HOUR_MS);
    assert_eq!(state_of(p.queue(22)), ProposalState::Queued { eta_ms });
    let early = p.execute(eta_ms - 1, 1);
    assert_eq!(early, Err(GovernanceError::TimelockRuns { eta_ms, now_ms: eta_ms - 1 }));
    let end = eta_ms + 14 * 24 * HOUR_MS;
    assert_eq!(p.state(end - 1), ProposalState::Queued { eta_ms });
    assert_eq!(p.state(end), Expired);
    assert_eq!(state_of(p.clone().execute(end, 1)), Expired);
    let mut canceled = p.clone();
    canceled.cancel(&voter(1), None, 22).unwrap();
    assert_eq!(canceled.state(22), Canceled);
    assert_eq!(state_of(canceled.execute(eta_ms, 1)), Canceled);
    p.execute(eta_ms, 1).unwrap();
    assert_eq!((p.state(end), state_of(p.execute(eta_ms, 1))), (Executed, Executed));
    // A timelock below the least one cannot be written down.
    let standard = Charter::new(CharterParameters::STANDARD, Bounds::Standard).unwrap();
    assert!(standard.with(Parameter::TimelockMs, 48 * HOUR_MS - 1).is_err());
}

#[test]
fn vector_7_who_cancels_when() {
    let by =
        |p: &Proposal, number: u8, guardian, now| p.clone().cancel(&voter(number), guardian, now);
    let mut p = base(1);
    assert_eq!(
        by(&p, 2, None, 1),
        Err(GovernanceError::NotTheProposer { by: voter(2), proposer: voter(1) })
    );
    for guardian in [None, guardian()] {
        assert_eq!(by(&p, 1, guardian, 4), Ok(()), "the proposer, while pending");
    }
    assert_eq!(state_of(by(&p, 1, guardian(), 5)), Active);
    assert_eq!(by(&p, 1, None, 5), Ok(()), "without a guardian, until it is executed");
    let mut vetoed = p.clone();
    vetoed.veto(&veto(&p, 80), guardian(), 5).unwrap();
    assert_eq!((vetoed.state(5), vetoed.veto_reason().is_some()), (Vetoed, true));
    assert_eq!(state_of(cast(&mut vetoed, 1, For, 10)), Vetoed);

    vote(&mut p, 1, For);
    let eta = p.queue(21).unwrap();
    let mut vetoed = p.clone();
    vetoed.veto(&veto(&p, 80), guardian(), eta).unwrap();
    assert_eq!(state_of(vetoed.execute(eta, 1)), Vetoed);
    p.execute(eta, 1).unwrap();
    assert_eq!(state_of(by(&p, 1, None, eta)), Executed);
    assert_eq!(state_of(p.clone().veto(&veto(&p, 80), guardian(), eta)), Executed);
}

#[test]
fn vector_8_who_entrusted_a_vote_can_override_it() {
    // 1 (10), 2 (7) and 4 (2) vote through 2; 3 (5) votes through 1.
    let fresh = || {
        let electorate = electorate(weights(&[10, 7, 5, 2], 100), &[(1, 2), (3, 1), (4, 2)]);
        opened(content(), parameters(1), electorate)
    };
    let mut p = fresh();
    vote(&mut p, 2, For);
    assert_eq!(sums(&p), [0, 19, 0]);
    override_(&mut p, 1, Against).unwrap();
    assert_eq!(sums(&p), [10, 9, 0]);

    let mut reversed = fresh();
    override_(&mut reversed, 1, Against).unwrap();
    assert_eq!(sums(&reversed), [10, 0, 0]);
    vote(&mut reversed, 2, For);
    assert_eq!(sums(&reversed), [10, 9, 0]);
    assert_eq!(reversed.tally(), p.tally());

    override_(&mut p, 4, Abstain).unwrap();
    assert_eq!(sums(&p), [10, 7, 2]);

    let mut p = fresh();
    assert_eq!(cast(&mut p, 1, For, 10), Ok(5), "what 3 entrusted");
    override_(&mut p, 1, Against).unwrap();
    assert_eq!(sums(&p), [10, 5, 0]);
    let second = override_(&mut p, 1, For);
    assert_eq!(second, Err(GovernanceError::AlreadyVoted { voter: voter(1) }));
    let of_own = override_(&mut p, 2, For);
    assert_eq!(of_own, Err(GovernanceError::NotDelegated { voter: voter(2) }));
}

#[test]
fn vector_9_a_vote_is_split_until_it_is_used_up() {
    let mut p = base(1);
    assert_eq!(split(&mut p, 2, [0, 2, 1]), Ok(3));
    assert_eq!(split(&mut p, 2, [1, 0, 1]), Ok(2));
    assert_eq!(sums(&p), [1, 2, 2]);
    let used: u128 = sums(&p).iter().sum();
    assert_eq!(used, 5);
    let over = split(&mut p, 2, [1, 1, 1]);
    assert_eq!(over, Err(GovernanceError::Overspent { voter: voter(2), left: 2, got: 3 }));
    assert!(matches!(
        split(&mut p, 2, [u128::MAX, 1, 0]),
        Err(GovernanceError::Overspent { got: u128::MAX, .. })
    ));
    let nothing = split(&mut p, 2, [0, 0, 0]);
    assert_eq!(nothing, Err(GovernanceError::EmptySplit { voter: voter(2) }));
    assert_eq!(cast(&mut p, 2, Against, 10), Ok(2), "the rest as a whole");
    let used_up = split(&mut p, 2, [1, 0, 0]);
    assert_eq!(used_up, Err(GovernanceError::AlreadyVoted { voter: voter(2) }));
    assert_eq!((sums(&p), p.tally().voters), ([3, 2, 2], 1));
}

#[test]
fn vector_10_delegating_to_each_other_swaps_weights() {
    let mut p =
        opened(content(), parameters(1), electorate(weights(&[10, 7], 17), &[(1, 2), (2, 1)]));
    assert_eq!(cast(&mut p, 1, For, 10), Ok(7));
    assert_eq!(cast(&mut p, 2, Against, 10), Ok(10));
    assert_eq!(sums(&p), [10, 7, 0]);
}

#[test]
fn vector_11_a_changed_quorum_does_not_touch_earlier_proposals() {
    // The journal's `a_parameter_changes_for_later_proposals_and_only_within_its_bounds` changes it by a vote.
    let founded = charter(parameters(7));
    let changed = founded.with(Parameter::QuorumPercent, 8).unwrap();
    let submitted = |charter| {
        let draft = Draft::new(content()).unwrap();
        Proposal::submit(draft, &weights(&[10], 100), charter, 0).unwrap()
    };
    let (mut earlier, mut later) = (submitted(founded), submitted(changed));
    for p in [&mut earlier, &mut later] {
        p.open(electorate(weights(&[10, 7, 5, 2], 100), &[]), 5).unwrap();
        vote(p, 2, For);
    }
    assert_eq!((earlier.state(21), later.state(21)), (Succeeded, Defeated));
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
fn critical_proposals_need_two_thirds_and_the_longer_timelock() {
    let check = |given: [u128; 2], expected| {
        let supply = given.iter().fold(0, |sum: u128, weight| sum.checked_add(*weight).unwrap());
        let mut p = opened(critical(), parameters(1), electorate(weights(&given, supply), &[]));
        vote(&mut p, 1, For);
        vote(&mut p, 2, Against);
        assert_eq!(p.state(21), expected, "{given:?}");
        p
    };
    check([19, 10], Defeated);
    let mut p = check([20, 10], Succeeded);
    assert_eq!(p.queue(21), Ok(21 + 7 * HOUR_MS));
    check([u128::MAX / 3 * 2, u128::MAX / 3], Succeeded);
    check([u128::MAX / 3 * 2 - 1, u128::MAX / 3], Defeated);
}
