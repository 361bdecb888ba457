//! The DAO's only crate with SQL: the log, its tiles and the state rebuilt from it.
//!
//! ```text
//!  append ─► State::apply on the writer's copy ─► one transaction: entries + signed checkpoint
//!                                                           │ committed
//!                                                           ▼
//!                                  published copy: view, prove, checkpoint, tiles
//! ```
//! What [`Store::append`] acknowledged is on disk; what readers see was acknowledged.

mod checkpoint;
mod database;
mod error;
mod proof;
mod store;
mod tiles;

pub use checkpoint::{CheckpointError, LogKey, checkpoint_body, checkpoint_head, log_vkey};
pub use error::{AppendError, StoreError};
pub use proof::Proof;
pub use store::{Appended, ENTRIES_PAGE_MAX, Store, StoredEntry};
pub use tiles::{TileLog, TilesError, audit_tiles, read_tiles};
