//! Training on the CPU: it learns, it is reproducible, and what does not fit is refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use datasets::{HoldOut, Standardiser, Table, hold_out, wine};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, Augmentation, BatchSampling, Categorical, CharGruShape, Cnn, ComputeDevice,
    DpSgd, Examples, Features, MlpShape, ModelError, Parameters, Progress, TableMlpShape,
    TrainingOutcome, TrainingPlan, TrainingSettings, Watch, evaluate, train,
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

/// One small model of each kind, and inputs that are levels where it has categories.
fn kinds() -> [Architecture; 4] {
    let gru = CharGruShape { vocabulary: 8, embedding: 8, hidden: 32, layers: 1, context: 6 };
    let categorical = vec![Categorical { levels: 8, dimension: 4 }; 3];
    let table = TableMlpShape { numeric: 2, categorical, hidden: vec![32], classes: 4 };
    [
        Architecture::mlp(MlpShape { inputs: 20, hidden: vec![32], classes: 4 }).unwrap(),
        Architecture::Cnn(Cnn::small()),
        Architecture::char_gru(gru).unwrap(),
        Architecture::table_mlp(table).unwrap(),
    ]
}

/// Rows of whole numbers from 0 to 7, with labels that have nothing to do with them.
fn random_examples(model: &Architecture, count: usize) -> Examples {
    let mut rng = rng(5);
    let values = (0..count * model.inputs()).map(|_| f32::from(rng.random_range(0..8_u8)));
    let features = Features::new(values.collect(), model.inputs()).unwrap();
    let labels: Vec<u32> = (0..count).map(|_| rng.random_range(0..4)).collect();
    Examples::new(features, &labels, model.classes()).unwrap()
}

#[test]
fn each_kind_of_model_learns_one_batch_by_heart() {
    for model in kinds() {
        let examples = random_examples(&model, 16);
        let start = Parameters::initial(&model, &mut rng(1));
        let settings = TrainingSettings {
            momentum: 0.9,
            gradient_clip: Some(1.0),
            ..TrainingSettings::sgd(400, 16, 0.05)
        };
        let plan = TrainingPlan::new(settings).unwrap();
        let device = ComputeDevice::cpu();
        let outcome = train(&device, &model, &start, &examples, &plan, &mut rng(2)).unwrap();
        let evaluation = evaluate(&device, &model, &outcome.parameters, &examples).unwrap();
        let what = format!("{}: {evaluation:?}", model.to_json());
        assert!(evaluation.correct == 16 && evaluation.loss < 0.05, "{what}");
    }
}

#[test]
fn one_example_and_one_class_are_learned() {
    for model in kinds() {
        for rows in [vec![0], vec![0; 5]] {
            let examples = random_examples(&model, 1).select(&rows).unwrap();
            let start = Parameters::initial(&model, &mut rng(1));
            let device = ComputeDevice::cpu();
            let plan = plan(20, 2, 0.01);
            let outcome = train(&device, &model, &start, &examples, &plan, &mut rng(2)).unwrap();
            let loss = |parameters| evaluate(&device, &model, parameters, &examples).unwrap().loss;
            assert!(loss(&outcome.parameters) < loss(&start), "{}", model.to_json());
        }
    }
}

#[test]
fn inputs_that_are_no_level_of_their_category_are_refused() {
    let [_, _, gru, table] = kinds();
    let check = |model: &Architecture, column: usize, bad: f32, expected: &str| {
        let mut values = random_examples(model, 3).features().values().to_vec();
        values[model.inputs() + column] = bad;
        let features = Features::new(values, model.inputs()).unwrap();
        let examples = Examples::new(features, &[0, 1, 2], model.classes()).unwrap();
        let start = Parameters::initial(model, &mut rng(1));
        let plan = plan(1, 2, 0.1);
        for device in [ComputeDevice::cpu(), ComputeDevice::cpu_reference()] {
            let refused = train(&device, model, &start, &examples, &plan, &mut rng(1));
            assert_eq!(refused.unwrap_err().to_string(), expected);
            let refused = evaluate(&device, model, &start, &examples);
            assert_eq!(refused.unwrap_err().to_string(), expected);
        }
    };
    let sentence = |column: usize, got: &str| {
        format!("expected a whole number from 0 to 7 in row 1, column {column}, got {got}")
    };
    check(&gru, 5, 8.0, &sentence(5, "8"));
    check(&gru, 0, -1.0, &sentence(0, "-1"));
    check(&gru, 0, 0.5, &sentence(0, "0.5"));
    check(&table, 4, 1e30, &sentence(4, "1000000000000000000000000000000"));
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

/// Pixels of a row of `kinds()[1]`.
const SHAPE: [usize; 3] = [1, 28, 28];

fn trained_images(settings: TrainingSettings, seed: u64) -> Result<Vec<u8>, ModelError> {
    let model = Architecture::Cnn(Cnn::small());
    let start = Parameters::initial(&model, &mut rng(1));
    let (plan, examples) = (TrainingPlan::new(settings).unwrap(), random_examples(&model, 37));
    let device = ComputeDevice::cpu();
    let outcome = train(&device, &model, &start, &examples, &plan, &mut rng(seed))?;
    Ok(outcome.parameters.to_bytes())
}

#[test]
fn changed_images_follow_from_the_generator_and_no_change_is_none() {
    let augmentation = Augmentation { shape: SHAPE, padding: 4, flip: true, fill: 0.0 };
    let privacy = DpSgd { clip_norm: 1.0, noise_multiplier: 0.1, sampling: BatchSampling::Poisson };
    for privacy in [None, Some(privacy)] {
        let plain = TrainingSettings { privacy, ..TrainingSettings::sgd(2, 16, 0.05) };
        let with = |augmentation, seed| {
            let augmentation = Some(augmentation);
            trained_images(TrainingSettings { augmentation, ..plain }, seed).unwrap()
        };
        assert_eq!(with(augmentation, 7), with(augmentation, 7));
        assert_ne!(with(augmentation, 7), with(augmentation, 8));
        let none = Augmentation { padding: 0, flip: false, ..augmentation };
        let unchanged = trained_images(plain, 7).unwrap();
        assert_eq!(with(none, 7), unchanged, "a padding of 0 is the identity");
        for change in [
            Augmentation { flip: false, ..augmentation },
            Augmentation { padding: 0, ..augmentation },
            Augmentation { fill: 1.0, ..augmentation },
        ] {
            assert_ne!(with(change, 7), unchanged, "{change:?}");
            assert_ne!(with(change, 7), with(augmentation, 7), "{change:?}");
        }
    }
}

#[test]
fn changes_that_do_not_fit_the_images_are_refused() {
    let plain = TrainingSettings::sgd(1, 16, 0.1);
    let with = |shape, padding| {
        let augmentation = Some(Augmentation { shape, padding, flip: true, fill: 0.0 });
        TrainingSettings { augmentation, ..plain }
    };
    let refused = trained_images(with([1, 28, 27], 4), 1).unwrap_err();
    assert!(matches!(refused, ModelError::PlanUnsupported { .. }), "{refused}");
    let refused = TrainingPlan::new(with(SHAPE, 28)).unwrap_err().to_string();
    assert!(refused.contains("a padding below their height"), "{refused}");
    let [_, _, gru, table] = kinds();
    for model in [gru, table] {
        let start = Parameters::initial(&model, &mut rng(1));
        let plan = TrainingPlan::new(with([1, 1, model.inputs()], 0)).unwrap();
        let examples = random_examples(&model, 3);
        let device = ComputeDevice::cpu();
        let refused = train(&device, &model, &start, &examples, &plan, &mut rng(1)).unwrap_err();
        assert!(refused.to_string().contains("categories"), "{refused}");
    }
}

/// Counts what it is told, and breaks training off at a step.
struct Counting {
    told: Mutex<Vec<Progress>>,
    breaks_at: u64,
}

impl Watch for Counting {
    fn after_step(&self, progress: &Progress) -> ControlFlow<()> {
        self.told.lock().unwrap().push(*progress);
        if progress.step == self.breaks_at {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[test]
fn a_watch_is_told_of_every_step_and_changes_nothing() {
    let examples = wine_examples(&(0..50).collect::<Vec<_>>());
    let (model, plan) = (wine_model(), plan(2, 16, 0.1));
    let start = Parameters::initial(&model, &mut rng(1));
    for device in [ComputeDevice::cpu(), ComputeDevice::cpu_reference()] {
        let run = |breaks_at| {
            let counting = Arc::new(Counting { told: Mutex::default(), breaks_at });
            let watched = device.clone().watched(Arc::<Counting>::clone(&counting));
            let outcome = train(&watched, &model, &start, &examples, &plan, &mut rng(2));
            let told = std::mem::take(&mut *counting.told.lock().unwrap());
            (outcome, told)
        };
        let unwatched = train(&device, &model, &start, &examples, &plan, &mut rng(2)).unwrap();
        let (outcome, told) = run(u64::MAX);
        assert_eq!(outcome.unwrap(), unwatched);
        let steps: Vec<(u64, u64, u64)> =
            told.iter().map(|p| (p.step, p.steps, p.examples)).collect();
        let examples = [16, 32, 48, 50, 66, 82, 98, 100];
        assert_eq!(
            steps,
            (1..).zip(examples).map(|(step, seen)| (step, 8, seen)).collect::<Vec<_>>()
        );
        let (outcome, told) = run(3);
        assert!(matches!(outcome, Err(ModelError::BrokenOff)));
        assert_eq!(told.len(), 3);
    }
}

#[test]
fn the_last_loss_that_a_watch_is_told_is_the_outcome_s() {
    let examples = wine_examples(&(0..50).collect::<Vec<_>>());
    let counting = Arc::new(Counting { told: Mutex::default(), breaks_at: u64::MAX });
    let device = ComputeDevice::cpu().watched(Arc::<Counting>::clone(&counting));
    let (model, plan) = (wine_model(), plan(2, 16, 0.1));
    let start = Parameters::initial(&model, &mut rng(1));
    let outcome = train(&device, &model, &start, &examples, &plan, &mut rng(2)).unwrap();
    let told = counting.told.lock().unwrap().last().unwrap().loss.unwrap();
    assert!((told - f64::from(outcome.loss)).abs() < 1e-6);
}
