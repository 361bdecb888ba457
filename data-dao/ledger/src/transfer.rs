//! Transfers: what moves, from where to where, and why.

use std::fmt;

use privacy_identity::{Digest, Encode, Tag, Writer};

use crate::AccountId;

/// A number of the smallest units of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub u128);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a transfer and makes it idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransferId(pub Digest);

impl TransferId {
    /// The id of the `index`-th transfer that `cause` brings about.
    ///
    /// * `cause` — the encoding of what makes the transfer necessary, unique to it.
    #[must_use]
    pub fn of(cause: &[u8], index: u32) -> Self {
        let mut writer = Writer::default();
        writer.bytes(cause);
        writer.u32(index);
        Self(Digest::of(Tag::TransferId, &writer.into_bytes()))
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a transfer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Credits of a round.
    RoundPay,
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
    /// A payment from the treasury that members voted for.
    TreasuryPayment,
    /// Credits that members voted to take away.
    Slash,
    /// Money paid out to a member that leaves.
    Payout,
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
        /// From when on it counts as expired, in ledger time.
        expires_at_ms: u64,
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

    /// The digest by which a repetition is told from another transfer with the same id.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of_encoded(Tag::TransferId, self)
    }
}

impl Encode for Amount {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0.to_be_bytes());
    }
}

impl Encode for Movement {
    fn encode(&self, writer: &mut Writer) {
        self.debit.encode(writer);
        self.credit.encode(writer);
        self.amount.encode(writer);
    }
}

impl Encode for Transfer {
    fn encode(&self, writer: &mut Writer) {
        self.id.0.encode(writer);
        writer.u8(match self.code {
            Code::RoundPay => 1,
            Code::Deposit => 2,
            Code::Purchase => 3,
            Code::Prediction => 4,
            Code::TreasuryShare => 5,
            Code::MemberShare => 6,
            Code::TreasuryPayment => 7,
            Code::Slash => 8,
            Code::Payout => 9,
        });
        match &self.kind {
            TransferKind::Posted(movement) => {
                writer.u8(1);
                movement.encode(writer);
            }
            TransferKind::Pending { movement, expires_at_ms } => {
                writer.u8(2);
                movement.encode(writer);
                writer.u64(*expires_at_ms);
            }
            TransferKind::Post { pending, amount } => {
                writer.u8(3);
                pending.0.encode(writer);
                amount.encode(writer);
            }
            TransferKind::Void { pending } => {
                writer.u8(4);
                pending.0.encode(writer);
            }
        }
    }
}
