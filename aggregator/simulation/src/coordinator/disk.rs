//! What the coordinator's process has on disk, and what a restart makes of it.

use std::collections::BTreeSet;

use aggregator_protocol::RoundId;
use aggregator_round::{Coordinator, Ended, Input, Output, UpdateId, Worked};
use privacy_identity::{Decode as _, Encode as _};

use super::{ENDED, INPUT, Process};
use crate::{scenario::Mutant, turn::Turn, witness::Witness};

impl Process {
    /// Stores an input. Returns whether it was stored whole.
    pub(super) fn store(&mut self, turn: &mut Turn<'_>, input: &Input) -> bool {
        let mut record = vec![INPUT];
        record.extend(turn.clock_ms.to_be_bytes());
        record.extend(input.to_bytes());
        let stored = turn.write(&mut self.journal, &record);
        turn.witness.news.coordinator |= stored;
        stored
    }

    /// What it has to hold and does not.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self.updates.missing(|id| self.durable.needs(id))?;
        Some(format!("the coordinator does not hold {missing:?}, which a stored input names"))
    }

    /// An update is missed only if something struck it.
    pub(super) fn check_loss(&self, turn: &mut Turn<'_>, input: &Input) {
        let Input::Worked { round, worked } = input else { return };
        let what = match worked.as_ref() {
            Worked::Lost { update, .. }
                if self.updates.harmed(&UpdateId { round: *round, update: *update }) =>
            {
                return;
            }
            Worked::Lost { update, altered } => format!("{update} (altered: {altered})"),
            Worked::Failed(refusal) => format!("its own work: {refusal}"),
            _ => return,
        };
        turn.witness.news.missed.push(format!("the coordinator misses {what}"));
    }

    pub(super) fn sweep(&mut self, keeps_garbage: bool) {
        let Self { machine, updates, .. } = self;
        updates.sweep(keeps_garbage, |id| machine.needs(id));
    }

    /// Keeps how a round ended, which also says that its inputs are no longer needed: one record, so that
    /// both are there or none.
    pub(super) fn conclude(&mut self, turn: &mut Turn<'_>, ended: &Ended) {
        let mut record = vec![ENDED];
        record.extend(ended.to_bytes());
        if turn.mutant == Some(Mutant::ForgetsHowRoundsEnded) {
            self.journal.clear();
            self.held.clear();
            return;
        }
        if turn.write(&mut self.journal, &record) {
            turn.witness.news.coordinator = true;
            turn.witness.news.concluded.push(ended.round());
            self.began = None;
            self.held.clear();
            self.sweep(false);
        }
    }

    /// Starts again from the disk.
    pub(crate) fn restart(&mut self, turn: &mut Turn<'_>) {
        let (machine, conclusion) = self.replayed(turn.witness);
        self.machine = machine;
        self.durable = self.machine.clone();
        self.errands.clear();
        self.job = None;
        self.paused_until_ms = 0;
        self.sweep(turn.keeps_garbage());
        if turn.mutant == Some(Mutant::SweepsWhatIsNeeded) {
            self.updates.sweep_files(|_| false);
        }
        turn.witness.news.coordinator = true;
        turn.witness
            .news
            .concluded
            .extend((0..turn.world.terms.rounds).map(u64::from).map(RoundId));
        if let Some(ended) = conclusion {
            self.conclude(turn, &ended);
        }
        self.dispatch(turn);
    }

    /// What a restart at this moment would give, compared with what it has to give. What is left to conclude
    /// comes with it.
    pub(crate) fn replayed(&mut self, witness: &mut Witness) -> (Coordinator, Option<Box<Ended>>) {
        let (mut ended, mut inputs) = (Vec::new(), Vec::new());
        let mut broken = Vec::new();
        for record in self.journal.open() {
            match record.split_first() {
                Some((&ENDED, bytes)) => {
                    inputs.clear();
                    ended.extend(Ended::from_bytes(bytes));
                }
                Some((&INPUT, bytes)) => match bytes.split_first_chunk::<8>() {
                    Some((at_ms, bytes)) => inputs.push((u64::from_be_bytes(*at_ms), bytes)),
                    None => broken.push("a stored input has no time".to_owned()),
                },
                _ => broken.push("a record of no kind".to_owned()),
            }
        }
        let mut machine = Coordinator::new(ended);
        let (mut last, mut held) = (Vec::new(), BTreeSet::new());
        for (at_ms, bytes) in inputs {
            let Ok(input) = Input::from_bytes(bytes) else {
                broken.push("a stored input cannot be read".to_owned());
                continue;
            };
            if let Input::Held { update, .. } = &input {
                held.insert(*update);
            }
            let (next, result) = machine.handle(&self.context, input, at_ms);
            machine = next;
            match result {
                Ok(outputs) => last = outputs,
                Err(refusal) => broken.push(format!("a stored input is refused: {refusal}")),
            }
        }
        if caught_up(&machine, &self.durable) != caught_up(&self.durable, &machine) {
            broken.push("the coordinator is another machine after a restart".to_owned());
        }
        witness.news.restarts.extend(broken);
        self.held = held;
        let conclusion = last.into_iter().find_map(|output| match output {
            Output::Conclude(ended) => Some(ended),
            _ => None,
        });
        (machine, conclusion)
    }
}

/// `restored` with what is in memory only: how many messages were refused.
fn caught_up(restored: &Coordinator, expected: &Coordinator) -> Coordinator {
    let mut restored = restored.clone();
    for (refusal, count) in expected.refused() {
        while restored.refused().get(refusal).copied().unwrap_or(0) < *count {
            restored.count(*refusal);
        }
    }
    restored
}
