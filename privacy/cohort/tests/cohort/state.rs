//! State at rest: it survives a restart at any moment, and nothing else opens.

use privacy_cohort::{Candidate, Cohort, CohortError, CohortIdentity, StateKey};
use privacy_identity::{Digest, Tag};
use proptest::prelude::*;

use crate::federation::{Federation, deliver, key};

/// Stores and loads `cohort`, as a restart does.
fn restart(cohort: &Cohort, index: u8, federation: &mut Federation) -> Cohort {
    let state_key = StateKey::derived_from(&key(index));
    let bytes = cohort.to_encrypted_bytes(&state_key, &mut federation.rng).unwrap();
    let identity = CohortIdentity::new(&key(index));
    Cohort::from_encrypted_bytes(&bytes, identity, federation.digest, &state_key).unwrap()
}

#[test]
fn a_cohort_survives_a_restart() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    for index in 0..3 {
        let before = cohort[usize::from(index)].authenticator();
        cohort[usize::from(index)] = restart(&cohort[usize::from(index)], index, &mut federation);
        assert_eq!(cohort[usize::from(index)].authenticator(), before);
    }
    let outgoing = cohort[2].refresh(&mut federation.rng).unwrap();
    deliver(&mut cohort, &outgoing.commit, &federation.listed);
    assert_eq!(cohort[0].tag_key(1).unwrap().expose(), cohort[2].tag_key(1).unwrap().expose());
}

#[test]
fn a_pending_commit_survives_a_restart_and_is_taken_or_voided_after_it() {
    let mut federation = Federation::new();
    for own_commit_wins in [true, false] {
        let mut cohort = federation.cohort(3);
        let candidate = federation.candidate(3);
        let own = federation.admit(&mut cohort[1], &[candidate.key_package().clone()]);
        let others = cohort[2].refresh(&mut federation.rng).unwrap();
        cohort[1] = restart(&cohort[1], 1, &mut federation);
        assert_eq!(cohort[1].pending(), Some(&own));
        let chosen = if own_commit_wins { &own } else { &others };
        deliver(&mut cohort, &chosen.commit, &federation.listed);
        assert!(cohort[1].pending().is_none());
        assert!(cohort.iter().all(|member| member.authenticator() == cohort[0].authenticator()));
        if own_commit_wins {
            let joined = federation.join(candidate, &own);
            assert_eq!(joined.authenticator(), cohort[1].authenticator());
        }
    }
}

#[test]
fn a_candidate_survives_a_restart_between_offer_and_welcome() {
    let mut federation = Federation::new();
    let mut founder = federation.founder();
    let candidate = federation.candidate(1);
    let state_key = StateKey::derived_from(&key(1));
    let bytes = candidate.to_encrypted_bytes(&state_key, &mut federation.rng).unwrap();
    let outgoing = federation.admit(&mut founder, &[candidate.key_package().clone()]);
    founder.process(&outgoing.commit, &federation.listed).unwrap();
    drop(candidate);
    let identity = CohortIdentity::new(&key(1));
    let candidate =
        Candidate::from_encrypted_bytes(&bytes, identity, federation.digest, &state_key).unwrap();
    let joined = federation.join(candidate, &outgoing);
    assert_eq!(joined.authenticator(), founder.authenticator());
    // The other kind of state does not pass for it.
    let identity = CohortIdentity::new(&key(1));
    let confused = Cohort::from_encrypted_bytes(&bytes, identity, federation.digest, &state_key);
    assert_eq!(confused.err(), Some(CohortError::StateDoesNotOpen));
}

#[test]
fn state_opens_under_its_key_for_its_member_and_federation_only() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(2);
    let state_key = StateKey::from_bytes(&[4; 32]);
    let bytes = cohort[1].to_encrypted_bytes(&state_key, &mut federation.rng).unwrap();
    let open = |index, federation, state_key: &StateKey| {
        let identity = CohortIdentity::new(&key(index));
        Cohort::from_encrypted_bytes(&bytes, identity, federation, state_key).err()
    };
    assert_eq!(open(1, federation.digest, &state_key), None);
    let refused = Some(CohortError::StateDoesNotOpen);
    assert_eq!(open(0, federation.digest, &state_key), refused);
    assert_eq!(open(1, Digest::of(Tag::Terms, b"other"), &state_key), refused);
    assert_eq!(open(1, federation.digest, &StateKey::from_bytes(&[5; 32])), refused);
}

#[test]
fn tampered_or_cut_state_does_not_open() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(2);
    let state_key = StateKey::from_bytes(&[4; 32]);
    let bytes = cohort[1].to_encrypted_bytes(&state_key, &mut federation.rng).unwrap();
    let refused = |bytes: &[u8]| {
        let identity = CohortIdentity::new(&key(1));
        Cohort::from_encrypted_bytes(bytes, identity, federation.digest, &state_key).err()
            == Some(CohortError::StateDoesNotOpen)
    };
    for position in (0..30).chain((30..bytes.len()).step_by(97)) {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        assert!(refused(&altered), "byte {position}");
        assert!(refused(&bytes[..position]), "cut at {position}");
    }
}

#[test]
fn state_at_rest_shows_neither_roster_nor_federation() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(2);
    let state_key = StateKey::from_bytes(&[4; 32]);
    let bytes = cohort[1].to_encrypted_bytes(&state_key, &mut federation.rng).unwrap();
    for needle in [federation.digest.0, *cohort[0].member().as_bytes()] {
        assert!(!bytes.windows(32).any(|window| window == needle));
    }
}

proptest! {
    #[test]
    fn opening_arbitrary_bytes_as_state_never_panics(bytes: Vec<u8>) {
        let federation = Digest::of(Tag::Terms, b"f");
        let identity = CohortIdentity::new(&key(1));
        let state_key = StateKey::from_bytes(&[4; 32]);
        prop_assert!(
            Cohort::from_encrypted_bytes(&bytes, identity, federation, &state_key).is_err()
        );
    }
}
