//! Rounds from encryption to the opened sum.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the helpers")]

mod support;

use privacy_fhe::{CiphertextError, CiphertextSum, EncryptError, NttEngine, encrypt, open_sum};
use support::{Round, parameters};

fn check(dimension: u32, contributors: usize, coordinate_max: u32) {
    let contributors_max = u32::try_from(contributors).unwrap().max(2);
    let round =
        Round::new(parameters(dimension, coordinate_max, contributors_max), 2, 3, contributors);
    let (mask, custody) = (&round.mask, round.custody);
    // One contributor alone is below every custodian's minimum: its key is opened by hand elsewhere.
    let opened = open_sum(
        &round.sum(),
        mask,
        &round.opening(),
        custody,
        &round.replies(),
        &NttEngine::new(),
    );
    let opened = opened.unwrap();
    assert_eq!(opened.values, round.plain_sum(), "d = {dimension}, n = {contributors}");
    assert!(opened.deviating.is_empty());
}

#[test]
fn sums_equal_integer_sums_bit_for_bit_for_any_dimension() {
    for dimension in [1, 2, 3, 4096, 8193] {
        check(dimension, 3, 32_767);
    }
    check(100_000, 2, 32_767);
    check(12_289, 4, 2047);
}

#[test]
fn sums_equal_integer_sums_bit_for_bit_for_any_number_of_contributors() {
    for contributors in [2, 10, 100] {
        check(40, contributors, 32_767);
        check(40, contributors, 127);
    }
    check(30, 1000, 32_767);
}

#[test]
fn extreme_coordinates_do_not_leave_their_lanes() {
    for coordinate_max in [1, 2047, 32_767, 1 << 24] {
        let parameters = parameters(10, coordinate_max, 50);
        let mut round = Round::new(parameters, 2, 3, 0);
        let extreme = i32::try_from(coordinate_max).unwrap();
        for index in 0..50 {
            let values = (0..10).map(|k| if k % 3 == 0 { -extreme } else { extreme }).collect();
            let (custody, mask) = (round.custody, round.mask);
            let member = support::member(index);
            let contribution =
                support::contribution(member, values, &parameters, custody, &mask, &mut round.rng);
            round.contributions.push(contribution);
        }
        round.contributions.sort_by_key(|contribution| contribution.member);
        let opened = open_sum(
            &round.sum(),
            &round.mask,
            &round.opening(),
            round.custody,
            &round.replies(),
            &NttEngine::new(),
        );
        assert_eq!(opened.unwrap().values, round.plain_sum());
    }
}

#[cfg(feature = "tfhe")]
#[test]
fn both_engines_encrypt_and_open_alike() {
    let tfhe = privacy_fhe::TfheEngine;
    let round = Round::new(parameters(10_000, 32_767, 1000), 2, 3, 2);
    let values = &round.contributions[0].values;
    let body = |bytes: privacy_fhe::Encryption| bytes.ciphertext.packed().to_vec();
    let (parameters, mask, custody) = (&round.parameters, &round.mask, round.custody);
    let ours =
        encrypt(values, parameters, mask, custody, &NttEngine::new(), &mut round.rng.clone());
    let theirs = encrypt(values, parameters, mask, custody, &tfhe, &mut round.rng.clone());
    assert!(body(ours.unwrap()) == body(theirs.unwrap()));
    let opened = open_sum(&round.sum(), mask, &round.opening(), custody, &round.replies(), &tfhe);
    assert_eq!(opened.unwrap().values, round.plain_sum());
}

#[test]
fn more_contributors_than_the_lanes_hold_are_refused() {
    let round = Round::new(parameters(10, 100, 3), 2, 3, 3);
    let mut sum = round.sum();
    let before = sum.clone();
    let refused = sum.add(&round.contributions[0].ciphertext);
    assert_eq!(refused, Err(CiphertextError::TooManyContributors { contributors_max: 3 }));
    assert!(sum == before);
}

#[test]
fn ciphertexts_of_other_parameters_are_refused() {
    let round = Round::new(parameters(10, 100, 3), 2, 3, 1);
    for other in [parameters(600, 100, 3), parameters(10, 1 << 24, 1000)] {
        let mut sum = CiphertextSum::new(other);
        let refused = sum.add(&round.contributions[0].ciphertext);
        assert!(matches!(refused, Err(CiphertextError::Shape { .. })), "{refused:?}");
        assert_eq!(sum.contributors(), 0);
    }
}

#[test]
fn updates_of_other_length_or_range_are_not_encrypted() {
    let mut round = Round::new(parameters(3, 100, 3), 2, 3, 0);
    let mut refused = |values: &[i32]| {
        let (parameters, custody) = (&round.parameters, round.custody);
        let encryption =
            encrypt(values, parameters, &round.mask, custody, &NttEngine::new(), &mut round.rng);
        encryption.err().unwrap()
    };
    assert_eq!(refused(&[1, 2]), EncryptError::Dimension { expected: 3, got: 2 });
    assert_eq!(refused(&[1, 2, 3, 4]), EncryptError::Dimension { expected: 3, got: 4 });
    for wrong in [101, -101, i32::MIN, i32::MAX] {
        assert_eq!(refused(&[1, wrong, 3]), EncryptError::Coordinate { coordinate_max: 100 });
    }
}
