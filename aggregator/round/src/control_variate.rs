//! SCAFFOLD's common control variate on its way to the cohort: behind the model's bytes, named by the grant.

use aggregator_protocol::{DriftTerms, FederationTerms, RoundGrant};
use privacy_identity::{Digest, Tag};

use crate::OrderRefusal;

/// The digest by which a grant names a control variate.
///
/// * `control` — c, `[dimension]`.
#[must_use]
pub fn control_digest(control: &[f32]) -> Digest {
    Digest::of(Tag::ControlVariate, &bytes(control))
}

/// What travels to the cohort: the model's bytes, and behind them c where the terms ask for it.
#[must_use]
pub fn with_control(mut model: Vec<u8>, control: Option<&[f32]>) -> Vec<u8> {
    model.extend(control.map(bytes).unwrap_or_default());
    model
}

fn bytes(control: &[f32]) -> Vec<u8> {
    control.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Takes what came apart: the model's bytes, whose digest is the caller's to check, and c.
///
/// Threat: whoever carries models, and puts in a control variate of its own: it would steer every step of training.
///
/// # Errors
/// [`OrderRefusal::Control`] if the grant names none where the terms ask for one, or the reverse, or another one.
pub fn split_control<'a>(
    terms: &FederationTerms,
    grant: &RoundGrant,
    payload: &'a [u8],
) -> Result<(&'a [u8], Option<Vec<f32>>), OrderRefusal> {
    let named = match (terms.training.drift, grant.control) {
        (DriftTerms::Absent, None) => return Ok((payload, None)),
        (DriftTerms::Scaffold, Some(named)) => named,
        _ => return Err(OrderRefusal::Control),
    };
    let at = payload.len().checked_sub(4 * terms.encoding.dimension());
    let (model, control) = payload.split_at(at.ok_or(OrderRefusal::Control)?);
    let control: Vec<f32> =
        control.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if control_digest(&control) != named || control.iter().any(|value| !value.is_finite()) {
        return Err(OrderRefusal::Control);
    }
    Ok((model, Some(control)))
}
