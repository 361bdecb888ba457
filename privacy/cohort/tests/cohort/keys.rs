//! The broadcast key and the tag keys.

use crate::federation::Federation;
use privacy_cohort::{BroadcastError, BroadcastKey, ModelContext, SealedModel};
use privacy_identity::{Decode as _, Digest, Encode as _, Tag};
use proptest::prelude::*;

fn context() -> ModelContext {
    ModelContext { round: 4, model: Digest::of(Tag::Model, b"weights") }
}

#[test]
fn the_dao_node_seals_for_the_cohort_with_nothing_but_the_broadcast_key() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(3);
    let member = cohort[0].broadcast_key().unwrap();
    let node = BroadcastKey::from_parts(federation.digest, member.epoch(), member.expose());
    let sealed = node.seal(b"weights", &context(), &mut federation.rng).unwrap();
    let opened = cohort[2].broadcast_key().unwrap().open(&sealed, &context()).unwrap();
    assert_eq!(opened, b"weights");
    assert_eq!(sealed.to_bytes().len(), b"weights".len() + SealedModel::OVERHEAD_BYTES);
}

#[test]
fn broadcast_key_and_tag_keys_of_all_rounds_differ() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(2);
    let mut keys = vec![*cohort[0].broadcast_key().unwrap().expose()];
    keys.extend((0..20).map(|round| *cohort[0].tag_key(round).unwrap().expose()));
    keys.push(*cohort[0].authenticator().as_bytes());
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn a_model_opens_in_its_federation_epoch_round_and_for_its_digest_only() {
    let mut federation = Federation::new();
    let key = [3; 32];
    let node = BroadcastKey::from_parts(federation.digest, 2, &key);
    let sealed = node.seal(b"weights", &context(), &mut federation.rng).unwrap();
    let other_round = ModelContext { round: 5, ..context() };
    let other_model = ModelContext { model: Digest::of(Tag::Model, b"others"), ..context() };
    for context in [other_round, other_model] {
        assert_eq!(node.open(&sealed, &context), Err(BroadcastError::DoesNotOpen));
    }
    let elsewhere = BroadcastKey::from_parts(Digest::of(Tag::Terms, b"other"), 2, &key);
    assert_eq!(elsewhere.open(&sealed, &context()), Err(BroadcastError::DoesNotOpen));
    let later = BroadcastKey::from_parts(federation.digest, 3, &key);
    let refused = BroadcastError::OtherEpoch { expected: 3, got: 2 };
    assert_eq!(later.open(&sealed, &context()), Err(refused));
}

#[test]
fn an_altered_model_does_not_open() {
    let mut federation = Federation::new();
    let node = BroadcastKey::from_parts(federation.digest, 2, &[3; 32]);
    let bytes = node.seal(b"weights", &context(), &mut federation.rng).unwrap().to_bytes();
    for position in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[position] ^= 0x10;
        if let Ok(sealed) = SealedModel::from_bytes(&altered) {
            assert!(node.open(&sealed, &context()).is_err(), "byte {position}");
        }
    }
}

#[test]
fn printing_a_broadcast_key_does_not_show_it() {
    let key = BroadcastKey::from_parts(Digest::of(Tag::Terms, b"f"), 2, &[0xAB; 32]);
    assert!(!format!("{key:?}").contains("abab"));
}

proptest! {
    #[test]
    fn decoding_a_sealed_model_never_panics(bytes: Vec<u8>) {
        if let Ok(sealed) = SealedModel::from_bytes(&bytes) {
            prop_assert_eq!(sealed.to_bytes(), bytes);
        }
    }
}
