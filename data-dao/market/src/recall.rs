//! Payments that are taken back outside, and what buyers owe afterwards.
//!
//! ```text
//!  prepaid/<lot> ─► buyer ─► deposits          what was not spent, goes back
//!                    debt ─► recalled          what was spent, is owed
//!  deposits ─► buyer ─► debt, recalled ─► deposits    the next money pays the debt first
//! ```
//! Who takes a payment back is the payment provider, and nobody here is asked: the money has left the DAO's account outside.
//! So the books say where it is missing. What is held outside is what `deposits` holds less what `recalled` holds; a sale that
//! was made stays made, and those who earned from it keep it.
//!
//! Threat: a buyer that pays, asks, and takes the payment back. It owes what it used, and until it has paid that it buys and
//! asks nothing more ([`crate::Purchase`] and the like are refused by the journal); nobody else's balance is touched.

use data_dao_ledger::{AccountId, Amount, Cause, Code, Currency, Name, Transfer};

use crate::{Purchase, PurchaseError};

/// A payment, or a part of one, that was taken back outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// Calls that were paid and not made, of which purchase, and how many: their money is the buyer's again first.
    pub given_back: Vec<(Purchase, u32)>,
    /// What of the payment the buyer has, with what those calls give.
    pub covered: Amount,
    /// What it has not: a debt from now on.
    pub owed: Amount,
}

impl Recall {
    /// The transfers, one chain.
    ///
    /// * `cause` — the encoding of what brought it about, unique to it.
    ///
    /// # Errors
    /// As [`Purchase::total`].
    pub fn transfers(&self, cause: &[u8]) -> Result<Vec<Transfer>, PurchaseError> {
        let Self { currency, buyer, given_back, covered, owed } = self;
        let account = AccountId::buyer(*currency, buyer.clone());
        let mut movements = Vec::with_capacity(given_back.len() + 2);
        for (purchase, calls) in given_back {
            let total = Purchase { calls: *calls, ..purchase.clone() }.total()?;
            movements.push((purchase.account(), account.clone(), total, Code::Refund));
        }
        let deposits = AccountId::deposits(*currency);
        movements.push((account, deposits, *covered, Code::Recall));
        let (debt, recalled) =
            (AccountId::debt(*currency, buyer.clone()), AccountId::recalled(*currency));
        movements.push((debt, recalled, *owed, Code::Recall));
        Ok(chain(cause, 0, movements))
    }
}

/// What a buyer pays of its debt, out of its balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebtPayment {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// How much.
    pub amount: Amount,
}

impl DebtPayment {
    /// The transfers, which go on with the chain of what brought the money; none if nothing is paid.
    ///
    /// * `cause` — as of that chain; `first` — how many transfers it has.
    #[must_use]
    pub fn transfers(&self, cause: &[u8], first: u32) -> Vec<Transfer> {
        let Self { currency, buyer, amount } = self;
        let debt = AccountId::debt(*currency, buyer.clone());
        let account = AccountId::buyer(*currency, buyer.clone());
        let recalled = AccountId::recalled(*currency);
        let deposits = AccountId::deposits(*currency);
        let code = Code::DebtPayment;
        chain(cause, first, [(account, debt, *amount, code), (recalled, deposits, *amount, code)])
    }
}

/// The movements of something as transfers of one cause; those of nothing are left out.
fn chain(
    cause: &[u8],
    first: u32,
    movements: impl IntoIterator<Item = (AccountId, AccountId, Amount, Code)>,
) -> Vec<Transfer> {
    let cause = Cause::of(cause);
    let moved = movements.into_iter().filter(|(_, _, amount, _)| amount.0 > 0);
    let numbered = (first..).zip(moved);
    let transfer = |(index, (from, to, amount, code))| {
        Transfer::posted(cause.transfer(index), from, to, amount, code)
    };
    numbered.map(transfer).collect()
}

#[cfg(test)]
mod tests {
    use data_dao_ledger::Accounts;

    use super::*;
    use crate::{Deposit, LicenceSale, RevenueTerms};

    #[test]
    fn what_was_spent_is_owed_and_the_next_money_pays_it() {
        let name = |text: &str| Name::new(text).unwrap();
        let (currency, buyer) = ("EUR".parse().unwrap(), name("k-1"));
        let mut accounts = Accounts::default();
        let held = |accounts: &Accounts| {
            let deposits = accounts.account(&AccountId::deposits(currency));
            let recalled = accounts.account(&AccountId::recalled(currency)).balance();
            (deposits.debits_posted - deposits.credits_posted).checked_sub(recalled)
        };
        let deposit = |amount| Deposit { currency, buyer: buyer.clone(), amount: Amount(amount) };
        accounts.apply(&deposit(1_000).transfers(b"in"), 0).unwrap();
        let purchase = Purchase {
            currency,
            buyer: buyer.clone(),
            model: name("wine"),
            lot: 0,
            calls: 4,
            price: 50,
        };
        accounts.apply(&purchase.transfers(b"calls").unwrap(), 0).unwrap();
        let (model, price, cause) = (name("wine"), Amount(600), Cause::of(b"licence"));
        let sale = LicenceSale { currency, buyer: buyer.clone(), model, price, cause };
        let terms = RevenueTerms { treasury_percent: 100, weights: Vec::new() };
        accounts.apply(&sale.settle(&terms).unwrap().transfers, 0).unwrap();

        let given_back = vec![(purchase, 4)];
        let (covered, owed) = (Amount(400), Amount(600));
        let recall = Recall { currency, buyer: buyer.clone(), given_back, covered, owed };
        accounts.apply(&recall.transfers(b"recall").unwrap(), 0).unwrap();
        let balance = |accounts: &Accounts, id: AccountId| accounts.account(&id).balance();
        assert_eq!(balance(&accounts, AccountId::buyer(currency, buyer.clone())), 0);
        assert_eq!(balance(&accounts, AccountId::treasury(currency)), 600, "what was earned stays");
        assert_eq!(held(&accounts), Some(0), "the provider took all of it back");

        let mut paid = deposit(700).transfers(b"again");
        let payment = DebtPayment { currency, buyer: buyer.clone(), amount: Amount(600) };
        paid.extend(payment.transfers(b"again", 1));
        accounts.apply(&paid, 0).unwrap();
        let debt = accounts.account(&AccountId::debt(currency, buyer.clone()));
        assert!(debt.is_settled(), "{debt:?}");
        assert_eq!(balance(&accounts, AccountId::buyer(currency, buyer.clone())), 100);
        assert_eq!(balance(&accounts, AccountId::recalled(currency)), 0);
        assert_eq!(held(&accounts), Some(700));
        let more = DebtPayment { currency, buyer, amount: Amount(1) }.transfers(b"more", 0);
        assert!(accounts.apply(&more, 0).is_err(), "no debt is paid twice");
    }
}
