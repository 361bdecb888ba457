//! A bound on single records, whose ends only their reader knows.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

/// What a CSV reader asks for at once, which may lie past the record that it is in.
const READ_AHEAD_BYTES: u64 = 64 << 10;

/// A source that stops when one record goes on for too long.
///
/// A CSV reader gathers a record until it ends: without a bound, one quotation mark that is never
/// closed makes it keep the whole rest of the file in memory.
pub(crate) struct RecordBound<R> {
    source: R,
    given: u64,
    allowance: Allowance,
}

/// How far the source may be read; shared with whoever sees where records begin.
#[derive(Clone)]
pub(crate) struct Allowance {
    state: Rc<Cell<State>>,
    max: u64,
}

#[derive(Clone, Copy)]
struct State {
    end: u64,
    exceeded: bool,
}

impl<R: Read> RecordBound<R> {
    /// Bounds each record of `source` to about `max` bytes.
    pub(crate) fn around(source: R, max: u64) -> (Self, Allowance) {
        let end = max + READ_AHEAD_BYTES;
        let state = Rc::new(Cell::new(State { end, exceeded: false }));
        let allowance = Allowance { state, max };
        (Self { source, given: 0, allowance: allowance.clone() }, allowance)
    }

    pub(crate) const fn inner(&self) -> &R {
        &self.source
    }
}

impl Allowance {
    /// Tells that the next record begins at byte `at` of the source.
    pub(crate) fn record_begins_at(&self, at: u64) {
        let end = at.saturating_add(self.max + READ_AHEAD_BYTES);
        self.state.set(State { end, ..self.state.get() });
    }

    /// Whether reading stopped because a record is too long.
    pub(crate) fn exceeded(&self) -> bool {
        self.state.get().exceeded
    }
}

impl<R: Read> Read for RecordBound<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.allowance.state.get();
        if self.given >= state.end {
            self.allowance.state.set(State { exceeded: true, ..state });
            return Err(io::Error::other("a record is too long"));
        }
        let read = self.source.read(buffer)?;
        self.given += read as u64;
        Ok(read)
    }
}
