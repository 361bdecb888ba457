//! Appending: the journal decides, the database makes it durable, then readers see it.

use std::time::Duration;

use data_dao_journal::{Body, Entry, Refusal, State, TreeHead};
use data_dao_log::Checkpoint;
use privacy_identity::{Digest, Frontier};

use super::{Appended, Inner, signed};
use crate::database::{EntryRow, is_conflict};
use crate::{AppendError, StoreError};

/// How often an append is tried when others are in the way. The lock of a turn makes that rare.
const ATTEMPTS_MAX: u32 = 8;
/// How often the database is asked what became of a commit that failed, and how long after each other.
const ASKED_MAX: u32 = 10;
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// The writer's copy: ahead of the published one only within an append.
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
    entries: Vec<(Entry, EntryRow)>,
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
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(&mut writer, now_ms, &bodies).await {
                Ok(appended) => return Ok(appended),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Conflict(error)) => last = Some(error),
            }
        }
        let source = last.map_or(sqlx::Error::WorkerCrashed, |last| last);
        let transaction = "append";
        Err(AppendError::Unavailable(StoreError::Contention {
            transaction,
            attempts: ATTEMPTS_MAX,
            source,
        }))
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
        let size = turn.size().await?;
        self.catch_up(writer, size).await.map_err(unavailable)?;
        let time_ms = now_ms.max(writer.state.time_ms());
        let size = writer.tree.size();
        let staged = self.stage(writer, time_ms, bodies).map_err(Attempt::Failed)?;
        let (index, head) = (size + staged.due, staged.head);
        let appended = Appended { index, count: head.size - index, time_ms, head };
        let Some(checkpoint) = staged.checkpoint.clone() else { return Ok(appended) };
        let rows: Vec<EntryRow> = staged.entries.iter().map(|(_, row)| row.clone()).collect();
        let written = match turn.write_entries(&rows).await {
            Ok(()) => turn.write_checkpoint(head.size, checkpoint.as_str()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            self.take_back(writer, staged.before);
            return Err(error.into());
        }
        match turn.commit().await {
            Ok(()) => self.publish(&staged.entries, checkpoint),
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

    /// Asks the journal, for all of the batch.
    fn stage(
        &self,
        writer: &mut Writer,
        time_ms: u64,
        bodies: &[Body],
    ) -> Result<Staged, AppendError> {
        let before = (writer.tree.clone(), writer.last_hash);
        let mut entries = Vec::with_capacity(bodies.len());
        let due = match stage_all(writer, time_ms, bodies, &mut entries) {
            Ok(due) => due,
            Err(error) => {
                if !entries.is_empty() {
                    // What the entries before it did.
                    self.take_back(writer, before);
                }
                return Err(error);
            }
        };
        let head = TreeHead { size: writer.tree.size(), root: writer.tree.root() };
        let checkpoint = if entries.is_empty() {
            None
        } else {
            Some(signed(&self.key.sign(&head)).map_err(AppendError::Unavailable)?)
        };
        Ok(Staged { before, entries, due, head, checkpoint })
    }

    /// Makes the writer's copy what readers see.
    pub(super) fn take_back(&self, writer: &mut Writer, before: (Frontier, Digest)) {
        writer.state = self.published().state.clone();
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
                                self.publish(&staged.entries, checkpoint);
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
        let Some((_, first)) = staged.entries.first() else { return Ok(true) };
        if turn.size().await? < staged.head.size {
            return Ok(false);
        }
        // All or none: the first row says it.
        let found = self.database.entries(first.index, 1).await?;
        Ok(found.first() == Some(first))
    }
}

/// Takes a batch, and before each entry what falls due by itself: the journal takes nothing else
/// before. Returns how many entries came before the first of the batch.
fn stage_all(
    writer: &mut Writer,
    time_ms: u64,
    bodies: &[Body],
    entries: &mut Vec<(Entry, EntryRow)>,
) -> Result<u64, AppendError> {
    let first = stage_due(writer, time_ms, entries)?;
    for (position, body) in bodies.iter().enumerate() {
        if position > 0 {
            stage_due(writer, time_ms, entries)?;
        }
        let entry = Entry { time_ms, body: body.clone() };
        stage(writer, entry, entries)
            .map_err(|refusal| AppendError::Refused { position, refusal })?;
    }
    if !bodies.is_empty() {
        stage_due(writer, time_ms, entries)?;
    }
    Ok(first)
}

fn stage_due(
    writer: &mut Writer,
    time_ms: u64,
    entries: &mut Vec<(Entry, EntryRow)>,
) -> Result<u64, AppendError> {
    let mut count = 0;
    while let Some(body) = writer.state.due(time_ms) {
        stage(writer, Entry { time_ms, body }, entries)
            .map_err(|refusal| AppendError::Refused { position: 0, refusal })?;
        count += 1;
    }
    Ok(count)
}

/// Takes an entry that fits a leaf, if the journal does.
fn stage(
    writer: &mut Writer,
    entry: Entry,
    entries: &mut Vec<(Entry, EntryRow)>,
) -> Result<(), Refusal> {
    let leaf = entry.to_leaf()?;
    writer.state.apply(&entry)?;
    let row = push(writer, leaf);
    entries.push((entry, row));
    Ok(())
}

fn push(writer: &mut Writer, leaf: Vec<u8>) -> EntryRow {
    let index = writer.tree.size();
    let leaf_hash = writer.tree.push(&leaf);
    let previous_hash = std::mem::replace(&mut writer.last_hash, leaf_hash);
    EntryRow { index, leaf, leaf_hash, previous_hash }
}
