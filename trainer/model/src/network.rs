//! Parameters and examples as tensors of burn: the forward and the backward pass on a graphics
//! adapter, and the reference on the CPU.

use burn::tensor::{Device, Int, Tensor, TensorData, loss};

use crate::{Architecture, Examples, Features, ModelError, Parameters, UpdateLayout};

mod forward;
pub(crate) mod sgd;

/// Rows that are computed at once when nothing else sets a batch size: it bounds the memory of
/// activations, and a larger one is no faster.
const ROWS_AT_ONCE_MAX: usize = 8_192;

/// The parameters of a model, or a gradient of them, as flat tensors without a graph.
pub(crate) struct Network<'a> {
    architecture: &'a Architecture,
    /// In the order of the layout.
    tensors: Vec<Tensor<1>>,
}

impl<'a> Network<'a> {
    /// Copies `parameters`, which fit `architecture`, to `device`.
    pub(crate) fn upload(
        device: &Device,
        architecture: &'a Architecture,
        parameters: &Parameters,
    ) -> Self {
        Self::upload_flat(device, architecture, parameters.values())
    }

    /// Copies a vector in the flat layout to `device`.
    fn upload_flat(device: &Device, architecture: &'a Architecture, flat: &[f32]) -> Self {
        let layout = architecture.layout();
        let tensors = layout.entries().iter().map(|entry| {
            let values = entry.slice(flat).to_vec();
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), device)
        });
        Self { architecture, tensors: tensors.collect() }
    }

    /// The outputs before the softmax, `[batch, classes]`.
    ///
    /// * `inputs` — `[batch, inputs]`.
    pub(crate) fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        forward::logits(self.architecture, &self.tensors, inputs)
    }

    /// What the first layer of weights sees, `[batch, width]`: inputs, with categories looked up.
    pub(crate) fn front(&self, inputs: Tensor<2>) -> Tensor<2> {
        forward::front(self.architecture, &self.tensors, inputs)
    }

    /// The outputs before the softmax, from what [`Network::front`] gives.
    pub(crate) fn rest(&self, front: Tensor<2>) -> Tensor<2> {
        forward::rest(self.architecture, &self.tensors, front)
    }

    /// How many values of [`Network::front`] stand for each input.
    pub(crate) fn input_widths(&self) -> Vec<usize> {
        match self.architecture {
            Architecture::Mlp(_) | Architecture::Cnn(_) => vec![1; self.architecture.inputs()],
            Architecture::CharGru(gru) => vec![gru.shape().embedding; gru.shape().context],
            Architecture::TableMlp(table) => {
                let numbers = std::iter::repeat_n(1, table.shape().numeric);
                numbers
                    .chain(table.shape().categorical.iter().map(|column| column.dimension))
                    .collect()
            }
        }
    }

    /// What stands for an input of which nothing is known, `[1, width]`: zero, the mean of a standardised column, or the
    /// mean of the embeddings of its levels.
    pub(crate) fn baseline(&self) -> Tensor<2> {
        let device = self.tensors[0].device();
        let mean = |table: &Tensor<1>, dimension: usize| {
            let levels = table.dims()[0] / dimension;
            table.clone().reshape([levels, dimension]).mean_dim(0)
        };
        match self.architecture {
            Architecture::Mlp(_) | Architecture::Cnn(_) => {
                Tensor::zeros([1, self.architecture.inputs()], &device)
            }
            Architecture::CharGru(gru) => {
                mean(&self.tensors[0], gru.shape().embedding).repeat_dim(1, gru.shape().context)
            }
            Architecture::TableMlp(table) => {
                let shape = table.shape();
                let means = shape.categorical.iter().zip(&self.tensors);
                let mut parts: Vec<Tensor<2>> =
                    means.map(|(column, table)| mean(table, column.dimension)).collect();
                if shape.numeric > 0 {
                    parts.insert(0, Tensor::zeros([1, shape.numeric], &device));
                }
                Tensor::cat(parts, 1)
            }
        }
    }

    /// The mean cross-entropy over `batch`, `[1]`, and its gradient; neither carries a graph.
    pub(crate) fn loss_and_gradient(&self, batch: Batch) -> (Tensor<1>, Self) {
        let leaf = |tensor: &Tensor<1>| tensor.clone().autodiff().require_grad();
        let tracked = self.with(self.tensors.iter().map(leaf));
        let loss = loss::cross_entropy_with_logits(tracked.logits(batch.inputs), batch.targets);
        // Consumes the graph, which is why every call starts from fresh leaves.
        let mut gradients = loss.backward();
        let gradient = self.with(tracked.tensors.into_iter().map(|leaf| {
            leaf.grad_remove(&mut gradients).expect("every parameter takes part in the loss")
        }));
        (loss.without_autodiff(), gradient)
    }

    /// `self + factor · other`, element by element.
    pub(crate) fn plus_scaled(self, other: &Self, factor: f64) -> Self {
        let pairs = self.tensors.into_iter().zip(&other.tensors);
        let tensors = pairs.map(|(a, b)| a.add(b.clone().mul_scalar(factor))).collect();
        Self { architecture: self.architecture, tensors }
    }

    /// `factor · self`, element by element.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        let tensors = self.tensors.into_iter().map(|tensor| tensor.mul_scalar(factor)).collect();
        Self { architecture: self.architecture, tensors }
    }

    /// The values in the order of the layout, in one copy from the device.
    pub(crate) fn download(self) -> Result<Vec<f32>, ModelError> {
        values(Tensor::cat(self.tensors, 0))
    }

    /// As [`Network::download`], checked to be finite.
    pub(crate) fn download_parameters(
        self,
        layout: &UpdateLayout,
    ) -> Result<Parameters, ModelError> {
        Parameters::new(layout, self.download()?).map_err(ModelError::Diverged)
    }

    fn with(&self, tensors: impl Iterator<Item = Tensor<1>>) -> Self {
        Self { architecture: self.architecture, tensors: tensors.collect() }
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

    /// A copy of the given rows, gathered on the device.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let device = self.inputs.device();
        let rows: Vec<i64> = rows
            .iter()
            .map(|&row| i64::try_from(row).expect("a vector has fewer than 2^63 rows"))
            .collect();
        let length = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [length]), &device);
        Self {
            inputs: self.inputs.clone().select(0, rows.clone()),
            targets: self.targets.clone().select(0, rows),
        }
    }

    /// The number of examples.
    pub(crate) fn count(&self) -> usize {
        self.inputs.dims()[0]
    }

    /// Consecutive parts that are small enough to compute at once.
    fn bounded_parts(&self) -> impl Iterator<Item = Self> {
        let count = self.count();
        (0..count).step_by(ROWS_AT_ONCE_MAX).map(move |start| {
            let length = ROWS_AT_ONCE_MAX.min(count - start);
            let part = |tensor: &Tensor<2>| tensor.clone().narrow(0, start, length);
            Self { inputs: part(&self.inputs), targets: part(&self.targets) }
        })
    }
}

/// The outputs of a model before the softmax, `[rows, classes]`, row-major.
pub(crate) fn logits(
    device: &Device,
    architecture: &Architecture,
    parameters: &Parameters,
    features: &Features,
) -> Result<Vec<f32>, ModelError> {
    let network = Network::upload(device, architecture, parameters);
    let inputs = upload_features(device, features);
    let parts = inputs.split(ROWS_AT_ONCE_MAX, 0);
    let outputs = parts.into_iter().map(|part| network.logits(part)).collect();
    values(Tensor::cat(outputs, 0))
}

/// The gradient of the mean loss over `examples`, in the order of the layout.
pub(crate) fn mean_gradient(
    device: &Device,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
) -> Result<Parameters, ModelError> {
    let network = Network::upload(device, architecture, parameters);
    let data = Batch::upload(device, examples);
    let total = data.count() as f64;
    let weighted = data.bounded_parts().map(|part| {
        let share = part.count() as f64 / total;
        network.loss_and_gradient(part).1.scaled(share)
    });
    let sum = weighted.reduce(|sum, part| sum.plus_scaled(&part, 1.0));
    sum.expect("there is at least one example").download_parameters(&architecture.layout())
}

/// The elements of `tensor`, row-major.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    tensor.try_into_vec_as().map_err(|error| ModelError::Device(Box::new(error)))
}

pub(crate) fn upload_features(device: &Device, features: &Features) -> Tensor<2> {
    matrix(device, features.values().to_vec(), [features.rows(), features.inputs()])
}

fn matrix(device: &Device, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
