//! The VRF against the vectors of RFC 9381, and vectors that must fail.
#![expect(clippy::unwrap_used, reason = "a test's way to fail")]

use aggregator_strategy::{VrfError, VrfOutput, VrfProof, VrfPublicKey, VrfSecretKey};
use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;
use serde_json::Value;

struct Vector {
    seed: [u8; 32],
    key: [u8; 32],
    input: Vec<u8>,
    proof: [u8; 80],
    output: [u8; 64],
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn vectors() -> Vec<Vector> {
    let file = include_str!("../test_vectors/v1/ecvrf_edwards25519_sha512_tai.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().map(|vector| Vector {
        seed: bytes(&vector["seed"]).try_into().unwrap(),
        key: bytes(&vector["key"]).try_into().unwrap(),
        input: bytes(&vector["input"]),
        proof: bytes(&vector["proof"]).try_into().unwrap(),
        output: bytes(&vector["output"]).try_into().unwrap(),
    });
    vectors.collect()
}

#[test]
fn the_vectors_of_rfc_9381_are_met() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let key = VrfSecretKey::from_seed(&vector.seed);
        assert_eq!(key.public_key().as_bytes(), &vector.key);
        let (output, proof) = key.prove(&vector.input);
        assert_eq!(proof, VrfProof(vector.proof));
        assert_eq!(output, VrfOutput(vector.output));
        let verified = key.public_key().verify(&vector.input, &proof);
        assert_eq!(verified, Ok(VrfOutput(vector.output)));
    }
}

#[test]
fn every_changed_bit_of_a_proof_is_refused() {
    let vector = &vectors()[1];
    let key = VrfPublicKey::from_bytes(vector.key).unwrap();
    for bit in 0..VrfProof::LEN * 8 {
        let mut proof = vector.proof;
        proof[bit / 8] ^= 1 << (bit % 8);
        assert!(key.verify(&vector.input, &VrfProof(proof)).is_err(), "bit {bit}");
    }
}

#[test]
fn a_proof_holds_for_its_key_and_input_only() {
    let vectors = vectors();
    let (a, b) = (&vectors[0], &vectors[1]);
    let key = VrfPublicKey::from_bytes(a.key).unwrap();
    let other = VrfPublicKey::from_bytes(b.key).unwrap();
    assert_eq!(key.verify(b"x", &VrfProof(a.proof)), Err(VrfError::Mismatch));
    assert_eq!(other.verify(&a.input, &VrfProof(a.proof)), Err(VrfError::Mismatch));
}

/// s + q gives the same point: without the check one output would have a second proof.
#[test]
fn a_response_that_is_not_reduced_is_refused() {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let vector = &vectors()[0];
    let mut proof = vector.proof;
    let mut carry = 0_u16;
    for (byte, add) in proof[48..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let key = VrfPublicKey::from_bytes(vector.key).unwrap();
    assert_eq!(key.verify(&vector.input, &VrfProof(proof)), Err(VrfError::NotReduced));
}

#[test]
fn weak_and_uncanonical_keys_are_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(VrfPublicKey::from_bytes(neutral), Err(VrfError::SmallOrder));
    // y = p + 1: the neutral element a second time.
    let mut second = [0xff; 32];
    (second[0], second[31]) = (0xee, 0x7f);
    let refused = VrfError::NotAPoint { what: "the key" };
    assert_eq!(VrfPublicKey::from_bytes(second), Err(refused.clone()));
    // x = 0 with the sign of a minus.
    let mut minus_zero = neutral;
    minus_zero[31] = 0x80;
    assert_eq!(VrfPublicKey::from_bytes(minus_zero), Err(refused));
}

#[test]
fn printing_shows_no_secret() {
    let key = VrfSecretKey::from_seed(&[7; 32]);
    assert_eq!(format!("{key:?}"), format!("VrfSecretKey(of {:?})", key.public_key()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn proofs_verify_and_outputs_differ(seed: [u8; 32], input: Vec<u8>) {
        let key = VrfSecretKey::from_seed(&seed);
        let (output, proof) = key.prove(&input);
        prop_assert_eq!(key.public_key().verify(&input, &proof), Ok(output));
        let mut other = input.clone();
        other.push(0);
        prop_assert_ne!(key.prove(&other).0, output);
        let public = VrfPublicKey::from_bytes(*key.public_key().as_bytes()).unwrap();
        prop_assert_eq!(VrfPublicKey::from_bytes(public.to_bytes().try_into().unwrap()), Ok(public));
        prop_assert_eq!(VrfProof::from_bytes(&proof.to_bytes()).unwrap(), proof);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic_and_do_not_verify(key: [u8; 32], proof in prop::collection::vec(any::<u8>(), 80)) {
        if let Ok(key) = VrfPublicKey::from_bytes(key) {
            let proof = VrfProof(proof.try_into().unwrap());
            prop_assert!(key.verify(b"input", &proof).is_err());
        }
    }
}
