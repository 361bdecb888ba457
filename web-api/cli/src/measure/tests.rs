use aggregator_strategy::ServerOptimizer;
use datasets::{Standardiser, Table, wine};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Digest, Encode as _};
use privacy_secagg::{QuantizedUpdate, RingVector, open_scalar};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use trainer_model::{MlpShape, TrainingPlan, TrainingSettings, train};

use super::*;

const CONTRIBUTORS: usize = 4;

/// One of six parts of the table, spread over it: its rows are sorted by more than chance.
fn part(index: usize) -> Table {
    let wine = wine::table();
    wine.select(&(index..wine.rows()).step_by(CONTRIBUTORS + 2).collect::<Vec<_>>()).unwrap()
}

struct Case {
    evaluator: Evaluator,
    rotation: Rotation,
    start: Parameters,
    /// Each contributor's quantised update.
    updates: Vec<Vec<i64>>,
}

impl Case {
    fn sum(&self) -> Vec<i64> {
        let coordinates = self.updates[0].len();
        (0..coordinates).map(|j| self.updates.iter().map(|update| update[j]).sum()).collect()
    }

    fn measure(&self, start: &Parameters, past: &[Vec<f32>]) -> Measured {
        let before = (start, &fed_avg());
        let round = (0, &self.rotation);
        self.evaluator.measure(before, &self.sum(), CONTRIBUTORS, round, past).unwrap()
    }

    fn encoding(&self) -> &EncodingParameters {
        &self.evaluator.encoding
    }

    /// The value of an update along a probe, in loss.
    fn value(&self, update: &[i64], probe: &QuantizedProbe) -> f64 {
        let vector = RingVector::from_integers(self.encoding().ring(), update.iter().copied());
        let opened = open_scalar(&[probe.scalar_share(&vector)], self.encoding());
        let units = probe.value_from_opened(opened) / i64::try_from(CONTRIBUTORS).unwrap();
        units as f64 * self.encoding().value_unit()
    }
}

fn unchecked_evaluator(architecture: &Architecture, dimension: u32) -> Evaluator {
    let validation = part(0);
    let standardiser = Standardiser::fit(&validation);
    let standardised = |table: &Table| Examples::from_table(table, &standardiser).unwrap();
    Evaluator {
        device: ComputeDevice::cpu(),
        architecture: architecture.clone(),
        validation: standardised(&validation),
        test: standardised(&part(1)),
        encoding: EncodingParameters::standard(ClipNorm::new(0.5).unwrap(), dimension, 8).unwrap(),
    }
}

fn evaluator(architecture: &Architecture, dimension: u32) -> Result<Evaluator, MeasureError> {
    unchecked_evaluator(architecture, dimension).checked(0)
}

fn fed_avg() -> OptimizerState {
    OptimizerState::new(ServerOptimizer::default(), 450).unwrap()
}

fn architecture() -> Architecture {
    Architecture::mlp(MlpShape { inputs: 11, hidden: vec![32], classes: 2 }).unwrap()
}

fn case() -> Case {
    let architecture = architecture();
    let evaluator = evaluator(&architecture, 450).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let start = Parameters::initial(&architecture, &mut rng);
    let encoding = evaluator.encoding;
    let rotation = encoding.rotation(&Digest([7; 32]), 0);
    let settings = TrainingSettings::sgd(2, 16, 0.05);
    let plan = TrainingPlan::new(settings).unwrap();
    let mut update = |index: usize| {
        let standardiser = Standardiser::fit(&part(0));
        let examples = Examples::from_table(&part(index + 2), &standardiser).unwrap();
        let device = ComputeDevice::cpu();
        let outcome = train(&device, &architecture, &start, &examples, &plan, &mut rng).unwrap();
        let delta = outcome.parameters.difference(&start).unwrap();
        let clipped = LocalUpdate::new(delta).unwrap().clip(encoding.clip_norm());
        let quantised = QuantizedUpdate::quantise(&clipped, &rotation, &encoding, &mut rng);
        let quantised = quantised.unwrap();
        quantised.values().iter().copied().map(i64::from).collect()
    };
    let updates = (0..CONTRIBUTORS).map(&mut update).collect();
    Case { evaluator, rotation, start, updates }
}

#[test]
fn values_add_up_to_the_improvement_of_the_validation_loss() {
    let case = case();
    let measured = case.measure(&case.start, &[]);
    let before = case.evaluator.validate(&case.start).unwrap().loss;
    let after = case.evaluator.validate(&measured.after).unwrap().loss;
    let values: f64 = case.updates.iter().map(|u| case.value(u, &measured.value_probe)).sum();
    assert!(before - after > 0.01, "training helps: {before} to {after}");
    let error = (values - (before - after)).abs() / (before - after);
    assert!(error < 0.02, "values of {values} for an improvement of {}", before - after);
}

#[test]
fn where_last_layers_are_contributors_own_only_shared_ones_are_moved_and_measured() {
    let architecture = architecture();
    let shared = architecture.layout().shared_count(1).unwrap();
    let evaluator = evaluator(&architecture, u32::try_from(shared).unwrap());
    assert!(matches!(evaluator, Err(MeasureError::Dimension { .. })), "nobody said so");
    let layered = |layers| {
        let shared = u32::try_from(shared).unwrap();
        unchecked_evaluator(&architecture, shared).checked(layers)
    };
    assert!(layered(2).is_err());
    let evaluator = layered(1).unwrap();
    let start = Parameters::initial(&architecture, &mut ChaCha20Rng::seed_from_u64(5));
    let fitted = fitted_head(&evaluator, start.clone()).unwrap();
    assert_eq!(fitted.values()[..shared], start.values()[..shared]);
    let loss = |model: &Parameters| evaluator.validate(model).unwrap().loss;
    assert!(loss(&fitted) < loss(&start) - 0.05, "{} to {}", loss(&start), loss(&fitted));
    // A sum of nothing moves nothing but the head, which goes on being fitted.
    let rotation = evaluator.encoding.rotation(&Digest([3; 32]), 0);
    let optimizer = OptimizerState::new(ServerOptimizer::default(), shared).unwrap();
    let sum = vec![0; shared];
    let measured = evaluator.measure((&fitted, &optimizer), &sum, 2, (0, &rotation), &[]).unwrap();
    assert_eq!(measured.mean_update.len(), shared);
    assert_eq!(measured.value_probe.values().len(), shared);
    assert_eq!(measured.after.values()[..shared], start.values()[..shared]);
    assert!(loss(&measured.after) < loss(&fitted));
}

#[test]
fn the_same_sum_gives_the_same_model_and_probes() {
    let case = case();
    let measure = || {
        let past = [vec![0.01; 450], case.start.values().to_vec()];
        case.measure(&case.start, &past)
    };
    let (first, again) = (measure(), measure());
    assert_eq!(first.after.to_bytes(), again.after.to_bytes());
    assert_eq!(first.value_probe.to_bytes(), again.value_probe.to_bytes());
    assert_eq!(first.innovation_probe.to_bytes(), again.innovation_probe.to_bytes());
    assert_eq!(first.contrast_probe.to_bytes(), again.contrast_probe.to_bytes());
    assert_ne!(first.value_probe, first.innovation_probe);
}

#[test]
fn who_replays_a_past_update_has_no_innovation() {
    let case = case();
    let first = case.measure(&case.start, &[]);
    let past = [first.mean_update];
    let again = case.measure(&first.after, &past);
    let mean: Vec<i64> = case.sum().iter().map(|total| total / 4).collect();
    let honest = case.value(&case.updates[0], &again.innovation_probe).abs();
    let replayed = case.value(&mean, &again.innovation_probe).abs();
    assert!(replayed < 0.05 * honest, "{replayed} beside {honest}");
    assert!(case.value(&mean, &again.value_probe) > 0.0, "but it would have had value");
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = case();
    let refused = |sum: &[i64], count| {
        let before = (&case.start, &fed_avg());
        case.evaluator.measure(before, sum, count, (0, &case.rotation), &[]).unwrap_err()
    };
    assert!(matches!(refused(&[0; 449], 4), MeasureError::Sum { expected: 450, got: 449, .. }));
    assert!(matches!(refused(&[0; 450], 0), MeasureError::Sum { count: 0, .. }));
    let refused = evaluator(&architecture(), 451).unwrap_err();
    assert!(matches!(refused, MeasureError::Dimension { encoded: 451, parameters: 450 }));
}
