//! Personal models that are pulled toward a shared one.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use datasets::{Standardiser, wine};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, ComputeDevice, Examples, LocalWork, MlpShape, ModelError, Parameters, Pull,
    TrainingOutcome, TrainingPlan, TrainingSettings, loss_gradient, train, train_personal,
};

const RATE: f32 = 0.05;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn model() -> Architecture {
    Architecture::mlp(MlpShape { inputs: 11, hidden: vec![8], classes: 2 }).unwrap()
}

fn parameters(seed: u64) -> Parameters {
    Parameters::initial(&model(), &mut rng(seed))
}

fn examples() -> Examples {
    let wine = wine::table();
    let rows: Vec<usize> = (0..60).collect();
    Examples::from_table(&wine.select(&rows).unwrap(), &Standardiser::fit(&wine)).unwrap()
}

fn personal(
    device: &ComputeDevice,
    settings: TrainingSettings,
    strength: f32,
) -> Result<TrainingOutcome, ModelError> {
    let (plan, toward) = (TrainingPlan::new(settings).unwrap(), parameters(2));
    let task = (&plan, Pull { toward: &toward, strength });
    train_personal(device, &model(), &parameters(1), &examples(), task, &mut rng(3))
}

fn distance(a: &Parameters, b: &Parameters) -> f64 {
    let difference = a.difference(b).unwrap();
    difference.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn without_a_pull_it_is_training_alone_and_an_infinite_one_gives_the_shared_model() {
    let settings = TrainingSettings { momentum: 0.5, ..TrainingSettings::sgd(3, 16, RATE) };
    let device = ComputeDevice::cpu();
    let plan = TrainingPlan::new(settings).unwrap();
    let alone = train(&device, &model(), &parameters(1), &examples(), &plan, &mut rng(3)).unwrap();
    assert_eq!(personal(&device, settings, 0.0).unwrap(), alone, "bit for bit");
    let drawn = personal(&device, settings, f32::INFINITY).unwrap();
    assert_eq!(drawn.parameters, parameters(2), "bit for bit");
    // In between it is the nearer the stronger the pull.
    let away = [0.0, 0.1, 1.0, 10.0, 1e3, 1e6].map(|strength| {
        distance(&personal(&device, settings, strength).unwrap().parameters, &parameters(2))
    });
    assert!(away.is_sorted_by(|weaker, stronger| weaker > stronger), "{away:?}");
    assert!(away[5] < 1e-3, "{away:?}");
}

#[test]
fn a_step_is_the_gradient_step_and_then_the_proximal_one() {
    let one = TrainingSettings { work: LocalWork::Steps(1), ..TrainingSettings::sgd(1, 60, RATE) };
    let (start, toward, strength) = (parameters(1), parameters(2), 4.0);
    let device = ComputeDevice::cpu();
    let gradient = loss_gradient(&device, &model(), &start, &examples()).unwrap();
    for device in [ComputeDevice::cpu(), ComputeDevice::cpu_reference()] {
        let got = personal(&device, one, strength).unwrap().parameters;
        let values = start.values().iter().zip(toward.values()).zip(&gradient).zip(got.values());
        for (((v, w), g), got) in values {
            let [v, w, g, rate] = [*v, *w, *g, RATE].map(f64::from);
            let weight = rate * f64::from(strength);
            let expected = (v - rate * g + weight * w) / (1.0 + weight);
            assert!((f64::from(*got) - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }
}

#[test]
fn engines_agree_on_many_steps() {
    let settings = TrainingSettings { momentum: 0.9, ..TrainingSettings::sgd(3, 16, RATE) };
    let on = |device| personal(&device, settings, 2.0).unwrap().parameters;
    let (got, expected) = (on(ComputeDevice::cpu()), on(ComputeDevice::cpu_reference()));
    assert!(distance(&got, &expected) < 1e-4);
    assert!(distance(&got, &parameters(1)) > 0.1);
}

#[test]
fn unfit_pulls_are_refused() {
    let settings = TrainingSettings::sgd(1, 16, RATE);
    let device = ComputeDevice::cpu();
    for strength in [-1.0, f32::NAN] {
        let refused = personal(&device, settings, strength).unwrap_err();
        assert!(matches!(refused, ModelError::PlanUnsupported { .. }), "{refused}");
    }
    let other = Architecture::mlp(MlpShape { inputs: 11, hidden: vec![], classes: 2 }).unwrap();
    let toward = Parameters::initial(&other, &mut rng(1));
    let plan = TrainingPlan::new(settings).unwrap();
    let task = (&plan, Pull { toward: &toward, strength: 1.0 });
    let refused = train_personal(&device, &model(), &parameters(1), &examples(), task, &mut rng(3));
    assert!(matches!(refused.unwrap_err(), ModelError::Parameters(_)));
}
