//! Where the processes of one aggregator meet: batches of work in PostgreSQL.
//!
//! ```text
//!  free ──lease──► leased ──submit──► done        A lease that is not renewed expires, and the batch is free
//!   ▲                │                            again. Two may then do it: the first result stands, and the
//!   └────expired─────┘                            other would have been the same.
//! ```

use std::time::Duration;

use anyhow::Context as _;
use privacy_identity::Digest;
use rand::RngExt as _;
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};

use crate::DatabaseUrl;

/// What the processes are woken by.
const CHANNEL: &str = "sahakar_batches";

/// Takes the next free batch: of those that were tried least often, the first. `$3`: also what workers declined.
const LEASE: &str = "UPDATE batches \
    SET worker = $1, leases = leases + 1, leased_until = clock_timestamp() + make_interval(secs => $2) \
    WHERE (work, batch) = ( \
        SELECT work, batch FROM batches \
        WHERE result IS NULL AND (leased_until IS NULL OR leased_until < clock_timestamp()) \
            AND ($3 OR NOT declined) \
        ORDER BY leases, work, batch LIMIT 1 FOR UPDATE SKIP LOCKED) \
    RETURNING work, batch, leases";
const RENEW: &str = "UPDATE batches SET leased_until = clock_timestamp() + make_interval(secs => $4) \
    WHERE work = $1 AND batch = $2 AND worker = $3 AND result IS NULL";
const SUBMIT: &str = "UPDATE batches SET result = $3, leased_until = NULL \
    WHERE work = $1 AND batch = $2 AND result IS NULL";
const DECLINE: &str = "UPDATE batches SET declined = TRUE, leased_until = NULL \
    WHERE work = $1 AND batch = $2 AND worker = $3 AND result IS NULL";
const POST: &str = "INSERT INTO works (id, work) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
const CUT: &str = "INSERT INTO batches (work, batch) SELECT $1, generate_series(0, $2 - 1) \
    ON CONFLICT (work, batch) DO NOTHING";

/// Who may take what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The process that was told to keep the updates.
    Owner,
    /// One that helps.
    Worker,
}

/// The shared place, as one process sees it.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    pool: PgPool,
    /// A name that nobody else has.
    worker: String,
    role: Role,
    lease: Duration,
}

/// A batch that this process works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leased {
    pub(crate) work: Digest,
    pub(crate) batch: u32,
    /// How often it was leased, this time included.
    pub(crate) attempt: u32,
}

impl Board {
    /// Connects to the database of an aggregator, whose own process made the tables.
    ///
    /// * `lease` — how long a batch is left to a process that gives no sign of life.
    pub(crate) async fn connect(
        url: &DatabaseUrl,
        role: Role,
        lease: Duration,
    ) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect_with(url.options().clone())
            .await
            .with_context(|| format!("opening {url}"))?;
        let worker = format!("{:016x}", rand::rng().random::<u64>());
        Ok(Self { pool, worker, role, lease })
    }

    /// How long a lease lasts.
    pub(crate) const fn lease_time(&self) -> Duration {
        self.lease
    }

    /// The signed terms of the federation, once the aggregator's own process has them.
    pub(crate) async fn terms(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let tables: bool = sqlx::query_scalar("SELECT to_regclass('batches') IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        if !tables {
            return Ok(None);
        }
        let terms = sqlx::query_scalar("SELECT terms FROM terms WHERE id = 0");
        terms.fetch_optional(&self.pool).await.context("reading the stored terms")
    }

    /// Puts up work, unless it is there already, and takes away all other.
    pub(crate) async fn post(&self, id: Digest, work: &[u8], batches: u32) -> anyhow::Result<()> {
        let what = "sharing work";
        let batches = i32::try_from(batches).context(what)?;
        let mut transaction = self.pool.begin().await.context(what)?;
        let other = sqlx::query("DELETE FROM works WHERE id <> $1").bind(id.0);
        other.execute(&mut *transaction).await.context(what)?;
        sqlx::query(POST).bind(id.0).bind(work).execute(&mut *transaction).await.context(what)?;
        sqlx::query(CUT).bind(id.0).bind(batches).execute(&mut *transaction).await.context(what)?;
        transaction.commit().await.context(what)?;
        self.tell().await
    }

    /// The work that was put up as `id`, as it was signed.
    pub(crate) async fn work(&self, id: Digest) -> anyhow::Result<Option<Vec<u8>>> {
        let work = sqlx::query_scalar("SELECT work FROM works WHERE id = $1").bind(id.0);
        work.fetch_optional(&self.pool).await.context("reading shared work")
    }

    /// Takes a free batch, if there is one.
    pub(crate) async fn lease(&self) -> anyhow::Result<Option<Leased>> {
        let lease = sqlx::query_as(LEASE)
            .bind(&self.worker)
            .bind(self.lease.as_secs_f64())
            .bind(self.role == Role::Owner);
        let row: Option<([u8; 32], i32, i32)> =
            lease.fetch_optional(&self.pool).await.context("taking a batch")?;
        let leased = row.map(|(work, batch, attempt)| {
            let (batch, attempt) = (batch.try_into()?, attempt.try_into()?);
            Ok(Leased { work: Digest(work), batch, attempt })
        });
        leased.transpose()
    }

    /// Says that this process is still at work. Returns whether the batch still waits for it.
    pub(crate) async fn renew(&self, leased: &Leased) -> anyhow::Result<bool> {
        let renewed = sqlx::query(RENEW)
            .bind(leased.work.0)
            .bind(i32::try_from(leased.batch)?)
            .bind(&self.worker)
            .bind(self.lease.as_secs_f64());
        let renewed = renewed.execute(&self.pool).await.context("renewing a lease")?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Hands in what came of a batch. Returns whether it is the first.
    pub(crate) async fn submit(&self, leased: &Leased, result: &[u8]) -> anyhow::Result<bool> {
        let submit =
            sqlx::query(SUBMIT).bind(leased.work.0).bind(i32::try_from(leased.batch)?).bind(result);
        let submitted = submit.execute(&self.pool).await.context("handing in a batch")?;
        self.tell().await?;
        Ok(submitted.rows_affected() > 0)
    }

    /// Leaves a batch to the aggregator's own process.
    pub(crate) async fn decline(&self, leased: &Leased) -> anyhow::Result<()> {
        let decline = sqlx::query(DECLINE)
            .bind(leased.work.0)
            .bind(i32::try_from(leased.batch)?)
            .bind(&self.worker);
        decline.execute(&self.pool).await.context("declining a batch")?;
        self.tell().await
    }

    /// How many batches are not done.
    pub(crate) async fn unfinished(&self, id: Digest) -> anyhow::Result<i64> {
        let count = "SELECT count(*) FROM batches WHERE work = $1 AND result IS NULL";
        let count = sqlx::query_scalar(count).bind(id.0);
        count.fetch_one(&self.pool).await.context("counting batches")
    }

    /// What came of a batch, if it is done.
    pub(crate) async fn result(&self, id: Digest, batch: u32) -> anyhow::Result<Option<Vec<u8>>> {
        let result = "SELECT result FROM batches WHERE work = $1 AND batch = $2";
        let result = sqlx::query_scalar(result).bind(id.0).bind(i32::try_from(batch)?);
        let row: Option<Option<Vec<u8>>> =
            result.fetch_optional(&self.pool).await.context("reading a batch")?;
        Ok(row.flatten())
    }

    /// Has a batch done again whose result was not this aggregator's.
    pub(crate) async fn reject(&self, id: Digest, batch: u32) -> anyhow::Result<()> {
        let reject =
            "UPDATE batches SET result = NULL, leased_until = NULL WHERE work = $1 AND batch = $2";
        let reject = sqlx::query(reject).bind(id.0).bind(i32::try_from(batch)?);
        reject.execute(&self.pool).await.context("rejecting a batch")?;
        Ok(())
    }

    /// Takes away all work: its round is over.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        sqlx::query("DELETE FROM works").execute(&self.pool).await.context("clearing work")?;
        Ok(())
    }

    async fn tell(&self) -> anyhow::Result<()> {
        let tell = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL);
        tell.execute(&self.pool).await.context("waking others")?;
        Ok(())
    }

    /// Hears when something changes.
    pub(crate) async fn changes(&self) -> anyhow::Result<Changes> {
        let mut listener = PgListener::connect_with(&self.pool).await.context("listening")?;
        listener.listen(CHANNEL).await.context("listening")?;
        Ok(Changes(listener))
    }
}

/// Connections of one process: one that listens, and some that ask. Hands of a worker wait for one another.
const CONNECTIONS_MAX: u32 = 5;

/// Changes of the shared place.
pub(crate) struct Changes(PgListener);

impl Changes {
    /// Waits for a change since the last call, or for `patience`: leases expire without a word.
    pub(crate) async fn wait(&mut self, patience: Duration) -> anyhow::Result<()> {
        match tokio::time::timeout(patience, self.0.recv()).await {
            Ok(heard) => heard.map(drop).context("listening"),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
