//! The four sums of an account, and what they may come to.

use crate::{AccountId, Bound};

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

/// Which pair of sums a booking changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Pending,
    Posted,
}

/// What holds for one account beside its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Restriction {
    /// No transfer may name it any more.
    pub(crate) closed: bool,
    /// Most that it may hold, pending amounts on the growing side included.
    pub(crate) most: Option<u128>,
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

    /// Whether the account holds nothing and nothing is pending.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.debits_pending == 0
            && self.credits_pending == 0
            && self.debits_posted == self.credits_posted
    }

    /// The account after one more debit; nothing if a side would exceed 128 bits.
    pub(crate) fn debited(mut self, amount: u128, to: Column) -> Option<Self> {
        let sum = match to {
            Column::Pending => &mut self.debits_pending,
            Column::Posted => &mut self.debits_posted,
        };
        *sum = sum.checked_add(amount)?;
        self.debits_posted.checked_add(self.debits_pending)?;
        Some(self)
    }

    /// The account after one more credit; nothing if a side would exceed 128 bits.
    pub(crate) fn credited(mut self, amount: u128, to: Column) -> Option<Self> {
        let sum = match to {
            Column::Pending => &mut self.credits_pending,
            Column::Posted => &mut self.credits_posted,
        };
        *sum = sum.checked_add(amount)?;
        self.credits_posted.checked_add(self.credits_pending)?;
        Some(self)
    }

    /// Whether the bounded side, pending amounts included, is within the other's posted sum.
    pub(crate) const fn keeps(&self, bound: Bound) -> bool {
        match bound {
            Bound::DebitsWithinCredits => {
                self.debits_posted + self.debits_pending <= self.credits_posted
            }
            Bound::CreditsWithinDebits => {
                self.credits_posted + self.credits_pending <= self.debits_posted
            }
        }
    }

    /// What the account holds if all that is pending on its growing side is posted: of an account
    /// within its bound.
    pub(crate) const fn most_held(&self, bound: Bound) -> u128 {
        match bound {
            Bound::DebitsWithinCredits => {
                self.credits_posted + self.credits_pending - self.debits_posted
            }
            Bound::CreditsWithinDebits => {
                self.debits_posted + self.debits_pending - self.credits_posted
            }
        }
    }

    /// What the bounded side may still take: what is available to spend, or to come back.
    pub(crate) const fn room(&self, bound: Bound) -> u128 {
        match bound {
            Bound::DebitsWithinCredits => self.available(),
            Bound::CreditsWithinDebits => self
                .debits_posted
                .saturating_sub(self.credits_posted)
                .saturating_sub(self.credits_pending),
        }
    }
}

impl AccountId {
    /// Whether `account` is what this one may be: within its bound.
    #[must_use]
    pub fn is_kept_by(&self, account: &Account) -> bool {
        account.keeps(self.bound())
    }
}
