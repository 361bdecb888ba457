//! Appending: the journal decides, the database makes it durable, then readers see it.
//!
//! ```text
//!  journal   takes rows 1 ┐ takes rows 2 ┐ takes rows 3 ┐ signs the checkpoint
//!  database               └ writes rows 1└ writes rows 2└ writes rows 3, checkpoint, commits
//! ```

use std::time::Duration;

use data_dao_journal::{Body, Entry, Leaf, Refusal, State, TreeHead};
use data_dao_log::Checkpoint;
use privacy_identity::{Digest, Frontier};

use super::{Appended, Inner, ledger_time_ms, signed};
use crate::database::{EntryRow, Turn, is_conflict, is_locked};
use crate::{AppendError, StoreError};

/// How often an append is tried when others are in the way. The lock of a turn makes that rare.
const ATTEMPTS_MAX: u32 = 8;
/// How often the database is asked what became of a commit that failed, and how long after each other.
const ASKED_MAX: u32 = 10;
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// Entries that the journal takes while the database writes those before: one statement's.
const STAGED_MAX: usize = 512;

/// The writer's state: ahead of the published one only within an append, and one with it in memory otherwise.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) state: State,
    pub(crate) tree: Frontier,
    /// Leaf hash of the last entry: the link of the next.
    pub(crate) last_hash: Digest,
    pub(super) progress: Progress,
}

/// Whether the writer knows what is on disk.
#[derive(Debug)]
pub(crate) enum Progress {
    Known,
    /// A commit failed: it may or may not have happened.
    Unknown(Box<Staged>),
    /// Closed, or unknown for good.
    Ended,
}

/// A batch that the journal took, on its way to the disk.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The right edge of the tree and the last hash before it.
    before: (Frontier, Digest),
    rows: Vec<EntryRow>,
    /// How many of the entries fell due by themselves, before the first of the batch.
    due: u64,
    head: TreeHead,
    /// None if there is nothing to append.
    checkpoint: Option<Checkpoint>,
}

/// Why an attempt did not succeed.
enum Attempt {
    /// Somebody else was in the way; nothing happened.
    Conflict(sqlx::Error),
    Failed(AppendError),
}

impl From<sqlx::Error> for Attempt {
    fn from(error: sqlx::Error) -> Self {
        if is_conflict(&error) {
            Self::Conflict(error)
        } else {
            Self::Failed(AppendError::Unavailable(error.into()))
        }
    }
}

impl Writer {
    pub(super) fn close(&mut self) {
        self.progress = Progress::Ended;
    }
}

impl Inner {
    pub(super) async fn append(
        &self,
        now_ms: u64,
        bodies: Vec<Body>,
    ) -> Result<Appended, AppendError> {
        let mut writer = self.writer.lock().await;
        self.resolve(&mut writer, 1).await?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let source = match self.attempt(&mut writer, now_ms, &bodies).await {
                Ok(appended) => return Ok(appended),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Conflict(error)) => error,
            };
            // Who waited in vain for a lock has waited long enough.
            if attempts == ATTEMPTS_MAX || is_locked(&source) {
                let transaction = "append";
                let contention = StoreError::Contention { transaction, attempts, source };
                return Err(AppendError::Unavailable(contention));
            }
        }
    }

    /// One serialisable transaction: what others appended is taken over, the journal asked, its answer written.
    async fn attempt(
        &self,
        writer: &mut Writer,
        now_ms: u64,
        bodies: &[Body],
    ) -> Result<Appended, Attempt> {
        let unavailable = |error| Attempt::Failed(AppendError::Unavailable(error));
        let mut turn = self.database.begin().await?;
        // SQLite's file has a lock beside it: nobody else appends, and there is nothing to ask.
        if self.database.is_shared() {
            let size = turn.size().await?;
            self.catch_up(writer, size).await.map_err(unavailable)?;
        }
        self.clock.check(ledger_time_ms(&writer.state), now_ms).map_err(Attempt::Failed)?;
        let time_ms = now_ms.max(writer.state.time_ms());
        let size = writer.tree.size();
        let before = (writer.tree.clone(), writer.last_hash);
        let staged = match self.stage(writer, &mut turn, time_ms, bodies).await {
            Ok(staged) => staged,
            Err(error) => {
                // What the entries before it did. What was written of them ends with the turn.
                self.take_back(writer, before);
                return Err(error);
            }
        };
        let (index, head) = (size + staged.due, staged.head);
        let appended = Appended { index, count: head.size - index, time_ms, head };
        let Some(checkpoint) = staged.checkpoint.clone() else { return Ok(appended) };
        match turn.commit().await {
            Ok(()) => self.publish(writer, &staged.rows, checkpoint),
            Err(error) if is_conflict(&error) => {
                self.take_back(writer, staged.before);
                return Err(Attempt::Conflict(error));
            }
            Err(error) if !self.database.is_shared() => {
                writer.progress = Progress::Ended;
                return Err(Attempt::Failed(AppendError::Storage(error.into())));
            }
            Err(_) => {
                writer.progress = Progress::Unknown(Box::new(staged));
                self.resolve(writer, ASKED_MAX)
                    .await
                    .map_err(|error| Attempt::Failed(AppendError::Storage(error)))?;
                if writer.tree.size() != head.size {
                    // It did not happen.
                    return Err(Attempt::Conflict(sqlx::Error::WorkerCrashed));
                }
            }
        }
        Ok(appended)
    }

    /// Asks the journal, for all of the batch, and writes what it takes; nothing of it is durable yet.
    async fn stage(
        &self,
        writer: &mut Writer,
        turn: &mut Turn,
        time_ms: u64,
        bodies: &[Body],
    ) -> Result<Staged, Attempt> {
        let before = (writer.tree.clone(), writer.last_hash);
        let mut batch = Batch { time_ms, bodies, position: 0, due: 0 };
        let mut rows = Vec::with_capacity(bodies.len());
        let mut taken = batch.take(writer).map_err(Attempt::Failed)?;
        while !taken.is_empty() {
            // Polled first, so that the database is at work while the journal is.
            let write = turn.write_entries(&taken);
            let (written, next) = tokio::join!(biased; write, async { batch.take(writer) });
            written?;
            rows.append(&mut taken);
            taken = next.map_err(Attempt::Failed)?;
        }
        let head = TreeHead { size: writer.tree.size(), root: writer.tree.root() };
        let due = batch.due;
        if rows.is_empty() {
            return Ok(Staged { before, rows, due, head, checkpoint: None });
        }
        let signed = signed(&self.key.sign(&head));
        let checkpoint = signed.map_err(|e| Attempt::Failed(AppendError::Unavailable(e)))?;
        turn.write_checkpoint(head.size, checkpoint.as_str()).await?;
        Ok(Staged { before, rows, due, head, checkpoint: Some(checkpoint) })
    }

    /// Makes the writer's state what readers see.
    pub(super) fn take_back(&self, writer: &mut Writer, before: (Frontier, Digest)) {
        writer.state = State::clone(&self.published().state);
        (writer.tree, writer.last_hash) = before;
    }

    /// Finds out what became of a commit that failed.
    ///
    /// Whoever has the turn knows: the lock of the transaction in doubt is gone, so it ended. For SQLite, whose disk
    /// is then the problem, a restart finds out.
    async fn resolve(&self, writer: &mut Writer, asked_max: u32) -> Result<(), StoreError> {
        for asked in 1.. {
            match std::mem::replace(&mut writer.progress, Progress::Ended) {
                Progress::Known => {
                    writer.progress = Progress::Known;
                    return Ok(());
                }
                Progress::Ended => return Err(StoreError::Broken),
                Progress::Unknown(staged) => {
                    match self.has_happened(&staged).await {
                        Ok(true) => {
                            if let Some(checkpoint) = staged.checkpoint {
                                self.publish(writer, &staged.rows, checkpoint);
                            }
                        }
                        Ok(false) => self.take_back(writer, staged.before),
                        Err(error) => {
                            writer.progress = Progress::Unknown(staged);
                            if asked >= asked_max {
                                return Err(error);
                            }
                            tokio::time::sleep(ASKED_EVERY).await;
                            continue;
                        }
                    }
                    writer.progress = Progress::Known;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn has_happened(&self, staged: &Staged) -> Result<bool, StoreError> {
        let mut turn = self.database.begin().await?;
        let Some(first) = staged.rows.first() else { return Ok(true) };
        if turn.size().await? < staged.head.size {
            return Ok(false);
        }
        // All or none: the first row says it.
        let found = self.database.entries(first.index, 1).await?;
        Ok(found.first() == Some(first))
    }
}

/// A batch on its way through the journal.
struct Batch<'a> {
    time_ms: u64,
    bodies: &'a [Body],
    /// The next of them.
    position: usize,
    /// How many entries came before the first of them.
    due: u64,
}

impl Batch<'_> {
    /// Takes the next [`STAGED_MAX`] entries or so, and before each what falls due by itself: the journal takes nothing
    /// else before. None are left if it returns none.
    fn take(&mut self, writer: &mut Writer) -> Result<Vec<EntryRow>, AppendError> {
        let mut rows = Vec::with_capacity(self.bodies.len().min(STAGED_MAX));
        // Once more after the last: what that made due.
        while rows.len() < STAGED_MAX && self.position <= self.bodies.len() {
            let due = stage_due(writer, self.time_ms, &mut rows)?;
            if self.position == 0 {
                self.due = due;
            }
            if let Some(body) = self.bodies.get(self.position) {
                let entry = Entry { time_ms: self.time_ms, body: body.clone() };
                let position = self.position;
                stage(writer, entry, &mut rows)
                    .map_err(|refusal| AppendError::Refused { position, refusal })?;
            }
            self.position += 1;
        }
        Ok(rows)
    }
}

fn stage_due(
    writer: &mut Writer,
    time_ms: u64,
    rows: &mut Vec<EntryRow>,
) -> Result<u64, AppendError> {
    let mut count = 0;
    while let Some(body) = writer.state.due(time_ms) {
        stage(writer, Entry { time_ms, body }, rows)
            .map_err(|refusal| AppendError::Refused { position: 0, refusal })?;
        count += 1;
    }
    Ok(count)
}

/// Takes an entry that fits a leaf, if the journal does.
fn stage(writer: &mut Writer, entry: Entry, rows: &mut Vec<EntryRow>) -> Result<(), Refusal> {
    let leaf = Leaf::of(entry)?;
    writer.state.apply_leaf(&leaf)?;
    let index = writer.tree.size();
    let (_, leaf, leaf_hash) = leaf.into_parts();
    writer.tree.push_hash(&leaf_hash);
    let previous_hash = std::mem::replace(&mut writer.last_hash, leaf_hash);
    rows.push(EntryRow { index, leaf, leaf_hash, previous_hash });
    Ok(())
}
