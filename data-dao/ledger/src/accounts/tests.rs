use super::*;
use crate::{Amount, Book, Cause, Code, Currency, Name, Owner, TransferKind};

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
    Cause::of(b"test").transfer(number)
}

fn posted(number: u32, debit: AccountId, credit: AccountId, amount: u128) -> Transfer {
    Transfer::posted(id(number), debit, credit, Amount(amount), Code::Deposit)
}

fn pending(number: u32, debit: AccountId, credit: AccountId, amount: u128) -> Transfer {
    let movement = Movement { debit, credit, amount: Amount(amount) };
    let kind = TransferKind::Pending { movement, expires_at_ms: Some(100) };
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
    assert_eq!(accounts.apply(std::slice::from_ref(&again), 5), Ok(Outcome::Exists));
    assert_eq!(accounts.account(&buyer(1)).balance(), 100);
    let other = posted(0, deposits(), buyer(1), 101);
    assert_eq!(refused(&mut accounts, &[other], 5), Refusal::ExistsWithOtherFields { id: id(0) });
    let twice = [posted(1, deposits(), buyer(1), 1), posted(1, deposits(), buyer(1), 1)];
    let refusal = Refusal::BrokenChain { expected: Some(id(2)), got: id(1) };
    assert_eq!(refused(&mut accounts, &twice, 5), refusal);
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

fn credit(number: u8) -> AccountId {
    let key = privacy_identity::SigningKey::from_seed(&[number; 32]).verifying_key();
    AccountId::credit_member(key)
}

fn restriction(number: u32, kind: TransferKind) -> Transfer {
    Transfer { id: id(number), kind, code: Code::Restriction }
}

#[test]
fn a_chain_happens_once_and_as_a_whole() {
    let mut accounts = funded();
    let chain = [posted(1, buyer(1), buyer(2), 10), posted(2, buyer(1), buyer(3), 10)];
    assert_eq!(accounts.apply(&chain, 0), Ok(Outcome::Applied));
    assert_eq!(accounts.apply(&chain, 0), Ok(Outcome::Exists));
    // A part of it, more than it, and another one that reaches into it.
    let longer = [chain[0].clone(), chain[1].clone(), posted(3, buyer(1), buyer(2), 1)];
    let into = [posted(2, buyer(1), buyer(3), 10), posted(3, buyer(1), buyer(2), 1)];
    for (other, at) in [(&chain[..1], 1), (&chain[1..], 2), (&longer[..], 1), (&into[..], 2)] {
        let expected = Refusal::ExistsWithOtherFields { id: id(at) };
        assert_eq!(refused(&mut accounts, other, 0), expected);
    }
    assert_eq!(accounts.transfer_count(), 3);
    let gap = [posted(5, buyer(1), buyer(2), 1), posted(7, buyer(1), buyer(2), 1)];
    assert!(matches!(refused(&mut accounts, &gap, 0), Refusal::BrokenChain { .. }));
    let elsewhere = Cause::of(b"other").transfer(6);
    let mut foreign = [posted(5, buyer(1), buyer(2), 1), posted(6, buyer(1), buyer(2), 1)];
    foreign[1].id = elsewhere;
    assert!(matches!(refused(&mut accounts, &foreign, 0), Refusal::BrokenChain { .. }));
}

#[test]
fn the_last_index_of_a_cause_has_no_next() {
    let mut accounts = funded();
    let last = posted(u32::MAX, buyer(1), buyer(2), 1);
    assert_eq!(accounts.apply(std::slice::from_ref(&last), 0), Ok(Outcome::Applied));
    let wrapped = [last, posted(0, buyer(1), buyer(2), 1)];
    assert!(matches!(refused(&mut accounts, &wrapped, 0), Refusal::BrokenChain { .. }));
}

#[test]
fn a_transfer_that_fails_undoes_those_before_it() {
    let mut accounts = funded();
    let chain = [
        posted(1, buyer(1), buyer(2), 60),
        pending(2, buyer(2), buyer(3), 60),
        posted(3, buyer(1), buyer(2), 41),
    ];
    assert!(matches!(refused(&mut accounts, &chain, 0), Refusal::Insufficient { .. }));
    assert_eq!(accounts.apply(&chain[..2], 0), Ok(Outcome::Applied));
}

#[test]
fn a_pending_transfer_without_expiry_waits_for_ever() {
    let mut accounts = funded();
    let movement = Movement { debit: buyer(1), credit: buyer(2), amount: Amount(70) };
    let kind = TransferKind::Pending { movement, expires_at_ms: None };
    accounts.apply(&[Transfer { id: id(1), kind, code: Code::RoundPay }], 0).unwrap();
    assert_eq!(accounts.available(&buyer(1), u64::MAX), 30);
    accounts.apply(&[post(2, 1, 70)], u64::MAX).unwrap();
    assert_eq!(accounts.account(&buyer(2)).balance(), 70);
}

#[test]
fn more_does_not_return_to_a_source_than_came_out_of_it() {
    let mut accounts = Accounts::default();
    let issuance = AccountId::credit_issuance();
    accounts.apply(&[posted(0, issuance.clone(), credit(1), 100)], 0).unwrap();
    accounts.apply(&[posted(1, credit(1), issuance.clone(), 40)], 0).unwrap();
    assert_eq!(accounts.account(&credit(1)).balance(), 60);
    let movement = Movement { debit: issuance.clone(), credit: credit(1), amount: Amount(9) };
    let kind = TransferKind::Pending { movement, expires_at_ms: None };
    accounts.apply(&[Transfer { id: id(2), kind, code: Code::RoundPay }], 0).unwrap();
    // What is only announced cannot come back.
    let back = posted(3, credit(1), issuance, 61);
    assert!(matches!(refused(&mut accounts, &[back], 0), Refusal::Insufficient { .. }));
}

#[test]
fn a_closed_account_is_empty_and_takes_nothing_any_more() {
    let mut accounts = funded();
    let close = |number, account| restriction(number, TransferKind::Close { account });
    let refusal = refused(&mut accounts, &[close(1, buyer(1))], 0);
    assert_eq!(refusal, Refusal::NotEmpty { account: Box::new(buyer(1)), held: 100 });
    accounts.apply(&[pending(1, buyer(1), buyer(2), 100)], 0).unwrap();
    let refusal = refused(&mut accounts, &[close(2, buyer(2))], 0);
    assert!(matches!(refusal, Refusal::NotEmpty { held: 0, .. }), "its credits are pending");
    // A balance is paid out and the account closed in one.
    accounts.apply(&[post(2, 1, 100), close(3, buyer(1))], 0).unwrap();
    assert!(accounts.is_closed(&buyer(1)));
    let account = || Box::new(buyer(1));
    let closed = Refusal::Closed { account: account() };
    assert_eq!(refused(&mut accounts, &[posted(4, buyer(2), buyer(1), 1)], 0), closed);
    assert_eq!(refused(&mut accounts, &[close(4, buyer(1))], 0), closed);
    let limit = restriction(4, TransferKind::Limit { account: buyer(1), most: None });
    assert_eq!(refused(&mut accounts, &[limit], 0), closed);
}

#[test]
fn a_limit_counts_what_is_announced() {
    let mut accounts = funded();
    let limit = |number, account, most: Option<u128>| {
        let most = most.map(Amount);
        restriction(number, TransferKind::Limit { account, most })
    };
    let refusal = refused(&mut accounts, &[limit(1, buyer(1), Some(99))], 0);
    assert!(matches!(refusal, Refusal::AboveLimit { most: 99, got: 100, .. }));
    accounts.apply(&[limit(1, buyer(2), Some(50))], 0).unwrap();
    accounts.apply(&[pending(2, buyer(1), buyer(2), 30)], 0).unwrap();
    let refusal = refused(&mut accounts, &[posted(3, buyer(1), buyer(2), 21)], 0);
    assert!(matches!(refusal, Refusal::AboveLimit { most: 50, got: 51, .. }));
    accounts.apply(&[posted(3, buyer(1), buyer(2), 20)], 0).unwrap();
    // Of a source, what is in circulation.
    accounts.apply(&[limit(4, deposits(), Some(100))], 0).unwrap();
    let refusal = refused(&mut accounts, &[posted(5, deposits(), buyer(1), 1)], 0);
    assert!(matches!(refusal, Refusal::AboveLimit { most: 100, got: 101, .. }));
    accounts.apply(&[limit(5, deposits(), None)], 0).unwrap();
    accounts.apply(&[posted(6, deposits(), buyer(1), 1)], 0).unwrap();
    assert_eq!(accounts.limit(&deposits()), None);
}

#[test]
fn votes_are_earned_and_not_handed_on() {
    let mut accounts = Accounts::default();
    let key = |number| privacy_identity::SigningKey::from_seed(&[number; 32]).verifying_key();
    let vote = |number| AccountId::vote_member(key(number));
    accounts.apply(&[posted(0, AccountId::vote_issuance(), vote(1), 5)], 0).unwrap();
    let refusal = refused(&mut accounts, &[posted(1, vote(1), vote(2), 1)], 0);
    assert!(matches!(refusal, Refusal::NotTransferable { .. }));
    assert!(AccountId::new(Book::Vote, Owner::Treasury).is_err());
}

#[test]
fn privacy_cannot_be_overdrawn_or_refunded() {
    let wine = || Name::new("wine").unwrap();
    let (budget, spent) = (AccountId::privacy_budget(wine()), AccountId::privacy_spent(wine()));
    let mut accounts = Accounts::default();
    let issued = posted(0, AccountId::privacy_issuance(), budget.clone(), 1_000_000);
    accounts.apply(&[issued], 0).unwrap();
    accounts.apply(&[posted(1, budget.clone(), spent.clone(), 600_000)], 0).unwrap();
    let refusal = refused(&mut accounts, &[posted(2, budget.clone(), spent.clone(), 400_001)], 0);
    let account = Box::new(budget.clone());
    assert_eq!(refusal, Refusal::Insufficient { account, available: 400_000, needed: 400_001 });
    let back = posted(2, spent, budget, 1);
    assert!(matches!(refused(&mut accounts, &[back], 0), Refusal::NotTransferable { .. }));
}

#[test]
fn amounts_at_the_edge_of_128_bits_are_exact() {
    let mut accounts = Accounts::default();
    accounts.apply(&[posted(0, deposits(), buyer(1), u128::MAX)], 0).unwrap();
    let over = refused(&mut accounts, &[posted(1, deposits(), buyer(2), 1)], 0);
    assert_eq!(over, Refusal::Overflow { account: Box::new(deposits()) });
    accounts.apply(&[pending(1, buyer(1), buyer(2), u128::MAX)], 0).unwrap();
    assert_eq!(accounts.account(&buyer(1)).available(), 0);
    let twice = refused(&mut accounts, &[posted(2, buyer(1), buyer(3), 1)], 0);
    assert!(matches!(twice, Refusal::Overflow { .. }), "pending and posted fit 128 bits together");
    accounts.apply(&[post(2, 1, u128::MAX)], 0).unwrap();
    assert_eq!(accounts.account(&buyer(2)).balance(), u128::MAX);
    accounts.apply(&[posted(3, buyer(2), deposits(), u128::MAX)], 0).unwrap();
    assert!(accounts.account(&deposits()).is_settled());
    // The account has given all that 128 bits can count, so it gives nothing any more.
    let spent = refused(&mut accounts, &[posted(4, deposits(), buyer(1), 1)], 0);
    assert!(matches!(spent, Refusal::Overflow { .. }));
}
