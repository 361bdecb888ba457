//! Money in, and calls paid in advance.

use data_dao_ledger::{AccountId, Amount, Cause, Code, Currency, Name, Transfer};
use thiserror::Error;

/// Why a purchase was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PurchaseError {
    /// No calls, or calls that cost nothing: there is nothing to pay.
    #[error("{calls} calls at {price} each cost nothing")]
    Nothing {
        /// Calls asked for.
        calls: u32,
        /// Price of one.
        price: u128,
    },
    /// The total does not fit 128 bits.
    #[error("{calls} calls at {price} each exceed 128 bits")]
    Overflow {
        /// Calls asked for.
        calls: u32,
        /// Price of one.
        price: u128,
    },
}

/// Money that arrived for a buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// How much.
    pub amount: Amount,
}

impl Deposit {
    /// The one transfer of a deposit.
    ///
    /// * `cause` — the encoding of what brought it about, unique to it.
    #[must_use]
    pub fn transfers(&self, cause: &[u8]) -> Vec<Transfer> {
        vec![Transfer::posted(
            Cause::of(cause).transfer(0),
            AccountId::deposits(self.currency),
            AccountId::buyer(self.currency, self.buyer.clone()),
            self.amount,
            Code::Deposit,
        )]
    }
}

/// Money that goes back to a buyer outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// How much.
    pub amount: Amount,
}

impl Withdrawal {
    /// The one transfer of a withdrawal.
    ///
    /// * `cause` — the encoding of what brought it about, unique to it.
    #[must_use]
    pub fn transfers(&self, cause: &[u8]) -> Vec<Transfer> {
        vec![Transfer::posted(
            Cause::of(cause).transfer(0),
            AccountId::buyer(self.currency, self.buyer.clone()),
            AccountId::deposits(self.currency),
            self.amount,
            Code::Withdrawal,
        )]
    }
}

/// Calls that were paid and not made: their money is the buyer's again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// What was bought.
    pub purchase: Purchase,
    /// How many of its calls are given back.
    pub calls: u32,
}

impl Refund {
    /// The one transfer of a refund, at the price that was paid.
    ///
    /// * `cause` — the encoding of what brought it about, unique to it.
    ///
    /// # Errors
    /// As [`Purchase::total`].
    pub fn transfers(&self, cause: &[u8]) -> Result<Vec<Transfer>, PurchaseError> {
        let total = Purchase { calls: self.calls, ..self.purchase.clone() }.total()?;
        Ok(vec![Transfer::posted(
            Cause::of(cause).transfer(0),
            self.purchase.account(),
            AccountId::buyer(self.purchase.currency, self.purchase.buyer.clone()),
            total,
            Code::Refund,
        )])
    }
}

/// Calls of a model, paid in advance at the price of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// The model.
    pub model: Name,
    /// Which purchase of this model by this buyer, from 0: each keeps its own price.
    pub lot: u32,
    /// How many calls.
    pub calls: u32,
    /// Price of one call.
    pub price: u128,
}

impl Purchase {
    /// What the purchase costs.
    ///
    /// # Errors
    /// [`PurchaseError`] if it costs nothing or more than 128 bits hold.
    pub fn total(&self) -> Result<Amount, PurchaseError> {
        let (calls, price) = (self.calls, self.price);
        match price.checked_mul(u128::from(calls)) {
            None => Err(PurchaseError::Overflow { calls, price }),
            Some(0) => Err(PurchaseError::Nothing { calls, price }),
            Some(total) => Ok(Amount(total)),
        }
    }

    /// The one transfer of a purchase.
    ///
    /// * `cause` — the encoding of what brought it about, unique to it.
    ///
    /// # Errors
    /// As [`Purchase::total`].
    pub fn transfers(&self, cause: &[u8]) -> Result<Vec<Transfer>, PurchaseError> {
        Ok(vec![Transfer::posted(
            Cause::of(cause).transfer(0),
            AccountId::buyer(self.currency, self.buyer.clone()),
            self.account(),
            self.total()?,
            Code::Purchase,
        )])
    }

    /// Where the paid calls wait.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::prepaid(self.currency, self.buyer.clone(), self.model.clone(), self.lot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(calls: u32, price: u128) -> Purchase {
        Purchase {
            currency: "EUR".parse().unwrap(),
            buyer: Name::new("k-1").unwrap(),
            model: Name::new("wine").unwrap(),
            lot: 0,
            calls,
            price,
        }
    }

    #[test]
    fn a_purchase_costs_calls_times_price() {
        assert_eq!(purchase(3, 250).total(), Ok(Amount(750)));
        assert!(matches!(purchase(0, 250).total(), Err(PurchaseError::Nothing { .. })));
        assert!(matches!(purchase(3, 0).total(), Err(PurchaseError::Nothing { .. })));
        assert!(matches!(purchase(2, u128::MAX).total(), Err(PurchaseError::Overflow { .. })));
    }
}
