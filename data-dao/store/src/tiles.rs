//! The log as files: hash tiles, entry bundles and checkpoint of C2SP tlog-tiles, for anyone to
//! copy and audit offline.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use data_dao_journal::{AuditFailure, AuditReport, Difference, Replay, TreeHead};
use privacy_identity::{Digest, MerkleTree};
use thiserror::Error;
use tlog_tiles::{Hash, HashReader, Tile};

use crate::{CheckpointError, Store, StoreError, checkpoint_head, log_vkey};

/// Height of a tile: 256 hashes or entries.
const TILE_HEIGHT: u8 = 8;
const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
const CHECKPOINT_FILE: &str = "checkpoint";
const VKEY_FILE: &str = "log.vkey";

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
    /// The entries cannot be recomputed, or lead to another root.
    #[error("the audit found a difference")]
    Audit(#[from] AuditFailure),
}

/// A log read from tiles. Its leaves are not recomputed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileLog {
    /// The leaves in their order.
    pub leaves: Vec<Vec<u8>>,
    /// What the checkpoint says.
    pub head: TreeHead,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The verifier key that signed it.
    pub vkey: String,
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
        let (size, hashes, checkpoint) = self.snapshot(|tree, checkpoint| {
            let from = continued_size(tree, from.as_ref())?;
            Ok::<_, TilesError>((tree.size(), hash_tiles(tree, from), checkpoint.to_owned()))
        })?;
        let mut files = hashes;
        let mut bundle = from.map_or(0, |head| head.size) / TILE_WIDTH;
        while bundle * TILE_WIDTH < size {
            files.push(self.entry_bundle(bundle, size).await?);
            bundle += 1;
        }
        files.push((VKEY_FILE.to_owned(), format!("{}\n", self.vkey()).into_bytes()));
        files.push((CHECKPOINT_FILE.to_owned(), checkpoint.into_bytes()));
        let dir = dir.to_owned();
        let write = move || files.iter().try_for_each(|(path, b)| write_whole(&dir.join(path), b));
        tokio::task::spawn_blocking(write).await.expect("writing neither panics nor is aborted")
    }

    async fn entry_bundle(&self, bundle: u64, size: u64) -> Result<(String, Vec<u8>), TilesError> {
        let first = bundle * TILE_WIDTH;
        let width = width_at(size, first);
        let entries = self.entries(first, width).await?;
        let mut bytes = Vec::new();
        for entry in entries {
            let length = u16::try_from(entry.leaf.len()).expect("leaves have at most 65535 bytes");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&entry.leaf);
        }
        Ok((bundle_path(bundle, width), bytes))
    }
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

struct Stored<'a>(&'a [Hash]);

impl HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let at = |index: &u64| {
            let index = usize::try_from(*index).expect("held in memory, so it fits usize");
            self.0[index]
        };
        Ok(indexes.iter().map(at).collect())
    }
}

/// The hash tiles that changed since the tree had `from` leaves.
fn hash_tiles(tree: &MerkleTree, from: u64) -> Vec<(String, Vec<u8>)> {
    let stored = Stored(tree.stored());
    let file = |tile: Tile| {
        let bytes = tile.read_data(&stored).expect("all hashes are in memory");
        (c2sp_path(&tile), bytes)
    };
    Tile::new_tiles(TILE_HEIGHT, from, tree.size()).into_iter().map(file).collect()
}

/// The tile's path after C2SP, which has no height in it: `tile/0/x001/234`.
fn c2sp_path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

fn bundle_path(bundle: u64, width: u32) -> String {
    let tile = Tile::new(TILE_HEIGHT, 0, bundle, width, true);
    tile.path().replacen("tile/8/data/", "tile/entries/", 1)
}

/// How many of the 256 places from `first` on a tree of `size` leaves fills.
fn width_at(size: u64, first: u64) -> u32 {
    u32::try_from((size - first).min(TILE_WIDTH)).expect("at most 256")
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

/// Reads a log from the tiles in `dir`, and holds each leaf against the hash in its tile.
///
/// * `vkey` — the log's verifier key if it is known from elsewhere; else the one in `log.vkey` is
///   taken, which proves only that the tiles belong together.
///
/// # Errors
/// [`TilesError`], naming the first entry that is not what its hash says.
pub fn read_tiles(dir: &Path, vkey: Option<&str>) -> Result<TileLog, TilesError> {
    let vkey = match vkey {
        Some(vkey) => vkey.trim().to_owned(),
        None => read_text(&dir.join(VKEY_FILE))?.trim().to_owned(),
    };
    let checkpoint = read_text(&dir.join(CHECKPOINT_FILE))?;
    let head = checkpoint_head(&checkpoint, &vkey)?;
    let mut leaves = Vec::new();
    let mut first = 0;
    while first < head.size {
        let bundle = first / TILE_WIDTH;
        let width = width_at(head.size, first);
        let hashes = Tile::new(TILE_HEIGHT, 0, bundle, width, false);
        let hashes = read_bytes(&dir.join(c2sp_path(&hashes)))?;
        let bytes = read_bytes(&dir.join(bundle_path(bundle, width)))?;
        let read = bundle_leaves(&bytes, first, width)?;
        for (index, (leaf, hash)) in (first..).zip(read.iter().zip(hashes.chunks(Digest::LEN))) {
            if MerkleTree::from_leaves([leaf.as_slice()]).root().0 != *hash {
                return Err(TilesError::LeafHash { index });
            }
        }
        leaves.extend(read);
        first += u64::from(width);
    }
    Ok(TileLog { leaves, head, checkpoint, vkey })
}

fn bundle_leaves(mut bytes: &[u8], first: u64, width: u32) -> Result<Vec<Vec<u8>>, TilesError> {
    let mut leaves = Vec::new();
    for index in (first..).take(usize::try_from(width).unwrap_or(0)) {
        let malformed = || TilesError::Bundle { index };
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or_else(malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (leaf, rest) = rest.split_at_checked(length).ok_or_else(malformed)?;
        leaves.push(leaf.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() {
        Ok(leaves)
    } else {
        Err(TilesError::Bundle { index: first + u64::from(width) })
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, TilesError> {
    fs::read(path).map_err(|source| TilesError::File { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, TilesError> {
    fs::read_to_string(path).map_err(|source| TilesError::File { path: path.to_owned(), source })
}

/// Recomputes a log from the tiles in `dir`: checkpoint signature, leaf hashes, every entry, the
/// root, and that the node of the genesis entry signed the checkpoint.
///
/// * `vkey` — as for [`read_tiles`].
///
/// # Errors
/// [`TilesError`]: the first difference.
pub fn audit_tiles(dir: &Path, vkey: Option<&str>) -> Result<AuditReport, TilesError> {
    let log = read_tiles(dir, vkey)?;
    let mut replay = Replay::default();
    for leaf in &log.leaves {
        replay.push(leaf)?;
    }
    replay.check(&log.head)?;
    if let Some(genesis) = replay.state().genesis() {
        let origin = log.vkey.split('+').next().unwrap_or_default();
        let expected = log_vkey(origin, &genesis.dao_node)?;
        if expected != log.vkey {
            return Err(TilesError::OtherNode { expected, got: log.vkey });
        }
    }
    Ok(replay.report())
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
