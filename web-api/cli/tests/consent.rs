//! A vote that weakens privacy, in a federation of real processes: it reaches a device with that device's consent alone.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

#[path = "world/voting.rs"]
mod voting;
mod world;

use std::path::Path;

use data_dao_governance::PrivacyPolicy;
use privacy_identity::Digest;
use sahakar::{
    demo::{
        children::{ChildNews, End, Spawner},
        cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
        wineries::Vintage,
    },
    rest::Rest,
    serve::SealingMode,
};
use serde_json::Value;

use voting::{keys, start, updates_sent, vote_for};

type Seen = Vec<(String, Value)>;

/// More than are run before the vote is over.
const ROUNDS: u32 = 60;

/// Writes the configuration with half as many contributors to a sum at least, and asks what digest its terms have.
fn weaker_terms(cooperative: &mut Cooperative, dir: &Path) -> Digest {
    let federation = &mut cooperative.config_mut().federation;
    (federation.minimum_cohort, federation.start_members) = (2, 2);
    voting::configured(cooperative, &dir.join("weaker.toml"))
}

/// The node and the aggregators begin anew with the terms that were voted for. An aggregator is bound to its terms by its
/// state: it gets another, with the same key.
async fn start_with_new_terms(cooperative: &mut Cooperative, dir: &Path) {
    cooperative.end(DAO, End::Orderly).await;
    cooperative.start_dao_again().await.unwrap();
    for name in [AGGREGATOR, COORDINATOR] {
        for entry in std::fs::read_dir(dir.join(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.file_name().unwrap() != "key" {
                std::fs::remove_file(path).unwrap();
            }
        }
        cooperative.start_aggregator(name).await.unwrap();
    }
}

/// Waits until each device has stopped, and checks what it said.
async fn all_stop(cooperative: &mut Cooperative, vintage: &Vintage, offered: Digest) {
    let mut told = Vec::new();
    let mut ended = 0;
    while ended < vintage.wineries.len() {
        let news = world::next(cooperative).await;
        match news.what {
            ChildNews::Said(value) if value["event"] == "terms-changed" => told.push(value),
            ChildNews::Ended(status) if vintage.wineries.iter().any(|w| w.label == news.from) => {
                assert!(!status.unwrap().success(), "{} stopped without a word", news.from);
                let log = cooperative.log_tail(&news.from);
                assert!(log.contains("weaker: fewest contributors 3 → 2"), "{log}");
                assert!(log.contains(&format!("--consent {offered}")), "{log}");
                ended += 1;
            }
            ChildNews::Said(value) => {
                let of_device = vintage.wineries.iter().any(|w| w.label == news.from);
                assert!(!of_device || value["event"] != "submitted", "{value}");
            }
            ChildNews::Ended(_) => {}
        }
    }
    assert_eq!(told.len(), vintage.wineries.len());
    for value in told {
        assert_eq!(value["offered"], offered.to_string());
        assert_eq!(value["changes"][0]["bearing"], "weaker", "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_7_a_vote_for_weaker_terms_reaches_the_devices_that_consented_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 3, ROUNDS);
    setup.adjust = |federation| federation.minimum_cohort = 3;
    let (mut cooperative, vintage) = setup.start().await;
    let mut seen: Seen = Vec::new();
    world::until(&mut cooperative, DAO, "posted", &mut seen).await;
    for name in [COORDINATOR, AGGREGATOR] {
        cooperative.end(name, End::Orderly).await;
    }
    let settled = seen.iter().filter(|(from, v)| from == DAO && v["event"] == "settled").count();
    assert!(settled < ROUNDS as usize, "the rounds were over before the vote began");

    // All of them vote for it; that is not consent.
    let weaker = weaker_terms(&mut cooperative, dir.path());
    let (rest, keys) = (Rest::new(cooperative.http()), keys(&cooperative, &vintage));
    let voting = tokio::task::spawn_blocking(move || {
        let policy = voting::policy(&rest);
        assert_eq!(policy.minimum_cohort, 3);
        vote_for(&rest, &keys, PrivacyPolicy { terms: weaker, minimum_cohort: 2, ..policy });
    });
    voting.await.unwrap();
    start_with_new_terms(&mut cooperative, dir.path()).await;
    all_stop(&mut cooperative, &vintage, weaker).await;
    let states: Vec<_> =
        vintage.wineries.iter().map(|winery| cooperative.trainer_dir(&winery.label)).collect();
    let sent: Vec<_> = states.iter().map(|state| updates_sent(state)).collect();

    let (spawner, mut news) =
        Spawner::new(env!("CARGO_BIN_EXE_sahakar").into(), dir.path().join("consents")).unwrap();
    // One consents to something that nobody voted for, then is started as if nothing had happened.
    let [first, second, third] = &vintage.wineries[..] else { panic!("three wineries") };
    for consent in [Some(Digest([7; 32])), None] {
        let refusing = start((&cooperative, &spawner), third, consent);
        loop {
            let event = news.recv().await.unwrap();
            assert_eq!(event.from, third.label);
            match event.what {
                ChildNews::Ended(status) => {
                    assert!(!status.unwrap().success());
                    break;
                }
                ChildNews::Said(value) => assert_ne!(value["event"], "joined"),
            }
        }
        drop(refusing);
    }
    let running =
        [first, second].map(|winery| start((&cooperative, &spawner), winery, Some(weaker)));
    let (mut consented, mut counted) = (0, 0);
    while counted < 2 {
        let patience = std::time::Duration::from_secs(60);
        let event = tokio::time::timeout(patience, news.recv()).await.unwrap().unwrap();
        match event.what {
            ChildNews::Said(value) if value["event"] == "consented" => consented += 1,
            ChildNews::Said(value) if value["event"] == "counted" => {
                assert_eq!(value["participants"], 2);
                counted += 1;
            }
            ChildNews::Said(value) => assert_ne!(value["event"], "disputed", "{value}"),
            ChildNews::Ended(_) => panic!("{}", spawner.log_tail(&event.from)),
        }
    }
    assert_eq!(consented, 2);
    for process in running {
        process.end(End::Orderly).await;
    }
    assert!(updates_sent(&states[0]) > sent[0] && updates_sent(&states[1]) > sent[1]);
    assert_eq!(updates_sent(&states[2]), sent[2], "an update left a device without consent");
    // Two consents and the round of two stand in the log, and the log recounts.
    let report = world::audit(&cooperative).await;
    assert!(report.rounds_settled > settled as u64);
    cooperative.end_all().await;
}
