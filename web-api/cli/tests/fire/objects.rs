//! Sealed updates in an S3 server of others, moto's, which checks signatures by botocore's implementation: aggregators that are
//! killed over them, and objects that are altered or lost. The server is installed by its script, which takes a network: the tests run
//! where `SAHAKAR_REQUIRE_S3_SERVER` asks for it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sahakar::{
    demo::cooperative::{AGGREGATOR, COORDINATOR, DAO},
    serve::SealingMode,
};
use serde_json::Value;

use crate::{evidence::Fire, roles::Roles, world::Setup};

/// The environment variable that asks for these tests.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_S3_SERVER";

/// A running server.
struct Server {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    told: Value,
}

impl Server {
    /// None where nobody asks for it.
    fn start(what: &str) -> Option<Self> {
        if std::env::var_os(ASKED_BY).is_none() {
            eprintln!("skipped: set {ASKED_BY}=1 to install moto's S3 server and run {what}");
            return None;
        }
        let mut process = Command::new("python3")
            .arg("tests/python/s3_server.py")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3-server"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A line for each request.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, commands, answers, told: Value::Null };
        server.told = server.answer();
        Some(server)
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    /// The keys of the updates that `who` keeps of `round`.
    fn updates(&mut self, who: &str, round: u64) -> Vec<String> {
        let listed = self.ask("list");
        let keys = listed.as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
        keys.filter(|key| key.starts_with(&format!("{who}/{round}/"))).collect()
    }

    /// Lets both aggregators keep their updates here, each under a prefix of its own.
    fn instruct(&self, roles: &Roles) {
        let told = |name: &str| self.told[name].as_str().unwrap();
        let variables = format!(
            "export AWS_ENDPOINT={} AWS_REGION={} AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_ALLOW_HTTP=true\n",
            told("endpoint"),
            told("region"),
            told("key"),
            told("secret"),
        );
        for who in [COORDINATOR, AGGREGATOR] {
            let place = format!("extra='--updates s3://{}/{who}'\n", told("bucket"));
            roles.instruct(who, &format!("{variables}{place}"));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("the S3 server: {error}");
        }
    }
}

/// Four contributors, for whom rounds wait longer than anything here takes.
async fn started(roles: &Roles, dir: &Path, rounds: u32) -> Fire {
    let setup = Setup::new(SealingMode::Mpc, dir, 4, rounds);
    let setup = Setup { program: roles.program(), round_deadline_ms: 30_000, ..setup };
    Fire::new(setup.start().await)
}

/// A round to which the three others have submitted while `still` stands still; tells its number.
async fn held_round(fire: &mut Fire, server: &mut Server, still: &str) -> u64 {
    fire.signal(still, "STOP");
    let others: Vec<String> = fire.labels().into_iter().filter(|label| label != still).collect();
    loop {
        fire.next().await;
        let rounds = |of: &str, event: &str| -> Option<u64> {
            let said = fire.seen.iter().filter(|(who, value)| who == of && value["event"] == event);
            said.filter_map(|(_, value)| value["round"].as_u64()).max()
        };
        let Some(round) = rounds(COORDINATOR, "round-started") else { continue };
        let submitted = |label: &String| rounds(label, "submitted") == Some(round);
        // It may have submitted just before it stood still: then it is the next round.
        if others.iter().all(submitted) && server.updates(COORDINATOR, round).len() == others.len()
        {
            return round;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_rounds_whose_updates_lie_in_s3_outlive_kills_of_aggregators() {
    let Some(mut server) = Server::start("a federation on it") else { return };
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    server.instruct(&roles);
    let rounds = 6;
    let mut fire = started(&roles, dir.path(), rounds).await;
    let still = fire.labels()[0].clone();
    fire.hear(DAO, "settled").await;
    // Killed while three updates are held and one is to come: what was acknowledged is in the store.
    let round = held_round(&mut fire, &mut server, &still).await;
    fire.kill(COORDINATOR).await;
    assert_eq!(server.updates(COORDINATOR, round).len(), 3);
    fire.start(COORDINATOR).await.unwrap();
    fire.signal(&still, "CONT");
    // Killed with a set, and the other one while it is asked for its part.
    for (who, phase) in [(COORDINATOR, "round-collected"), (AGGREGATOR, "round-collected")] {
        fire.hear(COORDINATOR, phase).await;
        fire.kill(who).await;
        fire.start(who).await.unwrap();
    }
    let round = fire.hear(DAO, "settled").await["round"].as_u64().unwrap();
    assert!(!server.updates(AGGREGATOR, round).is_empty(), "the other one keeps its parts there");
    for who in [COORDINATOR, AGGREGATOR] {
        assert!(!fire.state_dir(who).join("updates").exists(), "{who} keeps updates in files");
    }
    fire.finish(u64::from(rounds)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_s3_alters_or_loses_ends_its_round_with_a_reason_and_no_other() {
    let Some(mut server) = Server::start("a federation whose objects are altered") else { return };
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    server.instruct(&roles);
    let rounds = 4;
    let mut fire = started(&roles, dir.path(), rounds).await;
    let still = fire.labels()[0].clone();
    for (command, reason) in [
        ("alter", "is altered in the coordinator's store"),
        ("lose", "is missing from the coordinator's store"),
    ] {
        fire.hear(DAO, "settled").await;
        let round = held_round(&mut fire, &mut server, &still).await;
        let updates = server.updates(COORDINATOR, round);
        assert_eq!(server.ask(&format!("{command} {}", updates[1])), "done");
        fire.signal(&still, "CONT");
        let aborted = fire.hear(DAO, "aborted").await;
        assert_eq!(aborted["round"].as_u64(), Some(round));
        let said = aborted["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{said}");
    }
    fire.finish(u64::from(rounds)).await;
}
