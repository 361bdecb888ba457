//! A co-operative of real processes whose members have votes, and a clock that the test moves: a vote of hours takes none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicI64, Ordering},
};

use aggregator_network::{KeyProtection, load_key, restore_key};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use privacy_identity::SigningKey;
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use sahakar::{
    demo::{
        children::End,
        cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
    },
    process::now_ms,
    rest::Rest,
    serve::{DaoConfig, FounderConfig, SealingMode},
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    clocks::{Clocks, HOUR},
    recorder::{Recorder, contains},
    roles::Roles,
    world::{self, Setup},
};

/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;
/// The guardian's key, and that of a founder without votes.
const GUARDIAN: u8 = 80;
const FOUNDER: u8 = 81;
/// Requests before something is expected to have happened: each takes a millisecond or more.
const PATIENCE: usize = 200_000;
/// How far the clock is set back for a command that is to come too late, in hours: longer than a signed message holds.
const BEHIND_HOURS: i64 = 3;

/// A member with votes.
#[derive(Debug, Clone)]
pub(crate) struct Voter {
    /// Its key file.
    pub(crate) file: String,
    /// The key with which it joined.
    pub(crate) key: String,
    /// Its votes.
    pub(crate) weight: u128,
}

/// The co-operative.
pub(crate) struct Assembly<'a> {
    runtime: Runtime,
    cooperative: Cooperative,
    clocks: Clocks<'a>,
    /// How far the node's clock is ahead, in seconds.
    ahead: AtomicI64,
    recorder: Recorder,
    dir: &'a Path,
    /// At least three, by how many votes they have.
    pub(crate) voters: Vec<Voter>,
    pub(crate) guardian: Voter,
    /// A member since the founding that has never earned a vote.
    pub(crate) founder: Voter,
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

/// Votes of hours: nobody is late on a machine that has much else to do.
fn found(dao: &mut DaoConfig) {
    let charter = &mut dao.charter;
    (charter.voting_delay_ms, charter.voting_period_ms) = (HOUR_MS, 10 * HOUR_MS);
    (charter.timelock_ms, charter.critical_timelock_ms) = (HOUR_MS, 2 * HOUR_MS);
    charter.minimum_voters = 2;
    dao.guardian = Some(key(GUARDIAN).verifying_key().to_string());
    dao.founders = vec![FounderConfig {
        member: key(FOUNDER).verifying_key().to_string(),
        label: "The press".to_owned(),
        roles: vec![data_dao_governance::Role::Member],
    }];
}

fn key_file(dir: &Path, number: u8) -> Voter {
    let (path, key) = (dir.join(format!("{number}.key")), key(number));
    let rng = &mut UnwrapErr(SysRng);
    restore_key(&path, &key.seed(), KeyProtection::Clear, rng).unwrap();
    let file = path.to_str().unwrap().to_owned();
    Voter { file, key: key.verifying_key().to_string(), weight: 0 }
}

/// What it printed, after it succeeded.
#[track_caller]
pub(crate) fn done(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Its error, after it failed with one sentence.
#[track_caller]
pub(crate) fn failed(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.lines().count() == 1 && !error.contains("panicked"), "{error}");
    error
}

/// Waits until both rounds' pay is final and the model is for sale: nothing more happens by itself then.
async fn all_is_paid(cooperative: &mut Cooperative) {
    let mut seen = Vec::new();
    let is = |event: &'static str| {
        move |(from, said): &&(String, Value)| from == DAO && said["event"] == event
    };
    while seen.iter().filter(is("posted")).count() < 2 {
        world::until(cooperative, DAO, "posted", &mut seen).await;
    }
    if !seen.iter().any(|said| is("released")(&said)) {
        world::until(cooperative, DAO, "released", &mut seen).await;
    }
}

impl<'a> Assembly<'a> {
    /// Starts it, and lets its contributors earn their votes.
    pub(crate) fn start(dir: &'a Path) -> Self {
        let roles = Roles::new(dir);
        let clocks = Clocks::new(dir, &roles, &[DAO]);
        let runtime = Runtime::new().unwrap();
        let setup = Setup::new(SealingMode::Mpc, dir, 4, 2);
        let setup = Setup { program: roles.program(), found, ..setup };
        let (cooperative, vintage) = runtime.block_on(async {
            let (mut cooperative, vintage) = setup.start().await;
            all_is_paid(&mut cooperative).await;
            for name in [COORDINATOR, AGGREGATOR] {
                cooperative.end(name, End::Orderly).await;
            }
            (cooperative, vintage)
        });
        let recorder = Recorder::to(cooperative.http());
        let (guardian, founder) = (key_file(dir, GUARDIAN), key_file(dir, FOUNDER));
        let mut assembly = Self {
            runtime,
            clocks,
            ahead: AtomicI64::new(0),
            recorder,
            dir,
            voters: Vec::new(),
            guardian,
            founder,
            cooperative,
        };
        for winery in &vintage.wineries {
            let path = assembly.cooperative.trainer_dir(&winery.label).join("key");
            let key = SigningKey::from_seed(&load_key(&path).unwrap()).verifying_key().to_string();
            let weight = assembly.votes_of(&key);
            let voter = Voter { file: path.to_str().unwrap().to_owned(), key, weight };
            assembly.voters.extend((weight > 0).then_some(voter));
        }
        assembly.voters.sort_by_key(|voter| voter.weight);
        assert!(assembly.voters.len() >= 3, "too few earned votes: {:?}", assembly.voters);
        assembly
    }

    pub(crate) fn end(&mut self) {
        self.runtime.block_on(self.cooperative.end_all());
    }

    /// The program at a terminal, beside a clock as the node's.
    pub(crate) fn sahakar(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
        command.args(arguments).env("SAHAKAR_URL", self.recorder.url());
        command.envs(self.clocks.environment(DAO)).output().unwrap()
    }

    /// What it answers with `--json`.
    #[track_caller]
    pub(crate) fn asked(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&done(&self.sahakar(&[arguments, &["--json"]].concat()))).unwrap()
    }

    /// It fails, with all these words in its one sentence.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], words: &[&str]) {
        let before = self.log();
        let error = failed(&self.sahakar(arguments));
        for word in words {
            assert!(error.contains(word), "{arguments:?}: {error}");
        }
        assert_eq!(self.log(), before, "{arguments:?} changed something");
    }

    /// The same of a command whose clock is hours behind, as that of a notebook that slept.
    #[track_caller]
    pub(crate) fn refused_late(&self, arguments: &[&str], words: &[&str]) {
        self.clocks.set("behind", self.ahead.load(Ordering::SeqCst) - BEHIND_HOURS * HOUR);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
        command.args(arguments).env("SAHAKAR_URL", self.recorder.url());
        let error = failed(&command.envs(self.clocks.environment("behind")).output().unwrap());
        for word in words {
            assert!(error.contains(word), "{arguments:?}: {error}");
        }
    }

    /// Lets hours pass, and happen what is due then.
    #[track_caller]
    pub(crate) fn pass_hours(&self, hours: i64) {
        let ahead = self.ahead.fetch_add(hours * HOUR, Ordering::SeqCst) + hours * HOUR;
        self.clocks.set(DAO, ahead);
        // Of the hour that has begun: what falls due in it does not before the next call.
        let hour_ms = now_ms() + u64::try_from(ahead).unwrap() * 1_000;
        let is_due = |proposal: &Value| match proposal["state"].as_str().unwrap() {
            "pending" => proposal["voting_starts_ms"].as_u64().unwrap() < hour_ms,
            "active" => proposal["snapshot"].is_null(),
            "queued" => proposal["executable_ms"].as_u64().unwrap() <= hour_ms,
            state => state == "succeeded",
        };
        let quiet = |list: &Value| !list["proposals"].as_array().unwrap().iter().any(is_due);
        let is_quiet = (0..PATIENCE).any(|_| quiet(&self.get("/v1/proposals")));
        assert!(is_quiet, "what is due does not happen: {}", self.get("/v1/proposals"));
    }

    /// What the node answers to whoever asks, without the program.
    pub(crate) fn get(&self, path: &str) -> Value {
        Rest::new(self.cooperative.http()).get(path).unwrap()
    }

    /// Waits until a proposal has come to `state`, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, proposal: &str, state: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..PATIENCE {
            last = self.get(&format!("/v1/proposals/{proposal}"));
            if last["state"] == state {
                return last;
            }
        }
        panic!("it is not {state}: {last}")
    }

    /// Size and root of the log.
    pub(crate) fn log(&self) -> (Value, Value) {
        let ledger = self.get("/v1/ledger");
        (ledger["size"].clone(), ledger["root"].clone())
    }

    pub(crate) fn votes_of(&self, key: &str) -> u128 {
        let shown = self.get(&format!("/v1/members/{key}"));
        shown["membership"]["votes"].as_str().unwrap().parse().unwrap()
    }

    /// A file of the test's own.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    /// A new key, made by the program.
    pub(crate) fn new_key(&self, name: &str) -> Voter {
        let file = self.file(name);
        let said = done(&self.sahakar(&["key", "new", "--out", &file]));
        let key = said.lines().find_map(|line| line.strip_prefix("verifying ")).unwrap();
        Voter { key: key.trim().to_owned(), file, weight: 0 }
    }

    /// Looks through everything that every command sent for the private keys that they had in hand.
    pub(crate) fn no_key_was_sent(&self) {
        let sent = self.recorder.sent();
        // What the public may know is there: the record is one.
        for word in [
            "/ballots",
            "/v1/delegations",
            "/rotation",
            "/veto",
            "/departure",
            "POST /v1/proposals",
        ] {
            assert!(contains(&sent, word.as_bytes()), "{word} was not recorded");
        }
        let named = self.key_files();
        assert!(named.len() >= 8, "{named:?}");
        for path in named {
            let content = fs::read(&path).unwrap();
            let seed = load_key(&path).unwrap();
            let public = SigningKey::from_seed(&seed).verifying_key().to_string();
            for form in forms_of(&seed, &content) {
                assert!(!contains(&sent, &form), "{} of {public} was sent", path.display());
            }
        }
        let public = self.voters[0].key.as_bytes();
        assert!(contains(&sent, public), "who votes is said");
    }

    /// Every key file that a command of this test was given.
    fn key_files(&self) -> Vec<PathBuf> {
        let own = fs::read_dir(self.dir).unwrap().map(|entry| entry.unwrap().path());
        let own = own.filter(|path| path.extension().is_some_and(|ending| ending == "key"));
        own.chain(self.voters.iter().map(|voter| PathBuf::from(&voter.file))).collect()
    }
}

/// How a seed may be written down: as it is, as a file has it, in hexadecimal, in base64 wherever it stands in a longer text, as
/// a list of numbers.
fn forms_of(seed: &[u8; 32], content: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex::encode(seed);
    let list = |separator: &str| {
        let numbers: Vec<String> = seed.iter().map(ToString::to_string).collect();
        numbers.join(separator).into_bytes()
    };
    let mut forms = vec![
        seed.to_vec(),
        content.trim_ascii().to_vec(),
        hex.to_uppercase().into_bytes(),
        BASE64_STANDARD.encode(content.trim_ascii()).into_bytes(),
        hex.into_bytes(),
        list(","),
        list(", "),
    ];
    for skipped in 0..3 {
        // Whole groups of three bytes look the same in every longer text that has them at this place.
        let whole = &seed[skipped..skipped + 27];
        forms
            .extend([BASE64_STANDARD.encode(whole), BASE64_URL_SAFE.encode(whole)].map(Into::into));
    }
    forms
}
