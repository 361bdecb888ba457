//! Asynchronous training with a sealed buffer (Nguyen et al. 2022, `FedBuff`).
//!
//! A one-shot sealed update is bound to a round and a model (`Binding`), and its sum is opened once. So the buffer
//! consists of groups by version: who is done training says so, without a byte of its update, and waits; when the groups that have
//! reached the minimum cohort fill the buffer, each gets a round of its own, granted for the model that its members
//! trained from; they seal to it, its sum is opened, and the server takes a step by the *opened* mean, weighted by the age of the version ([`BufferRule`]).
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
use aggregator_strategy::{BufferRule, OptimizerState};
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
    pub(super) fn buffered_round(&mut self) -> anyhow::Result<RoundResult> {
        let mut buffered = self.buffered.take().context("a plan without a buffer")?;
        let result = self.flushed(&mut buffered);
        self.buffered = Some(buffered);
        result
    }

    fn flushed(&mut self, buffered: &mut Buffered) -> anyhow::Result<RoundResult> {
        let newest = buffered.schedule.newest();
        buffered.versions.entry(newest).or_insert_with(|| self.state.model.clone());
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
        let start = (self.state.model.values(), &self.state.optimizer);
        let Some(stepped) = stepped(&parts, &flush, &buffered.buffering.rule(), start)? else {
            return Ok(RoundResult { record, ..RoundResult::default() });
        };
        let Stepped { after, optimizer, moved } = stepped;
        let after = Parameters::new(&self.bench.architecture.layout(), after)?;
        let test = engine.dao.evaluator().test(&after)?;
        let members = parts.iter().flat_map(|part| &part.members);
        let values = members.map(|index| (*index, None)).collect();
        Ok(RoundResult {
            after: Some((after, optimizer, moved, Some(test))),
            values,
            record,
            ..RoundResult::default()
        })
    }
}

/// What the steps of a buffer led to.
struct Stepped {
    /// The parameters.
    after: Vec<f32>,
    optimizer: OptimizerState,
    /// Σ factor · mean: the update that all of them are together.
    moved: Vec<f32>,
}

/// A step for each part, the oldest version first, as [`BufferRule`] says; none if no part was opened.
#[expect(clippy::cast_possible_truncation, reason = "f32 means times at most 1")]
fn stepped(
    parts: &[Part],
    flush: &Flush,
    rule: &BufferRule,
    (before, optimizer): (&[f32], &OptimizerState),
) -> anyhow::Result<Option<Stepped>> {
    let (mut after, mut optimizer) = (before.to_vec(), optimizer.clone());
    let mut moved = vec![0.0_f64; before.len()];
    let mut opened = false;
    for (part, group) in parts.iter().zip(&flush.groups) {
        let Some(mean) = &part.mean else { continue };
        let factor = rule.factor(group.staleness, part.members.len());
        after = optimizer.step_scaled(&after, mean, factor)?;
        for (moved, value) in moved.iter_mut().zip(mean) {
            *moved += factor.get() * f64::from(*value);
        }
        opened = true;
    }
    let moved = moved.into_iter().map(|value| value as f32).collect();
    Ok(opened.then_some(Stepped { after, optimizer, moved }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{schedule::VersionGroup, sealed_round::Collected, strategy::buffer_rule};

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
        let (optimizer, rule) = buffer_rule("fedbuff:buffer=6").unwrap();
        let optimizer = OptimizerState::new(optimizer, 1).unwrap();
        let step = |parts: &[Part], ages| {
            let stepped = stepped(parts, &flush(ages), &rule, (&[1.0], &optimizer)).unwrap();
            stepped.map(|stepped| (stepped.after[0], stepped.moved[0]))
        };
        let (after, moved) = step(&[part(Some(8.0), 2), part(Some(2.0), 4)], &[3, 0]).unwrap();
        assert!((after - 1.0 - 16.0 / 6.0).abs() < 1e-6 && (moved - 16.0 / 6.0).abs() < 1e-6);
        // Of a part that was given up nothing is taken, and the others count no more for it.
        let (after, _) = step(&[part(None, 2), part(Some(2.0), 4)], &[3, 0]).unwrap();
        assert!((after - 1.0 - 8.0 / 6.0).abs() < 1e-6);
        assert_eq!(step(&[part(None, 2)], &[0]), None);
    }
}
