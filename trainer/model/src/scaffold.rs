//! Local training with SCAFFOLD's control variates.

use rand::CryptoRng;

use crate::{
    Architecture, ComputeDevice, Examples, ModelError, Parameters, TrainingOutcome, TrainingPlan,
    training::{Task, train_task},
};

/// What corrects the drift of a contributor's training, `[parameter_count]` each, in the flat layout;
/// zeros before the first round.
#[derive(Debug, Clone, Copy)]
pub struct ControlVariates<'a> {
    /// The mean over all contributors, c.
    pub server: &'a [f32],
    /// The contributor's own, cᵢ.
    pub own: &'a [f32],
}

/// What training with control variates gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaffoldOutcome {
    /// The trained parameters.
    pub training: TrainingOutcome,
    /// The contributor's control variate from now on, cᵢ⁺; the server adds the mean of cᵢ⁺ − cᵢ.
    pub control: Vec<f32>,
}

/// Trains as [`train`](crate::train), with c − cᵢ added to the gradient of every step.
///
/// The new control variate is cᵢ⁺ = cᵢ − c + (x − y)/(Kη) with the parameters x before and y after
/// K steps of learning rate η: option II. It is as long as an update, so that uploads double, unless everybody
/// takes equally many steps ([`control_change`]).
///
/// The correction is added after clipping and noise, and to a private step without harm: it depends
/// on earlier updates alone. Sealing must cover cᵢ⁺ as it covers the update: it is a mean gradient
/// of the contributor's examples.
///
/// Source: Karimireddy et al. 2020, "SCAFFOLD: Stochastic Controlled Averaging for Federated
/// Learning", Algorithm 1.
///
/// # Errors
/// As [`train`](crate::train); [`ModelError::Parameters`] if a control variate has another length or
/// is not finite; [`ModelError::PlanUnsupported`] with momentum, for which option II does not give a
/// mean gradient.
pub fn train_scaffold(
    device: &ComputeDevice,
    architecture: &Architecture,
    parameters: &Parameters,
    examples: &Examples,
    (plan, controls): (&TrainingPlan, ControlVariates<'_>),
    rng: &mut impl CryptoRng,
) -> Result<ScaffoldOutcome, ModelError> {
    if plan.settings().momentum > 0.0 {
        let reason = "control variates need steps without momentum";
        return Err(ModelError::PlanUnsupported { reason });
    }
    let layout = architecture.layout();
    let control =
        |values: &[f32]| Parameters::new(&layout, values.to_vec()).map_err(ModelError::Parameters);
    let (server, own) = (control(controls.server)?, control(controls.own)?);
    let correction = server.difference(&own).map_err(ModelError::Parameters)?;
    let task = Task { correction: Some(&correction), ..Task::plain(plan) };
    let training = train_task(device, architecture, parameters, examples, task, rng)?;
    let rate = f64::from(plan.settings().learning_rate) * training.steps as f64;
    let moved = parameters.values().iter().zip(training.parameters.values());
    // cᵢ − c is the correction with the other sign.
    let control = moved.zip(&correction).map(|((x, y), correction)| {
        f32_from_sum((f64::from(*x) - f64::from(*y)) / rate - f64::from(*correction))
    });
    let control = Parameters::new(&layout, control.collect()).map_err(ModelError::Diverged)?;
    Ok(ScaffoldOutcome { training, control: control.into_values() })
}

/// What an update says about its contributor's control variate: cᵢ⁺ − cᵢ = −c − Δ/(Kη) for the update Δ = y − x
/// of K steps, option II.
///
/// It follows from the update and from what everybody knows. So a contributor that sends its update has sent this
/// too; and as it is linear in Δ, its mean over contributors that took equally many steps follows from their mean
/// update, which is all that a sealed round opens: SCAFFOLD then uploads nothing more than averaging does.
///
/// * `server` — c, `[parameter_count]`.
/// * `delta` — Δ as it was sent, clipped for one, `[parameter_count]`.
/// * `steps` — K, at least 1.
///
/// Values that overflow are infinite; [`train_scaffold`] refuses them.
#[must_use]
pub fn control_change(server: &[f32], delta: &[f32], steps: u64, learning_rate: f32) -> Vec<f32> {
    let rate = f64::from(learning_rate) * steps as f64;
    let pairs = server.iter().zip(delta);
    pairs.map(|(c, delta)| f32_from_sum(-f64::from(*c) - f64::from(*delta) / rate)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is wanted; overflow is refused")]
const fn f32_from_sum(value: f64) -> f32 {
    value as f32
}
