//! The same steps through a graphics adapter and on the CPU.
//!
//! Without a usable adapter the comparison cannot be made, and the test says that it was skipped. Where
//! one is promised (CI installs one in software) `SAHAKAR_REQUIRE_WGPU=1` makes that a failure.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use datasets::{Standardiser, wine};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, Categorical, CharGruShape, CnnShape, ComputeDevice, Convolution, DeviceChoice,
    Examples, Features, MlpShape, Padding, Parameters, Pooling, TableMlpShape, TrainingOutcome,
    TrainingPlan, TrainingSettings, evaluate, loss_gradient, train,
};

#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment alone")]
fn is_required() -> bool {
    std::env::var("SAHAKAR_REQUIRE_WGPU").is_ok_and(|value| value == "1")
}

/// The adapter, or nothing where none is required.
fn adapter() -> Option<ComputeDevice> {
    match ComputeDevice::open(DeviceChoice::Wgpu) {
        Ok(device) => Some(device),
        Err(error) => {
            assert!(!is_required(), "SAHAKAR_REQUIRE_WGPU is set, but {error}");
            println!("skipped for lack of a usable graphics adapter: {error}");
            None
        }
    }
}

fn examples() -> Examples {
    let wine = wine::table();
    let rows: Vec<usize> = (0..150).collect();
    Examples::from_table(&wine.select(&rows).unwrap(), &Standardiser::fit(&wine)).unwrap()
}

fn start() -> (Architecture, Parameters) {
    let shape = MlpShape { inputs: 11, hidden: vec![32], classes: 2 };
    let model = Architecture::mlp(shape).unwrap();
    let parameters = Parameters::initial(&model, &mut ChaCha20Rng::seed_from_u64(1));
    (model, parameters)
}

fn trained(device: &ComputeDevice) -> TrainingOutcome {
    let settings = TrainingSettings::sgd(3, 16, 0.05);
    let plan = TrainingPlan::new(settings).unwrap();
    let (model, parameters) = start();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    train(device, &model, &parameters, &examples(), &plan, &mut rng).unwrap()
}

fn check_close(got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len());
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance, "{index}: {got} for {expected}");
    }
}

#[test]
fn the_adapter_computes_what_the_cpu_computes() {
    let Some(device) = adapter() else { return };
    println!("computing on {}", device.description());
    let cpu = ComputeDevice::cpu();
    let (expected, got) = (trained(&cpu), trained(&device));
    check_close(got.parameters.values(), expected.parameters.values(), 1e-3);
    assert!((got.loss - expected.loss).abs() < 1e-3, "{} for {}", got.loss, expected.loss);
    assert_eq!(got.steps, expected.steps);

    let (model, parameters) = start();
    let gradient = |device| loss_gradient(device, &model, &parameters, &examples()).unwrap();
    check_close(&gradient(&device), &gradient(&cpu), 1e-4);
    let loss = |device| evaluate(device, &model, &parameters, &examples()).unwrap().loss;
    assert!((loss(&device) - loss(&cpu)).abs() < 1e-4);
}

/// One small model of each other kind.
fn others() -> [Architecture; 3] {
    let stage = |channels, padding, pooling| Convolution { channels, kernel: 3, padding, pooling };
    let convolutions =
        vec![stage(4, Padding::Same, Pooling::Max2), stage(6, Padding::Valid, Pooling::None)];
    let cnn =
        CnnShape { channels: 2, height: 9, width: 8, convolutions, hidden: vec![7], classes: 3 };
    let gru = CharGruShape { vocabulary: 6, embedding: 4, hidden: 9, layers: 1, context: 3 };
    let categorical = vec![Categorical { levels: 6, dimension: 3 }; 2];
    let table = TableMlpShape { numeric: 2, categorical, hidden: vec![8], classes: 3 };
    [
        Architecture::cnn(cnn).unwrap(),
        Architecture::char_gru(gru).unwrap(),
        Architecture::table_mlp(table).unwrap(),
    ]
}

#[test]
fn the_adapter_computes_every_kind_of_model() {
    let Some(device) = adapter() else { return };
    for model in others() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let inputs = model.inputs();
        let values = (0..20 * inputs).map(|_| f32::from(rng.random_range(0..6_u8))).collect();
        let labels: Vec<u32> = (0..20).map(|row| row % 3).collect();
        let features = Features::new(values, inputs).unwrap();
        let examples = Examples::new(features, &labels, model.classes()).unwrap();
        let parameters = Parameters::initial(&model, &mut rng);
        let plan = TrainingPlan::new(TrainingSettings {
            momentum: 0.5,
            weight_decay: 0.01,
            proximal: 0.1,
            gradient_clip: Some(1.0),
            ..TrainingSettings::sgd(2, 20, 0.05)
        })
        .unwrap();
        let run = |device: &ComputeDevice| {
            let gradient = loss_gradient(device, &model, &parameters, &examples).unwrap();
            let mut rng = ChaCha20Rng::seed_from_u64(4);
            let outcome = train(device, &model, &parameters, &examples, &plan, &mut rng).unwrap();
            (gradient, outcome.parameters)
        };
        let ((gradient, got), (expected_gradient, expected)) =
            (run(&device), run(&ComputeDevice::cpu()));
        check_close(&gradient, &expected_gradient, 1e-4);
        check_close(got.values(), expected.values(), 1e-3);
    }
}

#[test]
fn an_adapter_is_opened_once_and_shared() {
    let Some(device) = adapter() else { return };
    let again = ComputeDevice::open(DeviceChoice::Wgpu).unwrap();
    assert_eq!(device.description(), again.description());
}

#[test]
fn auto_takes_an_adapter_only_if_it_is_hardware() {
    let Some(device) = adapter() else { return };
    let auto = ComputeDevice::open(DeviceChoice::Auto).unwrap();
    let software = device.description().contains("in software");
    let expected = if software { "CPU" } else { device.description() };
    assert_eq!(auto.description(), expected);
}
