//! Books, accounts and their readable ids.

use std::{fmt, str::FromStr};

use privacy_identity::{Encode, VerifyingKey, Writer};
use thiserror::Error;

use crate::Name;

/// A currency by its three capital letters (ISO 4217). Amounts are in 10⁻⁴ of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("three ASCII letters"))
    }
}

impl FromStr for Currency {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(AccountError::NotACurrency { got: text.to_owned() }),
        }
    }
}

/// What an account counts. Transfers stay within one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Book {
    /// Credits, earned by measured value.
    Credit,
    /// Votes; kept for weights that are not simply the credits.
    Vote,
    /// Money, in 10⁻⁴ of the currency's unit.
    Money(Currency),
    /// Privacy loss, in millionths of ε.
    Privacy,
    /// Compute, in millionths of a unit.
    Compute,
}

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
}

/// How far an account may fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// Debits, pending ones included, never exceed posted credits.
    Zero,
    /// None: the account mirrors what is outside the book.
    None,
}

/// Why a text or a pair of book and owner names no account.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Not three capital letters.
    #[error("{got:?} is not a currency of three capital letters")]
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
    /// [`AccountError::NotInThisBook`]: buyers, deposits, prepaid calls and revenue are in money
    /// books only, an issuance is in every other.
    pub fn new(book: Book, owner: Owner) -> Result<Self, AccountError> {
        let id = Self { book, owner };
        let money = matches!(book, Book::Money(_));
        let fits = match id.owner {
            Owner::Treasury | Owner::Member(_) => true,
            Owner::Issuance => !money,
            Owner::Deposits | Owner::Buyer(_) | Owner::Prepaid { .. } | Owner::Revenue(_) => money,
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

    /// How far the account may fall.
    #[must_use]
    pub const fn floor(&self) -> Floor {
        match self.owner {
            Owner::Issuance | Owner::Deposits => Floor::None,
            _ => Floor::Zero,
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.book {
            Book::Credit => f.write_str("credit"),
            Book::Vote => f.write_str("vote"),
            Book::Money(currency) => write!(f, "money/{currency}"),
            Book::Privacy => f.write_str("privacy"),
            Book::Compute => f.write_str("compute"),
        }?;
        match &self.owner {
            Owner::Issuance => f.write_str("/issuance"),
            Owner::Deposits => f.write_str("/deposits"),
            Owner::Treasury => f.write_str("/treasury"),
            Owner::Member(key) => write!(f, "/member/{key}"),
            Owner::Buyer(buyer) => write!(f, "/buyer/{buyer}"),
            Owner::Prepaid { buyer, model, lot } => write!(f, "/prepaid/{buyer}/{model}/{lot}"),
            Owner::Revenue(model) => write!(f, "/revenue/{model}"),
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
        _ => return None,
    })
}

impl Encode for AccountId {
    fn encode(&self, writer: &mut Writer) {
        writer.text(&self.to_string());
    }
}

/// The four sums of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Debits reserved by pending transfers.
    pub debits_pending: u128,
    /// Debits that happened.
    pub debits_posted: u128,
    /// Credits announced by pending transfers; not to be spent.
    pub credits_pending: u128,
    /// Credits that happened.
    pub credits_posted: u128,
}

impl Account {
    /// Posted credits less posted debits, or zero for an account below zero.
    #[must_use]
    pub const fn balance(&self) -> u128 {
        self.credits_posted.saturating_sub(self.debits_posted)
    }

    /// The balance less what pending debits reserve, or zero for an account below zero.
    #[must_use]
    pub const fn available(&self) -> u128 {
        self.balance().saturating_sub(self.debits_pending)
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
            "compute/treasury".to_owned(),
            "money/EUR/deposits".to_owned(),
            "money/EUR/treasury".to_owned(),
            format!("money/EUR/member/{key}"),
            "money/CHF/buyer/k-1".to_owned(),
            "money/EUR/prepaid/k-1/wine/0".to_owned(),
            "money/EUR/revenue/wine".to_owned(),
        ];
        for text in texts {
            assert_eq!(text.parse::<AccountId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        let texts = [
            "",
            "credit",
            "credit/deposits",
            "money/EUR/issuance",
            "money/eur/treasury",
            "money/EURO/treasury",
            "money/EUR/prepaid/k/wine/00",
            "money/EUR/buyer/K",
            "credit/member/00",
            "credit/issuance/",
            "gold/issuance",
        ];
        for text in texts {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
    }
}
