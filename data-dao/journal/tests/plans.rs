//! Prices follow demand as voted; months, licences and refunds move what they say and no more.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, MonthTerms, PricePolicy, WINDOW_MS_MIN};
use data_dao_journal::{
    CallsRefunded, KeyIssued, LicenceBought, MONTH_MS, MonthBought, PricePolicySet, PriceSet,
    Purchased, Refusal, Withdrawn, audit,
};
use world::{World, deposit, digest, member, name, purchase};

fn policy() -> PricePolicy {
    PricePolicy {
        low: 100,
        high: 300,
        calls_low: 1,
        calls_high: 3,
        window_ms: WINDOW_MS_MIN,
        month: Some(MonthTerms { calls: 4, price: 40 }),
        download: Some(1_000),
    }
}

/// A released model under that policy, and a buyer `k-1` with 5 000.
fn market() -> World {
    let mut world = World::after_one_round();
    world.push(world.release());
    world.push(PricePolicySet { model: name("wine-quality"), policy: policy() });
    world.push(KeyIssued { key_id: name("k-1"), key_hash: digest(9), buyer: "Shop".into() });
    world.push(deposit("d-1", 5_000));
    world
}

fn month(request: &str) -> MonthBought {
    MonthBought {
        key_id: name("k-1"),
        model: name("wine-quality"),
        calls: 4,
        price: 40,
        idempotency_key: request.into(),
    }
}

fn licence(world: &World, request: &str) -> LicenceBought {
    LicenceBought {
        key_id: name("k-1"),
        model: name("wine-quality"),
        version: 1,
        price: 1_000,
        lines: world.state.revenue_lines(&name("wine-quality"), 1, 1_000).unwrap(),
        licence: None,
        idempotency_key: request.into(),
    }
}

fn price(world: &World) -> u128 {
    world.state.model(&name("wine-quality")).unwrap().price_at(world.now_ms).unwrap()
}

/// Asks once, whatever it costs.
fn call(world: &mut World, number: u8) {
    let price = world.state.next_call(&name("k-1"), &name("wine-quality"), world.now_ms).unwrap();
    world.push(data_dao_journal::PredictionReserved {
        price: price.price,
        ..world.reservation(number)
    });
    let lines = world.state.revenue_lines(&name("wine-quality"), 1, price.price).unwrap();
    let made = world.prediction(number);
    world.push(data_dao_journal::Predicted { price: price.price, lines, ..made });
}

#[test]
fn the_price_follows_the_calls_of_the_window_within_its_bounds() {
    let mut world = market();
    world.push(purchase("p-1", 4, 100));
    let mut prices = vec![price(&world)];
    for number in 20..24 {
        call(&mut world, number);
        prices.push(price(&world));
    }
    assert_eq!(prices, [100, 100, 200, 300, 300]);
    // Who buys now pays the price of now; what was bought before keeps its own.
    assert!(matches!(world.refusal(purchase("p-2", 1, 100)), Refusal::Differs { .. }));
    world.push(purchase("p-2", 1, 300));
    world.now_ms += WINDOW_MS_MIN;
    assert_eq!(price(&world), 100);
}

#[test]
fn the_first_policy_is_the_operators_and_later_ones_are_voted() {
    let mut world = market();
    let set = |policy| PricePolicySet { model: name("wine-quality"), policy };
    assert!(matches!(world.refusal(set(policy())), Refusal::PriceNeedsVote { .. }));
    let flat = PriceSet { model: name("wine-quality"), price: 5 };
    assert!(matches!(world.refusal(flat), Refusal::PriceNeedsVote { .. }));
    let model = "wine-quality".to_owned();
    let dearer = PricePolicy { low: 7, high: 9, month: None, ..policy() };
    let voted = Action::SetPricePolicy { model: model.clone(), policy: dearer };
    world.pass(vec![voted]);
    assert_eq!(price(&world), 7);
    assert!(matches!(world.refusal(month("m-1")), Refusal::NotForSale { .. }));
    // A plain price ends the curve and leaves the rest.
    world.pass(vec![Action::SetPredictionPrice { model, price: 12 }]);
    let model = world.state.model(&name("wine-quality")).unwrap();
    assert_eq!((model.price(), model.policy().unwrap().download), (Some(12), Some(1_000)));
    let mut world = World::after_one_round();
    world.push(world.release());
    let broken = PricePolicy { low: 0, ..policy() };
    assert!(matches!(world.refusal(set(broken)), Refusal::Governance(_)));
}

#[test]
fn what_a_month_leaves_is_earned_when_it_ends_and_not_before() {
    let mut world = market();
    world.push(month("m-1"));
    assert_eq!(world.state.buyer_balance(&name("k-1")), 5_000 - 160);
    call(&mut world, 20);
    let model = name("wine-quality");
    assert_eq!(world.state.calls_left(&name("k-1"), &model, world.now_ms), 3);
    let early = world.state.month_over(world.now_ms);
    assert_eq!(early, None);
    let refund = CallsRefunded {
        key_id: name("k-1"),
        model: model.clone(),
        lot: 0,
        calls: 1,
        idempotency_key: "r-1".into(),
    };
    assert!(matches!(world.refusal(refund), Refusal::NotForSale { .. }));
    world.now_ms += MONTH_MS;
    assert_eq!(world.state.calls_left(&name("k-1"), &model, world.now_ms), 0);
    assert!(world.state.next_call(&name("k-1"), &model, world.now_ms).is_none());
    let ended = world.state.month_over(world.now_ms).unwrap();
    assert_eq!(ended.amount, 120);
    let other = data_dao_journal::MonthEnded { amount: 119, ..ended.clone() };
    assert!(matches!(world.refusal(other), Refusal::Differs { .. }));
    let (before, earned) = (world.state.treasury(), world.state.earnings(&member(0)));
    world.push(ended.clone());
    assert_eq!(world.state.treasury() - before, 12);
    assert!(world.state.earnings(&member(0)) > earned);
    assert_eq!(world.state.counts().revenue, 160);
    assert_eq!(world.state.month_over(world.now_ms), None);
    let _twice = world.refusal(ended);
}

#[test]
fn a_licence_is_paid_once_and_split() {
    let mut world = market();
    let wanted = licence(&world, "l-1");
    assert!(!world.state.is_licensed(&name("k-1"), &name("wine-quality"), 1));
    let cheaper = LicenceBought { price: 999, ..wanted.clone() };
    assert!(matches!(world.refusal(cheaper), Refusal::Differs { .. }));
    let unknown = LicenceBought { version: 2, ..wanted.clone() };
    assert!(matches!(world.refusal(unknown), Refusal::Unknown { .. }));
    world.push(wanted.clone());
    assert!(world.state.is_licensed(&name("k-1"), &name("wine-quality"), 1));
    assert_eq!((world.state.treasury(), world.state.counts().revenue), (100, 1_000));
    assert!(matches!(world.refusal(wanted), Refusal::AlreadyBooked { .. }));
    let again = licence(&world, "l-2");
    assert!(matches!(world.refusal(again), Refusal::Exists { .. }));
}

#[test]
fn unused_calls_come_back_at_the_price_that_was_paid() {
    let mut world = market();
    world.push(purchase("p-1", 3, 100));
    call(&mut world, 20);
    let refund = |calls, request: &str| CallsRefunded {
        key_id: name("k-1"),
        model: name("wine-quality"),
        lot: 0,
        calls,
        idempotency_key: request.into(),
    };
    assert!(matches!(world.refusal(refund(3, "r-1")), Refusal::Ledger(_)));
    assert!(matches!(world.refusal(refund(0, "r-1")), Refusal::Purchase(_)));
    world.push(refund(2, "r-1"));
    assert_eq!(world.state.buyer_balance(&name("k-1")), 4_900);
    assert!(matches!(world.refusal(refund(2, "r-1")), Refusal::AlreadyBooked { .. }));
    let usage = world.state.key(&name("k-1")).unwrap().usage();
    let usage = usage.values().next().unwrap();
    assert_eq!((usage.calls, usage.bought, usage.refunded), (1, 3, 2));
    assert_eq!((usage.calls_price, usage.bought_price, usage.refunded_price), (100, 300, 200));
}

#[test]
fn money_that_leaves_is_money_that_was_there() {
    let mut world = market();
    let out = |amount, request: &str| Withdrawn {
        key_id: name("k-1"),
        amount,
        idempotency_key: request.into(),
    };
    assert!(matches!(world.refusal(out(5_001, "w-1")), Refusal::Ledger(_)));
    world.push(out(2_000, "w-1"));
    assert_eq!(world.state.buyer_balance(&name("k-1")), 3_000);
    assert!(matches!(world.refusal(out(2_000, "w-1")), Refusal::AlreadyBooked { .. }));
    let bought = Purchased { key_id: name("k-1"), ..purchase("w-1", 1, 100) };
    assert!(matches!(world.refusal(bought), Refusal::AlreadyBooked { .. }));
}

#[test]
fn prices_limits_and_months_are_recomputed_by_an_audit_and_a_changed_one_is_found() {
    let mut world = market();
    world.push(month("m-1"));
    world.push(purchase("p-1", 2, 100));
    call(&mut world, 20);
    let wanted = licence(&world, "l-1");
    world.push(wanted);
    world.now_ms += MONTH_MS;
    let ended = world.state.month_over(world.now_ms).unwrap();
    world.push(ended);
    let report = audit(&world.leaves, None).unwrap();
    assert_eq!(report.revenue, 160 + 1_000);
    let prices =
        [("\"price\":\"100\"", "\"price\":\"101\""), ("\"amount\":\"120\"", "\"amount\":\"119\"")];
    for (sound, other) in prices {
        let swap = |leaf: &Vec<u8>| {
            String::from_utf8(leaf.clone()).unwrap().replace(sound, other).into_bytes()
        };
        let changed: Vec<_> = world.leaves.iter().map(swap).collect();
        assert_ne!(changed, world.leaves);
        assert!(audit(&changed, None).is_err(), "{sound}");
    }
}
