//! Whether the ledger has what the co-operative says was earned: checked here, on the owner's computer.
//!
//! ```text
//!   /v1/ledger/entries/N ─► the entry leads to the checkpoint's root ─► the log's key signed it, witnesses cosigned
//!                        └► the entry says what was shown           └► it continues the checkpoint seen here before
//! ```
//! Threat: a node that shows each member another ledger, or rewrites it. The log's key is remembered from the first look, and
//! so is the last checkpoint: each desktop is a witness of its own.

use std::cell::RefCell;

use data_dao_log::{
    Checkpoint, CheckpointError, Policy, PolicyError, TlogProof, TlogProofError, Verifier,
    VerifierError,
};
use serde_json::Value;
use tlog_tiles::{Hash, Tile, TileHashReader, TileReader, tree_hash};

/// Height of C2SP's tiles.
const TILE_HEIGHT: u8 = 8;

/// What is said to have been paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The entry that settled the round.
    pub index: u64,
    /// The round.
    pub round: u64,
    /// Whose credits.
    pub member: String,
    /// How many.
    pub credits: String,
}

/// A log, and who has to have cosigned it.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    key: Verifier,
    policy: Policy,
}

/// A checkpoint whose signatures were checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The log's key.
    pub log: String,
    /// Entries of the log.
    pub size: u64,
    /// Witnesses that cosigned, by name.
    pub witnesses: Vec<String>,
}

/// What does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// A key that is none.
    #[error("the log's or a witness's key cannot be read")]
    Key(#[from] VerifierError),
    /// Another log than the one that was seen here first.
    #[error("the log has another key than when it was first seen here: {expected} then, {got} now")]
    OtherLog {
        /// The key that is remembered.
        expected: String,
        /// The key that the node names.
        got: String,
    },
    /// Not a proof.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] TlogProofError),
    /// A proof of another entry.
    #[error("the proof is about entry {got}, asked for was {expected}")]
    OtherEntry {
        /// The entry that was asked for.
        expected: u64,
        /// The entry that the proof is about.
        got: u64,
    },
    /// Not signed, or not by enough witnesses.
    #[error("the checkpoint is not to be believed: {0}")]
    Policy(#[from] PolicyError),
    /// Not a checkpoint.
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The entry says something else.
    #[error(
        "entry {index} of the log does not say that this key was paid {credits} credits for this round"
    )]
    NotSaid {
        /// The entry.
        index: u64,
        /// The credits that were shown.
        credits: String,
    },
    /// The log has fewer entries than it had.
    #[error("the log has {got} entries, and had {before} when it was last seen here")]
    Shorter {
        /// Entries that were seen.
        before: u64,
        /// Entries now.
        got: u64,
    },
    /// The log was rewritten.
    #[error(
        "the log was rewritten: its first {before} entries are others than when they were last seen here"
    )]
    Rewritten {
        /// Entries that were seen.
        before: u64,
    },
    /// Tiles are not there, or do not lead to the root.
    #[error("whether the log continues what was seen here cannot be told: {0}")]
    Tiles(String),
}

impl Log {
    /// The log that the node names.
    ///
    /// * `known` — its key as it was first seen here.
    /// * `witnesses`, `quorum` — whose cosignatures are wanted, and how many.
    ///
    /// # Errors
    /// [`Unproven::Key`], [`Unproven::OtherLog`].
    pub(crate) fn new(
        key: &str,
        known: Option<&str>,
        (witnesses, quorum): (&[String], usize),
    ) -> Result<Self, Unproven> {
        if let Some(expected) = known.filter(|known| *known != key) {
            let (expected, got) = (expected.to_owned(), key.to_owned());
            return Err(Unproven::OtherLog { expected, got });
        }
        let key: Verifier = key.parse()?;
        let witnesses: Result<Vec<Verifier>, _> = witnesses.iter().map(|key| key.parse()).collect();
        Ok(Self { policy: Policy::of_quorum(key.clone(), witnesses?, quorum), key })
    }

    /// Checks the signatures of a checkpoint.
    ///
    /// # Errors
    /// [`Unproven::Policy`].
    pub(crate) fn believes(&self, checkpoint: &Checkpoint) -> Result<Seen, Unproven> {
        let witnessed = self.policy.check(checkpoint, Some(&self.key))?;
        let name = |cosignature: &data_dao_log::Cosignature| cosignature.witness.name().to_owned();
        Ok(Seen {
            log: self.key.to_string(),
            size: checkpoint.head().size,
            witnesses: witnessed.cosignatures.iter().map(name).collect(),
        })
    }

    /// Checks that entry `index` is in the log, as the node shows it (`/v1/ledger/entries/{index}`).
    /// Returns what the entry says, and the checkpoint that vouches for it.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) fn entry(&self, shown: &Value, index: u64) -> Result<(Value, Checkpoint), Unproven> {
        let text = shown["proof"]["tlog_proof"].as_str().unwrap_or_default();
        let proof = TlogProof::parse(text)?;
        if proof.inclusion.index != index {
            return Err(Unproven::OtherEntry { expected: index, got: proof.inclusion.index });
        }
        self.believes(&proof.checkpoint)?;
        let leaf = proof.verify(None)?;
        // What is no JSON says nothing that was claimed.
        let said = serde_json::from_slice(leaf).unwrap_or_default();
        Ok((said, proof.checkpoint))
    }
}

/// Whether an entry pays what is claimed; none: it is the head of a settlement in parts, which come next.
pub(crate) fn pays(said: &Value, claim: &Claim) -> Option<bool> {
    let body = &said["body"];
    let settled = ["round_settled", "settled_part"].map(|kind| &body[kind]);
    let settled = settled.into_iter().find(|settled| settled.is_object());
    let Some(settled) = settled else {
        return if body["round_settling"].is_object() { None } else { Some(false) };
    };
    let mut participants = settled["participants"].as_array().into_iter().flatten();
    let own = participants.find(|part| part["member"] == claim.member.as_str());
    let paid = own.map(|own| {
        settled["round"].as_u64() == Some(claim.round) && own["credits"] == claim.credits.as_str()
    });
    // Another part may have this member.
    if paid.is_none() && body["settled_part"].is_object() { None } else { Some(paid == Some(true)) }
}

/// Checks that the log of `now` begins with the log of `before`.
///
/// * `read` — a tile by its path, `tile/0/000.p/5`.
///
/// # Errors
/// [`Unproven::Shorter`], [`Unproven::Rewritten`], and [`Unproven::Tiles`] if it cannot be told.
pub(crate) fn continues(
    before: &Checkpoint,
    now: &Checkpoint,
    read: &dyn Fn(&str) -> anyhow::Result<Vec<u8>>,
) -> Result<(), Unproven> {
    let (old, new) = (before.head(), now.head());
    if new.size < old.size {
        return Err(Unproven::Shorter { before: old.size, got: new.size });
    }
    if old.size == 0 {
        return Ok(());
    }
    let rewritten = || Unproven::Rewritten { before: old.size };
    if new.size == old.size {
        return if new.root == old.root { Ok(()) } else { Err(rewritten()) };
    }
    let tiles = Tiles { read, failed: RefCell::default() };
    let reader = TileHashReader::new(new.size, Hash(new.root.0), &tiles);
    match tree_hash(old.size, &reader) {
        Ok(Hash(root)) if root == old.root.0 => Ok(()),
        Ok(_) => Err(rewritten()),
        Err(error) => {
            let failed = tiles.failed.take();
            Err(Unproven::Tiles(failed.unwrap_or_else(|| error.to_string())))
        }
    }
}

/// Tiles over the network; none is kept.
struct Tiles<'a> {
    read: &'a dyn Fn(&str) -> anyhow::Result<Vec<u8>>,
    /// Why one could not be read.
    failed: RefCell<Option<String>>,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // The library's paths name the height, C2SP's do not.
        let path = |tile: &Tile| tile.path().replacen(&format!("tile/{TILE_HEIGHT}/"), "tile/", 1);
        let read = |tile: &Tile| {
            (self.read)(&path(tile)).map_err(|error| {
                self.failed.replace(Some(format!("{error:#}")));
                tlog_tiles::Error::InvalidTile
            })
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

#[cfg(test)]
mod tests;
