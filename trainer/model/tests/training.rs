//! Training on the CPU: it learns, it is reproducible, and what does not fit is refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use datasets::{HoldOut, Standardiser, Table, hold_out, wine};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, ComputeDevice, Examples, MlpShape, ModelError, Parameters, TrainingOutcome,
    TrainingPlan, TrainingSettings, evaluate, train,
};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn wine_model() -> Architecture {
    Architecture::mlp(MlpShape { inputs: 11, hidden: vec![32], classes: 2 }).unwrap()
}

fn wine_examples(rows: &[usize]) -> Examples {
    let wine = wine::table();
    let standardiser = Standardiser::fit(&wine);
    Examples::from_table(&wine.select(rows).unwrap(), &standardiser).unwrap()
}

fn plan(local_epochs: u32, batch_size: u32, learning_rate: f32) -> TrainingPlan {
    TrainingPlan::new(TrainingSettings::sgd(local_epochs, batch_size, learning_rate)).unwrap()
}

fn trained(examples: &Examples, plan: &TrainingPlan, seed: u64) -> TrainingOutcome {
    let model = wine_model();
    let start = Parameters::initial(&model, &mut rng(1));
    train(&ComputeDevice::cpu(), &model, &start, examples, plan, &mut rng(seed)).unwrap()
}

#[test]
fn one_batch_is_learned_by_heart() {
    let rows: Vec<usize> = (0..16).collect();
    let examples = wine_examples(&rows);
    let outcome = trained(&examples, &plan(600, 16, 0.5), 2);
    let evaluation =
        evaluate(&ComputeDevice::cpu(), &wine_model(), &outcome.parameters, &examples).unwrap();
    assert_eq!(evaluation.correct, 16);
    assert!(evaluation.loss < 0.02, "{}", evaluation.loss);
    assert!(outcome.loss < 0.02, "{}", outcome.loss);
}

#[test]
fn the_same_seed_gives_the_same_parameters_bit_for_bit() {
    let rows: Vec<usize> = (0..203).collect();
    let examples = wine_examples(&rows);
    let (first, again) =
        (trained(&examples, &plan(3, 16, 0.05), 7), trained(&examples, &plan(3, 16, 0.05), 7));
    assert_eq!(first.parameters.to_bytes(), again.parameters.to_bytes());
    assert_eq!(first.loss.to_bits(), again.loss.to_bits());
    let other = trained(&examples, &plan(3, 16, 0.05), 8);
    assert_ne!(first.parameters.to_bytes(), other.parameters.to_bytes());
}

#[test]
fn the_last_batch_of_an_epoch_takes_what_is_left() {
    let examples = wine_examples(&(0..50).collect::<Vec<_>>());
    for (batch_size, steps) in [(16, 8), (50, 2), (64, 2), (1, 100)] {
        assert_eq!(trained(&examples, &plan(2, batch_size, 0.01), 1).steps, steps);
    }
}

#[test]
fn the_wine_model_learns() {
    let wine = wine::table();
    let sizes = HoldOut { validation: 300, test: 300 };
    let split = hold_out(wine.rows(), sizes, &mut rng(11)).unwrap();
    let outcome = trained(&wine_examples(&split.training), &plan(30, 16, 0.05), 12);
    let evaluation = evaluate(
        &ComputeDevice::cpu(),
        &wine_model(),
        &outcome.parameters,
        &wine_examples(&split.test),
    )
    .unwrap();
    assert!(evaluation.accuracy > 0.70, "{}", evaluation.accuracy);
}

#[test]
fn inverted_labels_teach_the_opposite() {
    let wine: Table = wine::table().with_inverted_labels();
    let broken = Examples::from_table(&wine, &Standardiser::fit(&wine)).unwrap();
    let outcome = trained(&broken, &plan(10, 16, 0.05), 3);
    let honest = wine_examples(&(0..1_599).collect::<Vec<_>>());
    let evaluation =
        evaluate(&ComputeDevice::cpu(), &wine_model(), &outcome.parameters, &honest).unwrap();
    assert!(evaluation.accuracy < 0.30, "{}", evaluation.accuracy);
}

#[test]
fn what_does_not_fit_is_refused() {
    let examples = wine_examples(&[0, 1, 2]);
    let check = |inputs, classes, start: &Architecture| {
        let model = Architecture::mlp(MlpShape { inputs, hidden: vec![32], classes }).unwrap();
        let start = Parameters::initial(start, &mut rng(1));
        let device = ComputeDevice::cpu();
        train(&device, &model, &start, &examples, &plan(1, 16, 0.1), &mut rng(1)).unwrap_err()
    };
    let model = |inputs, classes| {
        Architecture::mlp(MlpShape { inputs, hidden: vec![32], classes }).unwrap()
    };
    let error = check(12, 2, &model(12, 2));
    assert!(matches!(error, ModelError::InputMismatch { expected: 12, got: 11 }), "{error}");
    let error = check(11, 3, &model(11, 3));
    assert!(matches!(error, ModelError::ClassMismatch { expected: 3, got: 2 }), "{error}");
    let error = check(11, 2, &model(12, 2));
    assert!(matches!(error, ModelError::Parameters(_)), "{error}");
}

#[test]
fn training_that_diverges_is_an_error_and_not_a_model() {
    let model = wine_model();
    let huge = Parameters::new(&model.layout(), vec![1e30; 450]).unwrap();
    let examples = wine_examples(&[0, 1, 2]);
    let device = ComputeDevice::cpu();
    let outcome = train(&device, &model, &huge, &examples, &plan(2, 16, 10.0), &mut rng(1));
    assert!(matches!(outcome, Err(ModelError::Diverged(_))), "{outcome:?}");
    let measured = evaluate(&device, &model, &huge, &examples);
    assert!(matches!(measured, Err(ModelError::Diverged(_))), "{measured:?}");
}
