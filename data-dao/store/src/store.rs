//! The store: one writer, and the snapshot of its state that readers see.

mod append;
mod clock;
pub(crate) mod replay;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use data_dao_journal::{AuditFailure, Body, Difference, Entry, State, TreeHead};
use data_dao_log::{Checkpoint, LogKey};
use privacy_identity::{ConsistencyProof, Digest, MerkleTree, SigningKey};
use tokio::sync::Mutex;

pub(crate) use append::Writer;
pub use clock::CLOCK_LEAP_MS_MAX;
use clock::ClockBound;

use crate::database::{Database, EntryRow};
use crate::lock::DirectoryLock;
use crate::personal::{Names, SaltedName};
use crate::{AppendError, CheckpointError, Proof, StoreError, TilePath};

/// Most entries that one page of [`Store::entries`] holds.
pub const ENTRIES_PAGE_MAX: u32 = 1_000;

/// The database of a ledger that is kept in a directory.
pub(crate) const DATABASE_FILE: &str = "ledger.sqlite";

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

/// The ledger of one DAO. Clones share it.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    key: LogKey,
    vkey: String,
    /// Appends are serialised here, and for all processes in the database. Held while that writes.
    writer: Mutex<Writer>,
    /// What readers see: changed only after a commit, and never held across an await.
    published: RwLock<Published>,
    /// What the log only commits to.
    names: Names,
    /// Tiles are exported one at a time.
    exports: Mutex<BTreeSet<PathBuf>>,
    /// How far the clock of whoever appends may be ahead.
    clock: ClockBound,
    /// Of a ledger in a directory.
    _lock: Option<DirectoryLock>,
}

#[derive(Debug)]
struct Published {
    /// A snapshot of the writer's: they share in memory what did not change since.
    state: Arc<State>,
    tree: MerkleTree,
    checkpoint: Checkpoint,
    /// The newest checkpoint that enough witnesses have cosigned, if anybody asks for that.
    cosigned: Option<Checkpoint>,
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
        let key = LogKey::new(origin, node_key).map_err(CheckpointError::from)?;
        let lock = DirectoryLock::take(dir)?;
        let database = Database::open(&dir.join(DATABASE_FILE)).await?;
        Self::start(database, key, Some(lock)).await
    }

    /// Opens the ledger in the PostgreSQL database at `url`, or founds an empty one, and recomputes it from its
    /// entries.
    ///
    /// Several processes with the same key may have it open and append: each sees what the others appended before
    /// it appends, and when it calls [`Self::follow`].
    ///
    /// * `url` — `postgres://user:password@host/database`, without TLS: over a socket or a private network.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn connect(
        url: &str,
        node_key: &SigningKey,
        origin: &str,
    ) -> Result<Self, StoreError> {
        let key = LogKey::new(origin, node_key).map_err(CheckpointError::from)?;
        Self::start(Database::connect(url).await?, key, None).await
    }

    async fn start(
        database: Database,
        key: LogKey,
        lock: Option<DirectoryLock>,
    ) -> Result<Self, StoreError> {
        let vkey = key.verifier().to_string();
        let (replayed, tree) = replay::all(&database, &vkey).await?;
        let checkpoint = signed(&key.sign(&tree.head()))?;
        let state = Arc::new(replayed.state.clone());
        let published = Published { state, tree, checkpoint, cosigned: None };
        let names = Names::read(&database).await?;
        Ok(Self(Arc::new(Inner {
            database,
            names,
            key,
            vkey,
            writer: Mutex::new(replayed),
            published: RwLock::new(published),
            exports: Mutex::default(),
            clock: ClockBound::default(),
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
    /// [`AppendError::Refused`], [`AppendError::Unavailable`] or [`AppendError::ClockAhead`] with nothing changed, or
    /// [`AppendError::Storage`], after which nobody knows what is on disk, and every append is refused until somebody does.
    ///
    /// # Panics
    /// If the append's task panics, which would be a bug.
    pub async fn append(&self, now_ms: u64, bodies: Vec<Body>) -> Result<Appended, AppendError> {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move { inner.append(now_ms, bodies).await });
        task.await.expect("appending neither panics nor is aborted")
    }

    /// Holds a clock against what is known of the time. Whoever calls this now and then may leave the log alone for as long
    /// as it likes: time that passes in steps is believed.
    ///
    /// * `now_ms` — what the clock says, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`AppendError::ClockAhead`] if it is more than [`CLOCK_LEAP_MS_MAX`] ahead of the last entry and of all that was
    /// believed before: what [`Self::append`] would say.
    pub fn check_clock(&self, now_ms: u64) -> Result<(), AppendError> {
        self.0.clock.check(self.view(ledger_time_ms), now_ms)
    }

    /// Believes a clock, however far ahead it is: a person has held it against the calendar.
    ///
    /// * `now_ms` — what the clock says, in milliseconds since 1970.
    pub fn confirm_clock(&self, now_ms: u64) {
        self.0.clock.confirm(now_ms);
    }

    /// Takes over what other processes have appended, and returns whether there was anything. In SQLite there never
    /// is.
    ///
    /// # Errors
    /// [`StoreError`]: the database fails, or what was appended is not signed with this log's key or cannot be
    /// recomputed. Nothing of it is taken over then.
    pub async fn follow(&self) -> Result<bool, StoreError> {
        if !self.0.database.is_shared() {
            return Ok(false);
        }
        let mut writer = self.0.writer.lock().await;
        let before = writer.tree.size();
        self.0.catch_up(&mut writer, u64::MAX).await?;
        self.0.names.refresh(&self.0.database).await?;
        Ok(writer.tree.size() > before)
    }

    /// Keeps what a person is called beside the log, and returns what is to stand in the log instead: a salted commitment.
    ///
    /// * `salt` — random, secret, and used once.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing is kept then.
    pub async fn conceal(
        &self,
        name: &str,
        salt: &[u8; Digest::LEN],
    ) -> Result<String, StoreError> {
        self.keep_name(&SaltedName::new(name.to_owned(), *salt)).await
    }

    /// As [`Self::conceal`], of a name that its owner salted.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing is kept then.
    pub async fn keep_name(&self, name: &SaltedName) -> Result<String, StoreError> {
        self.0.names.conceal(&self.0.database, name).await
    }

    /// What a text of the log stands for: itself if it is no commitment, none if that was erased, or is another database's.
    #[must_use]
    pub fn reveal(&self, text: &str) -> Option<String> {
        self.0.names.reveal(text)
    }

    /// Erases what a commitment of the log stands for, and returns whether there was anything. The log, its root, every proof
    /// and every replay stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Database`]; it may not be erased then.
    pub async fn erase(&self, commitment: &str) -> Result<bool, StoreError> {
        self.0.names.erase(&self.0.database, commitment).await
    }

    /// Lets `look` see the state as it is now. Nothing waits for it.
    pub fn view<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let state = Arc::clone(&self.0.published().state);
        look(&state)
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
        self.0.published().checkpoint.to_string()
    }

    /// The newest checkpoint that was handed to [`Self::keep_cosigned`].
    #[must_use]
    pub fn cosigned(&self) -> Option<Checkpoint> {
        self.0.published().cosigned.clone()
    }

    /// Takes a checkpoint of this log with the lines of witnesses, to be served and to be proven to from now on.
    /// Whether they are enough is for whoever calls to say.
    ///
    /// # Errors
    /// [`StoreError::Checkpoint`] if it is not this log's, [`StoreError::Tampered`] if this log never had that root.
    pub fn keep_cosigned(&self, cosigned: Checkpoint) -> Result<(), StoreError> {
        cosigned.signed_by(self.0.key.verifier()).map_err(CheckpointError::from)?;
        let mut published = self.0.published.write().unwrap_or_else(PoisonError::into_inner);
        let head = cosigned.head();
        if published.tree.root_at(head.size)? != head.root {
            let (index, what) =
                (head.size.saturating_sub(1), "a cosigned checkpoint has another root");
            return Err(StoreError::Tampered { index, what });
        }
        let newest = published.cosigned.as_ref().map_or(0, |known| known.head().size);
        if head.size >= newest {
            published.cosigned = Some(cosigned);
        }
        Ok(())
    }

    /// The proof that the log of `new` entries continues that of `old`.
    ///
    /// # Errors
    /// [`StoreError::Proof`] if it never had so many.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, StoreError> {
        Ok(self.0.published().tree.prove_consistency(old, new)?)
    }

    /// The bytes of a tile or an entry bundle, if all that it is to hold is in the log.
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Tampered`].
    pub async fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, StoreError> {
        if path.end().is_none_or(|end| end > self.size()) {
            return Ok(None);
        }
        if path.is_hashes() {
            return Ok(self.snapshot(|tree, _| path.hashes(tree)));
        }
        let rows = self.0.database.entries(path.first(), u32::from(path.width())).await?;
        Ok(Some(crate::tiles::bundle(rows.iter().map(|row| row.leaf.as_slice()))))
    }

    /// The verifier key of the checkpoints.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.0.vkey
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.key.verifier().name()
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
        let rows = self.0.database.entries(from, limit.min(ENTRIES_PAGE_MAX)).await?;
        rows.into_iter().filter(|row| row.index < size).map(stored_entry).collect()
    }

    /// The proof that the entry `index` is in the log, and the checkpoint it leads to: the newest cosigned one that
    /// has the entry, or else the newest.
    ///
    /// # Errors
    /// [`StoreError::Proof`] if there is no such entry.
    pub fn prove(&self, index: u64) -> Result<Proof, StoreError> {
        let published = self.0.published();
        let cosigned = published.cosigned.as_ref().filter(|cosigned| cosigned.head().size > index);
        let checkpoint = cosigned.unwrap_or(&published.checkpoint).clone();
        let inclusion = published.tree.prove_at(index, checkpoint.head().size)?;
        Ok(Proof { inclusion, checkpoint })
    }

    /// Waits for the append in progress and closes the database. Later calls fail.
    pub async fn close(&self) {
        let mut writer = self.0.writer.lock().await;
        writer.close();
        self.0.database.close().await;
    }

    /// Whose turn it is to export tiles.
    pub(crate) fn exports(&self) -> &Mutex<BTreeSet<PathBuf>> {
        &self.0.exports
    }

    /// The tree and the checkpoint over it, as one.
    pub(crate) fn snapshot<T>(&self, look: impl FnOnce(&MerkleTree, &Checkpoint) -> T) -> T {
        let published = self.0.published();
        look(&published.tree, &published.checkpoint)
    }
}

impl Inner {
    fn published(&self) -> RwLockReadGuard<'_, Published> {
        // A reader that panicked in `view` changed nothing.
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets readers see what the writer took and the disk has.
    fn publish(&self, writer: &Writer, rows: &[EntryRow], checkpoint: Checkpoint) {
        let state = Arc::new(writer.state.clone());
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            published.tree.push_hash(&row.leaf_hash);
        }
        published.checkpoint = checkpoint;
        let before = std::mem::replace(&mut published.state, state);
        drop(published);
        // Freed, where nobody looks at it any more, when no reader waits.
        drop(before);
    }
}

/// The time of the last entry; none before the first, which may have any.
fn ledger_time_ms(state: &State) -> Option<u64> {
    state.genesis().map(|_| state.time_ms())
}

/// What this log signed itself, as others read it.
fn signed(text: &str) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint::parse(text).map_err(CheckpointError::from)?)
}

fn stored_entry(row: EntryRow) -> Result<StoredEntry, StoreError> {
    let index = row.index;
    let entry = Entry::from_leaf(&row.leaf).map_err(|error| AuditFailure {
        index: Some(index),
        difference: Difference::Leaf(error),
    })?;
    Ok(StoredEntry { index, leaf: row.leaf, entry })
}
