//! The forward pass of each architecture, from flat tensors in the order of the layout.

use burn::tensor::{
    Tensor,
    activation::relu,
    module::{conv2d, max_pool2d},
    ops::{ConvOptions, MaxPoolOptions},
};

use crate::{Architecture, Cnn, Pooling, architecture::cnn::Stage};

/// The outputs before the softmax, `[batch, classes]`.
pub(super) fn logits(
    architecture: &Architecture,
    tensors: &[Tensor<1>],
    inputs: Tensor<2>,
) -> Tensor<2> {
    match architecture {
        Architecture::Mlp(mlp) => dense(&mlp.layers(), tensors, inputs),
        Architecture::Cnn(cnn) => convolutional(cnn, tensors, inputs),
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
