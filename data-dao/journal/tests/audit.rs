//! Whoever has the leaves recomputes everything, and every change is found.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_journal::{
    AuditFailure, Body, Difference, Entry, EntryError, MemberAdmitted, Refusal, TreeHead, audit,
};
use privacy_identity::MerkleTree;
use proptest::prelude::*;
use world::{World, genesis, key, name};

fn head(leaves: &[Vec<u8>]) -> TreeHead {
    let tree = MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice));
    TreeHead { size: tree.size(), root: tree.root() }
}

fn failure(leaves: &[Vec<u8>], head: &TreeHead) -> AuditFailure {
    audit(leaves, Some(head)).unwrap_err()
}

#[test]
fn the_audit_recomputes_what_the_node_has() {
    let world = World::whole_life();
    let head = head(&world.leaves);
    let report = audit(&world.leaves, Some(&head)).unwrap();
    assert_eq!((report.entries, report.root), (head.size, head.root));
    assert_eq!((report.rounds_settled, report.credits_issued), (1, 1_000));
    assert_eq!((report.ballots, report.proposals, report.proposals_executed), (2, 1, 1));
    assert_eq!((report.predictions, report.revenue, report.members), (1, 250, 4));
}

#[test]
fn a_changed_byte_in_any_leaf_is_found() {
    let world = World::whole_life();
    let head = head(&world.leaves);
    for index in 0..world.leaves.len() {
        for position in [0, world.leaves[index].len() / 2, world.leaves[index].len() - 2] {
            let mut leaves = world.leaves.clone();
            leaves[index][position] ^= 1;
            assert!(audit(&leaves, Some(&head)).is_err(), "leaf {index}, byte {position}");
        }
    }
}

#[test]
fn a_dropped_leaf_is_found() {
    let world = World::whole_life();
    let head = head(&world.leaves);
    for index in 0..world.leaves.len() {
        let mut leaves = world.leaves.clone();
        leaves.remove(index);
        let failure = failure(&leaves, &head);
        let named = failure.index.is_none_or(|at| at >= index as u64);
        assert!(named, "leaf {index} dropped, {failure:?}");
    }
    let cut = failure(&world.leaves[..3], &head);
    assert!(matches!(cut.difference, Difference::Size { got: 3, .. }));
}

#[test]
fn swapped_leaves_are_found() {
    let world = World::whole_life();
    let head = head(&world.leaves);
    for index in 1..world.leaves.len() {
        let mut leaves = world.leaves.clone();
        leaves.swap(index - 1, index);
        assert!(audit(&leaves, Some(&head)).is_err(), "leaf {index} swapped");
    }
}

/// Whoever holds the node's key can sign any root; the recomputation does not believe it.
#[test]
fn raised_credits_are_found_at_their_entry_even_under_a_signed_root() {
    let world = World::whole_life();
    let settled = |leaf: &Vec<u8>| leaf.windows(13).any(|w| w == b"round_settled");
    let index = world.leaves.iter().position(settled).unwrap();
    let mut leaves = world.leaves.clone();
    let text = String::from_utf8(leaves[index].clone()).unwrap();
    leaves[index] = text.replace("\"credits\":\"250\"", "\"credits\":\"251\"").into_bytes();
    let failure = failure(&leaves, &head(&leaves));
    assert_eq!(failure.index, Some(index as u64));
    let Difference::Entry(refusal) = failure.difference else { panic!() };
    let Refusal::Differs { expected, got, .. } = *refusal else { panic!() };
    assert_eq!((expected.as_str(), got.as_str()), ("250", "251"));
}

#[test]
fn a_leaf_has_one_form() {
    let world = World::whole_life();
    for leaf in &world.leaves {
        let entry = Entry::from_leaf(leaf).unwrap();
        assert_eq!(entry.to_leaf().unwrap(), *leaf);
    }
    let text = String::from_utf8(world.leaves[1].clone()).unwrap();
    let others = [
        format!(" {text}"),
        text.replace("\"1000\"", "\"01000\""),
        text.replace("\"1000\"", "\"+1000\""),
        text.replacen("{\"time_ms\"", "{\"note\":1,\"time_ms\"", 1),
        text.replace(&"01".repeat(32), &"0A".repeat(32)),
    ];
    for other in others {
        assert_ne!(other, text);
        assert!(Entry::from_leaf(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn the_json_of_an_entry_is_pinned() {
    let body = MemberAdmitted {
        federation: name("wine"),
        member: key(1).verifying_key(),
        label: "Quinta \"A\"".into(),
    };
    let entry = Entry { time_ms: 7, body: body.into() };
    let expected = "{\"time_ms\":7,\"body\":{\"member_admitted\":{\"federation\":\"wine\",\
        \"member\":\"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c\",\
        \"label\":\"Quinta \\\"A\\\"\"}}}";
    assert_eq!(String::from_utf8(entry.to_leaf().unwrap()).unwrap(), expected);
}

#[test]
fn an_entry_that_does_not_fit_a_leaf_is_refused() {
    let label = "x".repeat(70_000);
    let body = MemberAdmitted { federation: name("wine"), member: key(1).verifying_key(), label };
    let entry = Entry { time_ms: 7, body: body.into() };
    assert!(matches!(entry.to_leaf(), Err(EntryError::TooLong { max: 65_535, .. })));
    assert!(matches!(Entry::from_leaf(&[b' '; 65_536]), Err(EntryError::TooLong { .. })));
}

#[test]
fn time_never_goes_backwards() {
    let mut world = World::whole_life();
    world.now_ms -= 1;
    let refusal = world.refusal(world::round_opened("wine", 2));
    assert!(matches!(refusal, Refusal::TimeBackwards { .. }));
}

#[test]
fn the_log_begins_with_its_founding_and_is_founded_once() {
    let mut world = World::founded();
    assert!(matches!(world.refusal(genesis()), Refusal::FoundedTwice));
    let first = Entry { time_ms: 1, body: Body::from(world::round_opened("wine", 1)) };
    let mut state = data_dao_journal::State::default();
    assert!(matches!(state.apply(&first), Err(Refusal::NotFounded { got: "round_opened" })));
    let mut greedy = genesis();
    greedy.treasury_percent = 101;
    let greedy = Entry { time_ms: 1, body: greedy.into() };
    assert!(matches!(state.apply(&greedy), Err(Refusal::OutOfBounds { .. })));
    let mut hasty = genesis();
    hasty.bounds = data_dao_journal::BoundsKind::Standard;
    let hasty = Entry { time_ms: 1, body: hasty.into() };
    assert!(matches!(state.apply(&hasty), Err(Refusal::Charter(_))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _refused = Entry::from_leaf(&bytes).is_err();
    }

    #[test]
    fn altered_leaves_never_panic_and_never_pass(
        which in 0_usize..1_000,
        position in 0_usize..10_000,
        byte: u8,
    ) {
        let world = World::whole_life();
        let head = head(&world.leaves);
        let mut leaves = world.leaves;
        let count = leaves.len();
        let leaf = &mut leaves[which % count];
        let position = position % leaf.len();
        prop_assume!(leaf[position] != byte);
        leaf[position] = byte;
        prop_assert!(audit(&leaves, Some(&head)).is_err());
    }
}
