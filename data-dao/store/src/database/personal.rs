//! The SQL of personal data: the one table from which something is deleted.

use privacy_identity::Digest;

use super::Database;
use crate::StoreError;

type Row = (Vec<u8>, Vec<u8>, Vec<u8>);

impl Database {
    /// Commitment, salt and content of all that is not erased.
    pub(crate) async fn personal_data(
        &self,
    ) -> Result<Vec<(Digest, Vec<u8>, Vec<u8>)>, StoreError> {
        const ALL: &str = "SELECT commitment, salt, content FROM personal_data";
        let rows: Vec<Row> = match self {
            Self::Sqlite(pool) => sqlx::query_as(ALL).fetch_all(pool).await?,
            Self::Postgres(pool) => sqlx::query_as(ALL).fetch_all(pool).await?,
        };
        let digest = |(digest, salt, content): Row| {
            let digest: [u8; Digest::LEN] = digest.try_into().ok()?;
            Some((Digest(digest), salt, content))
        };
        Ok(rows.into_iter().filter_map(digest).collect())
    }

    pub(crate) async fn keep_personal_data(
        &self,
        commitment: &Digest,
        salt: &[u8],
        content: &[u8],
    ) -> Result<(), StoreError> {
        const KEEP: &str =
            "INSERT INTO personal_data (commitment, salt, content) VALUES ($1, $2, $3)";
        let commitment = commitment.0.as_slice();
        match self {
            Self::Sqlite(pool) => {
                sqlx::query(KEEP).bind(commitment).bind(salt).bind(content).execute(pool).await?;
            }
            Self::Postgres(pool) => {
                sqlx::query(KEEP).bind(commitment).bind(salt).bind(content).execute(pool).await?;
            }
        }
        Ok(())
    }

    /// Deletes the row, and its bytes from the file: SQLite overwrites them and empties its journal, PostgreSQL is told to
    /// clean up. What is left in PostgreSQL's write-ahead log and in back-ups of the disk goes when those do.
    pub(crate) async fn erase_personal_data(
        &self,
        commitment: &Digest,
    ) -> Result<bool, StoreError> {
        const ERASE: &str = "DELETE FROM personal_data WHERE commitment = $1";
        let commitment = commitment.0.as_slice();
        match self {
            Self::Sqlite(pool) => {
                let done = sqlx::query(ERASE).bind(commitment).execute(pool).await?;
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await?;
                Ok(done.rows_affected() > 0)
            }
            Self::Postgres(pool) => {
                let done = sqlx::query(ERASE).bind(commitment).execute(pool).await?;
                sqlx::query("VACUUM personal_data").execute(pool).await?;
                Ok(done.rows_affected() > 0)
            }
        }
    }
}
