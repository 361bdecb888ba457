//! Members whose key is replaced: by themselves, or by vote. Who it is stays; who signs changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{
    Action, Choice, ClaimedKey, Consent, Delegation, GovernanceError, GuardianAcceptance,
    Invitation, Joining, KeyClaim, Opening, ProposalId, ProposalState, Request as _, Role,
    Rotation, Veto,
};
use data_dao_journal::{
    BallotCast, BallotRevealed, BallotSealed, ConsentGiven, Entry, GuardianAccepted, MemberJoined,
    MemberKeyRotated, MembershipState, ProposalMade, ProposalVetoed, Refusal, VoteDelegated,
};
use data_dao_ledger::{AccountId, Book};
use privacy_identity::{SigningKey, VerifyingKey};
use proptest::prelude::*;
use world::{World, digest, key, member, members, name};

/// What the log says of member `position`'s key now, and `new` claims.
fn claim(world: &World, position: usize, new: &SigningKey) -> KeyClaim {
    let (dao, member) = (world.state.dao_id().unwrap(), member(position));
    let keyring = world.state.keyring();
    let (old, rotations) = (keyring.current(&member), keyring.rotations(&member));
    KeyClaim { dao, member, old, new: new.verifying_key(), rotations }
}

fn claimed(world: &World, position: usize, new: &SigningKey) -> ClaimedKey {
    ClaimedKey::new(claim(world, position, new), new)
}

fn signed(world: &World, claimed: ClaimedKey, old: &SigningKey) -> MemberKeyRotated {
    let nonce = world.nonce(&claimed.claim.member);
    let rotation = Rotation { claimed, nonce, expires_ms: u64::MAX };
    let signature = rotation.sign(old);
    MemberKeyRotated { rotation, signature }
}

fn rotated(
    world: &World,
    position: usize,
    (old, new): (&SigningKey, &SigningKey),
) -> MemberKeyRotated {
    signed(world, claimed(world, position, new), old)
}

fn ballot_by(world: &World, position: usize, proposal: ProposalId, by: &SigningKey) -> BallotCast {
    let BallotCast { ballot, .. } = world.ballot(position, proposal, Choice::For);
    let signature = ballot.sign(by);
    BallotCast { ballot, signature }
}

fn by_vote(world: &World, position: usize, new: &SigningKey) -> Action {
    let claimed = Box::new(claimed(world, position, new));
    Action::RotateKey { claimed, reason: "The notebook burned; we know her voice.".into() }
}

fn refused(world: &mut World, actions: Vec<Action>) -> Refusal {
    let content = world.content(0, actions);
    let signature = content.sign(&members()[0]);
    world.refusal(ProposalMade { content, signature })
}

fn consent(world: &World, position: usize, by: &SigningKey) -> ConsentGiven {
    let federation = "wine".to_owned();
    let policy = world.state.federation(&name("wine")).unwrap().policy().digest();
    let (dao, member) = (world.state.dao_id().unwrap(), member(position));
    let nonce = world.nonce(&member);
    let consent = Consent { dao, federation, policy, member, nonce, expires_ms: u64::MAX };
    let signature = consent.sign(by);
    ConsentGiven { consent, signature }
}

fn guardian(world: &mut World, term_ms: u64) -> SigningKey {
    let guardian = key(80);
    let nominated = Action::SetGuardian { guardian: Some(guardian.verifying_key()), term_ms };
    world.pass(vec![nominated]);
    let acceptance = GuardianAcceptance {
        dao: world.state.dao_id().unwrap(),
        guardian: guardian.verifying_key(),
        nonce: 1,
        expires_ms: u64::MAX,
    };
    let signature = acceptance.sign(&guardian);
    world.push(GuardianAccepted { acceptance, signature });
    guardian
}

#[test]
fn a_member_changes_its_key_and_nothing_else() {
    let mut world = World::with_a_sale();
    let before = world.state.clone();
    let (all, new) = (members(), key(60));
    let old = &all[0];
    world.push(rotated(&world, 0, (old, &new)));
    for of in [member(0), member(1)] {
        assert_eq!(world.state.credits(&of), before.credits(&of));
        assert_eq!(world.state.earnings(&of), before.earnings(&of));
        assert_eq!(world.state.vote_weight(&of, 2_000), before.vote_weight(&of, 2_000));
        assert_eq!(world.state.membership(&of), before.membership(&of));
    }
    assert_eq!(world.state.accounts(), before.accounts(), "no account was touched");
    assert!(!world.state.is_member(&new.verifying_key()), "a member has one name");
    assert_eq!(world.state.signing_key(&member(0)).unwrap(), new.verifying_key());
    assert_eq!(world.state.keyring().holder(&new.verifying_key()), Some(member(0)));
    assert_eq!(world.state.keyring().holder(&member(0)), None);
    // Its next proposal, ballot and rotation are signed by the new key, under the same name.
    let content = world.content(0, vec![Action::Text]);
    let by_old = ProposalMade { signature: content.sign(old), content: content.clone() };
    assert!(matches!(world.refusal(by_old), Refusal::Signature(_)));
    let id = content.id();
    world.push(ProposalMade { signature: content.sign(&new), content });
    world.now_ms += 11;
    let by_old = ballot_by(&world, 0, id, old);
    assert!(matches!(world.refusal(by_old), Refusal::Signature(_)));
    world.push(ballot_by(&world, 0, id, &new));
    assert_eq!(
        world.state.proposal(id).unwrap().tally().in_favour,
        before.vote_weight(&member(0), 2_000)
    );
    // A replay comes to the same, from the leaves alone.
    let mut replayed = data_dao_journal::State::default();
    for leaf in &world.leaves {
        replayed.apply(&Entry::from_leaf(leaf).unwrap()).unwrap();
    }
    assert_eq!(replayed, world.state);
}

#[test]
fn a_rotation_is_not_taken_twice_nor_for_another_dao_member_or_key() {
    let mut world = World::after_one_round();
    let (all, new) = (members(), key(60));
    let old = &all[0];
    let good = rotated(&world, 0, (old, &new));
    // Another DAO's.
    let elsewhere = KeyClaim { dao: digest(99), ..claim(&world, 0, &new) };
    let foreign = signed(&world, ClaimedKey::new(elsewhere, &new), old);
    assert!(matches!(world.refusal(foreign), Refusal::Differs { .. }));
    // Without the old key, without the new one, and by whoever has the new one alone.
    let by_new = MemberKeyRotated { signature: good.rotation.sign(&new), ..good.clone() };
    assert!(matches!(world.refusal(by_new), Refusal::Signature(_)));
    let unproven = signed(&world, ClaimedKey::new(claim(&world, 0, &new), old), old);
    assert!(matches!(world.refusal(unproven), Refusal::Signature(_)));
    // A proof for another member, for another key in force, or for another place in the chain.
    let of_other = claimed(&world, 1, &new);
    let lent = ClaimedKey { claim: claim(&world, 0, &new), possession: of_other.possession };
    let lent = signed(&world, lent, old);
    assert!(matches!(world.refusal(lent), Refusal::Signature(_)));
    for wrong in [
        KeyClaim { old: member(1), ..claim(&world, 0, &new) },
        KeyClaim { rotations: 1, ..claim(&world, 0, &new) },
    ] {
        let wrong = signed(&world, ClaimedKey::new(wrong, &new), old);
        assert!(matches!(world.refusal(wrong), Refusal::Differs { .. }));
    }
    // To oneself, to a member, to processes of the co-operative, to the guardian.
    let guardian = guardian(&mut world, 1_000_000);
    for (new, expected) in [
        (old, "a member's, or was"),
        (&all[1], "a member's, or was"),
        (&key(50), "one of the co-operative's processes"),
        (&key(51), "one of the co-operative's processes"),
        (&key(52), "one of the co-operative's processes"),
        (&guardian, "the guardian's, or of who was asked to be"),
    ] {
        let taken = rotated(&world, 0, (old, new));
        assert!(
            matches!(world.refusal(taken), Refusal::KeyTaken { holder, .. } if holder == expected)
        );
    }
    // By somebody who is no member.
    let stranger = KeyClaim {
        member: key(70).verifying_key(),
        old: key(70).verifying_key(),
        ..claim(&world, 0, &new)
    };
    let stranger = signed(&world, ClaimedKey::new(stranger, &new), &key(70));
    assert!(matches!(world.refusal(stranger), Refusal::NotAMemberOfTheDao { .. }));
    let good = rotated(&world, 0, (old, &new));
    world.push(good.clone());
    assert!(matches!(world.refusal(good), Refusal::Signature(_)), "the old key signed");
    // Nor with the nonce that was used, by the key in force.
    let next = claimed(&world, 0, &key(61));
    let used = world.state.last_nonce(&member(0)).unwrap();
    let rotation = Rotation { claimed: next, nonce: used, expires_ms: u64::MAX };
    let again = MemberKeyRotated { signature: rotation.sign(&new), rotation };
    assert!(matches!(world.refusal(again), Refusal::Governance(GovernanceError::NonceUsed { .. })));
}

#[test]
fn a_former_key_never_acts_again_nor_becomes_anybodys() {
    let mut world = World::after_one_round();
    let (all, second, third) = (members(), key(60), key(61));
    let first = &all[0];
    world.push(rotated(&world, 0, (first, &second)));
    world.push(rotated(&world, 0, (&second, &third)));
    assert_eq!(world.state.signing_key(&member(0)).unwrap(), third.verifying_key());
    // Back, or to another member.
    for (position, by, new, expected) in [
        (0, &third, first, "a member's, or was"),
        (0, &third, &second, "one that a member got before"),
        (0, &third, &third, "one that a member got before"),
        (1, &all[1], &second, "one that a member got before"),
        (1, &all[1], &third, "one that a member got before"),
        (1, &all[1], first, "a member's, or was"),
    ] {
        let back = rotated(&world, position, (by, new));
        assert!(
            matches!(world.refusal(back), Refusal::KeyTaken { holder, .. } if holder == expected)
        );
    }
    // Nobody is admitted, invited or made guardian under a later key, former or in force.
    for later in [&second, &third] {
        let key = later.verifying_key();
        let admit =
            Action::AdmitMember { member: key, label: "Twin".into(), roles: vec![Role::Member] };
        let guardian = Action::SetGuardian { guardian: Some(key), term_ms: 1_000 };
        let (dao, nonce) = (world.state.dao_id().unwrap(), 1);
        let (inviter, roles) = (member(1), vec![Role::Member]);
        let invitation = Invitation { dao, inviter, member: key, roles, expires_ms: u64::MAX };
        let joining =
            Joining { dao, member: key, label: "Twin".into(), nonce, expires_ms: u64::MAX };
        let invitation_signature = invitation.sign(&members()[1]);
        let signature = joining.sign(later);
        let joined = MemberJoined { invitation, invitation_signature, joining, signature };
        assert!(
            matches!(world.refusal(joined), Refusal::KeyOfAMember { member: of, .. } if of == member(0))
        );
        let admitted = data_dao_journal::MemberAdmitted {
            federation: name("wine"),
            member: key,
            label: "Twin".into(),
        };
        assert!(matches!(world.refusal(admitted), Refusal::KeyOfAMember { .. }));
        for action in [admit, guardian] {
            let content = world.content(1, vec![action]);
            let signature = content.sign(&members()[1]);
            assert!(matches!(
                world.refusal(ProposalMade { content, signature }),
                Refusal::KeyOfAMember { .. }
            ));
        }
    }
}

#[test]
fn an_invitation_that_a_former_key_signed_is_worth_nothing() {
    let mut world = World::after_one_round();
    let (all, second, third) = (members(), key(60), key(61));
    let first = &all[0];
    world.push(rotated(&world, 0, (first, &second)));
    world.push(rotated(&world, 0, (&second, &third)));
    let (dao, newcomer) = (world.state.dao_id().unwrap(), key(70));
    let invitation = Invitation {
        dao,
        inviter: member(0),
        member: newcomer.verifying_key(),
        roles: vec![Role::Member],
        expires_ms: u64::MAX,
    };
    let joining = Joining {
        dao,
        member: newcomer.verifying_key(),
        label: "New".into(),
        nonce: 1,
        expires_ms: u64::MAX,
    };
    let signature = joining.sign(&newcomer);
    for by in [first, &second] {
        let invitation_signature = invitation.sign(by);
        let joined = MemberJoined {
            invitation: invitation.clone(),
            invitation_signature,
            joining: joining.clone(),
            signature,
        };
        assert!(matches!(world.refusal(joined), Refusal::Signature(_)));
    }
    let invitation_signature = invitation.sign(&third);
    world.push(MemberJoined { invitation, invitation_signature, joining, signature });
}

#[test]
fn a_rotation_while_a_ballot_is_open_gives_nobody_a_second_vote() {
    let mut world = World::after_one_round();
    let (all, new) = (members(), key(60));
    let old = &all[0];
    let proposal = world.propose(0, vec![Action::Text]);
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, Choice::For));
    let tally = |world: &World| world.state.proposal(proposal).unwrap().tally();
    let before = tally(&world);
    world.push(rotated(&world, 0, (old, &new)));
    assert_eq!(tally(&world), before, "what was cast stays");
    let again = ballot_by(&world, 0, proposal, &new);
    assert!(matches!(
        world.refusal(again),
        Refusal::Governance(GovernanceError::AlreadyVoted { .. })
    ));
    // Under the new key's name there is nobody.
    let mut other = ballot_by(&world, 0, proposal, &new).ballot;
    other.voter = new.verifying_key();
    let signature = other.sign(&new);
    let other = BallotCast { ballot: other, signature };
    assert!(matches!(world.refusal(other), Refusal::KeyOfAMember { .. }));
    assert_eq!(tally(&world), before);
    assert!(
        before.in_favour + before.against + before.abstain
            <= world.state.proposal(proposal).unwrap().electorate().unwrap().supply()
    );
}

#[test]
fn a_sealed_ballot_is_opened_after_the_key_that_signed_it_was_replaced() {
    let mut world = World::after_one_round();
    let (all, new) = (members(), key(60));
    let old = &all[0];
    let mut content = world.content(0, vec![Action::Text]);
    content.ballots = data_dao_governance::BallotSecrecy::Sealed;
    let (id, signature) = (content.id(), content.sign(old));
    world.push(ProposalMade { content, signature });
    world.now_ms += 11;
    let BallotCast { ballot, signature } = world.ballot(0, id, Choice::For);
    let opening = Opening { ballot, signature, blinding: digest(7) };
    let sealed = opening.sealed();
    let signature = sealed.sign(old);
    world.push(BallotSealed { ballot: sealed, signature });
    world.push(rotated(&world, 0, (old, &new)));
    // Not by another's hand, and no second one.
    let again = Opening { blinding: digest(8), ..opening.clone() };
    let sealed = again.sealed();
    let twice = BallotSealed { signature: sealed.sign(&new), ballot: sealed };
    assert!(world.try_push(twice).is_err());
    world.now_ms += 100;
    let forged = Opening { signature: opening.ballot.sign(&members()[1]), ..opening.clone() };
    assert!(matches!(world.refusal(BallotRevealed { opening: forged }), Refusal::Signature(_)));
    world.push(BallotRevealed { opening });
    assert!(world.state.proposal(id).unwrap().tally().in_favour > 0);
}

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

/// One step of two co-operatives, in one of which keys are replaced.
#[derive(Debug, Clone)]
enum Step {
    Rotate(usize),
    RotateByVote(usize),
    Delegate(usize, usize),
    Propose(usize),
    Vote(usize, bool),
    Round(usize, i64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..4).prop_map(Step::Rotate),
        1 => (1_usize..4).prop_map(Step::RotateByVote),
        1 => (0_usize..4, 0_usize..4).prop_map(|(a, b)| Step::Delegate(a, b)),
        1 => (0_usize..4).prop_map(Step::Propose),
        3 => (0_usize..4, any::<bool>()).prop_map(|(m, favour)| Step::Vote(m, favour)),
        1 => (0_usize..4, 1_i64..50).prop_map(|(m, value)| Step::Round(m, value)),
        1 => (1_u64..120).prop_map(Step::Wait),
    ]
}

/// A world, and who signs for each member in it.
struct Side {
    world: World,
    rotating: bool,
    fresh: u8,
    round: u64,
}

impl Side {
    fn new(rotating: bool) -> Self {
        Self { world: World::after_one_round(), rotating, fresh: 100, round: 1 }
    }

    /// Who signs for a member now.
    fn signer(&self, of: usize) -> SigningKey {
        let current = self.world.state.signing_key(&member(of)).unwrap();
        (0..=self.fresh).map(key).find(|key| key.verifying_key() == current).unwrap()
    }

    fn newest(&self) -> Option<ProposalId> {
        let proposals = self.world.state.proposals();
        let mut all: Vec<_> = proposals.iter().map(|(id, p)| (p.content().salt, *id)).collect();
        all.sort_unstable();
        all.last().map(|(_, id)| *id)
    }

    fn consent_all(&mut self) {
        for position in 0..4 {
            let given = consent(&self.world, position, &self.signer(position));
            self.world.push(given);
        }
    }

    /// Returns whether the step was taken; a rotation in the world without says what the other does.
    fn take(&mut self, step: &Step) -> bool {
        self.world.tick();
        match *step {
            Step::Rotate(of) => self.rotate(of),
            Step::RotateByVote(of) => self.rotate_by_vote(of),
            Step::Delegate(from, to) => self.delegate(from, to),
            Step::Propose(by) => {
                let content = self.world.content(by, vec![Action::Text]);
                let made = ProposalMade { signature: content.sign(&self.signer(by)), content };
                let taken = self.world.try_push(made).is_ok();
                self.world.now_ms += 11;
                taken
            }
            Step::Vote(by, favour) => {
                let Some(id) = self.newest() else { return false };
                let choice = if favour { Choice::For } else { Choice::Against };
                let BallotCast { ballot, .. } = self.world.ballot(by, id, choice);
                let signature = ballot.sign(&self.signer(by));
                self.world.try_push(BallotCast { ballot, signature }).is_ok()
            }
            Step::Round(best, value) => self.settle_round(best, value),
            Step::Wait(ms) => {
                self.world.now_ms += ms;
                self.world.tick();
                true
            }
        }
    }

    fn rotate(&mut self, of: usize) -> bool {
        if self.rotating {
            let new = key(self.fresh);
            self.fresh += 1;
            let rotated = rotated(&self.world, of, (&self.signer(of), &new));
            self.world.push(rotated);
        }
        // What fell due came before the rotation: in both.
        self.world.tick();
        true
    }

    fn rotate_by_vote(&mut self, of: usize) -> bool {
        // The other world waits and votes as long.
        let new = key(self.fresh);
        let action = if self.rotating { by_vote(&self.world, of, &new) } else { Action::Text };
        let content = self.world.content(0, vec![action]);
        let id = content.id();
        let made = ProposalMade { signature: content.sign(&self.signer(0)), content };
        if self.world.try_push(made).is_err() {
            return false;
        }
        self.world.now_ms += 11;
        for voter in 0..4 {
            let ballot = ballot_by(&self.world, voter, id, &self.signer(voter));
            let _counted = self.world.try_push(ballot);
        }
        // Until it is over: two of them at once would both be about the key that is in force now.
        for _ in 0..12 {
            self.world.now_ms += 100;
            self.world.tick();
        }
        self.fresh += 1;
        true
    }

    fn delegate(&mut self, from: usize, to: usize) -> bool {
        let delegator = member(from);
        let delegation = Delegation {
            dao: self.world.state.dao_id().unwrap(),
            delegator,
            delegate: Some(member(to)),
            until_ms: self.world.now_ms + 500,
            nonce: self.world.now_ms,
            expires_ms: u64::MAX,
        };
        let signature = delegation.sign(&self.signer(from));
        self.world.now_ms += 1;
        self.world.try_push(VoteDelegated { delegation, signature }).is_ok()
    }

    fn settle_round(&mut self, best: usize, value: i64) -> bool {
        if self.round >= 4 {
            return false;
        }
        self.consent_all();
        self.round += 1;
        self.world.open_round(self.round);
        // In the middle of a round, too.
        let other = (best + 1) % 4;
        let taken = self.take(&Step::Rotate(best));
        let mut scalars = [(best, value, 10), (other, 5, 10)];
        scalars.sort_unstable();
        let settlement = self.world.settlement(self.round, &scalars);
        self.world.push(settlement);
        taken
    }

    /// What members have and decided, by name.
    fn holdings(&self) -> Vec<(u128, u128, u128, Option<VerifyingKey>)> {
        let (state, now_ms) = (&self.world.state, self.world.now_ms);
        let of = |at: usize| {
            let member = member(at);
            let votes = state.accounts().account(&AccountId::vote_member(member)).balance();
            let delegate = state.delegate_of(&member, now_ms).map(|(delegate, _)| delegate);
            (state.credits(&member), votes, state.vote_weight(&member, now_ms), delegate)
        };
        (0..4).map(of).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever members do, whose key is replaced how often and when: the same is taken and refused, everybody has the same, and
    /// every vote counts the same, as where nobody's key ever changed; and debits equal credits in every book.
    #[test]
    fn replaced_keys_change_nothing_but_who_signs(steps in prop::collection::vec(step(), 1..24)) {
        let (mut plain, mut rotating) = (Side::new(false), Side::new(true));
        for step in &steps {
            prop_assert_eq!(plain.take(step), rotating.take(step), "{:?}", step);
            prop_assert_eq!(plain.holdings(), rotating.holdings());
        }
        let tallies = |side: &Side| {
            let mut all: Vec<_> = side.world.state.proposals().iter().map(|(_, p)| {
                (p.content().salt, p.tally(), p.spent().map_or(0, std::collections::BTreeMap::len), p.electorate().map_or(0, |e| e.supply()))
            }).collect();
            all.sort_by_key(|(salt, ..): &(u64, _, usize, u128)| *salt);
            all
        };
        prop_assert_eq!(tallies(&plain), tallies(&rotating));
        for (_, tally, voters, supply) in tallies(&rotating) {
            prop_assert!(tally.in_favour + tally.against + tally.abstain <= supply);
            prop_assert!(voters <= 4, "one person, one place in a poll");
        }
        check_books(&rotating.world);
        for of in (0..4).map(member) {
            let keyring = rotating.world.state.keyring();
            prop_assert_eq!(keyring.holder(&keyring.current(&of)), Some(of));
        }
    }
}

/// Debits equal credits in every book.
fn check_books(world: &World) {
    let mut sums: std::collections::BTreeMap<Book, (u128, u128)> =
        std::collections::BTreeMap::new();
    for (id, account) in world.state.accounts().iter() {
        let sum = sums.entry(id.book()).or_default();
        sum.0 += account.debits_posted;
        sum.1 += account.credits_posted;
    }
    assert!(!sums.is_empty());
    for (book, (debits, credits)) in sums {
        assert_eq!(debits, credits, "{book:?}");
    }
}
