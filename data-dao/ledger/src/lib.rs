//! Double-entry accounts and transfers, and the exact split of an amount: pure.
//!
//! ```text
//!  Posted ────────────────► balances
//!  Pending ──► Post (part or all; the rest is released)
//!          ├─► Void
//!          └─► expiry
//! ```
//! The rules are those of `TigerBeetle`: integer amounts, immutable transfers whose id makes them
//! idempotent, pending transfers resolved once, and batches that happen wholly or not at all.

mod account;
mod accounts;
mod name;
mod split;
mod transfer;

pub use account::{Account, AccountError, AccountId, Book, Currency, Floor, Owner};
pub use accounts::{Accounts, Outcome, Refusal, Resolution};
pub use name::{Name, NameError};
pub use split::{SplitError, part, split};
pub use transfer::{Amount, Code, Movement, Transfer, TransferId, TransferKind};
