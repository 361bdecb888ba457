//! Parameters and examples as tensors on a device: the forward and the backward pass.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu, loss};

use crate::{Architecture, Examples, Features, ModelError, Parameters, UpdateLayout};

/// Rows that are computed at once when nothing else sets a batch size: it bounds the memory of
/// activations, and a larger one is no faster.
const ROWS_AT_ONCE_MAX: usize = 8_192;

/// One dense layer.
struct Layer {
    /// `[inputs, outputs]`.
    weight: Tensor<2>,
    /// `[1, outputs]`, so that it broadcasts over the batch.
    bias: Tensor<2>,
}

/// The parameters of a model, or a gradient of them, as tensors without a graph.
pub(crate) struct Network(Vec<Layer>);

impl Network {
    /// Copies `parameters`, which fit `architecture`, to `device`.
    pub(crate) fn upload(
        device: &Device,
        architecture: &Architecture,
        parameters: &Parameters,
    ) -> Self {
        let layout = architecture.layout();
        let tensor = |index: usize| {
            let entry = &layout.entries()[index];
            let values = entry.slice(parameters.values());
            let (rows, columns) = match entry.shape[..] {
                [inputs, outputs] => (inputs, outputs),
                _ => (1, values.len()),
            };
            matrix(device, values.to_vec(), [rows, columns])
        };
        let layer = |weight: usize| Layer { weight: tensor(weight), bias: tensor(weight + 1) };
        Self((0..layout.entries().len()).step_by(2).map(layer).collect())
    }

    /// The outputs before the softmax, `[batch, classes]`.
    ///
    /// * `inputs` — `[batch, inputs]`.
    pub(crate) fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.0.split_last().expect("a model has at least one layer");
        let activations = hidden.iter().fold(inputs, |inputs, layer| relu(layer.apply(inputs)));
        last.apply(activations)
    }

    /// The mean cross-entropy over `batch`, `[1]`, and its gradient; neither carries a graph.
    pub(crate) fn loss_and_gradient(&self, batch: Batch) -> (Tensor<1>, Self) {
        let tracked = Self(self.0.iter().map(Layer::tracked).collect());
        let loss = loss::cross_entropy_with_logits(tracked.logits(batch.inputs), batch.targets);
        // Consumes the graph, which is why every call starts from fresh leaves.
        let mut gradients = loss.backward();
        let mut gradient = |leaf: Tensor<2>| {
            leaf.grad_remove(&mut gradients).expect("every parameter takes part in the loss")
        };
        let layers = tracked
            .0
            .into_iter()
            .map(|layer| Layer { weight: gradient(layer.weight), bias: gradient(layer.bias) });
        let gradient = Self(layers.collect());
        (loss.without_autodiff(), gradient)
    }

    /// `self + factor · other`, element by element.
    pub(crate) fn plus_scaled(self, other: Self, factor: f64) -> Self {
        let sum = |a: Tensor<2>, b: Tensor<2>| a.add(b.mul_scalar(factor));
        let layers = self
            .0
            .into_iter()
            .zip(other.0)
            .map(|(a, b)| Layer { weight: sum(a.weight, b.weight), bias: sum(a.bias, b.bias) });
        Self(layers.collect())
    }

    /// `factor · self`, element by element.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        let layers = self.0.into_iter().map(|layer| Layer {
            weight: layer.weight.mul_scalar(factor),
            bias: layer.bias.mul_scalar(factor),
        });
        Self(layers.collect())
    }

    /// The values in the order of the layout, in one copy from the device.
    pub(crate) fn download(self) -> Result<Vec<f32>, ModelError> {
        let flat = self.0.into_iter().flat_map(|layer| [layer.weight, layer.bias]);
        let flat: Vec<Tensor<1>> = flat.map(|tensor| tensor.reshape([-1])).collect();
        values(Tensor::cat(flat, 0))
    }

    /// As [`Network::download`], checked to be finite.
    pub(crate) fn download_parameters(
        self,
        layout: &UpdateLayout,
    ) -> Result<Parameters, ModelError> {
        Parameters::new(layout, self.download()?).map_err(ModelError::Diverged)
    }
}

impl Layer {
    fn apply(&self, inputs: Tensor<2>) -> Tensor<2> {
        inputs.matmul(self.weight.clone()).add(self.bias.clone())
    }

    /// The same values as leaves of a new graph.
    fn tracked(&self) -> Self {
        let leaf = |tensor: &Tensor<2>| tensor.clone().autodiff().require_grad();
        Self { weight: leaf(&self.weight), bias: leaf(&self.bias) }
    }
}

/// Examples on a device.
pub(crate) struct Batch {
    /// `[batch, inputs]`.
    inputs: Tensor<2>,
    /// `[batch, classes]`, 1 for the class of the label and 0 elsewhere.
    targets: Tensor<2>,
}

impl Batch {
    /// Copies `examples` to `device`.
    pub(crate) fn upload(device: &Device, examples: &Examples) -> Self {
        let classes = examples.classes();
        let mut targets = vec![0.0; examples.count() * classes];
        for (row, label) in examples.labels().iter().enumerate() {
            targets[row * classes + label] = 1.0;
        }
        Self {
            inputs: upload_features(device, examples.features()),
            targets: matrix(device, targets, [examples.count(), classes]),
        }
    }

    /// A copy with the rows in the given order, gathered on the device.
    pub(crate) fn in_order(&self, order: &[i64]) -> Self {
        let device = self.inputs.device();
        let order = TensorData::new(order.to_vec(), [order.len()]);
        let order = Tensor::<1, Int>::from_data(order, &device);
        Self {
            inputs: self.inputs.clone().select(0, order.clone()),
            targets: self.targets.clone().select(0, order),
        }
    }

    /// The number of examples.
    pub(crate) fn count(&self) -> usize {
        self.inputs.dims()[0]
    }

    /// Consecutive parts of `size` examples; the last may be shorter.
    pub(crate) fn parts(&self, size: usize) -> impl Iterator<Item = Self> {
        let count = self.count();
        (0..count).step_by(size).map(move |start| {
            let length = size.min(count - start);
            let part = |tensor: &Tensor<2>| tensor.clone().narrow(0, start, length);
            Self { inputs: part(&self.inputs), targets: part(&self.targets) }
        })
    }

    /// Consecutive parts that are small enough to compute at once.
    pub(crate) fn bounded_parts(&self) -> impl Iterator<Item = Self> {
        self.parts(ROWS_AT_ONCE_MAX)
    }
}

/// The outputs of `network` before the softmax, `[rows, classes]`, row-major.
pub(crate) fn logits(
    device: &Device,
    network: &Network,
    features: &Features,
) -> Result<Vec<f32>, ModelError> {
    let inputs = upload_features(device, features);
    let parts = inputs.split(ROWS_AT_ONCE_MAX, 0);
    let outputs = parts.into_iter().map(|part| network.logits(part)).collect();
    values(Tensor::cat(outputs, 0))
}

/// The elements of `tensor`, row-major.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    tensor.try_into_vec_as().map_err(|error| ModelError::Device(Box::new(error)))
}

fn upload_features(device: &Device, features: &Features) -> Tensor<2> {
    matrix(device, features.values().to_vec(), [features.rows(), features.inputs()])
}

fn matrix(device: &Device, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
