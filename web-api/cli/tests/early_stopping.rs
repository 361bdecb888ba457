//! A federation of real processes that ends before all its rounds were run, as its terms say.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::process::Command;

use data_dao_journal::{Body, Entry};
use sahakar::{
    demo::{
        children::End,
        cooperative::{COORDINATOR, DAO},
    },
    licence::LicenceConfig,
    serve::SealingMode,
};
use serde_json::Value;

/// No model ever gets better by so much: the first stays the best, and three rounds are run.
const HARD_TO_PLEASE: &str = "loss:patience=2,improvement=1000";

fn sahakar(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sahakar")).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_end_when_the_model_no_longer_improves_and_the_best_one_is_sold() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 4, 12);
    setup.adjust = |federation| federation.early_stopping = Some(HARD_TO_PLEASE.to_owned());
    let (mut cooperative, vintage) = setup.start().await;
    let mut seen: Vec<(String, Value)> = Vec::new();
    // What was measured so far outlives the node.
    world::until(&mut cooperative, DAO, "settled", &mut seen).await;
    cooperative.end(DAO, End::Kill).await;
    cooperative.start_dao_again().await.unwrap();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let reason = "no improvement on the validation set since round 0";
    for who in vintage.wineries.iter().map(|winery| winery.label.as_str()).chain([COORDINATOR]) {
        let said = |(from, value): &&(String, Value)| from == who && value["event"] == "finished";
        let finished = match seen.iter().find(said) {
            Some((_, value)) => value.clone(),
            None => world::until(&mut cooperative, who, "finished", &mut seen).await,
        };
        assert_eq!(finished["reason"], reason, "{who}");
    }
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, 3);
    let shown = sahakar(&["federation", "show", "wine", "--url", cooperative.http()]);
    assert!(
        shown.contains(&format!("ended: {reason}; the model of round 0 is on offer")),
        "{shown}"
    );
    let json: Value = serde_json::from_str(&sahakar(&[
        "federation",
        "show",
        "wine",
        "--json",
        "--url",
        cooperative.http(),
    ]))
    .unwrap();
    assert_eq!(json["ended"], reason);
    assert_eq!(json["rounds_settled"], 3);
    let log = data_dao_store::read_tiles(&cooperative.tiles_dir(), None).unwrap();
    let released = log.leaves.iter().find_map(|leaf| match Entry::from_leaf(leaf).unwrap().body {
        Body::ModelReleased(release) => Some(release.digest.to_string()),
        _ => None,
    });
    assert_eq!(released.as_deref(), json["settled"][0]["model"].as_str());
    cooperative.end_all().await;
    // Whoever is given the validation table recomputes when it had to end, and which model is the best.
    let tiles = cooperative.tiles_dir();
    let node = dir.path().join("dao");
    let audited = sahakar(&[
        "audit",
        "--forget",
        "--dir",
        tiles.to_str().unwrap(),
        "--validation",
        vintage.validation.to_str().unwrap(),
        "--node",
        node.to_str().unwrap(),
    ]);
    assert!(audited.contains("values recomputed"), "{audited}");
}

/// One round fits the budget (about 0.75 at this noise), two do not (about 1.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_federation_whose_privacy_budget_is_spent_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 3, 12);
    setup.adjust = |federation| {
        federation.minimum_cohort = 2;
        federation.noise_multiplier = 8.0;
        federation.epsilon_max = Some(0.95);
        federation.licence = Some(LicenceConfig::Spdx("CC-BY-4.0".to_owned()));
    };
    let (mut cooperative, _vintage) = setup.start().await;
    let mut seen: Vec<(String, Value)> = Vec::new();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let reason = "the next round would exceed the privacy budget";
    let shown = sahakar(&["federation", "show", "wine", "--url", cooperative.http()]);
    assert!(
        shown.contains(&format!("ended: {reason}; the model of round 0 is on offer")),
        "{shown}"
    );
    // Also after a restart, when nobody asks for a round any more.
    cooperative.end(DAO, End::Kill).await;
    cooperative.start_dao_again().await.unwrap();
    let shown = sahakar(&["federation", "show", "wine", "--json", "--url", cooperative.http()]);
    let json: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&json["ended"], &json["rounds_settled"]), (&reason.into(), &1.into()));
    // The licence of the configuration is named once, whatever the restarts, and is that of the model.
    assert_eq!(json["licence"]["spdx"], "CC-BY-4.0");
    let log = data_dao_store::read_tiles(&cooperative.tiles_dir(), None).unwrap();
    let named = log
        .leaves
        .iter()
        .filter(|leaf| matches!(Entry::from_leaf(leaf).unwrap().body, Body::LicenceSet(_)));
    assert_eq!(named.count(), 1);
    let path = "/v1/models/wine-quality/versions/1/files/README.md";
    let url = format!("{}{path}", cooperative.http());
    let card = tokio::task::spawn_blocking(move || {
        ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap()
    });
    let card = card.await.unwrap();
    assert!(card.starts_with("---\nlicense: cc-by-4.0\n"), "{card}");
    cooperative.end_all().await;
}
