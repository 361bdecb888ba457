//! Double-entry accounts and transfers, and the exact split of an amount: pure.
//!
//! ```text
//!  Posted ────────────────► balances
//!  Pending ──► Post (part or all; the rest is released)
//!          ├─► Void
//!          └─► expiry
//!  Close, Limit ──────────► what may still be booked on an account
//! ```
//! The rules are those of `TigerBeetle`: integer amounts, immutable transfers whose id makes them
//! idempotent, pending transfers resolved once, bounded accounts, and chains of linked transfers that
//! happen wholly or not at all.

mod account;
mod account_id;
mod accounts;
mod book;
mod draft;
mod history;
mod name;
mod refusal;
mod runs;
mod shared;
mod shared_map;
mod split;
mod transfer;

pub use account::Account;
pub use account_id::{AccountError, AccountId, Bound, Owner};
pub use accounts::{Accounts, Outcome};
pub use book::{Book, Currency};
pub use name::{Name, NameError};
pub use refusal::{Refusal, Resolution};
pub use runs::Runs;
pub use shared::Shared;
pub use shared_map::SharedMap;
pub use split::{SplitError, part, split};
pub use transfer::{Amount, Cause, Code, Movement, Transfer, TransferId, TransferKind};
