//! Asynchronous training with a sealed buffer (Nguyen et al. 2022, `FedBuff`).
//!
//! A one-shot sealed update is bound to a round and a model (`Binding`), and its sum is opened once. So the buffer
//! consists of groups by version: who is done training says so, without a byte of its update, and waits; when the groups that have
//! reached the minimum cohort fill the buffer, each gets a round of its own, granted for the model that its members
//! trained from; they seal to it, its sum is opened, and the server weighs the *opened* mean by the age of the version.
//!
//! Threat: a contributor that chooses its own weight, by claiming a newer version than it trained from. The weight is that of the
//! grant, which the DAO node signed: one that takes part in the round of a version counts as one of that version, whatever
//! it trained from, and what it sends is bounded by the clip norm as everybody's. An update hides among those of its version and
//! round, at least the minimum cohort.
//!
//! ε is that of the contributor that took part most often: whose update is not in a sum loses nothing by it.

use std::collections::BTreeMap;

use aggregator_protocol::RoundId;
use aggregator_round::privacy_loss;
use aggregator_strategy::Positive;
use anyhow::{Context as _, bail};
use trainer_model::Parameters;

use super::{
    super::{
        learning::TrainingRound,
        population::Contributor,
        schedule::{Flush, Schedule},
        strategy::Buffering,
    },
    Engine, RoundResult, Simulation,
    part::{self, Part},
};

/// Between two buffers: who trains, and the versions of the model that somebody trains from.
pub(crate) struct Buffered {
    pub(super) schedule: Schedule,
    pub(super) buffering: Buffering,
    pub(super) versions: BTreeMap<u64, Parameters>,
    /// Rounds that each contributor sealed an update to.
    pub(super) sealed: BTreeMap<usize, u64>,
    pub(super) next_id: u64,
}

impl Simulation {
    /// Fills a buffer and takes the server's step.
    pub(super) fn buffered_round(&mut self, step: u64) -> anyhow::Result<RoundResult> {
        let mut buffered = self.buffered.take().context("a plan without a buffer")?;
        let result = self.flushed(&mut buffered, step);
        self.buffered = Some(buffered);
        result
    }

    fn flushed(&mut self, buffered: &mut Buffered, step: u64) -> anyhow::Result<RoundResult> {
        buffered.versions.entry(step).or_insert_with(|| self.state.model.clone());
        let flush = buffered.schedule.next_flush();
        let trainer = self.bench.trainer(&self.state)?;
        let Engine::Sealed(engine) = &mut self.engine else {
            bail!("a sealed buffer of an open federation");
        };
        let last = self.state.past.front().map(Vec::as_slice);
        let mut parts = Vec::new();
        for group in &flush.groups {
            let id = buffered.next_id;
            buffered.next_id += 1;
            let model = buffered.versions.get(&group.version).context("a version is gone")?;
            // Numbered by the part: a contributor is in one part of a buffer.
            let training =
                TrainingRound { trainer: &trainer, threads: self.threads, round: id, model, last };
            let members: Vec<&Contributor> =
                group.members.iter().map(|index| &self.population[*index]).collect();
            for index in &group.members {
                *buffered.sealed.entry(*index).or_default() += 1;
            }
            let cohort = (members.as_slice(), members.as_slice());
            parts.push(part::run(engine, RoundId(id), training, cohort, &self.state.optimizer)?);
        }
        let in_use = buffered.schedule.versions();
        buffered.versions.retain(|version, _| in_use.contains(version));
        let terms = engine.federation.terms();
        let mut record = part::record(&parts, &terms.encoding);
        let most = buffered.sealed.values().max().copied().unwrap_or(0);
        record.epsilon = privacy_loss(terms, most)?;
        record.course.note(&flush);
        let Some((mean, factor)) = weighted(&parts, &flush, &buffered.buffering)? else {
            return Ok(RoundResult { record, ..RoundResult::default() });
        };
        let mut optimizer = self.state.optimizer.clone();
        let after = optimizer.step_scaled(self.state.model.values(), &mean, factor)?;
        let after = Parameters::new(&self.bench.architecture.layout(), after)?;
        let test = engine.dao.evaluator().test(&after)?;
        let members = parts.iter().flat_map(|part| &part.members);
        let values = members.map(|index| (*index, None)).collect();
        Ok(RoundResult {
            after: Some((after, optimizer, mean, Some(test))),
            values,
            record,
            ..RoundResult::default()
        })
    }
}

/// The mean of the parts by size and age, and what the server's rate is multiplied by: `FedBuff` divides by the number of
/// updates, so that a stale buffer takes a smaller step. None if no part was opened.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "f32 means, small counts"
)]
fn weighted(
    parts: &[Part],
    flush: &Flush,
    buffering: &Buffering,
) -> anyhow::Result<Option<(Vec<f32>, Positive)>> {
    let opened = parts.iter().zip(&flush.groups);
    let opened: Vec<_> = opened
        .filter_map(|(part, group)| {
            let count = part.members.len() as f64;
            let weight = buffering.staleness.weight(group.staleness).get() * count;
            Some((part.mean.as_deref()?, weight, count))
        })
        .collect();
    let Some((first, _, _)) = opened.first() else { return Ok(None) };
    let weights: f64 = opened.iter().map(|(_, weight, _)| weight).sum();
    let counts: f64 = opened.iter().map(|(_, _, count)| count).sum();
    let mut sum = vec![0.0_f64; first.len()];
    for (mean, weight, _) in &opened {
        for (sum, value) in sum.iter_mut().zip(*mean) {
            *sum += weight * f64::from(*value);
        }
    }
    let mean = sum.into_iter().map(|sum| (sum / weights) as f32).collect();
    Ok(Some((mean, Positive::new("the weight of a buffer", weights / counts)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{schedule::VersionGroup, sealed_round::Collected, strategy::Strategy};

    fn part(mean: Option<f32>, members: usize) -> Part {
        let mean = mean.map(|mean| vec![mean]);
        let members = if mean.is_some() { (0..members).collect() } else { Vec::new() };
        Part { mean, members, reason: None, collected: Collected::default(), refused: 0 }
    }

    fn flush(ages: &[u32]) -> Flush {
        let group = |staleness: &u32| VersionGroup {
            version: 9 - u64::from(*staleness),
            staleness: *staleness,
            members: Vec::new(),
        };
        Flush { at_us: 0, groups: ages.iter().map(group).collect(), discarded: 0, vanished: 0 }
    }

    /// By hand: 1/√(1 + 3) = ½; Σ weight · update / K = (½ · 2 · 8 + 1 · 4 · 2) / 6.
    #[test]
    fn the_step_is_that_of_the_paper() {
        let Ok(Strategy::Buffered(buffering)) = "fedbuff:buffer=2".parse() else {
            panic!("no buffer");
        };
        let parts = [part(Some(8.0), 2), part(Some(2.0), 4)];
        let (mean, factor) = weighted(&parts, &flush(&[3, 0]), &buffering).unwrap().unwrap();
        let step = f64::from(mean[0]) * factor.get();
        assert!((step - 16.0 / 6.0).abs() < 1e-6, "{step}");
        // A part that was given up is not in the buffer.
        let parts = [part(None, 2), part(Some(2.0), 4)];
        let (mean, factor) = weighted(&parts, &flush(&[3, 0]), &buffering).unwrap().unwrap();
        assert_eq!((mean, factor.get()), (vec![2.0], 1.0));
        assert!(weighted(&[part(None, 2)], &flush(&[0]), &buffering).unwrap().is_none());
    }
}
