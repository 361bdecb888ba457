//! The audit of a log's tiles: everything recomputed, as fast as the entries can be read.

use std::{
    fs,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use data_dao_journal::{AuditFailure, AuditReport, Difference, EntryError, Leaf, Replay, TreeHead};
use data_dao_log::{Checkpoint, ForkProof, Policy, Verifier, Witnessed};
use privacy_identity::{Digest, MerkleTree, leaf_hash};

use crate::tiles::{CHECKPOINT_FILE, TILE_WIDTH, TilesError, VKEY_FILE};
use crate::{CheckpointError, TilePath, log_vkey};

/// Bundles that each reader may be ahead: a few hundred KiB.
const AHEAD_MAX: usize = 4;
/// Most threads that read: applying, which is one, cannot follow more.
const READERS_MAX: usize = 4;

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

/// What is asked of a log beyond that it can be recomputed.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// The log's verifier key if it is known from elsewhere; else the one in `log.vkey` is taken, and only the
    /// genesis entry vouches for it.
    pub vkey: Option<String>,
    /// Which witnesses must have cosigned.
    pub policy: Option<Policy>,
    /// Checkpoints of the log from elsewhere, which it must continue: the last one seen, and what witnesses have.
    pub seen: Vec<Checkpoint>,
}

/// A log's checkpoint, and who vouches for it.
struct Opened {
    checkpoint: Checkpoint,
    log: Verifier,
    witnessed: Option<Witnessed>,
}

/// Reads a log from the tiles in `dir`, and holds each leaf against the hash in its tile.
///
/// * `vkey` — the log's verifier key if it is known from elsewhere; else the one in `log.vkey` is
///   taken, which proves only that the tiles belong together.
///
/// # Errors
/// [`TilesError`], naming the first entry that is not what its hash says.
pub fn read_tiles(dir: &Path, vkey: Option<&str>) -> Result<TileLog, TilesError> {
    let audit = Audit { vkey: vkey.map(str::to_owned), ..Audit::default() };
    let Opened { checkpoint, log, .. } = audit.open(dir)?;
    let head = *checkpoint.head();
    let mut leaves = Vec::new();
    for bundle in 0..head.size.div_ceil(TILE_WIDTH) {
        leaves.extend(read_bundle(dir, bundle, head.size)?.into_iter().map(|(leaf, _)| leaf));
    }
    Ok(TileLog { leaves, head, checkpoint: checkpoint.to_string(), vkey: log.to_string() })
}

/// Recomputes a log from the tiles in `dir`: checkpoint signature, leaf hashes, every entry, the
/// root, and that the node of the genesis entry signed the checkpoint.
///
/// * `vkey` — as for [`read_tiles`].
///
/// # Errors
/// [`TilesError`]: the first difference.
pub fn audit_tiles(dir: &Path, vkey: Option<&str>) -> Result<AuditReport, TilesError> {
    let audit = Audit { vkey: vkey.map(str::to_owned), ..Audit::default() };
    Ok(audit.run(dir)?.0.report())
}

impl Audit {
    /// Recomputes the log in `dir`, as [`audit_tiles`], and holds it against the policy and the checkpoint that was
    /// seen before. Returns the replay, the checkpoint, and who cosigned it.
    ///
    /// # Errors
    /// [`TilesError`]: the first difference.
    pub fn run(&self, dir: &Path) -> Result<(Replay, Checkpoint, Option<Witnessed>), TilesError> {
        let Opened { checkpoint, log, witnessed } = self.open(dir)?;
        let head = *checkpoint.head();
        for seen in &self.seen {
            seen.signed_by(&log).map_err(CheckpointError::from)?;
            if seen.head().size > head.size {
                return Err(TilesError::Shrunk { seen: seen.head().size, got: head.size });
            }
        }
        let replay = self.replay(dir, &checkpoint, &log)?;
        replay.check(&head)?;
        if let Some(genesis) = replay.state().genesis() {
            let expected = log_vkey(log.name(), &genesis.dao_node)?;
            let got = log.to_string();
            if expected != got {
                return Err(TilesError::OtherNode { expected, got });
            }
        }
        Ok((replay, checkpoint, witnessed))
    }

    fn open(&self, dir: &Path) -> Result<Opened, TilesError> {
        let vkey = match &self.vkey {
            Some(vkey) => vkey.trim().to_owned(),
            None => read_text(&dir.join(VKEY_FILE))?.trim().to_owned(),
        };
        let log: Verifier = vkey.parse().map_err(CheckpointError::from)?;
        let text = read_text(&dir.join(CHECKPOINT_FILE))?;
        let checkpoint = Checkpoint::parse(&text).map_err(CheckpointError::from)?;
        checkpoint.signed_by(&log).map_err(CheckpointError::from)?;
        let check = |policy: &Policy| policy.check(&checkpoint, Some(&log));
        let witnessed = self.policy.as_ref().map(check).transpose().map_err(TilesError::Policy)?;
        Ok(Opened { checkpoint, log, witnessed })
    }

    fn replay(
        &self,
        dir: &Path,
        checkpoint: &Checkpoint,
        log: &Verifier,
    ) -> Result<Replay, TilesError> {
        let size = checkpoint.head().size;
        let bundles = size.div_ceil(TILE_WIDTH);
        let readers = thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX);
        let mut replay = Replay::default();
        thread::scope(|scope| {
            let start = |reader: usize| {
                let (send, receive) = sync_channel(AHEAD_MAX);
                scope.spawn(move || read_every(dir, (reader, readers), size, &send));
                receive
            };
            let readers: Vec<Receiver<Bundle>> = (0..readers).map(start).collect();
            // Each reader has every n-th bundle: taken in turn, they are in order.
            for receive in
                readers.iter().cycle().take(usize::try_from(bundles).unwrap_or(usize::MAX))
            {
                let read = receive.recv().expect("a reader sends each of its bundles, or an error");
                for leaf in read? {
                    self.compare(&replay, dir, checkpoint, log)?;
                    take(&mut replay, leaf)?;
                }
            }
            self.compare(&replay, dir, checkpoint, log)
        })?;
        Ok(replay)
    }

    /// Whether the log has, at this size, the root that it signed for it.
    fn compare(
        &self,
        replay: &Replay,
        dir: &Path,
        checkpoint: &Checkpoint,
        log: &Verifier,
    ) -> Result<(), TilesError> {
        let size = replay.tree().size();
        let of_size = self.seen.iter().filter(|seen| seen.head().size == size);
        for seen in of_size {
            if replay.tree().root() != seen.head().root {
                return Err(convict(replay, dir, (seen, checkpoint), log));
            }
        }
        Ok(())
    }
}

/// Why a log that does not continue what was seen of it is refused: with the proof, if its signed tiles are one.
fn convict(
    replay: &Replay,
    dir: &Path,
    (seen, checkpoint): (&Checkpoint, &Checkpoint),
    log: &Verifier,
) -> TilesError {
    match fork_from_tiles(dir, checkpoint, seen, log) {
        Ok(fork) => TilesError::Forked { fork: Box::new(fork) },
        Err(Some(error)) => error,
        // The tiles belong to no signed root either; that is the difference to name.
        Err(None) => {
            let TreeHead { size, root: expected } = *seen.head();
            let difference = Difference::Root { size, expected, got: replay.tree().root() };
            AuditFailure { index: None, difference }.into()
        }
    }
}

/// The log's own signatures against it, if its tiles lead to the root that it signed.
fn fork_from_tiles(
    dir: &Path,
    checkpoint: &Checkpoint,
    seen: &Checkpoint,
    log: &Verifier,
) -> Result<ForkProof, Option<TilesError>> {
    let (mut tree, size) = (MerkleTree::default(), checkpoint.head().size);
    for bundle in 0..size.div_ceil(TILE_WIDTH) {
        for (_, hash) in read_bundle(dir, bundle, size).map_err(Some)? {
            tree.push_hash(&hash);
        }
    }
    let small = seen.head().size;
    let prefix = tree.root_at(small).map_err(|_source| None)?;
    let path = tree.prove_consistency(small, size).map_err(|_source| None)?;
    let both = (seen.clone(), checkpoint.clone());
    ForkProof::new(both, prefix, path, log).map_err(|_source| None)
}

fn take(replay: &mut Replay, leaf: Result<Leaf, EntryError>) -> Result<(), AuditFailure> {
    let index = Some(replay.tree().size());
    let leaf = leaf.map_err(|error| AuditFailure { index, difference: Difference::Leaf(error) })?;
    replay.push_leaf(&leaf)
}

/// The decoded leaves of a bundle, or why it cannot be read.
type Bundle = Result<Vec<Result<Leaf, EntryError>>, TilesError>;

/// Reads and decodes each `step`-th bundle, until nobody listens.
fn read_every(dir: &Path, (first, step): (usize, usize), size: u64, send: &SyncSender<Bundle>) {
    let every = (0..size.div_ceil(TILE_WIDTH)).skip(first).step_by(step);
    for bundle in every {
        let read = read_bundle(dir, bundle, size);
        let read =
            read.map(|leaves| leaves.into_iter().map(|(leaf, _)| Leaf::read(leaf)).collect());
        let failed = read.is_err();
        if send.send(read).is_err() || failed {
            return;
        }
    }
}

/// The leaves of a bundle, each held against the hash in its tile.
fn read_bundle(dir: &Path, bundle: u64, size: u64) -> Result<Vec<(Vec<u8>, Digest)>, TilesError> {
    let first = bundle * TILE_WIDTH;
    let missing = || TilesError::Bundle { index: first };
    let entries = TilePath::of_entries(bundle, size).ok_or_else(missing)?;
    let hashes = TilePath::of_hashes(0, bundle, size).ok_or_else(missing)?;
    let hashes = read_tile(dir, hashes)?;
    let bytes = read_tile(dir, entries)?;
    let leaves = bundle_leaves(&bytes, first, entries.width())?;
    let hashes = hashes.chunks(Digest::LEN);
    let check = |((index, leaf), expected): ((u64, Vec<u8>), &[u8])| {
        let hash = leaf_hash(&leaf);
        if hash.0 == expected { Ok((leaf, hash)) } else { Err(TilesError::LeafHash { index }) }
    };
    let checked: Result<Vec<_>, _> = (first..).zip(leaves).zip(hashes).map(check).collect();
    let checked = checked?;
    if checked.len() == usize::from(entries.width()) {
        Ok(checked)
    } else {
        Err(TilesError::LeafHash { index: first + checked.len() as u64 })
    }
}

fn read_tile(dir: &Path, path: TilePath) -> Result<Vec<u8>, TilesError> {
    let path = dir.join(path.to_string());
    fs::read(&path).map_err(|source| TilesError::File { path, source })
}

/// The `width` leaves of a bundle.
fn bundle_leaves(mut bytes: &[u8], first: u64, width: u16) -> Result<Vec<Vec<u8>>, TilesError> {
    let mut leaves = Vec::with_capacity(usize::from(width));
    for index in (first..).take(usize::from(width)) {
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

fn read_text(path: &Path) -> Result<String, TilesError> {
    fs::read_to_string(path).map_err(|source| TilesError::File { path: path.to_owned(), source })
}
