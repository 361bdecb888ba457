//! What one commit costs a node that shows readers a snapshot after each, with many keys that were used for long.
//!
//! `cargo run --release -p data-dao-journal --example commit_cost -- [KEYS] [DAYS]`: 1 000 keys that each asked once on each of 100
//! days, then 1 000 predictions, each two entries, with a snapshot after each entry as a store publishes it.
#![expect(clippy::unwrap_used, reason = "an experiment stops where it fails")]
#![expect(unused_crate_dependencies, reason = "tests use the others")]

use std::{env, fs};

use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, DAY_MS, Deposited, Entry, FederationOpened, Genesis, KeyIssued,
    MemberAdmitted, ModelReleased, Participation, Predicted, PredictionReserved, PriceSet,
    Purchased, RoundOpened, RoundSettled, State,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey, Tag, VerifyingKey};

/// Predictions that are measured.
const MEASURED: u64 = 1_000;
/// Calls that each key bought: those of the days, and more than it is measured with.
const CALLS: u32 = 2_000;

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn main() {
    let mut arguments = env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let keys = arguments.next().unwrap_or(1_000);
    let days = arguments.next().unwrap_or(100);
    let mut node = Node { state: State::default(), now_ms: 19_000 * DAY_MS, number: 0 };
    node.found();
    for key in 0..keys {
        node.sell(key);
    }
    for _ in 0..days {
        (0..keys).for_each(|key| node.predict(key, |_| {}));
        node.now_ms += DAY_MS;
    }
    let mut published = node.state.clone();
    let started = cpu_seconds();
    for number in 0..MEASURED {
        node.predict(number % keys, |state| published = state.clone());
    }
    let each = (cpu_seconds() - started) * 1e6 / (2 * MEASURED) as f64;
    println!("{keys} keys, {days} days of usage: {each:.0} µs of CPU time a commit of one entry");
    assert_eq!(published.entries(), node.state.entries());
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn digest(kind: &str, number: u64) -> Digest {
    Digest::of(Tag::Dataset, format!("{kind} {number}").as_bytes())
}

struct Node {
    state: State,
    now_ms: u64,
    number: u64,
}

impl Node {
    fn push(&mut self, body: impl Into<Body>) {
        self.state.apply(&Entry { time_ms: self.now_ms, body: body.into() }).unwrap();
    }

    fn found(&mut self) {
        let seeds = ["one", "two"].map(|text| digest(text, 0).0);
        let mut members: Vec<VerifyingKey> =
            seeds.iter().map(|seed| SigningKey::from_seed(seed).verifying_key()).collect();
        members.sort_unstable();
        let federation = || name("wine");
        self.push(Genesis {
            names: data_dao_journal::NamesKind::InTheClear,
            rules: data_dao_journal::Rules::NEWEST,
            dao_name: "Commits".into(),
            bounds: BoundsKind::Demonstration,
            charter: CharterParameters::STANDARD,
            currency: "EUR".parse().unwrap(),
            treasury_percent: 10,
            operator: members[0],
            dao_node: members[0],
            aggregators: vec![members[0]],
        });
        self.push(FederationOpened {
            federation: federation(),
            terms_digest: digest("terms", 0),
            terms: "{}".into(),
            rounds: 1,
            round_budget: 1_000,
            minimum_cohort: 2,
            novelty_percent: 0,
            validation_commitment: digest("validation", 0),
        });
        for member in members.clone() {
            self.push(MemberAdmitted { federation: federation(), member, label: "winery".into() });
        }
        self.round(&members);
        let weights = self.state.release_weights(&federation()).unwrap();
        self.push(ModelReleased {
            model: federation(),
            version: 1,
            digest: digest("model", 1),
            federation: federation(),
            rounds: 1,
            test_accuracy_ppm: None,
            weights,
        });
        self.push(PriceSet { model: federation(), price: 250 });
    }

    fn round(&mut self, members: &[VerifyingKey]) {
        let (federation, model_before) = (name("wine"), digest("model", 0));
        self.push(RoundOpened {
            federation: federation.clone(),
            round: 0,
            model: model_before,
            cohort_size: 2,
            epsilon_micro: None,
        });
        let scalars: Vec<_> = members.iter().map(|member| (*member, 100, 50)).collect();
        let credits = self.state.round_credits(&federation, &scalars).unwrap();
        let part = |(place, (member, credits)): (u64, (&VerifyingKey, u128))| Participation {
            member: *member,
            value: 100,
            innovation: 50,
            contrast: None,
            credits,
            update: digest("update", place),
        };
        self.push(RoundSettled {
            federation,
            round: 0,
            model_before,
            model_after: digest("model", 1),
            receipt: digest("receipt", 0),
            test_accuracy_ppm: None,
            test_loss_micro: 1,
            participants: (0..).zip(members.iter().zip(credits)).map(part).collect(),
            refused: vec![],
            dropped: vec![],
        });
    }

    fn sell(&mut self, key: u64) {
        let key_id = name(&format!("k-{key}"));
        let key_hash = digest("key", key);
        self.push(KeyIssued { key_id: key_id.clone(), key_hash, buyer: format!("Buyer {key}") });
        let amount = 250 * u128::from(CALLS);
        self.push(Deposited { key_id: key_id.clone(), amount, idempotency_key: "d".into() });
        let (model, idempotency_key) = (name("wine"), "p".into());
        self.push(Purchased { key_id, model, calls: CALLS, price: 250, idempotency_key });
    }

    /// One prediction; `publish` sees the state before each of its entries.
    fn predict(&mut self, key: u64, mut publish: impl FnMut(&State)) {
        self.number += 1;
        let prediction = digest("prediction", self.number);
        self.push(PredictionReserved {
            prediction,
            key_id: name(&format!("k-{key}")),
            model: name("wine"),
            version: 1,
            input: digest("input", self.number),
            price: 250,
            expires_at_ms: self.now_ms + 1_000,
        });
        publish(&self.state);
        let lines = self.state.revenue_lines(&name("wine"), 1, 250).unwrap();
        self.push(Predicted {
            prediction,
            output: digest("output", self.number),
            model_digest: digest("model", 1),
            price: 250,
            lines,
        });
        publish(&self.state);
    }
}

/// CPU time of the process, so that a busy machine gives the same figures, where `/proc` tells it; in hundredths of a second
/// (`USER_HZ`).
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may have blanks in it: user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
