//! What is paid at once: the licence of a model's parameters, and what a month leaves when it ends.

use data_dao_ledger::{AccountId, Amount, Cause, Code, Currency, Name, SplitError, Transfer};

use crate::prediction::pass_on;
use crate::{Purchase, RevenueTerms, Settlement};

/// The licence to download one version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceSale {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// The model.
    pub model: Name,
    /// What the licence costs.
    pub price: Amount,
    /// What brought the sale about, unique to it.
    pub cause: Cause,
}

impl LicenceSale {
    /// Pays the licence and passes the price on to those who earned it, in one chain.
    ///
    /// # Errors
    /// [`SplitError::WeightOverflow`].
    pub fn settle(&self, terms: &RevenueTerms) -> Result<Settlement, SplitError> {
        let Self { currency, buyer, model, price, cause } = self;
        let from = AccountId::buyer(*currency, buyer.clone());
        let revenue = AccountId::revenue(*currency, model.clone());
        let paid =
            Transfer::posted(cause.transfer(0), from, revenue.clone(), *price, Code::Licence);
        let shares = terms.shares(*price)?;
        let mut transfers = vec![paid];
        transfers.extend(pass_on(*currency, &revenue, cause.transfer(1), &shares));
        Ok(Settlement { shares, transfers })
    }
}

/// A month that is over: what was paid for calls nobody made is earned by those who kept the model ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthEnd {
    /// The month, as it was bought.
    pub purchase: Purchase,
    /// What is left of it, above zero.
    pub left: Amount,
    /// What brought the end about, unique to it.
    pub cause: Cause,
}

impl MonthEnd {
    /// Passes what is left on to those who earn from the model.
    ///
    /// # Errors
    /// [`SplitError::WeightOverflow`].
    pub fn settle(&self, terms: &RevenueTerms) -> Result<Settlement, SplitError> {
        let Self { purchase, left, cause } = self;
        let revenue = AccountId::revenue(purchase.currency, purchase.model.clone());
        let ended = Transfer::posted(
            cause.transfer(0),
            purchase.account(),
            revenue.clone(),
            *left,
            Code::MonthEnd,
        );
        let shares = terms.shares(*left)?;
        let mut transfers = vec![ended];
        transfers.extend(pass_on(purchase.currency, &revenue, cause.transfer(1), &shares));
        Ok(Settlement { shares, transfers })
    }
}

#[cfg(test)]
mod tests {
    use data_dao_ledger::Accounts;
    use privacy_identity::SigningKey;

    use super::*;
    use crate::{Deposit, Refund, Withdrawal};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    fn purchase() -> Purchase {
        let (buyer, model) = (name("k-1"), name("wine"));
        Purchase { currency: eur(), buyer, model, lot: 0, calls: 4, price: 25 }
    }

    #[test]
    fn money_goes_through_every_sale_and_back_and_none_is_lost() {
        let member = SigningKey::from_seed(&[1; 32]).verifying_key();
        let terms = RevenueTerms { treasury_percent: 10, weights: vec![(member, 1)] };
        let mut accounts = Accounts::default();
        let buyer = name("k-1");
        let deposit = Deposit { currency: eur(), buyer: buyer.clone(), amount: Amount(1_000) };
        accounts.apply(&deposit.transfers(b"in"), 0).unwrap();
        accounts.apply(&purchase().transfers(b"calls").unwrap(), 0).unwrap();
        let refund = |calls| Refund { purchase: purchase(), calls };
        accounts.apply(&refund(1).transfers(b"refund").unwrap(), 0).unwrap();
        assert!(accounts.apply(&refund(4).transfers(b"more").unwrap(), 0).is_err());
        let left = Amount(75);
        let month = MonthEnd { purchase: purchase(), left, cause: Cause::of(b"end") };
        let ended = month.settle(&terms).unwrap();
        accounts.apply(&ended.transfers, 0).unwrap();
        let cause = Cause::of(b"licence");
        let (model, price) = (name("wine"), Amount(200));
        let sale = LicenceSale { currency: eur(), buyer: buyer.clone(), model, price, cause };
        accounts.apply(&sale.settle(&terms).unwrap().transfers, 0).unwrap();
        let rest = Withdrawal { currency: eur(), buyer: buyer.clone(), amount: Amount(725) };
        accounts.apply(&rest.transfers(b"out"), 0).unwrap();
        let balance = |id: AccountId| accounts.account(&id).balance();
        assert_eq!(balance(AccountId::buyer(eur(), buyer)), 0);
        assert_eq!(balance(AccountId::treasury(eur())), 7 + 20);
        assert_eq!(balance(AccountId::money_member(eur(), member)), 68 + 180);
        assert_eq!(balance(AccountId::revenue(eur(), name("wine"))), 0);
    }
}
