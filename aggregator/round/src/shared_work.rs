//! Work of one aggregator that several of its processes share.
//!
//! ```text
//!  Work ──► SharedWork ──► batch 0 ─┐  each by whoever takes it, twice if need be:    ┌─► joined in
//!           (signed)       batch 1 ─┤  the same batch always comes to the same bytes  ├   order: what
//!                          …       ─┘  (sealed to the aggregator itself, and signed)  └─► Work comes to
//! ```
//!
//! Sums in a ring or a field do not depend on how they are cut, so that any number of processes gives the same
//! bits as one.
//!
//! Threat: whoever reads or writes the place where the processes meet. What stands there is signed by the
//! aggregator, so that nobody else has updates of its own choice added, or puts a sum of its own there; and what
//! came of a batch is sealed to the aggregator, as it may cover fewer than the minimum cohort.

use std::ops::Range;

use aggregator_protocol::FederationTerms;
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Envelope, Reader, Signed, Tag, Writer,
};
use rand::CryptoRng;
use thiserror::Error;

use crate::{AggregatorContext, UpdateStore, Work, Worked, work::Task};

/// A [`Work`] that is cut into batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedWork {
    work: Work,
    batch_updates: u32,
}

/// Why something that was shared is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SharedWorkError {
    /// It does not decode.
    #[error("it cannot be read")]
    Unreadable(#[from] DecodeError),
    /// Somebody else put it there.
    #[error("this aggregator did not sign it")]
    Unsigned,
    /// It belongs to other work, or to another batch.
    #[error("it belongs elsewhere")]
    Misplaced,
    /// A batch that the work does not have.
    #[error("there is no batch {got}, only {count}")]
    NoSuchBatch {
        /// How many there are.
        count: u32,
        /// Which was asked for.
        got: u32,
    },
}

/// What came of a batch, as it lies in the shared place.
struct WorkedBatch {
    work: Digest,
    batch: u32,
    worked: Envelope,
}

impl SharedWork {
    /// Cuts `work` into batches of about equal size.
    ///
    /// * `batch_updates` — most updates of one batch; 0 counts as 1.
    ///
    /// Returns nothing if that is one batch, which is not worth sharing, or if it is about the groups of a set, which follow
    /// from the whole of it.
    #[must_use]
    pub fn new(terms: &FederationTerms, work: Work, batch_updates: u32) -> Option<Self> {
        if terms.groups.is_some() && !matches!(work.task, Task::Prepare { .. }) {
            return None;
        }
        let shared = Self { work, batch_updates: batch_updates.max(1) };
        (shared.batch_count() > 1).then_some(shared)
    }

    /// What tells this work from other work, however often it is shared.
    #[must_use]
    pub fn id(&self) -> Digest {
        let name = self.work.name();
        Digest::of(Tag::SharedWork, &[&self.batch_updates.to_be_bytes(), name.as_slice()].concat())
    }

    /// The work.
    #[must_use]
    pub const fn work(&self) -> &Work {
        &self.work
    }

    /// How many batches there are.
    ///
    /// # Panics
    /// Never: a round has at most 2^16 contributors.
    #[must_use]
    pub fn batch_count(&self) -> u32 {
        let updates = u32::try_from(self.work.updates.len()).expect("at most CONTRIBUTORS_MAX");
        updates.div_ceil(self.batch_updates)
    }

    /// Signed, for the shared place.
    #[must_use]
    pub fn to_shared(&self, context: &AggregatorContext) -> Vec<u8> {
        Signed::new(self.clone(), Tag::SharedWork, context.signing()).to_bytes()
    }

    /// Reads what [`SharedWork::to_shared`] wrote.
    ///
    /// # Errors
    /// [`SharedWorkError::Unreadable`] or [`SharedWorkError::Unsigned`].
    pub fn from_shared(context: &AggregatorContext, bytes: &[u8]) -> Result<Self, SharedWorkError> {
        let shared = Signed::<Self>::from_bytes(bytes)?;
        let own = context.signing().verifying_key();
        let verified = shared.verify_by(Tag::SharedWork, &own);
        Ok(verified.map_err(|_source| SharedWorkError::Unsigned)?.body().clone())
    }

    /// Does a batch, in the memory of one update and one sum, and returns what came of it for the shared place.
    ///
    /// # Errors
    /// [`BatchError`]. Threat: a worker that looks for updates in the wrong place would end rounds. That one is
    /// lost is said by the process that was told to keep it, after [`Work::run`].
    pub fn run_batch(
        &self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
        batch: u32,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, BatchError> {
        let range = self.range(batch)?;
        let part = Work { updates: self.work.updates[range].to_vec(), ..self.work.clone() };
        let worked = part.worked(context, store).map_err(|_fault| BatchError::Unavailable)?;
        if let Worked::Lost { update, .. } = worked {
            return Err(BatchError::Lost { update });
        }
        let worked = zeroize::Zeroizing::new(worked.to_bytes());
        let work = self.id();
        let own = context.sealing().public();
        let envelope =
            own.seal_in_place(Tag::WorkedBatchEnvelope, &associated(work, batch), worked, rng);
        // Its own key is one.
        let envelope = envelope.map_err(|_source| SharedWorkError::Unsigned)?;
        let worked = WorkedBatch { work, batch, worked: envelope };
        Ok(Signed::new(worked, Tag::WorkedBatch, context.signing()).to_bytes())
    }

    /// Reads what [`SharedWork::run_batch`] returned.
    ///
    /// # Errors
    /// [`SharedWorkError`]: it was altered, or put in another's place.
    pub fn read_batch(
        &self,
        context: &AggregatorContext,
        batch: u32,
        bytes: &[u8],
    ) -> Result<Worked, SharedWorkError> {
        self.range(batch)?;
        let signed = Signed::<WorkedBatch>::from_bytes(bytes)?;
        let own = context.signing().verifying_key();
        let verified = signed.verify_by(Tag::WorkedBatch, &own);
        let verified = verified.map_err(|_source| SharedWorkError::Unsigned)?;
        let WorkedBatch { work, batch: of, worked } = verified.body();
        if (*work, *of) != (self.id(), batch) {
            return Err(SharedWorkError::Misplaced);
        }
        let associated = associated(*work, batch);
        let opened = context.sealing().open(Tag::WorkedBatchEnvelope, &associated, worked);
        let opened = opened.map_err(|_source| SharedWorkError::Misplaced)?;
        Ok(Worked::from_bytes(&opened)?)
    }

    /// What came of the batches up to some place, in order, and of the next one; of all of them the same as
    /// [`Work::run`] comes to.
    ///
    /// * `whole` — none before the first.
    #[must_use]
    pub fn joined(
        &self,
        context: &AggregatorContext,
        whole: Option<Worked>,
        next: Worked,
    ) -> Worked {
        match whole {
            Some(whole) => self.work.joined(context, whole, next),
            None => next,
        }
    }

    /// The places in the work of the updates of a batch: sizes differ by one at most, so that none is a
    /// straggler.
    fn range(&self, batch: u32) -> Result<Range<usize>, SharedWorkError> {
        let count = self.batch_count();
        if batch >= count {
            return Err(SharedWorkError::NoSuchBatch { count, got: batch });
        }
        let updates = self.work.updates.len();
        let start = |batch: u32| updates * batch as usize / count as usize;
        Ok(start(batch)..start(batch + 1))
    }
}

/// Why a batch was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Its updates cannot be read now: to be tried again.
    #[error("the updates cannot be read")]
    Unavailable,
    /// An update is missing here, or altered.
    #[error("update {update} is not in this process's store as it was taken")]
    Lost {
        /// Which.
        update: Digest,
    },
    /// There is no such batch.
    #[error(transparent)]
    Shared(#[from] SharedWorkError),
}

/// What an envelope is bound to.
fn associated(work: Digest, batch: u32) -> Vec<u8> {
    [work.0.as_slice(), &batch.to_be_bytes()].concat()
}

impl Encode for SharedWork {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.batch_updates);
        self.work.encode(writer);
    }
}

impl Decode for SharedWork {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batch_updates = match reader.u32()? {
            0 => return Err(DecodeError::invalid("shared work", "batches of nothing")),
            updates => updates,
        };
        Ok(Self { batch_updates, work: Decode::decode(reader)? })
    }
}

impl Encode for WorkedBatch {
    fn encode(&self, writer: &mut Writer) {
        self.work.encode(writer);
        writer.u32(self.batch);
        self.worked.encode(writer);
    }
}

impl Decode for WorkedBatch {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            work: Decode::decode(reader)?,
            batch: reader.u32()?,
            worked: Decode::decode(reader)?,
        })
    }
}
