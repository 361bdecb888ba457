//! A federation of real processes whose rounds are dealt into groups, with a robust rule over the groups' means: one contributor
//! whose labels are turned round, nodes that are killed between rounds, and an auditor who recomputes everything.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::{fs, path::Path, process::Command};

use aggregator_protocol::FederationTerms;
use aggregator_round::{Grouping, OpenedGroups};
use data_dao_journal::{Body, Entry, RoundSettled};
use data_dao_store::read_tiles;
use datasets::{Standardiser, read_csv};
use privacy_identity::{Decode, Digest, Encode as _, Signed, SigningKey, Tag, VerifyingKey};
use sahakar::{
    demo::{
        children::End,
        cooperative::{COORDINATOR, Cooperative, DAO},
        wineries::{Kind, Vintage, Winery},
    },
    measure::Evaluator,
    serve::{SealingMode, SettledRecord},
};
use serde_json::Value;
use trainer_model::{Architecture, ComputeDevice, Examples, Parameters};

const MEMBERS: usize = 7;
const ROUNDS: u32 = 4;

/// One whose labels are inverted is as many attackers as a median of three groups withstands.
fn one_attacker(wineries: &mut [Winery]) {
    for winery in wineries {
        if winery.kind != Kind::InvertedLabels {
            winery.kind = Kind::Honest;
        }
    }
}

fn settlements(cooperative: &Cooperative) -> Vec<RoundSettled> {
    let log = read_tiles(&cooperative.tiles_dir(), None).unwrap();
    let bodies = log.leaves.iter().map(|leaf| Entry::from_leaf(leaf).unwrap().body);
    bodies
        .filter_map(|body| match body {
            Body::RoundSettled(settled) => Some(settled),
            _ => None,
        })
        .collect()
}

fn record<T: Decode>(path: &Path) -> T {
    T::from_bytes(&fs::read(path).unwrap()).unwrap()
}

/// The rounds as an auditor recomputes them: whether that went well, and what was said.
fn audit_values(dir: &Path, cooperative: &Cooperative, vintage: &Vintage) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sahakar"))
        .args(["audit", "--forget", "--dir"])
        .arg(cooperative.tiles_dir())
        .arg("--validation")
        .arg(&vintage.validation)
        .arg("--node")
        .arg(dir.join("dao"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

/// That no coordinate of the step of a round is outside what the groups without `attacker` have between them.
fn check_step(node: &Path, terms: &FederationTerms, round: u64, attacker: &VerifyingKey) {
    let record: SettledRecord = record(&node.join("rounds").join(format!("{round}.bin")));
    let (sum, receipt) = (record.sum.unverified_body(), record.receipt.unverified_body());
    let grant = receipt.grant.unverified_body();
    let grouping = Grouping::of(terms, grant, &sum.accepted).unwrap();
    let set = sum.accepted.contributions();
    let place = set.binary_search_by_key(attacker, |(member, _)| *member).unwrap();
    let poisoned = grouping.places()[place];
    let sizes: Vec<_> = grouping.sets().iter().map(|set| set.contributions().len()).collect();
    assert!(sizes.iter().all(|size| *size >= 2) && sizes.len() == 3, "{sizes:?}");
    let groups = OpenedGroups::of(terms, grant, sum).unwrap().unwrap();
    let step = groups.step().unwrap();
    let honest: Vec<_> = (0..3).filter(|group| *group != poisoned).collect();
    let mut taken = 0.0;
    for (coordinate, made) in step.update.iter().enumerate() {
        let of = |group: &usize| groups.means()[*group][coordinate];
        let least = honest.iter().map(of).fold(f32::INFINITY, f32::min);
        let most = honest.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
        assert!((least..=most).contains(made), "round {round}: {least} to {most}, got {made}");
        taken += step.weight(poisoned, coordinate);
    }
    // A mean would have taken a third of it everywhere.
    let share = taken / step.update.len() as f64;
    assert!(share < 0.45, "round {round}: the median took {share} of the poisoned group");
}

/// The fall of the validation loss from the model before a round to the one after it.
fn gain(
    node: &Path,
    terms: &FederationTerms,
    vintage: &Vintage,
    (before, after): (Digest, Digest),
) -> f64 {
    let table = read_csv(&vintage.validation, &vintage.schema).unwrap();
    let examples = Examples::from_table(&table, &Standardiser::fit(&table)).unwrap();
    let evaluator = Evaluator {
        device: ComputeDevice::cpu(),
        architecture: Architecture::from_json(&terms.architecture).unwrap(),
        test: examples.clone(),
        validation: examples,
        encoding: terms.encoding,
    };
    let loss = |digest: Digest| {
        let bytes = fs::read(node.join("models").join(format!("{digest}.safetensors"))).unwrap();
        let layout = evaluator.architecture.layout();
        let model = Parameters::from_safetensors(&layout, &bytes).unwrap();
        evaluator.validate(&model).unwrap().loss
    };
    loss(before) - loss(after)
}

/// Values are of the rule's step, add up to its gain, and the one with inverted labels has least of it.
fn check_rounds(node: &Path, vintage: &Vintage, settled: &[RoundSettled], attacker: &VerifyingKey) {
    let terms: Signed<FederationTerms> = record(&node.join("terms.bin"));
    let terms = terms.unverified_body();
    assert_eq!(terms.contributions_min(), 6);
    let (mut own, mut others) = (0, 0);
    for round in settled {
        check_step(node, terms, round.round, attacker);
        for participant in &round.participants {
            let total = if participant.member == *attacker { &mut own } else { &mut others };
            *total += participant.value;
        }
        let all: i64 = round.participants.iter().map(|participant| participant.value).sum();
        let values = all as f64 * terms.encoding.value_unit();
        let gained = gain(node, terms, vintage, (round.model_before, round.model_after));
        // Quadrature at three points, and values in fixed point.
        let apart = (values - gained).abs();
        assert!(apart < 0.05 * gained.abs() + 1e-4, "round {}: {values}, {gained}", round.round);
    }
    let honest = i64::try_from(MEMBERS - 1).unwrap();
    assert!(own < others / honest, "{own} beside {} on average", others / honest);
    assert!(others > 0, "the steps gain: {others}");
}

/// An auditor goes by what the receipt names: sums of groups that changed places are found.
fn check_altered(node: &Path, round: u64, audit: impl Fn() -> (bool, String)) {
    let path = node.join("rounds").join(format!("{round}.bin"));
    let mut altered: SettledRecord = record(&path);
    let mut sum = altered.sum.unverified_body().clone();
    sum.others.swap(0, 1);
    altered.sum = Signed::new(sum, Tag::RoundSum, &SigningKey::from_seed(&[1; 32]));
    fs::write(&path, altered.to_bytes()).unwrap();
    let (ok, text) = audit();
    assert!(!ok && text.contains("the receipt names the sum"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_4_robust_groups_are_paid_by_what_was_taken_of_them_and_everybody_recomputes_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), MEMBERS, ROUNDS);
    setup.recruit = one_attacker;
    setup.round_deadline_ms = 60_000;
    setup.adjust = |federation| {
        federation.groups = Some(3);
        federation.robust = Some("median".to_owned());
        federation.minimum_cohort = 2;
        federation.honest_minimum = Some(2);
    };
    let (mut cooperative, vintage) = setup.start().await;
    let mut seen: Vec<(String, Value)> = Vec::new();
    world::until(&mut cooperative, DAO, "settled", &mut seen).await;
    cooperative.end(DAO, End::Kill).await;
    cooperative.start_dao_again().await.unwrap();
    world::until(&mut cooperative, DAO, "settled", &mut seen).await;
    cooperative.end(COORDINATOR, End::Kill).await;
    cooperative.start_aggregator(COORDINATOR).await.unwrap();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    for winery in &vintage.wineries {
        let finished =
            |(from, value): &(String, Value)| *from == winery.label && value["event"] == "finished";
        if !seen.iter().any(finished) {
            world::until(&mut cooperative, &winery.label, "finished", &mut seen).await;
        }
    }
    let bad: Vec<_> = seen.iter().filter(|(_, value)| value["event"] == "disputed").collect();
    assert!(bad.is_empty(), "{bad:?}");
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, u64::from(ROUNDS));
    let settled = settlements(&cooperative);
    cooperative.end_all().await;

    let attacker = vintage.wineries.iter().find(|winery| winery.kind != Kind::Honest).unwrap();
    let joined = seen.iter().find(|(from, value)| {
        from == DAO && value["event"] == "joined" && value["label"] == attacker.label.as_str()
    });
    let attacker: VerifyingKey = joined.unwrap().1["member"].as_str().unwrap().parse().unwrap();
    let node = dir.path().join("dao");
    check_rounds(&node, &vintage, &settled, &attacker);
    let audit = || audit_values(dir.path(), &cooperative, &vintage);
    let (ok, text) = audit();
    assert!(ok, "{text}");
    assert!(text.contains("the probes of 4 rounds follow from it bit for bit"), "{text}");
    check_altered(&node, settled[1].round, audit);
}
