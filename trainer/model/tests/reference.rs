//! The model against an independent one, written out in plain `f64` loops, and against finite
//! differences.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, ComputeDevice, Examples, Features, MlpShape, Parameters, TrainingPlan,
    TrainingSettings, evaluate, loss_gradient, predict, train,
};

/// A multilayer perceptron over a flat vector, computed example by example.
struct Reference {
    widths: Vec<usize>,
    flat: Vec<f64>,
}

impl Reference {
    fn new(shape: &MlpShape, parameters: &Parameters) -> Self {
        let widths = [&[shape.inputs][..], &shape.hidden, &[shape.classes]].concat();
        Self { widths, flat: parameters.values().iter().copied().map(f64::from).collect() }
    }

    /// The offset of each layer's weight; its bias follows.
    fn offsets(&self) -> Vec<usize> {
        let mut offset = 0;
        let layer = |pair: &[usize]| {
            let start = offset;
            offset += (pair[0] + 1) * pair[1];
            start
        };
        self.widths.windows(2).map(layer).collect()
    }

    /// The activations of every layer, the softmax of the last.
    fn forward(&self, input: &[f64]) -> Vec<Vec<f64>> {
        let mut activations = vec![input.to_vec()];
        let last = self.widths.len() - 2;
        for (layer, offset) in self.offsets().into_iter().enumerate() {
            let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
            let mut output = vec![0.0; outputs];
            for (j, value) in output.iter_mut().enumerate() {
                *value = self.flat[offset + inputs * outputs + j];
                for (i, input) in activations[layer].iter().enumerate() {
                    *value += input * self.flat[offset + i * outputs + j];
                }
                if layer < last {
                    *value = value.max(0.0);
                }
            }
            activations.push(output);
        }
        let logits = activations.last_mut().unwrap();
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        logits.iter_mut().for_each(|z| *z = z.exp() / sum);
        activations
    }

    /// Adds the gradient of the cross-entropy of one example to `gradient`; returns the loss.
    fn backward(&self, input: &[f64], label: usize, gradient: &mut [f64]) -> f64 {
        let activations = self.forward(input);
        let mut delta = activations.last().unwrap().clone();
        let loss = -delta[label].ln();
        delta[label] -= 1.0;
        for (layer, offset) in self.offsets().into_iter().enumerate().rev() {
            let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
            let mut before = vec![0.0; inputs];
            for i in 0..inputs {
                let active = layer == 0 || activations[layer][i] > 0.0;
                for j in 0..outputs {
                    gradient[offset + i * outputs + j] += activations[layer][i] * delta[j];
                    if active {
                        before[i] += self.flat[offset + i * outputs + j] * delta[j];
                    }
                }
            }
            for j in 0..outputs {
                gradient[offset + inputs * outputs + j] += delta[j];
            }
            delta = before;
        }
        loss
    }

    /// The mean loss over `examples` and its gradient.
    fn loss_and_gradient(&self, examples: &Examples) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; self.flat.len()];
        let mut loss = 0.0;
        for (row, &label) in rows(examples).iter().zip(examples.labels()) {
            loss += self.backward(row, label, &mut gradient);
        }
        let count = examples.count() as f64;
        gradient.iter_mut().for_each(|value| *value /= count);
        (loss / count, gradient)
    }
}

fn rows(examples: &Examples) -> Vec<Vec<f64>> {
    let features = examples.features();
    let rows = features.values().chunks(features.inputs());
    rows.map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

struct Case {
    shape: MlpShape,
    architecture: Architecture,
    parameters: Parameters,
    examples: Examples,
}

fn case(shape: MlpShape, rows: usize, seed: u64) -> Case {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let architecture = Architecture::mlp(shape.clone()).unwrap();
    let parameters = Parameters::initial(&architecture, &mut rng);
    let values = (0..rows * shape.inputs).map(|_| rng.random_range(-2.0..2.0_f32)).collect();
    let classes = u32::try_from(shape.classes).unwrap();
    let labels: Vec<u32> = (0..rows).map(|_| rng.random_range(0..classes)).collect();
    let features = Features::new(values, shape.inputs).unwrap();
    let examples = Examples::new(features, &labels, shape.classes).unwrap();
    Case { shape, architecture, parameters, examples }
}

fn shapes() -> [MlpShape; 4] {
    let shape =
        |inputs, hidden: &[usize], classes| MlpShape { inputs, hidden: hidden.to_vec(), classes };
    [shape(11, &[32], 2), shape(5, &[], 3), shape(1, &[1], 2), shape(7, &[9, 6], 4)]
}

fn check_close(got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let got = f64::from(*got);
        assert!((got - expected).abs() <= tolerance, "{index}: {got} for {expected}");
    }
}

#[test]
fn the_gradient_is_that_of_the_reference() {
    for (seed, shape) in (1..).zip(shapes()) {
        let case = case(shape, 37, seed);
        let (_, expected) =
            Reference::new(&case.shape, &case.parameters).loss_and_gradient(&case.examples);
        let device = ComputeDevice::cpu();
        let got = loss_gradient(&device, &case.architecture, &case.parameters, &case.examples);
        check_close(&got.unwrap(), &expected, 1e-6);
    }
}

#[test]
fn the_gradient_over_more_rows_than_are_computed_at_once_is_still_the_mean() {
    let case = case(shapes()[0].clone(), 8_192 + 1_000, 5);
    let (_, expected) =
        Reference::new(&case.shape, &case.parameters).loss_and_gradient(&case.examples);
    let device = ComputeDevice::cpu();
    let got = loss_gradient(&device, &case.architecture, &case.parameters, &case.examples);
    check_close(&got.unwrap(), &expected, 1e-6);
}

#[test]
fn the_gradient_agrees_with_finite_differences_of_the_loss() {
    let case = case(shapes()[3].clone(), 20, 6);
    let device = ComputeDevice::cpu();
    let loss = |parameters: &Parameters| {
        evaluate(&device, &case.architecture, parameters, &case.examples).unwrap().loss
    };
    let gradient =
        loss_gradient(&device, &case.architecture, &case.parameters, &case.examples).unwrap();
    // Central differences of an f32 forward pass: truncation about step², rounding about 1e-7/step.
    let step = 4e-3_f32;
    for (index, expected) in gradient.iter().enumerate() {
        let mut delta = vec![0.0; gradient.len()];
        delta[index] = step;
        let above = loss(&case.parameters.plus(&delta).unwrap());
        delta[index] = -step;
        let below = loss(&case.parameters.plus(&delta).unwrap());
        let got = (above - below) / (2.0 * f64::from(step));
        assert!((got - f64::from(*expected)).abs() < 2e-3, "{index}: {got} for {expected}");
    }
}

#[test]
fn one_step_is_that_of_the_reference() {
    for (seed, shape) in (10..).zip(shapes()) {
        let case = case(shape, 16, seed);
        let reference = Reference::new(&case.shape, &case.parameters);
        let (loss, gradient) = reference.loss_and_gradient(&case.examples);
        let expected: Vec<f64> =
            reference.flat.iter().zip(&gradient).map(|(w, g)| w - 0.05 * g).collect();
        let settings = TrainingSettings::sgd(1, 16, 0.05);
        let plan = TrainingPlan::new(settings).unwrap();
        let outcome = train(
            &ComputeDevice::cpu(),
            &case.architecture,
            &case.parameters,
            &case.examples,
            &plan,
            &mut ChaCha20Rng::seed_from_u64(0),
        )
        .unwrap();
        assert_eq!(outcome.steps, 1);
        assert!((f64::from(outcome.loss) - loss).abs() < 1e-5);
        check_close(outcome.parameters.values(), &expected, 1e-5);
    }
}

#[test]
fn predictions_and_the_evaluation_are_those_of_the_reference() {
    for (seed, shape) in (20..).zip(shapes()) {
        let case = case(shape, 50, seed);
        let reference = Reference::new(&case.shape, &case.parameters);
        let (device, features) = (ComputeDevice::cpu(), case.examples.features());
        let got = predict(&device, &case.architecture, &case.parameters, features).unwrap();
        let rows = rows(&case.examples);
        let expected = rows.iter().flat_map(|row| reference.forward(row).pop().unwrap());
        check_close(got.probabilities(), &expected.collect::<Vec<_>>(), 1e-6);

        let evaluation =
            evaluate(&device, &case.architecture, &case.parameters, &case.examples).unwrap();
        let correct = got.labels().zip(case.examples.labels()).filter(|(a, b)| a == *b).count();
        assert_eq!((evaluation.correct, evaluation.examples), (correct, 50));
        assert!((evaluation.accuracy - correct as f64 / 50.0).abs() < 1e-12);
        assert!((evaluation.loss - reference.loss_and_gradient(&case.examples).0).abs() < 1e-6);
    }
}
