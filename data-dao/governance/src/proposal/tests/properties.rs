//! What holds after any operations, tried with random ones.

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::*;

const VOTERS: u8 = 6;

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![Just(Against), Just(For), Just(Abstain)]
}

fn capacity() -> impl Strategy<Value = Capacity> {
    prop_oneof![3 => Just(Capacity::Entrusted), 1 => Just(Capacity::Override)]
}

fn vote_() -> impl Strategy<Value = Vote> {
    let part = || 0_u128..30;
    prop_oneof![
        4 => choice().prop_map(Vote::Whole),
        1 => (part(), part(), part())
            .prop_map(|(against, in_favour, abstain)| Vote::Split(Split { against, in_favour, abstain })),
    ]
}

/// One delegation per member at most, as the register keeps them.
fn graph() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::btree_map(1..=VOTERS, 1..=VOTERS, 0..6)
        .prop_map(|graph| graph.into_iter().collect())
}

fn given_weights() -> impl Strategy<Value = Vec<u128>> {
    proptest::collection::vec(0_u128..40, usize::from(VOTERS))
}

/// One thing that somebody tries, `wait` after the last.
#[derive(Debug, Clone)]
enum Operation {
    Cast { number: u8, capacity: Capacity, vote: Vote },
    Queue,
    Execute,
    Cancel { number: u8 },
    Veto { number: u8 },
}

fn operation() -> impl Strategy<Value = (u64, Operation)> {
    let operation = prop_oneof![
        8 => (1..=VOTERS, capacity(), vote_())
            .prop_map(|(number, capacity, vote)| Operation::Cast { number, capacity, vote }),
        2 => Just(Operation::Queue),
        2 => Just(Operation::Execute),
        1 => (1..=VOTERS).prop_map(|number| Operation::Cancel { number }),
        1 => (79..=81_u8).prop_map(|number| Operation::Veto { number }),
    ];
    // Twenty operations or so fit into the vote before a long wait ends it; after it there is one for each timelock.
    let wait = prop_oneof![24 => 0_u64..2, 2 => Just(20), 2 => Just(7 * HOUR_MS), 1 => Just(14 * 24 * HOUR_MS)];
    (wait, operation)
}

fn attempt(p: &mut Proposal, operation: &Operation, now: u64) -> bool {
    match operation {
        Operation::Cast { number, capacity, vote } => {
            let ballot = ballot(p, *number, *capacity, *vote);
            p.cast(&ballot, now).is_ok()
        }
        Operation::Queue => p.queue(now).is_ok(),
        Operation::Execute => p.execute(now, 1).is_ok(),
        Operation::Cancel { number } => p.cancel(&voter(*number), guardian(), now).is_ok(),
        Operation::Veto { number } => {
            let veto = veto(p, *number);
            p.veto(&veto, guardian(), now).is_ok()
        }
    }
}

/// The tally counted anew from accepted ballots, without the poll: the slow and obvious way.
fn recounted(given: &[u128], graph: &[(u8, u8)], ballots: &[(u8, Capacity, Choice)]) -> [u128; 3] {
    let weight = |number: u8| given[usize::from(number - 1)];
    let delegate = |number: u8| {
        let to = graph.iter().find(|(from, _)| *from == number).map(|(_, to)| *to);
        to.filter(|to| *to != number)
    };
    let overrode = |number| ballots.iter().any(|b| (b.0, b.1) == (number, Capacity::Override));
    let mut sums = [0; 3];
    for (number, capacity, choice) in ballots {
        let side = match choice {
            Against => 0,
            For => 1,
            Abstain => 2,
        };
        sums[side] += match capacity {
            Capacity::Override => weight(*number),
            Capacity::Entrusted => (1..=VOTERS)
                .filter(|member| delegate(*member).unwrap_or(*member) == *number)
                .filter(|member| !overrode(*member))
                .map(weight)
                .sum(),
        };
    }
    sums
}

/// What the operations of one case did.
#[derive(Debug, Default, Clone, Copy)]
struct Reached {
    queued: u32,
    executed: u32,
    refused_queues: u32,
}

type Operations = Vec<(u64, Operation)>;
type Setting = (Vec<u128>, Vec<(u8, u8)>, u8, (u64, u64, u64), bool);

fn setting() -> impl Strategy<Value = Setting> {
    let quorum = prop_oneof![1_u8..=30, 1_u8..=100];
    let times = (0_u64..=16, 0_u64..=16, 0_u64..=16);
    (given_weights(), graph(), quorum, times, any::<bool>())
}

/// Tries the operations on a new proposal and checks whatever was done.
fn tried(
    (given, graph, quorum, (late, window, objection), is_critical): &Setting,
    operations: &Operations,
) -> Result<Reached, TestCaseError> {
    let content = if *is_critical { critical() } else { content() };
    let parameters = CharterParameters {
        minimum_voters: 2,
        late_extension_ms: *late,
        objection_window_ms: *window,
        objection_period_ms: *objection,
        ..parameters(*quorum)
    };
    let supply: u128 = given.iter().sum();
    let mut p = submitted(content, parameters);
    let (mut now, mut queued_at, mut reached) = (5, None, Reached::default());
    let electorate = electorate(weights(given, supply), graph);
    let needed_voters = p.charter().quorum_voters(electorate.holders());
    p.open(electorate, now).unwrap();
    for (wait, operation) in operations {
        now += wait;
        let before = p.clone();
        if !attempt(&mut p, operation, now) {
            prop_assert_eq!(&p, &before, "a refusal changed the proposal");
            reached.refused_queues += u32::from(matches!(operation, Operation::Queue));
            continue;
        }
        prop_assert!(!before.state(now).is_final(), "a proposal that is over was changed");
        let tally = p.tally();
        match operation {
            Operation::Cast { .. } => {
                let state = before.state(now);
                let open = matches!(state, Active | ProposalState::Objection { .. });
                prop_assert!(open, "a ballot counted in {state:?}");
            }
            Operation::Queue => {
                let weight = tally.in_favour + tally.abstain;
                prop_assert!(weight * 100 >= u128::from(*quorum) * supply);
                // Two, or the only one who has a vote.
                let holders = given.iter().filter(|weight| **weight > 0).count();
                prop_assert!(needed_voters >= 2 || holders < 2);
                prop_assert!(tally.quorum_voters >= needed_voters);
                prop_assert!(tally.in_favour > tally.against);
                let cast = tally.in_favour + tally.against;
                prop_assert!(!is_critical || 3 * tally.in_favour >= 2 * cast);
                prop_assert!(now > 20);
                queued_at = Some(now);
                reached.queued += 1;
            }
            Operation::Execute => {
                let lock = if *is_critical { 7 * HOUR_MS } else { HOUR_MS };
                prop_assert!(queued_at.is_some_and(|at| now >= at + lock));
                reached.executed += 1;
            }
            Operation::Cancel { number } => prop_assert_eq!(*number, 1),
            Operation::Veto { number } => prop_assert_eq!(*number, 80),
        }
    }
    Ok(reached)
}

#[test]
fn no_order_of_operations_passes_a_proposal_without_quorum() {
    let sum = std::cell::Cell::new(Reached::default());
    let cases = (setting(), proptest::collection::vec(operation(), 0..60));
    let config = ProptestConfig { cases: 2_000, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&cases, |(setting, operations)| {
            let (reached, so_far) = (tried(&setting, &operations)?, sum.get());
            sum.set(Reached {
                queued: so_far.queued + reached.queued,
                executed: so_far.executed + reached.executed,
                refused_queues: so_far.refused_queues + reached.refused_queues,
            });
            Ok(())
        })
        .unwrap();
    // The claim would be empty if nothing ever came so far, or if nothing was ever refused.
    let Reached { queued, executed, refused_queues } = sum.get();
    assert!(queued >= 50 && executed >= 10 && refused_queues >= 500, "{:?}", sum.get());
}

proptest! {
    #[test]
    fn every_weight_is_counted_once_under_any_graph_of_delegations(
        given in given_weights(),
        graph in graph(),
        votes in proptest::collection::vec((1..=VOTERS, capacity(), choice()), 0..30),
    ) {
        let supply: u128 = given.iter().sum();
        let electorate = electorate(weights(&given, supply), &graph);
        prop_assert_eq!(electorate.voices().values().sum::<u128>(), supply);
        let mut p = submitted(content(), parameters(1));
        p.open(electorate, 5).unwrap();
        // Voter 1 may lack the weight to propose: then there is no vote.
        prop_assume!(p.state(10) == Active);
        let mut accepted = Vec::new();
        for (number, capacity, choice) in votes {
            let ballot = ballot(&p, number, capacity, Vote::Whole(choice));
            if p.cast(&ballot, 10).is_ok() {
                accepted.push((number, capacity, choice));
            }
        }
        prop_assert_eq!(sums(&p), recounted(&given, &graph, &accepted));
        prop_assert!(sums(&p).iter().sum::<u128>() <= supply);
    }

    #[test]
    fn the_tally_does_not_depend_on_the_order_of_ballots(
        given in given_weights(),
        graph in graph(),
        choices in proptest::collection::vec((choice(), choice()), usize::from(VOTERS)),
        order in Just((0..2 * usize::from(VOTERS)).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let supply: u128 = given.iter().sum();
        let tally = |order: &[usize]| {
            let mut p = submitted(content(), parameters(1));
            p.open(electorate(weights(&given, supply), &graph), 5).unwrap();
            for place in order {
                let number = u8::try_from(place / 2).unwrap() + 1;
                let (entrusted, own) = choices[place / 2];
                let (capacity, choice) = if place % 2 == 0 {
                    (Capacity::Entrusted, entrusted)
                } else {
                    (Capacity::Override, own)
                };
                let ballot = ballot(&p, number, capacity, Vote::Whole(choice));
                let _counted_or_refused = p.cast(&ballot, 10);
            }
            p.tally()
        };
        let sorted: Vec<_> = (0..order.len()).collect();
        prop_assert_eq!(tally(&order), tally(&sorted));
    }

    #[test]
    fn a_state_follows_from_proposal_and_time_and_ends_once_over(
        votes in proptest::collection::vec((1..=VOTERS, choice(), 5_u64..45), 0..8),
        times in proptest::collection::vec(0_u64..80, 1..20),
    ) {
        let parameters = CharterParameters {
            late_extension_ms: 8,
            objection_window_ms: 4,
            objection_period_ms: 6,
            ..parameters(20)
        };
        let given = [10, 7, 5, 2, 1, 1];
        let mut p = opened(content(), parameters, electorate(weights(&given, 26), &[]));
        let mut votes = votes;
        votes.sort_by_key(|(.., now)| *now);
        for (number, choice, now) in votes {
            let _counted_or_refused = cast(&mut p, number, choice, now);
        }
        // Asking, in whatever order, changes nothing and answers the same.
        let (before, mut sorted) = (p.clone(), times.clone());
        let asked: Vec<_> = times.iter().map(|now| p.state(*now)).collect();
        let again: Vec<_> = times.iter().rev().map(|now| p.state(*now)).collect();
        prop_assert_eq!(asked, again.into_iter().rev().collect::<Vec<_>>());
        prop_assert_eq!(&p, &before);
        sorted.sort_unstable();
        let rank = |state| match state {
            Pending => 0,
            Active => 1,
            ProposalState::Objection { .. } => 2,
            _ => 3,
        };
        let ranks: Vec<_> = sorted.iter().map(|now| rank(p.state(*now))).collect();
        prop_assert!(ranks.is_sorted(), "{ranks:?}");
        let over: Vec<_> = sorted.iter().map(|now| p.state(*now)).filter(|s| rank(*s) == 3).collect();
        prop_assert!(over.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
