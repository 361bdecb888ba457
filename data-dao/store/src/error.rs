//! What can go wrong with the store.

use std::{io, path::PathBuf};

use data_dao_journal::{AuditFailure, Refusal};
use privacy_identity::ProofError;
use thiserror::Error;

use crate::CheckpointError;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Why the store could not be opened or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory cannot be made, read or written.
    #[error("{path} cannot be used", path = path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has this ledger open.
    #[error("the ledger in {path} is in use by another process", path = path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The database could not be opened, read or written.
    #[error("the ledger's database failed")]
    Database(#[from] sqlx::Error),
    /// The URL is none of a PostgreSQL database. It is not repeated: it may have a password in it.
    #[error(
        "the database's URL is not understood: expected postgres://user:password@host/database"
    )]
    Url,
    /// Others were in the way each time.
    #[error(
        "transaction {transaction:?} gave way to others {attempts} times: another program has the ledger's database locked; \
         close it (a database tool, a back-up of the file), and try again"
    )]
    Contention {
        /// Which transaction.
        transaction: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What was in the way the last time.
        #[source]
        source: sqlx::Error,
    },
    /// The database has another form than this program knows.
    #[error("the ledger's database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row is not what was written.
    #[error("the ledger was tampered with at entry {index}: {what}")]
    Tampered {
        /// The first entry that differs.
        index: u64,
        /// What differs.
        what: &'static str,
    },
    /// The replay refused an entry.
    #[error("the ledger cannot be recomputed")]
    Replay(#[from] AuditFailure),
    /// The last checkpoint is not by this node, or the log's name is not one.
    #[error("the ledger's checkpoint was refused")]
    Checkpoint(#[from] CheckpointError),
    /// There is no such entry.
    #[error("there is no proof")]
    Proof(#[from] ProofError),
    /// A write failed before; the process must be restarted to read back what is on disk.
    #[error("a write failed earlier: restart to recover")]
    Broken,
}

/// Why nothing was appended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The journal refused an entry; none of the batch was kept.
    #[error("entry {position} of the batch was refused")]
    Refused {
        /// Which of the bodies, 0-based.
        position: usize,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// The clock is further ahead than time can have passed: nothing was written. A person has to look at a calendar.
    #[error(
        "the clock is {days} days ahead of the last time that the ledger knows: set the clock, or confirm that it is right",
        days = now_ms.saturating_sub(*known_ms) / DAY_MS
    )]
    ClockAhead {
        /// The time of the last entry, or a later one that was believed, in milliseconds since 1970.
        known_ms: u64,
        /// What the clock says, in milliseconds since 1970.
        now_ms: u64,
    },
    /// The database could not be asked, or gave way to others: nothing was written. The caller may try again.
    #[error("the ledger cannot be reached")]
    Unavailable(#[source] StoreError),
    /// Nobody knows whether the batch was written. The caller must stop the process.
    #[error("the batch could not be stored")]
    Storage(#[from] StoreError),
}
