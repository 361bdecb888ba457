//! Processes that serve, and commands beside them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use privacy_identity::SigningKey;
use serde_json::Value;

/// Requests before something is expected to have happened: each takes a millisecond or more.
const PATIENCE: usize = 200_000;

/// A running `sahakar`, gone with this test.
pub(crate) struct Running {
    pub(crate) child: Child,
    said: BufReader<ChildStdout>,
    _with_parent: ChildStdin,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sahakar"))
            .args(arguments)
            .args(["--json", "--with-parent"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let _with_parent = child.stdin.take().unwrap();
        Self { child, said, _with_parent }
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

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

pub(crate) fn sahakar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sahakar")).args(arguments).output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

pub(crate) fn passes(arguments: &[&str], words: &str) -> String {
    let output = sahakar(arguments);
    let said = said(&output);
    assert!(output.status.success() && said.contains(words), "{arguments:?}: {said}");
    said
}

pub(crate) fn fails(arguments: &[&str], words: &str) -> String {
    let output = sahakar(arguments);
    let said = said(&output);
    assert!(output.status.code() == Some(1) && said.contains(words), "{arguments:?}: {said}");
    said
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A federation that never runs a round: the log is what is tested.
pub(crate) fn config(dir: &Path, state: &str) -> PathBuf {
    let table = dir.join("table.csv");
    fs::write(&table, "acid,good\n1.0,yes\n2.0,no\n3.0,yes\n").unwrap();
    let keys = |seed: u8| {
        let signing = SigningKey::from_seed(&[seed; 32]);
        let sealing = privacy_identity::SealingKey::derived_from(&signing).public();
        let sealing = hex::encode(sealing.0);
        format!("{{ verifying = \"{}\", sealing = \"{sealing}\" }}", signing.verifying_key())
    };
    let (first, second) = (keys(1), keys(2));
    let (table, path) = (table.display(), dir.join(format!("{state}.toml")));
    let state = dir.join(state);
    let written = format!(
        "state_dir = {state:?}\n\
         [listen]\nhttp = \"127.0.0.1:0\"\nlink = [\"/ip4/127.0.0.1/udp/0/quic-v1\"]\n\
         [dao]\nname = \"Test\"\ncurrency = \"EUR\"\ntreasury_percent = 10\ndemonstration = true\n\
         [dao.charter]\nvoting_delay_ms = 1\nvoting_period_ms = 1\nquorum_percent = 10\nminimum_voters = 1\n\
         proposal_threshold_per_mille = 5\ntimelock_ms = 1\ncritical_timelock_ms = 1\ngrace_ms = 1\n\
         late_extension_ms = 0\nobjection_window_ms = 0\nobjection_period_ms = 0\nmaturity_ms = 0\n\
         [federation]\nname = \"test\"\npurpose = \"test\"\nvalidation = \"{table}\"\ntest = \"{table}\"\n\
         features = [\"acid\"]\nlabel = \"good\"\nclasses = [\"no\", \"yes\"]\nhidden = [2]\n\
         aggregators = [{first}, {second}]\nrounds = 1\nstart_members = 2\nminimum_cohort = 2\nmembers_max = 8\n\
         clip_norm = 0.5\nlocal_epochs = 1\nbatch_size = 1\nlearning_rate = 0.1\nround_budget = 100\n\
         novelty_percent = 20\nround_deadline_ms = 1000\nstep_deadline_ms = 1000\nmodel = \"test\"\nprice = 10\n\
         seed = 1\n[secrets]\noperator_token = \"o\"\ninvitation_token = \"i\"\n",
    );
    fs::write(&path, written).unwrap();
    path
}

/// A node, and the URL that it serves.
pub(crate) fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> (Running, String) {
    let all = [&["serve", "--device", "cpu"], arguments].concat();
    let mut node = Running::start(&all, environment);
    let url = node.until("listening")["http"].as_str().unwrap().to_owned();
    (node, url)
}

/// Asks until it holds.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    (0..PATIENCE).find_map(|_| ask()).expect("it happens in time")
}
