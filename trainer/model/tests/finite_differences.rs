//! The gradient of each kind of model against central differences of its loss, computed in `f64` by
//! plain loops that share nothing with the crate.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, Categorical, CharGruShape, CnnShape, ComputeDevice, Convolution, Examples,
    Features, MlpShape, Padding, Parameters, Pooling, TableMlpShape, evaluate, loss_gradient,
};

/// Step of the differences: truncation about its square, rounding about 1e-16 over it.
const STEP: f64 = 1e-5;

/// What the single-precision gradient may be off by, where gradients are up to about 1.
const TOLERANCE: f64 = 2e-6;

/// Takes the values of one tensor after the other from a flat vector.
struct Reader<'a>(&'a [f64]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [f64] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }
}

/// `inputs · weight + bias` with a weight `[inputs, outputs]`.
fn affine(inputs: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let output = |j: usize| {
        let product = inputs.iter().enumerate().map(|(i, x)| x * weight[i * bias.len() + j]);
        bias[j] + product.sum::<f64>()
    };
    (0..bias.len()).map(output).collect()
}

/// Dense layers of the given widths, the rectifier between them.
fn dense(reader: &mut Reader<'_>, widths: &[usize], inputs: Vec<f64>) -> Vec<f64> {
    let mut values = inputs;
    for (index, pair) in widths.windows(2).enumerate() {
        values = affine(&values, reader.take(pair[0] * pair[1]), reader.take(pair[1]));
        if index + 2 < widths.len() {
            values.iter_mut().for_each(|value| *value = value.max(0.0));
        }
    }
    values
}

/// A same-padded convolution, rectified: `[channels, height, width]`.
fn convolved(
    reader: &mut Reader<'_>,
    (image, [channels, height, width]): (&[f64], [usize; 3]),
    (outputs, kernel): (usize, usize),
) -> Vec<f64> {
    let weight = reader.take(outputs * channels * kernel * kernel);
    let bias = reader.take(outputs);
    let margin = kernel / 2;
    let mut out = Vec::new();
    for (o, y, x) in triples([outputs, height, width]) {
        let mut sum = bias[o];
        for (c, dy, dx) in triples([channels, kernel, kernel]) {
            let (row, column) = ((y + dy).wrapping_sub(margin), (x + dx).wrapping_sub(margin));
            if row < height && column < width {
                let at = ((o * channels + c) * kernel + dy) * kernel + dx;
                sum += weight[at] * image[(c * height + row) * width + column];
            }
        }
        out.push(sum.max(0.0));
    }
    out
}

fn triples([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

/// The largest of each 2 × 2 pixels.
fn pooled(image: &[f64], [channels, height, width]: [usize; 3]) -> Vec<f64> {
    let value = |(c, y, x): (usize, usize, usize)| {
        let pixel = |dy, dx| image[(c * height + 2 * y + dy) * width + 2 * x + dx];
        pixel(0, 0).max(pixel(0, 1)).max(pixel(1, 0)).max(pixel(1, 1))
    };
    triples([channels, height / 2, width / 2]).map(value).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The states of a recurrent layer.
fn recurrent(reader: &mut Reader<'_>, sequence: &[Vec<f64>], hidden: usize) -> Vec<Vec<f64>> {
    let inputs = sequence[0].len();
    let (weight, bias) = (reader.take(inputs * 3 * hidden), reader.take(3 * hidden));
    let (state_weight, state_bias) = (reader.take(hidden * 3 * hidden), reader.take(3 * hidden));
    let mut state = vec![0.0; hidden];
    let next = |x: &Vec<f64>| {
        let (a, b) = (affine(x, weight, bias), affine(&state, state_weight, state_bias));
        for j in 0..hidden {
            let reset = sigmoid(a[j] + b[j]);
            let keep = sigmoid(a[hidden + j] + b[hidden + j]);
            let new = (a[2 * hidden + j] + reset * b[2 * hidden + j]).tanh();
            state[j] = (1.0 - keep) * new + keep * state[j];
        }
        state.clone()
    };
    sequence.iter().map(next).collect()
}

/// The whole number that an input stands for.
fn index(value: f64) -> usize {
    (0..100).find(|&index| value.to_bits() == (index as f64).to_bits()).unwrap()
}

/// The outputs before the softmax.
fn logits(model: &Architecture, flat: &[f64], row: &[f64]) -> Vec<f64> {
    let mut reader = Reader(flat);
    let out = match model {
        Architecture::Mlp(mlp) => {
            let MlpShape { inputs, hidden, classes } = mlp.shape();
            dense(&mut reader, &[&[*inputs][..], hidden, &[*classes]].concat(), row.to_vec())
        }
        Architecture::Cnn(cnn) => {
            let shape = cnn.shape();
            let (mut image, mut size) = (row.to_vec(), [shape.channels, shape.height, shape.width]);
            for stage in &shape.convolutions {
                assert_eq!(stage.padding, Padding::Same);
                image = convolved(&mut reader, (&image, size), (stage.channels, stage.kernel));
                size[0] = stage.channels;
                if stage.pooling == Pooling::Max2 {
                    image = pooled(&image, size);
                    size = [size[0], size[1] / 2, size[2] / 2];
                }
            }
            let widths = [&[image.len()][..], &shape.hidden, &[shape.classes]].concat();
            dense(&mut reader, &widths, image)
        }
        Architecture::CharGru(gru) => {
            let CharGruShape { vocabulary, embedding, hidden, layers, .. } = *gru.shape();
            let table = reader.take(vocabulary * embedding);
            let vector = |x: &f64| table[index(*x) * embedding..][..embedding].to_vec();
            let mut sequence: Vec<Vec<f64>> = row.iter().map(vector).collect();
            for _ in 0..layers {
                sequence = recurrent(&mut reader, &sequence, hidden);
            }
            dense(&mut reader, &[hidden, vocabulary], sequence.pop().unwrap())
        }
        Architecture::TableMlp(table) => {
            let TableMlpShape { numeric, categorical, hidden, classes } = table.shape();
            let mut inputs = row[..*numeric].to_vec();
            for (column, value) in categorical.iter().zip(&row[*numeric..]) {
                let vectors = reader.take(column.levels * column.dimension);
                inputs.extend(&vectors[index(*value) * column.dimension..][..column.dimension]);
            }
            dense(&mut reader, &[&[inputs.len()][..], hidden, &[*classes]].concat(), inputs)
        }
        _ => unreachable!("all kinds are above"),
    };
    assert!(reader.0.is_empty());
    out
}

/// The mean cross-entropy.
fn loss(model: &Architecture, flat: &[f64], examples: &Examples) -> f64 {
    let features = examples.features();
    let rows = features.values().chunks(features.inputs()).zip(examples.labels());
    let losses = rows.map(|(row, &label)| {
        let row: Vec<f64> = row.iter().copied().map(f64::from).collect();
        let out = logits(model, flat, &row);
        out.iter().map(|z| z.exp()).sum::<f64>().ln() - out[label]
    });
    losses.sum::<f64>() / examples.count() as f64
}

fn models() -> Vec<Architecture> {
    let stage = |channels, kernel, pooling| Convolution {
        channels,
        kernel,
        padding: Padding::Same,
        pooling,
    };
    let convolutions = vec![stage(3, 3, Pooling::Max2), stage(2, 5, Pooling::None)];
    let cnn =
        CnnShape { channels: 2, height: 6, width: 5, convolutions, hidden: vec![4], classes: 3 };
    let gru = CharGruShape { vocabulary: 5, embedding: 3, hidden: 4, layers: 2, context: 5 };
    let column = |levels, dimension| Categorical { levels, dimension };
    let categorical = vec![column(3, 2), column(4, 3)];
    let table = TableMlpShape { numeric: 2, categorical, hidden: vec![7], classes: 3 };
    vec![
        Architecture::mlp(MlpShape { inputs: 4, hidden: vec![], classes: 3 }).unwrap(),
        Architecture::mlp(MlpShape { inputs: 4, hidden: vec![6, 5], classes: 3 }).unwrap(),
        Architecture::cnn(cnn).unwrap(),
        Architecture::char_gru(gru).unwrap(),
        Architecture::table_mlp(table).unwrap(),
    ]
}

fn examples(model: &Architecture, rng: &mut ChaCha20Rng) -> Examples {
    let numeric = match model {
        Architecture::CharGru(_) => 0,
        Architecture::TableMlp(table) => table.shape().numeric,
        _ => usize::MAX,
    };
    let inputs = model.inputs();
    let value = |at: usize| {
        let categorical = at % inputs >= numeric;
        if categorical { f32::from(rng.random_range(0..3_u8)) } else { rng.random_range(-1.0..1.0) }
    };
    let values = (0..8 * inputs).map(value).collect();
    let labels: Vec<u32> = (0..8).map(|row| row % 3).collect();
    Examples::new(Features::new(values, inputs).unwrap(), &labels, model.classes()).unwrap()
}

#[test]
fn the_gradient_of_each_model_agrees_with_finite_differences() {
    for (seed, model) in (1..).zip(models()) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let parameters = Parameters::initial(&model, &mut rng);
        let examples = examples(&model, &mut rng);
        let device = ComputeDevice::cpu();
        let gradient = loss_gradient(&device, &model, &parameters, &examples).unwrap();
        let mut flat: Vec<f64> = parameters.values().iter().copied().map(f64::from).collect();
        let measured = evaluate(&device, &model, &parameters, &examples).unwrap();
        assert!((measured.loss - loss(&model, &flat, &examples)).abs() < 1e-6);
        for (index, got) in gradient.iter().enumerate() {
            let value = flat[index];
            flat[index] = value + STEP;
            let above = loss(&model, &flat, &examples);
            flat[index] = value - STEP;
            let below = loss(&model, &flat, &examples);
            flat[index] = value;
            let expected = (above - below) / (2.0 * STEP);
            let near = (f64::from(*got) - expected).abs() < TOLERANCE;
            assert!(near, "{}, {index}: {got} for {expected}", model.to_json());
        }
        assert!(gradient.iter().any(|value| value.abs() > 0.01));
    }
}
