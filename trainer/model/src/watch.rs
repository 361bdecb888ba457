//! Who is told of every step of local training, and may hold it back.

use std::{fmt, ops::ControlFlow, sync::Arc};

/// How far one local training got.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Steps that the plan has.
    pub steps: u64,
    /// Examples that they took, repeated ones counted again.
    pub examples: u64,
    /// The mean loss over the examples of this epoch so far. On a graphics adapter it is read only now
    /// and then, as reading it makes the adapter wait; none between.
    pub loss: Option<f64>,
}

/// Is told of every step, before the next; training goes on when it returns.
///
/// A device yields to its owner within one step, as a step is what cannot be interrupted.
pub trait Watch: Send + Sync {
    /// Returns when training may go on, or breaks it off.
    fn after_step(&self, progress: &Progress) -> ControlFlow<()>;
}

/// A watch that a device carries.
#[derive(Clone)]
pub(crate) struct Watched(pub(crate) Arc<dyn Watch>);

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

/// Counts steps and tells them.
pub(crate) struct Telling<'a> {
    watch: Option<&'a Watched>,
    progress: Progress,
}

impl<'a> Telling<'a> {
    pub(crate) const fn new(watch: Option<&'a Watched>, steps: u64) -> Self {
        Self { watch, progress: Progress { step: 0, steps, examples: 0, loss: None } }
    }

    /// Whether the next step is one after which a loss that is dear to read is read.
    pub(crate) fn reads_next(&self, every: u64) -> bool {
        self.watch.is_some() && (self.progress.step + 1).is_multiple_of(every)
    }

    /// Counts a step of `examples` and waits for the watch; breaks if it does.
    pub(crate) fn step(&mut self, examples: usize, loss: Option<f64>) -> ControlFlow<()> {
        self.progress.step += 1;
        self.progress.examples += examples as u64;
        self.progress.loss = loss;
        self.watch.map_or(ControlFlow::Continue(()), |watch| watch.0.after_step(&self.progress))
    }

    /// Steps taken.
    pub(crate) const fn steps(&self) -> u64 {
        self.progress.step
    }
}
