//! SCAFFOLD's control variates.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use datasets::{Standardiser, wine};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, ComputeDevice, ControlVariates, Examples, LocalWork, MlpShape, ModelError,
    Parameters, ScaffoldOutcome, TrainingPlan, TrainingSettings, control_change, loss_gradient,
    train, train_scaffold,
};

const RATE: f32 = 0.05;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn model() -> (Architecture, Parameters) {
    let shape = MlpShape { inputs: 11, hidden: vec![8], classes: 2 };
    let model = Architecture::mlp(shape).unwrap();
    let parameters = Parameters::initial(&model, &mut rng(1));
    (model, parameters)
}

fn examples() -> Examples {
    let wine = wine::table();
    let rows: Vec<usize> = (0..60).collect();
    Examples::from_table(&wine.select(&rows).unwrap(), &Standardiser::fit(&wine)).unwrap()
}

fn run(
    device: &ComputeDevice,
    settings: TrainingSettings,
    server: &[f32],
    own: &[f32],
) -> Result<ScaffoldOutcome, ModelError> {
    let ((model, parameters), plan) = (model(), TrainingPlan::new(settings).unwrap());
    let task = (&plan, ControlVariates { server, own });
    train_scaffold(device, &model, &parameters, &examples(), task, &mut rng(2))
}

fn check_close(got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len());
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance, "{index}: {got} for {expected}");
    }
}

#[test]
fn without_correction_it_is_training_and_the_control_variate_is_the_mean_gradient() {
    let ((model, parameters), zeros) = (model(), vec![0.0; 114]);
    let plain = TrainingSettings::sgd(2, 16, RATE);
    let device = ComputeDevice::cpu();
    let outcome = run(&device, plain, &zeros, &zeros).unwrap();
    let plan = TrainingPlan::new(plain).unwrap();
    let expected = train(&device, &model, &parameters, &examples(), &plan, &mut rng(2)).unwrap();
    assert_eq!(outcome.training, expected);

    let one = TrainingSettings { work: LocalWork::Steps(1), ..TrainingSettings::sgd(1, 60, RATE) };
    let outcome = run(&device, one, &zeros, &zeros).unwrap();
    let gradient = loss_gradient(&device, &model, &parameters, &examples()).unwrap();
    check_close(&outcome.control, &gradient, 1e-5);
}

#[test]
fn the_correction_is_added_to_each_step_and_leaves_the_control_variate() {
    let (server, own) = (vec![0.3; 114], vec![0.1; 114]);
    let one = TrainingSettings { work: LocalWork::Steps(1), ..TrainingSettings::sgd(1, 60, RATE) };
    for device in [ComputeDevice::cpu(), ComputeDevice::cpu_reference()] {
        let (zeros, (model, parameters)) = (vec![0.0; 114], model());
        let plain = run(&device, one, &zeros, &zeros).unwrap().training.parameters;
        let corrected = run(&device, one, &server, &own).unwrap();
        let shift = corrected.training.parameters.difference(&plain).unwrap();
        check_close(&shift, &[-RATE * 0.2; 114], 1e-6);
        // c_i − c + (g + c − c_i) is g.
        let gradient = loss_gradient(&device, &model, &parameters, &examples()).unwrap();
        check_close(&corrected.control, &gradient, 1e-5);
    }
    let many = TrainingSettings::sgd(3, 16, RATE);
    let on = |device| run(&device, many, &server, &own).unwrap();
    let (got, expected) = (on(ComputeDevice::cpu()), on(ComputeDevice::cpu_reference()));
    check_close(&got.control, &expected.control, 1e-4);
}

#[test]
fn unfit_control_variates_and_momentum_are_refused() {
    let (good, plain) = (vec![0.0; 114], TrainingSettings::sgd(1, 16, RATE));
    let device = ComputeDevice::cpu();
    for bad in [vec![0.0; 113], vec![f32::NAN; 114]] {
        for (server, own) in [(&good, &bad), (&bad, &good)] {
            let refused = run(&device, plain, server, own).unwrap_err();
            assert!(matches!(refused, ModelError::Parameters(_)), "{refused}");
        }
    }
    let momentum = TrainingSettings { momentum: 0.9, ..plain };
    let refused = run(&device, momentum, &good, &good).unwrap_err();
    assert!(matches!(refused, ModelError::PlanUnsupported { .. }), "{refused}");
}

#[test]
fn the_change_of_a_control_variate_follows_from_the_update() {
    let (server, own) = (vec![0.3; 114], vec![0.1; 114]);
    let settings = TrainingSettings::sgd(3, 16, RATE);
    let outcome = run(&ComputeDevice::cpu(), settings, &server, &own).unwrap();
    let delta = outcome.training.parameters.difference(&model().1).unwrap();
    let plan = TrainingPlan::new(settings).unwrap();
    assert_eq!(plan.steps(60), outcome.training.steps);
    let change = control_change(&server, &delta, plan.steps(60), RATE);
    let expected: Vec<f32> = outcome.control.iter().zip(&own).map(|(new, old)| new - old).collect();
    check_close(&change, &expected, 1e-5);
    // Linear in the update: the change of the mean follows from the mean of the updates.
    let twice: Vec<f32> = delta.iter().map(|value| 2.0 * value).collect();
    let mean: Vec<f32> = delta.iter().map(|value| 1.5 * value).collect();
    let of = |delta: &[f32]| control_change(&server, delta, plan.steps(60), RATE);
    let of_both: Vec<f32> = of(&delta).iter().zip(of(&twice)).map(|(a, b)| (a + b) / 2.0).collect();
    check_close(&of(&mean), &of_both, 1e-5);
}
