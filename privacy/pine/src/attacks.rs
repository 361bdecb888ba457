//! Clients that cheat, against honest aggregators. What is refused, and why, is asserted by name.
//!
//! `Conduct::Cheating` tells the best lie there is: the field's own norm and results, truncated to
//! the bits that fit, with every success claimed. Shares are tampered with where the wire allows it.

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use crate::{
    Field64, IntegerPine, Parameters, Pine, PineField, PrepError, Report, Xof, XofTurboShake128,
    shard::Conduct,
    shares::{InputShareKind, NONCE_BYTES, OutputShare},
    wraparound::wraparound_results,
};

const NONCE: [u8; NONCE_BYTES] = [3; NONCE_BYTES];
const DIMENSION: usize = 300;
const NORM_BOUND: u64 = 1_000;

fn pine(aggregators: u8) -> IntegerPine {
    let parameters = Parameters::integers(DIMENSION, NORM_BOUND, aggregators, b"attacks");
    IntegerPine::new(parameters.expect("in range")).expect("valid")
}

fn coins(pine: &IntegerPine) -> Vec<u8> {
    use rand::Rng as _;
    let mut coins = vec![0; pine.coins_bytes()];
    ChaCha20Rng::seed_from_u64(11).fill_bytes(&mut coins);
    coins
}

/// An honest report of a vector at the bound.
fn honest(pine: &IntegerPine) -> Report<Field64> {
    let mut values = vec![0; DIMENSION];
    values[7] = -i64::try_from(NORM_BOUND).expect("small");
    pine.shard_encoded(&values, &NONCE, &coins(pine), Conduct::Honest).expect("honest")
}

fn verify<F: PineField, X: Xof>(
    pine: &Pine<F, X>,
    keys: &[Vec<u8>],
    nonces: &[[u8; NONCE_BYTES]],
    report: &Report<F>,
) -> Result<Vec<OutputShare<F>>, PrepError> {
    let mut states = Vec::new();
    let mut shares = Vec::new();
    for (index, input) in report.inputs.iter().enumerate() {
        let aggregator = u8::try_from(index).expect("few");
        let (key, nonce) = (&keys[index % keys.len()], &nonces[index % nonces.len()]);
        let (state, share) = pine.prep_init(key, aggregator, nonce, &report.public, input)?;
        states.push(state);
        shares.push(share);
    }
    let message = pine.prep_shares_to_message(&shares)?;
    states.into_iter().map(|state| pine.prep_next(state, &message)).collect()
}

fn outcome(pine: &IntegerPine, report: &Report<Field64>) -> Result<(), PrepError> {
    verify(pine, &[vec![9; 32]], &[NONCE], report).map(drop)
}

/// The circuit whose proofs catch a lie.
#[derive(Debug, PartialEq)]
enum Caught {
    NormEquality,
    Validity,
}

/// A cheating client's report of the vector is refused by the proofs of `expected`.
fn refused(values: &[i64], conduct: Conduct, expected: Caught) {
    for aggregators in [2, 3] {
        let pine = pine(aggregators);
        assert_eq!(outcome(&pine, &honest(&pine)), Ok(()), "the control");
        let report = pine.shard_encoded(values, &NONCE, &coins(&pine), conduct).expect("unchecked");
        let caught = match outcome(&pine, &report) {
            Err(PrepError::NormEquality { proof: 0 }) => Caught::NormEquality,
            Err(PrepError::Validity { proof: 0 }) => Caught::Validity,
            other => panic!("{other:?}"),
        };
        assert_eq!(caught, expected, "{conduct:?}");
    }
}

fn single(value: i64) -> Vec<i64> {
    let mut values = vec![0; DIMENSION];
    values[0] = value;
    values
}

#[test]
fn update_of_ten_times_the_norm_is_refused() {
    let values = single(10 * i64::try_from(NORM_BOUND).expect("small"));
    // The claimed bits cannot hold the norm; if they are no bits, they can but are found out.
    refused(&values, Conduct::Cheating, Caught::NormEquality);
    refused(&values, Conduct::CheatingWithFalseBits, Caught::Validity);
}

#[test]
fn update_one_unit_beyond_the_bound_is_refused() {
    let mut values = single(i64::try_from(NORM_BOUND).expect("small"));
    values[1] = 1;
    refused(&values, Conduct::Cheating, Caught::Validity);
    refused(&values, Conduct::CheatingWithFalseBits, Caught::Validity);
}

#[test]
fn all_maximum_coordinates_are_refused() {
    for extreme in [i32::MAX, i32::MIN] {
        let values = [i64::from(extreme); DIMENSION];
        refused(&values, Conduct::Cheating, Caught::NormEquality);
        refused(&values, Conduct::CheatingWithFalseBits, Caught::Validity);
    }
}

#[test]
fn squared_norm_that_wraps_around_the_field_to_a_small_one_is_refused() {
    let values = wrapping_vector();
    let square = |value: &i64| u128::from(value.unsigned_abs()).pow(2);
    let norm: u128 = values.iter().map(square).sum();
    assert!(norm > Field64::MODULUS, "it wraps");
    assert!(norm % Field64::MODULUS <= u128::from(NORM_BOUND).pow(2), "to within the bound");
    // Norm equality and range hold in the field: only the wraparound checks can tell.
    refused(&values, Conduct::Cheating, Caught::Validity);
    refused(&values, Conduct::CheatingWithFalseSuccess, Caught::Validity);
    refused(&values, Conduct::CheatingWithoutSuccess, Caught::Validity);
}

#[test]
fn square_root_of_minus_one_is_refused() {
    // (2^48)² = 2^96 ≡ −1 (mod q), so (2^48, 1, 0, …) has norm zero in the field, and as nearly all
    // of it is one coordinate, it passes a wraparound check with probability exactly 1/2.
    let root = Field64::from_signed(1 << 48);
    assert_eq!(root * root, Field64::from_signed(-1));
    let mut values = single(1 << 48);
    values[1] = 1;
    refused(&values, Conduct::Cheating, Caught::Validity);
    refused(&values, Conduct::CheatingWithFalseSuccess, Caught::Validity);
    refused(&values, Conduct::CheatingWithoutSuccess, Caught::Validity);
}

/// Σxᵢ² = q + 5, by taking the largest square that fits, again and again.
fn wrapping_vector() -> Vec<i64> {
    let mut values = vec![0_i64; DIMENSION];
    let mut rest = Field64::MODULUS + 5;
    for value in &mut values {
        let root = rest.isqrt();
        *value = i64::try_from(root).expect("below 2^33");
        rest -= root * root;
    }
    assert_eq!(rest, 0, "300 greedy squares suffice");
    values
}

/// How many of 4 000 wraparound checks a vector passes.
fn passed_checks(values: &[i64]) -> usize {
    let gradient: Vec<_> = values.iter().copied().map(Field64::from_signed).collect();
    let bound = pine(2).layout().wraparound_bound;
    wraparound_results(&gradient, 4_000, &mut ChaCha20Rng::seed_from_u64(5))
        .into_iter()
        .filter(|result| result.to_signed().unsigned_abs() <= bound)
        .count()
}

#[test]
fn vector_that_wraps_passes_at_most_half_of_the_wraparound_checks_and_an_honest_one_all() {
    let deviation = 32; // of Bin(4 000, 1/2); seven of them: false alarm < 2^−38
    let mut tight = single(1 << 48);
    tight[1] = 1;
    let passed = passed_checks(&tight);
    assert!(passed.abs_diff(2_000) <= 7 * deviation, "{passed} of one large coordinate");
    let spread = i64::try_from((Field64::MODULUS / 300).isqrt() + 1).expect("small");
    for values in [wrapping_vector(), vec![spread; DIMENSION]] {
        let passed = passed_checks(&values);
        assert!(passed <= 2_000 + 7 * deviation, "{passed}");
    }
    let bound = i64::try_from(NORM_BOUND).expect("small");
    for values in [single(bound), vec![bound / 18; DIMENSION]] {
        assert_eq!(passed_checks(&values), 4_000);
    }
}

#[test]
fn every_changed_element_of_the_leaders_share_is_refused() {
    let pine = pine(2);
    let (elements, proofs) = (pine.layout().measurement_len(), pine.proofs_len());
    for index in [0, DIMENSION - 1, DIMENSION, elements - 1] {
        let mut report = honest(&pine);
        let InputShareKind::Leader { measurement, .. } = &mut report.inputs[0].0 else {
            panic!("the leader's")
        };
        measurement.0[index] += Field64::from_signed(1);
        assert!(outcome(&pine, &report).is_err(), "element {index}");
    }
    for index in (0..proofs).step_by(7).chain([proofs - 1]) {
        let mut report = honest(&pine);
        let InputShareKind::Leader { proofs, .. } = &mut report.inputs[0].0 else {
            panic!("the leader's")
        };
        proofs.0[index] += Field64::from_signed(1);
        let result = outcome(&pine, &report);
        assert!(
            matches!(result, Err(PrepError::Validity { .. } | PrepError::NormEquality { .. })),
            "proof element {index}: {result:?}"
        );
    }
}

#[test]
fn input_share_of_another_report_is_refused() {
    let pine = pine(2);
    let mut report = honest(&pine);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut other = pine.shard_integers(&[1; DIMENSION], &NONCE, &mut rng).expect("honest");
    report.inputs[1] = other.inputs.remove(1);
    let result = outcome(&pine, &report);
    assert!(matches!(result, Err(PrepError::NormEquality { .. })), "{result:?}");
}

#[test]
fn swapped_input_shares_of_helpers_are_refused() {
    let pine = pine(3);
    let mut report = honest(&pine);
    report.inputs.swap(1, 2);
    let result = outcome(&pine, &report);
    assert!(matches!(result, Err(PrepError::NormEquality { .. })), "{result:?}");
    report.inputs.swap(0, 1);
    assert_eq!(outcome(&pine, &report), Err(PrepError::Aggregator { aggregator: 0 }));
}

#[test]
fn report_under_another_nonce_is_refused() {
    let pine = pine(2);
    let result = verify(&pine, &[vec![9; 32]], &[[4; NONCE_BYTES]], &honest(&pine)).map(drop);
    assert!(
        matches!(
            result,
            Err(PrepError::Validity { .. }
                | PrepError::WraparoundRandomness
                | PrepError::JointRandomness)
        ),
        "{result:?}"
    );
}

#[test]
fn replayed_joint_randomness_of_another_report_is_refused() {
    let pine = pine(2);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let other = pine.shard_integers(&[1; DIMENSION], &NONCE, &mut rng).expect("honest");
    let check = |change: fn(&mut Report<Field64>, &Report<Field64>)| {
        let mut report = honest(&pine);
        change(&mut report, &other);
        assert!(outcome(&pine, &report).is_err());
    };
    check(|report, other| report.public = other.public.clone());
    check(|report, other| report.public.wraparound_parts = other.public.wraparound_parts.clone());
    check(|report, other| {
        report.public.verification_parts = other.public.verification_parts.clone();
    });
}

#[test]
fn lie_about_a_part_that_no_proof_sees_is_refused_by_the_seed() {
    // One aggregator is shown a wrong claim of its own part: it is replaced, hence harmless.
    let pine = pine(2);
    let report = honest(&pine);
    let mut lie = report.public.clone();
    lie.wraparound_parts[1] = lie.wraparound_parts[0].clone();
    let key = [9; 32];
    let (state, share) =
        pine.prep_init(&key, 1, &NONCE, &lie, &report.inputs[1]).expect("its own is replaced");
    let (other, first) =
        pine.prep_init(&key, 0, &NONCE, &report.public, &report.inputs[0]).expect("honest");
    let message = pine.prep_shares_to_message(&[first.clone(), share.clone()]).expect("proved");
    assert!(pine.prep_next(state, &message).is_ok());
    assert!(pine.prep_next(other, &message).is_ok());

    // A message with seeds of another report is refused by name.
    let wrong = |change: fn(&mut crate::PrepMessage)| {
        let (state, _) =
            pine.prep_init(&key, 0, &NONCE, &report.public, &report.inputs[0]).expect("honest");
        let mut message =
            pine.prep_shares_to_message(&[first.clone(), share.clone()]).expect("proved");
        change(&mut message);
        pine.prep_next(state, &message).map(drop)
    };
    assert_eq!(
        wrong(|message| message.wraparound_seed = message.verification_seed.clone()),
        Err(PrepError::WraparoundRandomness)
    );
    assert_eq!(
        wrong(|message| message.verification_seed = message.wraparound_seed.clone()),
        Err(PrepError::JointRandomness)
    );
}

#[test]
fn verify_keys_that_differ_are_refused() {
    let pine = pine(2);
    let report = honest(&pine);
    let result = verify(&pine, &[vec![9; 32], vec![8; 32]], &[NONCE], &report).map(drop);
    assert!(matches!(result, Err(PrepError::NormEquality { .. })), "{result:?}");
    let result = verify(&pine, &[vec![9; 31]], &[NONCE], &report).map(drop);
    assert_eq!(result, Err(PrepError::VerifyKey { expected: 32, got: 31 }));
}

#[test]
fn report_for_another_context_is_refused() {
    let report = honest(&pine(2));
    let parameters = Parameters::integers(DIMENSION, NORM_BOUND, 2, b"another round");
    let other = IntegerPine::new(parameters.expect("in range")).expect("valid");
    assert!(outcome(&other, &report).is_err());
}

#[test]
fn messages_of_another_instance_are_refused_before_use() {
    let pine = pine(2);
    let report = honest(&pine);
    let parameters = Parameters::integers(DIMENSION + 1, NORM_BOUND, 3, b"attacks");
    let other = IntegerPine::new(parameters.expect("in range")).expect("valid");
    let result = outcome(&other, &report);
    assert!(matches!(result, Err(PrepError::Length { what: "measurement", .. })), "{result:?}");
    let result = pine.prep_shares_to_message(&[]).map(drop);
    assert_eq!(result, Err(PrepError::Length { what: "prep shares", expected: 2, got: 0 }));
}

#[test]
fn draft_profile_refuses_the_same_attacks() {
    let parameters = Parameters::draft(DIMENSION, NORM_BOUND, 0, 2)
        .with_balanced_chunks::<Field64>()
        .expect("in range");
    let pine = Pine::<Field64, XofTurboShake128>::new(parameters).expect("valid");
    let coins = vec![5; pine.coins_bytes()];
    let check = |values: &[i64], accepted: bool| {
        let report =
            pine.shard_encoded(values, &NONCE, &coins, Conduct::Cheating).expect("unchecked");
        let result = verify(&pine, &[vec![9; 16]], &[NONCE], &report);
        assert_eq!(result.is_ok(), accepted, "{result:?}");
    };
    check(&[1; DIMENSION], true);
    check(&[1_000; DIMENSION], false);
    check(&wrapping_vector(), false);
}
