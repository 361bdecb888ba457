//! Why a model predicts what it predicts: integrated gradients.

use burn::tensor::{Device, Tensor, TensorData, activation::softmax};

use crate::{
    Architecture, ComputeDevice, Features, ModelError, Parameters,
    device::Engine,
    model_error::{check_classes, check_fit},
    network::{self, Network},
};

/// Points of the path at which the gradient is taken: with 64, the gap of the networks here is below a hundredth of the
/// probability.
pub const ATTRIBUTION_STEPS: usize = 64;

/// Points that are computed at once: it bounds the memory of the graph.
const POINTS_AT_ONCE: usize = 16;

/// What each input of one row adds to the probability of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The class that is explained.
    pub class: usize,
    /// `[inputs]`: they add up to `probability - baseline`, but for `gap`.
    pub values: Vec<f64>,
    /// The probability of the class for the row.
    pub probability: f64,
    /// The probability of the class for the baseline.
    pub baseline: f64,
    /// `probability - baseline - Σ values`: what the finite number of steps misses.
    pub gap: f64,
}

/// Explains each row of `features` by integrated gradients of the probability of a class along the straight path from a
/// baseline: the mean of each column (zero, once standardised), and for a category the mean of its embeddings.
///
/// * `classes` — the class to explain for each row.
///
/// # Errors
/// [`ModelError::ClassMismatch`] if there are not as many classes as rows, or one does not exist; otherwise as
/// [`predict`](crate::predict).
///
/// Source: Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks", equation 1, by the midpoint rule.
pub fn integrated_gradients(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    features: &Features,
    classes: &[usize],
) -> Result<Vec<Attribution>, ModelError> {
    check_fit(architecture, parameters, features)?;
    let named = classes.iter().map(|class| class + 1).max().unwrap_or(0);
    check_classes(architecture, named.max(architecture.classes()))?;
    if classes.len() != features.rows() {
        let (expected, got) = (features.rows(), classes.len());
        return Err(ModelError::ClassMismatch { expected, got });
    }
    let device = match device.engine() {
        // Our own engine has no gradient by inputs.
        Engine::Cpu => Device::flex(),
        Engine::Burn(device) => device.clone(),
    };
    let network = Network::upload(&device, architecture, parameters);
    let path = Path { baseline: network.baseline(), widths: network.input_widths() };
    let rows = network::upload_features(&device, features);
    let row = |(row, &class): (usize, &usize)| {
        let input = network.front(rows.clone().narrow(0, row, 1));
        path.attribution(&network, &input, class)
    };
    classes.iter().enumerate().map(row).collect()
}

/// From what, and how many values of the path belong to each input.
struct Path {
    /// `[1, width]`.
    baseline: Tensor<2>,
    widths: Vec<usize>,
}

impl Path {
    fn attribution(
        &self,
        network: &Network<'_>,
        input: &Tensor<2>,
        class: usize,
    ) -> Result<Attribution, ModelError> {
        let difference = input.clone().sub(self.baseline.clone());
        let gradient = self.mean_gradient(network, &difference, class)?;
        let difference = network::values(difference)?;
        let mut products = gradient.iter().zip(&difference).map(|(g, d)| g * f64::from(*d));
        let sum = |width: &usize| products.by_ref().take(*width).sum::<f64>();
        let values: Vec<f64> = self.widths.iter().map(sum).collect();
        let reached = probability(network, input.clone(), class)?;
        let baseline = probability(network, self.baseline.clone(), class)?;
        let gap = reached - baseline - values.iter().sum::<f64>();
        Ok(Attribution { class, values, probability: reached, baseline, gap })
    }

    /// The mean over the path of the gradient of the probability, `[width]`.
    fn mean_gradient(
        &self,
        network: &Network<'_>,
        difference: &Tensor<2>,
        class: usize,
    ) -> Result<Vec<f64>, ModelError> {
        let [_, width] = difference.dims();
        let mut sums = vec![0.0; width];
        let steps: Vec<f32> = (0..ATTRIBUTION_STEPS).map(midpoint).collect();
        for steps in steps.chunks(POINTS_AT_ONCE) {
            let steps = TensorData::new(steps.to_vec(), [steps.len(), 1]);
            let steps = Tensor::<2>::from_data(steps, &difference.device());
            let points = steps.matmul(difference.clone()).add(self.baseline.clone());
            let points = points.autodiff().require_grad();
            let outputs = softmax(network.rest(points.clone()), 1).narrow(1, class, 1).sum();
            let mut gradients = outputs.backward();
            let Some(gradient) = points.grad_remove(&mut gradients) else { continue };
            for row in network::values(gradient)?.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        let count = ATTRIBUTION_STEPS as f64;
        Ok(sums.into_iter().map(|sum| sum / count).collect())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a place between 0 and 1; rounding is wanted")]
const fn midpoint(step: usize) -> f32 {
    ((step as f64 + 0.5) / ATTRIBUTION_STEPS as f64) as f32
}

fn probability(network: &Network<'_>, point: Tensor<2>, class: usize) -> Result<f64, ModelError> {
    let outputs = network::values(softmax(network.rest(point), 1))?;
    Ok(outputs.get(class).map_or(0.0, |value| f64::from(*value)))
}
