//! The store: one writer, one published copy for readers.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use data_dao_journal::{AuditFailure, Body, Difference, Entry, Refusal, Replay, State, TreeHead};
use privacy_identity::{Digest, MerkleTree, SigningKey};
use tokio::sync::Mutex;

use crate::rows::{EntryRow, Rows};
use crate::{AppendError, LogKey, Proof, StoreError, checkpoint_head};

/// Most entries that one page of [`Store::entries`] holds.
pub const ENTRIES_PAGE_MAX: u32 = 1_000;

/// The link of the first entry.
const NO_PREVIOUS: Digest = Digest([0; Digest::LEN]);

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place in the log, 0-based.
    pub index: u64,
    /// Its leaf, byte for byte.
    pub leaf: Vec<u8>,
    /// What the leaf says.
    pub entry: Entry,
}

/// What was appended, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The place of the first entry of the batch; the others follow.
    pub index: u64,
    /// How many entries.
    pub count: u64,
    /// The ledger time that they got.
    pub time_ms: u64,
    /// The log after them.
    pub head: TreeHead,
}

/// The ledger of one DAO, in one directory. Clones share it.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rows: Rows,
    key: LogKey,
    /// Appends are serialised here, and only here. Held while the database writes.
    writer: Mutex<Writer>,
    /// What readers see: changed only after a commit, and never held across an await.
    published: RwLock<Published>,
    /// Tiles are exported one at a time.
    exports: Mutex<()>,
    /// Kept open: the operating system frees the lock with the process, however it ends.
    _lock: File,
}

/// The writer's copy: ahead of the published one only within an append.
#[derive(Debug)]
struct Writer {
    state: State,
    tree: MerkleTree,
    last_hash: Digest,
    progress: Progress,
}

/// Whether the writer knows what is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Known,
    /// A commit failed: it may or may not have happened.
    Unknown,
}

#[derive(Debug)]
struct Published {
    state: State,
    tree: MerkleTree,
    checkpoint: String,
}

impl Store {
    /// Opens the ledger in `dir`, or founds an empty one, and recomputes it from its entries.
    ///
    /// * `node_key` — signs the checkpoints.
    /// * `origin` — the log's name, the same at each opening.
    ///
    /// # Errors
    /// [`StoreError`]: the directory cannot be used or is in use, the database fails, or what it
    /// holds is not what was written.
    pub async fn open(dir: &Path, node_key: &SigningKey, origin: &str) -> Result<Self, StoreError> {
        let key = LogKey::new(origin, node_key)?;
        let lock = lock_directory(dir)?;
        let rows = Rows::open(&dir.join("ledger.sqlite")).await?;
        let (replay, last_hash) = replay_rows(&rows, key.vkey()).await?;
        let (state, tree) = replay.into_parts();
        let checkpoint = key.sign(&head_of(&tree));
        let published = Published { state: state.clone(), tree: tree.clone(), checkpoint };
        let writer = Writer { state, tree, last_hash, progress: Progress::Known };
        Ok(Self(Arc::new(Inner {
            rows,
            key,
            writer: Mutex::new(writer),
            published: RwLock::new(published),
            exports: Mutex::new(()),
            _lock: lock,
        })))
    }

    /// Appends a batch of entries, all or none, at `now_ms` or at the last entry's time if that is
    /// later. When it returns, they are on disk. What falls due by itself at that time
    /// ([`State::due`]) goes in before them; an empty batch lets only that happen.
    ///
    /// The future may be dropped: the append then goes on by itself.
    ///
    /// # Errors
    /// [`AppendError::Refused`] with nothing changed, or [`AppendError::Storage`], after which
    /// every append is refused until the store is opened again.
    ///
    /// # Panics
    /// If the append's task panics, which would be a bug.
    pub async fn append(&self, now_ms: u64, bodies: Vec<Body>) -> Result<Appended, AppendError> {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move { inner.append(now_ms, bodies).await });
        task.await.expect("appending neither panics nor is aborted")
    }

    /// Lets `look` see the state. Keep it short: a finished append waits for it.
    pub fn view<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.published().state)
    }

    /// How many entries the log has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.published().tree.size()
    }

    /// The root over all entries.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.0.published().tree.root()
    }

    /// The signed checkpoint over all entries.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        self.0.published().checkpoint.clone()
    }

    /// The verifier key of the checkpoints.
    #[must_use]
    pub fn vkey(&self) -> &str {
        self.0.key.vkey()
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.key.origin()
    }

    /// The entry at `index`, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Tampered`].
    pub async fn entry(&self, index: u64) -> Result<Option<StoredEntry>, StoreError> {
        let page = self.entries(index, 1).await?;
        Ok(page.into_iter().find(|entry| entry.index == index))
    }

    /// Up to `limit` entries from `from` on, at most [`ENTRIES_PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Tampered`].
    pub async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
        // A commit may be on disk before it is published: show nothing unpublished.
        let size = self.size();
        let rows = self.0.rows.entries(from, limit.min(ENTRIES_PAGE_MAX)).await?;
        rows.into_iter().filter(|row| row.index < size).map(stored_entry).collect()
    }

    /// The proof that the entry `index` is in the log, and the checkpoint it leads to.
    ///
    /// # Errors
    /// [`StoreError::Proof`] if there is no such entry.
    pub fn prove(&self, index: u64) -> Result<Proof, StoreError> {
        let published = self.0.published();
        let inclusion = published.tree.prove(index)?;
        Ok(Proof { inclusion, checkpoint: published.checkpoint.clone() })
    }

    /// Waits for the append in progress and closes the database. Later calls fail.
    pub async fn close(&self) {
        let mut writer = self.0.writer.lock().await;
        writer.progress = Progress::Unknown;
        self.0.rows.close().await;
    }

    /// Whose turn it is to export tiles.
    pub(crate) fn exports(&self) -> &Mutex<()> {
        &self.0.exports
    }

    /// The tree and the checkpoint over it, as one.
    pub(crate) fn snapshot<T>(&self, look: impl FnOnce(&MerkleTree, &str) -> T) -> T {
        let published = self.0.published();
        look(&published.tree, &published.checkpoint)
    }
}

impl Inner {
    fn published(&self) -> RwLockReadGuard<'_, Published> {
        // A reader that panicked in `view` changed nothing.
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&self, now_ms: u64, bodies: Vec<Body>) -> Result<Appended, AppendError> {
        let mut writer = self.writer.lock().await;
        if writer.progress == Progress::Unknown {
            return Err(StoreError::Broken.into());
        }
        let time_ms = now_ms.max(writer.state.time_ms());
        let mut entries = Vec::with_capacity(bodies.len());
        let due = match stage_all(&mut writer.state, time_ms, bodies, &mut entries) {
            Ok(due) => due,
            Err(error) => {
                if !entries.is_empty() {
                    // Take back what the entries before the refused one did.
                    writer.state = self.published().state.clone();
                }
                return Err(error);
            }
        };
        let index = writer.tree.size() + due;
        if entries.is_empty() {
            let head = head_of(&writer.tree);
            return Ok(Appended { index, count: 0, time_ms, head });
        }
        let rows = push_leaves(&mut writer, &entries);
        let head = head_of(&writer.tree);
        let checkpoint = self.key.sign(&head);
        writer.progress = Progress::Unknown;
        self.rows.append(&rows, head.size, &checkpoint).await?;
        writer.progress = Progress::Known;
        self.publish(&entries, checkpoint);
        Ok(Appended { index, count: head.size - index, time_ms, head })
    }

    /// Applies to the readers' copy what the writer's took and the disk has.
    fn publish(&self, entries: &[(Entry, Vec<u8>)], checkpoint: String) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        for (entry, leaf) in entries {
            published.state.apply(entry).expect("apply is deterministic and took it before");
            published.tree.push(leaf);
        }
        published.checkpoint = checkpoint;
    }
}

/// Applies a batch, and before each entry what falls due by itself: the journal takes nothing else before. Returns how
/// many entries came before the first of the batch.
fn stage_all(
    state: &mut State,
    time_ms: u64,
    bodies: Vec<Body>,
    entries: &mut Vec<(Entry, Vec<u8>)>,
) -> Result<u64, AppendError> {
    let mut first = stage_due(state, time_ms, entries)?;
    for (position, body) in bodies.into_iter().enumerate() {
        let due = stage_due(state, time_ms, entries)?;
        first += if position == 0 { due } else { 0 };
        let entry = Entry { time_ms, body };
        let leaf =
            stage(state, &entry).map_err(|refusal| AppendError::Refused { position, refusal })?;
        entries.push((entry, leaf));
    }
    stage_due(state, time_ms, entries)?;
    Ok(first)
}

fn stage_due(
    state: &mut State,
    time_ms: u64,
    entries: &mut Vec<(Entry, Vec<u8>)>,
) -> Result<u64, AppendError> {
    let mut count = 0;
    while let Some(body) = state.due(time_ms) {
        let entry = Entry { time_ms, body };
        let leaf = stage(state, &entry)
            .map_err(|refusal| AppendError::Refused { position: 0, refusal })?;
        entries.push((entry, leaf));
        count += 1;
    }
    Ok(count)
}

/// Applies an entry that fits a leaf.
fn stage(state: &mut State, entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let leaf = entry.to_leaf()?;
    state.apply(entry)?;
    Ok(leaf)
}

fn push_leaves(writer: &mut Writer, entries: &[(Entry, Vec<u8>)]) -> Vec<EntryRow> {
    let row = |(_, leaf): &(Entry, Vec<u8>)| {
        let index = writer.tree.size();
        writer.tree.push(leaf);
        let leaf_hash = writer.tree.leaf_hash(index).expect("just pushed");
        let previous_hash = std::mem::replace(&mut writer.last_hash, leaf_hash);
        EntryRow { index, leaf: leaf.clone(), leaf_hash, previous_hash }
    };
    entries.iter().map(row).collect()
}

fn head_of(tree: &MerkleTree) -> TreeHead {
    TreeHead { size: tree.size(), root: tree.root() }
}

fn stored_entry(row: EntryRow) -> Result<StoredEntry, StoreError> {
    let index = row.index;
    let entry = Entry::from_leaf(&row.leaf).map_err(|error| AuditFailure {
        index: Some(index),
        difference: Difference::Leaf(error),
    })?;
    Ok(StoredEntry { index, leaf: row.leaf, entry })
}

fn lock_directory(dir: &Path) -> Result<File, StoreError> {
    let at = |path: &Path| {
        let path = PathBuf::from(path);
        move |source| StoreError::Directory { path, source }
    };
    fs::create_dir_all(dir).map_err(at(dir))?;
    let path = dir.join("ledger.lock");
    let file = File::create(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(at(&path)(source)),
    }
}

/// Recomputes everything, and holds each stored hash and checkpoint against it.
async fn replay_rows(rows: &Rows, vkey: &str) -> Result<(Replay, Digest), StoreError> {
    let checkpoints = rows.checkpoints().await?;
    let mut heads = Vec::with_capacity(checkpoints.len());
    for (size, note) in &checkpoints {
        let head = checkpoint_head(note, vkey)?;
        if head.size != *size {
            let what = "its checkpoint is of another size";
            return Err(StoreError::Tampered { index: size.saturating_sub(1), what });
        }
        heads.push(head);
    }
    let mut heads = heads.into_iter().peekable();
    let mut replay = Replay::default();
    let mut last_hash = NO_PREVIOUS;
    loop {
        let from = replay.tree().size();
        let page = rows.entries(from, ENTRIES_PAGE_MAX).await?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            last_hash = replay_row(&mut replay, row, last_hash)?;
            let size = replay.tree().size();
            if let Some(head) = heads.next_if(|head| head.size == size)
                && head.root != replay.tree().root()
            {
                let what = "the signed checkpoint has another root";
                return Err(StoreError::Tampered { index: row.index, what });
            }
        }
    }
    let index = replay.tree().size();
    if heads.next().is_some() {
        return Err(StoreError::Tampered { index, what: "signed entries are missing" });
    }
    if checkpoints.last().map_or(0, |(size, _)| *size) != index {
        let what = "it is not covered by a signed checkpoint";
        return Err(StoreError::Tampered { index: index.saturating_sub(1), what });
    }
    Ok((replay, last_hash))
}

fn replay_row(
    replay: &mut Replay,
    row: &EntryRow,
    previous_hash: Digest,
) -> Result<Digest, StoreError> {
    let index = replay.tree().size();
    let tampered = |what| Err(StoreError::Tampered { index, what });
    if row.index != index {
        return tampered("it is missing");
    }
    if row.previous_hash != previous_hash {
        return tampered("it does not link to the entry before");
    }
    if MerkleTree::from_leaves([row.leaf.as_slice()]).root() != row.leaf_hash {
        return tampered("its leaf does not have the stored hash");
    }
    replay.push(&row.leaf)?;
    Ok(row.leaf_hash)
}
