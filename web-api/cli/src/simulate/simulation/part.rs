//! A part of a round: a sealed round of the real machines over some of the contributors, whose sum leads to no model
//! by itself. Groups and buffers are made of parts.

use std::collections::VecDeque;

use aggregator_protocol::RoundId;
use aggregator_strategy::OptimizerState;
use privacy_identity::VerifyingKey;

use super::{
    super::{
        dao::Ended,
        learning::TrainingRound,
        population::Contributor,
        sealed_round::{Collected, RoundTask, SealedOutcome},
        state::RoundRecord,
    },
    SealedEngine, first_reason, mean, mean_loss, per_parameter,
};

/// What came of a part.
pub(super) struct Part {
    /// The mean of its updates; none if it was given up.
    pub(super) mean: Option<Vec<f32>>,
    /// Who is in it.
    pub(super) members: Vec<usize>,
    /// Why it was given up.
    pub(super) reason: Option<String>,
    pub(super) collected: Collected,
    pub(super) refused: u64,
}

/// Runs a part.
///
/// * `id` — its number among all rounds: never used twice.
/// * `invited`, `coming` — who is in it, and who of them trains.
pub(super) fn run(
    engine: &mut SealedEngine,
    id: RoundId,
    training: TrainingRound<'_>,
    (invited, coming): (&[&Contributor], &[&Contributor]),
    optimizer: &OptimizerState,
) -> anyhow::Result<Part> {
    let SealedEngine { federation, dao, members } = engine;
    let mut cohort = invited.to_vec();
    cohort.sort_by_key(|contributor| contributor.member());
    let past = VecDeque::new();
    let task = RoundTask {
        id,
        training,
        past: &past,
        cohort: &cohort,
        coming,
        optimizer,
        part: true,
        keeps_clear: false,
    };
    let SealedOutcome { ended, collected, refused } = federation.run(dao, &task)?;
    Ok(match ended {
        Ended::Aborted(reason) => {
            Part { mean: None, members: Vec::new(), reason: Some(reason), collected, refused }
        }
        Ended::Settled { stepped, receipt, .. } => {
            let contributions = receipt.accepted.contributions().iter();
            let index = |(member, _): &(VerifyingKey, _)| members.get(member).copied();
            let members = contributions.filter_map(index).collect();
            let mean = Some(stepped.mean_update);
            Part { mean, members, reason: None, collected, refused }
        }
    })
}

/// The record of a round that was made of `parts`.
pub(super) fn record(parts: &[Part], encoding: &privacy_secagg::EncodingParameters) -> RoundRecord {
    let all = |of: fn(&Collected) -> &[f64]| -> Vec<f64> {
        parts.iter().flat_map(|part| of(&part.collected).iter().copied()).collect()
    };
    let upload = parts.iter().map(|part| part.collected.upload_bytes).max().unwrap_or(0);
    let given_up = parts.iter().enumerate().find_map(|(index, part)| {
        let reason = part.reason.as_ref()?;
        Some(format!("group {} was given up: {reason}", index + 1))
    });
    let absent = parts.iter().find_map(|part| first_reason(&part.collected.dropped));
    RoundRecord {
        participants: parts.iter().map(|part| part.members.len() as u64).sum(),
        dropped: parts.iter().map(|part| part.collected.dropped.len() as u64).sum(),
        refused: parts.iter().map(|part| part.refused).sum(),
        upload_bytes_per_contributor: upload,
        upload_bytes_per_parameter: per_parameter(upload, encoding),
        train_seconds: mean(&all(|collected| &collected.train_seconds)),
        train_loss: mean_loss(&all(|collected| &collected.train_losses)),
        seal_seconds: mean(&all(|collected| &collected.seal_seconds)),
        aggregate_seconds: parts.iter().map(|part| part.collected.aggregate_seconds).sum(),
        remark: given_up.or(absent),
        ..RoundRecord::default()
    }
}
