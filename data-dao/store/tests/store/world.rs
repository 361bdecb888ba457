//! A DAO small enough for a test, and its database, in each of the engines.

use std::path::Path;

use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, FederationOpened, Genesis, MemberAdmitted, RoundAborted, RoundOpened,
};
use data_dao_ledger::Name;
use data_dao_store::{Store, StoreError};
use privacy_identity::{Digest, SigningKey, VerifyingKey};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

pub(crate) const ORIGIN: &str = "dao.example/ledger";

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

pub(crate) fn node_key() -> SigningKey {
    key(200)
}

fn public(number: u8) -> VerifyingKey {
    key(number).verifying_key()
}

pub(crate) fn wine() -> Name {
    Name::new("wine").unwrap()
}

pub(crate) fn genesis() -> Body {
    Body::from(Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Winegrowers".into(),
        bounds: BoundsKind::Standard,
        charter: CharterParameters::STANDARD,
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: public(201),
        dao_node: node_key().verifying_key(),
        aggregators: vec![public(202), public(203)],
    })
}

pub(crate) fn federation() -> Body {
    Body::from(FederationOpened {
        federation: wine(),
        terms_digest: Digest([1; 32]),
        terms: "{}".into(),
        rounds: 10,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    })
}

pub(crate) fn admitted(number: u8) -> Body {
    let (member, label) = (public(number), format!("winery {number}"));
    Body::from(MemberAdmitted { federation: wine(), member, label })
}

/// Opens and aborts round `number`: two entries that need nothing else.
pub(crate) fn aborted_round(number: u64) -> Vec<Body> {
    let opened = RoundOpened {
        federation: wine(),
        round: number,
        model: Digest([3; 32]),
        cohort_size: 2,
        epsilon_micro: Some(1),
    };
    let aborted =
        RoundAborted { federation: wine(), round: number, reason: "too few contributors".into() };
    vec![opened.into(), aborted.into()]
}

pub(crate) async fn try_open(dir: &Path) -> Result<Store, StoreError> {
    Store::open(dir, &node_key(), ORIGIN).await
}

pub(crate) async fn open(dir: &Path) -> Store {
    try_open(dir).await.unwrap()
}

/// Where a ledger is kept.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres(String),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// None, after saying so, on a machine without PostgreSQL.
    pub(crate) fn postgres(what: &str) -> Option<Self> {
        benches_postgres::database(what).map(Self::Postgres)
    }

    pub(crate) async fn open_as(
        &self,
        key: &SigningKey,
        origin: &str,
    ) -> Result<Store, StoreError> {
        match self {
            Self::Sqlite(dir) => Store::open(dir.path(), key, origin).await,
            Self::Postgres(url) => Store::connect(url, key, origin).await,
        }
    }

    pub(crate) async fn open(&self) -> Store {
        self.open_as(&node_key(), ORIGIN).await.unwrap()
    }

    /// As [`found`].
    pub(crate) async fn founded(&self) -> Store {
        found(self.open().await).await
    }

    /// Takes the triggers away that keep entries as they are.
    pub(crate) async fn disarm(&self) {
        let on = if matches!(self, Self::Postgres(_)) { "ON entries" } else { "" };
        for what in ["changed", "deleted"] {
            self.execute(&format!("DROP TRIGGER entries_are_not_{what} {on}")).await.unwrap();
        }
    }

    /// Bytes as the engine spells them in a statement.
    pub(crate) fn literal(&self, bytes: &[u8]) -> String {
        let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sqlite(_) => format!("x'{hexadecimal}'"),
            Self::Postgres(_) => format!("'\\x{hexadecimal}'::bytea"),
        }
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn execute(&self, statement: &str) -> Result<(), sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        match self {
            Self::Sqlite(dir) => {
                let url = format!("sqlite://{}", dir.path().join("ledger.sqlite").display());
                let mut connection = SqliteConnection::connect(&url).await?;
                query.execute(&mut connection).await?;
                connection.close().await
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await?;
                query.execute(&mut connection).await?;
                connection.close().await
            }
        }
    }
}

/// Founded, with one federation and four members: six entries, in six transactions.
pub(crate) async fn found(store: Store) -> Store {
    let bodies = [genesis(), federation(), admitted(1), admitted(2), admitted(3), admitted(4)];
    for (now_ms, body) in (1_000..).zip(bodies) {
        store.append(now_ms, vec![body]).await.unwrap();
    }
    store
}

/// As [`found`], in a directory.
pub(crate) async fn founded(dir: &Path) -> Store {
    found(open(dir).await).await
}
