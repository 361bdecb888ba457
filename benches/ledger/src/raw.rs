//! The same bytes without a ledger: what the database alone can do.

use std::path::Path;

use privacy_identity::{Digest, leaf_hash};
use sqlx::{
    Connection as _, Executor as _, PgConnection, QueryBuilder, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::BATCH;
use crate::timer::Timer;

/// As the store: rows of one statement.
const ROWS: usize = 512;
/// A checkpoint's size in bytes.
const NOTE: &str = "bench.example/ledger\n1000000\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} bench.example/ledger Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

type Row<'a> = (i64, &'a [u8], [u8; 32], [u8; 32]);

/// Hashed beforehand: only the insert is measured.
fn rows(leaves: &[Vec<u8>]) -> Vec<Row<'_>> {
    let mut previous = Digest([0; 32]);
    let row = |(index, leaf): (i64, &'_ Vec<u8>)| {
        let hash = leaf_hash(leaf);
        let before = std::mem::replace(&mut previous, hash);
        (index, hash.0, before.0)
    };
    let hashed: Vec<_> = (0..).zip(leaves).map(row).collect();
    hashed
        .into_iter()
        .zip(leaves)
        .map(|((index, hash, before), leaf)| (index, leaf.as_slice(), hash, before))
        .collect()
}

pub(crate) async fn sqlite(leaves: &[Vec<u8>], file: &Path) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection
        .execute(include_str!("../../../data-dao/store/migrations/sqlite/0001_entries.sql"))
        .await?;
    let rows = rows(leaves);
    let timer = Timer::start()?;
    for (number, batch) in (0_i64..).zip(rows.chunks(BATCH)) {
        let mut turn = connection.begin().await?;
        for rows in batch.chunks(ROWS) {
            let insert = "INSERT INTO entries (entry_index, leaf, leaf_hash, previous_hash) ";
            let mut query = QueryBuilder::<Sqlite>::new(insert);
            query.push_values(rows, |mut values, (index, leaf, hash, before)| {
                values
                    .push_bind(*index)
                    .push_bind(*leaf)
                    .push_bind(hash.as_slice())
                    .push_bind(before.as_slice());
            });
            query.build().execute(&mut *turn).await?;
        }
        sqlx::query("INSERT INTO checkpoints VALUES ($1, $2)")
            .bind(number + 1)
            .bind(NOTE)
            .execute(&mut *turn)
            .await?;
        turn.commit().await?;
    }
    timer.taken()?.report("raw inserts, SQLite", leaves.len() as u64)
}

pub(crate) async fn postgres(leaves: &[Vec<u8>], url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute("CREATE SCHEMA raw; SET search_path = raw").await?;
    connection
        .execute(include_str!("../../../data-dao/store/migrations/postgres/0001_entries.sql"))
        .await?;
    let rows = rows(leaves);
    let timer = Timer::start()?;
    for (number, batch) in (0_i64..).zip(rows.chunks(BATCH)) {
        let mut turn = connection.begin().await?;
        for rows in batch.chunks(ROWS) {
            let indexes: Vec<i64> = rows.iter().map(|row| row.0).collect();
            let leaves: Vec<&[u8]> = rows.iter().map(|row| row.1).collect();
            let hashes: Vec<&[u8]> = rows.iter().map(|row| row.2.as_slice()).collect();
            let links: Vec<&[u8]> = rows.iter().map(|row| row.3.as_slice()).collect();
            sqlx::query("INSERT INTO entries SELECT * FROM UNNEST($1::BIGINT[], $2::BYTEA[], $3::BYTEA[], $4::BYTEA[])")
                .bind(indexes)
                .bind(leaves)
                .bind(hashes)
                .bind(links)
                .execute(&mut *turn)
                .await?;
        }
        sqlx::query("INSERT INTO checkpoints VALUES ($1, $2)")
            .bind(number + 1)
            .bind(NOTE)
            .execute(&mut *turn)
            .await?;
        turn.commit().await?;
    }
    timer.taken()?.report("raw inserts, PostgreSQL", leaves.len() as u64)
}
