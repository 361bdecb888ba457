//! Integrated gradients against central differences of plain loops in `f64`, and against their axioms; a predictor
//! against `predict`.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    ATTRIBUTION_STEPS, Architecture, Categorical, CharGruShape, Cnn, ComputeDevice, Features,
    MlpShape, Parameters, Predictor, TableMlpShape, integrated_gradients, predict,
};

/// What 64 points of the path may miss of a probability.
const GAP_MAX: f64 = 0.01;

fn random(count: usize, scale: f32, seed: u8) -> Vec<f32> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    (0..count).map(|_| rng.random_range(-scale..scale)).collect()
}

fn parameters(architecture: &Architecture, seed: u8) -> Parameters {
    let values = random(architecture.parameter_count(), 0.6, seed);
    Parameters::new(&architecture.layout(), values).unwrap()
}

/// Small models of each kind with three rows of inputs.
fn models() -> Vec<(Architecture, Parameters, Features)> {
    let mlp = Architecture::mlp(MlpShape { inputs: 5, hidden: vec![7], classes: 3 }).unwrap();
    let cnn = Architecture::Cnn(Cnn::small());
    let gru = CharGruShape { vocabulary: 6, embedding: 3, hidden: 5, layers: 2, context: 4 };
    let gru = Architecture::char_gru(gru).unwrap();
    let categorical = vec![Categorical { levels: 4, dimension: 2 }; 2];
    let table = TableMlpShape { numeric: 2, categorical, hidden: vec![6], classes: 2 };
    let table = Architecture::table_mlp(table).unwrap();
    let rows: [(Architecture, Vec<f32>); 4] = [
        (mlp, random(15, 2.0, 1)),
        (cnn, random(3 * 784, 1.0, 2)),
        (gru, vec![0.0, 1.0, 2.0, 3.0, 5.0, 5.0, 0.0, 1.0, 4.0, 3.0, 2.0, 1.0]),
        (table, vec![0.5, -1.0, 0.0, 3.0, 2.0, 1.0, 1.0, 2.0, -0.3, 0.1, 3.0, 0.0]),
    ];
    rows.into_iter()
        .map(|(architecture, values)| {
            let scaled = parameters(&architecture, 7);
            // Convolutions add up many products: smaller ones keep the probabilities off 0 and 1.
            let scale = if matches!(architecture, Architecture::Cnn(_)) { 0.1 } else { 1.0 };
            let values_of = scaled.values().iter().map(|value| value * scale).collect();
            let parameters = Parameters::new(&architecture.layout(), values_of).unwrap();
            let features = Features::new(values, architecture.inputs()).unwrap();
            (architecture, parameters, features)
        })
        .collect()
}

#[test]
fn attributions_add_up_to_the_difference_of_probabilities() {
    for (architecture, parameters, features) in models() {
        let device = ComputeDevice::cpu();
        let predictions = predict(&device, &architecture, &parameters, &features).unwrap();
        let classes: Vec<usize> = predictions.labels().collect();
        let explained =
            integrated_gradients(&device, &architecture, &parameters, &features, &classes).unwrap();
        assert_eq!(explained.len(), 3);
        for ((one, row), class) in explained.iter().zip(predictions.rows()).zip(classes) {
            assert_eq!((one.class, one.values.len()), (class, architecture.inputs()));
            assert!((one.probability - f64::from(row[class])).abs() < 1e-5);
            let sum: f64 = one.values.iter().sum();
            assert!((one.probability - one.baseline - sum - one.gap).abs() < 1e-9);
            assert!(one.gap.abs() < GAP_MAX, "{} misses {}", architecture.to_json(), one.gap);
            assert!(one.values.iter().any(|value| value.abs() > 1e-4), "{:?}", one.values);
        }
    }
}

/// The probability of a class by an MLP 5-7-3, in plain loops.
fn probability(flat: &[f64], row: &[f64], class: usize) -> f64 {
    let (first, rest) = flat.split_at(5 * 7);
    let (bias, rest) = rest.split_at(7);
    let (second, last) = rest.split_at(7 * 3);
    let hidden: Vec<f64> = (0..7)
        .map(|j| (bias[j] + (0..5).map(|i| row[i] * first[i * 7 + j]).sum::<f64>()).max(0.0))
        .collect();
    let logits: Vec<f64> = (0..3)
        .map(|k| last[k] + (0..7).map(|j| hidden[j] * second[j * 3 + k]).sum::<f64>())
        .collect();
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits[class].exp() / sum
}

#[test]
fn attributions_agree_with_central_differences_along_the_path() {
    let (architecture, parameters, features) = models().remove(0);
    let flat: Vec<f64> = parameters.values().iter().map(|value| f64::from(*value)).collect();
    let classes = [0, 1, 2];
    let device = ComputeDevice::cpu();
    let explained =
        integrated_gradients(&device, &architecture, &parameters, &features, &classes).unwrap();
    let step = 1e-6;
    for ((one, row), class) in explained.iter().zip(features.values().chunks(5)).zip(classes) {
        let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        for input in 0..5 {
            let mut mean = 0.0;
            for point in 0..ATTRIBUTION_STEPS {
                let place = (point as f64 + 0.5) / ATTRIBUTION_STEPS as f64;
                let moved = |by: f64| {
                    let mut at: Vec<f64> = row.iter().map(|value| value * place).collect();
                    at[input] += by;
                    probability(&flat, &at, class)
                };
                mean += (moved(step) - moved(-step)) / (2.0 * step) / ATTRIBUTION_STEPS as f64;
            }
            let expected = mean * row[input];
            assert!((one.values[input] - expected).abs() < 1e-5, "{input}: {one:?}, {expected}");
        }
    }
}

#[test]
fn a_class_that_does_not_exist_is_not_explained() {
    let (architecture, parameters, features) = models().remove(0);
    let explain = |classes: &[usize]| {
        let device = ComputeDevice::cpu();
        integrated_gradients(&device, &architecture, &parameters, &features, classes)
    };
    assert!(explain(&[0, 1, 3]).is_err());
    assert!(explain(&[0, 1]).is_err());
    assert!(explain(&[0, 1, 2]).is_ok());
}

#[test]
fn a_predictor_predicts_as_predict_does_and_batches_change_no_bit() {
    for (architecture, parameters, features) in models() {
        let device = ComputeDevice::cpu();
        let predictor = Predictor::new(&device, &architecture, &parameters).unwrap();
        let together = predictor.predict(&features).unwrap();
        assert_eq!(together, predict(&device, &architecture, &parameters, &features).unwrap());
        let inputs = architecture.inputs();
        let rows = features.values().chunks(inputs);
        let rows: Vec<_> = rows.map(|row| Features::new(row.to_vec(), inputs).unwrap()).collect();
        assert_eq!(Features::joined(&rows).unwrap(), features);
        for (row, expected) in rows.iter().zip(together.split(&[1, 1, 1])) {
            assert_eq!(predictor.predict(row).unwrap(), expected, "{}", architecture.to_json());
        }
    }
}
