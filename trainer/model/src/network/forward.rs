//! The forward pass of each architecture, from flat tensors in the order of the layout.

use burn::tensor::{
    Tensor,
    activation::{relu, sigmoid, tanh},
    module::{conv2d, max_pool2d},
    ops::{ConvOptions, MaxPoolOptions},
};

use crate::{
    Architecture, CharGru, CharGruShape, Cnn, Pooling, TableMlp, TableMlpShape,
    architecture::cnn::Stage,
};

/// The outputs before the softmax, `[batch, classes]`.
pub(super) fn logits(
    architecture: &Architecture,
    tensors: &[Tensor<1>],
    inputs: Tensor<2>,
) -> Tensor<2> {
    rest(architecture, tensors, front(architecture, tensors, inputs))
}

/// Inputs with their categories looked up, `[batch, width]`.
pub(super) fn front(
    architecture: &Architecture,
    tensors: &[Tensor<1>],
    inputs: Tensor<2>,
) -> Tensor<2> {
    match architecture {
        Architecture::Mlp(_) | Architecture::Cnn(_) => inputs,
        Architecture::CharGru(gru) => {
            let CharGruShape { embedding, context, .. } = *gru.shape();
            let character =
                |step| looked_up(&tensors[0], embedding, inputs.clone().narrow(1, step, 1));
            Tensor::cat((0..context).map(character).collect(), 1)
        }
        Architecture::TableMlp(table) => embedded(table, tensors, inputs),
    }
}

/// Everything behind [`front`].
pub(super) fn rest(
    architecture: &Architecture,
    tensors: &[Tensor<1>],
    front: Tensor<2>,
) -> Tensor<2> {
    match architecture {
        Architecture::Mlp(mlp) => dense(&mlp.layers(), tensors, front),
        Architecture::Cnn(cnn) => convolutional(cnn, tensors, front),
        Architecture::CharGru(gru) => recurrent(gru, tensors, front),
        Architecture::TableMlp(table) => {
            let embeddings = table.shape().categorical.len();
            dense(&table.layers(), &tensors[embeddings..], front)
        }
    }
}

/// Dense layers, the rectifier after each but the last.
fn dense(layers: &[(usize, usize)], tensors: &[Tensor<1>], inputs: Tensor<2>) -> Tensor<2> {
    let mut values = inputs;
    for (index, &(inputs, outputs)) in layers.iter().enumerate() {
        let weight = tensors[2 * index].clone().reshape([inputs, outputs]);
        let bias = tensors[2 * index + 1].clone().reshape([1, outputs]);
        values = values.matmul(weight).add(bias);
        if index + 1 < layers.len() {
            values = relu(values);
        }
    }
    values
}

fn convolutional(cnn: &Cnn, tensors: &[Tensor<1>], inputs: Tensor<2>) -> Tensor<2> {
    let [batch, _] = inputs.dims();
    let shape = cnn.shape();
    let mut images = inputs.reshape([batch, shape.channels, shape.height, shape.width]);
    let stages = cnn.stages();
    for (index, stage) in stages.iter().enumerate() {
        images = convolution(stage, &tensors[2 * index..2 * index + 2], images);
    }
    let layers = cnn.layers();
    dense(&layers, &tensors[2 * stages.len()..], images.reshape([batch, layers[0].0]))
}

fn convolution(stage: &Stage, tensors: &[Tensor<1>], images: Tensor<4>) -> Tensor<4> {
    let (outputs, side) = (stage.convolution.channels, stage.convolution.kernel);
    let weight = tensors[0].clone().reshape([outputs, stage.input[0], side, side]);
    let options = ConvOptions::new([1, 1], [stage.margin(); 2], [1, 1], 1);
    let images = relu(conv2d(images, weight, Some(tensors[1].clone()), options));
    match stage.convolution.pooling {
        Pooling::None => images,
        Pooling::Max2 => max_pool2d(images, MaxPoolOptions::new([2, 2])),
    }
}

/// The rows of an embedding that the values of a column stand for, `[batch, dimension]`.
fn looked_up(table: &Tensor<1>, dimension: usize, column: Tensor<2>) -> Tensor<2> {
    let [length] = table.dims();
    let rows = table.clone().reshape([length / dimension, dimension]);
    let [batch, _] = column.dims();
    rows.select(0, column.reshape([batch]).int())
}

fn embedded(table: &TableMlp, tensors: &[Tensor<1>], inputs: Tensor<2>) -> Tensor<2> {
    let TableMlpShape { numeric, categorical, .. } = table.shape();
    let mut parts = Vec::new();
    if *numeric > 0 {
        parts.push(inputs.clone().narrow(1, 0, *numeric));
    }
    for (index, column) in categorical.iter().enumerate() {
        let values = inputs.clone().narrow(1, numeric + index, 1);
        parts.push(looked_up(&tensors[index], column.dimension, values));
    }
    Tensor::cat(parts, 1)
}

fn recurrent(gru: &CharGru, tensors: &[Tensor<1>], front: Tensor<2>) -> Tensor<2> {
    let CharGruShape { embedding, hidden, layers, context, .. } = *gru.shape();
    let character = |step| front.clone().narrow(1, step * embedding, embedding);
    let mut sequence: Vec<Tensor<2>> = (0..context).map(character).collect();
    for (layer, inputs) in gru.recurrent_inputs().into_iter().enumerate() {
        let unit = Unit::new(&tensors[1 + 4 * layer..5 + 4 * layer], inputs, hidden);
        let [batch, _] = sequence[0].dims();
        let mut state = Tensor::zeros([batch, hidden], &sequence[0].device());
        for value in &mut sequence {
            state = unit.next(value.clone(), state);
            *value = state.clone();
        }
    }
    let last = sequence.pop().expect("a context has at least one character");
    dense(&gru.layers(), &tensors[1 + 4 * layers..], last)
}

/// A layer of gated recurrent units.
struct Unit {
    hidden: usize,
    /// `[inputs or hidden, 3 · hidden]` and `[1, 3 · hidden]`, for the input and for the state.
    input: (Tensor<2>, Tensor<2>),
    state: (Tensor<2>, Tensor<2>),
}

impl Unit {
    fn new(tensors: &[Tensor<1>], inputs: usize, hidden: usize) -> Self {
        let pair = |weight: &Tensor<1>, bias: &Tensor<1>, rows| {
            let columns = 3 * hidden;
            (weight.clone().reshape([rows, columns]), bias.clone().reshape([1, columns]))
        };
        let input = pair(&tensors[0], &tensors[1], inputs);
        Self { hidden, input, state: pair(&tensors[2], &tensors[3], hidden) }
    }

    /// The state after an input.
    fn next(&self, input: Tensor<2>, state: Tensor<2>) -> Tensor<2> {
        let from_input = input.matmul(self.input.0.clone()).add(self.input.1.clone());
        let from_state = state.clone().matmul(self.state.0.clone()).add(self.state.1.clone());
        let gate =
            |tensor: &Tensor<2>, index| tensor.clone().narrow(1, index * self.hidden, self.hidden);
        let reset = sigmoid(gate(&from_input, 0).add(gate(&from_state, 0)));
        let keep = sigmoid(gate(&from_input, 1).add(gate(&from_state, 1)));
        let new = tanh(gate(&from_input, 2).add(reset.mul(gate(&from_state, 2))));
        new.clone().add(keep.mul(state.sub(new)))
    }
}
