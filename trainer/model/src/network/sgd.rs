//! Local training through burn.

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::{Batch, Network, values};
use crate::{
    Architecture, Examples, ModelError, Parameters, TrainingOutcome, TrainingSettings,
    augmentation::Augmenter,
    schedule::Schedule,
    training::{Task, mean_loss},
    watch::Telling,
};

/// Keeps the norm in the denominator of clipping above zero, as `PyTorch` does.
const CLIP_EPSILON: f64 = 1e-6;

/// How often the loss is read back if somebody watches. The queue of an adapter runs ahead of the
/// program by as many steps, which take an adapter milliseconds.
const WATCH_STEPS: u64 = 16;

/// Trains on `device`: data are copied there once, or batch by batch if images are changed, and
/// nothing is copied back until the end.
pub(crate) fn train(
    (device, architecture): (&Device, &Architecture),
    parameters: &Parameters,
    examples: &Examples,
    Task { plan, correction, pull, watch }: Task<'_>,
    rng: &mut impl Rng,
) -> Result<TrainingOutcome, ModelError> {
    let data = Batch::upload(device, examples);
    let network = Network::upload(device, architecture, parameters);
    let correction = correction.map(|values| Network::upload_flat(device, architecture, values));
    let target = pull.map(|pull| {
        let share = f64::from(pull.share(plan.settings().learning_rate));
        (Network::upload(device, architecture, pull.toward), share)
    });
    let mut descent = Descent::new(network, plan.settings(), correction, target);
    let mut schedule = Schedule::new(plan, examples.count());
    let augmenter = |augmentation| Augmenter::new(augmentation, examples, schedule.batch_max());
    let mut augmenter = plan.settings().augmentation.map(augmenter);
    let mut telling = Telling::new(watch, plan.steps(examples.count()));
    let (mut losses, mut counts) = (Vec::new(), Vec::new());
    while let Some(step) = schedule.next(rng) {
        if step.opens_epoch {
            losses.clear();
            counts.clear();
        }
        let taken = step.batch.len();
        counts.push(taken);
        let batch = match &mut augmenter {
            Some(augmenter) => {
                Batch::upload(device, augmenter.changed(examples, step.batch, rng).0)
            }
            None => data.select(step.batch),
        };
        let (loss, gradient) = descent.network.loss_and_gradient(batch);
        let told = telling.reads_next(WATCH_STEPS).then(|| loss.clone());
        losses.push(loss);
        descent = descent.step(gradient);
        // Reading waits for what was queued, so that the device is at rest while it is held back.
        let told = told.map(|loss| values(loss).map(|loss| f64::from(loss[0]))).transpose()?;
        if telling.step(taken, told).is_break() {
            return Err(ModelError::BrokenOff);
        }
    }
    let losses = values(Tensor::cat(losses, 0))?;
    let loss = mean_loss(losses.iter().copied().map(f64::from).zip(counts));
    let parameters = descent.network.download_parameters(&architecture.layout())?;
    Ok(TrainingOutcome { parameters, loss, steps: telling.steps() })
}

/// SGD between two steps.
struct Descent<'a> {
    settings: TrainingSettings,
    /// The parameters of the start, for the proximal term.
    anchor: Vec<Tensor<1>>,
    /// What is added to every gradient.
    correction: Option<Network<'a>>,
    /// What parameters are drawn to after each step, and the share of the way.
    target: Option<(Network<'a>, f64)>,
    /// None before the first step.
    velocity: Option<Network<'a>>,
    network: Network<'a>,
}

impl<'a> Descent<'a> {
    fn new(
        network: Network<'a>,
        settings: TrainingSettings,
        correction: Option<Network<'a>>,
        target: Option<(Network<'a>, f64)>,
    ) -> Self {
        let anchor = network.tensors.clone();
        Self { settings, anchor, correction, target, velocity: None, network }
    }

    /// One step, as the documentation of [`TrainingSettings`] says.
    fn step(self, gradient: Network<'a>) -> Self {
        let Self { settings, anchor, correction, target, velocity, network } = self;
        let gradient = clipped(pulled(gradient, &network, &anchor, settings.proximal), settings);
        let gradient = match &correction {
            Some(correction) => gradient.plus_scaled(correction, 1.0),
            None => gradient,
        };
        let gradient = if settings.weight_decay > 0.0 {
            gradient.plus_scaled(&network, f64::from(settings.weight_decay))
        } else {
            gradient
        };
        let velocity = match velocity {
            Some(velocity) if settings.momentum > 0.0 => {
                velocity.scaled(f64::from(settings.momentum)).plus_scaled(&gradient, 1.0)
            }
            _ => gradient,
        };
        let network = network.plus_scaled(&velocity, -f64::from(settings.learning_rate));
        let network = match &target {
            Some((target, share)) => network.scaled(1.0 - share).plus_scaled(target, *share),
            None => network,
        };
        Self { settings, anchor, correction, target, velocity: Some(velocity), network }
    }
}

/// `gradient + proximal · (network − anchor)`.
fn pulled<'a>(
    gradient: Network<'a>,
    network: &Network<'a>,
    anchor: &[Tensor<1>],
    proximal: f32,
) -> Network<'a> {
    if proximal <= 0.0 {
        return gradient;
    }
    let away = network.tensors.iter().zip(anchor).map(|(now, start)| now.clone() - start.clone());
    let away = network.with(away);
    gradient.plus_scaled(&away, f64::from(proximal))
}

/// The gradient, shortened if it is longer than the plan allows; the norm stays on the device.
fn clipped(gradient: Network<'_>, settings: TrainingSettings) -> Network<'_> {
    let Some(clip) = settings.gradient_clip else { return gradient };
    let squares = gradient.tensors.iter().map(|t| t.clone().mul(t.clone()).sum());
    let norm = Tensor::cat(squares.collect(), 0).sum().sqrt();
    let factor = norm.add_scalar(CLIP_EPSILON).recip().mul_scalar(f64::from(clip)).clamp_max(1.0);
    let scaled = gradient.tensors.iter().map(|t| t.clone().mul(factor.clone()));
    gradient.with(scaled)
}
