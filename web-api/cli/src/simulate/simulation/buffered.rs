//! Asynchronous training with a sealed buffer (Nguyen et al. 2022, `FedBuff`).
//!
//! A one-shot sealed update is bound to a round and a model (`Binding`), and its sum is opened once. So the buffer
//! consists of groups by version: who is done training says so, without a byte of its update, and waits; when the groups that have
//! reached the minimum cohort fill the buffer, each gets a round of its own, granted for the model that its members
//! trained from; they seal to it, its sum is opened, and the server takes a step by the *opened* mean, weighted by the age of the version
//! ([`BufferRule`](aggregator_strategy::BufferRule)). Each is a round of the real machines, measured, settled and paid like any other, by the terms of a
//! real federation with this buffer; only who is done when is of virtual time.
//!
//! Threat: a contributor that chooses its own weight, by claiming a newer version than it trained from. The weight is that of the
//! grant, which the DAO node signed: one that takes part in the round of a version counts as one of that version, whatever
//! it trained from, and what it sends is bounded by the clip norm as everybody's. An update hides among those of its version and
//! round, at least the minimum cohort.
//!
//! ε is that of the contributor that took part most often: whose update is not in a sum loses nothing by it.

use std::collections::VecDeque;

use aggregator_protocol::RoundId;
use aggregator_round::{PAST_UPDATES_MAX, privacy_loss};
use aggregator_strategy::OptimizerState;
use anyhow::{Context as _, bail};
use trainer_model::{Evaluation, Parameters};

use super::{
    super::{
        buffer_state::{BufferState, Version},
        dao::Ended,
        learning::{Trainer, TrainingRound},
        population::Contributor,
        schedule::{Flush, VersionGroup},
        sealed_round::{Collected, RoundTask, SealedOutcome},
        state::RoundRecord,
    },
    After, Engine, RoundResult, SealedEngine, Simulation, first_reason, mean, mean_loss,
    per_parameter,
    sealed::opened_values,
};

/// Where the model stands between the rounds of one buffer.
struct Standing {
    model: Parameters,
    optimizer: OptimizerState,
    /// What earlier rounds made public, the newest first.
    past: VecDeque<Vec<Vec<f32>>>,
    test: Option<Evaluation>,
    values: Vec<(usize, Option<f64>)>,
}

/// What is noted of a group's round.
struct Noted {
    collected: Collected,
    refused: u64,
    participants: usize,
    /// Why it was given up, if it was.
    reason: Option<String>,
}

impl Simulation {
    /// Fills a buffer and lets each of its groups have a round.
    pub(super) fn buffered_round(&mut self) -> anyhow::Result<RoundResult> {
        let mut buffer = self.state.buffer.take().context("a plan without a buffer")?;
        let result = self.flushed(&mut buffer);
        self.state.buffer = Some(buffer);
        result
    }

    fn flushed(&mut self, buffer: &mut BufferState) -> anyhow::Result<RoundResult> {
        let settled = buffer.settled;
        let newest = || Version { model: self.state.model.clone(), settled };
        buffer.versions.entry(buffer.schedule.newest()).or_insert_with(newest);
        let flush = buffer.schedule.next_flush();
        let trainer = self.bench.trainer(&self.state)?;
        let Engine::Sealed(engine) = &mut self.engine else {
            bail!("a sealed buffer of an open federation");
        };
        let mut standing = Standing {
            model: self.state.model.clone(),
            optimizer: self.state.optimizer.clone(),
            past: self.state.past.clone(),
            test: None,
            values: Vec::new(),
        };
        let mut noted = Vec::new();
        for group in &flush.groups {
            let members: Vec<&Contributor> =
                group.members.iter().map(|index| &self.population[*index]).collect();
            let of = (group, members);
            let training = (&trainer, self.threads);
            noted.push(group_round(engine, buffer, of, training, &mut standing)?);
        }
        let in_use = buffer.schedule.versions();
        buffer.versions.retain(|version, _| in_use.contains(version));
        let most = buffer.sealed.values().max().copied().unwrap_or(0);
        let record = record(engine, &noted, &flush, most)?;
        let Standing { model, optimizer, past, test, values } = standing;
        // Of a buffer none of whose groups was opened there is no new model.
        let after = test.map(|test| After { model, optimizer, past, test: Some(test) });
        Ok(RoundResult { after, values, record, ..RoundResult::default() })
    }
}

/// The sealed round of those who trained from one version, and what it does to the newest model.
fn group_round(
    engine: &mut SealedEngine,
    buffer: &mut BufferState,
    (group, mut members): (&VersionGroup, Vec<&Contributor>),
    (trainer, threads): (&Trainer<'_>, std::num::NonZeroUsize),
    standing: &mut Standing,
) -> anyhow::Result<Noted> {
    let id = buffer.next_id;
    buffer.next_id += 1;
    for index in &group.members {
        *buffer.sealed.entry(*index).or_default() += 1;
    }
    let Version { model, settled } =
        buffer.versions.get(&group.version).context("a version is gone")?;
    members.sort_by_key(|contributor| contributor.member());
    let last = standing.past.front().and_then(|public| public.last()).map(Vec::as_slice);
    // Numbered by the round: a contributor is in one round of a buffer.
    let training = TrainingRound { trainer, threads, round: id, model, last };
    let task = RoundTask {
        id: RoundId(id),
        training,
        newest: &standing.model,
        // By rounds that were settled, as the ledger counts: one that is given up makes nothing older.
        staleness: u32::try_from(buffer.settled - settled)?,
        past: &standing.past,
        cohort: &members,
        coming: &members,
        optimizer: &standing.optimizer,
        keeps_clear: false,
    };
    let SealedOutcome { ended, collected, refused } =
        engine.federation.run(&mut engine.dao, &task)?;
    let (stepped, receipt, test) = match ended {
        Ended::Aborted(reason) => {
            return Ok(Noted { collected, refused, participants: 0, reason: Some(reason) });
        }
        Ended::Settled { stepped, receipt, test } => (stepped, receipt, test),
    };
    let encoding = engine.federation.terms().encoding;
    let values = opened_values(&receipt, &engine.members, &encoding);
    let participants = values.len();
    standing.values.extend(values);
    (standing.model, standing.optimizer) = (stepped.after, stepped.optimizer);
    standing.past.push_front(stepped.public);
    standing.past.truncate(PAST_UPDATES_MAX);
    standing.test = Some(test);
    buffer.settled += 1;
    Ok(Noted { collected, refused, participants, reason: None })
}

/// The record of a buffer.
///
/// * `most` — rounds of the contributor that took part most often.
fn record(
    engine: &SealedEngine,
    rounds: &[Noted],
    flush: &Flush,
    most: u64,
) -> anyhow::Result<RoundRecord> {
    let terms = engine.federation.terms();
    let all = |of: fn(&Collected) -> &[f64]| -> Vec<f64> {
        rounds.iter().flat_map(|noted| of(&noted.collected).iter().copied()).collect()
    };
    let upload = rounds.iter().map(|noted| noted.collected.upload_bytes).max().unwrap_or(0);
    let given_up = rounds.iter().enumerate().find_map(|(index, noted)| {
        let reason = noted.reason.as_ref()?;
        Some(format!("group {} was given up: {reason}", index + 1))
    });
    let absent = rounds.iter().find_map(|noted| first_reason(&noted.collected.dropped));
    let mut record = RoundRecord {
        participants: rounds.iter().map(|noted| noted.participants as u64).sum(),
        dropped: rounds.iter().map(|noted| noted.collected.dropped.len() as u64).sum(),
        refused: rounds.iter().map(|noted| noted.refused).sum(),
        upload_bytes_per_contributor: upload,
        upload_bytes_per_parameter: per_parameter(upload, &terms.encoding),
        train_seconds: mean(&all(|collected| &collected.train_seconds)),
        train_loss: mean_loss(&all(|collected| &collected.train_losses)),
        seal_seconds: mean(&all(|collected| &collected.seal_seconds)),
        aggregate_seconds: rounds.iter().map(|noted| noted.collected.aggregate_seconds).sum(),
        epsilon: privacy_loss(terms, most)?,
        remark: given_up.or(absent),
        ..RoundRecord::default()
    };
    record.course.note(flush);
    Ok(record)
}
