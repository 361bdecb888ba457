//! Payments that are taken back outside: once, no more than was paid, and what was spent is owed and paid first.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{MonthTerms, PricePolicy, WINDOW_MS_MIN};
use data_dao_journal::{
    Deposited, KeyGrant, KeyGranted, KeyIssued, LicenceBought, MonthBought, PaymentRefunded,
    PaymentReinstated, PricePolicySet, Refusal, Scope, State, Withdrawn, audit,
};
use data_dao_ledger::{AccountId, Currency};
use proptest::{prelude::*, test_runner::TestCaseError};
use world::{World, deposit, digest, name, purchase};

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

/// A model at 100 a call, and buyers `k-1` and `k-2` with 500 each by the payments `pi_1` and `pi_2`.
fn market() -> World {
    let mut world = World::after_one_round();
    world.push(world.release());
    let policy = PricePolicy {
        month: Some(MonthTerms { calls: 4, price: 40 }),
        download: Some(300),
        window_ms: WINDOW_MS_MIN,
        ..PricePolicy::flat(100)
    };
    world.push(PricePolicySet { model: name("wine-quality"), policy });
    for (number, key) in [(9, "k-1"), (10, "k-2")] {
        let (key_id, key_hash) = (name(key), digest(number));
        world.push(KeyIssued { key_id, key_hash, buyer: "Shop".into() });
    }
    world.push(deposit("payment:pi_1", 500));
    world.push(Deposited { key_id: name("k-2"), ..deposit("payment:pi_2", 500) });
    world
}

fn refund(refund: &str, amount: u128) -> PaymentRefunded {
    let (payment, refund) = ("pi_1".to_owned(), refund.to_owned());
    PaymentRefunded { key_id: name("k-1"), payment, refund, amount }
}

fn reinstated(refund: &str) -> PaymentReinstated {
    let (payment, refund) = ("pi_1".to_owned(), refund.to_owned());
    PaymentReinstated { key_id: name("k-1"), payment, refund }
}

/// What the DAO's account outside holds by the books: nothing if it would be below zero.
fn held(state: &State) -> Option<u128> {
    let deposits = state.accounts().account(&AccountId::deposits(eur()));
    let recalled = state.accounts().account(&AccountId::recalled(eur())).balance();
    (deposits.debits_posted - deposits.credits_posted).checked_sub(recalled)
}

#[test]
fn a_payment_is_taken_back_in_parts_once_each_and_never_beyond_what_it_was() {
    let mut world = market();
    world.push(refund("re_1", 200));
    assert_eq!((world.state.buyer_balance(&name("k-1")), world.state.debt(&name("k-1"))), (300, 0));
    assert!(matches!(world.refusal(refund("re_1", 200)), Refusal::AlreadyBooked { .. }));
    assert!(matches!(world.refusal(refund("re_1", 100)), Refusal::AlreadyBooked { .. }));
    let of_another =
        PaymentRefunded { payment: "pi_2".into(), key_id: name("k-2"), ..refund("re_1", 200) };
    assert!(matches!(world.refusal(of_another), Refusal::AlreadyBooked { .. }));
    let more = world.refusal(refund("re_2", 301));
    assert!(matches!(more, Refusal::RefundExceedsPayment { left: 300, amount: 301, .. }), "{more}");
    let foreign = PaymentRefunded { key_id: name("k-2"), ..refund("re_2", 1) };
    assert!(matches!(world.refusal(foreign), Refusal::Differs { .. }));
    let unknown = PaymentRefunded { payment: "pi_3".into(), ..refund("re_2", 1) };
    assert!(matches!(world.refusal(unknown), Refusal::Unknown { .. }));
    assert!(matches!(world.refusal(refund("re_2", 0)), Refusal::OutOfBounds { .. }));
    assert!(matches!(world.refusal(refund("", 1)), Refusal::OutOfBounds { .. }));
    world.push(refund("re_2", 300));
    assert_eq!(world.state.buyer_balance(&name("k-1")), 0);
    assert_eq!(world.state.payment("pi_1").unwrap().refunded, 500);
    assert_eq!(world.state.buyer_balance(&name("k-2")), 500, "nobody else's");
    assert_eq!(held(&world.state), Some(500));
}

#[test]
fn one_payment_is_nobody_elses() {
    let mut world = market();
    let of_another = Deposited { key_id: name("k-2"), ..deposit("payment:pi_1", 500) };
    assert!(matches!(world.refusal(of_another), Refusal::AlreadyBooked { .. }));
}

#[test]
fn what_was_paid_and_not_used_goes_before_anything_is_owed() {
    let mut world = market();
    world.push(purchase("p-1", 2, 100));
    let month = MonthBought {
        key_id: name("k-1"),
        model: name("wine-quality"),
        calls: 4,
        price: 40,
        idempotency_key: "m-1".into(),
    };
    world.push(month);
    // 140 in the balance, four calls of 40, two of 100.
    world.push(refund("re_1", 200));
    let model = name("wine-quality");
    assert_eq!(world.state.calls_left(&name("k-1"), &model, world.now_ms), 4, "two of the month");
    assert_eq!(world.state.buyer_balance(&name("k-1")), 20, "calls are given back whole");
    world.push(refund("re_2", 300));
    assert_eq!(world.state.calls_left(&name("k-1"), &model, world.now_ms), 0);
    assert_eq!((world.state.buyer_balance(&name("k-1")), world.state.debt(&name("k-1"))), (0, 0));
    let usage = world.state.key(&name("k-1")).unwrap().usage().values().next().unwrap();
    assert_eq!((usage.bought_price, usage.refunded_price), (360, 360));
}

#[test]
fn who_owes_buys_nothing_and_the_next_money_pays_it() {
    let mut world = market();
    let till = KeyGrant {
        scopes: vec![Scope::Infer],
        account: Some(name("k-1")),
        ..KeyGrant::unrestricted()
    };
    world.push(KeyGranted {
        key_id: name("till"),
        key_hash: digest(11),
        buyer: "Till".into(),
        grant: till,
    });
    let licence = LicenceBought {
        key_id: name("k-1"),
        model: name("wine-quality"),
        version: 1,
        price: 300,
        lines: world.state.revenue_lines(&name("wine-quality"), 1, 300).unwrap(),
        licence: None,
        idempotency_key: "l-1".into(),
    };
    world.push(licence);
    world.push(purchase("p-1", 1, 100));
    world.push(data_dao_journal::PredictionReserved { price: 100, ..world.reservation(20) });
    let treasury = world.state.treasury();
    world.push(refund("re_1", 500));
    assert_eq!(world.state.debt(&name("k-1")), 400);
    assert_eq!(world.state.debt(&name("till")), 400, "of whose money it spends");
    assert_eq!(world.state.treasury(), treasury, "what was earned stays");
    // What was set aside before is served and paid.
    let lines = world.state.revenue_lines(&name("wine-quality"), 1, 100).unwrap();
    world.push(data_dao_journal::Predicted { price: 100, lines, ..world.prediction(20) });
    let call = data_dao_journal::PredictionReserved { price: 100, ..world.reservation(21) };
    let till = data_dao_journal::PredictionReserved { key_id: name("till"), ..call.clone() };
    for refused in
        [world.refusal(call), world.refusal(till), world.refusal(purchase("p-2", 1, 100))]
    {
        assert!(matches!(refused, Refusal::InDebt { owed: 400, .. }), "{refused}");
    }
    world.push(deposit("d-1", 150));
    assert_eq!((world.state.buyer_balance(&name("k-1")), world.state.debt(&name("k-1"))), (0, 250));
    let out = Withdrawn { key_id: name("k-1"), amount: 1, idempotency_key: "w-1".into() };
    assert!(matches!(world.refusal(out), Refusal::InDebt { owed: 250, .. }));
    world.push(deposit("d-2", 300));
    assert_eq!((world.state.buyer_balance(&name("k-1")), world.state.debt(&name("k-1"))), (50, 0));
    assert_eq!(held(&world.state), Some(500 + 150 + 300));
    let settled = world.state.accounts().account(&AccountId::recalled(eur()));
    assert!(settled.is_settled(), "{settled:?}");
}

#[test]
fn who_withdraws_and_takes_the_payment_back_owes_it_and_the_books_say_what_is_missing() {
    let mut world = market();
    let out = Withdrawn { key_id: name("k-1"), amount: 500, idempotency_key: "w-1".into() };
    world.push(out);
    world.push(refund("dp_1", 500));
    assert_eq!(world.state.debt(&name("k-1")), 500);
    assert_eq!(held(&world.state), Some(0), "the other buyer's 500 left the account outside");
    assert_eq!(world.state.buyer_balance(&name("k-2")), 500, "and are still its own");
}

#[test]
fn a_dispute_that_is_won_brings_its_money_back_once() {
    let mut world = market();
    assert!(matches!(world.refusal(reinstated("dp_1")), Refusal::Unknown { .. }));
    world.push(purchase("p-1", 1, 100));
    world.push(data_dao_journal::PredictionReserved { price: 100, ..world.reservation(20) });
    world.push(refund("dp_1", 500));
    assert_eq!(world.state.debt(&name("k-1")), 100);
    let foreign = PaymentReinstated { payment: "pi_2".into(), ..reinstated("dp_1") };
    assert!(matches!(world.refusal(foreign), Refusal::Differs { .. }));
    world.push(reinstated("dp_1"));
    assert_eq!((world.state.buyer_balance(&name("k-1")), world.state.debt(&name("k-1"))), (400, 0));
    assert!(matches!(world.refusal(reinstated("dp_1")), Refusal::AlreadyBooked { .. }));
    assert!(matches!(world.refusal(refund("dp_1", 500)), Refusal::AlreadyBooked { .. }));
    // Another refund of the same payment after the first failed.
    world.push(refund("re_2", 500));
    assert_eq!(world.state.debt(&name("k-1")), 100);
    assert_eq!(held(&world.state), Some(500));
}

#[test]
fn an_audit_recomputes_what_was_taken_back_and_finds_another_amount() {
    let mut world = market();
    world.push(refund("re_1", 200));
    world.push(reinstated("re_1"));
    world.push(refund("re_2", 500));
    audit(&world.leaves, None).unwrap();
    let swap = |leaf: &Vec<u8>| {
        let text = String::from_utf8(leaf.clone()).unwrap();
        text.replace(
            "\"refund\":\"re_2\",\"amount\":\"500\"",
            "\"refund\":\"re_2\",\"amount\":\"501\"",
        )
        .into_bytes()
    };
    let changed: Vec<_> = world.leaves.iter().map(swap).collect();
    assert_ne!(changed, world.leaves);
    assert!(audit(&changed, None).is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Deposit(u128),
    Buy(u32),
    Call,
    Refund(u128),
    Reinstate,
    Withdraw(u128),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..400_u128).prop_map(Step::Deposit),
        (1..4_u32).prop_map(Step::Buy),
        Just(Step::Call),
        (1..500_u128).prop_map(Step::Refund),
        Just(Step::Reinstate),
        (1..300_u128).prop_map(Step::Withdraw),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes in whatever order: what went in and out outside is what the books hold, debts are what `recalled` has,
    /// the other buyer keeps everything, and the log replays to the same state.
    #[test]
    fn the_books_hold_what_is_held_outside(steps in prop::collection::vec(step(), 1..24)) {
        let mut world = market();
        let mut outside = 1_000_i128;
        for (number, step) in steps.into_iter().enumerate() {
            let id = format!("x-{number}");
            let signed = |amount: u128| i128::try_from(amount).unwrap();
            let last = (0..number).rev().map(|n| format!("x-{n}")).find(|id| {
                world.state.payment_refund(id).is_some_and(|refund| refund.reinstated.is_none())
            });
            let (moved, done) = match step {
                Step::Deposit(amount) => (signed(amount), world.try_push(deposit(&id, amount))),
                Step::Buy(calls) => (0, world.try_push(purchase(&id, calls, 100))),
                Step::Call => {
                    let seed = 50 + u8::try_from(number).unwrap();
                    let reserved = data_dao_journal::PredictionReserved {
                        price: 100, ..world.reservation(seed)
                    };
                    (0, world.try_push(reserved))
                }
                Step::Refund(amount) => (-signed(amount), world.try_push(refund(&id, amount))),
                Step::Reinstate => match last {
                    Some(id) => {
                        let amount = world.state.payment_refund(&id).unwrap().amount;
                        (signed(amount), world.try_push(reinstated(&id)))
                    }
                    None => continue,
                },
                Step::Withdraw(amount) => {
                    let out = Withdrawn { key_id: name("k-1"), amount, idempotency_key: id };
                    (-signed(amount), world.try_push(out))
                }
            };
            if done.is_ok() {
                outside += moved;
            }
            let accounts = world.state.accounts();
            let deposits = accounts.account(&AccountId::deposits(eur()));
            let recalled = accounts.account(&AccountId::recalled(eur())).balance();
            let books = signed(deposits.debits_posted - deposits.credits_posted) - signed(recalled);
            prop_assert_eq!(books, outside);
            prop_assert_eq!(recalled, world.state.debt(&name("k-1")));
            prop_assert_eq!(world.state.buyer_balance(&name("k-2")), 500);
            let debt = world.state.debt(&name("k-1"));
            if debt > 0 && done.is_ok() && moved > 0 {
                prop_assert_eq!(world.state.buyer_balance(&name("k-1")), 0);
            }
        }
        audit(&world.leaves, None).map_err(|failure| TestCaseError::fail(format!("{failure:?}")))?;
    }
}
