//! Several processes of one aggregator share its rounds on one PostgreSQL; some of them are killed.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use benches_postgres::Cluster;
use sahakar::{
    demo::{
        children::{ChildEvent, ChildNews, End, Process, Spawner},
        cooperative::{AGGREGATOR, COORDINATOR, DAO},
    },
    serve::SealingMode,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{evidence::Fire, roles::Roles, world::Setup};

/// Longest wait for any one event: far above what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Flags of all processes of an aggregator: batches of one update, so that small rounds are shared, too.
const SHARED: &str = "--batch-updates 1 --lease-seconds 1";
/// How a worker's statement begins that hands in what came of a batch.
const SUBMIT: &[u8] = b"UPDATE batches SET result = $3";

/// A line to PostgreSQL that goes dead, without a word, the moment a worker hands in a batch.
struct DeadLine {
    port: u16,
    dead: watch::Receiver<bool>,
    _task: JoinSet<()>,
}

impl DeadLine {
    async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (die, dead) = watch::channel(false);
        let die = Arc::new(die);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                let to = UnixStream::connect(&socket).await.unwrap();
                lines.spawn(carry(from, to, Arc::clone(&die)));
            }
        });
        Self { port, dead, _task: task }
    }
}

async fn carry(from: TcpStream, to: UnixStream, die: Arc<watch::Sender<bool>>) {
    let (mut from_in, mut from_out) = from.into_split();
    let (mut to_in, mut to_out) = to.into_split();
    let mut dead = die.subscribe();
    let there = async {
        let (mut buffer, mut tail) = (vec![0; 64 << 10], Vec::new());
        while let Ok(read @ 1..) = from_in.read(&mut buffer).await {
            tail.extend_from_slice(&buffer[..read]);
            if tail.windows(SUBMIT.len()).any(|window| window == SUBMIT) {
                die.send_replace(true);
            }
            tail.drain(..tail.len().saturating_sub(SUBMIT.len()));
            let dead = *die.borrow();
            if dead || to_out.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = to_in.read(&mut buffer).await {
            if from_out.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    let held_open = async {
        let _dead = dead.wait_for(|dead| *dead).await.is_ok();
        // Neither end learns of it.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(there, back) } => {}
        () = held_open => {}
    }
}

/// Workers of the coordinator, and what they say.
struct Workers {
    spawner: Spawner,
    said: mpsc::Receiver<ChildEvent>,
    state: PathBuf,
    processes: Vec<Process>,
}

impl Workers {
    fn new(fire: &Fire, logs: PathBuf) -> Self {
        let program = env!("CARGO_BIN_EXE_sahakar").into();
        let (spawner, said) = Spawner::new(program, logs).unwrap();
        Self { spawner, said, state: fire.state_dir(COORDINATOR), processes: Vec::new() }
    }

    fn start(&mut self, name: &str, url: &str) {
        let state = self.state.as_os_str();
        let first = ["aggregator", "--worker", "--json", "--with-parent", "--database-url", url];
        let mut arguments: Vec<OsString> = first.map(Into::into).to_vec();
        arguments.extend(["--lease-seconds".into(), "1".into(), "--state".into(), state.into()]);
        self.processes.push(self.spawner.spawn(name, &arguments).unwrap());
    }

    async fn kill(&mut self, name: &str) {
        let at = self.processes.iter().position(|process| process.name() == name).unwrap();
        self.processes.remove(at).end(End::Kill).await;
    }

    /// Waits until `name` says `event`.
    async fn hear(&mut self, name: &str, event: &str) -> Value {
        loop {
            let news = tokio::time::timeout(PATIENCE, self.said.recv()).await;
            let news = news.expect("something happens within a minute");
            let ChildEvent { from, what, .. } = news.expect("a worker runs");
            match what {
                ChildNews::Said(value) if from == name && value["event"] == event => return value,
                ChildNews::Ended(status) if from == name => {
                    panic!("{name} ended, {status:?}: {}", self.spawner.log_tail(name));
                }
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_rounds_and_of_those_that_are_killed_nothing_is_lost() {
    let Some(cluster) = Cluster::start("workers that share rounds") else { return };
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let urls = [COORDINATOR, AGGREGATOR].map(|who| {
        let url = cluster.database().unwrap();
        roles.instruct(who, &format!("extra='--database-url {url} {SHARED}'\n"));
        url
    });
    let rounds = 10;
    let setup = Setup::new(SealingMode::Mpc, dir.path(), 6, rounds);
    let mut fire = Fire::new(Setup { program: roles.program(), ..setup }.start().await);
    let mut workers = Workers::new(&fire, dir.path().join("workers"));

    // One whose line to the database dies with a batch in its hands; then it is killed.
    let line = DeadLine::to(cluster.socket()).await;
    let database = urls[0].rsplit('/').next().unwrap().split('?').next().unwrap();
    let through = format!("postgres://sahakar@127.0.0.1:{}/{database}?sslmode=disable", line.port);
    // Rounds wait for somebody who stands still until there is a worker.
    let still = fire.labels()[0].clone();
    fire.signal(&still, "STOP");
    workers.start("doomed", &through);
    workers.hear("doomed", "worker-ready").await;
    fire.signal(&still, "CONT");
    workers.hear("doomed", "batch-leased").await;
    let mut dead = line.dead.clone();
    let died = dead.wait_for(|dead| *dead);
    tokio::time::timeout(PATIENCE, died).await.expect("it hands in what it took").unwrap();
    workers.kill("doomed").await;
    // Its batch is done again by somebody, after its lease.
    while fire.hear(COORDINATOR, "batch-leased").await["attempt"].as_u64() < Some(2) {}

    // One that is there, and helps; then the coordinator is killed over shared work.
    fire.signal(&still, "STOP");
    workers.start("helper", &urls[0]);
    workers.hear("helper", "worker-ready").await;
    fire.signal(&still, "CONT");
    workers.hear("helper", "batch-done").await;
    fire.hear(COORDINATOR, "work-shared").await;
    fire.kill(COORDINATOR).await;
    fire.start(COORDINATOR).await.unwrap();
    fire.hear(COORDINATOR, "work-shared").await;
    fire.finish(u64::from(rounds)).await;
    workers.kill("helper").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_an_aggregator_whose_postgresql_crashes_ends_and_goes_on_when_it_is_back() {
    let Some(mut cluster) = Cluster::start("a server that crashes under a round") else { return };
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    for who in [COORDINATOR, AGGREGATOR] {
        let url = cluster.database().unwrap();
        roles.instruct(who, &format!("extra='--database-url {url} {SHARED}'\n"));
    }
    let rounds = 4;
    let setup = Setup::new(SealingMode::Mpc, dir.path(), 4, rounds);
    let mut fire = Fire::new(Setup { program: roles.program(), ..setup }.start().await);
    fire.hear(DAO, "settled").await;
    fire.hear(COORDINATOR, "round-started").await;
    cluster.crash_and_recover().unwrap();
    // Each ends at its first write; the other aggregator perhaps only once the coordinator asks again.
    for who in [COORDINATOR, AGGREGATOR] {
        assert_eq!(fire.ended(who).await, 1, "{who}");
        fire.start(who).await.unwrap();
    }
    fire.finish(u64::from(rounds)).await;
}
