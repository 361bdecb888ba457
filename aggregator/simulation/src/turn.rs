//! One step of one process: what it may do before it dies, and what it sends.

use aggregator_round::{KeptUpdate, UpdateId};

use crate::{
    fault::{Kept, Party},
    journal::Journal,
    scenario::Mutant,
    updates::Updates,
    witness::Witness,
    world::World,
};

/// A message that a process hands to the network.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) to: Party,
    /// Which request: an answer has the id of its question.
    pub(crate) id: u64,
    pub(crate) reply: bool,
    pub(crate) bytes: Vec<u8>,
}

/// One step of one process.
pub(crate) struct Turn<'a> {
    pub(crate) world: &'a World,
    pub(crate) witness: &'a mut Witness,
    /// The process's own clock: it may jump.
    pub(crate) clock_ms: u64,
    /// Time that only goes forward, as timers measure it.
    pub(crate) elapsed_ms: u64,
    /// Whether and when the process dies.
    pub(crate) kept: Option<Kept>,
    pub(crate) mutant: Option<Mutant>,
    performed: u8,
    pub(crate) died: bool,
    pub(crate) sent: Vec<Outgoing>,
    /// What the process does itself, meanwhile.
    pub(crate) begun: Vec<u64>,
    /// Updates that stored inputs name since this step, and the how-manieth of the process each is.
    pub(crate) named: Vec<(UpdateId, u32)>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        world: &'a World,
        witness: &'a mut Witness,
        (clock_ms, elapsed_ms): (u64, u64),
        kept: Option<Kept>,
        mutant: Option<Mutant>,
    ) -> Self {
        Self {
            world,
            witness,
            clock_ms,
            elapsed_ms,
            kept,
            mutant,
            performed: 0,
            died: false,
            sent: Vec::new(),
            begun: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Whether the next output is performed; if not, the process is dead.
    fn lives(&mut self) -> bool {
        self.died |= self.kept.is_some_and(|kept| self.performed >= kept.outputs);
        self.performed = self.performed.saturating_add(1);
        !self.died
    }

    /// Writes a record, or a part of it. Returns whether it is whole.
    pub(crate) fn write(&mut self, journal: &mut Journal, record: &[u8]) -> bool {
        if self.died {
            return false;
        }
        if self.lives() {
            journal.append(record);
            return true;
        }
        journal.append_torn(record, self.kept.map_or(0, |kept| kept.torn));
        false
    }

    /// Keeps an update, or a part of it.
    pub(crate) fn keep(&mut self, updates: &mut Updates, kept: &KeptUpdate) {
        if self.died {
            return;
        }
        if self.lives() {
            self.witness.seen.add("updates kept", 1);
            return updates.keep(kept);
        }
        self.witness.seen.add("updates torn", 1);
        updates.keep_torn(kept, self.kept.map_or(0, |kept| kept.torn));
    }

    /// Notes that an input which was stored names `id`.
    pub(crate) fn name(&mut self, updates: &mut Updates, id: UpdateId) {
        self.named.push((id, updates.name(id)));
    }

    /// Whether a process that starts again keeps what no stored input names, instead of sweeping it.
    pub(crate) fn keeps_garbage(&self) -> bool {
        self.elapsed_ms % 2 == 1
    }

    /// An output that is not a write. Returns whether it is performed.
    pub(crate) fn act(&mut self) -> bool {
        !self.died && self.lives()
    }

    pub(crate) fn request(&mut self, to: Party, id: u64, bytes: Vec<u8>) {
        if !self.died {
            self.sent.push(Outgoing { to, id, reply: false, bytes });
        }
    }

    /// Hands over an answer that was performed already.
    pub(crate) fn hand(&mut self, to: Party, id: u64, bytes: Vec<u8>) {
        self.sent.push(Outgoing { to, id, reply: true, bytes });
    }

    pub(crate) fn reply(&mut self, to: Party, id: u64, bytes: Vec<u8>) {
        if self.act() {
            self.sent.push(Outgoing { to, id, reply: true, bytes });
        }
    }
}
