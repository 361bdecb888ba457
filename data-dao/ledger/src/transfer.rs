//! Transfers: what moves, from where to where, and why.

use std::fmt;

use privacy_identity::{Digest, Encode, Tag, Writer};

use crate::AccountId;

/// A number of the smallest units of a book (see [`crate::Book::scale`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub u128);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names what makes transfers necessary: a round, a purchase, a prediction.
///
/// The first 16 bytes of a digest: every transfer ever made is remembered by one, and to find two
/// causes with the same name takes 2^64 digests, after which the second of them is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause([u8; Self::LEN]);

impl Cause {
    /// Bytes of a cause's name.
    pub const LEN: usize = 16;

    /// The name of a cause.
    ///
    /// * `encoding` — of what makes the transfers necessary, unique to it.
    #[must_use]
    pub fn of(encoding: &[u8]) -> Self {
        let digest = Digest::of(Tag::TransferId, encoding);
        Self(std::array::from_fn(|index| digest.0[index]))
    }

    /// The id of the `index`-th transfer of this cause.
    #[must_use]
    pub const fn transfer(self, index: u32) -> TransferId {
        TransferId { cause: self, index }
    }
}

/// Names a transfer and makes it idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransferId {
    /// What makes the transfer necessary.
    pub cause: Cause,
    /// Which transfer of it, from 0.
    pub index: u32,
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.cause.0 {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "/{}", self.index)
    }
}

/// Why a transfer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Credits of a round.
    RoundPay,
    /// Votes of a round.
    RoundVote,
    /// ε that a federation may spend.
    PrivacyBudget,
    /// ε that a round costs.
    PrivacyLoss,
    /// Money arrived from outside.
    Deposit,
    /// Calls paid in advance.
    Purchase,
    /// A prediction: reserved, made or failed.
    Prediction,
    /// The DAO's part of a sale.
    TreasuryShare,
    /// A contributor's part of a sale.
    MemberShare,
    /// An account is closed or limited.
    Restriction,
    /// A payment from the treasury that members voted for.
    TreasuryPayment,
    /// Credits that members voted to take away.
    Slash,
    /// Money paid out to a member that leaves.
    Payout,
    /// Votes of a member that leaves.
    Departure,
    /// Calls that were paid and not made.
    Refund,
    /// Money that goes back to a buyer outside.
    Withdrawal,
    /// The licence of a model's parameters.
    Licence,
    /// What was left of a month when it ended.
    MonthEnd,
    /// A payment that the provider gave back to who paid, or that was charged back.
    Recall,
    /// What a buyer owed, from what it paid in.
    DebtPayment,
}

/// An amount from one account to another of the same book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The account that gives.
    pub debit: AccountId,
    /// The account that takes.
    pub credit: AccountId,
    /// How much, above zero.
    pub amount: Amount,
}

/// How a transfer acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferKind {
    /// At once.
    Posted(Movement),
    /// Reserved, until it is posted, voided or expires.
    Pending {
        /// What is reserved.
        movement: Movement,
        /// From when on it counts as expired, in ledger time; absent: it never does.
        expires_at_ms: Option<u64>,
    },
    /// Carries out a pending transfer; what exceeds `amount` is released.
    Post {
        /// Which pending transfer.
        pending: TransferId,
        /// How much of it, above zero.
        amount: Amount,
    },
    /// Releases a pending transfer.
    Void {
        /// Which pending transfer.
        pending: TransferId,
    },
    /// Closes an account that holds nothing, for ever.
    Close {
        /// Which account.
        account: AccountId,
    },
    /// Limits what an account may hold (of an issuance or of deposits: what may be in circulation).
    Limit {
        /// Which account.
        account: AccountId,
        /// The most; absent: no limit any more.
        most: Option<Amount>,
    },
}

/// One immutable booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its name. The same id with the same fields happens once; with other fields it is refused.
    pub id: TransferId,
    /// How it acts.
    pub kind: TransferKind,
    /// Why it was made.
    pub code: Code,
}

impl Transfer {
    /// A transfer of `amount` from `debit` to `credit` that happens at once.
    #[must_use]
    pub const fn posted(
        id: TransferId,
        debit: AccountId,
        credit: AccountId,
        amount: Amount,
        code: Code,
    ) -> Self {
        Self { id, kind: TransferKind::Posted(Movement { debit, credit, amount }), code }
    }
}

impl Encode for Amount {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0.to_be_bytes());
    }
}

impl Encode for TransferId {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.cause.0);
        writer.u32(self.index);
    }
}

impl Encode for Movement {
    fn encode(&self, writer: &mut Writer) {
        self.debit.encode(writer);
        self.credit.encode(writer);
        self.amount.encode(writer);
    }
}

/// In memory only (fingerprints of transfers): never stored or sent.
impl Encode for Transfer {
    fn encode(&self, writer: &mut Writer) {
        self.id.encode(writer);
        writer.u8(self.code as u8);
        match &self.kind {
            TransferKind::Posted(movement) => {
                writer.u8(1);
                movement.encode(writer);
            }
            TransferKind::Pending { movement, expires_at_ms } => {
                writer.u8(2);
                movement.encode(writer);
                writer.u8(u8::from(expires_at_ms.is_some()));
                writer.u64(expires_at_ms.unwrap_or_default());
            }
            TransferKind::Post { pending, amount } => {
                writer.u8(3);
                pending.encode(writer);
                amount.encode(writer);
            }
            TransferKind::Void { pending } => {
                writer.u8(4);
                pending.encode(writer);
            }
            TransferKind::Close { account } => {
                writer.u8(5);
                account.encode(writer);
            }
            TransferKind::Limit { account, most } => {
                writer.u8(6);
                account.encode(writer);
                writer.u8(u8::from(most.is_some()));
                most.unwrap_or_default().encode(writer);
            }
        }
    }
}
