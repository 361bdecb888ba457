//! Bad input: one clear sentence, exit code 1 or 2, and no process left behind.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use aggregator_network::{ListenAddress, Transport};

fn sahakar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sahakar")).args(arguments).output().unwrap()
}

/// Checks exit code and that the error is one short sentence with `words` in it.
fn check(arguments: &[&str], code: i32, words: &str) {
    let output = sahakar(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.contains(words), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    if code == 1 {
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_right() {
    check(&[], 2, "Usage");
    check(&["fly"], 2, "unrecognized subcommand");
    check(&["demo", "--mode", "plain"], 2, "mpc-verified");
    check(&["demo", "--noise-multiplier=-1"], 2, "--noise-multiplier");
    check(&["demo", "--noise-multiplier=0.001"], 2, "0.01");
    check(&["demo", "--rounds", "0"], 2, "--rounds");
    check(&["demo", "--contributors", "many"], 2, "--contributors");
    check(&["demo", "--device", "abacus"], 2, "--device");
    check(&["trainer", "--state", "x", "--data", "y", "--join", "hello"], 2, "--join");
    check(&["aggregator", "--state", "x", "--dao", "127.0.0.1:1"], 2, "--dao");
}

#[test]
fn an_invitation_is_written_with_every_address_and_read_by_the_trainer() {
    let address = |transport, seed| {
        let peer = aggregator_network::PeerKey::from_secret(&[seed; 32]);
        ListenAddress::loopback(transport, 4001).with_peer(peer).to_string()
    };
    let (quic, tcp) = (address(Transport::Quic, 1), address(Transport::Tcp, 1));
    let federation = "ab".repeat(32);
    let invite = |arguments: &[&str]| {
        let begin = ["federation", "invite", "--federation", &federation, "--token", "grape"];
        sahakar(&[&begin, arguments].concat())
    };
    let output = invite(&["--coordinator", &quic, "--coordinator", &tcp, "--relay", &tcp]);
    let text = String::from_utf8(output.stdout).unwrap();
    let invitation: trainer_agent::Invitation = text.trim().parse().unwrap();
    assert_eq!(invitation.coordinator.len() + invitation.relays.len(), 3);
    let stranger = address(Transport::Tcp, 2);
    let refused = invite(&["--coordinator", &quic, "--coordinator", &stranger]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("different peers"));
}

#[test]
fn what_cannot_be_demonstrated_is_refused_in_one_sentence() {
    check(&["demo", "--dataset", "cheese"], 1, "cheese");
    check(&["demo", "--contributors", "0"], 1, "contributor");
    check(&["demo", "--contributors", "5000"], 1, "5000");
    check(&["demo", "--data-dir", "no/such/folder"], 1, "no/such/folder");
}

#[test]
fn a_directory_that_is_not_empty_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("precious"), "do not touch").unwrap();
    check(&["demo", "--keep", dir.path().to_str().unwrap()], 1, "not empty");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_or_wrong_configuration_is_named() {
    check(&["serve", "--config", "no-such.toml"], 1, "no-such.toml");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sahakar.toml");
    std::fs::write(&path, "colour = \"red\"\n").unwrap();
    check(&["serve", "--config", path.to_str().unwrap()], 1, "sahakar.toml");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let config = serve_config(dir.path(), port);
    check(&["serve", "--config", config.to_str().unwrap()], 1, &format!("127.0.0.1:{port}"));
    drop(taken);
}

fn serve_config(dir: &std::path::Path, port: u16) -> std::path::PathBuf {
    let table = dir.join("table.csv");
    std::fs::write(&table, "acid,good\n1.0,yes\n2.0,no\n3.0,yes\n").unwrap();
    let keys = |seed: u8| {
        let signing = privacy_identity::SigningKey::from_seed(&[seed; 32]);
        let sealing = privacy_identity::SealingKey::derived_from(&signing);
        let verifying = signing.verifying_key();
        format!(
            "{{ verifying = \"{verifying}\", sealing = \"{}\" }}",
            hex::encode(sealing.public().0)
        )
    };
    let table = table.display();
    let text = format!(
        r#"
state_dir = "{state}"
[listen]
http = "127.0.0.1:{port}"
link = ["/ip4/127.0.0.1/udp/0/quic-v1"]
[dao]
name = "Test"
currency = "EUR"
treasury_percent = 10
demonstration = true
[dao.charter]
voting_delay_ms = 1
voting_period_ms = 1
quorum_percent = 10
minimum_voters = 1
proposal_threshold_per_mille = 5
timelock_ms = 1
grace_ms = 1
late_extension_ms = 0
objection_window_ms = 0
objection_period_ms = 0
[federation]
name = "test"
purpose = "test"
validation = "{table}"
test = "{table}"
features = ["acid"]
label = "good"
classes = ["no", "yes"]
hidden = [2]
aggregators = [{first}, {second}]
rounds = 1
start_members = 2
minimum_cohort = 2
members_max = 8
clip_norm = 0.5
local_epochs = 1
batch_size = 1
learning_rate = 0.1
round_budget = 100
novelty_percent = 20
round_deadline_ms = 1000
step_deadline_ms = 1000
model = "test"
price = 10
seed = 1
[secrets]
operator_token = "o"
invitation_token = "i"
"#,
        state = dir.join("state").display(),
        first = keys(1),
        second = keys(2),
    );
    let path = dir.join("sahakar.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_environment_overrides_the_file_and_a_secret_of_digits_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = serve_config(dir.path(), 8080);
    let load = |variables: &[(&str, &str)]| {
        let variables =
            variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        sahakar::serve::ServeConfig::load_with(&path, Some(variables.collect()))
    };
    let token = "SAHAKAR__SECRETS__OPERATOR_TOKEN";
    for secret in ["00123", "123e45", "98765432109876543210", "TRUE", "1.50"] {
        assert_eq!(load(&[(token, secret)]).unwrap().secrets.operator_token, secret);
    }
    let config = load(&[
        ("SAHAKAR__FEDERATION__ROUNDS", "7"),
        ("SAHAKAR__FEDERATION__LEARNING_RATE", "0.25"),
        ("SAHAKAR__FEDERATION__LICENCE", "MIT"),
        ("SAHAKAR__DAO__DEMONSTRATION", "false"),
        ("SAHAKAR__DAO__CHARTER__QUORUM_PERCENT", "33"),
    ]);
    let config = config.unwrap();
    assert_eq!((config.federation.rounds, config.federation.learning_rate), (7, 0.25));
    assert_eq!((config.dao.demonstration, config.dao.charter.quorum_percent), (false, 33));
    assert!(config.federation.licence.is_some());
    let refused = load(&[("SAHAKAR__FEDERATION__ROUNDS", "many")]).unwrap_err();
    assert!(format!("{refused:#}").contains("many"), "{refused:#}");
}

/// What would be over when it begins is refused before anything listens.
#[test]
fn deadlines_of_no_time_are_refused_with_a_sentence() {
    for (variable, sentence) in [
        ("SAHAKAR__FEDERATION__ROUND_DEADLINE_MS", "round_deadline_ms: must be positive"),
        ("SAHAKAR__FEDERATION__STEP_DEADLINE_MS", "step_deadline_ms: must be positive"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = serve_config(dir.path(), 0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
        command.args(["serve", "--config"]).arg(&path).env(variable, "0");
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(sentence), "{error}");
    }
}

/// A trainer with `preferences`, whose coordinator does not answer.
fn trainer_with(preferences: &str) -> (tempfile::TempDir, Command) {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let peer = aggregator_network::PeerKey::from_secret(&[7; 32]);
    let nobody = ListenAddress::loopback(Transport::Tcp, 9).with_peer(peer);
    let federation = "ab".repeat(32);
    let join = format!("sahakar://join?federation={federation}&coordinator={nobody}&token=grape");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(["trainer", "--json", "--join", &join, "--state"]).arg(dir.path().join("state"));
    command.arg("--data").arg(file("data.csv", "a,b\n1,2\n"));
    command.arg("--preferences").arg(file("preferences.toml", preferences));
    (dir, command)
}

#[test]
fn a_trainer_says_in_one_line_why_it_does_not_train() {
    // More than any disk has.
    let (_dir, mut command) = trainer_with("disk_free_min_mib = 1_000_000_000_000");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let paused = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
        .find(|event| event["event"] == "paused")
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(paused["condition"], "disk");
    let reason = paused["reason"].as_str().unwrap();
    assert!(reason.starts_with("Paused as the disk is full: "), "{reason}");
}

#[test]
fn preferences_that_make_no_sense_are_refused_by_name() {
    for (preferences, words) in [
        ("idle_minutes = 0", "`idle_minutes` is 0, expected 1 to 1440"),
        ("hours = \"never\"", "\"never\" names no hours"),
        ("idle_minute = 5", "unknown field `idle_minute`"),
    ] {
        let (_dir, mut command) = trainer_with(preferences);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("preferences.toml") && error.contains(words), "{error}");
    }
}

#[test]
fn the_devices_of_this_machine_are_compared() {
    let output = sahakar(&["device", "--seconds", "1", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let devices = said["devices"].as_array().unwrap();
    assert!(
        devices.iter().all(|device| device["examples_per_second"].as_f64() > Some(0.0)),
        "{said}"
    );
    assert_eq!(devices[0]["device"], "cpu");
    assert!(devices.iter().any(|device| device["device"] == said["fastest"]), "{said}");
    // Either there is a graphics adapter, or it is said why there is none.
    assert_eq!(devices.len() == 2, said["refused"].is_null(), "{said}");
    check(&["device", "--terms", "nowhere.bin"], 1, "nowhere.bin");
    check(&["device", "--seconds", "0"], 2, "--seconds");
}
