//! The DAO's only crate with SQL: the log, its tiles and the state rebuilt from it.
//!
//! ```text
//!  append ─► State::apply on the writer's copy ─► one transaction: entries + signed checkpoint
//!                                                           │ committed
//!                                                           ▼
//!                                  published copy: view, prove, checkpoint, tiles
//! ```
//! What [`Store::append`] acknowledged is on disk; what readers see was acknowledged.

mod audit;
mod checkpoint;
mod copy;
mod database;
mod error;
mod lock;
mod personal;
mod proof;
mod seen;
mod store;
mod tile_folder;
mod tile_path;
mod tiles;

pub use audit::{Audit, TileLog, audit_tiles, read_tiles};
pub use checkpoint::{CheckpointError, checkpoint_head, log_vkey};
pub use copy::{Copied, CopyError, Ledger, export_ledger, import_ledger};
pub use error::{AppendError, StoreError};
pub use personal::{SaltedName, is_commitment};
pub use proof::Proof;
pub use seen::{Seen, SeenError};
pub use store::{Appended, CLOCK_LEAP_MS_MAX, ENTRIES_PAGE_MAX, Store, StoredEntry};
pub use tile_path::{TilePath, TilePathError};
pub use tiles::TilesError;
