//! The SQL: everything that is read from and written to the database, in either of two engines.

mod personal;
mod turn;

use std::{path::Path, str::FromStr as _, time::Duration};

use privacy_identity::Digest;
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use turn::{Turn, is_conflict, is_locked};

use crate::StoreError;

/// Reads run beside the one writer.
const CONNECTIONS_MAX: u32 = 4;

/// How long a request waits for a connection or a lock.
const WAIT: Duration = Duration::from_secs(10);

/// One row of `entries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) index: u64,
    pub(crate) leaf: Vec<u8>,
    pub(crate) leaf_hash: Digest,
    pub(crate) previous_hash: Digest,
}

/// The database of one ledger.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same words on either engine: both take `$1` for a parameter.
macro_rules! either {
    ($database:expr, $pool:ident => $words:expr) => {
        match $database {
            Self::Sqlite($pool) => $words,
            Self::Postgres($pool) => $words,
        }
    };
}

impl Database {
    /// Opens or makes the file and brings it to the newest form.
    pub(crate) async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit returns only when it is on disk: what was acknowledged is not lost.
            .synchronous(SqliteSynchronous::Full)
            // What is erased is overwritten. Entries are never deleted, so this costs them nothing.
            .pragma("secure_delete", "ON")
            .busy_timeout(WAIT);
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        sqlx::migrate!("./migrations/sqlite").run(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    /// Opens a file that is there, to read it; whoever has it open for writing goes on.
    pub(crate) async fn read(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(WAIT);
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        Ok(Self::Sqlite(pool))
    }

    /// Connects to `postgres://…` and brings the database to the newest form. Several processes may do so at once:
    /// migrations take a lock.
    pub(crate) async fn connect(url: &str) -> Result<Self, StoreError> {
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        // The error never carries the URL: it may have a password in it.
        let options = if is_postgres { PgConnectOptions::from_str(url).ok() } else { None };
        let options = options.ok_or(StoreError::Url)?.application_name("sahakar").options([
            // As for SQLite: whatever the server's default is.
            ("synchronous_commit", "on"),
            ("lock_timeout", "10000"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(WAIT)
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations/postgres").run(&pool).await?;
        Ok(Self::Postgres(pool))
    }

    /// Whether other processes may append to the same log.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Up to `limit` rows from the entry `from` on, in order.
    pub(crate) async fn entries(&self, from: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        const ENTRIES: &str = "SELECT entry_index, leaf, leaf_hash, previous_hash FROM entries \
                               WHERE entry_index >= $1 ORDER BY entry_index LIMIT $2";
        let (from, limit) = (signed(from), i64::from(limit));
        let rows: Vec<Row> = either!(self, pool =>
            sqlx::query_as(ENTRIES).bind(from).bind(limit).fetch_all(pool).await?);
        rows.into_iter().map(entry_from_row).collect()
    }

    /// Up to `limit` checkpoints with more than `above` entries, by size.
    pub(crate) async fn checkpoints(
        &self,
        above: u64,
        limit: u32,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        const CHECKPOINTS: &str =
            "SELECT size, note FROM checkpoints WHERE size > $1 ORDER BY size LIMIT $2";
        let (above, limit) = (signed(above), i64::from(limit));
        let rows: Vec<(i64, String)> = either!(self, pool =>
            sqlx::query_as(CHECKPOINTS).bind(above).bind(limit).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(size, note)| (unsigned(size), note)).collect())
    }

    /// The checkpoint over all entries.
    pub(crate) async fn newest(&self) -> Result<Option<(u64, String)>, StoreError> {
        let row: Option<(i64, String)> = either!(self, pool =>
            sqlx::query_as(turn::NEWEST).fetch_optional(pool).await?);
        Ok(row.map(|(size, note)| (unsigned(size), note)))
    }

    /// Ends all connections; SQLite writes its journal back into the database.
    pub(crate) async fn close(&self) {
        either!(self, pool => pool.close().await);
    }
}

/// Index, leaf, leaf hash and link, as they stand in the table.
type Row = (i64, Vec<u8>, Vec<u8>, Vec<u8>);

fn entry_from_row((index, leaf, leaf_hash, previous_hash): Row) -> Result<EntryRow, StoreError> {
    let index = unsigned(index);
    let digest = |bytes: Vec<u8>, what: &'static str| {
        let bytes: Result<[u8; Digest::LEN], _> = bytes.try_into();
        bytes.map(Digest).map_err(|_source| StoreError::Tampered { index, what })
    };
    Ok(EntryRow {
        index,
        leaf,
        leaf_hash: digest(leaf_hash, "its leaf hash is no hash")?,
        previous_hash: digest(previous_hash, "its link is no hash")?,
    })
}

/// Integers of both engines are signed. No log reaches 2^63 entries.
fn signed(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// The schema's checks keep indexes and sizes from being negative.
fn unsigned(index: i64) -> u64 {
    u64::try_from(index).unwrap_or(0)
}
