//! The engine of the CPU: forward and backward passes by hand, on one thread, into space that is
//! taken once.
//!
//! ```text
//! features ─rows→ stages (convolution, rectifier, pooling) ─→ dense layers ─→ softmax
//!                        ↑                                        ↑             │
//! Parameters ─pack→ packed parameters, in panels ←── Descent ←── gradient ←─────┘
//! ```
//!
//! Why not burn: its CPU backend builds a graph of small tensors for every batch, multiplies with
//! AVX2 alone, and updates parameters out of place; `benches/training/RESULTS.md` has both. One
//! contributor is one thread here; several contributors are several threads.
//!
//! Results are the same bits on every machine that adds and multiplies as IEEE 754 says: products
//! are chains of fused multiply-adds in a fixed order, whatever the width of the vectors.

use rand::CryptoRng;

use crate::{
    Architecture, Examples, Features, ModelError, Parameters, TrainingOutcome,
    augmentation::Augmenter,
    schedule::Schedule,
    training::{Task, mean_loss},
    watch::Telling,
};

use self::{
    descent::Descent,
    engine::Engine,
    packed::{pack, unpack},
    private::Private,
};

mod convolution;
mod dense;
mod descent;
mod embeddings;
mod engine;
mod front;
mod gru;
mod gru_layer;
mod images;
mod outer;
mod packed;
mod panels;
mod pooling;
mod private;
mod product;
mod softmax;

/// Local training.
pub(crate) fn train(
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
    Task { plan, correction, pull, watch }: Task<'_>,
    rng: &mut impl CryptoRng,
) -> Result<TrainingOutcome, ModelError> {
    let settings = plan.settings();
    let mut schedule = Schedule::new(plan, examples.count());
    let batch_max = schedule.batch_max();
    let mut engine = Engine::new(architecture, batch_max);
    let packed = pack(&engine, parameters.values());
    let correction = correction.map_or_else(Vec::new, |flat| pack(&engine, flat));
    let mut descent = Descent::new(engine.arch(), settings, packed, correction);
    if let Some(pull) = pull {
        let toward = pack(&engine, pull.toward.values());
        descent.pull_toward(toward, pull.share(settings.learning_rate));
    }
    let mut private = settings.privacy.map(|privacy| Private::new(privacy, batch_max));
    let augmenter = |augmentation| Augmenter::new(augmentation, examples, batch_max);
    let mut augmenter = settings.augmentation.map(augmenter);
    let mut telling = Telling::new(watch, plan.steps(examples.count()));
    let (mut loss, mut count) = (0.0, 0);
    while let Some(step) = schedule.next(rng) {
        if step.opens_epoch {
            (loss, count) = (0.0, 0);
        }
        let taken = step.batch.len();
        count += taken;
        let (examples, batch) = match &mut augmenter {
            Some(augmenter) => augmenter.changed(examples, step.batch, rng),
            None => (examples, step.batch),
        };
        let Descent { parameters, gradient, .. } = &mut descent;
        loss += match &mut private {
            Some(private) => {
                let loss = private.sum(&mut engine, parameters, examples, batch, gradient);
                private.add_noise(&engine, gradient, rng);
                loss
            }
            None => batch_gradient(&mut engine, parameters, examples, batch, gradient),
        };
        descent.step();
        let mean = loss / count.max(1) as f64;
        if telling.step(taken, Some(mean)).is_break() {
            return Err(ModelError::BrokenOff);
        }
    }
    let loss = mean_loss(std::iter::once((loss / count.max(1) as f64, count)));
    let values = unpack(&engine, &descent.parameters, parameters.count());
    let parameters =
        Parameters::new(&architecture.layout(), values).map_err(ModelError::Diverged)?;
    Ok(TrainingOutcome { parameters, loss, steps: telling.taken() })
}

/// The outputs of a model before the softmax, `[rows, classes]`, row-major.
pub(crate) fn logits(
    architecture: &Architecture,
    parameters: &Parameters,
    features: &Features,
) -> Vec<f32> {
    logits_of_packed(architecture, &packed(architecture, parameters), features)
}

/// Parameters in the order in which the engine reads them.
pub(crate) fn packed(architecture: &Architecture, parameters: &Parameters) -> Vec<f32> {
    pack(&Engine::new(architecture, 1), parameters.values())
}

/// As [`logits`], with parameters that are packed already.
pub(crate) fn logits_of_packed(
    architecture: &Architecture,
    packed: &[f32],
    features: &Features,
) -> Vec<f32> {
    let mut engine = Engine::new(architecture, features.rows());
    let rows: Vec<usize> = (0..features.rows()).collect();
    let mut outputs = Vec::with_capacity(rows.len() * architecture.classes());
    for rows in rows.chunks(engine.rows_max()) {
        engine.forward(packed, features, rows).for_each(|row| outputs.extend_from_slice(row));
    }
    outputs
}

/// The gradient of the mean loss over `examples`, in the order of the layout.
pub(crate) fn mean_gradient(
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
) -> Result<Parameters, ModelError> {
    let mut engine = Engine::new(architecture, examples.count());
    let packed = pack(&engine, parameters.values());
    let mut gradient = vec![0.0; packed.len()];
    let rows: Vec<usize> = (0..examples.count()).collect();
    batch_gradient(&mut engine, &packed, examples, &rows, &mut gradient);
    let values = unpack(&engine, &gradient, parameters.count());
    Parameters::new(&architecture.layout(), values).map_err(ModelError::Diverged)
}

/// Computes the gradient of the mean loss over a batch; returns the sum of the losses.
fn batch_gradient(
    engine: &mut Engine,
    parameters: &[f32],
    examples: &Examples,
    batch: &[usize],
    gradient: &mut [f32],
) -> f64 {
    let scale = f32_from_count(batch.len()).recip();
    let parts = batch.chunks(engine.rows_max());
    let mut loss = 0.0;
    for (index, rows) in parts.enumerate() {
        let out = (&mut *gradient, index == 0);
        loss += engine.loss_and_gradient(parameters, examples, rows, scale, out);
    }
    loss
}

#[expect(clippy::cast_possible_truncation, reason = "a count; rounding is wanted")]
pub(crate) const fn f32_from_count(count: usize) -> f32 {
    count as f64 as f32
}
