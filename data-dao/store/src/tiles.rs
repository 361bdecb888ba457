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

use crate::tile_folder::{TileFolder, is_bundle_of};
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
    /// Only what changed since the last export is written, one file after the other; the checkpoint comes last, when all that it
    /// covers is on disk. A folder that this process did not write before is looked at first, file by file: what a power loss left
    /// empty or cut is written again.
    ///
    /// # Errors
    /// [`TilesError`]; the checkpoint is then still the old one.
    ///
    /// # Panics
    /// If the task that writes the files panics, which would be a bug.
    pub async fn export_tiles(&self, dir: &Path) -> Result<(), TilesError> {
        // One at a time, so that a checkpoint is never replaced by an older one.
        let mut known = self.exports().lock().await;
        let from = exported_head(dir, self.vkey())?;
        // What witnesses have cosigned, if somebody waits for that.
        let cosigned = self.cosigned();
        let (from, size, checkpoint) = self.snapshot(|tree, newest| {
            let checkpoint = cosigned.as_ref().unwrap_or(newest);
            let from = continued_size(tree, from.as_ref())?;
            Ok::<_, TilesError>((from, checkpoint.head().size, checkpoint.to_string()))
        })?;
        let mut folder = TileFolder::new(dir);
        if !known.contains(dir) {
            folder = self.mend_tiles(folder, from).await?;
        }
        if from > size {
            // The newest checkpoint stands there already, from before anybody asked for witnesses.
            known.insert(dir.to_owned());
            return Ok(());
        }
        for path in tile_paths(from, size) {
            folder = self.write_tile(folder, path).await?;
        }
        let vkey = format!("{}\n", self.vkey());
        blocking(move || {
            folder.write(VKEY_FILE, vkey.as_bytes())?;
            // Threat: a checkpoint that is on disk while what it covers is not.
            folder.sync()?;
            folder.write(CHECKPOINT_FILE, checkpoint.as_bytes())?;
            folder.sync()
        })
        .await?;
        known.insert(dir.to_owned());
        Ok(())
    }

    /// Writes again what is not as it should be of the tiles of a log of `size` entries.
    async fn mend_tiles(
        &self,
        mut folder: TileFolder,
        size: u64,
    ) -> Result<TileFolder, TilesError> {
        for path in tile_paths(0, size) {
            // A bundle is held against the hashes of its entries, so that the database need not be asked.
            let hashes = if path.is_hashes() { Some(path) } else { path.hashes_of_entries() };
            let expected = hashes.and_then(|path| self.snapshot(|tree, _| path.hashes(tree)));
            let (back, whole) = blocking(move || {
                let found = folder.read(&path.to_string())?;
                let whole = match (found, expected) {
                    (Some(found), Some(hashes)) if path.is_hashes() => found == hashes,
                    (Some(found), Some(hashes)) => is_bundle_of(&found, &hashes),
                    _ => false,
                };
                Ok((folder, whole))
            })
            .await?;
            folder = if whole { back } else { self.write_tile(back, path).await? };
        }
        Ok(folder)
    }

    async fn write_tile(
        &self,
        mut folder: TileFolder,
        path: TilePath,
    ) -> Result<TileFolder, TilesError> {
        let bytes = self.tile(&path).await?.ok_or(TilesError::Bundle { index: path.first() })?;
        blocking(move || folder.write(&path.to_string(), &bytes).map(|()| folder)).await
    }
}

/// Runs what waits for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TilesError> + Send + 'static,
) -> Result<T, TilesError> {
    tokio::task::spawn_blocking(work).await.expect("writing neither panics nor is aborted")
}

/// The tiles of a log of `size` entries that it did not have with `from`: names, which are few bytes each.
fn tile_paths(from: u64, size: u64) -> Vec<TilePath> {
    if from >= size {
        return Vec::new();
    }
    let tiles = Tile::new_tiles(TILE_HEIGHT, from, size);
    let hashes = tiles.iter().filter_map(|t| TilePath::of_hashes(t.level(), t.level_index(), size));
    let bundles = (from / TILE_WIDTH..).map_while(|bundle| TilePath::of_entries(bundle, size));
    hashes.chain(bundles).collect()
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
