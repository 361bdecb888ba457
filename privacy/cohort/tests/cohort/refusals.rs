//! Messages that are forged, replayed, cut, altered or misdirected, from outside the cohort. What a
//! malicious *member* can forge is in `src/commit/tests.rs`.

use privacy_cohort::{
    Candidate, Cohort, CohortError, CohortIdentity, KeyPackage, MESSAGE_BYTES_MAX, StateKey,
};
use privacy_identity::{Digest, Tag};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use crate::federation::{Federation, NOT_AFTER_S, NOW_S, deliver, key};

/// All of a cohort's state, in bytes that are equal if the state is.
fn state(cohort: &Cohort) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    cohort.to_encrypted_bytes(&StateKey::from_bytes(&[1; 32]), &mut rng).unwrap()
}

/// `cohort` refuses `commit` and is afterwards as before.
fn refused(cohort: &mut Cohort, commit: &[u8], federation: &Federation) -> CohortError {
    let before = (state(cohort), cohort.authenticator());
    let error = cohort.process(commit, &federation.listed).unwrap_err();
    assert!((state(cohort), cohort.authenticator()) == before, "state changed by: {error}");
    error
}

#[test]
fn a_replayed_commit_is_refused_as_of_another_epoch() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let outgoing = cohort[0].refresh(&mut federation.rng).unwrap();
    deliver(&mut cohort, &outgoing.commit, &federation.listed);
    let expected = CohortError::OtherEpoch { expected: 2, got: 1 };
    assert_eq!(refused(&mut cohort[1], &outgoing.commit, &federation), expected);
    assert_eq!(refused(&mut cohort[0], &outgoing.commit, &federation), expected);
}

#[test]
fn a_commit_that_comes_too_early_is_refused_and_taken_in_its_turn() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let first = cohort[0].refresh(&mut federation.rng).unwrap();
    cohort[0].process(&first.commit, &federation.listed).unwrap();
    let second = cohort[0].refresh(&mut federation.rng).unwrap();
    let expected = CohortError::OtherEpoch { expected: 1, got: 2 };
    assert_eq!(refused(&mut cohort[1], &second.commit, &federation), expected);
    deliver(&mut cohort[1..], &first.commit, &federation.listed);
    deliver(&mut cohort, &second.commit, &federation.listed);
}

#[test]
fn a_commit_of_another_group_is_refused() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(2);
    let mut other = Federation { digest: Digest::of(Tag::Terms, b"other"), ..Federation::new() };
    let mut elsewhere = other.cohort(2);
    let outgoing = elsewhere[0].refresh(&mut other.rng).unwrap();
    let error = refused(&mut cohort[1], &outgoing.commit, &federation);
    assert!(matches!(error, CohortError::OtherFederation { .. }), "{error}");
    // Same people, same federation, same epoch, other secrets.
    let mut twin = Federation { rng: ChaCha20Rng::seed_from_u64(8), ..Federation::new() };
    let outgoing = twin.cohort(2)[0].refresh(&mut twin.rng).unwrap();
    let error = refused(&mut cohort[1], &outgoing.commit, &federation);
    assert!(matches!(error, CohortError::NotAuthentic { .. }), "{error}");
}

#[test]
fn an_altered_or_cut_commit_is_refused_and_the_real_one_still_taken() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let outgoing = cohort[0].refresh(&mut federation.rng).unwrap();
    let commit = &outgoing.commit;
    for position in (0..60).chain((60..commit.len()).step_by(13)) {
        let mut altered = commit.clone();
        altered[position] ^= 1;
        refused(&mut cohort[1], &altered, &federation);
        refused(&mut cohort[1], &commit[..position], &federation);
    }
    let error = refused(&mut cohort[1], &[&commit[..], &[0]].concat(), &federation);
    assert!(matches!(error, CohortError::Malformed { .. }), "{error}");
    deliver(&mut cohort, commit, &federation.listed);
}

#[test]
fn an_oversized_message_is_refused_before_it_is_read() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(2);
    let error = refused(&mut cohort[1], &vec![0; MESSAGE_BYTES_MAX + 1], &federation);
    let expected = CohortError::TooLong { got: MESSAGE_BYTES_MAX + 1, bound: MESSAGE_BYTES_MAX };
    assert_eq!(error, expected);
}

#[test]
fn a_declared_length_without_content_is_refused_without_allocating() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(2);
    // mls10, private_message, group id of 2^30 − 1 bytes that are not there.
    let error = refused(&mut cohort[1], &[0, 1, 0, 2, 0xBF, 0xFF, 0xFF, 0xFF], &federation);
    assert!(matches!(error, CohortError::Malformed { .. }), "{error}");
}

#[test]
fn messages_of_another_kind_are_refused_by_name() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(2);
    let candidate = federation.candidate(2);
    let outgoing = federation.admit(&mut cohort[0], &[candidate.key_package().clone()]);
    let kinds = [
        (candidate.key_package().as_mls_bytes(), "a key package"),
        (outgoing.welcome.as_ref().unwrap(), "a welcome"),
    ];
    for (bytes, got) in kinds {
        let error = refused(&mut cohort[1], bytes, &federation);
        assert_eq!(error, CohortError::WrongKind { expected: "a private commit", got });
    }
    let error = Cohort::join(candidate, &outgoing.commit, &federation.listed).unwrap_err().error;
    assert_eq!(error, CohortError::WrongKind { expected: "a welcome", got: "a private message" });
}

#[test]
fn a_welcome_that_is_altered_or_for_somebody_else_leaves_the_candidate_as_it_was() {
    let mut federation = Federation::new();
    let mut founder = federation.founder();
    let (mut candidate, other) = (federation.candidate(1), federation.candidate(2));
    let packages = [candidate.key_package().clone()];
    let outgoing = federation.admit(&mut founder, &packages);
    founder.process(&outgoing.commit, &federation.listed).unwrap();
    let welcome = outgoing.welcome.clone().unwrap();
    for position in (0..60).chain((60..welcome.len()).step_by(29)) {
        let mut altered = welcome.clone();
        altered[position] ^= 1;
        let altered = Cohort::join(candidate, &altered, &federation.listed).unwrap_err();
        candidate = altered.candidate;
        let cut = Cohort::join(candidate, &welcome[..position], &federation.listed).unwrap_err();
        candidate = cut.candidate;
    }
    let stranger = Cohort::join(other, &welcome, &federation.listed).unwrap_err();
    assert!(matches!(stranger.error, CohortError::NotAuthentic { .. }), "{}", stranger.error);
    let joined = federation.join(candidate, &outgoing);
    assert_eq!(joined.authenticator(), founder.authenticator());
}

#[test]
fn a_welcome_to_another_federation_is_refused() {
    let mut federation = Federation::new();
    let candidate = federation.candidate(1);
    // A malicious member of another federation would have to ignore whom the offer is for; the
    // honest code refuses it first.
    let elsewhere = Digest::of(Tag::Terms, b"other");
    let identity = CohortIdentity::new(&key(0));
    let mut founder =
        Cohort::found(identity, elsewhere, &federation.listed, &mut federation.rng).unwrap();
    let packages = [candidate.key_package().clone()];
    let error = founder.admit(&packages, &federation.listed, NOW_S, &mut federation.rng);
    assert!(matches!(error, Err(CohortError::OtherFederation { .. })), "{error:?}");
}

#[test]
fn an_altered_key_package_is_refused() {
    let mut federation = Federation::new();
    let mut founder = federation.founder();
    let bytes = federation.candidate(1).key_package().as_mls_bytes().to_vec();
    for position in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        let package = [KeyPackage::from_mls_bytes(&altered).unwrap()];
        let admitted = founder.admit(&package, &federation.listed, NOW_S, &mut federation.rng);
        assert!(admitted.is_err(), "byte {position}");
    }
    assert!(founder.pending().is_none());
}

#[test]
fn the_same_randomness_makes_the_same_messages() {
    let messages = || {
        let mut federation = Federation::new();
        let mut cohort = federation.cohort(9);
        let outgoing = cohort[3].refresh(&mut federation.rng).unwrap();
        (outgoing.commit, state(&cohort[0]).len())
    };
    // A key package names the second in which it was made: two tries may lie on both sides of one, not ten.
    assert!((0..10).any(|_| messages() == messages()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic(kind in 0_u8..7, tail: Vec<u8>) {
        let federation = Federation::new();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let identity = CohortIdentity::new(&key(0));
        let mut founder =
            Cohort::found(identity, federation.digest, &federation.listed, &mut rng).unwrap();
        let identity = CohortIdentity::new(&key(1));
        let candidate =
            Candidate::new(identity, federation.digest, NOT_AFTER_S, &mut rng).unwrap();
        // Both with and without the header of each kind of MLS message.
        for bytes in [tail.clone(), [&[0, 1, 0, kind], &tail[..]].concat()] {
            prop_assert!(founder.process(&bytes, &federation.listed).is_err());
            let package = [KeyPackage::from_mls_bytes(&bytes).unwrap()];
            prop_assert!(founder.admit(&package, &federation.listed, NOW_S, &mut rng).is_err());
        }
        prop_assert!(Cohort::join(candidate, &tail, &federation.listed).is_err());
    }
}
