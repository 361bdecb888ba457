//! The SQL: everything that is read from and written to the database.

use std::{path::Path, time::Duration};

use privacy_identity::Digest;
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::StoreError;

/// Reads run beside the one writer.
const CONNECTIONS_MAX: u32 = 4;

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
pub(crate) struct Rows(SqlitePool);

impl Rows {
    /// Opens or makes the database and brings it to the newest form.
    pub(crate) async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit returns only when it is on disk: what was acknowledged is not lost.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self(pool))
    }

    /// Up to `limit` rows from the entry `from` on, in order.
    pub(crate) async fn entries(&self, from: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT entry_index, leaf, leaf_hash, previous_hash FROM entries \
             WHERE entry_index >= ? ORDER BY entry_index LIMIT ?",
        )
        .bind(signed(from))
        .bind(limit)
        .fetch_all(&self.0)
        .await?;
        rows.iter().map(entry_from_row).collect()
    }

    /// All checkpoints by size, in order.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<(u64, String)>, StoreError> {
        let rows = sqlx::query("SELECT size, note FROM checkpoints ORDER BY size")
            .fetch_all(&self.0)
            .await?;
        let checkpoint = |row: &sqlx::sqlite::SqliteRow| {
            Ok((unsigned(row.try_get("size")?), row.try_get("note")?))
        };
        rows.iter().map(checkpoint).collect()
    }

    /// Writes entries and the checkpoint over them in one transaction.
    pub(crate) async fn append(
        &self,
        entries: &[EntryRow],
        size: u64,
        note: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        for entry in entries {
            sqlx::query(
                "INSERT INTO entries (entry_index, leaf, leaf_hash, previous_hash) \
                 VALUES (?, ?, ?, ?)",
            )
            .bind(signed(entry.index))
            .bind(entry.leaf.as_slice())
            .bind(entry.leaf_hash.0.as_slice())
            .bind(entry.previous_hash.0.as_slice())
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("INSERT INTO checkpoints (size, note) VALUES (?, ?)")
            .bind(signed(size))
            .bind(note)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends all connections, writing the journal back into the database.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

fn entry_from_row(row: &sqlx::sqlite::SqliteRow) -> Result<EntryRow, StoreError> {
    let index = unsigned(row.try_get("entry_index")?);
    let digest = |column: &str, what: &'static str| {
        let bytes: Vec<u8> = row.try_get(column)?;
        let bytes: [u8; Digest::LEN] =
            bytes.try_into().map_err(|_source| StoreError::Tampered { index, what })?;
        Ok::<_, StoreError>(Digest(bytes))
    };
    Ok(EntryRow {
        index,
        leaf: row.try_get("leaf")?,
        leaf_hash: digest("leaf_hash", "its leaf hash is no hash")?,
        previous_hash: digest("previous_hash", "its link is no hash")?,
    })
}

/// `SQLite` integers are signed. No log reaches 2^63 entries.
fn signed(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// The schema's checks keep indexes and sizes from being negative.
fn unsigned(index: i64) -> u64 {
    u64::try_from(index).unwrap_or(0)
}
