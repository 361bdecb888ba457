//! Keys that members replace by vote, and the rounds and offices that a new key meets.

use data_dao_governance::{
    Action, Choice, ClaimedKey, GovernanceError, ProposalState, Request as _, Role, Veto,
};
use data_dao_journal::{MembershipState, ProposalVetoed, Refusal};
use data_dao_ledger::AccountId;

use super::{
    by_vote, claimed, consent, guardian, refused, rotated,
    world::{World, key, member, members, name},
};

#[test]
fn a_lost_key_is_replaced_by_vote_with_proof_of_possession() {
    let mut world = World::with_a_sale();
    let (lost, new) = (1, key(60));
    let before = world.state.clone();
    let mut unproven = claimed(&world, lost, &new);
    unproven.possession = ClaimedKey::new(unproven.claim.clone(), &key(61)).possession;
    let unproven = Action::RotateKey { claimed: Box::new(unproven), reason: "Lost.".into() };
    assert!(matches!(refused(&mut world, vec![unproven]), Refusal::Signature(_)));
    let replayed = claimed(&world, 2, &new);
    let mut other = replayed.clone();
    other.claim.member = member(lost);
    other.claim.old = member(lost);
    let other = Action::RotateKey { claimed: Box::new(other), reason: "Lost.".into() };
    assert!(matches!(refused(&mut world, vec![other]), Refusal::Signature(_)));
    let action = by_vote(&world, lost, &new);
    assert_eq!(
        action.class(),
        data_dao_governance::Class::Critical,
        "nobody's place is taken by a bare majority"
    );
    let proposal = world.pass(vec![action]);
    assert!(world.executed(proposal));
    assert_eq!(world.state.signing_key(&member(lost)).unwrap(), new.verifying_key());
    assert_eq!(world.state.accounts(), before.accounts());
    assert_eq!(world.state.membership(&member(lost)), before.membership(&member(lost)));
}

#[test]
fn a_vote_on_a_key_is_checked_again_when_it_is_carried_out() {
    let mut world = World::after_one_round();
    let new = key(60);
    let proposal = world.propose(0, vec![by_vote(&world, 1, &new)]);
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::For));
    world.now_ms += 100;
    world.tick();
    // She found it, and changed it herself: what was voted on does not hold any more.
    world.push(rotated(&world, 1, (&members()[1], &key(62))));
    world.now_ms += 80;
    world.tick();
    assert!(!world.executed(proposal));
    assert_eq!(world.state.signing_key(&member(1)).unwrap(), key(62).verifying_key());
    // Or somebody else got the key meanwhile.
    let mut world = World::after_one_round();
    let proposal = world.propose(0, vec![by_vote(&world, 1, &new)]);
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, Choice::For));
    world.push(world.ballot(1, proposal, Choice::For));
    world.push(rotated(&world, 2, (&members()[2], &new)));
    world.now_ms += 100;
    world.tick();
    world.now_ms += 80;
    world.tick();
    assert!(!world.executed(proposal));
    assert_eq!(world.state.keyring().holder(&new.verifying_key()), Some(member(2)));
}

#[test]
fn the_guardian_stops_a_vote_on_a_key_and_no_guardian_hides_it() {
    let mut world = World::after_one_round();
    let guardian = guardian(&mut world, 1_000_000);
    let same = Action::SetGuardian { guardian: Some(guardian.verifying_key()), term_ms: 1_000 };
    let proposal = world.propose(0, vec![by_vote(&world, 1, &key(60)), same]);
    let veto = Veto {
        dao: world.state.dao_id().unwrap(),
        proposal,
        guardian: guardian.verifying_key(),
        reason: "She is well, and knows nothing of it.".into(),
        nonce: 2,
        expires_ms: u64::MAX,
    };
    let signature = veto.sign(&guardian);
    world.push(ProposalVetoed { veto, signature });
    assert_eq!(world.state.proposal(proposal).unwrap().state(world.now_ms), ProposalState::Vetoed);
    // The key of a rotation is nobody else's by the same proposal.
    let new = key(60).verifying_key();
    let guardian = Action::SetGuardian { guardian: Some(new), term_ms: 1_000 };
    let admitted =
        Action::AdmitMember { member: new, label: "Twin".into(), roles: vec![Role::Member] };
    let also = by_vote(&world, 2, &key(60));
    for other in [guardian, admitted, also] {
        let both = vec![by_vote(&world, 1, &key(60)), other];
        let both = refused(&mut world, both);
        assert!(matches!(both, Refusal::Governance(GovernanceError::SameTarget { .. })));
    }
}

#[test]
fn who_is_suspended_gets_another_key_by_vote_alone_and_stays_suspended() {
    let mut world = World::with_a_sale();
    let (suspend, reason) = (member(1), "Its key was stolen.".to_owned());
    world.pass(vec![Action::SuspendMember { member: suspend, reason }]);
    let by_thief = rotated(&world, 1, (&members()[1], &key(66)));
    assert!(matches!(world.refusal(by_thief), Refusal::MemberIs { state: "suspended", .. }));
    let votes = world.state.accounts().account(&AccountId::vote_member(member(1))).balance();
    // The others have to carry it: member 1 has no vote now.
    let proposal = world.propose(0, vec![by_vote(&world, 1, &key(60))]);
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, Choice::For));
    world.now_ms += 100;
    world.tick();
    world.now_ms += 80;
    world.tick();
    assert!(world.executed(proposal), "who is left decides: in a demonstration that may be one");
    assert_eq!(world.state.signing_key(&member(1)).unwrap(), key(60).verifying_key());
    let mut world = World::with_a_sale();
    world.pass(vec![
        by_vote(&world, 1, &key(60)),
        Action::SuspendMember { member: member(1), reason: "Until it is sure.".into() },
    ]);
    assert_eq!(world.state.signing_key(&member(1)).unwrap(), key(60).verifying_key());
    assert!(matches!(
        world.state.membership(&member(1)).unwrap().state,
        MembershipState::Suspended { .. }
    ));
    let by_itself = rotated(&world, 1, (&key(60), &key(61)));
    assert!(matches!(world.refusal(by_itself), Refusal::MemberIs { state: "suspended", .. }));
    assert_eq!(world.state.accounts().account(&AccountId::vote_member(member(1))).balance(), votes);
}

#[test]
fn a_round_under_way_pays_the_member_and_the_next_needs_its_new_devices_consent() {
    let mut world = World::after_one_round();
    let new = key(60);
    world.open_round(2);
    world.push(rotated(&world, 0, (&members()[0], &new)));
    let before = world.state.credits(&member(0));
    let settlement = world.settlement(2, &[(0, 30, 10), (1, 10, 10)]);
    world.push(settlement);
    assert!(world.state.credits(&member(0)) > before, "its update is in the sum");
    assert!(!world.state.contributors(&name("wine")).contains(&member(0)));
    // A round that is opened after the rotation does not pay it without a new consent.
    world.open_round(3);
    let settlement = world.settlement(3, &[(0, 30, 10), (1, 10, 10)]);
    assert!(matches!(world.refusal(settlement.clone()), Refusal::NoConsent { .. }));
    let by_old = consent(&world, 0, &members()[0]);
    assert!(matches!(world.refusal(by_old), Refusal::Signature(_)));
    world.push(consent(&world, 0, &new));
    assert!(world.state.contributors(&name("wine")).contains(&member(0)));
    // Twice in one round: the consent with which it was opened still counts for it.
    world.push(rotated(&world, 0, (&new, &key(61))));
    world.push(rotated(&world, 0, (&key(61), &key(62))));
    world.push(settlement);
    assert!(!world.state.contributors(&name("wine")).contains(&member(0)));
}
