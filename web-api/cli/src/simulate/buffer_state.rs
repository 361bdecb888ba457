//! What asynchronous training has between two buffers; part of a checkpoint.

use std::collections::BTreeMap;

use anyhow::ensure;
use privacy_identity::{Reader, Writer};
use trainer_model::{Parameters, UpdateLayout};

use super::{plan::Plan, schedule::Schedule};

/// A model that somebody trains from, or trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Version {
    pub(crate) model: Parameters,
    /// Sealed rounds that were settled when it was the newest: how the ledger tells its age.
    pub(crate) settled: u64,
}

/// Who trains, and from which versions of the model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BufferState {
    pub(crate) schedule: Schedule,
    pub(crate) versions: BTreeMap<u64, Version>,
    /// Rounds that each contributor sealed an update to.
    pub(crate) sealed: BTreeMap<usize, u64>,
    /// The number of the next sealed round.
    pub(crate) next_id: u64,
    /// Sealed rounds that led to a model.
    pub(crate) settled: u64,
}

impl BufferState {
    /// Before the first buffer, if the plan is one of buffers.
    pub(crate) fn start(plan: &Plan) -> Option<Self> {
        let minimum = plan.minimum() as usize;
        let schedule = Schedule::new(plan.conduct(), plan.buffering?, minimum, plan.clients);
        let (versions, sealed) = (BTreeMap::new(), BTreeMap::new());
        Some(Self { schedule, versions, sealed, next_id: 0, settled: 0 })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        self.schedule.encode(writer);
        writer.u32(u32::try_from(self.versions.len()).expect("one for each who trains at most"));
        for (number, version) in &self.versions {
            writer.u64(*number);
            writer.u64(version.settled);
            writer.bytes(&version.model.to_bytes());
        }
        writer.u32(u32::try_from(self.sealed.len()).expect("at most CLIENTS_MAX"));
        for (index, rounds) in &self.sealed {
            writer.u64(*index as u64);
            writer.u64(*rounds);
        }
        writer.u64(self.next_id);
        writer.u64(self.settled);
    }

    /// Reads what [`BufferState::encode`] wrote under the same plan.
    ///
    /// * `most` — the bytes that there are.
    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        (plan, layout): (&Plan, &UpdateLayout),
        most: usize,
    ) -> anyhow::Result<Option<Self>> {
        let Some(mut state) = Self::start(plan) else { return Ok(None) };
        state.schedule.restore(reader)?;
        for _ in 0..reader.length("versions", most)? {
            let (number, settled) = (reader.u64()?, reader.u64()?);
            let model = Parameters::from_bytes(layout, reader.bytes("version", most)?)?;
            state.versions.insert(number, Version { model, settled });
        }
        for _ in 0..reader.length("contributors", most)? {
            let (index, rounds) = (usize::try_from(reader.u64()?)?, reader.u64()?);
            ensure!(index < plan.clients, "there is no contributor {index}");
            state.sealed.insert(index, rounds);
        }
        (state.next_id, state.settled) = (reader.u64()?, reader.u64()?);
        let newest = state.schedule.newest();
        let trained = state.schedule.versions().into_iter().filter(|version| *version != newest);
        let missing = trained.into_iter().find(|version| !state.versions.contains_key(version));
        ensure!(missing.is_none(), "the model of version {missing:?} is missing");
        Ok(Some(state))
    }
}
