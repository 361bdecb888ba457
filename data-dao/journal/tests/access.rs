//! A key does what it was granted, for as long, and spends no more than it may.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_journal::{
    Administered, DAY_MS, Deposited, KeyAmended, KeyFault, KeyGrant, KeyGranted, KeyRevoked,
    KeyRotated, OVERLAP_MS_MAX, Predicted, PredictionReserved, PredictionVoided, Purchased,
    Refusal, Scope,
};
use world::{World, digest, member, name, purchase};

/// Asks and pays, nothing else.
fn caller() -> KeyGrant {
    KeyGrant { scopes: vec![Scope::Infer], account: Some(name("k-1")), ..KeyGrant::unrestricted() }
}

fn granted(id: &str, hash: u8, grant: KeyGrant) -> KeyGranted {
    KeyGranted { key_id: name(id), key_hash: digest(hash), buyer: "Till 3".into(), grant }
}

fn reservation(world: &World, key_id: &str, number: u8) -> PredictionReserved {
    PredictionReserved { key_id: name(key_id), ..world.reservation(number) }
}

/// `k-1` with two paid calls at 250, and `k-2` that spends its money.
fn world_with(grant: KeyGrant) -> World {
    let mut world = World::with_paid_calls();
    world.push(granted("k-2", 40, grant));
    world
}

#[test]
fn a_key_spends_the_money_of_its_account_and_nothing_more_than_its_scopes() {
    let mut world = world_with(caller());
    assert_eq!(world.state.account_of(&name("k-2")), &name("k-1"));
    assert_eq!(world.state.buyer_balance(&name("k-2")), 500);
    world.push(reservation(&world, "k-2", 20));
    world.push(world.prediction(20));
    let used = world.state.key(&name("k-2")).unwrap().usage().values().map(|u| u.calls);
    assert_eq!(used.sum::<u64>(), 1);
    let left = world.state.calls_left(&name("k-1"), &name("wine-quality"), world.now_ms);
    assert_eq!(left, 1);
    let bought = Purchased { key_id: name("k-2"), ..purchase("p-2", 1, 250) };
    let refused = world.refusal(bought);
    assert!(matches!(refused, Refusal::OutOfScope { scope: Scope::Buy, .. }), "{refused:?}");
}

#[test]
fn no_key_makes_itself_another_with_more_rights() {
    let mut world = world_with(caller());
    let with = |scopes: &[Scope], account: &str| KeyGrant {
        scopes: scopes.to_vec(),
        account: Some(name(account)),
        ..caller()
    };
    // The account's key has no admin; keys of a key have none of their own; a part's part is no account.
    for (scopes, account) in
        [(&[Scope::Admin][..], "k-1"), (&[Scope::Keys], "k-1"), (&[Scope::Infer], "k-2")]
    {
        let refused = world.refusal(granted("k-3", 41, with(scopes, account)));
        assert!(matches!(refused, Refusal::OutOfScope { .. }), "{refused:?}");
    }
    let unordered = with(&[Scope::Usage, Scope::Infer], "k-1");
    assert!(matches!(world.refusal(granted("k-3", 41, unordered)), Refusal::Scopes));
    let none = with(&[], "k-1");
    assert!(matches!(world.refusal(granted("k-3", 41, none)), Refusal::Scopes));
    let unknown = with(&[Scope::Infer], "k-9");
    assert!(matches!(world.refusal(granted("k-3", 41, unknown)), Refusal::Unknown { .. }));
    let amended = KeyAmended { key_id: name("k-2"), grant: with(&[Scope::Buy], "k-1") };
    world.push(amended);
    let own = KeyGrant { account: None, ..caller() };
    let moved = KeyAmended { key_id: name("k-2"), grant: own };
    assert!(matches!(world.refusal(moved), Refusal::Differs { .. }));
}

#[test]
fn a_key_ends_with_its_time_and_with_its_account() {
    let mut world = World::with_paid_calls();
    let end_ms = world.now_ms + 50;
    let grant = KeyGrant { expires_at_ms: Some(end_ms), ..caller() };
    world.push(granted("k-2", 40, grant.clone()));
    assert_eq!(world.state.authenticate(&digest(40), end_ms - 1), Ok(&name("k-2")));
    assert_eq!(world.state.authenticate(&digest(40), end_ms), Err(Some(KeyFault::Expired)));
    world.now_ms = end_ms;
    let late = world.refusal(reservation(&world, "k-2", 20));
    assert!(matches!(late, Refusal::KeyUnusable { fault: KeyFault::Expired, .. }), "{late:?}");
    assert!(matches!(world.refusal(granted("k-3", 41, grant)), Refusal::OutOfBounds { .. }));
    world.push(granted("k-4", 42, caller()));
    world.push(KeyRevoked { key_id: name("k-1") });
    for hash in [9, 42] {
        let fault = world.state.authenticate(&digest(hash), end_ms);
        assert_eq!(fault, Err(Some(KeyFault::Revoked)));
    }
    let again = world.refusal(KeyRevoked { key_id: name("k-1") });
    assert!(matches!(again, Refusal::KeyUnusable { fault: KeyFault::Revoked, .. }));
    assert_eq!(world.state.authenticate(&digest(77), end_ms), Err(None));
}

#[test]
fn both_secrets_of_a_rotated_key_hold_until_the_overlap_ends() {
    let mut world = World::with_paid_calls();
    let until_ms = world.now_ms + 100;
    let rotated = |hash, overlap_until_ms| KeyRotated {
        key_id: name("k-1"),
        key_hash: digest(hash),
        overlap_until_ms,
    };
    world.push(rotated(50, until_ms));
    let open = |world: &World, hash, at_ms| world.state.authenticate(&digest(hash), at_ms).is_ok();
    assert!(open(&world, 9, until_ms - 1) && open(&world, 50, until_ms - 1));
    assert!(!open(&world, 9, until_ms) && open(&world, 50, until_ms));
    // Rotated again at once: the first secret ends, whatever its overlap was.
    world.push(rotated(51, 0));
    assert!(!open(&world, 9, world.now_ms) && !open(&world, 50, world.now_ms));
    assert!(open(&world, 51, world.now_ms));
    assert!(matches!(world.refusal(rotated(9, 0)), Refusal::Exists { .. }));
    let long = world.now_ms + OVERLAP_MS_MAX + 1;
    assert!(matches!(world.refusal(rotated(52, long)), Refusal::OutOfBounds { .. }));
    // Balance and paid calls are the key's, not the secret's.
    assert_eq!(world.state.buyer_balance(&name("k-1")), 500);
}

#[test]
fn a_limit_per_day_holds_until_the_day_is_over() {
    let mut world = world_with(KeyGrant { limit_day: Some(499), ..caller() });
    world.now_ms = (world.now_ms / DAY_MS + 2) * DAY_MS - 10_000;
    world.push(reservation(&world, "k-2", 20));
    let refused = world.refusal(reservation(&world, "k-2", 21));
    let Refusal::SpendingLimit { period: "day", limit: 499, spent: 250, needed: 250, .. } = refused
    else {
        panic!("{refused:?}")
    };
    // What failed was not spent.
    world.push(PredictionVoided { prediction: digest(20), reason: "failed".into() });
    world.push(reservation(&world, "k-2", 22));
    // What nobody resolves is not spent either, from the moment at which it expires.
    world.now_ms += 100;
    world.push(reservation(&world, "k-2", 23));
    world.push(world.prediction(23));
    assert!(matches!(
        world.refusal(reservation(&world, "k-2", 24)),
        Refusal::SpendingLimit { period: "day", .. }
    ));
    world.now_ms += DAY_MS;
    world.push(reservation(&world, "k-2", 24));
    assert_eq!(world.state.key(&name("k-2")).unwrap().spending().total, 500);
}

#[test]
fn a_limit_of_the_account_binds_all_keys_that_spend_its_money() {
    let mut world = world_with(caller());
    let grant = KeyGrant { limit_total: Some(300), ..KeyGrant::unrestricted() };
    world.push(KeyAmended { key_id: name("k-1"), grant });
    world.push(reservation(&world, "k-2", 20));
    for key_id in ["k-1", "k-2"] {
        let refused = world.refusal(reservation(&world, key_id, 21));
        assert!(
            matches!(&refused, Refusal::SpendingLimit { key_id, period: "lifetime", .. } if key_id == "k-1"),
            "{refused:?}"
        );
    }
}

#[test]
fn a_reservation_that_nobody_resolves_is_voided_by_its_time() {
    let mut world = World::with_paid_calls();
    world.push(world.reservation(20));
    world.now_ms += 100;
    let late = world.refusal(world.prediction(20));
    assert!(matches!(late, Refusal::Ledger(_)), "{late:?}");
    world.push(Administered { by: "operator".into(), act: "look".into(), subject: "x".into() });
    let late = world.refusal(world.prediction(20));
    assert!(matches!(late, Refusal::PredictionResolved { state: "expired", .. }), "{late:?}");
    let left = world.state.calls_left(&name("k-1"), &name("wine-quality"), world.now_ms);
    assert_eq!(left, 2);
    assert_eq!(world.state.earnings(&member(0)), 0);
    assert_eq!(world.state.acts().len(), 1);
}

#[test]
fn a_call_is_paid_from_the_balance_only_if_the_grant_says_so() {
    let mut world = World::with_paid_calls();
    let own = KeyGrant { account: None, scopes: Scope::BUYER.to_vec(), ..caller() };
    world.push(granted("k-5", 45, own.clone()));
    world.push(Deposited { key_id: name("k-5"), ..world::deposit("d-5", 600) });
    let refused = world.refusal(reservation(&world, "k-5", 30));
    assert!(matches!(refused, Refusal::NoCallsLeft { .. }), "{refused:?}");
    world.push(KeyAmended { key_id: name("k-5"), grant: KeyGrant { pay_as_you_go: true, ..own } });
    for number in [30, 31] {
        world.push(reservation(&world, "k-5", number));
    }
    assert_eq!(world.state.buyer_balance(&name("k-5")), 100);
    let refused = world.refusal(reservation(&world, "k-5", 32));
    assert!(matches!(refused, Refusal::Ledger(_)), "{refused:?}");
    world.push(Predicted { ..world.prediction(30) });
    world.push(PredictionVoided { prediction: digest(31), reason: "failed".into() });
    assert_eq!(world.state.buyer_balance(&name("k-5")), 350);
    assert_eq!(world.state.counts().revenue, 250);
}
