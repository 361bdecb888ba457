//! Readable names of accounts.

use std::{fmt, str::FromStr};

use privacy_identity::{Encode, VerifyingKey, Writer};
use thiserror::Error;

use crate::{Book, Currency, Name};

/// Whose account it is, or what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Where the amounts of a book come from: goes below zero by as much as is in circulation.
    Issuance,
    /// Money that arrived from outside: goes below zero by as much as is held.
    Deposits,
    /// The DAO's own.
    Treasury,
    /// A member's.
    Member(VerifyingKey),
    /// A buyer's unspent money.
    Buyer(Name),
    /// Calls paid in advance and not yet used, one account per purchase.
    Prepaid {
        /// The buyer's key.
        buyer: Name,
        /// The model whose calls these are.
        model: Name,
        /// Which purchase of them, from 0.
        lot: u32,
    },
    /// A model's revenue on its way to those who earned it.
    Revenue(Name),
    /// What a buyer owes: goes below zero by as much.
    Debt(Name),
    /// Money that was taken back outside beyond what its buyers had left: it comes back as they pay what they owe.
    Recalled,
    /// ε that a federation may still spend.
    Budget(Name),
    /// ε that a federation's rounds have cost.
    Spent(Name),
}

/// Which of an account's two sides bounds the other. Pending transfers count on the bounded side
/// and not on the bounding one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Debits never exceed credits: the account does not fall below zero.
    DebitsWithinCredits,
    /// Credits never exceed debits: what comes back to a source, or to pay a debt, never exceeds what came out of it.
    CreditsWithinDebits,
}

/// Why a text or a pair of book and owner names no account.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Not the code of a currency.
    #[error("{got:?} is not a currency of ISO 4217, for example EUR")]
    NotACurrency {
        /// The text.
        got: String,
    },
    /// The book has no such account.
    #[error("{got} is not an account: the book has none of this kind")]
    NotInThisBook {
        /// The account as text.
        got: String,
    },
    /// The text does not follow the form of an account id.
    #[error("{got:?} is not an account id")]
    NotAnAccount {
        /// The text.
        got: String,
    },
}

/// Names an account, readably: `credit/member/<key>`, `money/EUR/treasury`. The book is part of
/// the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId {
    book: Book,
    owner: Owner,
}

impl AccountId {
    /// The account of `owner` in `book`.
    ///
    /// # Errors
    /// [`AccountError::NotInThisBook`]: money is of buyers, members, the treasury and models; votes
    /// are members' alone; ε is a federation's; all but money is issued.
    pub fn new(book: Book, owner: Owner) -> Result<Self, AccountError> {
        use Owner as O;
        let id = Self { book, owner };
        let fits = match book {
            Book::Credit | Book::Compute => {
                matches!(id.owner, O::Issuance | O::Treasury | O::Member(_))
            }
            Book::Vote => matches!(id.owner, O::Issuance | O::Member(_)),
            Book::Money(_) => !matches!(id.owner, O::Issuance | O::Budget(_) | O::Spent(_)),
            Book::Privacy => matches!(id.owner, O::Issuance | O::Budget(_) | O::Spent(_)),
        };
        if fits { Ok(id) } else { Err(AccountError::NotInThisBook { got: id.to_string() }) }
    }

    /// Where credits come from.
    #[must_use]
    pub const fn credit_issuance() -> Self {
        Self { book: Book::Credit, owner: Owner::Issuance }
    }

    /// A member's credits.
    #[must_use]
    pub const fn credit_member(member: VerifyingKey) -> Self {
        Self { book: Book::Credit, owner: Owner::Member(member) }
    }

    /// Where votes come from.
    #[must_use]
    pub const fn vote_issuance() -> Self {
        Self { book: Book::Vote, owner: Owner::Issuance }
    }

    /// A member's votes.
    #[must_use]
    pub const fn vote_member(member: VerifyingKey) -> Self {
        Self { book: Book::Vote, owner: Owner::Member(member) }
    }

    /// Where ε comes from: what federations were allowed to spend.
    #[must_use]
    pub const fn privacy_issuance() -> Self {
        Self { book: Book::Privacy, owner: Owner::Issuance }
    }

    /// ε that a federation may still spend.
    #[must_use]
    pub const fn privacy_budget(federation: Name) -> Self {
        Self { book: Book::Privacy, owner: Owner::Budget(federation) }
    }

    /// ε that a federation's rounds have cost.
    #[must_use]
    pub const fn privacy_spent(federation: Name) -> Self {
        Self { book: Book::Privacy, owner: Owner::Spent(federation) }
    }

    /// Money from outside.
    #[must_use]
    pub const fn deposits(currency: Currency) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Deposits }
    }

    /// The DAO's money.
    #[must_use]
    pub const fn treasury(currency: Currency) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Treasury }
    }

    /// A member's money.
    #[must_use]
    pub const fn money_member(currency: Currency, member: VerifyingKey) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Member(member) }
    }

    /// A buyer's unspent money.
    #[must_use]
    pub const fn buyer(currency: Currency, buyer: Name) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Buyer(buyer) }
    }

    /// Calls of `model` that `buyer` paid in purchase `lot`.
    #[must_use]
    pub const fn prepaid(currency: Currency, buyer: Name, model: Name, lot: u32) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Prepaid { buyer, model, lot } }
    }

    /// Revenue of `model` on its way.
    #[must_use]
    pub const fn revenue(currency: Currency, model: Name) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Revenue(model) }
    }

    /// What `buyer` owes.
    #[must_use]
    pub const fn debt(currency: Currency, buyer: Name) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Debt(buyer) }
    }

    /// Money that was taken back outside, and is owed by buyers.
    #[must_use]
    pub const fn recalled(currency: Currency) -> Self {
        Self { book: Book::Money(currency), owner: Owner::Recalled }
    }

    /// The book.
    #[must_use]
    pub const fn book(&self) -> Book {
        self.book
    }

    /// The owner.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Which side of the account bounds the other.
    #[must_use]
    pub const fn bound(&self) -> Bound {
        match self.owner {
            Owner::Issuance | Owner::Deposits | Owner::Debt(_) => Bound::CreditsWithinDebits,
            _ => Bound::DebitsWithinCredits,
        }
    }

    /// Whether the book lets amounts go from this account to `credit`, another one of the same book.
    ///
    /// Threats: votes that can be sold or lent; ε that was spent and comes back, or is spent from
    /// another federation's budget; a debt that is money for anybody, or is paid by another.
    #[must_use]
    pub fn may_pay(&self, credit: &Self) -> bool {
        use Owner as O;
        match (self.book, &self.owner, &credit.owner) {
            (Book::Vote, O::Issuance, O::Member(_)) | (Book::Vote, O::Member(_), O::Issuance) => {
                true
            }
            (Book::Privacy, O::Issuance, O::Budget(_) | O::Spent(_)) => true,
            (Book::Privacy, O::Budget(_), O::Issuance) => true,
            (Book::Privacy, O::Budget(from), O::Spent(to)) => from == to,
            (Book::Vote | Book::Privacy, ..) => false,
            (Book::Money(_), O::Debt(_), to) => *to == O::Recalled,
            (Book::Money(_), from, O::Debt(to)) => matches!(from, O::Buyer(from) if from == to),
            (Book::Money(_), O::Recalled, to) => *to == O::Deposits,
            (Book::Money(_), _, O::Recalled) => false,
            (Book::Credit | Book::Money(_) | Book::Compute, ..) => true,
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.book.fmt(f)?;
        match &self.owner {
            Owner::Issuance => f.write_str("/issuance"),
            Owner::Deposits => f.write_str("/deposits"),
            Owner::Treasury => f.write_str("/treasury"),
            Owner::Member(key) => write!(f, "/member/{key}"),
            Owner::Buyer(buyer) => write!(f, "/buyer/{buyer}"),
            Owner::Prepaid { buyer, model, lot } => write!(f, "/prepaid/{buyer}/{model}/{lot}"),
            Owner::Revenue(model) => write!(f, "/revenue/{model}"),
            Owner::Budget(federation) => write!(f, "/budget/{federation}"),
            Owner::Spent(federation) => write!(f, "/spent/{federation}"),
            Owner::Debt(buyer) => write!(f, "/debt/{buyer}"),
            Owner::Recalled => f.write_str("/recalled"),
        }
    }
}

impl FromStr for AccountId {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let malformed = || AccountError::NotAnAccount { got: text.to_owned() };
        let parts: Vec<&str> = text.split('/').collect();
        let (book, owner) = match parts.as_slice() {
            ["credit", owner @ ..] => (Book::Credit, owner),
            ["vote", owner @ ..] => (Book::Vote, owner),
            ["money", currency, owner @ ..] => (Book::Money(currency.parse()?), owner),
            ["privacy", owner @ ..] => (Book::Privacy, owner),
            ["compute", owner @ ..] => (Book::Compute, owner),
            _ => return Err(malformed()),
        };
        let owner = owner_from_parts(owner).ok_or_else(malformed)?;
        let id = Self::new(book, owner)?;
        // Leading zeros of a lot or capital letters of a key: another text of the same account.
        if id.to_string() == text { Ok(id) } else { Err(malformed()) }
    }
}

fn owner_from_parts(parts: &[&str]) -> Option<Owner> {
    Some(match parts {
        ["issuance"] => Owner::Issuance,
        ["deposits"] => Owner::Deposits,
        ["treasury"] => Owner::Treasury,
        ["member", key] => Owner::Member(key.parse().ok()?),
        ["buyer", buyer] => Owner::Buyer(buyer.parse().ok()?),
        ["prepaid", buyer, model, lot] => Owner::Prepaid {
            buyer: buyer.parse().ok()?,
            model: model.parse().ok()?,
            lot: lot.parse().ok()?,
        },
        ["revenue", model] => Owner::Revenue(model.parse().ok()?),
        ["budget", federation] => Owner::Budget(federation.parse().ok()?),
        ["spent", federation] => Owner::Spent(federation.parse().ok()?),
        ["debt", buyer] => Owner::Debt(buyer.parse().ok()?),
        ["recalled"] => Owner::Recalled,
        _ => return None,
    })
}

/// In memory only (fingerprints of transfers): never stored or sent.
impl Encode for AccountId {
    fn encode(&self, writer: &mut Writer) {
        match self.book {
            Book::Credit => writer.u8(1),
            Book::Vote => writer.u8(2),
            Book::Money(currency) => {
                writer.u8(3);
                writer.array(currency.as_bytes());
            }
            Book::Privacy => writer.u8(4),
            Book::Compute => writer.u8(5),
        }
        let (kind, name) = match &self.owner {
            Owner::Issuance => (1, None),
            Owner::Deposits => (2, None),
            Owner::Treasury => (3, None),
            Owner::Member(_) => (4, None),
            Owner::Buyer(name) => (5, Some(name)),
            Owner::Prepaid { buyer, .. } => (6, Some(buyer)),
            Owner::Revenue(name) => (7, Some(name)),
            Owner::Budget(name) => (8, Some(name)),
            Owner::Spent(name) => (9, Some(name)),
            Owner::Debt(name) => (10, Some(name)),
            Owner::Recalled => (11, None),
        };
        writer.u8(kind);
        if let Some(name) = name {
            writer.text(name.as_str());
        }
        match &self.owner {
            Owner::Member(key) => key.encode(writer),
            Owner::Prepaid { model, lot, .. } => {
                writer.text(model.as_str());
                writer.u32(*lot);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;

    #[test]
    fn ids_are_readable_and_round_trip() {
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        let texts = [
            "credit/issuance".to_owned(),
            format!("credit/member/{key}"),
            format!("vote/member/{key}"),
            "privacy/issuance".to_owned(),
            "privacy/budget/wine".to_owned(),
            "privacy/spent/wine".to_owned(),
            "compute/treasury".to_owned(),
            "money/EUR/deposits".to_owned(),
            "money/EUR/treasury".to_owned(),
            format!("money/EUR/member/{key}"),
            "money/CHF/buyer/k-1".to_owned(),
            "money/EUR/prepaid/k-1/wine/0".to_owned(),
            "money/EUR/revenue/wine".to_owned(),
            "money/EUR/debt/k-1".to_owned(),
            "money/EUR/recalled".to_owned(),
        ];
        let mut encodings = std::collections::BTreeSet::new();
        for text in texts {
            let id = text.parse::<AccountId>().unwrap();
            assert_eq!(id.to_string(), text);
            let mut writer = Writer::default();
            id.encode(&mut writer);
            assert!(encodings.insert(writer.into_bytes()), "{text} has the encoding of another");
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        let texts = [
            "",
            "credit",
            "credit/deposits",
            "credit/budget/wine",
            "credit/debt/k-1",
            "vote/treasury",
            "privacy/treasury",
            "money/EUR/spent/wine",
            "money/EUR/issuance",
            "money/ABC/treasury",
            "money/eur/treasury",
            "money/EURO/treasury",
            "money/EUR/prepaid/k/m/00",
            "money/EUR/buyer/..",
            "credit/member/00",
            "credit/issuance/",
            "gold/issuance",
        ];
        for text in texts {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
    }

    #[test]
    fn votes_and_spent_privacy_do_not_change_hands() {
        let key = |number| SigningKey::from_seed(&[number; 32]).verifying_key();
        let vote = |number| AccountId::vote_member(key(number));
        assert!(AccountId::vote_issuance().may_pay(&vote(1)));
        assert!(vote(1).may_pay(&AccountId::vote_issuance()), "votes may be taken back");
        assert!(!vote(1).may_pay(&vote(2)));
        let name = |text: &str| Name::new(text).unwrap();
        let budget = |text: &str| AccountId::privacy_budget(name(text));
        let spent = |text: &str| AccountId::privacy_spent(name(text));
        let issuance = AccountId::privacy_issuance;
        assert!(issuance().may_pay(&budget("wine")) && issuance().may_pay(&spent("wine")));
        assert!(budget("wine").may_pay(&spent("wine")) && budget("wine").may_pay(&issuance()));
        assert!(
            !budget("wine").may_pay(&spent("beer")) && !budget("wine").may_pay(&budget("beer"))
        );
        assert!(!spent("wine").may_pay(&budget("wine")) && !spent("wine").may_pay(&issuance()));
        let credit = |number| AccountId::credit_member(key(number));
        assert!(credit(1).may_pay(&credit(2)));
    }

    #[test]
    fn a_debt_is_paid_by_who_owes_it_and_is_no_money() {
        let (eur, name) = ("EUR".parse().unwrap(), |text: &str| Name::new(text).unwrap());
        let buyer = |text| AccountId::buyer(eur, name(text));
        let (debt, recalled) = (AccountId::debt(eur, name("k-1")), AccountId::recalled(eur));
        assert!(debt.may_pay(&recalled) && recalled.may_pay(&AccountId::deposits(eur)));
        assert!(buyer("k-1").may_pay(&debt));
        assert!(!buyer("k-2").may_pay(&debt) && !AccountId::treasury(eur).may_pay(&debt));
        assert!(!debt.may_pay(&buyer("k-1")) && !recalled.may_pay(&buyer("k-1")));
        assert!(!buyer("k-1").may_pay(&recalled));
    }
}
