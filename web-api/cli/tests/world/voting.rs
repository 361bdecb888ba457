//! Votes for other terms in a co-operative of real processes, and what their owners do about them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use aggregator_network::load_key;
use data_dao_governance::{Action, BallotSecrecy, Capacity, Choice, PrivacyPolicy, Vote};
use privacy_identity::{Digest, SigningKey};
use sahakar::{
    commands::{
        proposal::{self, Motion},
        vote::{self, Voice},
    },
    demo::{
        children::{Process, Spawner},
        cooperative::Cooperative,
        wineries::{Vintage, Winery},
    },
    rest::Rest,
};
use serde_json::Value;

/// How often a node is asked whether a vote is over.
const POLL_MS: u64 = 50;
/// Longest wait for a vote, in polls: half a minute.
const POLLS_MAX: usize = 600;

/// Writes the configuration of the DAO node's next start to `path`, and asks what digest its terms have.
pub(crate) fn configured(cooperative: &mut Cooperative, path: &Path) -> Digest {
    std::fs::write(path, toml::to_string(cooperative.config_mut()).unwrap()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sahakar"))
        .args(["federation", "terms", "--json", "--config"])
        .arg(path)
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown["digest"].as_str().unwrap().parse().unwrap()
}

/// The policy in force.
pub(crate) fn policy(rest: &Rest) -> PrivacyPolicy {
    let shown = rest.get("/v1/federations/wine").unwrap();
    serde_json::from_value(shown["policy"].clone()).unwrap()
}

/// The keys of all members.
pub(crate) fn keys(cooperative: &Cooperative, vintage: &Vintage) -> Vec<SigningKey> {
    let key = |winery: &Winery| {
        let path = cooperative.trainer_dir(&winery.label).join("key");
        SigningKey::from_seed(&load_key(&path).unwrap())
    };
    vintage.wineries.iter().map(key).collect()
}

fn await_state(rest: &Rest, id: &str, wanted: &str) {
    for _ in 0..POLLS_MAX {
        let state = rest.get(&format!("/v1/proposals/{id}")).unwrap()["state"].clone();
        if state == wanted {
            return;
        }
        assert!(state != "defeated", "the proposal is defeated");
        std::thread::park_timeout(std::time::Duration::from_millis(POLL_MS));
    }
    panic!("the proposal did not become {wanted}");
}

/// All members vote for the policy, and it is executed.
pub(crate) fn vote_for(rest: &Rest, keys: &[SigningKey], policy: PrivacyPolicy) {
    let motion = Motion {
        title: "Smaller rounds".to_owned(),
        description: "Two of us are enough.".to_owned(),
        actions: vec![Action::SetPrivacyPolicy { federation: "wine".to_owned(), policy }],
        ballots: BallotSecrecy::Open,
    };
    let earned = |key: &&SigningKey| {
        let path = format!("/v1/members/{}", key.verifying_key());
        rest.get(&path).unwrap()["credits"] != "0"
    };
    let voters: Vec<_> = keys.iter().filter(earned).collect();
    let made = proposal::create(rest, voters[0], motion).unwrap();
    let id = made["id"].as_str().unwrap();
    await_state(rest, id, "active");
    for voter in voters {
        let (proposal, vote) = (id.parse().unwrap(), Vote::Whole(Choice::For));
        let voice = Voice { proposal, vote, capacity: Capacity::Entrusted, reason: None };
        vote::cast(rest, voter, &voice).unwrap();
    }
    await_state(rest, id, "executed");
}

/// How many updates left a device.
pub(crate) fn updates_sent(state: &Path) -> usize {
    let log = std::fs::read_to_string(state.join("sent.jsonl")).unwrap();
    log.lines().filter(|line| line.contains("\"submit\"")).count()
}

/// Starts a device, with its owner's consent to `terms` or without.
pub(crate) fn start(
    (cooperative, spawner): (&Cooperative, &Spawner),
    winery: &Winery,
    consent: Option<Digest>,
) -> Process {
    let text = |text: &str| OsString::from(text);
    let state: PathBuf = cooperative.trainer_dir(&winery.label);
    let invitation = cooperative.invitation().unwrap().to_string();
    let mut arguments = vec![
        text("trainer"),
        text("--state"),
        state.into(),
        text("--join"),
        invitation.into(),
        text("--data"),
        winery.csv.clone().into(),
        text("--label"),
        winery.label.clone().into(),
        text("--device"),
        text("cpu"),
        text("--json"),
        text("--with-parent"),
    ];
    if let Some(terms) = consent {
        let (terms, http) = (terms.to_string(), cooperative.http().to_owned());
        arguments.extend([text("--consent"), terms.into(), text("--url"), http.into()]);
    }
    spawner.spawn(&winery.label, &arguments).unwrap()
}
