//! The database of an aggregator: a file of its own, or PostgreSQL.

use std::{fmt, path::Path, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use sqlx::{
    Connection as _, PgConnection, SqlitePool,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::warn;

/// Where PostgreSQL is, with the name and perhaps the password to use there: `postgres://…`. Shown without
/// them.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    options: Box<PgConnectOptions>,
}

/// Why a text names no database.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not the URL of a PostgreSQL database (postgres://USER@HOST/DATABASE): {0}")]
pub struct DatabaseUrlError(String);

/// What one aggregator's lock is called in its schema: "Sahakar" as a number.
const LOCK: i64 = 0x0053_6168_616B_6172;
/// How long a connection is tried for: a server may be starting, and needs a moment to see that the process which
/// had the lock is gone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts, in milliseconds.
const RETRY_MS: u64 = 100;

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(DatabaseUrlError("it begins otherwise".to_owned()));
        }
        let options = PgConnectOptions::from_str(text);
        let options = options.map_err(|error| DatabaseUrlError(error.to_string()))?;
        // Whatever the server, the role or the database say: acknowledged is durable. A host that vanished is
        // noticed within half a minute, so that its lock and its leases are free again.
        let options = options.application_name("sahakar").options([
            ("synchronous_commit", "on"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]);
        Ok(Self { text: text.to_owned(), options: Box::new(options) })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.options.get_database().unwrap_or_default();
        write!(f, "the PostgreSQL database {database} at {}", self.options.get_host())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl DatabaseUrl {
    /// The URL as it was given, password and all: to connect with, never to be printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

/// A connection to one of the two. Statements are the same for both: their placeholders are `$1`, `$2`, ….
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    /// One, which is never replaced: it has the lock. Once it is broken every write fails, and the process ends.
    Postgres(Arc<Mutex<PgConnection>>),
}

impl Database {
    /// Opens the file at `path`, or creates it.
    pub(crate) async fn file(path: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged must survive a power cut, not only a crash.
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .with_context(|| format!("opening {}", path.display()))?;
        sqlx::migrate!("migrations/sqlite").run(&pool).await.context(MIGRATING)?;
        Ok(Self::Sqlite(pool))
    }

    /// Connects to `url`, which no other process writes to while this one does.
    ///
    /// Threat: two processes with one state would each promise what the other does not know. The lock belongs
    /// to the connection that writes: who can write has it, and the server frees it with the connection. A process
    /// that lost its connection does not get another: meanwhile somebody else may have gone on.
    ///
    /// * `patience` — how long a connection is tried for.
    pub(crate) async fn postgres(url: &DatabaseUrl, patience: Duration) -> anyhow::Result<Self> {
        let opening = || format!("opening {url}");
        let deadline = tokio::time::Instant::now() + patience;
        let mut connection = loop {
            match locked(url).await {
                Ok(connection) => break connection,
                Err(Refused::Now(_)) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                }
                Err(Refused::Now(error) | Refused::Always(error)) => {
                    return Err(error).with_context(opening);
                }
            }
        };
        sqlx::migrate!("migrations/postgres").run(&mut connection).await.context(MIGRATING)?;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await?;
        if fsync == "off" {
            warn!("{url} runs with fsync off: what it acknowledges does not survive a power cut");
        }
        Ok(Self::Postgres(Arc::new(Mutex::new(connection))))
    }
}

/// What went wrong, if it did.
const MIGRATING: &str = "migrating the aggregator's store";
/// What the server answers while it starts: `cannot_connect_now`.
const STARTING: &str = "57P03";

/// Why there is no connection with the lock.
enum Refused {
    /// To be tried again.
    Now(anyhow::Error),
    /// It would be refused again.
    Always(anyhow::Error),
}

/// A connection that has the lock of its schema.
async fn locked(url: &DatabaseUrl) -> Result<PgConnection, Refused> {
    let connected = PgConnection::connect_with(&url.options).await;
    let mut connection = connected.map_err(|error| match &error {
        sqlx::Error::Io(_) => Refused::Now(error.into()),
        sqlx::Error::Database(said) if said.code().as_deref() == Some(STARTING) => {
            Refused::Now(error.into())
        }
        _ => Refused::Always(error.into()),
    })?;
    let lock = "SELECT pg_try_advisory_lock(hashtextextended(current_schema(), $1))";
    let locked = sqlx::query_scalar(lock).bind(LOCK).fetch_one(&mut connection).await;
    if locked.map_err(|error| Refused::Now(error.into()))? {
        return Ok(connection);
    }
    let what = "another process runs with it: each aggregator has a database of its own";
    Err(Refused::Now(anyhow!(what)))
}
