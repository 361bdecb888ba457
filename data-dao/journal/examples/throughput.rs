//! How fast entries are applied, how long a log takes to replay, and what the state takes in memory.
//!
//! `cargo run --release -p data-dao-journal --example throughput -- write FILE [ENTRIES] [CONTRIBUTORS]`, then
//! `… -- replay FILE` in a process of its own, so that its memory is that of the replay alone.
//!
//! The log is that of a co-operative that sells: a model with CONTRIBUTORS (8) of them; per purchase 200 predictions,
//! each reserved, made and split among all; and a settled and posted round in every 2 000 entries.
#![expect(clippy::unwrap_used, clippy::panic, reason = "an experiment stops where it fails")]
#![expect(unused_crate_dependencies, reason = "tests use the others")]

use std::{
    env,
    fs::{self, File},
    io::{BufReader, BufWriter, Read as _, Write as _},
};

use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, Deposited, Entry, FederationOpened, Genesis, KeyIssued, MemberAdmitted,
    ModelReleased, Participation, Predicted, PredictionReserved, PriceSet, Purchased, Replay,
    RoundOpened, RoundPosted, SafeguardsSet, State, settlement_bodies,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey, Tag, VerifyingKey};

/// Entries where none are said: those of the project's target.
const ENTRIES: u64 = 1_000_000;
/// Calls of one purchase.
const CALLS: u32 = 200;
/// One round in so many entries.
const ROUND_EVERY: u64 = 2_000;
/// Entries that are decoded before the clock of `apply` starts.
const PAGE: usize = 5_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map(|text| text.parse().unwrap());
    match arguments.first().map(String::as_str) {
        Some("write") => write(&arguments[1], number(2).unwrap_or(ENTRIES), number(3).unwrap_or(8)),
        Some("replay") => replay(&arguments[1]),
        _ => panic!("write FILE [ENTRIES] [CONTRIBUTORS] | replay FILE"),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn digest(kind: &str, number: u64) -> Digest {
    Digest::of(Tag::Dataset, format!("{kind} {number}").as_bytes())
}

/// The log in progress: what it says, and the file that it goes to.
struct Author {
    state: State,
    file: BufWriter<File>,
    entries: u64,
    members: Vec<VerifyingKey>,
    rounds: u64,
}

impl Author {
    fn push(&mut self, body: impl Into<Body>) {
        let entry = Entry { time_ms: 1_700_000_000_000 + self.entries, body: body.into() };
        let leaf = entry.to_leaf().unwrap();
        self.state.apply(&entry).unwrap();
        self.file.write_all(&u16::try_from(leaf.len()).unwrap().to_be_bytes()).unwrap();
        self.file.write_all(&leaf).unwrap();
        self.entries += 1;
    }

    fn found(&mut self) {
        let node = self.members[0];
        self.push(Genesis {
            names: data_dao_journal::NamesKind::InTheClear,
            rules: data_dao_journal::Rules::NEWEST,
            dao_name: "Throughput".into(),
            bounds: BoundsKind::Demonstration,
            charter: CharterParameters::STANDARD,
            currency: "EUR".parse().unwrap(),
            treasury_percent: 10,
            operator: node,
            dao_node: node,
            aggregators: vec![node],
        });
        for text in ["wine", "beer"] {
            self.push(FederationOpened {
                federation: name(text),
                terms_digest: digest("terms", 0),
                terms: "{}".into(),
                rounds: 1 << 16,
                round_budget: 1_000_000,
                minimum_cohort: 2,
                novelty_percent: 0,
                validation_commitment: digest("validation", 0),
            });
            for (index, member) in self.members.clone().into_iter().enumerate() {
                let label = format!("winery {index}");
                self.push(MemberAdmitted { federation: name(text), member, label });
            }
        }
        let safeguards = SafeguardsSet {
            federation: name("beer"),
            epsilon_micro_max: Some(1 << 50),
            challenge_window_ms: 1,
            reveal_by_rounds: None,
        };
        self.push(safeguards);
        self.round("wine", 0);
        let weights = self.state.release_weights(&name("wine")).unwrap();
        self.push(ModelReleased {
            model: name("wine-quality"),
            version: 1,
            digest: digest("wine", 1),
            federation: name("wine"),
            rounds: 1,
            test_accuracy_ppm: None,
            weights,
        });
        self.push(PriceSet { model: name("wine-quality"), price: 250 });
        let key_hash = digest("key", 0);
        self.push(KeyIssued { key_id: name("k-1"), key_hash, buyer: "Wine shop".into() });
    }

    fn round(&mut self, text: &str, round: u64) {
        let federation = name(text);
        let model = digest(text, round);
        let cohort_size = u32::try_from(self.members.len()).unwrap();
        self.push(RoundOpened {
            federation: federation.clone(),
            round,
            model,
            cohort_size,
            epsilon_micro: Some(1_000),
        });
        let scalars: Vec<(VerifyingKey, i64, i64)> =
            (3..).zip(&self.members).map(|(value, member)| (*member, value, 10)).collect();
        let credits = self.state.round_credits(&federation, &scalars).unwrap();
        let participant = |(place, ((member, value, innovation), credits))| Participation {
            member,
            value,
            innovation,
            contrast: None,
            credits,
            update: digest("update", (self.entries << 16) + place),
        };
        let settled = data_dao_journal::RoundSettled {
            federation: federation.clone(),
            round,
            model_before: model,
            model_after: digest(text, round + 1),
            receipt: digest("receipt", self.entries),
            test_accuracy_ppm: Some(700_000),
            test_loss_micro: 600_000,
            participants: (0_u64..)
                .zip(scalars.into_iter().zip(credits))
                .map(participant)
                .collect(),
            refused: vec![],
            dropped: vec![],
        };
        for body in settlement_bodies(settled).unwrap() {
            self.push(body);
        }
        let open = self.state.federation(&federation).unwrap().challenges().get(&round);
        if let Some(credits) = open.map(data_dao_journal::Challenge::credits) {
            self.push(RoundPosted { federation, round, credits });
        }
    }

    fn purchase(&mut self) {
        let (number, key_id) = (self.entries, name("k-1"));
        let amount = 250 * u128::from(CALLS);
        let idempotency_key = format!("deposit-{number}");
        self.push(Deposited { key_id: key_id.clone(), amount, idempotency_key });
        let idempotency_key = format!("purchase-{number}");
        let model = name("wine-quality");
        self.push(Purchased { key_id, model, calls: CALLS, price: 250, idempotency_key });
    }

    fn predict(&mut self) {
        let prediction = digest("prediction", self.entries);
        let time_ms = 1_700_000_000_000 + self.entries;
        self.push(PredictionReserved {
            prediction,
            key_id: name("k-1"),
            model: name("wine-quality"),
            version: 1,
            input: digest("input", self.entries),
            price: 250,
            expires_at_ms: time_ms + 120_000,
        });
        let lines = self.state.revenue_lines(&name("wine-quality"), 1, 250).unwrap();
        self.push(Predicted {
            prediction,
            output: digest("output", self.entries),
            model_digest: digest("wine", 1),
            price: 250,
            lines,
        });
    }
}

fn write(path: &str, entries: u64, contributors: u64) {
    let key = |number: u64| SigningKey::from_seed(&digest("member", number).0).verifying_key();
    let mut members: Vec<VerifyingKey> = (0..contributors).map(key).collect();
    members.sort_unstable();
    let file = BufWriter::new(File::create(path).unwrap());
    let mut author = Author { state: State::default(), file, entries: 0, members, rounds: 0 };
    author.found();
    while author.entries < entries {
        if author.entries / ROUND_EVERY > author.rounds {
            author.round("beer", author.rounds);
            author.rounds += 1;
        }
        author.purchase();
        for _ in 0..CALLS {
            author.predict();
        }
    }
    author.file.flush().unwrap();
    let bytes = fs::metadata(path).unwrap().len();
    println!("{} entries, {bytes} bytes", author.entries);
}

/// The leaves of a file, one after the other.
struct Leaves(BufReader<File>);

impl Iterator for Leaves {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut leaf = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut leaf).ok()?;
        Some(leaf)
    }
}

fn leaves(path: &str) -> Leaves {
    Leaves(BufReader::new(File::open(path).unwrap()))
}

fn replay(path: &str) {
    let (before, mut state) = (resident_mib(), State::default());
    let (mut decoding, mut applying) = (0.0, 0.0);
    let mut leaves_left = leaves(path);
    let mut entries = 0_u64;
    loop {
        let started = cpu_seconds();
        let page = leaves_left.by_ref().take(PAGE).map(|leaf| Entry::from_leaf(&leaf).unwrap());
        let page: Vec<Entry> = page.collect();
        let decoded = cpu_seconds();
        decoding += decoded - started;
        page.iter().for_each(|entry| state.apply(entry).unwrap());
        applying += cpu_seconds() - decoded;
        if page.is_empty() {
            break;
        }
        entries += page.len() as u64;
    }
    let transfers = state.accounts().transfer_count();
    println!("{entries} entries, {transfers} transfers");
    row("read and decoded, canonical form checked", entries, decoding);
    row("applied", entries, applying);
    println!("| memory of the state | {} MiB |", resident_mib().saturating_sub(before));
    drop(state);
    let started = cpu_seconds();
    let mut replay = Replay::default();
    leaves(path).for_each(|leaf| drop(replay.push(&leaf).unwrap()));
    row("replayed as an audit does, tree included", entries, cpu_seconds() - started);
    println!("| root | {} |", replay.report().root);
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn row(what: &str, entries: u64, seconds: f64) {
    println!("| {what} | {seconds:.1} s | {:.0} entries per second |", entries as f64 / seconds);
}

/// CPU time of the process, so that a busy machine gives the same table, where `/proc` tells it; in
/// hundredths of a second (`USER_HZ`).
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may have blanks in it: user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The process's resident memory, where `/proc` tells it; else 0.
fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
