//! The aggregator's own state: rounds, terms and mailbox, in a file or in PostgreSQL.

use std::path::Path;

use aggregator_protocol::{FederationTerms, RoundId};
use aggregator_round::{Ended, Mailbox, SUMS_MAX};
use anyhow::{Context as _, bail};
use privacy_identity::{Decode, Encode as _, Signed, VerifyingKey};
use sqlx::Connection as _;

use crate::{
    DatabaseUrl,
    database::{Database, PATIENCE},
    following::Followed,
};

/// Inputs, ended rounds and terms. Every write is durable when its future completes.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

/// Does the same with a connection to either database: their types differ, the statements do not.
macro_rules! with {
    ($store:expr, |$connection:ident| $body:expr) => {
        match &$store.database {
            Database::Sqlite(pool) => {
                let mut held = pool.acquire().await.context("reaching the store")?;
                let $connection = &mut *held;
                $body
            }
            Database::Postgres(only) => {
                let mut held = only.lock().await;
                let $connection = &mut *held;
                $body
            }
        }
    };
}

impl Store {
    /// Opens `state_dir/rounds.sqlite`, or creates it.
    pub(crate) async fn file(state_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self { database: Database::file(&state_dir.join("rounds.sqlite")).await? })
    }

    /// Opens the database at `url`, and creates the tables.
    pub(crate) async fn postgres(url: &DatabaseUrl) -> anyhow::Result<Self> {
        Ok(Self { database: Database::postgres(url, PATIENCE).await? })
    }

    /// Notes that this state is `key`'s.
    ///
    /// Threat: an aggregator that is started on another's state would take its inputs for its own.
    pub(crate) async fn claim(&self, key: &VerifyingKey) -> anyhow::Result<()> {
        let owner: Vec<u8> = with!(self, |connection| {
            sqlx::query("INSERT INTO owner (id, key) VALUES (0, $1) ON CONFLICT (id) DO NOTHING")
                .bind(key.as_bytes().as_slice())
                .execute(&mut *connection)
                .await
                .context("storing whose state this is")?;
            let owner = sqlx::query_scalar("SELECT key FROM owner WHERE id = 0");
            owner.fetch_one(&mut *connection).await.context("reading whose state this is")?
        });
        if owner != key.as_bytes() {
            bail!("this database is another aggregator's: each has one of its own");
        }
        Ok(())
    }

    /// The terms of the federation that this state belongs to.
    pub(crate) async fn terms(&self) -> anyhow::Result<Option<Signed<FederationTerms>>> {
        let terms: Option<Vec<u8>> = with!(self, |connection| {
            let terms = sqlx::query_scalar("SELECT terms FROM terms WHERE id = 0");
            terms.fetch_optional(&mut *connection).await.context("reading the stored terms")?
        });
        terms.map(|terms| decode(&terms, "terms")).transpose()
    }

    /// Keeps the terms.
    pub(crate) async fn keep_terms(&self, terms: &Signed<FederationTerms>) -> anyhow::Result<()> {
        let terms = terms.to_bytes();
        with!(self, |connection| {
            sqlx::query(KEEP_TERMS)
                .bind(terms)
                .execute(&mut *connection)
                .await
                .context("storing the terms")?;
        });
        Ok(())
    }

    /// What is known of the terms that were followed last.
    pub(crate) async fn followed(&self) -> anyhow::Result<Option<FollowedTerms>> {
        let row: Option<(i64, Option<i64>)> = with!(self, |connection| {
            let row = sqlx::query_as("SELECT entry, answered FROM followed WHERE id = 0");
            row.fetch_optional(&mut *connection)
                .await
                .context("reading which terms are followed")?
        });
        let Some((entry, answered)) = row else { return Ok(None) };
        let entry = u64::try_from(entry).context("entry out of range")?;
        let answered = answered.map(u64::try_from).transpose().context("round out of range")?;
        Ok(Some(FollowedTerms { entry, floor: answered.map(RoundId) }))
    }

    /// Puts the terms that members voted for in the place of those that were served, at once with all that this takes: the
    /// round under way (there is none, or it was given up) and the cohort's mailbox are of the former ones. How rounds
    /// ended is still told.
    pub(crate) async fn follow(&self, followed: &Followed) -> anyhow::Result<()> {
        const FOLLOW: &str = "INSERT INTO followed (id, entry, answered) VALUES (0, $1, $2) \
            ON CONFLICT (id) DO UPDATE SET entry = excluded.entry, answered = excluded.answered";
        let terms = followed.terms.to_bytes();
        let entry = i64::try_from(followed.entry).context("entry out of range")?;
        let before = self.followed().await?.and_then(|before| before.floor);
        // The higher one: none is below every round.
        let answered = before.max(followed.answered);
        let answered = answered.map(|round| i64::try_from(round.0)).transpose();
        let answered = answered.context("round out of range")?;
        let what = "going over to other terms";
        with!(self, |connection| {
            let mut transaction = connection.begin().await.context(what)?;
            sqlx::query(KEEP_TERMS).bind(terms).execute(&mut *transaction).await.context(what)?;
            sqlx::query(FORGET).execute(&mut *transaction).await.context(what)?;
            sqlx::query("DELETE FROM mailbox").execute(&mut *transaction).await.context(what)?;
            let row = sqlx::query(FOLLOW).bind(entry).bind(answered);
            row.execute(&mut *transaction).await.context(what)?;
            transaction.commit().await.context(what)
        })
    }

    /// Appends an accepted input.
    pub(crate) async fn append(&self, at_ms: u64, input: &[u8]) -> anyhow::Result<()> {
        let at_ms = i64::try_from(at_ms).context("time out of range")?;
        with!(self, |connection| {
            let append = sqlx::query(APPEND).bind(at_ms).bind(input);
            append.execute(&mut *connection).await.context("storing an input")?;
        });
        Ok(())
    }

    /// Replaces all inputs by `input`: a newer round began.
    pub(crate) async fn restart_from(&self, at_ms: u64, input: &[u8]) -> anyhow::Result<()> {
        let at_ms = i64::try_from(at_ms).context("time out of range")?;
        with!(self, |connection| {
            let mut transaction = connection.begin().await.context("storing an input")?;
            sqlx::query(FORGET).execute(&mut *transaction).await?;
            sqlx::query(APPEND).bind(at_ms).bind(input).execute(&mut *transaction).await?;
            transaction.commit().await.context("storing an input")
        })
    }

    /// Keeps how a round ended and forgets its inputs, at once.
    pub(crate) async fn conclude(&self, ended: &Ended) -> anyhow::Result<()> {
        const KEEP: &str = "INSERT INTO ended (round, ended) VALUES ($1, $2) \
            ON CONFLICT (round) DO UPDATE SET ended = excluded.ended";
        // A sum is as long as a model: those that are no longer answered with are let go.
        const OLD: &str = "SELECT ended FROM ended ORDER BY round DESC LIMIT 1 OFFSET $1";
        let (round, bytes) = (row_number(ended)?, ended.to_bytes());
        let offset = i64::try_from(SUMS_MAX).context("number of sums")?;
        with!(self, |connection| {
            let mut transaction = connection.begin().await.context("storing an ended round")?;
            sqlx::query(KEEP).bind(round).bind(bytes).execute(&mut *transaction).await?;
            sqlx::query(FORGET).execute(&mut *transaction).await?;
            let old = sqlx::query_scalar::<_, Vec<u8>>(OLD).bind(offset);
            if let Some(old) = old.fetch_optional(&mut *transaction).await? {
                let mut old: Ended = decode(&old, "an ended round")?;
                old.forget_sum();
                let round = row_number(&old)?;
                sqlx::query(KEEP)
                    .bind(round)
                    .bind(old.to_bytes())
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await.context("storing an ended round")
        })
    }

    /// What the cohort's delivery keeps.
    pub(crate) async fn mailbox(&self) -> anyhow::Result<Option<Mailbox>> {
        let mailbox: Option<Vec<u8>> = with!(self, |connection| {
            let mailbox = sqlx::query_scalar("SELECT mailbox FROM mailbox WHERE id = 0");
            mailbox.fetch_optional(&mut *connection).await.context("reading the mailbox")?
        });
        mailbox.map(|mailbox| decode(&mailbox, "a mailbox")).transpose()
    }

    /// Keeps what the cohort's delivery keeps, whole.
    pub(crate) async fn keep_mailbox(&self, mailbox: &Mailbox) -> anyhow::Result<()> {
        const KEEP: &str = "INSERT INTO mailbox (id, mailbox) VALUES (0, $1) \
            ON CONFLICT (id) DO UPDATE SET mailbox = excluded.mailbox";
        let mailbox = mailbox.to_bytes();
        with!(self, |connection| {
            sqlx::query(KEEP)
                .bind(mailbox)
                .execute(&mut *connection)
                .await
                .context("storing the mailbox")?;
        });
        Ok(())
    }

    /// The stored inputs with their times, in order.
    pub(crate) async fn inputs<T: Decode>(&self) -> anyhow::Result<Vec<(u64, T)>> {
        let rows: Vec<(i64, Vec<u8>)> = with!(self, |connection| {
            let rows = sqlx::query_as("SELECT at_ms, input FROM inputs ORDER BY seq");
            rows.fetch_all(&mut *connection).await.context("reading stored inputs")?
        });
        let input = |(at_ms, input): (i64, Vec<u8>)| {
            let at_ms = u64::try_from(at_ms).context("time out of range")?;
            Ok((at_ms, decode(&input, "an input")?))
        };
        rows.into_iter().map(input).collect()
    }

    /// How earlier rounds ended.
    pub(crate) async fn ended(&self) -> anyhow::Result<Vec<Ended>> {
        let rows: Vec<Vec<u8>> = with!(self, |connection| {
            let rows = sqlx::query_scalar("SELECT ended FROM ended ORDER BY round");
            rows.fetch_all(&mut *connection).await.context("reading ended rounds")?
        });
        rows.iter().map(|ended| decode(ended, "an ended round")).collect()
    }
}

const APPEND: &str = "INSERT INTO inputs (at_ms, input) VALUES ($1, $2)";
const FORGET: &str = "DELETE FROM inputs";
const KEEP_TERMS: &str = "INSERT INTO terms (id, terms) VALUES (0, $1) \
    ON CONFLICT (id) DO UPDATE SET terms = excluded.terms";

/// What is known of terms that were followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FollowedTerms {
    /// The entry of the ledger that put them in force.
    pub(crate) entry: u64,
    /// The highest round that was answered under terms before: nothing is answered to it any more.
    pub(crate) floor: Option<RoundId>,
}

fn row_number(ended: &Ended) -> anyhow::Result<i64> {
    i64::try_from(ended.round().0).context("round out of range")
}

fn decode<T: Decode>(bytes: &[u8], what: &str) -> anyhow::Result<T> {
    T::from_bytes(bytes).with_context(|| {
        format!("the store holds {what} that cannot be read: it was written by another version or damaged")
    })
}

#[cfg(test)]
mod tests;
