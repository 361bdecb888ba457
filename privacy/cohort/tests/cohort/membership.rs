//! Who gets in, who gets out, and what each can read.

use std::collections::BTreeSet;

use crate::federation::{Federation, NOT_AFTER_S, NOW_S, deliver, key, list, public};
use privacy_cohort::{
    BroadcastError, Candidate, Cohort, CohortError, CohortIdentity, ModelContext,
};
use privacy_identity::{Digest, Tag};

fn context(round: u64) -> ModelContext {
    ModelContext { round, model: Digest::of(Tag::Model, b"weights") }
}

#[test]
fn members_share_roster_epoch_authenticator_and_keys() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(4);
    federation.grow(&mut cohort, 4);
    let roster: BTreeSet<_> = (0..5).map(public).collect();
    for member in &cohort {
        assert_eq!(member.roster(), roster);
        assert_eq!(member.epoch(), 2);
        assert_eq!(member.authenticator(), cohort[0].authenticator());
        assert_eq!(member.tag_key(3).unwrap().expose(), cohort[0].tag_key(3).unwrap().expose());
        assert_eq!(
            member.broadcast_key().unwrap().expose(),
            cohort[0].broadcast_key().unwrap().expose()
        );
    }
}

#[test]
fn a_removed_member_reads_no_later_model_and_derives_no_later_tag_key() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(4);
    let gone = cohort.pop().unwrap();
    let still = list(0..3);
    let outgoing =
        cohort[1].remove(&BTreeSet::from([public(3)]), &still, &mut federation.rng).unwrap();
    let (key_before, tags_before) = (gone.broadcast_key().unwrap(), gone.tag_key(9).unwrap());
    deliver(&mut cohort, &outgoing.commit, &still);

    let after = cohort[0].broadcast_key().unwrap();
    let sealed = after.seal(b"next model", &context(9), &mut federation.rng).unwrap();
    assert_eq!(
        cohort[2].broadcast_key().unwrap().open(&sealed, &context(9)).unwrap(),
        b"next model"
    );
    let refused = key_before.open(&sealed, &context(9));
    assert_eq!(refused, Err(BroadcastError::OtherEpoch { expected: 1, got: 2 }));
    // Even if it claims to be in the new epoch.
    let forged =
        privacy_cohort::BroadcastKey::from_parts(federation.digest, 2, key_before.expose());
    assert_eq!(forged.open(&sealed, &context(9)), Err(BroadcastError::DoesNotOpen));
    assert_ne!(tags_before.expose(), cohort[0].tag_key(9).unwrap().expose());

    // The commit that removes it gives it no new keys either.
    let mut gone = gone;
    let change = gone.process(&outgoing.commit, &still).unwrap();
    assert!(change.removed.contains(&gone.member()));
    assert_eq!(gone.broadcast_key().unwrap_err(), CohortError::Removed { epoch: 2 });
    assert_eq!(gone.tag_key(9).err(), Some(CohortError::Removed { epoch: 2 }));
    assert!(gone.refresh(&mut federation.rng).is_err());
    assert_ne!(gone.authenticator(), cohort[0].authenticator());
}

#[test]
fn a_joiner_reads_no_earlier_model_and_derives_no_earlier_tag_key() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let earlier = cohort[0].broadcast_key().unwrap();
    let sealed = earlier.seal(b"earlier model", &context(1), &mut federation.rng).unwrap();
    let tags = cohort[0].tag_key(1).unwrap();
    federation.grow(&mut cohort, 3);
    let joiner = cohort[3].broadcast_key().unwrap();
    assert!(joiner.open(&sealed, &context(1)).is_err());
    let forged = privacy_cohort::BroadcastKey::from_parts(federation.digest, 1, joiner.expose());
    assert_eq!(forged.open(&sealed, &context(1)), Err(BroadcastError::DoesNotOpen));
    assert_ne!(cohort[3].tag_key(1).unwrap().expose(), tags.expose());
}

#[test]
fn after_a_refresh_the_state_no_longer_holds_the_earlier_epoch() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let earlier = cohort[1].broadcast_key().unwrap();
    let sealed = earlier.seal(b"model", &context(1), &mut federation.rng).unwrap();
    let tags = *cohort[1].tag_key(1).unwrap().expose();
    let outgoing = cohort[1].refresh(&mut federation.rng).unwrap();
    deliver(&mut cohort, &outgoing.commit, &federation.listed);
    for member in &cohort {
        assert!(member.broadcast_key().unwrap().open(&sealed, &context(1)).is_err());
        assert_ne!(*member.tag_key(1).unwrap().expose(), tags);
    }
}

#[test]
fn a_stolen_copy_falls_out_when_its_owner_refreshes() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let state_key = privacy_cohort::StateKey::from_bytes(&[5; 32]);
    let stolen = cohort[1].to_encrypted_bytes(&state_key, &mut federation.rng).unwrap();
    let identity = CohortIdentity::new(&key(1));
    let mut thief =
        Cohort::from_encrypted_bytes(&stolen, identity, federation.digest, &state_key).unwrap();
    let outgoing = cohort[1].refresh(&mut federation.rng).unwrap();
    deliver(&mut cohort, &outgoing.commit, &federation.listed);
    assert!(thief.process(&outgoing.commit, &federation.listed).is_err());
    assert_ne!(thief.authenticator(), cohort[1].authenticator());
}

#[test]
fn of_two_commits_the_first_wins_and_the_loser_goes_on() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let candidate = federation.candidate(3);
    let lost = federation.admit(&mut cohort[1], &[candidate.key_package().clone()]);
    let won = cohort[2].refresh(&mut federation.rng).unwrap();
    let (epoch, pending) = (cohort[1].epoch(), cohort[1].refresh(&mut federation.rng));
    assert_eq!(pending, Err(CohortError::CommitPending { epoch }));
    deliver(&mut cohort, &won.commit, &federation.listed);
    assert!(cohort[1].pending().is_none());
    assert_eq!(
        cohort[0].process(&lost.commit, &federation.listed),
        Err(CohortError::OtherEpoch { expected: 2, got: 1 })
    );
    let again = federation.admit(&mut cohort[1], &[candidate.key_package().clone()]);
    deliver(&mut cohort, &again.commit, &federation.listed);
    let joiner = federation.join(candidate, &again);
    assert_eq!(joiner.authenticator(), cohort[0].authenticator());
}

#[test]
fn a_dropped_commit_changes_nothing() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let before = cohort[1].authenticator();
    let dropped = cohort[1].refresh(&mut federation.rng).unwrap();
    cohort[1].drop_pending().unwrap();
    assert_eq!((cohort[1].epoch(), cohort[1].authenticator()), (1, before));
    // Its own commit, which it no longer knows, is not taken back in from outside.
    assert!(matches!(
        cohort[1].process(&dropped.commit, &federation.listed),
        Err(CohortError::NotAuthentic { .. })
    ));
    let next = cohort[0].refresh(&mut federation.rng).unwrap();
    deliver(&mut cohort, &next.commit, &federation.listed);
}

#[test]
fn who_is_not_listed_neither_founds_nor_joins_nor_is_admitted() {
    let mut federation = Federation::new();
    let identity = CohortIdentity::new(&key(77));
    let stranger = CohortError::NotListed { member: public(77) };
    let founded =
        Cohort::found(identity, federation.digest, &federation.listed, &mut federation.rng);
    assert_eq!(founded.err(), Some(stranger.clone()));
    let mut founder = federation.founder();
    let candidate = federation.candidate(77);
    let packages = [federation.candidate(1).key_package().clone(), candidate.key_package().clone()];
    let admitted = founder.admit(&packages, &federation.listed, NOW_S, &mut federation.rng);
    assert_eq!(admitted, Err(stranger));
    assert!(founder.pending().is_none());
}

#[test]
fn a_commit_with_one_unlisted_member_is_refused_whole_and_taken_once_the_list_is_known() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let candidates = [federation.candidate(3), federation.candidate(4)];
    let packages = candidates.each_ref().map(|candidate| candidate.key_package().clone());
    let outgoing = federation.admit(&mut cohort[0], &packages);
    let older = list(0..4);
    let before = cohort[1].authenticator();
    let refused = cohort[1].process(&outgoing.commit, &older);
    assert_eq!(refused, Err(CohortError::NotListed { member: public(4) }));
    assert_eq!((cohort[1].authenticator(), cohort[1].roster().len()), (before, 3));
    deliver(&mut cohort, &outgoing.commit, &federation.listed);
    // Nor does a joiner sit down beside somebody whom its list does not name.
    let [first, _] = candidates;
    let refused = Cohort::join(first, outgoing.welcome.as_ref().unwrap(), &older).unwrap_err();
    assert_eq!(refused.error, CohortError::NotListed { member: public(4) });
    let joined = federation.join(refused.candidate, &outgoing);
    assert_eq!(joined.authenticator(), cohort[1].authenticator());
}

#[test]
fn nobody_is_admitted_twice() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let again = [federation.candidate(2).key_package().clone()];
    let twice = [3, 3].map(|index| federation.candidate(index).key_package().clone());
    for (packages, member) in [(&again[..], public(2)), (&twice[..], public(3))] {
        let refused = cohort[0].admit(packages, &federation.listed, NOW_S, &mut federation.rng);
        assert_eq!(refused, Err(CohortError::AlreadyMember { member }));
    }
}

#[test]
fn whom_the_dao_lists_nobody_removes() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let remove = |cohort: &mut Cohort, index, federation: &mut Federation| {
        let members = BTreeSet::from([public(index)]);
        cohort.remove(&members, &federation.listed, &mut federation.rng)
    };
    let listed = remove(&mut cohort[0], 2, &mut federation);
    assert_eq!(listed, Err(CohortError::StillListed { member: public(2) }));
    let absent = remove(&mut cohort[0], 5, &mut federation);
    assert_eq!(absent, Err(CohortError::NotAMember { member: public(5) }));
    // A member with an older list makes the commit; the others do not take it.
    let outgoing =
        cohort[0].remove(&BTreeSet::from([public(2)]), &list(0..2), &mut federation.rng).unwrap();
    let refused = cohort[1].process(&outgoing.commit, &federation.listed);
    assert_eq!(refused, Err(CohortError::StillListed { member: public(2) }));
}

#[test]
fn key_packages_that_are_expired_or_for_another_federation_are_refused() {
    let mut federation = Federation::new();
    let mut founder = federation.founder();
    let member = public(1);
    let package = [federation.candidate(1).key_package().clone()];
    let now_s = NOT_AFTER_S + 1;
    let refused = founder.admit(&package, &federation.listed, now_s, &mut federation.rng);
    let expired = CohortError::Expired { member, not_after_s: NOT_AFTER_S, now_s };
    assert_eq!(refused, Err(expired));
    let elsewhere = Digest::of(Tag::Terms, b"another federation");
    let identity = CohortIdentity::new(&key(1));
    let other = Candidate::new(identity, elsewhere, NOT_AFTER_S, &mut federation.rng).unwrap();
    let packages = [other.key_package().clone()];
    let refused = founder.admit(&packages, &federation.listed, NOW_S, &mut federation.rng);
    assert!(matches!(refused, Err(CohortError::OtherFederation { .. })));
}
