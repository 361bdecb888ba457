//! The layers of each architecture as operations of ONNX.

use super::graph::{Graph, INT64, int, ints, size};
use crate::{
    Architecture, CharGru, CharGruShape, Cnn, Pooling, TableMlp, architecture::cnn::Stage,
};

/// Operations from standardised inputs `[rows, inputs]` to outputs before the softmax; returns their name.
///
/// * `tensors` — of the parameters, in the order of the layout.
pub(super) fn logits(
    graph: &mut Graph,
    architecture: &Architecture,
    tensors: &[&[f32]],
    inputs: String,
) -> String {
    match architecture {
        Architecture::Mlp(mlp) => dense(graph, &mlp.layers(), tensors, inputs),
        Architecture::Cnn(cnn) => convolutional(graph, cnn, tensors, &inputs),
        Architecture::CharGru(gru) => recurrent(graph, gru, tensors, &inputs),
        Architecture::TableMlp(table) => embedded(graph, table, tensors, &inputs),
    }
}

fn dense(
    graph: &mut Graph,
    layers: &[(usize, usize)],
    tensors: &[&[f32]],
    inputs: String,
) -> String {
    let mut values = inputs;
    for (index, (&(inputs, outputs), tensors)) in layers.iter().zip(tensors.chunks(2)).enumerate() {
        let weight =
            graph.floats(&format!("layers.{index}.weight"), &[inputs, outputs], tensors[0]);
        let bias = graph.floats(&format!("layers.{index}.bias"), &[outputs], tensors[1]);
        values = graph.node("Gemm", &[&values, &weight, &bias], Vec::new());
        if index + 1 < layers.len() {
            values = graph.node("Relu", &[&values], Vec::new());
        }
    }
    values
}

fn convolutional(graph: &mut Graph, cnn: &Cnn, tensors: &[&[f32]], inputs: &str) -> String {
    let shape = cnn.shape();
    let sides = [shape.channels, shape.height, shape.width].map(size);
    let mut images = graph.reshaped(inputs, &[-1, sides[0], sides[1], sides[2]]);
    let stages = cnn.stages();
    for (stage, tensors) in stages.iter().zip(tensors.chunks(2)) {
        images = convolution(graph, stage, tensors, &images);
    }
    let layers = cnn.layers();
    let flat = graph.reshaped(&images, &[-1, size(layers[0].0)]);
    dense(graph, &layers, &tensors[2 * stages.len()..], flat)
}

fn convolution(graph: &mut Graph, stage: &Stage, tensors: &[&[f32]], images: &str) -> String {
    let (outputs, side) = (stage.convolution.channels, stage.convolution.kernel);
    let shape = [outputs, stage.input[0], side, side];
    let weight = graph.floats("convolutions.weight", &shape, tensors[0]);
    let bias = graph.floats("convolutions.bias", &[outputs], tensors[1]);
    let settings =
        vec![ints("kernel_shape", &[size(side); 2]), ints("pads", &[size(stage.margin()); 4])];
    let convolved = graph.node("Conv", &[images, &weight, &bias], settings);
    let rectified = graph.node("Relu", &[&convolved], Vec::new());
    match stage.convolution.pooling {
        Pooling::None => rectified,
        Pooling::Max2 => {
            let settings = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
            graph.node("MaxPool", &[&rectified], settings)
        }
    }
}

/// Indices as the format has them.
fn indices(graph: &mut Graph, values: &str) -> String {
    graph.node("Cast", &[values], vec![int("to", i64::from(INT64))])
}

fn embedded(graph: &mut Graph, table: &TableMlp, tensors: &[&[f32]], inputs: &str) -> String {
    let shape = table.shape();
    let mut parts = Vec::new();
    if shape.numeric > 0 {
        let (start, end) =
            (graph.integers("start", &[0]), graph.integers("end", &[size(shape.numeric)]));
        let axis = graph.integers("axis", &[1]);
        parts.push(graph.node("Slice", &[inputs, &start, &end, &axis], Vec::new()));
    }
    for (index, column) in shape.categorical.iter().enumerate() {
        let place = graph.integers("column", &[size(shape.numeric + index)]);
        let level = graph.node("Gather", &[inputs, &place], vec![int("axis", 1)]);
        let level = graph.reshaped(&level, &[-1]);
        let level = indices(graph, &level);
        let shape = [column.levels, column.dimension];
        let embedding = graph.floats("embeddings.weight", &shape, tensors[index]);
        parts.push(graph.node("Gather", &[&embedding, &level], vec![int("axis", 0)]));
    }
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    let joined = graph.node("Concat", &names, vec![int("axis", 1)]);
    dense(graph, &table.layers(), &tensors[shape.categorical.len()..], joined)
}

fn recurrent(graph: &mut Graph, gru: &CharGru, tensors: &[&[f32]], inputs: &str) -> String {
    let CharGruShape { vocabulary, embedding, hidden, layers, .. } = *gru.shape();
    let characters = indices(graph, inputs);
    let table = graph.floats("embedding.weight", &[vocabulary, embedding], tensors[0]);
    let values = graph.node("Gather", &[&table, &characters], vec![int("axis", 0)]);
    // Character by character, as the operation takes a sequence.
    let mut values = graph.node("Transpose", &[&values], vec![ints("perm", &[1, 0, 2])]);
    for (layer, inputs) in gru.recurrent_inputs().into_iter().enumerate() {
        let tensors = &tensors[1 + 4 * layer..5 + 4 * layer];
        let input = turned(tensors[0], inputs, hidden);
        let input = graph.floats("recurrent.input", &[1, 3 * hidden, inputs], &input);
        let state = turned(tensors[2], hidden, hidden);
        let state = graph.floats("recurrent.state", &[1, 3 * hidden, hidden], &state);
        let bias = [turned(tensors[1], 1, hidden), turned(tensors[3], 1, hidden)].concat();
        let bias = graph.floats("recurrent.bias", &[1, 6 * hidden], &bias);
        let settings = vec![int("hidden_size", size(hidden)), int("linear_before_reset", 1)];
        let states = graph.node("GRU", &[&values, &input, &state, &bias], settings);
        // The one direction.
        let axis = graph.integers("axis", &[1]);
        values = graph.node("Squeeze", &[&states, &axis], Vec::new());
    }
    let last = graph.integers("last", &[-1]);
    let last = graph.node("Gather", &[&values, &last], vec![int("axis", 0)]);
    let last = graph.reshaped(&last, &[-1, size(hidden)]);
    dense(graph, &gru.layers(), &tensors[1 + 4 * layers..], last)
}

/// The matrix `[rows, 3 · hidden]` of gates reset, update, new as `[3 · hidden, rows]` of gates update, reset, new.
fn turned(matrix: &[f32], rows: usize, hidden: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(matrix.len());
    for gate in [1, 0, 2] {
        for unit in 0..hidden {
            let column = gate * hidden + unit;
            out.extend((0..rows).map(|row| matrix[row * 3 * hidden + column]));
        }
    }
    out
}
