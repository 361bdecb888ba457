use privacy_identity::Tag;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use zeroize::Zeroizing;

use super::*;
use crate::{
    AcceptedUpdate, Encryption, FheParameters, FheRequirements, KeyShare, MemberId, NttEngine,
    encrypt, field,
};

struct Case {
    parameters: FheParameters,
    custody: Custody,
    mask: RoundMask,
    sum: CiphertextSum,
    opening: Opening,
    exact: Vec<i64>,
    replies: Vec<KeyShareSum>,
}

/// A round of `count` contributors whose custodians (2 of 3) are played by hand.
fn case(dimension: u32, contributors_max: u32, count: u8) -> Case {
    let parameters = FheParameters::checked(FheRequirements {
        dimension,
        coordinate_max: 32_767,
        contributors_max,
        inner_product_bits: 0,
    })
    .unwrap();
    case_under(parameters, count)
}

fn case_under(parameters: FheParameters, count: u8) -> Case {
    let dimension = parameters.requirements().dimension;
    let mut rng = ChaCha20Rng::from_seed([count; 32]);
    let custody = Custody::new(2, 3).unwrap();
    let mask = RoundMask::from_transcript(Digest::of(Tag::RoundOrder, b"case"));
    let (mut sum, mut shares) = (CiphertextSum::new(parameters), Vec::new());
    let (mut exact, mut updates) = (vec![0; dimension as usize], Vec::new());
    for index in 0..count {
        let values: Vec<i32> = (0..dimension)
            .map(|_| {
                i32::from(
                    i16::from_le_bytes(rng.next_u64().to_le_bytes()[..2].try_into().unwrap()) / 2,
                )
            })
            .collect();
        exact.iter_mut().zip(&values).for_each(|(sum, value)| *sum += i64::from(*value));
        let Encryption { ciphertext, shares: dealt } =
            encrypt(&values, &parameters, &mask, custody, &NttEngine::new(), &mut rng).unwrap();
        sum.add(&ciphertext).unwrap();
        shares.push(dealt);
        updates.push(AcceptedUpdate { member: MemberId([index; 32]), update: Digest([1; 32]) });
    }
    let opening = Opening::new(mask.transcript(), updates).unwrap();
    let reply = |custodian: u8| {
        let mut elements = Box::new(Zeroizing::new([0; DEGREE]));
        for share in shares.iter().map(|dealt: &Vec<KeyShare>| &dealt[usize::from(custodian) - 1]) {
            for (sum, element) in elements.iter_mut().zip(share.elements().iter()) {
                *sum = field::add(*sum, *element);
            }
        }
        KeyShareSum { custodian, set: opening.set(), elements }
    };
    let replies = (1..=3).map(reply).collect();
    Case { parameters, custody, mask, sum, opening, exact, replies }
}

impl Case {
    fn opened(&self, replies: &[KeyShareSum]) -> Result<OpenedSum, OpenError> {
        open_sum(&self.sum, &self.mask, &self.opening, self.custody, replies, &NttEngine::new())
    }
}

#[test]
fn the_sum_of_one_contributor_is_its_update() {
    // No custodian opens it; the arithmetic is the same.
    let case = case(9000, 10, 1);
    assert_eq!(case.opened(&case.replies).unwrap().values, case.exact);
}

#[test]
fn a_lie_that_keeps_the_key_small_is_caught_by_the_noise_it_leaves() {
    // Custodian 2 knows that 1 and 2 reply, hence its own weight, and shifts one coefficient by one.
    let case = case(200, 1000, 5);
    let mut replies = case.replies.clone();
    let weight = field::lagrange_weights(&[1, 2], 0)[1];
    // The weight is −1: adding its inverse, −1, adds one to the coefficient of the key.
    assert_eq!(field::centred(weight), -1);
    replies[1].elements[17] = field::subtract(replies[1].elements[17], 1);
    let error = case.opened(&replies[..2]).unwrap_err();
    let expected = ShareError::Unacceptable { custodians: vec![1, 2], spare_replies: 0 };
    assert_eq!(error, expected.into());
    // A third, honest reply names the liar.
    let opened = case.opened(&replies).unwrap();
    assert_eq!((opened.values, opened.deviating), (case.exact, vec![2]));
}

#[test]
fn in_an_update_too_small_for_the_residual_test_liars_must_be_outvoted() {
    let case = case(4, 1000, 3);
    let mut replies = case.replies.clone();
    replies[1].elements[4000] = field::subtract(replies[1].elements[4000], 1);
    let error = case.opened(&replies).unwrap_err();
    let expected = ShareError::Contradiction { custodians: vec![1, 2, 3] };
    assert_eq!(error, expected.into());
    assert_eq!(case.opened(&case.replies).unwrap().values, case.exact);
}

#[test]
fn the_noise_has_the_variance_that_the_failure_bound_is_derived_from() {
    for (contributors_max, count) in [(1000, 10), (1000, 100), (100, 100)] {
        let case = case(16_384, contributors_max, count);
        let opened = case.opened(&case.replies).unwrap();
        assert_eq!(opened.values, case.exact);
        let expected = case.parameters.noise_variance(count.into());
        // 8192 residuals: relative standard error √(2/8192) = 0.0156; six of them.
        let ratio = opened.noise_mean_square / expected;
        assert!((ratio - 1.0).abs() < 0.094, "{ratio} with at most {contributors_max}");
    }
}

#[test]
fn parameters_beyond_the_bound_fail_at_the_rate_that_the_noise_predicts() {
    let checked = case(16_384, 1000, 1).parameters;
    // 8 instead of 3 dropped bits: √V = 742 at n = 100, Δ/2 = 2048 is 2.76 of it, and 2·Q(2.76) = 0.00578 of 8192
    // coefficients, 47, are wrong. Standard deviation 6.9; six of it.
    let case = case_under(checked.with_dropped_bits(8), 100);
    let opened = case.opened(&case.replies).unwrap();
    let pairs = opened.values.chunks(2).zip(case.exact.chunks(2));
    let wrong = pairs.filter(|(opened, exact)| opened != exact).count();
    assert!((6..89).contains(&wrong), "{wrong}");
}

#[test]
fn garbled_ciphertexts_are_seen_wherever_they_are() {
    let mut case = case(20_000, 1000, 3);
    // The sum is off in its last polynomial only: the key is found, the noise there is not small.
    let garbage = vec![0x5555_5555_u64; 10_000];
    let mut packed = garbage.clone();
    packed[..8192].fill(0);
    let garbled = crate::Ciphertext::pack(&case.parameters, &packed);
    let updates = [
        case.opening.updates(),
        &[AcceptedUpdate { member: MemberId([99; 32]), update: Digest([2; 32]) }],
    ]
    .concat();
    case.sum.add(&garbled).unwrap();
    case.opening = Opening::new(case.mask.transcript(), updates).unwrap();
    for reply in &mut case.replies {
        reply.set = case.opening.set();
    }
    let error = case.opened(&case.replies).unwrap_err();
    assert!(matches!(error, OpenError::Garbled { .. } | OpenError::OutOfRange { .. }), "{error:?}");
}

#[test]
fn values_that_honest_contributors_cannot_reach_are_refused() {
    let mut case = case(50, 1000, 2);
    let mut body = vec![0; 25];
    body[3] = 1 << (12 + 26 + 20 - 3);
    case.sum.add(&crate::Ciphertext::pack(&case.parameters, &body)).unwrap();
    let updates = [
        case.opening.updates(),
        &[AcceptedUpdate { member: MemberId([99; 32]), update: Digest([2; 32]) }],
    ]
    .concat();
    case.opening = Opening::new(case.mask.transcript(), updates).unwrap();
    for reply in &mut case.replies {
        reply.set = case.opening.set();
    }
    let error = case.opened(&case.replies).unwrap_err();
    assert!(matches!(error, OpenError::OutOfRange { index: 7, bound: 98_301, .. }), "{error:?}");
}

#[test]
fn the_chernoff_factor_solves_its_equation() {
    for coefficients in [1, 20, 64, 4096, 500_000] {
        let x = mean_square_factor(coefficients);
        let bits = (x - 1.0 - x.ln()) * f64::from(u32::try_from(coefficients).unwrap())
            / 2.0
            / std::f64::consts::LN_2;
        assert!((bits - 41.0).abs() < 0.01, "{coefficients}: {bits}");
    }
    assert!(mean_square_factor(64) < 3.3);
}
