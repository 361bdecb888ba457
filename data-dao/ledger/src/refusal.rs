//! Why a chain of transfers was refused.

use thiserror::Error;

use crate::{AccountId, Amount, TransferId};

/// How a pending transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It was carried out, at least in part.
    Posted,
    /// It was called off.
    Voided,
    /// Its time passed.
    Expired,
}

/// Why a chain of transfers was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The transfers are not of one cause with consecutive indices.
    #[error("transfer {got} does not follow in its chain: {expected:?} was expected")]
    BrokenChain {
        /// The id that had to follow, if there is one.
        expected: Option<TransferId>,
        /// The id that stands there.
        got: TransferId,
    },
    /// The id was used for another transfer, or in another chain.
    #[error("transfer {id} exists with other fields")]
    ExistsWithOtherFields {
        /// The id.
        id: TransferId,
    },
    /// The accounts are in different books.
    #[error("{debit} and {credit} are in different books")]
    DifferentBooks {
        /// The account that gives.
        debit: Box<AccountId>,
        /// The account that takes.
        credit: Box<AccountId>,
    },
    /// The book does not let amounts go this way: votes and ε are not handed on.
    #[error("{debit} may not transfer to {credit}")]
    NotTransferable {
        /// The account that gives.
        debit: Box<AccountId>,
        /// The account that takes.
        credit: Box<AccountId>,
    },
    /// Giving account and taking account are one.
    #[error("{account} cannot transfer to itself")]
    SameAccount {
        /// The account.
        account: Box<AccountId>,
    },
    /// The amount is zero.
    #[error("transfer {id} moves nothing")]
    ZeroAmount {
        /// The transfer.
        id: TransferId,
    },
    /// The account would fall below zero, or more would return to a source than came out of it.
    #[error("{account} has {available} available, {needed} needed")]
    Insufficient {
        /// The account.
        account: Box<AccountId>,
        /// What it can spend; of a source, what can come back.
        available: u128,
        /// What the transfer takes.
        needed: u128,
    },
    /// The account would hold more than its limit.
    #[error("{account} may hold {most}, it would hold {got}")]
    AboveLimit {
        /// The account.
        account: Box<AccountId>,
        /// The limit.
        most: u128,
        /// What it would hold, pending amounts included.
        got: u128,
    },
    /// The account is closed.
    #[error("{account} is closed")]
    Closed {
        /// The account.
        account: Box<AccountId>,
    },
    /// An account that is to be closed still holds something, or something is pending.
    #[error("{account} holds {held} or has pending amounts, so that it cannot be closed")]
    NotEmpty {
        /// The account.
        account: Box<AccountId>,
        /// Its balance; of a source, what is in circulation.
        held: u128,
    },
    /// A sum would not fit 128 bits.
    #[error("a sum of {account} exceeds 128 bits")]
    Overflow {
        /// The account.
        account: Box<AccountId>,
    },
    /// There is no such pending transfer.
    #[error("there is no pending transfer {id}")]
    NoSuchPending {
        /// The id.
        id: TransferId,
    },
    /// The pending transfer was posted, voided or expired before.
    #[error("pending transfer {id} was already {resolution:?}")]
    AlreadyResolved {
        /// The id.
        id: TransferId,
        /// How it ended.
        resolution: Resolution,
    },
    /// More is to be posted than is pending.
    #[error("pending transfer {id} holds {pending}, {needed} were to be posted")]
    ExceedsPending {
        /// The id.
        id: TransferId,
        /// What is pending.
        pending: Amount,
        /// What was to be posted.
        needed: Amount,
    },
    /// A pending transfer would be expired at once.
    #[error("pending transfer {id} expires at {expires_at_ms}, now is {now_ms}")]
    ExpiresInThePast {
        /// The id.
        id: TransferId,
        /// When it would expire.
        expires_at_ms: u64,
        /// The time of the chain.
        now_ms: u64,
    },
}
