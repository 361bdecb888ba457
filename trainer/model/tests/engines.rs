//! The CPU engine against burn, an independent implementation with automatic differentiation, on
//! every architecture and every setting of a plan.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, Augmentation, Categorical, CharGruShape, Cnn, CnnShape, ComputeDevice,
    Convolution, Examples, Features, LocalWork, MlpShape, Padding, Parameters, Pooling,
    TableMlpShape, TrainingPlan, TrainingSettings, evaluate, loss_gradient, predict, train,
};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// An input: a level of the column if it holds categories, else a number within ±1.
fn input(model: &Architecture, column: usize, rng: &mut ChaCha20Rng) -> f32 {
    let levels = match model {
        Architecture::CharGru(gru) => Some(gru.shape().vocabulary),
        Architecture::TableMlp(table) => column
            .checked_sub(table.shape().numeric)
            .map(|column| table.shape().categorical[column].levels),
        _ => None,
    };
    match levels {
        Some(levels) => f32::from(rng.random_range(0..u16::try_from(levels).unwrap())),
        None => rng.random_range(-1.0..1.0),
    }
}

fn examples(model: &Architecture, count: usize, seed: u64) -> Examples {
    let mut rng = rng(seed);
    let inputs = model.inputs();
    let values = (0..count * inputs).map(|at| input(model, at % inputs, &mut rng)).collect();
    let classes = u32::try_from(model.classes()).unwrap();
    let labels: Vec<u32> = (0..count).map(|_| rng.random_range(0..classes)).collect();
    let features = Features::new(values, model.inputs()).unwrap();
    Examples::new(features, &labels, model.classes()).unwrap()
}

fn stage(channels: usize, kernel: usize, padding: Padding, pooling: Pooling) -> Convolution {
    Convolution { channels, kernel, padding, pooling }
}

/// Odd sizes, several panels, several blocks of rows, images of several channels.
fn models() -> Vec<Architecture> {
    let mlp = |inputs, hidden: &[usize], classes| {
        Architecture::mlp(MlpShape { inputs, hidden: hidden.to_vec(), classes }).unwrap()
    };
    let cnn = |[channels, height, width]: [usize; 3], stages: &[Convolution], hidden: &[usize]| {
        let (convolutions, hidden) = (stages.to_vec(), hidden.to_vec());
        Architecture::cnn(CnnShape { channels, height, width, convolutions, hidden, classes: 5 })
            .unwrap()
    };
    let (same, valid) = (Padding::Same, Padding::Valid);
    vec![
        mlp(7, &[], 3),
        mlp(1, &[1], 2),
        mlp(30, &[33, 65], 17),
        mlp(300, &[256, 48], 40),
        cnn([1, 9, 7], &[stage(3, 3, same, Pooling::None)], &[]),
        cnn(
            [3, 13, 11],
            &[stage(5, 3, same, Pooling::Max2), stage(17, 5, valid, Pooling::None)],
            &[6],
        ),
        cnn(
            [2, 12, 15],
            &[
                stage(33, 1, valid, Pooling::Max2),
                stage(4, 3, valid, Pooling::Max2),
                stage(40, 3, same, Pooling::None),
            ],
            &[20, 8],
        ),
        Architecture::Cnn(Cnn::small()),
        gru([5, 3, 7, 1, 6]),
        gru([40, 20, 33, 2, 9]),
        gru([3, 1, 1, 3, 1]),
        table(2, &[(7, 3), (40, 17)], &[9]),
        table(0, &[(2, 1)], &[]),
    ]
}

fn gru([vocabulary, embedding, hidden, layers, context]: [usize; 5]) -> Architecture {
    let shape = CharGruShape { vocabulary, embedding, hidden, layers, context };
    Architecture::char_gru(shape).unwrap()
}

fn table(numeric: usize, categorical: &[(usize, usize)], hidden: &[usize]) -> Architecture {
    let column = |&(levels, dimension): &(usize, usize)| Categorical { levels, dimension };
    let categorical = categorical.iter().map(column).collect();
    let hidden = hidden.to_vec();
    Architecture::table_mlp(TableMlpShape { numeric, categorical, hidden, classes: 3 }).unwrap()
}

/// Checks that `got` is `expected` but for `tolerance` of the largest expected value.
fn check_close(got: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let near = (got - expected).abs() <= tolerance * largest;
        assert!(near, "{what}, {index}: {got} for {expected}, of up to {largest}");
    }
}

#[test]
fn gradients_and_predictions_are_those_of_burn() {
    let (cpu, reference) = (ComputeDevice::cpu(), ComputeDevice::cpu_reference());
    for (seed, model) in (1..).zip(models()) {
        let parameters = Parameters::initial(&model, &mut rng(seed));
        for count in [1, 16, 37, 130] {
            let examples = examples(&model, count, seed);
            let what = format!("{} with {count} examples", model.to_json());
            let gradient = |device| loss_gradient(device, &model, &parameters, &examples).unwrap();
            check_close(&gradient(&cpu), &gradient(&reference), 2e-5, &what);
            let predicted =
                |device| predict(device, &model, &parameters, examples.features()).unwrap();
            let (got, expected) = (predicted(&cpu), predicted(&reference));
            check_close(got.probabilities(), expected.probabilities(), 2e-5, &what);
            let loss = |device| evaluate(device, &model, &parameters, &examples).unwrap().loss;
            assert!((loss(&cpu) - loss(&reference)).abs() < 1e-5, "{what}");
        }
    }
}

fn check_training(settings: TrainingSettings) {
    check_training_of(&models(), settings);
}

fn check_training_of(models: &[Architecture], settings: TrainingSettings) {
    let plan = TrainingPlan::new(settings).unwrap();
    for (seed, model) in (1..).zip(models) {
        let parameters = Parameters::initial(model, &mut rng(seed));
        let examples = examples(model, 50, seed);
        let trained =
            |device| train(device, model, &parameters, &examples, &plan, &mut rng(9)).unwrap();
        let (got, expected) =
            (trained(&ComputeDevice::cpu()), trained(&ComputeDevice::cpu_reference()));
        let what = format!("{} by {settings:?}", model.to_json());
        let delta = |outcome: &trainer_model::TrainingOutcome| {
            outcome.parameters.difference(&parameters).unwrap()
        };
        // Rounding of 10 steps, relative to the largest change of a parameter.
        check_close(&delta(&got), &delta(&expected), 1e-3, &what);
        assert!((got.loss - expected.loss).abs() < 1e-4, "{what}");
        assert_eq!(got.steps, expected.steps);
    }
}

#[test]
fn training_is_that_of_burn_with_every_setting() {
    let plain = TrainingSettings::sgd(2, 10, 0.05);
    check_training(plain);
    check_training(TrainingSettings { work: LocalWork::Steps(7), ..plain });
    check_training(TrainingSettings { momentum: 0.9, ..plain });
    check_training(TrainingSettings { weight_decay: 0.1, ..plain });
    check_training(TrainingSettings { proximal: 2.0, ..plain });
    check_training(TrainingSettings { gradient_clip: Some(0.05), ..plain });
    check_training(TrainingSettings {
        momentum: 0.5,
        weight_decay: 0.01,
        proximal: 0.5,
        gradient_clip: Some(0.2),
        ..plain
    });
}

#[test]
fn training_on_changed_images_is_that_of_burn() {
    let plain = TrainingSettings { momentum: 0.5, ..TrainingSettings::sgd(2, 12, 0.05) };
    let models = models();
    for (model, shape) in [(&models[4], [1, 9, 7]), (&models[5], [3, 13, 11])] {
        let augmentation = Augmentation { shape, padding: 2, flip: true, fill: -0.5 };
        let settings = TrainingSettings { augmentation: Some(augmentation), ..plain };
        check_training_of(std::slice::from_ref(model), settings);
    }
}

#[test]
fn training_is_the_same_on_every_thread() {
    for (seed, model) in (1..).zip(models()) {
        let parameters = Parameters::initial(&model, &mut rng(seed));
        let examples = examples(&model, 40, seed);
        let settings = TrainingSettings { momentum: 0.9, ..TrainingSettings::sgd(1, 16, 0.05) };
        let plan = TrainingPlan::new(settings).unwrap();
        let run = || {
            let device = ComputeDevice::cpu();
            let outcome = train(&device, &model, &parameters, &examples, &plan, &mut rng(9));
            outcome.unwrap().parameters.to_bytes()
        };
        let expected = run();
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
            for other in others {
                assert!(other.join().unwrap() == expected, "{}", model.to_json());
            }
        });
    }
}
