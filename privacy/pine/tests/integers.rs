//! Integer vectors from sharding to the sum, by way of the wire.

use privacy_pine::{
    DecodeError, Field32, Field64, Field128, IntegerPine, ParameterError, Parameters, Pine,
    PineField, ShardError, UnshardError, Xof, XofHmacSha256Aes128, XofTurboShake128,
};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use sha2::{Digest as _, Sha256};

fn parameters(dimension: usize, norm_bound: u64, aggregators: u8) -> Parameters {
    Parameters::integers(dimension, norm_bound, aggregators, b"round 1").expect("in range")
}

/// The least norm bound that a vector meets.
fn norm_of(values: &[i32]) -> u64 {
    let square: u64 = values.iter().map(|value| u64::from(value.unsigned_abs()).pow(2)).sum();
    square.isqrt() + u64::from(square.isqrt().pow(2) < square)
}

/// Shares, verifies and sums `vectors`, every message through its encoding.
fn sum<F: PineField, X: Xof>(pine: &Pine<F, X>, vectors: &[Vec<i32>], seed: u64) -> Vec<i64> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let key = vec![7; pine.verify_key_bytes()];
    let aggregators = pine.parameters().aggregators;
    let mut sums: Vec<_> = (0..aggregators).map(|_| pine.empty_aggregate()).collect();
    for values in vectors {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let report = pine.shard_integers(values, &nonce, &mut rng).expect("honest");
        let public = pine.public_share_from_bytes(&report.public.to_bytes()).expect("encoded");
        let (states, shares): (Vec<_>, Vec<_>) = (0..aggregators)
            .zip(&report.inputs)
            .map(|(aggregator, input)| {
                let bytes = input.to_bytes();
                let input = pine.input_share_from_bytes(aggregator, &bytes).expect("encoded");
                assert_eq!(input.to_bytes(), bytes);
                let (state, share) =
                    pine.prep_init(&key, aggregator, &nonce, &public, &input).expect("queried");
                (state, pine.prep_share_from_bytes(&share.to_bytes()).expect("encoded"))
            })
            .unzip();
        let message = pine.prep_shares_to_message(&shares).expect("an honest report is accepted");
        let message = pine.prep_message_from_bytes(&message.to_bytes()).expect("encoded");
        for (state, sum) in states.into_iter().zip(&mut sums) {
            let output = pine.prep_next(state, &message).expect("an honest report is accepted");
            sum.add(&output).expect("of one dimension");
        }
    }
    let shares: Vec<_> = sums
        .iter()
        .map(|sum| pine.aggregate_share_from_bytes(sum.count(), &sum.to_bytes()).expect("encoded"))
        .collect();
    pine.unshard_integers(&shares).expect("opened")
}

fn plain_sum(vectors: &[Vec<i32>]) -> Vec<i64> {
    (0..vectors[0].len()).map(|i| vectors.iter().map(|v| i64::from(v[i])).sum()).collect()
}

#[test]
fn sum_equals_the_plain_sum_of_integers_for_every_field_xof_and_number_of_aggregators() {
    fn check<F: PineField, X: Xof>(aggregators: u8) {
        let vectors: Vec<Vec<i32>> =
            (0..5).map(|n| (0..33).map(|i| (n * 31 + i * 7) % 21 - 10).collect()).collect();
        let norm_bound = vectors.iter().map(|values| norm_of(values)).max().expect("five");
        let pine = Pine::<F, X>::new(parameters(33, norm_bound, aggregators)).expect("valid");
        assert_eq!(sum(&pine, &vectors, 1), plain_sum(&vectors));
    }
    for aggregators in [2, 3, 5] {
        check::<Field64, XofHmacSha256Aes128>(aggregators);
        check::<Field64, XofTurboShake128>(aggregators);
        check::<Field128, XofTurboShake128>(aggregators);
        check::<Field32, XofHmacSha256Aes128>(aggregators);
    }
}

#[test]
fn bytes_of_every_message_are_pinned() {
    let pine = IntegerPine::new(parameters(100, 1_000, 2)).expect("valid");
    let values: Vec<i32> = (0..100).map(|i| i - 50).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let report = pine.shard_integers(&values, &[2; 16], &mut rng).expect("honest");
    let mut shares = Vec::new();
    let mut digest = Sha256::new();
    digest.update(report.public.to_bytes());
    for (aggregator, input) in (0..).zip(&report.inputs) {
        digest.update(input.to_bytes());
        let (_, share) =
            pine.prep_init(&[4; 32], aggregator, &[2; 16], &report.public, input).expect("queried");
        digest.update(share.to_bytes());
        shares.push(share);
    }
    digest.update(pine.prep_shares_to_message(&shares).expect("accepted").to_bytes());
    // A change of this digest is a change of the protocol: its version must change with it.
    let expected = "33799441c8dcd5b7915c91a20078ec90b4774290db05c66facbc126c022bc4a8";
    assert_eq!(hex::encode(digest.finalize()), expected);
}

#[test]
fn random_updates_exactly_at_their_norm_bound_are_accepted() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for case in 0..200 {
        let dimension = 1 + usize::try_from(rng.next_u32() % 400).expect("small");
        let bits = rng.next_u32() % 16;
        let mut values: Vec<i32> =
            (0..dimension).map(|_| (rng.next_u32() as i32) >> (31 - bits)).collect();
        // ‖x‖ = B exactly: one coordinate alone half of the time.
        if case % 2 == 0 {
            values.fill(0);
            values[dimension / 2] = -(1 << bits);
        }
        let norm_bound = norm_of(&values).max(1);
        let pine = IntegerPine::new(parameters(dimension, norm_bound, 2)).expect("valid");
        assert_eq!(sum(&pine, &[values.clone()], case), plain_sum(&[values]), "case {case}");
    }
}

#[test]
fn smallest_and_uneven_dimensions_are_summed() {
    for dimension in [1, 2, 3, 4, 5, 127, 128, 129, 255, 256, 257, 1_000, 4_097] {
        let vectors = vec![vec![3; dimension], vec![-4; dimension]];
        let norm_bound = norm_of(&vectors[1]);
        let pine = IntegerPine::new(parameters(dimension, norm_bound, 2)).expect("valid");
        assert_eq!(sum(&pine, &vectors, 3), vec![-1; dimension], "{dimension}");
    }
}

#[test]
fn largest_norm_bound_of_the_field_is_usable_and_the_next_is_refused() {
    let largest = 2_479_700_524;
    let pine = IntegerPine::new(parameters(2, largest, 2)).expect("valid");
    assert_eq!(sum(&pine, &[vec![i32::MIN, i32::MAX / 2]], 4), vec![-2_147_483_648, 1_073_741_823]);
    assert_eq!(
        Parameters::integers(2, largest + 1, 2, &[]),
        Err(ParameterError::NormBoundTooLarge {
            norm_bound: largest + 1,
            modulus: Field64::MODULUS
        })
    );
}

#[test]
fn honest_client_refuses_a_vector_that_the_aggregators_would_refuse() {
    let pine = IntegerPine::new(parameters(3, 5, 2)).expect("valid");
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut shard = |values: &[i32]| pine.shard_integers(values, &[0; 16], &mut rng).map(drop);
    assert_eq!(shard(&[3, 4, 0]), Ok(()));
    assert_eq!(shard(&[3, 4, 1]), Err(ShardError::NormExceeded { got: 26, bound: 25 }));
    assert_eq!(shard(&[3, 4]), Err(ShardError::Dimension { expected: 3, got: 2 }));
}

#[test]
fn floats_that_cannot_be_encoded_are_refused_and_others_rounded_to_even() {
    let draft = Parameters::draft(4, 64, 2, 2).with_balanced_chunks::<Field64>();
    let pine = Pine::<Field64, XofTurboShake128>::new(draft.expect("in range")).expect("valid");
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 2.0, 1e300] {
        let result = pine.shard(&[0.0, bad, 0.0, 0.0], &[0; 16], &mut rng).map(drop);
        assert_eq!(result, Err(ShardError::NotEncodable { index: 1 }), "{bad}");
    }
    let report = pine.shard(&[0.125, 0.375, -0.125, -1.5], &[0; 16], &mut rng).expect("honest");
    let key = [1; 16];
    let (states, shares): (Vec<_>, Vec<_>) = (0..2)
        .zip(&report.inputs)
        .map(|(j, input)| {
            pine.prep_init(&key, j, &[0; 16], &report.public, input).expect("queried")
        })
        .unzip();
    let message = pine.prep_shares_to_message(&shares).expect("accepted");
    let sums: Vec<_> = states
        .into_iter()
        .map(|state| pine.prep_next(state, &message).expect("accepted"))
        .map(|output| pine.aggregate([&output]).expect("summed"))
        .collect();
    assert_eq!(pine.unshard(&sums).expect("opened"), [0.0, 0.5, 0.0, -1.5]);
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let good = parameters(10, 100, 2);
    let refused = |change: fn(&mut Parameters)| {
        let mut parameters = good.clone();
        change(&mut parameters);
        match IntegerPine::new(parameters).map(drop) {
            Err(ParameterError::OutOfRange { name, .. }) => name,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|p| p.dimension = 0), "dimension");
    assert_eq!(refused(|p| p.dimension = usize::MAX), "dimension");
    assert_eq!(refused(|p| p.norm_bound = 0), "norm bound");
    assert_eq!(refused(|p| p.aggregators = 1), "aggregators");
    assert_eq!(refused(|p| p.proofs = 0), "proofs");
    assert_eq!(refused(|p| p.norm_proofs = 0), "norm proofs");
    assert_eq!(refused(|p| p.checks = 0), "checks");
    assert_eq!(refused(|p| p.successes = p.checks + 1), "successes");
    assert_eq!(refused(|p| p.chunk_length = 0), "chunk length");
    assert_eq!(refused(|p| p.norm_chunk_length = 0), "norm chunk length");
    assert_eq!(refused(|p| p.context = vec![0; 201]), "context bytes");
    assert_eq!(refused(|p| p.alpha = f64::NAN), "alpha");
    assert_eq!(refused(|p| p.fraction_bits = 128), "fraction bits");
    assert_eq!(
        refused(|p| {
            p.dimension = 1 << 20;
            p.norm_chunk_length = 1
        }),
        "gadget calls"
    );
    let draft = Parameters { alpha: 64.0, ..Parameters::draft(10, 1 << 15, 0, 2) };
    assert!(matches!(
        draft.with_balanced_chunks::<Field32>(),
        Err(ParameterError::WraparoundBoundTooLarge { .. })
    ));
}

#[test]
fn sums_that_do_not_belong_together_are_refused() {
    let pine = IntegerPine::new(parameters(2, 1 << 20, 2)).expect("valid");
    let share = |count, bytes: &[u8]| pine.aggregate_share_from_bytes(count, bytes).expect("read");
    let open = |first, second| pine.unshard_integers(&[first, second]);
    let zeros = [0; 16];
    assert_eq!(open(share(3, &zeros), share(3, &zeros)), Ok(vec![0, 0]));
    assert_eq!(
        open(share(3, &zeros), share(4, &zeros)),
        Err(UnshardError::Count { expected: 3, got: 4 })
    );
    assert_eq!(
        pine.unshard_integers(&[share(3, &zeros)]),
        Err(UnshardError::Shares { expected: 2, got: 1 })
    );
    let count = 1 << 43;
    assert_eq!(
        open(share(count, &zeros), share(count, &zeros)),
        Err(UnshardError::TooMany { count, norm_bound: 1 << 20 })
    );
    assert_eq!(
        open(share(3, &zeros), share(3, &[1; 16])),
        Err(UnshardError::OutOfBound { index: 0, count: 3 })
    );
}

#[test]
fn lengths_and_elements_that_are_not_canonical_are_refused() {
    let pine = IntegerPine::new(parameters(2, 5, 2)).expect("valid");
    let length = |expected, got| Some(DecodeError::Length { what: "input share", expected, got });
    let bytes = pine.input_share_bytes(0);
    assert_eq!(pine.input_share_from_bytes(0, &[]).err(), length(bytes, 0));
    assert_eq!(pine.input_share_from_bytes(0, &vec![0; bytes + 1]).err(), length(bytes, bytes + 1));
    assert_eq!(pine.input_share_from_bytes(1, &vec![0; bytes]).err(), length(128, bytes));
    assert_eq!(
        pine.input_share_from_bytes(2, &[0; 128]).err(),
        Some(DecodeError::Aggregator { count: 2, got: 2 })
    );
    assert_eq!(
        pine.input_share_from_bytes(0, &vec![0xff; bytes]).err(),
        Some(DecodeError::NotCanonical { what: "input share" })
    );
}

proptest! {
    #[test]
    fn decoding_and_verifying_arbitrary_bytes_never_panics(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        fill in any::<u8>(),
        right_length in any::<bool>(),
    ) {
        let pine = IntegerPine::new(parameters(3, 5, 2)).expect("valid");
        let mut sized = |len: usize| {
            if right_length {
                bytes.resize(len, fill & 0x7f);
            }
            bytes.clone()
        };
        let public = pine.public_share_from_bytes(&sized(pine.public_share_bytes()));
        let leader = pine.input_share_from_bytes(0, &sized(pine.input_share_bytes(0)));
        let helper = pine.input_share_from_bytes(1, &sized(pine.input_share_bytes(1)));
        let share = pine.prep_share_from_bytes(&sized(pine.prep_share_bytes()));
        drop(pine.prep_message_from_bytes(&sized(pine.prep_message_bytes())));
        drop(pine.aggregate_share_from_bytes(1, &sized(pine.aggregate_share_bytes())));
        if let (Ok(public), Ok(leader), Ok(helper)) = (public, leader, helper) {
            let (_, first) = pine.prep_init(&[1; 32], 0, &[0; 16], &public, &leader).expect("queried");
            let (_, second) = pine.prep_init(&[1; 32], 1, &[0; 16], &public, &helper).expect("queried");
            prop_assert!(pine.prep_shares_to_message(&[first, second]).is_err());
        }
        if let Ok(share) = share {
            drop(pine.prep_shares_to_message(&[share.clone(), share]));
        }
    }

    #[test]
    fn sums_of_arbitrary_vectors_equal_plain_sums(
        vectors in (1..60_usize).prop_flat_map(|dimension| {
            proptest::collection::vec(proptest::collection::vec(-40_000..40_000_i32, dimension), 1..4)
        }),
        aggregators in 2..4_u8,
        seed in any::<u64>(),
    ) {
        let norm_bound = vectors.iter().map(|values| norm_of(values)).max().expect("one").max(1);
        let pine = IntegerPine::new(parameters(vectors[0].len(), norm_bound, aggregators)).expect("valid");
        prop_assert_eq!(sum(&pine, &vectors, seed), plain_sum(&vectors));
    }
}
