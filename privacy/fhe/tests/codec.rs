//! Wire forms: pinned lengths, round trips, refusals.
#![expect(dead_code, reason = "other test files use the rest of the helpers")]

mod support;

use privacy_fhe::{Ciphertext, FormReply, KeyShare, KeyShareSum, Opening};
use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;
use support::{Round, parameters};

#[test]
fn a_ciphertext_is_its_shape_and_its_packed_body() {
    let round = Round::new(parameters(1000, 32_767, 1000), 2, 3, 2);
    let ciphertext = &round.contributions[0].ciphertext;
    let bytes = ciphertext.to_bytes();
    // 500 coefficients: 8 blocks of 64, here with 22 % of padding; 5 bytes of shape.
    let bits = usize::from(round.parameters.coefficient_bits());
    assert_eq!(bytes.len(), 5 + 8 * 8 * bits);
    assert_eq!(bytes[..5], [0, 0, 1, 0xF4, round.parameters.coefficient_bits()]);
    assert!(Ciphertext::from_bytes(&bytes).unwrap() == *ciphertext);
    let packed = Ciphertext::from_packed(&round.parameters, ciphertext.packed().to_vec());
    assert!(packed.unwrap() == *ciphertext);
}

#[test]
fn ciphertexts_that_are_truncated_padded_or_of_impossible_shape_are_refused() {
    let round = Round::new(parameters(1000, 32_767, 1000), 2, 3, 1);
    let bytes = round.contributions[0].ciphertext.to_bytes();
    let refused = |bytes: &[u8]| Ciphertext::from_bytes(bytes).is_err();
    assert!(refused(&bytes[..bytes.len() - 1]));
    assert!(refused(&[&bytes[..], &[0]].concat()));
    let with = |index: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[index] = value;
        changed
    };
    // No bits, too many bits, more coefficients than any update has, and a bit in the padding.
    assert!(refused(&with(4, 0)) && refused(&with(4, 65)) && refused(&with(0, 0xFF)));
    assert!(refused(&with(bytes.len() - 1, 0xFF)));
}

proptest! {
    #[test]
    fn decoding_arbitrary_bytes_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let _unused = Ciphertext::from_bytes(&bytes);
        let _unused = KeyShare::from_bytes(&bytes);
        let _unused = KeyShareSum::from_bytes(&bytes);
        let _unused = FormReply::from_bytes(&bytes);
        let _unused = Opening::from_bytes(&bytes);
    }

    #[test]
    fn a_ciphertext_with_any_byte_changed_is_refused_or_another_one(
        index in 0_usize..3909, change in 1_u8..,
    ) {
        let round = Round::new(parameters(1000, 32_767, 1000), 2, 3, 1);
        let ciphertext = &round.contributions[0].ciphertext;
        let mut bytes = ciphertext.to_bytes();
        let index = index % bytes.len();
        bytes[index] ^= change;
        prop_assert!(Ciphertext::from_bytes(&bytes).ok().is_none_or(|other| other != *ciphertext));
    }
}
