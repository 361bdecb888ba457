//! A trainer whose member replaced its key goes on with the new one, and the old one is nobody's.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Output},
};

use sahakar::{
    demo::{
        children::{ChildNews, End, Spawner},
        cooperative::{Cooperative, DAO},
        wineries::Winery,
    },
    rest::Rest,
    serve::SealingMode,
};
use serde_json::Value;

use crate::{
    assembly::{done, failed},
    world::{self, Setup},
};

/// More than are run before the test is over.
const ROUNDS: u32 = 400;
/// Rounds in which a contributor earns something at least once.
const LUCK: usize = 20;

fn sahakar(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(arguments).env("SAHAKAR_URL", url).output().unwrap()
}

/// The member as REST shows it, found by any of its keys.
fn member(url: &str, key: &str) -> Value {
    Rest::new(url).get(&format!("/v1/members/{key}")).unwrap()
}

fn number(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// What a member earned, final or not.
fn earned(member: &Value) -> u128 {
    number(&member["credits"]) + number(&member["credits_pending"])
}

/// A trainer on another state directory, with the key in it; how it ended.
async fn ended_as(cooperative: &Cooperative, winery: &Winery, state: &Path, logs: &Path) -> String {
    let (spawner, mut news) =
        Spawner::new(env!("CARGO_BIN_EXE_sahakar").into(), logs.to_owned()).unwrap();
    let invitation = cooperative.invitation().unwrap().to_string();
    let words = ["trainer", "--json", "--with-parent", "--device", "cpu", "--join", &invitation];
    let mut arguments: Vec<OsString> = words.map(OsString::from).into();
    arguments.extend(["--state".into(), state.into(), "--data".into(), winery.csv.clone().into()]);
    let _running = spawner.spawn("former", &arguments).unwrap();
    loop {
        match news.recv().await.unwrap().what {
            ChildNews::Said(said) => assert_ne!(said["event"], "joined", "the old key joined"),
            ChildNews::Ended(status) => {
                assert!(!status.unwrap().success());
                return spawner.log_tail("former");
            }
        }
    }
}

/// The member replaces its key, and its trainer takes the new one. Returns both public keys.
fn rotate(url: &str, state: &Path, dir: &Path) -> (String, String) {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (key, new) = (path(&state.join("key")), path(&dir.join("new.key")));
    let public = |said: String| {
        let line = said.lines().find_map(|line| line.strip_prefix("verifying ")).unwrap();
        line.trim().to_owned()
    };
    let first = public(done(&sahakar(url, &["key", "show", &key])));
    let second = public(done(&sahakar(url, &["key", "new", "--out", &new])));
    let adopt = ["key", "adopt", "--state", &path(state), "--key", &new].map(str::to_owned);
    let adopt = adopt.each_ref().map(String::as_str);
    // In the wrong order it would join as somebody else.
    let early = failed(&sahakar(url, &adopt));
    assert!(early.contains("is no member's key") && early.contains("member rotate"), "{early}");
    done(&sahakar(url, &["member", "rotate", "--key", &key, "--new", &new]));
    let said = done(&sahakar(url, &adopt));
    assert!(said.contains(&first) && said.contains(&second), "{said}");
    assert!(done(&sahakar(url, &adopt)).contains("already"));
    let back = failed(&sahakar(
        url,
        &["key", "adopt", "--state", &path(state), "--key", &path(&state.join("keys/1/key"))],
    ));
    assert!(back.contains("does not sign for its member any more"), "{back}");
    let consent = ["member", "consent", "--federation", "wine", "--key", &key];
    let policy = done(&sahakar(url, &[&consent[..], &["--json"]].concat()));
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let agree = ["--agree", policy["digest"].as_str().unwrap()];
    done(&sahakar(url, &[&consent[..], &agree].concat()));
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_goes_on_with_its_member_s_new_key_and_the_old_one_is_not_invited() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage) =
        Setup::new(SealingMode::Mpc, dir.path(), 3, ROUNDS).start().await;
    world::until(&mut cooperative, DAO, "posted", &mut Vec::new()).await;
    let (url, winery) = (cooperative.http().to_owned(), vintage.wineries[0].clone());
    let state = cooperative.trainer_dir(&winery.label);
    cooperative.end(&winery.label, End::Orderly).await;
    let former = dir.path().join("former");
    fs::create_dir(&former).unwrap();
    for file in ["key", "terms.bin"] {
        fs::copy(state.join(file), former.join(file)).unwrap();
    }
    let (first, second) = rotate(&url, &state, dir.path());
    let before = member(&url, &second);
    assert_eq!(before["member"], first.as_str(), "known by its first key for ever");

    cooperative.start_trainer(&winery).unwrap();
    let mut rounds = Vec::new();
    for _ in 0..LUCK {
        let mut seen = Vec::new();
        let counted = world::until(&mut cooperative, &winery.label, "counted", &mut seen).await;
        rounds.push(counted["round"].as_u64().unwrap());
        if earned(&member(&url, &first)) > earned(&before) {
            break;
        }
    }
    let after = member(&url, &first);
    assert!(
        earned(&after) > earned(&before),
        "nothing was earned in the rounds {rounds:?}: {after}"
    );
    let took_part = |shown: &Value| shown["federations"][0]["rounds"].as_u64().unwrap();
    assert!(took_part(&after) > took_part(&before), "{after}");
    assert_eq!(after["membership"]["signing_key"], second.as_str());

    let log = ended_as(&cooperative, &winery, &former, &dir.path().join("logs-of-former")).await;
    assert!(log.contains("refused") && log.contains("join"), "{log}");
    // Whose update was paid is recomputed from the log alone.
    let report = world::audit(&cooperative).await;
    assert!(report.rounds_settled > rounds[0]);
    assert_eq!(report.members, 3, "nobody came to be by another key");
    cooperative.end_all().await;
}
