//! Where an aggregator keeps the bytes of sealed updates: what any store of them has to do.

use aggregator_round::{KeptUpdate, UpdateId, UpdateStore};

/// A store of sealed updates. Its methods block.
pub(crate) trait Updates: UpdateStore + Send + Sync {
    /// Keeps an update: durable when this returns. To keep the same again is no fault.
    fn keep(&self, kept: &KeptUpdate) -> anyhow::Result<()>;

    /// Deletes all that `needed` does not name, and what a crash left half-written.
    fn sweep(&self, needed: &dyn Fn(&UpdateId) -> bool) -> anyhow::Result<()>;

    /// Why a part could not be read, if one could not since this was asked last: a process that cannot
    /// read what it promised to hold ends, rather than to refuse what it could answer.
    fn failure(&self) -> Option<anyhow::Error>;
}
