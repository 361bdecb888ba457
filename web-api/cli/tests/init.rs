//! A co-operative of one's own: `sahakar init`, and the commands that it says, as real processes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use sahakar::{
    demo::children::{ChildEvent, ChildNews, End, Process, Spawner},
    serve::SealingMode,
};
use serde_json::Value;
use tokio::sync::mpsc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sahakar");
/// Longest wait for any one event: far above what a loaded machine needs.
const EVENT_MS_MAX: u64 = 60_000;

fn sahakar(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// The first of three UDP ports in a row that are free, the first also for TCP.
fn free_ports() -> u16 {
    loop {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let others =
            (1..3).all(|next| UdpSocket::bind(("127.0.0.1", port.saturating_add(next))).is_ok());
        if others && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The processes of a co-operative, and what they say.
struct Running {
    spawner: Spawner,
    events: mpsc::Receiver<ChildEvent>,
    processes: Vec<Process>,
}

impl Running {
    fn new(logs: PathBuf) -> Self {
        let (spawner, events) = Spawner::new(PROGRAM.into(), logs).unwrap();
        Self { spawner, events, processes: Vec::new() }
    }

    /// Starts a command as it was said, and only adds that it tells events and ends with this test.
    fn start(&mut self, name: &str, command: &[String]) {
        let mut arguments: Vec<OsString> = command.iter().map(Into::into).collect();
        arguments.extend(["--json", "--with-parent"].map(OsString::from));
        self.processes.push(self.spawner.spawn(name, &arguments).unwrap());
    }

    /// Waits until each of `names` has said `event`.
    async fn until(&mut self, names: &[&str], event: &str) {
        let mut awaited = names.to_vec();
        let wait = async {
            while !awaited.is_empty() {
                let news = self.events.recv().await.unwrap();
                match news.what {
                    ChildNews::Said(value) if value["event"] == event => {
                        awaited.retain(|name| *name != news.from);
                    }
                    ChildNews::Ended(status) if !status.is_some_and(|status| status.success()) => {
                        panic!("{} ended: {}", news.from, self.spawner.log_tail(&news.from))
                    }
                    ChildNews::Said(_) | ChildNews::Ended(_) => {}
                }
            }
        };
        let patience = Duration::from_millis(EVENT_MS_MAX);
        tokio::time::timeout(patience, wait).await.expect("it happens within a minute")
    }

    async fn end(self) {
        for process in self.processes.into_iter().rev() {
            process.end(End::Orderly).await;
        }
    }
}

/// What `sahakar init … --json` says: its commands, by their first word.
fn commands(said: &Value) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut commands = BTreeMap::<String, Vec<Vec<String>>>::new();
    for command in said["commands"].as_array().unwrap() {
        let words: Vec<String> = serde_json::from_value(command.clone()).unwrap();
        commands.entry(words[0].clone()).or_default().push(words);
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn what_init_says_is_all_that_it_takes_to_train_and_audit() {
    let dir = tempfile::tempdir().unwrap();
    let vintage = world::Setup::new(SealingMode::Mpc, dir.path(), 2, 2).vintage();
    let folder = dir.path().join("our co-operative");
    let (link, http) = (free_ports().to_string(), free_ports().to_string());
    let output = sahakar(&[
        "init",
        folder.to_str().unwrap(),
        "--table",
        vintage.test.to_str().unwrap(),
        "--label",
        "quality",
        "--members",
        "2",
        "--rounds",
        "2",
        "--link-port",
        &link,
        "--http-port",
        &http,
        "--json",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let commands = commands(&serde_json::from_slice(&output.stdout).unwrap());
    let mut running = Running::new(dir.path().join("logs"));
    running.start("dao", &commands["serve"][0]);
    running.until(&["dao"], "listening").await;
    for (index, command) in commands["aggregator"].iter().enumerate() {
        let name = format!("aggregator-{index}");
        running.start(&name, command);
        running.until(&[&name], "listening").await;
    }
    let invite: Vec<&str> = commands["federation"][0].iter().map(String::as_str).collect();
    let invitation = String::from_utf8(sahakar(&invite).stdout).unwrap();
    assert!(invitation.starts_with("sahakar://join?"), "{invitation}");
    let mut with_token = Command::new(PROGRAM);
    with_token.args(&invite).env("SAHAKAR_INVITATION_TOKEN", "another");
    let with_token = String::from_utf8(with_token.output().unwrap().stdout).unwrap();
    assert!(with_token.trim().ends_with("token=another"), "{with_token}");
    let join: Vec<String> = commands["trainer"][0].clone();
    for winery in &vintage.wineries {
        let own = |word: &String| match &**word {
            "mine" => dir.path().join(&winery.label).to_str().unwrap().to_owned(),
            "my-rows.csv" => winery.csv.to_str().unwrap().to_owned(),
            "My name" => winery.label.clone(),
            "INVITATION" => invitation.trim().to_owned(),
            _ => word.clone(),
        };
        running.start(&winery.label, &join.iter().map(own).collect::<Vec<_>>());
    }
    let labels: Vec<&str> = vintage.wineries.iter().map(|winery| &*winery.label).collect();
    running.until(&labels, "finished").await;
    let audit: Vec<&str> = commands["audit"][0].iter().map(String::as_str).collect();
    let audited = sahakar(&audit);
    assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stderr));
    running.end().await;
}

/// Runs `sahakar init` in `dir` on `table` and returns its exit code and error.
fn refused(dir: &Path, table: &Path, arguments: &[&str]) -> String {
    let folder = dir.join("new");
    let begin = ["init", folder.to_str().unwrap(), "--table", table.to_str().unwrap()];
    let output = sahakar(&[&begin, arguments].concat());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
    assert!(!folder.exists(), "{arguments:?} left a folder");
    error
}

#[test]
fn what_no_co_operative_can_be_made_of_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("table.csv");
    let row =
        |index: u32| format!("{},{},{}\n", index, index % 7, ["no", "yes"][index as usize % 2]);
    fs::write(&table, "a,b,y\n".to_owned() + &(0..64).map(row).collect::<String>()).unwrap();
    let check = |arguments: &[&str], words: &str| {
        let error = refused(dir.path(), &table, arguments);
        assert!(error.contains(words), "{arguments:?}: {error}");
    };
    check(&["--label", "z"], "there are a, b, y");
    check(&["--label", "b"], "no numbers: y (");
    check(&["--label", "y", "--ignore", "c"], "--ignore \"c\"");
    check(&["--label", "y", "--ignore", "a", "--ignore", "b"], "feature");
    check(&["--label", "y", "--federation", "No Name!"], "federation");
    check(&["--label", "y", "--currency", "euros"], "currency");
    check(&["--label", "y", "--name", ""], "name");
    let few = dir.path().join("few.csv");
    fs::write(&few, "a,y\n1,no\n2,yes\n").unwrap();
    assert!(refused(dir.path(), &few, &["--label", "y"]).contains("2 rows are too few"));
    let there = sahakar(&[
        "init",
        dir.path().to_str().unwrap(),
        "--table",
        table.to_str().unwrap(),
        "--label",
        "y",
    ]);
    assert!(String::from_utf8(there.stderr).unwrap().contains("is there already"));
    assert!(table.exists());
}

#[test]
fn a_configuration_is_one_in_every_mode_whatever_names_say() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("table.csv");
    let row = |index: u32| {
        format!("{},{},{}\n", index, index % 7, ["{seed}", "\"\"\"\\\"\"\""][index as usize % 2])
    };
    fs::write(
        &table,
        "\"a \"\"b\"\" = [\",{seed},y\n".to_owned() + &(0..64).map(row).collect::<String>(),
    )
    .unwrap();
    for mode in ["mpc", "mpc-verified", "fhe"] {
        let folder = dir.path().join(mode);
        let output = sahakar(&[
            "init",
            folder.to_str().unwrap(),
            "--table",
            table.to_str().unwrap(),
            "--label",
            "y",
            "--mode",
            mode,
            "--name",
            "\"Quotes\" and {names}\\",
            "--members",
            "4",
        ]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let config = sahakar::serve::ServeConfig::load(&folder.join("sahakar.toml")).unwrap();
        assert_eq!(config.dao.name, "\"Quotes\" and {names}\\");
        assert_eq!(config.federation.features, ["a \"b\" = [", "{seed}"]);
        assert_eq!(config.federation.aggregators.len(), if mode == "fhe" { 1 } else { 2 });
        #[cfg(unix)]
        for secret in ["sahakar.toml", "dao/key", "aggregator-1/key"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.join(secret)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{secret}");
        }
    }
}
