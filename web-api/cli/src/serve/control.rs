//! SCAFFOLD at the DAO node: the common control variate c, which goes out with each model.
//!
//! c is the mean of all contributors' control variates. The node keeps their sum C: a round adds to it what follows from its
//! opened mean update, |S| · (−c − Δ̄/(Kη)), as all take K steps (ARCHITECTURE.md, "SCAFFOLD uploads nothing more"). Nothing
//! more is uploaded or opened, and what c tells is what the sums tell. c = C/N for the N members that there are when a
//! round is granted: one that joined meanwhile has a control variate of zero.

use aggregator_protocol::{DriftTerms, FederationTerms, LocalWork, RoundId};
use anyhow::Context as _;
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use trainer_model::{PARAMETERS_MAX, control_change};

use super::vault::{Step, Vault};

/// File of the control variate of the open round.
const CONTROL_FILE: &str = "control.bin";

/// What went out with a round's model.
#[derive(Debug, Clone, PartialEq)]
struct HandedOut {
    round: RoundId,
    common: Vec<f32>,
}

/// c for a round that is about to be granted, kept before it leaves; none where the terms ask for none.
///
/// * `last` — how the current model came about.
/// * `members` — of the federation.
pub(super) fn hand_out(
    vault: &Vault,
    terms: &FederationTerms,
    (round, last): (RoundId, Option<&Step>),
    members: usize,
) -> anyhow::Result<Option<Vec<f32>>> {
    if terms.training.drift == DriftTerms::Absent {
        return Ok(None);
    }
    let common = match last {
        Some(step) => mean(&step.control, members),
        None => vec![0.0; terms.encoding.dimension()],
    };
    vault.keep(CONTROL_FILE, &HandedOut { round, common: common.clone() })?;
    Ok(Some(common))
}

/// c as it went out with the model of `round`.
pub(super) fn handed_out(
    vault: &Vault,
    terms: &FederationTerms,
    round: RoundId,
) -> anyhow::Result<Option<Vec<f32>>> {
    if terms.training.drift == DriftTerms::Absent {
        return Ok(None);
    }
    let kept: Option<HandedOut> = vault.record(CONTROL_FILE)?;
    let kept = kept.filter(|kept| kept.round == round);
    Ok(Some(kept.context("the round's control variate is missing on disk")?.common))
}

/// C after a round; empty where the terms ask for none.
///
/// * `count` — contributors in the sum.
pub(super) fn after(
    vault: &Vault,
    terms: &FederationTerms,
    (round, last): (RoundId, Option<&Step>),
    (mean_update, count): (&[f32], usize),
) -> anyhow::Result<Vec<f32>> {
    let Some(common) = handed_out(vault, terms, round)? else { return Ok(Vec::new()) };
    let LocalWork::Steps(steps) = terms.training.work else {
        anyhow::bail!("checked terms with control variates have steps")
    };
    let rate = single(terms.training.learning_rate_in(round.0));
    let change = control_change(&common, mean_update, steps.into(), rate);
    let mut sum = last.map_or_else(|| vec![0.0; common.len()], |step| step.control.clone());
    sum.resize(common.len(), 0.0);
    for (value, change) in sum.iter_mut().zip(change) {
        *value = single(count_of(count).mul_add(f64::from(change), f64::from(*value)));
    }
    Ok(sum)
}

fn mean(sum: &[f32], members: usize) -> Vec<f32> {
    sum.iter().map(|value| single(f64::from(*value) / count_of(members.max(1)))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a count of members")]
const fn count_of(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values; rounding is wanted")]
const fn single(value: f64) -> f32 {
    value as f32
}

impl Encode for HandedOut {
    fn encode(&self, writer: &mut Writer) {
        self.round.encode(writer);
        floats_to_writer(&self.common, writer);
    }
}

impl Decode for HandedOut {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { round: Decode::decode(reader)?, common: floats_from_reader(reader)? })
    }
}

pub(super) fn floats_to_writer(values: &[f32], writer: &mut Writer) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    writer.bytes(&bytes);
}

pub(super) fn floats_from_reader(reader: &mut Reader<'_>) -> Result<Vec<f32>, DecodeError> {
    let (values, rest) = reader.bytes("values", 4 * PARAMETERS_MAX)?.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(DecodeError::invalid("values", "cut off"));
    }
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
