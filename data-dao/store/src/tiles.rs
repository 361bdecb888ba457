//! The log as files: hash tiles, entry bundles and checkpoint of C2SP tlog-tiles, for anyone to copy.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use data_dao_journal::{AuditFailure, Difference, TreeHead};
use data_dao_log::{ForkProof, PolicyError};
use privacy_identity::MerkleTree;
use thiserror::Error;
use tlog_tiles::{Hash, HashReader, Tile};

use crate::{CheckpointError, SeenError, Store, StoreError, TilePath, checkpoint_head};

/// Height of a tile: 256 hashes or entries.
pub(crate) const TILE_HEIGHT: u8 = 8;
pub(crate) const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";
pub(crate) const VKEY_FILE: &str = "log.vkey";

/// Why tiles could not be written, read or audited.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TilesError {
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store failed.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    /// The checkpoint was refused.
    #[error("the checkpoint was refused")]
    Checkpoint(#[from] CheckpointError),
    /// The directory has the tiles of a longer or another log.
    #[error("the tiles are of another log: their checkpoint has size {got}, this log {size}")]
    OtherLog {
        /// Entries of this log.
        size: u64,
        /// Entries of the log in the directory.
        got: u64,
    },
    /// An entry bundle is cut or has bytes left over.
    #[error("the bundle with entry {index} is malformed")]
    Bundle {
        /// The first entry that cannot be read.
        index: u64,
    },
    /// A leaf does not have the hash that its tile says.
    #[error("entry {index} was altered: its leaf does not have the hash of the tile")]
    LeafHash {
        /// The entry.
        index: u64,
    },
    /// The genesis entry names another node key than the one that signed the checkpoint.
    #[error("the checkpoint is signed by {got}, the genesis entry names {expected}")]
    OtherNode {
        /// The verifier key of the node in the genesis entry.
        expected: String,
        /// The verifier key that signed.
        got: String,
    },
    /// The checkpoint does not satisfy the policy.
    #[error("the checkpoint does not satisfy the policy")]
    Policy(#[source] PolicyError),
    /// The log was longer the last time it was seen.
    #[error(
        "the log has {got} entries, the last time it had {seen}: it was cut, or this is an old copy"
    )]
    Shrunk {
        /// Entries of the last checkpoint that was seen.
        seen: u64,
        /// Entries now.
        got: u64,
    },
    /// The log has another past than when it was seen before, and signed both.
    #[error("the log has another past: it signed two checkpoints that cannot both be, over {} and {} entries", fork.first().head().size, fork.second().head().size)]
    Forked {
        /// Its own signatures against it.
        fork: Box<ForkProof>,
    },
    /// What is remembered of the log cannot be used.
    #[error("what is remembered of this log cannot be used")]
    Seen(#[from] SeenError),
    /// The entries cannot be recomputed, or lead to another root.
    #[error("the audit found a difference")]
    Audit(#[from] AuditFailure),
}

impl Store {
    /// Writes the log as tiles into `dir`: `tile/<level>/<n>`, `tile/entries/<n>` (each with
    /// `.p/<width>` if partial), `checkpoint` and `log.vkey`.
    ///
    /// Only what changed since the last export is written; the checkpoint comes last, so that what
    /// it covers is there.
    ///
    /// # Errors
    /// [`TilesError`]; the checkpoint is then still the old one.
    ///
    /// # Panics
    /// If the task that writes the files panics, which would be a bug.
    pub async fn export_tiles(&self, dir: &Path) -> Result<(), TilesError> {
        // One at a time, so that a checkpoint is never replaced by an older one.
        let _turn = self.exports().lock().await;
        let from = exported_head(dir, self.vkey())?;
        // What witnesses have cosigned, if somebody waits for that.
        let cosigned = self.cosigned();
        let (size, hashes, checkpoint) = self.snapshot(|tree, newest| {
            let checkpoint = cosigned.as_ref().unwrap_or(newest);
            let from = continued_size(tree, from.as_ref())?;
            let size = checkpoint.head().size;
            Ok::<_, TilesError>((size, hash_tiles(tree, from, size), checkpoint.to_string()))
        })?;
        if from.is_some_and(|head| head.size > size) {
            // The newest checkpoint stands there already, from before anybody asked for witnesses.
            return Ok(());
        }
        let mut files = hashes;
        let mut bundle = from.map_or(0, |head| head.size) / TILE_WIDTH;
        while let Some(path) = TilePath::of_entries(bundle, size) {
            let bytes = self.tile(&path).await?.unwrap_or_default();
            files.push((path.to_string(), bytes));
            bundle += 1;
        }
        files.push((VKEY_FILE.to_owned(), format!("{}\n", self.vkey()).into_bytes()));
        files.push((CHECKPOINT_FILE.to_owned(), checkpoint.into_bytes()));
        let dir = dir.to_owned();
        let write = move || files.iter().try_for_each(|(path, b)| write_whole(&dir.join(path), b));
        tokio::task::spawn_blocking(write).await.expect("writing neither panics nor is aborted")
    }
}

/// The bytes of an entry bundle: each entry after its length in two bytes.
pub(crate) fn bundle<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        let length = u16::try_from(leaf.len()).expect("leaves have at most 65535 bytes");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}

/// The checkpoint of the tiles in `dir`, if there are any.
fn exported_head(dir: &Path, vkey: &str) -> Result<Option<TreeHead>, TilesError> {
    let path = dir.join(CHECKPOINT_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(checkpoint_head(&text, vkey)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TilesError::File { path, source }),
    }
}

/// The size from which `tree` continues the log with this checkpoint.
fn continued_size(tree: &MerkleTree, head: Option<&TreeHead>) -> Result<u64, TilesError> {
    match head {
        None => Ok(0),
        Some(head) if tree.root_at(head.size).is_ok_and(|root| root == head.root) => Ok(head.size),
        Some(head) => Err(TilesError::OtherLog { size: tree.size(), got: head.size }),
    }
}

pub(crate) struct Stored<'a>(pub(crate) &'a [Hash]);

impl HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let at = |index: &u64| {
            let at = usize::try_from(*index).ok().and_then(|index| self.0.get(index).copied());
            at.ok_or(tlog_tiles::Error::IndexesNotInTree)
        };
        indexes.iter().map(at).collect()
    }
}

/// The hash tiles of a tree of `size` leaves that changed since it had `from`.
fn hash_tiles(tree: &MerkleTree, from: u64, size: u64) -> Vec<(String, Vec<u8>)> {
    let tiles = Tile::new_tiles(TILE_HEIGHT, from, size);
    let paths = tiles.iter().filter_map(|t| TilePath::of_hashes(t.level(), t.level_index(), size));
    paths.filter_map(|path| Some((path.to_string(), path.hashes(tree)?))).collect()
}

/// Writes a file so that it is never seen half written.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TilesError> {
    let failed = |source| TilesError::File { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, bytes).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

impl TilesError {
    /// The entry at which the log differs, if one can be named.
    #[must_use]
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Bundle { index } | Self::LeafHash { index } => Some(*index),
            Self::Audit(AuditFailure { index, .. }) => *index,
            _ => None,
        }
    }

    /// How the recomputation differs, if that is what failed.
    #[must_use]
    pub const fn difference(&self) -> Option<&Difference> {
        match self {
            Self::Audit(failure) => Some(&failure.difference),
            _ => None,
        }
    }
}
