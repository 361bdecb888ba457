//! Whoever holds the node's key can write any log and sign its root: what it claims about votes and pay is recomputed all
//! the same. And a guardian goes when members say so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, GovernanceError, GuardianAcceptance, Request as _, Veto};
use data_dao_journal::{Difference, GuardianAccepted, ProposalVetoed, Refusal, TreeHead, audit};
use privacy_identity::MerkleTree;
use world::{World, key};

/// The first leaf with `kind` after `from` is replaced by `to`, and the root is that of the changed log. Returns the index
/// of that leaf and why the audit stops there.
fn falsified(world: &World, kind: &str, (from, to): (&str, &str)) -> (u64, Refusal) {
    let mut leaves = world.leaves.clone();
    let marked = |leaf: &Vec<u8>| {
        let text = String::from_utf8_lossy(leaf);
        text.contains(&format!("\"{kind}\"")) && text.contains(from)
    };
    let index = leaves.iter().position(marked).unwrap_or_else(|| panic!("no {kind} with {from}"));
    let text = String::from_utf8(leaves[index].clone()).unwrap();
    leaves[index] = text.replacen(from, to, 1).into_bytes();
    let tree = MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice));
    let signed = TreeHead { size: tree.size(), root: tree.root() };
    let failure = audit(&leaves, Some(&signed)).unwrap_err();
    let Difference::Entry(refusal) = failure.difference else { panic!("{:?}", failure.difference) };
    assert_eq!(failure.index, Some(index as u64), "{kind}: {refusal}");
    (index as u64, *refusal)
}

#[test]
fn a_false_ballot_is_found_under_a_signed_root() {
    let world = World::whole_life();
    let (_, turned) = falsified(&world, "ballot_cast", ("\"for\"", "\"against\""));
    assert!(matches!(turned, Refusal::Signature(_)), "{turned}");
}

#[test]
fn a_false_electorate_is_found_under_a_signed_root() {
    let world = World::whole_life();
    let (_, fewer) = falsified(&world, "poll_opened", ("\"holders\":2", "\"holders\":1"));
    assert!(matches!(fewer, Refusal::DueFirst { .. }), "{fewer}");
    let (_, lighter) =
        falsified(&world, "poll_opened", ("\"supply\":\"1000\"", "\"supply\":\"10\""));
    assert!(matches!(lighter, Refusal::DueFirst { .. }), "{lighter}");
}

#[test]
fn a_false_payout_is_found_under_a_signed_root() {
    let world = World::whole_life();
    let (_, raised) = falsified(&world, "predicted", ("\"169\"", "\"170\""));
    assert!(matches!(raised, Refusal::Differs { .. }), "{raised}");
}

#[test]
fn a_passed_vote_without_its_ballots_is_found_under_a_signed_root() {
    let world = World::whole_life();
    let mut leaves = world.leaves.clone();
    let ballot = |leaf: &Vec<u8>| String::from_utf8_lossy(leaf).contains("\"ballot_cast\"");
    leaves.retain(|leaf| !ballot(leaf));
    let queued = |leaf: &Vec<u8>| String::from_utf8_lossy(leaf).contains("\"proposal_queued\"");
    let index = leaves.iter().position(queued).unwrap();
    let tree = MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice));
    let signed = TreeHead { size: tree.size(), root: tree.root() };
    let failure = audit(&leaves, Some(&signed)).unwrap_err();
    assert_eq!(failure.index, Some(index as u64));
    let Difference::Entry(refusal) = failure.difference else { panic!() };
    assert!(matches!(*refusal, Refusal::Governance(GovernanceError::WrongState { .. })));
}

#[test]
fn members_dismiss_a_guardian_and_it_cannot_stop_that() {
    let mut world = World::after_one_round();
    let guardian = key(80);
    let set = |guardian, term_ms| vec![Action::SetGuardian { guardian, term_ms }];
    world.pass(set(Some(guardian.verifying_key()), 1_000_000));
    let by = guardian.verifying_key();
    let (dao, nonce) = (world.state.dao_id().unwrap(), world.nonce(&by));
    let acceptance = GuardianAcceptance { dao, guardian: by, nonce, expires_ms: u64::MAX };
    let signature = acceptance.sign(&guardian);
    world.push(GuardianAccepted { acceptance, signature });
    assert!(world.state.guardian(world.now_ms).is_some());

    let veto = |world: &World, proposal| {
        let nonce = world.nonce(&by);
        let reason = "I would rather stay.".to_owned();
        let veto = Veto { dao, proposal, guardian: by, reason, nonce, expires_ms: u64::MAX };
        let signature = veto.sign(&guardian);
        ProposalVetoed { veto, signature }
    };
    // Named by a second vote at the same time: a dismissal takes that back, too.
    world.pass(set(Some(key(81).verifying_key()), 1_000));
    let dismissal = world.propose(0, set(None, 0));
    let stopped = world.refusal(veto(&world, dismissal));
    assert!(matches!(stopped, Refusal::Governance(GovernanceError::AboutTheGuardian)));
    let dismissal = world.pass(set(None, 0));
    assert!(world.executed(dismissal));
    assert_eq!(world.state.guardian(world.now_ms), None);
    let after = world.propose(0, vec![Action::Text]);
    let refused = world.refusal(veto(&world, after));
    assert!(matches!(refused, Refusal::Governance(GovernanceError::NotTheGuardian { .. })));
    let late = key(81);
    let nonce = world.nonce(&late.verifying_key());
    let guardian = late.verifying_key();
    let acceptance = GuardianAcceptance { dao, guardian, nonce, expires_ms: u64::MAX };
    let signature = acceptance.sign(&late);
    let refused = world.refusal(GuardianAccepted { acceptance, signature });
    assert!(matches!(refused, Refusal::Governance(GovernanceError::NotNominated { .. })));
}
