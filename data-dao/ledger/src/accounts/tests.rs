use proptest::prelude::*;

use super::*;
use crate::{Book, Code, Currency, Name, Owner};

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

fn deposits() -> AccountId {
    AccountId::deposits(eur())
}

fn buyer(number: u8) -> AccountId {
    AccountId::buyer(eur(), Name::new(format!("k{number}")).unwrap())
}

fn id(number: u32) -> TransferId {
    TransferId::of(b"test", number)
}

fn posted(number: u32, debit: AccountId, credit: AccountId, amount: u128) -> Transfer {
    Transfer::posted(id(number), debit, credit, Amount(amount), Code::Deposit)
}

fn pending(number: u32, debit: AccountId, credit: AccountId, amount: u128) -> Transfer {
    let movement = Movement { debit, credit, amount: Amount(amount) };
    let kind = TransferKind::Pending { movement, expires_at_ms: 100 };
    Transfer { id: id(number), kind, code: Code::Prediction }
}

fn post(number: u32, pending: u32, amount: u128) -> Transfer {
    let kind = TransferKind::Post { pending: id(pending), amount: Amount(amount) };
    Transfer { id: id(number), kind, code: Code::Prediction }
}

fn void(number: u32, pending: u32) -> Transfer {
    let kind = TransferKind::Void { pending: id(pending) };
    Transfer { id: id(number), kind, code: Code::Prediction }
}

/// Buyer 1 holds 100.
fn funded() -> Accounts {
    let mut accounts = Accounts::default();
    accounts.apply(&[posted(0, deposits(), buyer(1), 100)], 0).unwrap();
    accounts
}

fn refused(accounts: &mut Accounts, batch: &[Transfer], now_ms: u64) -> Refusal {
    let before = accounts.clone();
    let refusal = accounts.apply(batch, now_ms).unwrap_err();
    assert_eq!(*accounts, before, "a refused batch changed something");
    refusal
}

#[test]
fn a_repeated_transfer_happens_once_and_a_changed_one_is_refused() {
    let mut accounts = funded();
    let again = posted(0, deposits(), buyer(1), 100);
    assert_eq!(accounts.apply(std::slice::from_ref(&again), 5).unwrap(), [Outcome::Exists]);
    assert_eq!(accounts.account(&buyer(1)).balance(), 100);
    let other = posted(0, deposits(), buyer(1), 101);
    assert_eq!(refused(&mut accounts, &[other], 5), Refusal::ExistsWithOtherFields { id: id(0) });
    let twice = [posted(1, deposits(), buyer(1), 1), posted(1, deposits(), buyer(1), 1)];
    assert_eq!(accounts.apply(&twice, 5).unwrap(), [Outcome::Applied, Outcome::Exists]);
}

#[test]
fn a_pending_debit_reserves_what_it_may_take() {
    let mut accounts = funded();
    accounts.apply(&[pending(1, buyer(1), buyer(2), 70)], 0).unwrap();
    assert_eq!(accounts.account(&buyer(1)).available(), 30);
    assert_eq!(accounts.account(&buyer(2)).available(), 0, "announced is not received");
    let refusal = refused(&mut accounts, &[posted(2, buyer(1), buyer(2), 31)], 0);
    let account = Box::new(buyer(1));
    assert_eq!(refusal, Refusal::Insufficient { account, available: 30, needed: 31 });
}

#[test]
fn a_partial_post_releases_the_rest() {
    let mut accounts = funded();
    accounts.apply(&[pending(1, buyer(1), buyer(2), 70)], 0).unwrap();
    accounts.apply(&[post(2, 1, 50)], 1).unwrap();
    assert_eq!(accounts.account(&buyer(1)).available(), 50);
    assert_eq!(accounts.account(&buyer(2)).available(), 50);
    assert_eq!(accounts.account(&buyer(1)).debits_pending, 0);
}

#[test]
fn a_pending_transfer_is_resolved_once() {
    let cases = [(post(2, 1, 70), Resolution::Posted), (void(2, 1), Resolution::Voided)];
    for (first, resolution) in cases {
        let mut accounts = funded();
        accounts.apply(&[pending(1, buyer(1), buyer(2), 70), first], 0).unwrap();
        let expected = Refusal::AlreadyResolved { id: id(1), resolution };
        assert_eq!(refused(&mut accounts, &[post(3, 1, 1)], 1), expected);
        assert_eq!(refused(&mut accounts, &[void(4, 1)], 1), expected);
    }
}

#[test]
fn an_expired_pending_transfer_is_released_and_cannot_be_posted() {
    let mut accounts = funded();
    accounts.apply(&[pending(1, buyer(1), buyer(2), 70)], 0).unwrap();
    assert_eq!(accounts.available(&buyer(1), 99), 30);
    assert_eq!(accounts.available(&buyer(1), 100), 100);
    let expected = Refusal::AlreadyResolved { id: id(1), resolution: Resolution::Expired };
    assert_eq!(refused(&mut accounts, &[post(2, 1, 70)], 100), expected);
    accounts.apply(&[posted(3, buyer(1), buyer(2), 100)], 100).unwrap();
    assert_eq!(accounts.pending_count(), 0);
    assert_eq!(accounts.account(&buyer(1)).debits_pending, 0);
}

#[test]
fn malformed_transfers_are_refused_by_name() {
    let mut accounts = funded();
    let member = AccountId::credit_issuance();
    let huge = posted(9, deposits(), buyer(2), u128::MAX);
    assert!(matches!(
        refused(&mut accounts, &[posted(1, buyer(1), member, 1)], 0),
        Refusal::DifferentBooks { .. }
    ));
    assert_eq!(
        refused(&mut accounts, &[posted(1, buyer(1), buyer(2), 0)], 0),
        Refusal::ZeroAmount { id: id(1) }
    );
    assert!(matches!(
        refused(&mut accounts, &[posted(1, buyer(1), buyer(1), 1)], 0),
        Refusal::SameAccount { .. }
    ));
    assert!(matches!(refused(&mut accounts, &[huge], 0), Refusal::Overflow { .. }));
    assert!(matches!(
        refused(&mut accounts, &[pending(1, buyer(1), buyer(2), 1)], 100),
        Refusal::ExpiresInThePast { .. }
    ));
    assert_eq!(refused(&mut accounts, &[post(1, 7, 1)], 0), Refusal::NoSuchPending { id: id(7) });
    let too_much = [pending(1, buyer(1), buyer(2), 5), post(2, 1, 6)];
    assert!(matches!(refused(&mut accounts, &too_much, 0), Refusal::ExceedsPending { .. }));
}

#[test]
fn linked_transfers_may_pass_an_amount_on() {
    let mut accounts = funded();
    let chain = [posted(1, buyer(1), buyer(2), 100), posted(2, buyer(2), buyer(3), 100)];
    accounts.apply(&chain, 0).unwrap();
    assert_eq!(accounts.account(&buyer(3)).balance(), 100);
}

fn invariant_debits_equal_credits(accounts: &Accounts) {
    let mut sums: BTreeMap<Book, Account> = BTreeMap::new();
    for (id, account) in accounts.iter() {
        let sum = sums.entry(id.book()).or_default();
        sum.debits_pending += account.debits_pending;
        sum.debits_posted += account.debits_posted;
        sum.credits_pending += account.credits_pending;
        sum.credits_posted += account.credits_posted;
    }
    for (book, sum) in sums {
        assert_eq!(sum.debits_pending, sum.credits_pending, "{book:?}");
        assert_eq!(sum.debits_posted, sum.credits_posted, "{book:?}");
    }
}

fn invariant_floors_hold(accounts: &Accounts) {
    for (id, account) in accounts.iter().filter(|(id, _)| id.floor() == Floor::Zero) {
        let debits = account.debits_posted + account.debits_pending;
        assert!(debits <= account.credits_posted, "{id} fell below zero");
    }
}

fn any_transfer() -> impl Strategy<Value = Transfer> {
    let account = || {
        (0_u8..6).prop_map(|number| match number {
            0 => deposits(),
            1 => AccountId::credit_issuance(),
            2 => AccountId::new(Book::Credit, Owner::Treasury).unwrap(),
            _ => buyer(number),
        })
    };
    (0_u32..30, 0_u8..4, account(), account(), 0_u128..60, 0_u32..30, 0_u64..200).prop_map(
        |(number, kind, debit, credit, amount, other, expires_at_ms)| {
            let amount = Amount(amount);
            let movement = Movement { debit, credit, amount };
            let kind = match kind {
                0 => TransferKind::Posted(movement),
                1 => TransferKind::Pending { movement, expires_at_ms },
                2 => TransferKind::Post { pending: id(other), amount },
                _ => TransferKind::Void { pending: id(other) },
            };
            Transfer { id: id(number), kind, code: Code::Deposit }
        },
    )
}

proptest! {
    #[test]
    fn after_any_sequence_the_books_balance(
        batches in proptest::collection::vec(
            (proptest::collection::vec(any_transfer(), 1..4), 0_u64..10),
            1..40,
        ),
    ) {
        let mut accounts = Accounts::default();
        let mut now_ms = 0;
        for (batch, passed_ms) in batches {
            now_ms += passed_ms;
            let before = accounts.clone();
            match accounts.apply(&batch, now_ms) {
                Err(_) => prop_assert_eq!(&accounts, &before),
                Ok(_) => {
                    // What happened once does not happen again.
                    let once = accounts.clone();
                    let again = accounts.apply(&batch, now_ms).unwrap();
                    prop_assert!(again.iter().all(|outcome| *outcome == Outcome::Exists));
                    prop_assert_eq!(&accounts, &once);
                }
            }
            invariant_debits_equal_credits(&accounts);
            invariant_floors_hold(&accounts);
        }
    }
}
