//! Members who replace their key themselves.

use data_dao_governance::{
    Action, Choice, ClaimedKey, GovernanceError, Invitation, Joining, KeyClaim, Opening,
    Request as _, Role, Rotation,
};
use data_dao_journal::{
    BallotCast, BallotRevealed, BallotSealed, Entry, MemberJoined, MemberKeyRotated, ProposalMade,
    Refusal,
};

use super::{
    ballot_by, claim, claimed, guardian, rotated, signed,
    world::{World, digest, key, member, members, name},
};

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
