//! Inner products read from ciphertexts, against the exact ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the helpers")]

mod support;

use privacy_fhe::{
    CustodianError, FheParameters, FheRequirements, FormReply, LinearProbe, NttEngine, OpenedForms,
    ProbeError, ProbeOrder, ShareError,
};
use privacy_identity::{Decode as _, Encode as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use support::{Round, open, probe};

fn norm(values: &[i32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

fn exact(left: &[i32], right: &[i32]) -> i64 {
    left.iter().zip(right).map(|(l, r)| i64::from(*l) * i64::from(*r)).sum()
}

fn parameters(dimension: u32, coordinate_max: u32, inner_product_bits: u8) -> FheParameters {
    FheParameters::checked(FheRequirements {
        dimension,
        coordinate_max,
        contributors_max: 1000,
        inner_product_bits,
    })
    .unwrap()
}

fn random_probe(dimension: u32, magnitude: i32, seed: u8) -> Vec<i32> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let width = 2 * magnitude.unsigned_abs() + 1;
    let draw = |_| i32::try_from(rng.next_u32() % width).unwrap() - magnitude;
    (0..dimension).map(draw).collect()
}

/// Opens `probes` in a round and returns the opened forms, asking the custodians in `asked`.
fn opened(round: &Round, probes: &[LinearProbe], asked: &[u8]) -> (ProbeOrder, Vec<FormReply>) {
    let forms = LinearProbe::forms(probes, &round.mask, &NttEngine::new());
    let order = ProbeOrder::new(&round.mask, round.opening().set(), forms).unwrap();
    let replies = asked.iter().map(|custodian| {
        let (custodian, opened) = open(round.custodian(*custodian), &round.opening());
        opened.unwrap();
        probe(custodian, &order).1.unwrap()
    });
    let replies = replies.collect();
    (order, replies)
}

fn check_readings(round: &Round, probes: &[LinearProbe], values: &[Vec<i32>], forms: &OpenedForms) {
    for (contribution, forms) in round.contributions.iter().zip(&forms.by_contributor) {
        for ((probe, values), form) in probes.iter().zip(values).zip(forms) {
            let product = probe.body_product(&contribution.ciphertext).unwrap();
            let reading = probe.reading(product, *form);
            let exact = exact(&contribution.values, values);
            #[expect(clippy::cast_precision_loss, reason = "a difference of small integers")]
            let error = (reading - exact).abs() as f64;
            assert!(error <= probe.error_max(), "{reading} for {exact}, {}", probe.error_max());
        }
    }
}

fn check(dimension: u32, coordinate_max: u32, magnitude: i32, inner_product_bits: u8) {
    let parameters = parameters(dimension, coordinate_max, inner_product_bits);
    let round = Round::new(parameters, 2, 3, 3);
    let largest = round.contributions.iter().map(|c| norm(&c.values)).fold(0.0, f64::max);
    let values = vec![random_probe(dimension, magnitude, 1), random_probe(dimension, magnitude, 2)];
    let checked = |values: &Vec<i32>| LinearProbe::checked(parameters, values.clone(), largest);
    let probes: Vec<_> = values.iter().map(|values| checked(values).unwrap()).collect();
    let (order, replies) = opened(&round, &probes, &[1, 3]);
    let forms = order.open(round.custody, 3, &replies).unwrap();
    assert_eq!(forms.spare_replies, 0);
    check_readings(&round, &probes, &values, &forms);
}

#[test]
fn readings_are_the_exact_inner_products_up_to_the_stated_error() {
    // Two lanes of 26 bits, as for updates of 8 bits; one wide lane; dimensions that end in mid-lane.
    check(1, 127, 100, 25);
    check(7, 127, 31, 25);
    check(8193, 127, 31, 25);
    check(20_001, 127, 7, 25);
    check(5000, 32_767, 3, 28);
    check(3001, 127, 31, 29);
}

#[test]
fn updates_and_probes_of_one_sign_read_as_well_as_random_ones() {
    let parameters = parameters(4097, 127, 25);
    let mut round = Round::new(parameters, 2, 3, 0);
    for (index, sign) in [1, -1, 1].into_iter().enumerate() {
        let values = vec![127 * sign; 4097];
        let (custody, mask) = (round.custody, round.mask);
        let member = support::member(index);
        let contribution =
            support::contribution(member, values, &parameters, custody, &mask, &mut round.rng);
        round.contributions.push(contribution);
    }
    round.contributions.sort_by_key(|contribution| contribution.member);
    let values = vec![vec![31; 4097], vec![-31; 4097]];
    let bound = norm(&[127; 4097]);
    let probes: Vec<_> = values
        .iter()
        .map(|values| LinearProbe::checked(parameters, values.clone(), bound).unwrap())
        .collect();
    let (order, replies) = opened(&round, &probes, &[1, 2, 3]);
    let forms = order.open(round.custody, 3, &replies).unwrap();
    check_readings(&round, &probes, &values, &forms);
}

#[test]
fn readings_are_blurred_beyond_what_lower_lanes_hold() {
    // A probe of norm 5: the noise of bodies adds nothing, what is seen is the switching of A.
    let parameters = parameters(2, 127, 25);
    let round = Round::new(parameters, 2, 3, 300);
    let values = vec![3, -4];
    let probe = LinearProbe::checked(parameters, values.clone(), 180.0).unwrap();
    let (order, replies) = opened(&round, std::slice::from_ref(&probe), &[2, 3]);
    let forms = order.open(round.custody, 300, &replies).unwrap();
    check_readings(&round, std::slice::from_ref(&probe), std::slice::from_ref(&values), &forms);
    let squares =
        round.contributions.iter().zip(&forms.by_contributor).map(|(contribution, forms)| {
            let product = probe.body_product(&contribution.ciphertext).unwrap();
            (probe.reading(product, forms[0]) - exact(&contribution.values, &values)).pow(2)
        });
    let total = f64::from(i32::try_from(squares.sum::<i64>()).unwrap());
    // Variance (117.5/64)² = 3.37 and 1/12 of rounding; 300 samples: relative error 0.082, five of it.
    let variance = total / 300.0;
    assert!((2.0..4.9).contains(&variance), "{variance}");
}

#[test]
fn probes_that_could_leave_their_lane_are_refused() {
    let parameters = parameters(100, 127, 25);
    assert_eq!((parameters.lanes(), parameters.lane_bits()), (2, 26));
    let probe = vec![100; 100];
    // ‖p‖ = 1000: updates of norm 33 000 fit below 2^25, those of norm 34 000 do not.
    assert!(LinearProbe::checked(parameters, probe.clone(), 33_000.0).is_ok());
    let refused = LinearProbe::checked(parameters, probe.clone(), 34_000.0).unwrap_err();
    assert!(matches!(refused, ProbeError::TooLarge { lane_bits: 26, .. }));
    assert!(LinearProbe::checked(parameters, probe, f64::NAN).is_err());
    let refused = LinearProbe::checked(parameters, vec![0; 99], 1.0).unwrap_err();
    assert_eq!(refused, ProbeError::Dimension { expected: 100, got: 99 });
    let refused = LinearProbe::checked(parameters, vec![i32::MIN; 100], 1.0).unwrap_err();
    assert_eq!(refused, ProbeError::Coordinate);
}

#[test]
fn a_second_probe_is_refused_for_ever_and_the_first_is_answered_again() {
    let parameters = parameters(50, 127, 25);
    let round = Round::new(parameters, 2, 3, 2);
    let order = |seed, set| {
        let probe = LinearProbe::checked(parameters, random_probe(50, 31, seed), 2000.0).unwrap();
        let forms = LinearProbe::forms(&[probe], &round.mask, &NttEngine::new());
        ProbeOrder::new(&round.mask, set, forms).unwrap()
    };
    let set = round.opening().set();
    let (first, second) = (order(1, set), order(2, set));
    let (custodian, too_early) = probe(round.custodian(1), &first);
    assert_eq!(too_early, Err(CustodianError::NotOpened { opened: None, got: set }));
    let (custodian, _) = open(custodian, &round.opening());
    let elsewhere = order(1, round.opening_of(&[0]).set());
    let (custodian, refused) = probe(custodian, &elsewhere);
    assert!(matches!(refused, Err(CustodianError::NotOpened { opened: Some(_), .. })));
    let (custodian, answer) = probe(custodian, &first);
    let (custodian, refused) = probe(custodian, &second);
    let expected = CustodianError::SecondProbe { answered: first.digest(), got: second.digest() };
    assert_eq!(refused, Err(expected.clone()));
    let (custodian, again) = probe(custodian, &first);
    assert_eq!(answer, again);
    assert_eq!(probe(custodian, &second).1, Err(expected));
}

#[test]
fn an_order_asks_for_at_most_three_forms() {
    let parameters = parameters(50, 127, 25);
    let round = Round::new(parameters, 2, 3, 2);
    let probe = LinearProbe::checked(parameters, random_probe(50, 31, 1), 2000.0).unwrap();
    let forms = LinearProbe::forms(&[probe], &round.mask, &NttEngine::new());
    for count in [0, 4] {
        let forms = vec![forms[0].clone(); count];
        let refused = ProbeOrder::new(&round.mask, round.opening().set(), forms);
        assert_eq!(refused, Err(ProbeError::Forms { got: count }));
    }
}

/// The reply with its last element changed by `change`.
fn shifted(reply: &FormReply, change: u8) -> FormReply {
    let mut bytes = reply.to_bytes();
    *bytes.last_mut().unwrap() ^= change;
    FormReply::from_bytes(&bytes).unwrap()
}

#[test]
fn a_custodian_that_shifts_a_form_is_named_with_two_spare_replies_and_detected_with_one() {
    let parameters = parameters(50, 127, 25);
    let round = Round::new(parameters, 2, 4, 2);
    let values = random_probe(50, 31, 1);
    let probe = LinearProbe::checked(parameters, values.clone(), 2000.0).unwrap();
    let (order, mut replies) = opened(&round, std::slice::from_ref(&probe), &[1, 2, 3, 4]);
    replies[2] = shifted(&replies[2], 1);
    let forms = order.open(round.custody, 2, &replies).unwrap();
    assert_eq!(forms.deviating, [3]);
    check_readings(&round, &[probe], &[values], &forms);
    let detected = order.open(round.custody, 2, &replies[..3]).unwrap_err();
    let custodians = vec![1, 2, 3];
    assert_eq!(detected, ShareError::Contradiction { custodians }.into());
}

#[test]
fn replies_to_another_order_or_of_another_length_are_refused_by_name() {
    let parameters = parameters(50, 127, 25);
    let round = Round::new(parameters, 2, 3, 2);
    let probe = |seed| LinearProbe::checked(parameters, random_probe(50, 31, seed), 2000.0);
    let (order, replies) = opened(&round, &[probe(1).unwrap()], &[1, 2, 3]);
    let (_, others) = opened(&round, &[probe(2).unwrap()], &[2]);
    let mixed = [replies[0].clone(), others[0].clone()];
    let refused = order.open(round.custody, 2, &mixed).unwrap_err();
    assert!(matches!(refused, ProbeError::Order { custodian: 2, .. }));
    let refused = order.open(round.custody, 3, &replies).unwrap_err();
    assert_eq!(refused, ProbeError::ReplyLength { custodian: 1, expected: 3, got: 2 });
}
