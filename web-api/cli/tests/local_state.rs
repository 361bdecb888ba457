//! What contributors of real processes keep to themselves from round to round: last layers, models and control variates
//! of their own.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::{fs, path::Path, process::Command};

use sahakar::{
    demo::{
        children::End,
        cooperative::{Cooperative, DAO},
        wineries::Vintage,
    },
    serve::{FederationConfig, SealingMode},
};
use serde_json::Value;
use trainer_model::{Architecture, MlpShape, Parameters};

type Seen = Vec<(String, Value)>;

const ROUNDS: u32 = 3;

fn architecture() -> Architecture {
    Architecture::mlp(MlpShape { inputs: 11, hidden: vec![32], classes: 2 }).unwrap()
}

/// Runs a federation to its end, one contributor being killed and started again on the way; nobody disputes anything.
async fn run(dir: &Path, adjust: fn(&mut FederationConfig)) -> (Cooperative, Vintage, Seen) {
    let mut setup = world::Setup::new(SealingMode::Mpc, dir, 4, ROUNDS);
    setup.adjust = adjust;
    let (mut cooperative, vintage) = setup.start().await;
    let mut seen = Vec::new();
    let victim = vintage.wineries[0].clone();
    world::until(&mut cooperative, &victim.label, "counted", &mut seen).await;
    cooperative.end(&victim.label, End::Kill).await;
    cooperative.start_trainer(&victim).unwrap();
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
    (cooperative, vintage, seen)
}

/// Checks what everybody said of its own model, and how much was uploaded; the models on their disks.
fn own_models(
    cooperative: &Cooperative,
    vintage: &Vintage,
    seen: &Seen,
    uploaded: u64,
) -> Vec<Parameters> {
    let layout = architecture().layout();
    let own = |label: &str| {
        let said = |event: &str| {
            let of = |(from, value): &&(String, Value)| from == label && value["event"] == event;
            seen.iter().filter(of).map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let (personal, submitted) = (said("personal"), said("submitted"));
        assert!(!personal.is_empty() && !submitted.is_empty(), "{label}");
        for value in personal {
            let accuracy = value["accuracy"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&accuracy) && value["rows"].as_u64() > Some(0), "{value}");
        }
        assert!(submitted.iter().all(|value| value["plain_bytes"] == 4 * uploaded), "{label}");
        let path = cooperative.trainer_dir(label).join("personal.safetensors");
        Parameters::from_safetensors(&layout, &fs::read(path).unwrap()).unwrap()
    };
    vintage.wineries.iter().map(|winery| own(&winery.label)).collect()
}

fn audit_values(dir: &Path, cooperative: &Cooperative, vintage: &Vintage) {
    let output = Command::new(env!("CARGO_BIN_EXE_sahakar"))
        .args(["audit", "--forget", "--dir"])
        .arg(cooperative.tiles_dir())
        .arg("--validation")
        .arg(&vintage.validation)
        .arg("--node")
        .arg(dir.join("dao"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_1_last_layers_that_are_contributors_own_are_never_uploaded() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage, seen) =
        run(dir.path(), |federation| federation.personal_layers = Some(1)).await;
    let architecture = architecture();
    let shared = architecture.layout().shared_count(1).unwrap();
    let own = own_models(&cooperative, &vintage, &seen, shared as u64);
    for (index, model) in own.iter().enumerate() {
        let head = &model.values()[shared..];
        assert!(own[..index].iter().all(|other| other.values()[shared..] != *head), "{index}");
    }
    world::audit(&cooperative).await;
    audit_values(dir.path(), &cooperative, &vintage);
    cooperative.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_contributors_own_are_drawn_to_the_shared_one_and_stay_on_their_disks() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage, seen) =
        run(dir.path(), |federation| federation.ditto_lambda = Some(0.1)).await;
    let parameters = architecture().parameter_count();
    let own = own_models(&cooperative, &vintage, &seen, parameters as u64);
    for (index, model) in own.iter().enumerate() {
        assert!(own[..index].iter().all(|other| other != model), "{index}");
    }
    cooperative.end_all().await;
}

/// The floats in front of which their count of bytes stands, at the beginning of `bytes`.
fn floats(bytes: &[u8]) -> Vec<f64> {
    let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
    let (values, _) = rest[..length].as_chunks::<4>();
    values.iter().map(|value| f64::from(f32::from_le_bytes(*value))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn control_variates_stay_on_devices_and_the_common_one_is_their_mean() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, vintage, seen) = run(dir.path(), |federation| {
        federation.scaffold = true;
        federation.local_steps = Some(20);
    })
    .await;
    let parameters = architecture().parameter_count();
    let submitted = seen.iter().filter(|(_, value)| value["event"] == "submitted");
    for (_, value) in submitted {
        assert_eq!(value["plain_bytes"], 4 * parameters as u64, "nothing more is uploaded");
    }
    let mut sum = vec![0.0; parameters];
    for winery in &vintage.wineries {
        let path = cooperative.trainer_dir(&winery.label).join("control.bin");
        let own = floats(&fs::read(path).unwrap());
        assert!(own.iter().any(|value| *value != 0.0), "{}", winery.label);
        sum.iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
    }
    // The DAO node has their sum behind the step to the last model, and never saw one of them.
    let steps = fs::read_dir(dir.path().join("dao/models")).unwrap();
    let last = format!(".{}.step", ROUNDS - 1);
    let step = steps
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().is_some_and(|path| path.ends_with(&last)));
    let bytes = fs::read(step.unwrap()).unwrap();
    let kept = floats(&bytes[bytes.len() - 4 - 4 * parameters..]);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let length = norm(&mut kept.iter().copied());
    let apart = norm(&mut kept.iter().zip(&sum).map(|(kept, sum)| kept - sum));
    // Up to the rounding of updates to the fixed point, divided by the length of a step.
    assert!(length > 0.0 && apart < 0.05 * length, "{apart} of {length}");
    cooperative.end_all().await;
}
