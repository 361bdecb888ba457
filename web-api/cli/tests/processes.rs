//! Federations of real processes under circumstances of their own: a model described in JSON, odd contributors, all of them
//! dead and back, a relay, an aggregator told to stop, figures for Prometheus.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach helpers")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

#[path = "fire/roles.rs"]
mod roles;
mod world;

use std::{fs, net::TcpListener, path::Path, process::Command};

use aggregator_network::{Address, ListenAddress, Transport};
use sahakar::{
    demo::{
        children::{ChildNews, End},
        cooperative::{AGGREGATOR, COORDINATOR, DAO},
        wineries::Winery,
    },
    serve::SealingMode,
};
use serde_json::Value;

use crate::roles::Roles;

type Seen = Vec<(String, Value)>;

fn said<'a>(seen: &'a Seen, from: &str, event: &str) -> Vec<&'a Value> {
    let of = seen.iter().filter(|(who, value)| who == from && value["event"] == event);
    of.map(|(_, value)| value).collect()
}

/// The eleven measurements of a wine as a picture of eleven pixels, one above the other.
const PICTURE: &str = r#"{"kind":"cnn","channels":1,"height":11,"width":1,"convolutions":[{"channels":3,"kernel":3,"padding":"same","pooling":"none"}],"hidden":[4],"classes":2}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_convolutional_model_that_the_configuration_describes_is_learnt_without_code() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 4, 2);
    setup.adjust = |federation| federation.architecture = Some(PICTURE.to_owned());
    let (mut cooperative, _vintage) = setup.start().await;
    let mut seen = Seen::new();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, 2);
    // Three filters of nine weights, a dense layer of 33 by 4, one of 4 by 2, with their biases: 3·9+3 + 33·4+4 + 4·2+2.
    let all: Vec<_> = seen.iter().filter(|(_, value)| value["event"] == "submitted").collect();
    assert!(all.iter().all(|(_, value)| value["plain_bytes"] == 4 * 176), "{all:?}");
    assert_eq!(all.len(), 8);
    cooperative.end_all().await;
}

/// The first table keeps one row, the second one class.
fn odd(wineries: &mut [Winery]) {
    let rewrite = |path: &Path, keep: &dyn Fn(usize, &str) -> bool| {
        let text = fs::read_to_string(path).unwrap();
        let lines =
            text.lines().enumerate().filter(|(index, line)| *index == 0 || keep(*index, line));
        let kept: Vec<&str> = lines.map(|(_, line)| line).collect();
        assert!(kept.len() > 1);
        fs::write(path, kept.join("\n") + "\n").unwrap();
    };
    rewrite(&wineries[0].csv, &|index, _| index == 1);
    let text = fs::read_to_string(&wineries[1].csv).unwrap();
    let class = |line: &str| line.rsplit(',').next().unwrap().to_owned();
    let first = class(text.lines().nth(1).unwrap());
    rewrite(&wineries[1].csv, &|_, line| class(line) == first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contributor_of_one_row_and_one_of_one_class_have_a_part_in_every_round() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 4, 2);
    setup.recruit = odd;
    let (mut cooperative, vintage) = setup.start().await;
    let mut seen = Seen::new();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let ready = said(&seen, &vintage.wineries[0].label, "ready");
    assert_eq!(ready[0]["samples"], 1);
    let settled = said(&seen, COORDINATOR, "round-settled");
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|event| event["participants"] == 4), "{settled:?}");
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, 2);
    cooperative.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_contributors_die_in_a_round_it_ends_and_the_next_ones_are_run_once_they_are_back()
{
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) = world::start(dir.path(), 3, 4).await;
    let mut seen = Seen::new();
    world::until(&mut cooperative, COORDINATOR, "round-settled", &mut seen).await;
    world::until(&mut cooperative, COORDINATOR, "round-started", &mut seen).await;
    for winery in &vintage.wineries {
        cooperative.end(&winery.label, End::Kill).await;
    }
    // Nobody is there: whatever round is under way is given up at its deadline, and nothing of it is opened.
    world::until(&mut cooperative, COORDINATOR, "round-aborted", &mut seen).await;
    for winery in &vintage.wineries {
        cooperative.start_trainer(winery).unwrap();
    }
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, said(&seen, COORDINATOR, "round-settled").len() as u64);
    assert!(report.rounds_settled >= 2, "{report:?}");
    cooperative.end_all().await;
}

/// The aggregator carries connections, and the coordinator takes a place at it.
fn behind_a_relay(roles: &Roles, note: &Path) {
    roles.instruct(AGGREGATOR, "extra='--relayed-circuits 8'\n");
    let instructions = format!(
        "previous=; relay=\nfor argument in \"$@\"; do\n[ \"$previous\" = --peer ] && relay=$argument\n\
         previous=$argument\ndone\nprintf %s \"$relay\" > {note:?}\nextra=\"--relay $relay\"\n"
    );
    roles.instruct(COORDINATOR, &instructions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_reaches_a_coordinator_that_has_no_address_by_an_aggregator_that_relays() {
    let dir = tempfile::tempdir().unwrap();
    let (roles, note) = (Roles::new(dir.path()), dir.path().join("relay"));
    behind_a_relay(&roles, &note);
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 3, 3);
    setup.program = roles.program();
    // The invitation's coordinator becomes one whose port nobody listens on; the last trainer alone gets it.
    setup.processes = 2;
    setup.adjust = |federation| federation.minimum_cohort = 3;
    let (mut cooperative, vintage) = setup.start().await;
    let relay: Address = fs::read_to_string(&note).unwrap().parse().unwrap();
    let mut invitation = cooperative.invitation().unwrap().clone();
    let peer = invitation.coordinator[0].peer();
    invitation.coordinator = vec![ListenAddress::loopback(Transport::Tcp, 1).with_peer(peer)];
    invitation.relays = vec![relay];
    let last = &vintage.wineries[2];
    let mut trainer = Command::new(env!("CARGO_BIN_EXE_sahakar"))
        .args(["trainer", "--device", "cpu", "--label", &last.label, "--state"])
        .arg(cooperative.trainer_dir(&last.label))
        .args(["--join", &invitation.to_string(), "--data"])
        .arg(&last.csv)
        .spawn()
        .unwrap();
    let mut seen = Seen::new();
    // No round is possible without the third.
    let settled = world::until(&mut cooperative, COORDINATOR, "round-settled", &mut seen).await;
    assert_eq!(settled["participants"], 3);
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    assert!(trainer.wait().unwrap().success());
    cooperative.end_all().await;
}

fn pid(cooperative: &sahakar::demo::cooperative::Cooperative, name: &str) -> u32 {
    cooperative.pids().find(|(who, _)| *who == name).unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregator_that_is_told_to_stop_ends_well_and_its_round_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, _vintage) = world::start(dir.path(), 3, 3).await;
    let mut seen = Seen::new();
    for name in [COORDINATOR, AGGREGATOR] {
        world::until(&mut cooperative, COORDINATOR, "round-started", &mut seen).await;
        let stopped = pid(&cooperative, name);
        let sent = Command::new("kill").args(["-TERM", &stopped.to_string()]).status().unwrap();
        assert!(sent.success());
        let status = loop {
            let news = world::next(&mut cooperative).await;
            match news.what {
                ChildNews::Ended(status) if news.pid == Some(stopped) => break status,
                ChildNews::Said(value) => seen.push((news.from, value)),
                ChildNews::Ended(_) => {}
            }
        };
        assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}");
        cooperative.end(name, End::Kill).await;
        cooperative.start_aggregator(name).await.unwrap();
    }
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let report = world::audit(&cooperative).await;
    assert!(report.rounds_settled >= 2, "{report:?}");
    cooperative.end_all().await;
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What `name` is in Prometheus' text form.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert!(line.is_some(), "{name} in {text}");
    line.unwrap().parse().unwrap()
}

async fn fetch(port: u16) -> String {
    let url = format!("http://127.0.0.1:{port}/metrics");
    let fetched = tokio::task::spawn_blocking(move || {
        let mut answer = ureq::get(&url).call().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        answer.body_mut().read_to_string().unwrap()
    });
    fetched.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinator_and_trainer_serve_figures_for_prometheus_that_agree_with_their_events() {
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let (coordinator, trainer) = (free_port(), free_port());
    let metrics = |port| format!("extra='--metrics 127.0.0.1:{port}'\n");
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 3, 40);
    setup.program = roles.program();
    let label = setup.vintage().wineries[0].label.clone();
    roles.instruct(COORDINATOR, &metrics(coordinator));
    roles.instruct(&label, &metrics(trainer));
    let (mut cooperative, _vintage) = setup.start().await;
    let mut seen = Seen::new();
    for _ in 0..2 {
        world::until(&mut cooperative, COORDINATOR, "round-settled", &mut seen).await;
    }
    let text = fetch(coordinator).await;
    let settled = figure(&text, "sahakar_rounds_total{end=\"settled\"}");
    assert!(settled >= 2.0, "{text}");
    let participants = figure(&text, "sahakar_round_participants_total");
    assert!((participants - 3.0 * settled).abs() < 0.5, "{text}");
    assert!(figure(&text, "sahakar_rounds_total{end=\"aborted\"}") >= 0.0);
    for step in ["collect", "open", "settle"] {
        let label = |what| format!("sahakar_round_step_seconds_{what}{{step=\"{step}\"}}");
        assert!(figure(&text, &label("count")) >= 2.0, "{text}");
        let seconds = figure(&text, &label("sum"));
        assert!((0.0..600.0).contains(&seconds), "{text}");
    }
    assert!(text.contains("# TYPE sahakar_link_"), "{text}");
    assert!(fetch(trainer).await.contains("# TYPE sahakar_link_"));
    cooperative.end_all().await;
}
