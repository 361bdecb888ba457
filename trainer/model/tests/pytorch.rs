//! Three steps of each kind of model as `PyTorch` takes them (`fixtures/pytorch.py`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::Deserialize;
use trainer_model::{
    Architecture, ComputeDevice, Examples, Features, LocalWork, Parameters, TrainingPlan,
    TrainingSettings, train,
};

#[derive(Deserialize)]
struct Fixture {
    steps: u32,
    learning_rate: f32,
    momentum: f32,
    weight_decay: f32,
    gradient_clip: f32,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    architecture: serde_json::Value,
    inputs: Vec<f32>,
    labels: Vec<u32>,
    before: Vec<f32>,
    loss_of_last_step: f32,
    after: Vec<f32>,
}

fn check(fixture: &Fixture, model: &Model, device: &ComputeDevice) {
    let architecture = Architecture::from_json(&model.architecture.to_string()).unwrap();
    let features = Features::new(model.inputs.clone(), architecture.inputs()).unwrap();
    let examples = Examples::new(features, &model.labels, architecture.classes()).unwrap();
    let batch = u32::try_from(examples.count()).unwrap();
    let plan = TrainingPlan::new(TrainingSettings {
        work: LocalWork::Steps(fixture.steps),
        momentum: fixture.momentum,
        weight_decay: fixture.weight_decay,
        gradient_clip: Some(fixture.gradient_clip),
        ..TrainingSettings::sgd(1, batch, fixture.learning_rate)
    })
    .unwrap();
    let before = Parameters::new(&architecture.layout(), model.before.clone()).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let outcome = train(device, &architecture, &before, &examples, &plan, &mut rng).unwrap();
    let what = format!("{} on {}", architecture.to_json(), device.description());
    assert!((outcome.loss - model.loss_of_last_step).abs() < 2e-6, "{what}: {}", outcome.loss);
    // Parameters of size 1 after three steps: some units in the last place.
    for (index, (got, expected)) in outcome.parameters.values().iter().zip(&model.after).enumerate()
    {
        assert!((got - expected).abs() < 1e-6, "{what}, {index}: {got} for {expected}");
    }
    let moved = outcome.parameters.difference(&before).unwrap();
    assert!(moved.iter().any(|change| change.abs() > 0.01), "{what}");
}

#[test]
fn three_steps_of_each_model_are_those_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/pytorch.json")).unwrap();
    assert_eq!(fixture.models.len(), 4);
    for model in &fixture.models {
        check(&fixture, model, &ComputeDevice::cpu());
        check(&fixture, model, &ComputeDevice::cpu_reference());
    }
}

#[derive(Deserialize)]
struct Fedprox {
    steps: u32,
    learning_rate: f32,
    momentum: f32,
    runs: Vec<FedproxRun>,
}

#[derive(Deserialize)]
struct FedproxRun {
    proximal: f32,
    inputs: Vec<f32>,
    labels: Vec<u32>,
    before: Vec<f32>,
    after: Vec<f32>,
}

#[test]
fn five_steps_with_the_proximal_term_are_those_that_pytorch_differentiates() {
    let fixture: Fedprox = serde_json::from_str(include_str!("fixtures/fedprox.json")).unwrap();
    let json = r#"{"kind":"mlp","inputs":5,"hidden":[9],"classes":4}"#;
    let architecture = Architecture::from_json(json).unwrap();
    let mut ends = Vec::new();
    for run in &fixture.runs {
        let features = Features::new(run.inputs.clone(), architecture.inputs()).unwrap();
        let examples = Examples::new(features, &run.labels, architecture.classes()).unwrap();
        let batch = u32::try_from(examples.count()).unwrap();
        let plan = TrainingPlan::new(TrainingSettings {
            work: LocalWork::Steps(fixture.steps),
            momentum: fixture.momentum,
            proximal: run.proximal,
            ..TrainingSettings::sgd(1, batch, fixture.learning_rate)
        })
        .unwrap();
        let before = Parameters::new(&architecture.layout(), run.before.clone()).unwrap();
        for device in [ComputeDevice::cpu(), ComputeDevice::cpu_reference()] {
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let outcome = train(&device, &architecture, &before, &examples, &plan, &mut rng);
            let got = outcome.unwrap().parameters;
            for (got, expected) in got.values().iter().zip(&run.after) {
                assert!((got - expected).abs() < 2e-6, "mu {}: {got} for {expected}", run.proximal);
            }
        }
        ends.push(run.after.clone());
    }
    // The term does something in the fixture: what is compared is not three times the same.
    assert_eq!(ends.len(), 3);
    let apart = |one: &[f32], other: &[f32]| {
        one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
    };
    assert!(apart(&ends[0], &ends[1]) > 1e-4 && apart(&ends[1], &ends[2]) > 1e-2);
}
