//! Others in the way: what gave way is tried again, so often and no oftener, and nothing happens twice; who waits in vain
//! for a lock is told what to do.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use data_dao_journal::State;
use data_dao_store::{AppendError, Store, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::task::JoinHandle;

use crate::world::{Place, aborted_round, admitted};

/// As often as `data-dao/store` tries an append.
const ATTEMPTS_MAX: u32 = 8;
const DATABASE: &str = "SAHAKAR_LOCK_HOLDER";

async fn postgres(place: &Place) -> PgConnection {
    let Place::Postgres(url) = place else { unreachable!("a test of PostgreSQL") };
    PgConnection::connect(url).await.unwrap()
}

async fn run(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

async fn number(connection: &mut PgConnection, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(connection).await.unwrap()
}

/// How often whoever appends is to give way, to what, and when.
#[derive(Debug, Clone, Copy)]
struct Conflicts {
    code: &'static str,
    at_commit: bool,
    count: u32,
}

/// Has the server refuse as it does when transactions are in each other's way. A sequence counts what was tried: no
/// rollback takes that back.
async fn arrange(place: &Place, Conflicts { code, at_commit, count }: Conflicts) {
    let trigger = if at_commit {
        "CREATE CONSTRAINT TRIGGER gives_way AFTER INSERT ON checkpoints DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    } else {
        "CREATE TRIGGER gives_way BEFORE INSERT ON checkpoints FOR EACH ROW"
    };
    let statement = format!(
        "CREATE SEQUENCE tries; \
         CREATE FUNCTION give_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('tries') <= {count} THEN RAISE EXCEPTION 'in the way' USING ERRCODE = '{code}'; END IF; \
         RETURN NEW; END $$; \
         {trigger} EXECUTE FUNCTION give_way()"
    );
    place.execute(&statement).await.unwrap();
}

/// Takes that back, and returns how often an append was tried.
async fn tries(place: &Place) -> i64 {
    let mut connection = postgres(place).await;
    let tries = number(&mut connection, "SELECT last_value FROM tries").await;
    let clear =
        "DROP TRIGGER gives_way ON checkpoints; DROP FUNCTION give_way(); DROP SEQUENCE tries";
    run(&mut connection, clear).await;
    tries
}

/// Each code of a conflict, in a statement and at the commit.
fn each_conflict(count: u32) -> Vec<Conflicts> {
    let codes = ["40001", "40P01"].into_iter();
    codes
        .flat_map(|code| [true, false].map(|at_commit| Conflicts { code, at_commit, count }))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gave_way_in_postgresql_is_tried_again_and_happens_once() {
    let Some(place) = Place::postgres("conflicts") else { return };
    let store = place.founded().await;
    for (conflicts, round) in each_conflict(3).into_iter().zip(0..) {
        let size = store.size();
        arrange(&place, conflicts).await;
        let appended = store.append(2_000, aborted_round(round)).await.unwrap();
        assert_eq!(tries(&place).await, 4, "{conflicts:?}");
        assert_eq!((appended.index, appended.count, store.size()), (size, 2, size + 2));
        assert_eq!(store.view(|state| state.counts().rounds_aborted), round + 1);
    }
    let fresh = place.open().await;
    assert_eq!((fresh.size(), fresh.root()), (store.size(), store.root()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gives_way_again_and_again_is_given_up_and_nothing_happened() {
    let Some(place) = Place::postgres("conflicts without end") else { return };
    let store = place.founded().await;
    let before = (store.size(), store.root(), store.view(Clone::clone));
    for conflicts in each_conflict(1_000_000) {
        arrange(&place, conflicts).await;
        let refused = store.append(2_000, vec![admitted(9)]).await;
        assert_eq!(tries(&place).await, i64::from(ATTEMPTS_MAX), "{conflicts:?}");
        let Err(AppendError::Unavailable(StoreError::Contention { attempts, .. })) = refused else {
            panic!("{conflicts:?}: {refused:?}")
        };
        assert_eq!(attempts, ATTEMPTS_MAX);
        assert_eq!((store.size(), store.root(), store.view(Clone::clone)), before);
        assert_eq!(place.open().await.root(), store.root());
    }
    store.append(2_000, vec![admitted(9)]).await.unwrap();
}

/// A deadlock that the server itself finds: the rival has entries and wants checkpoints, the store the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_in_postgresql_is_survived() {
    let Some(place) = Place::postgres("a deadlock") else { return };
    let (mut rival, mut observer) = (postgres(&place).await, postgres(&place).await);
    // Long enough that the rival is in the circle when the store looks for one; and only the store looks.
    let patience = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''3s''', current_database()); END $$";
    run(&mut observer, patience).await;
    let store = place.founded().await;
    run(&mut rival, "SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE entries IN SHARE MODE").await;
    let append = appending(&store);
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'entries'::regclass";
    while number(&mut observer, waiting).await == 0 {}
    // Granted when the store's transaction was ended, and not before.
    run(&mut rival, "LOCK TABLE checkpoints IN EXCLUSIVE MODE").await;
    assert!(!append.is_finished());
    assert_eq!(number(&mut rival, "SELECT count(*) FROM entries").await, 6);
    run(&mut rival, "ROLLBACK").await;
    assert_eq!(append.await.unwrap().unwrap(), 6);
    assert_eq!(place.open().await.size(), 8);
}

/// Three stores post forty different things each: thanks to the lock that is taken before the snapshot, none of them gives
/// way even once. Without it, this is where serialisation fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_on_one_postgresql_wait_and_never_give_way() {
    let Some(place) = Place::postgres("several processes") else { return };
    let mut stores = vec![place.founded().await];
    stores.extend([place.open().await, place.open().await]);
    arrange(&place, Conflicts { code: "40001", at_commit: false, count: 0 }).await;
    let post = |(first, store): (u8, &Store)| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in first..first + 40 {
                store.append(3_000, vec![admitted(number)]).await.unwrap();
            }
        })
    };
    let tasks: Vec<_> = [10, 60, 110].into_iter().zip(&stores).map(post).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(tries(&place).await, 120, "one transaction each");
    let fresh = place.open().await;
    assert_eq!(fresh.size(), 126);
    for store in stores {
        store.follow().await.unwrap();
        assert_eq!(store.root(), fresh.root());
    }
}

/// Two entries; the index of the first.
fn appending(store: &Store) -> JoinHandle<Result<u64, AppendError>> {
    let store = store.clone();
    tokio::spawn(async move { store.append(2_000, aborted_round(0)).await.map(|done| done.index) })
}

/// Nobody lets go for as long as an append waits (ten seconds): it says so, and what to do; afterwards it goes on.
async fn is_told_what_to_do(store: &Store) {
    let before = (store.size(), store.root(), store.view(Clone::clone));
    let refused = appending(store).await.unwrap().unwrap_err();
    let AppendError::Unavailable(cause) = &refused else { panic!("{refused:?}") };
    assert!(matches!(cause, StoreError::Contention { attempts: 1, .. }), "{cause:?}");
    let told = cause.to_string();
    assert!(told.contains("locked") && told.contains("close it"), "{told}");
    assert_eq!((store.size(), store.root(), store.view(Clone::clone)), before);
}

fn rounds_aborted(store: &Store) -> u64 {
    store.view(|state: &State| state.counts().rounds_aborted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_given_back_in_postgresql_is_told_and_one_that_is_is_waited_for() {
    let Some(place) = Place::postgres("a lock") else { return };
    let (store, mut rival) = (place.founded().await, postgres(&place).await);
    run(&mut rival, "BEGIN; LOCK TABLE checkpoints IN SHARE MODE").await;
    is_told_what_to_do(&store).await;
    let append = appending(&store);
    let mut observer = postgres(&place).await;
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'checkpoints'::regclass";
    while number(&mut observer, waiting).await == 0 {}
    run(&mut rival, "ROLLBACK").await;
    assert_eq!(append.await.unwrap().unwrap(), 6);
    assert_eq!((store.size(), rounds_aborted(&store)), (8, 1));
}

/// Another process with the write lock of a ledger's SQLite file.
struct Holder(Child);

impl Holder {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "contention::holder", "--nocapture", "--test-threads=1"])
            .env(DATABASE, dir.join("ledger.sqlite"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(said.any(|line| line.unwrap() == "held"), "it has the lock");
        Self(child)
    }

    fn let_go(mut self) {
        self.0.stdin.take().unwrap().write_all(b"enough\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

/// Does nothing unless it is the process that holds the lock: then, until its input says something or ends.
#[tokio::test]
async fn holder() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells this process what it is")]
    let Ok(file) = std::env::var(DATABASE) else { return };
    let mut connection = SqliteConnection::connect(&format!("sqlite://{file}")).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    // On a line of its own: the harness has begun one.
    println!("\nheld");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_that_locks_the_sqlite_file_is_waited_for_and_then_told() {
    let place = Place::sqlite();
    let Place::Sqlite(dir) = &place else { unreachable!() };
    let store = place.founded().await;
    let rival = Holder::start(dir.path());
    is_told_what_to_do(&store).await;
    let append = appending(&store);
    // It cannot end while the lock is held; whether it waits already when that ends is all the same.
    assert!(!append.is_finished());
    rival.let_go();
    assert_eq!(append.await.unwrap().unwrap(), 6);
    assert_eq!((store.size(), rounds_aborted(&store)), (8, 1));
    let root = store.root();
    store.close().await;
    drop(store);
    assert_eq!(place.open().await.root(), root);
}
