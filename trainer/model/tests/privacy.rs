//! Example-level differential privacy: the batched gradient is that of the naive loop, the noise has
//! the size that the accountant counts with.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, BatchSampling, Categorical, CharGruShape, Cnn, CnnShape, ComputeDevice,
    Convolution, DpSgd, Examples, Features, LocalWork, MlpShape, ModelError, Padding, Parameters,
    Pooling, TableMlpShape, TrainingPlan, TrainingSettings, loss_gradient, train,
};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Examples whose inputs are all 0 or 1, so that they are levels, too; some are large.
fn examples(model: &Architecture, count: usize) -> Examples {
    let mut rng = rng(1);
    let is_numeric = matches!(model, Architecture::Mlp(_) | Architecture::Cnn(_));
    let factor = |row: usize| if is_numeric && row.is_multiple_of(3) { 4.0 } else { 1.0 };
    let inputs = model.inputs();
    let value = |at: usize| f32::from(rng.random_range(0..2_u8)) * factor(at / inputs);
    let values = (0..count * inputs).map(value).collect();
    let classes = u32::try_from(model.classes()).unwrap();
    let labels: Vec<u32> = (0..count).map(|row| u32::try_from(row).unwrap() % classes).collect();
    Examples::new(Features::new(values, inputs).unwrap(), &labels, model.classes()).unwrap()
}

fn models() -> Vec<Architecture> {
    let stage =
        |channels, pooling| Convolution { channels, kernel: 3, padding: Padding::Same, pooling };
    let (convolutions, hidden) = (vec![stage(5, Pooling::Max2), stage(18, Pooling::None)], vec![6]);
    let cnn = CnnShape { channels: 2, height: 7, width: 8, convolutions, hidden, classes: 3 };
    let gru = CharGruShape { vocabulary: 4, embedding: 3, hidden: 5, layers: 2, context: 4 };
    let categorical = vec![Categorical { levels: 2, dimension: 3 }];
    let table = TableMlpShape { numeric: 2, categorical, hidden: vec![9], classes: 3 };
    vec![
        Architecture::mlp(MlpShape { inputs: 6, hidden: vec![], classes: 3 }).unwrap(),
        Architecture::mlp(MlpShape { inputs: 40, hidden: vec![33, 17], classes: 5 }).unwrap(),
        Architecture::cnn(cnn).unwrap(),
        Architecture::char_gru(gru).unwrap(),
        Architecture::table_mlp(table).unwrap(),
    ]
}

fn one_step(noise_multiplier: f32, clip_norm: f32, batch: u32) -> TrainingPlan {
    let privacy = DpSgd { clip_norm, noise_multiplier, sampling: BatchSampling::Shuffled };
    TrainingPlan::new(TrainingSettings {
        work: LocalWork::Steps(1),
        privacy: Some(privacy),
        ..TrainingSettings::sgd(1, batch, 1.0)
    })
    .unwrap()
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// The mean of the clipped gradients, one example at a time; and how many were clipped.
fn naive(
    model: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
    clip: f32,
) -> (Vec<f64>, usize) {
    let mut sum = vec![0.0; parameters.count()];
    let mut clipped = 0;
    for row in 0..examples.count() {
        let one = examples.select(&[row]).unwrap();
        let gradient = loss_gradient(&ComputeDevice::cpu(), model, parameters, &one).unwrap();
        let factor = (f64::from(clip) / norm(&gradient)).min(1.0);
        clipped += usize::from(factor < 1.0);
        for (sum, value) in sum.iter_mut().zip(gradient) {
            *sum += factor * f64::from(value) / examples.count() as f64;
        }
    }
    (sum, clipped)
}

#[test]
fn the_clipped_mean_is_that_of_the_naive_loop() {
    for model in models() {
        let parameters = Parameters::initial(&model, &mut rng(2));
        // More than are computed at once, for some.
        let examples = examples(&model, 150);
        let norms: Vec<f64> = (0..150)
            .map(|row| {
                let one = examples.select(&[row]).unwrap();
                norm(&loss_gradient(&ComputeDevice::cpu(), &model, &parameters, &one).unwrap())
            })
            .collect();
        #[expect(clippy::cast_possible_truncation, reason = "any norm between will do")]
        let clip = (norms.iter().sum::<f64>() / 150.0) as f32;
        let (expected, clipped) = naive(&model, &parameters, &examples, clip);
        assert!((1..150).contains(&clipped), "{clipped}");
        let plan = one_step(0.0, clip, 150);
        let device = ComputeDevice::cpu();
        let outcome = train(&device, &model, &parameters, &examples, &plan, &mut rng(3)).unwrap();
        let step = parameters.difference(&outcome.parameters).unwrap();
        for (index, (got, expected)) in step.iter().zip(&expected).enumerate() {
            let near = (f64::from(*got) - expected).abs() < 1e-5;
            assert!(near, "{}, {index}: {got} for {expected}", model.to_json());
        }
    }
}

#[test]
fn the_noise_has_the_deviation_that_was_asked_for() {
    let model = Architecture::Cnn(Cnn::small());
    let parameters = Parameters::new(&model.layout(), vec![0.0; 80_202]).unwrap();
    let examples = examples(&model, 10);
    // The gradients are next to nothing beside the noise: at most 1e-3 in all, against 2 e-3 each.
    let plan = one_step(20.0, 1e-3, 10);
    let device = ComputeDevice::cpu();
    let outcome = train(&device, &model, &parameters, &examples, &plan, &mut rng(3)).unwrap();
    let noise = outcome.parameters.values();
    let deviation = norm(noise) / 80_202.0_f64.sqrt();
    // Relative standard error 1/√(2 · 80 202) = 0.0025; four times that.
    assert!((deviation / 2e-3 - 1.0).abs() < 0.01, "{deviation}");
    let mean = noise.iter().map(|value| f64::from(*value)).sum::<f64>() / 80_202.0;
    assert!(mean.abs() < 4.0 * 2e-3 / 283.0, "{mean}");
    // Every parameter has noise of its own.
    assert!(noise.iter().all(|value| value.abs() > 0.0));
    let other = train(&device, &model, &parameters, &examples, &plan, &mut rng(4)).unwrap();
    assert_ne!(other.parameters, outcome.parameters);
}

#[test]
fn poisson_batches_may_be_empty_and_training_goes_on() {
    let model = models().remove(0);
    let parameters = Parameters::initial(&model, &mut rng(2));
    let privacy = DpSgd { clip_norm: 1.0, noise_multiplier: 0.5, sampling: BatchSampling::Poisson };
    let plan = TrainingPlan::new(TrainingSettings {
        work: LocalWork::Steps(50),
        privacy: Some(privacy),
        ..TrainingSettings::sgd(1, 1, 0.01)
    })
    .unwrap();
    let examples = examples(&model, 2);
    let device = ComputeDevice::cpu();
    let run = || train(&device, &model, &parameters, &examples, &plan, &mut rng(5)).unwrap();
    let outcome = run();
    assert_eq!(outcome.steps, 50);
    assert_eq!(outcome, run());
}

#[test]
fn elsewhere_than_on_the_cpu_it_is_refused() {
    let model = models().remove(0);
    let parameters = Parameters::initial(&model, &mut rng(2));
    let device = ComputeDevice::cpu_reference();
    let plan = one_step(1.0, 1.0, 10);
    let refused =
        train(&device, &model, &parameters, &examples(&model, 3), &plan, &mut rng(3)).unwrap_err();
    assert!(matches!(refused, ModelError::PlanUnsupported { .. }));
    let expected = "the plan cannot be carried out: example-level privacy is computed on the \
                    device `cpu` alone";
    assert_eq!(refused.to_string(), expected);
}
