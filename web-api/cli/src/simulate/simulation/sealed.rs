//! A round whose updates are sealed, by the real machines.

use std::{collections::BTreeMap, mem};

use aggregator_protocol::{OpenedScalars, RoundId, RoundReceipt};
use aggregator_round::privacy_loss;
use privacy_identity::VerifyingKey;
use privacy_secagg::EncodingParameters;

use super::super::{
    control::ControlChanges,
    dao::Ended,
    learning::TrainingRound,
    sealed_round::{Collected, RoundTask, SealedOutcome},
    state::RoundRecord,
};
use super::{
    After, Engine, RoundResult, SealedEngine, Simulation, first_reason, mean, mean_loss,
    per_parameter, played::Played,
};

impl Simulation {
    pub(super) fn sealed_round(
        &mut self,
        round: u64,
        (cohort, coming): (&[usize], &[usize]),
    ) -> anyhow::Result<RoundResult> {
        let bench = &self.bench;
        let trainer = bench.trainer(&self.state)?;
        let Engine::Sealed(engine) = &mut self.engine else {
            anyhow::bail!("a sealed round of an open federation");
        };
        let SealedEngine { federation, dao, members } = engine.as_mut();
        let mut invited: Vec<_> = cohort.iter().map(|index| &self.population[*index]).collect();
        invited.sort_by_key(|contributor| contributor.member());
        let mut coming: Vec<_> = coming.iter().map(|index| &self.population[*index]).collect();
        coming.sort_by_key(|contributor| contributor.member());
        let last = self.state.last_step();
        let model = &self.state.model;
        let training =
            TrainingRound { trainer: &trainer, threads: self.threads, round, model, last };
        let task = RoundTask {
            id: RoundId(round),
            training,
            newest: model,
            staleness: 0,
            past: &self.state.past,
            cohort: &invited,
            coming: &coming,
            optimizer: &self.state.optimizer,
            keeps_clear: self.bench.plan.value.plays_game(),
        };
        let SealedOutcome { ended, mut collected, refused } = federation.run(dao, &task)?;
        let encoding = federation.terms().encoding;
        let rounds = round + 1;
        let mut record = RoundRecord {
            refused,
            upload_bytes_per_parameter: per_parameter(collected.upload_bytes, &encoding),
            epsilon: privacy_loss(federation.terms(), rounds)?,
            ..collected_record(&collected)
        };
        let mut retained = mem::take(&mut collected.retained);
        let (after, values) = match ended {
            Ended::Aborted(reason) => {
                let absent = record.remark.take().map(|remark| format!("; {remark}"));
                record.remark = Some(format!("given up: {reason}{}", absent.unwrap_or_default()));
                retained.control = ControlChanges::default();
                (None, Vec::new())
            }
            Ended::Settled { stepped, receipt, test } => {
                let mut values = opened_values(&receipt, members, &encoding);
                record.participants = values.len() as u64;
                if let Some(played) = Played::of(&self.bench.plan, &self.population, &mut collected)
                {
                    let remark = record.remark.take();
                    (values, record.remark) =
                        played.values(&task.training, dao.evaluator(), remark)?;
                }
                let counted = values.iter().map(|(index, _)| *index).collect();
                bench.count_controls(
                    &trainer,
                    (&self.population, &counted),
                    &stepped.mean_update,
                    &mut retained.control,
                );
                let past = self.state.past_with(stepped.public);
                let (model, optimizer) = (stepped.after, stepped.optimizer);
                (Some(After { model, optimizer, past, test: Some(test) }), values)
            }
        };
        Ok(RoundResult { after, values, retained, record })
    }
}

/// What each contribution of a sealed round took off the loss, by contributor.
#[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
pub(super) fn opened_values(
    receipt: &RoundReceipt,
    members: &BTreeMap<VerifyingKey, usize>,
    encoding: &EncodingParameters,
) -> Vec<(usize, Option<f64>)> {
    let contributions = receipt.accepted.contributions().iter().zip(&receipt.scalars);
    let value = |((member, _), scalars): (&(VerifyingKey, _), &OpenedScalars)| {
        let value = scalars.value as f64 * encoding.value_unit();
        members.get(member).map(|index| (*index, Some(value)))
    };
    contributions.filter_map(value).collect()
}

/// What is noted of a sealed round's collection.
fn collected_record(collected: &Collected) -> RoundRecord {
    RoundRecord {
        dropped: collected.dropped.len() as u64,
        upload_bytes_per_contributor: collected.upload_bytes,
        train_seconds: mean(&collected.train_seconds),
        train_loss: mean_loss(&collected.train_losses),
        seal_seconds: mean(&collected.seal_seconds),
        aggregate_seconds: collected.aggregate_seconds,
        remark: first_reason(&collected.dropped),
        ..RoundRecord::default()
    }
}
