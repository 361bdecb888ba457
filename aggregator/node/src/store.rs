//! The aggregator's own state on disk: `SQLite`, one file.

use std::path::Path;

use aggregator_protocol::FederationTerms;
use aggregator_round::{Ended, Mailbox, SUMS_MAX};
use anyhow::Context as _;
use privacy_identity::{Decode, Encode as _, Signed};
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// Inputs, ended rounds and terms. Every write is durable when its future completes.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens `state_dir/rounds.sqlite`, or creates it.
    pub(crate) async fn open(state_dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(state_dir)
            .with_context(|| format!("creating {}", state_dir.display()))?;
        let path = state_dir.join("rounds.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged must survive a power cut, not only a crash.
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .with_context(|| format!("opening {}", path.display()))?;
        sqlx::migrate!().run(&pool).await.context("migrating the aggregator's store")?;
        Ok(Self { pool })
    }

    /// The terms of the federation that this state belongs to.
    pub(crate) async fn terms(&self) -> anyhow::Result<Option<Signed<FederationTerms>>> {
        let row = sqlx::query("SELECT terms FROM terms WHERE id = 0");
        let row = row.fetch_optional(&self.pool).await.context("reading the stored terms")?;
        row.map(|row| decode(&row.get::<Vec<u8>, _>(0), "terms")).transpose()
    }

    /// Keeps the terms.
    pub(crate) async fn keep_terms(&self, terms: &Signed<FederationTerms>) -> anyhow::Result<()> {
        sqlx::query("INSERT OR REPLACE INTO terms (id, terms) VALUES (0, ?)")
            .bind(terms.to_bytes())
            .execute(&self.pool)
            .await
            .context("storing the terms")?;
        Ok(())
    }

    /// Appends an accepted input.
    pub(crate) async fn append(&self, at_ms: u64, input: &[u8]) -> anyhow::Result<()> {
        sqlx::query("INSERT INTO inputs (at_ms, input) VALUES (?, ?)")
            .bind(i64::try_from(at_ms).context("time out of range")?)
            .bind(input)
            .execute(&self.pool)
            .await
            .context("storing an input")?;
        Ok(())
    }

    /// Replaces all inputs by `input`: a newer round began.
    pub(crate) async fn restart_from(&self, at_ms: u64, input: &[u8]) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await.context("storing an input")?;
        sqlx::query("DELETE FROM inputs").execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO inputs (at_ms, input) VALUES (?, ?)")
            .bind(i64::try_from(at_ms).context("time out of range")?)
            .bind(input)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await.context("storing an input")
    }

    /// Keeps how a round ended and forgets its inputs, at once.
    pub(crate) async fn conclude(&self, ended: &Ended) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await.context("storing an ended round")?;
        sqlx::query("INSERT OR REPLACE INTO ended (round, ended) VALUES (?, ?)")
            .bind(i64::try_from(ended.round().0).context("round out of range")?)
            .bind(ended.to_bytes())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM inputs").execute(&mut *transaction).await?;
        // A sum is as long as a model: those that are no longer answered with are let go.
        let offset = i64::try_from(SUMS_MAX).context("number of sums")?;
        let row = sqlx::query("SELECT ended FROM ended ORDER BY round DESC LIMIT 1 OFFSET ?");
        if let Some(row) = row.bind(offset).fetch_optional(&mut *transaction).await? {
            let mut old: Ended = decode(&row.get::<Vec<u8>, _>(0), "an ended round")?;
            old.forget_sum();
            sqlx::query("UPDATE ended SET ended = ? WHERE round = ?")
                .bind(old.to_bytes())
                .bind(i64::try_from(old.round().0).context("round out of range")?)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await.context("storing an ended round")
    }

    /// What the cohort's delivery keeps.
    pub(crate) async fn mailbox(&self) -> anyhow::Result<Option<Mailbox>> {
        let row = sqlx::query("SELECT mailbox FROM mailbox WHERE id = 0");
        let row = row.fetch_optional(&self.pool).await.context("reading the mailbox")?;
        row.map(|row| decode(&row.get::<Vec<u8>, _>(0), "a mailbox")).transpose()
    }

    /// Keeps what the cohort's delivery keeps, whole.
    pub(crate) async fn keep_mailbox(&self, mailbox: &Mailbox) -> anyhow::Result<()> {
        sqlx::query("INSERT OR REPLACE INTO mailbox (id, mailbox) VALUES (0, ?)")
            .bind(mailbox.to_bytes())
            .execute(&self.pool)
            .await
            .context("storing the mailbox")?;
        Ok(())
    }

    /// The stored inputs with their times, in order.
    pub(crate) async fn inputs<T: Decode>(&self) -> anyhow::Result<Vec<(u64, T)>> {
        let rows = sqlx::query("SELECT at_ms, input FROM inputs ORDER BY seq");
        let rows = rows.fetch_all(&self.pool).await.context("reading stored inputs")?;
        rows.into_iter()
            .map(|row| {
                let at_ms = u64::try_from(row.get::<i64, _>(0)).context("time out of range")?;
                Ok((at_ms, decode(&row.get::<Vec<u8>, _>(1), "an input")?))
            })
            .collect()
    }

    /// How earlier rounds ended.
    pub(crate) async fn ended(&self) -> anyhow::Result<Vec<Ended>> {
        let rows = sqlx::query("SELECT ended FROM ended ORDER BY round");
        let rows = rows.fetch_all(&self.pool).await.context("reading ended rounds")?;
        rows.into_iter().map(|row| decode(&row.get::<Vec<u8>, _>(0), "an ended round")).collect()
    }
}

fn decode<T: Decode>(bytes: &[u8], what: &str) -> anyhow::Result<T> {
    T::from_bytes(bytes).with_context(|| {
        format!("the store holds {what} that cannot be read: it was written by another version or damaged")
    })
}
