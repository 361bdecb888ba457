//! A node that never runs a round, and how it ends.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use privacy_identity::{SealingKey, SigningKey};
use serde_json::Value;

/// The operator's token.
pub(crate) const OPERATOR: &str = "operator";
/// Longest time from a signal to the end of a process: ten seconds for requests in progress, three for the last spans, and as
/// much again for a loaded machine.
pub(crate) const END_SECONDS_MAX: u64 = 26;

/// A running `sahakar serve`, gone with its test.
pub(crate) struct Node {
    child: Child,
    said: BufReader<ChildStdout>,
    _with_parent: ChildStdin,
    /// Its first event.
    pub(crate) listening: Value,
}

impl Node {
    /// Starts a node with this configuration, and waits until it listens.
    pub(crate) fn start(config: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(config, arguments)
            .args(["--json", "--with-parent"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let _with_parent = child.stdin.take().unwrap();
        let mut node = Self { child, said, _with_parent, listening: Value::Null };
        node.listening = node.until("listening");
        node
    }

    /// The next event of this kind.
    pub(crate) fn until(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "it ended before {event}");
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["event"] == event {
                return said;
            }
        }
    }

    /// The URL of REST.
    pub(crate) fn url(&self) -> &str {
        self.listening["http"].as_str().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the end, and returns how it ended and what it logged.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let (done, is_done) = mpsc::channel();
        let mut logged = self.child.stderr.take().unwrap();
        thread::spawn(move || {
            let mut text = String::new();
            // Its end is the end of the process.
            let _read = logged.read_to_string(&mut text);
            done.send(text)
        });
        let text = is_done.recv_timeout(Duration::from_secs(END_SECONDS_MAX));
        (text.is_ok().then(|| self.child.wait().unwrap()).expect("it ends"), text.unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(["serve", "--device", "cpu", "--config"]).arg(config).args(arguments);
    command
}

/// Checks that a node does not start, and says so in one sentence with these words.
pub(crate) fn refuses(config: &Path, arguments: &[&str], words: &[&str]) {
    let Output { status, stdout, stderr } = command(config, arguments).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
    assert!(stdout.is_empty(), "it said that it listens");
}

/// A configuration with these lines for `[http]`.
pub(crate) fn config(dir: &Path, http: &str) -> PathBuf {
    let table = dir.join("table.csv");
    fs::write(&table, "acid,good\n1.0,yes\n2.0,no\n3.0,yes\n").unwrap();
    let keys = |seed: u8| {
        let signing = SigningKey::from_seed(&[seed; 32]);
        let sealing = hex::encode(SealingKey::derived_from(&signing).public().0);
        format!("{{ verifying = \"{}\", sealing = \"{sealing}\" }}", signing.verifying_key())
    };
    let (first, second, state) = (keys(1), keys(2), dir.join("state"));
    let written = format!(
        "state_dir = {state:?}\n\
         [listen]\nhttp = \"127.0.0.1:0\"\nlink = [\"/ip4/127.0.0.1/udp/0/quic-v1\"]\n\
         [http]\n{http}\n\
         [dao]\nname = \"Test\"\ncurrency = \"EUR\"\ntreasury_percent = 10\ndemonstration = true\n\
         [dao.charter]\n\
         [federation]\nname = \"test\"\npurpose = \"test\"\nvalidation = {table:?}\ntest = {table:?}\n\
         features = [\"acid\"]\nlabel = \"good\"\nclasses = [\"no\", \"yes\"]\nhidden = [2]\n\
         aggregators = [{first}, {second}]\nrounds = 1\nstart_members = 2\nminimum_cohort = 2\nmembers_max = 8\n\
         clip_norm = 0.5\nlocal_epochs = 1\nbatch_size = 1\nlearning_rate = 0.1\nround_budget = 100\n\
         novelty_percent = 20\nround_deadline_ms = 1000\nstep_deadline_ms = 1000\nmodel = \"test\"\nprice = 10\n\
         seed = 1\n[secrets]\noperator_token = {OPERATOR:?}\ninvitation_token = \"i\"\n",
    );
    let path = dir.join("node.toml");
    fs::write(&path, written).unwrap();
    path
}
