//! A turn at appending: one serialisable transaction that nobody else appends beside.

use std::borrow::Cow;

use sqlx::{Postgres, QueryBuilder, Sqlite, Transaction};

use super::{Database, EntryRow, signed, unsigned};

pub(super) const NEWEST: &str = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1";

/// Rows of one statement: enough that its cost is spread, far below SQLite's 32 766 parameters.
const ROWS_PER_STATEMENT: usize = 512;

/// A transaction in which the log is read and appended to. Dropped, it never happened.
pub(crate) enum Turn {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    /// Waits for this process's turn.
    pub(crate) async fn begin(&self) -> Result<Turn, sqlx::Error> {
        match self {
            // Takes SQLite's one write lock: what is read from here on is what is appended to.
            Self::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Turn::Sqlite),
            Self::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
                let mut transaction = pool.begin_with(begin).await?;
                // Isolation alone keeps two processes from appending the same entry: one of them is refused. The lock,
                // taken before the first read and so before the snapshot, keeps the work from being in vain. Readers
                // are not kept out by it.
                let lock = "LOCK TABLE checkpoints IN EXCLUSIVE MODE";
                sqlx::query(lock).execute(&mut *transaction).await?;
                Ok(Turn::Postgres(transaction))
            }
        }
    }
}

impl Turn {
    /// The size of the log in this turn.
    pub(crate) async fn size(&mut self) -> Result<u64, sqlx::Error> {
        let row: Option<(i64, String)> = match self {
            Self::Sqlite(turn) => sqlx::query_as(NEWEST).fetch_optional(&mut **turn).await?,
            Self::Postgres(turn) => sqlx::query_as(NEWEST).fetch_optional(&mut **turn).await?,
        };
        Ok(row.map_or(0, |(size, _)| unsigned(size)))
    }

    /// Writes entries.
    pub(crate) async fn write_entries(&mut self, entries: &[EntryRow]) -> Result<(), sqlx::Error> {
        for entries in entries.chunks(ROWS_PER_STATEMENT) {
            match self {
                Self::Sqlite(turn) => insert_sqlite(turn, entries).await?,
                Self::Postgres(turn) => insert_postgres(turn, entries).await?,
            }
        }
        Ok(())
    }

    /// Writes the checkpoint over the entries so far.
    pub(crate) async fn write_checkpoint(
        &mut self,
        size: u64,
        note: &str,
    ) -> Result<(), sqlx::Error> {
        const CHECKPOINT: &str = "INSERT INTO checkpoints (size, note) VALUES ($1, $2)";
        let size = signed(size);
        match self {
            Self::Sqlite(turn) => {
                sqlx::query(CHECKPOINT).bind(size).bind(note).execute(&mut **turn).await?;
            }
            Self::Postgres(turn) => {
                sqlx::query(CHECKPOINT).bind(size).bind(note).execute(&mut **turn).await?;
            }
        }
        Ok(())
    }

    /// Makes the turn durable. After an error nobody knows whether it is, unless [`is_conflict`].
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(turn) => turn.commit().await,
            Self::Postgres(turn) => turn.commit().await,
        }
    }
}

async fn insert_sqlite(
    turn: &mut Transaction<'static, Sqlite>,
    entries: &[EntryRow],
) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO entries (entry_index, leaf, leaf_hash, previous_hash) ";
    let mut query = QueryBuilder::<Sqlite>::new(insert);
    query.push_values(entries, |mut row, entry| {
        row.push_bind(signed(entry.index))
            .push_bind(entry.leaf.as_slice())
            .push_bind(entry.leaf_hash.0.as_slice())
            .push_bind(entry.previous_hash.0.as_slice());
    });
    query.build().execute(&mut **turn).await?;
    Ok(())
}

async fn insert_postgres(
    turn: &mut Transaction<'static, Postgres>,
    entries: &[EntryRow],
) -> Result<(), sqlx::Error> {
    const INSERT: &str = "INSERT INTO entries (entry_index, leaf, leaf_hash, previous_hash) \
                          SELECT * FROM UNNEST($1::BIGINT[], $2::BYTEA[], $3::BYTEA[], $4::BYTEA[])";
    let indexes: Vec<i64> = entries.iter().map(|entry| signed(entry.index)).collect();
    let leaves: Vec<&[u8]> = entries.iter().map(|entry| entry.leaf.as_slice()).collect();
    let hashes: Vec<&[u8]> = entries.iter().map(|entry| entry.leaf_hash.0.as_slice()).collect();
    let links: Vec<&[u8]> = entries.iter().map(|entry| entry.previous_hash.0.as_slice()).collect();
    let insert = sqlx::query(INSERT).bind(indexes).bind(leaves).bind(hashes).bind(links);
    insert.execute(&mut **turn).await?;
    Ok(())
}

/// Whether somebody else was in the way, and nothing happened: worth another try.
///
/// PostgreSQL: `serialization_failure`, `deadlock_detected`, `unique_violation`, and what [`is_locked`].
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01" | "23505")) || is_locked(error)
}

/// Whether somebody else kept a lock for as long as this waits for one.
///
/// PostgreSQL: `lock_not_available`. SQLite: `SQLITE_BUSY` and its extended codes.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("55P03" | "5" | "261" | "517"))
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code)
}
