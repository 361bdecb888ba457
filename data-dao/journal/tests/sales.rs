//! Money moves for what was bought, once, and reaches those who earned it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_journal::{
    KeyIssued, Predicted, Prediction, PredictionResolution, PredictionVoided, PriceSet, Refusal,
};
use world::{World, deposit, digest, member, name, purchase};

#[test]
fn the_price_of_a_prediction_reaches_those_who_earned_it() {
    let mut world = World::with_paid_calls();
    assert_eq!(world.state.buyer_balance(&name("k-1")), 500);
    assert_eq!(calls_left(&world), 2);
    world.push(world.reservation(20));
    assert_eq!(calls_left(&world), 1);
    world.push(world.prediction(20));
    assert_eq!(calls_left(&world), 1);
    // 10 % of 250 is the DAO's; 225 is split 750 : 250, the unit left to the larger remainder.
    assert_eq!(world.state.treasury(), 25);
    assert_eq!(world.state.earnings(&member(0)), 169);
    assert_eq!(world.state.earnings(&member(1)), 56);
    assert_eq!(world.state.earnings(&member(2)), 0);
    let prediction = world.state.prediction(&digest(20)).unwrap();
    let Prediction::Resolved(resolved) = prediction else { panic!("{prediction:?}") };
    assert_eq!(resolved.resolution, PredictionResolution::Made);
    assert_eq!(resolved.reserved + 1, resolved.index);
}

fn calls_left(world: &World) -> u128 {
    world.state.calls_left(&name("k-1"), &name("wine-quality"), world.now_ms)
}

#[test]
fn lines_other_than_the_recomputed_ones_are_refused() {
    let mut world = World::with_paid_calls();
    world.push(world.reservation(20));
    let sound = world.prediction(20);
    let mut shifted = sound.clone();
    shifted.lines[0].amount += 1;
    shifted.lines[1].amount -= 1;
    assert!(matches!(world.refusal(shifted), Refusal::Differs { .. }));
    let cheaper = Predicted { price: 249, ..sound.clone() };
    assert!(matches!(world.refusal(cheaper), Refusal::Differs { .. }));
    let other_model = Predicted { model_digest: digest(99), ..sound.clone() };
    assert!(matches!(world.refusal(other_model), Refusal::Differs { .. }));
    world.push(sound);
}

#[test]
fn a_prediction_is_reserved_and_resolved_once() {
    let mut world = World::with_paid_calls();
    assert!(matches!(world.refusal(world.prediction(20)), Refusal::Unknown { .. }));
    world.push(world.reservation(20));
    assert!(matches!(world.refusal(world.reservation(20)), Refusal::Exists { .. }));
    world.push(world.prediction(20));
    let again = world.refusal(world.prediction(20));
    assert!(matches!(again, Refusal::PredictionResolved { state: "made", .. }));
    let void = PredictionVoided { prediction: digest(20), reason: "failed".into() };
    assert!(matches!(world.refusal(void), Refusal::PredictionResolved { .. }));
}

#[test]
fn calls_that_were_not_paid_are_not_made() {
    let mut world = World::with_paid_calls();
    world.push(world.reservation(20));
    world.push(world.reservation(21));
    assert!(matches!(world.refusal(world.reservation(22)), Refusal::NoCallsLeft { .. }));
    world.push(PredictionVoided { prediction: digest(20), reason: "model failed".into() });
    world.push(world.reservation(22));
    assert!(matches!(world.refusal(world.reservation(23)), Refusal::NoCallsLeft { .. }));
    // Reservations that nobody resolves return by themselves.
    world.now_ms += 100;
    assert_eq!(calls_left(&world), 2);
    world.push(world.reservation(24));
    let late = world.refusal(world.prediction(22));
    assert!(matches!(late, Refusal::PredictionResolved { state: "expired", .. }), "{late:?}");
}

#[test]
fn a_request_is_booked_once_under_its_own_id() {
    let mut world = World::with_paid_calls();
    let index = world.state.booked(&name("k-1"), "p-1").unwrap();
    let refusal = world.refusal(purchase("p-1", 2, 250));
    let Refusal::AlreadyBooked { index: booked, .. } = refusal else { panic!() };
    assert_eq!(booked, index);
    assert!(matches!(world.refusal(deposit("d-1", 1_000)), Refusal::AlreadyBooked { .. }));
    assert!(matches!(world.refusal(deposit("", 1)), Refusal::OutOfBounds { .. }));
    assert!(matches!(world.refusal(deposit("d-2", 0)), Refusal::Ledger(_)));
    assert!(matches!(world.refusal(deposit("d-2", u128::MAX)), Refusal::Ledger(_)));
}

#[test]
fn a_purchase_is_paid_at_the_price_of_the_day() {
    let mut world = World::with_paid_calls();
    assert!(matches!(world.refusal(purchase("p-2", 1, 249)), Refusal::Differs { .. }));
    assert!(matches!(world.refusal(purchase("p-2", 0, 250)), Refusal::Purchase(_)));
    assert!(matches!(world.refusal(purchase("p-2", 3, 250)), Refusal::Ledger(_)));
    world.push(purchase("p-2", 2, 250));
    assert_eq!(world.state.buyer_balance(&name("k-1")), 0);
    assert_eq!(calls_left(&world), 4);
}

#[test]
fn the_operator_sets_the_first_price_only() {
    let mut world = World::with_paid_calls();
    let price = |price| PriceSet { model: name("wine-quality"), price };
    assert!(matches!(world.refusal(price(1)), Refusal::PriceNeedsVote { .. }));
    let mut world = World::after_one_round();
    assert!(matches!(world.refusal(price(1)), Refusal::Unknown { .. }));
    world.push(world.release());
    assert!(matches!(world.refusal(price(0)), Refusal::OutOfBounds { .. }));
}

#[test]
fn keys_and_their_hashes_are_unique() {
    let mut world = World::with_paid_calls();
    let key =
        |id: &str, hash| KeyIssued { key_id: name(id), key_hash: digest(hash), buyer: "x".into() };
    assert!(matches!(world.refusal(key("k-1", 77)), Refusal::Exists { .. }));
    assert!(matches!(world.refusal(key("k-2", 9)), Refusal::Exists { .. }));
    world.push(key("k-2", 77));
    assert_eq!(world.state.key_by_hash(&digest(77)), Some(&name("k-2")));
}
