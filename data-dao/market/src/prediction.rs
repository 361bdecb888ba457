//! One prediction: a call reserved, then paid to those who earned it, or given back.

use std::{fmt, str::FromStr};

use data_dao_ledger::{
    AccountId, Amount, Cause, Code, Currency, Movement, Name, SplitError, Transfer, TransferId,
    TransferKind, part, split,
};
use privacy_identity::{KeyError, VerifyingKey};

/// Why a text is not a recipient.
pub type RecipientError = KeyError;

/// Who gets a part of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// The DAO.
    Treasury,
    /// A contributor.
    Member(VerifyingKey),
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Treasury => f.write_str("treasury"),
            Self::Member(key) => key.fmt(f),
        }
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        if text == "treasury" { Ok(Self::Treasury) } else { text.parse().map(Self::Member) }
    }
}

/// One line of a receipt: who gets how much of the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevenueShare {
    /// Who.
    pub recipient: Recipient,
    /// How much.
    pub amount: Amount,
}

/// How the price of a model version is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevenueTerms {
    /// The DAO's part in parts per hundred, rounded down.
    pub treasury_percent: u8,
    /// The contributors' weights; what the DAO leaves is split by them.
    pub weights: Vec<(VerifyingKey, u128)>,
}

impl RevenueTerms {
    /// Splits `price`: the DAO's part rounded down, the rest by weight with the largest-remainder
    /// rule. If nobody has weight, all of it is the DAO's.
    ///
    /// Returns the parts above zero, the DAO first, then members in the order of the weights;
    /// they sum to `price`.
    ///
    /// # Errors
    /// [`SplitError::WeightOverflow`].
    pub fn shares(&self, price: Amount) -> Result<Vec<RevenueShare>, SplitError> {
        let treasury = part(price.0, self.treasury_percent);
        let weights: Vec<u128> = self.weights.iter().map(|(_, weight)| *weight).collect();
        let (treasury, parts) = match split(price.0 - treasury, &weights) {
            Ok(parts) => (treasury, parts),
            Err(SplitError::ZeroWeights { .. }) => (price.0, Vec::new()),
            Err(error) => return Err(error),
        };
        let members = self.weights.iter().zip(parts);
        let members = members.map(|((member, _), part)| (Recipient::Member(*member), part));
        Ok([(Recipient::Treasury, treasury)]
            .into_iter()
            .chain(members)
            .filter(|(_, amount)| *amount > 0)
            .map(|(recipient, amount)| RevenueShare { recipient, amount: Amount(amount) })
            .collect())
    }
}

/// What a prediction pays, and the bookings that pay it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Who gets how much.
    pub shares: Vec<RevenueShare>,
    /// The linked transfers.
    pub transfers: Vec<Transfer>,
}

/// What a call is paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallSource {
    /// A purchase of calls, by its number.
    Lot(u32),
    /// The buyer's money, at the price of the moment.
    Balance,
}

/// One call sold: its reservation and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionSale {
    /// The currency.
    pub currency: Currency,
    /// The buyer's key.
    pub buyer: Name,
    /// The model.
    pub model: Name,
    /// What the call is paid from.
    pub source: CallSource,
    /// What the call cost.
    pub price: Amount,
    /// What brought the prediction about, unique to it.
    pub cause: Cause,
}

impl PredictionSale {
    /// Reserves the price until `expires_at_ms`.
    #[must_use]
    pub fn reserve(&self, expires_at_ms: u64) -> Vec<Transfer> {
        let Self { currency, buyer, model, source, price, .. } = self;
        let debit = match source {
            CallSource::Lot(lot) => {
                AccountId::prepaid(*currency, buyer.clone(), model.clone(), *lot)
            }
            CallSource::Balance => AccountId::buyer(*currency, buyer.clone()),
        };
        let movement = Movement { debit, credit: self.revenue(), amount: *price };
        let kind = TransferKind::Pending { movement, expires_at_ms: Some(expires_at_ms) };
        vec![Transfer { id: self.id(0), kind, code: Code::Prediction }]
    }

    /// Pays the reserved price and passes it on to those who earned it.
    ///
    /// # Errors
    /// [`SplitError::WeightOverflow`].
    pub fn settle(&self, terms: &RevenueTerms) -> Result<Settlement, SplitError> {
        let shares = terms.shares(self.price)?;
        let kind = TransferKind::Post { pending: self.id(0), amount: self.price };
        let mut transfers = vec![Transfer { id: self.id(1), kind, code: Code::Prediction }];
        transfers.extend(pass_on(self.currency, &self.revenue(), self.id(2), &shares));
        Ok(Settlement { shares, transfers })
    }

    /// Gives the reserved call back.
    #[must_use]
    pub fn void(&self) -> Vec<Transfer> {
        let kind = TransferKind::Void { pending: self.id(0) };
        vec![Transfer { id: self.id(1), kind, code: Code::Prediction }]
    }

    const fn id(&self, index: u32) -> TransferId {
        self.cause.transfer(index)
    }

    fn revenue(&self) -> AccountId {
        AccountId::revenue(self.currency, self.model.clone())
    }
}

/// What brings revenue to those who earned it, from transfer `first` on.
pub(crate) fn pass_on(
    currency: Currency,
    revenue: &AccountId,
    first: TransferId,
    shares: &[RevenueShare],
) -> Vec<Transfer> {
    let transfer = |(index, RevenueShare { recipient, amount }): (u32, &RevenueShare)| {
        let (account, code) = match recipient {
            Recipient::Treasury => (AccountId::treasury(currency), Code::TreasuryShare),
            Recipient::Member(key) => (AccountId::money_member(currency, *key), Code::MemberShare),
        };
        let id = first.cause.transfer(index);
        Transfer::posted(id, revenue.clone(), account, *amount, code)
    };
    (first.index..).zip(shares).map(transfer).collect()
}

#[cfg(test)]
mod tests {
    use data_dao_ledger::Accounts;
    use privacy_identity::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::{Deposit, Purchase};

    fn member(number: u8) -> VerifyingKey {
        SigningKey::from_seed(&[number; 32]).verifying_key()
    }

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn sale(cause: &[u8]) -> PredictionSale {
        PredictionSale {
            currency: eur(),
            buyer: name("k-1"),
            model: name("wine"),
            source: CallSource::Lot(0),
            price: Amount(250),
            cause: Cause::of(cause),
        }
    }

    fn terms(treasury_percent: u8, weights: &[u128]) -> RevenueTerms {
        let weights = (1..).zip(weights).map(|(n, weight)| (member(n), *weight)).collect();
        RevenueTerms { treasury_percent, weights }
    }

    /// Two calls are paid.
    fn bought() -> Accounts {
        let purchase = Purchase {
            currency: eur(),
            buyer: name("k-1"),
            model: name("wine"),
            lot: 0,
            calls: 2,
            price: 250,
        };
        let deposit = Deposit { currency: eur(), buyer: name("k-1"), amount: Amount(1_000) };
        let mut accounts = Accounts::default();
        accounts.apply(&deposit.transfers(b"deposit"), 0).unwrap();
        accounts.apply(&purchase.transfers(b"purchase").unwrap(), 0).unwrap();
        accounts
    }

    #[test]
    fn the_price_of_a_prediction_reaches_those_who_earned_it() {
        let mut accounts = bought();
        let sale = sale(b"prediction");
        accounts.apply(&sale.reserve(10), 0).unwrap();
        let settlement = sale.settle(&terms(10, &[3, 0, 1])).unwrap();
        accounts.apply(&settlement.transfers, 1).unwrap();
        let balance = |id: AccountId| accounts.account(&id).balance();
        assert_eq!(balance(AccountId::treasury(eur())), 25);
        assert_eq!(balance(AccountId::money_member(eur(), member(1))), 169);
        assert_eq!(balance(AccountId::money_member(eur(), member(2))), 0);
        assert_eq!(balance(AccountId::money_member(eur(), member(3))), 56);
        assert_eq!(balance(AccountId::revenue(eur(), name("wine"))), 0);
        assert_eq!(balance(AccountId::prepaid(eur(), name("k-1"), name("wine"), 0)), 250);
        let lines: Vec<Recipient> = settlement.shares.iter().map(|line| line.recipient).collect();
        let members = [Recipient::Member(member(1)), Recipient::Member(member(3))];
        assert_eq!(lines, [&[Recipient::Treasury][..], &members].concat());
    }

    #[test]
    fn more_calls_than_were_paid_cannot_be_reserved() {
        let mut accounts = bought();
        accounts.apply(&sale(b"1").reserve(10), 0).unwrap();
        accounts.apply(&sale(b"2").reserve(10), 0).unwrap();
        assert!(accounts.apply(&sale(b"3").reserve(10), 0).is_err());
        accounts.apply(&sale(b"1").void(), 1).unwrap();
        accounts.apply(&sale(b"4").reserve(11), 1).unwrap();
        assert!(accounts.apply(&sale(b"5").reserve(12), 9).is_err());
        accounts.apply(&sale(b"6").reserve(12), 10).unwrap();
    }

    #[test]
    fn a_price_that_nobody_earned_is_the_treasurys() {
        let all = RevenueShare { recipient: Recipient::Treasury, amount: Amount(250) };
        assert_eq!(terms(10, &[]).shares(Amount(250)).unwrap(), [all]);
        assert_eq!(terms(0, &[0, 0]).shares(Amount(250)).unwrap(), [all]);
    }

    #[test]
    fn recipients_have_a_readable_form() {
        for recipient in [Recipient::Treasury, Recipient::Member(member(1))] {
            assert_eq!(recipient.to_string().parse::<Recipient>().unwrap(), recipient);
        }
        assert!("operator".parse::<Recipient>().is_err());
    }

    proptest! {
        #[test]
        fn lines_of_a_receipt_sum_to_the_price(
            price: u128,
            percent in 0_u8..=100,
            weights in proptest::collection::vec(0_u128..1 << 80, 0..12),
        ) {
            let shares = terms(percent, &weights).shares(Amount(price)).unwrap();
            let sum = shares.iter().try_fold(0_u128, |sum, line| sum.checked_add(line.amount.0));
            prop_assert_eq!(sum, Some(price));
        }
    }
}
