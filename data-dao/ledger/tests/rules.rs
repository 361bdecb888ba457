//! The accounts against a second reading of the rules, written down as a list of lines.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod model;

use std::{collections::BTreeMap, sync::LazyLock};

use data_dao_ledger::{
    AccountId, Accounts, Amount, Book, Cause, Code, Movement, Name, Transfer, TransferId,
    TransferKind,
};
use model::Model;
use privacy_identity::SigningKey;
use proptest::prelude::*;

/// Accounts of four books.
static ACCOUNTS: LazyLock<Vec<AccountId>> = LazyLock::new(|| {
    let eur = "EUR".parse().unwrap();
    let name = |text: &str| Name::new(text).unwrap();
    let key = |number| SigningKey::from_seed(&[number; 32]).verifying_key();
    vec![
        AccountId::deposits(eur),
        AccountId::buyer(eur, name("k-1")),
        AccountId::buyer(eur, name("k-2")),
        AccountId::credit_issuance(),
        AccountId::credit_member(key(1)),
        AccountId::credit_member(key(2)),
        AccountId::vote_issuance(),
        AccountId::vote_member(key(1)),
        AccountId::vote_member(key(2)),
        AccountId::privacy_issuance(),
        AccountId::privacy_budget(name("wine")),
        AccountId::privacy_spent(name("wine")),
        AccountId::privacy_spent(name("beer")),
    ]
});

/// Which of them often pay which.
const PAIRS: [(usize, usize); 13] = [
    (0, 1),
    (1, 2),
    (2, 1),
    (1, 2),
    (2, 0),
    (3, 4),
    (4, 5),
    (5, 4),
    (5, 3),
    (6, 7),
    (8, 6),
    (9, 10),
    (10, 11),
];

fn any_account() -> impl Strategy<Value = AccountId> {
    (0..ACCOUNTS.len()).prop_map(|index| ACCOUNTS[index].clone())
}

/// Mostly small, sometimes at the edges of 128 bits.
fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        30 => 0_u128..60,
        1 => (0_u128..3).prop_map(|less| u128::MAX - less),
        1 => (0_u128..3).prop_map(|more| u128::MAX / 2 + more),
    ]
    .prop_map(Amount)
}

fn any_movement() -> impl Strategy<Value = Movement> {
    let near = (0..PAIRS.len()).prop_map(|index| {
        let (from, to) = PAIRS[index];
        (ACCOUNTS[from].clone(), ACCOUNTS[to].clone())
    });
    let pair = prop_oneof![9 => near, 1 => (any_account(), any_account())];
    (pair, any_amount()).prop_map(|((debit, credit), amount)| Movement { debit, credit, amount })
}

fn cause(number: u8) -> Cause {
    Cause::of(&[number])
}

fn any_id() -> impl Strategy<Value = TransferId> {
    (0_u8..10, 0_u32..4).prop_map(|(number, index)| cause(number).transfer(index))
}

fn any_kind() -> impl Strategy<Value = TransferKind> {
    let expiry = prop_oneof![1 => Just(None), 4 => (20_u64..160).prop_map(Some)];
    prop_oneof![
        6 => any_movement().prop_map(TransferKind::Posted),
        4 => (any_movement(), expiry)
            .prop_map(|(movement, expires_at_ms)| TransferKind::Pending { movement, expires_at_ms }),
        3 => (any_id(), any_amount())
            .prop_map(|(pending, amount)| TransferKind::Post { pending, amount }),
        2 => any_id().prop_map(|pending| TransferKind::Void { pending }),
        1 => any_account().prop_map(|account| TransferKind::Close { account }),
        1 => (any_account(), proptest::option::of(any_amount()))
            .prop_map(|(account, most)| TransferKind::Limit { account, most }),
    ]
}

/// One to four transfers of one cause; rarely with a gap.
fn any_chain() -> impl Strategy<Value = Vec<Transfer>> {
    let kinds = proptest::collection::vec(any_kind(), 1..5);
    (any_id(), kinds, 0_u32..20).prop_map(|(first, kinds, gap)| {
        let transfer = |(offset, kind): (u32, TransferKind)| {
            let skipped = u32::from(gap == 0 && offset > 0);
            let id = first.cause.transfer(first.index + offset + skipped);
            Transfer { id, kind, code: Code::Deposit }
        };
        (0..).zip(kinds).map(transfer).collect()
    })
}

/// Every source gives 100 to the account after it.
fn funding() -> Vec<Transfer> {
    let transfer = |(index, from): (u32, usize)| {
        let (debit, credit) = (ACCOUNTS[from].clone(), ACCOUNTS[from + 1].clone());
        let id = cause(100).transfer(index);
        Transfer::posted(id, debit, credit, Amount(100), Code::Deposit)
    };
    (0..).zip([0, 3, 6, 9]).map(transfer).collect()
}

/// A history: chains with the time that passed before each; some chains come twice.
fn any_history() -> impl Strategy<Value = Vec<(Vec<Transfer>, u64)>> {
    let step = (any_chain(), 0_u64..6, any::<prop::sample::Index>(), 0_u8..6);
    proptest::collection::vec(step, 1..50).prop_map(|steps| {
        let chains: Vec<Vec<Transfer>> = steps.iter().map(|step| step.0.clone()).collect();
        let step = |(chain, passed_ms, other, repeat): (_, _, prop::sample::Index, u8)| {
            if repeat == 0 { (other.get(&chains).clone(), passed_ms) } else { (chain, passed_ms) }
        };
        [(funding(), 0)].into_iter().chain(steps.into_iter().map(step)).collect()
    })
}

fn invariant_debits_equal_credits(accounts: &Accounts) {
    let mut sums: BTreeMap<Book, (Vec<u128>, Vec<u128>)> = BTreeMap::new();
    for (id, account) in accounts.iter() {
        let sum = sums.entry(id.book()).or_default();
        sum.0.extend([account.debits_pending, account.debits_posted]);
        sum.1.extend([account.credits_pending, account.credits_posted]);
    }
    for (book, (debits, credits)) in sums {
        // Pending and posted apart; the sums of a book may exceed 128 bits.
        for column in 0..2 {
            let of = |side: &[u128]| {
                side.iter().skip(column).step_by(2).fold((0_u128, 0_u128), |(high, low), amount| {
                    let (low, carry) = low.overflowing_add(*amount);
                    (high + u128::from(carry), low)
                })
            };
            assert_eq!(of(&debits), of(&credits), "{book}");
        }
    }
}

fn invariant_bounds_hold(accounts: &Accounts) {
    for (id, account) in accounts.iter() {
        assert!(id.is_kept_by(account), "{id} is beyond its bound: {account:?}");
        if let Some(most) = accounts.limit(id) {
            let held = account.credits_posted.abs_diff(account.debits_posted);
            assert!(held <= most, "{id} holds {held}, its limit is {most}");
        }
        if accounts.is_closed(id) {
            assert!(account.is_settled(), "{id} is closed and holds something");
        }
    }
}

/// The variant's name.
fn name_of(refusal: &data_dao_ledger::Refusal) -> String {
    let text = format!("{refusal:?}");
    text.split([' ', '{']).next().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_taken_as_the_rules_say(history in any_history()) {
        let mut accounts = Accounts::default();
        let mut model = Model::default();
        let mut now_ms = 0;
        for (chain, passed_ms) in history {
            now_ms += passed_ms;
            let before = accounts.clone();
            let got = accounts.apply(&chain, now_ms);
            let expected = model.apply(&chain, now_ms);
            let got = got.map_err(|refusal| name_of(&refusal));
            prop_assert_eq!(&got, &expected.map_err(ToOwned::to_owned), "{:?}", chain);
            if got != Ok(data_dao_ledger::Outcome::Applied) {
                prop_assert_eq!(&accounts, &before, "it changed something");
            }
            for id in ACCOUNTS.iter() {
                prop_assert_eq!(accounts.account(id), model.account(id), "{}", id);
            }
            invariant_debits_equal_credits(&accounts);
            invariant_bounds_hold(&accounts);
        }
        // What is pending can be posted in full, whatever happened since.
        prop_assert_eq!(accounts.pending_count(), model.open().len());
        for (pending, amount, expires_at_ms) in model.open() {
            if expires_at_ms.is_some_and(|expiry| expiry <= now_ms) {
                continue;
            }
            let kind = TransferKind::Post { pending, amount };
            let post = Transfer { id: cause(99).transfer(0), kind, code: Code::Deposit };
            prop_assert!(accounts.clone().apply(&[post], now_ms).is_ok());
        }
    }
}

#[test]
fn the_model_is_reached_in_all_its_answers() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..500 {
        let history = any_history().new_tree(&mut runner).unwrap().current();
        let (mut model, mut now_ms) = (Model::default(), 0);
        for (chain, passed_ms) in history {
            now_ms += passed_ms;
            let answer = model.apply(&chain, now_ms);
            let answer = answer.map_or_else(ToOwned::to_owned, |outcome| format!("{outcome:?}"));
            *answers.entry(answer).or_default() += 1;
        }
    }
    let names = [
        "Applied",
        "Exists",
        "AboveLimit",
        "AlreadyResolved",
        "BrokenChain",
        "Closed",
        "DifferentBooks",
        "ExceedsPending",
        "ExistsWithOtherFields",
        "ExpiresInThePast",
        "Insufficient",
        "NoSuchPending",
        "NotEmpty",
        "NotTransferable",
        "Overflow",
        "SameAccount",
        "ZeroAmount",
    ];
    for name in names {
        assert!(answers.get(name).is_some_and(|count| *count >= 5), "{name}: {answers:?}");
    }
}
