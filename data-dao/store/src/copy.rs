//! Back-up and restore: the log as lines of JSON, from and to either engine.
//!
//! ```text
//!  {"ledger":{"format":1,"origin":"…","vkey":"…","first":0}}
//!  {"entry":{"index":0,"leaf":"…"}}
//!  {"checkpoint":{"note":"…"}}          after the last entry that it covers
//! ```
//! Leaves and notes are there byte for byte, so whoever has a copy has what was signed; no key is needed to restore it.

use std::{
    io::{self, BufRead, Read as _, Write},
    path::PathBuf,
};

use data_dao_journal::LEAF_BYTES_MAX;
use data_dao_log::{Checkpoint, Verifier};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::database::{Database, EntryRow};
use crate::lock::DirectoryLock;
use crate::store::{DATABASE_FILE, ENTRIES_PAGE_MAX, Writer, replay};
use crate::{CheckpointError, StoreError, log_vkey};

/// What the first line says of the others.
const FORMAT: u32 = 1;
/// Longest line: each byte of a leaf takes at most six as JSON.
const LINE_BYTES_MAX: u64 = 6 * LEAF_BYTES_MAX as u64 + 1_024;
/// Entries that are written in one transaction, at least: it ends at the next checkpoint.
const BATCH: usize = 4_096;

/// Where a ledger is.
#[derive(Debug, Clone)]
pub enum Ledger {
    /// The directory that has `ledger.sqlite`.
    Directory(PathBuf),
    /// The URL of a PostgreSQL database.
    Postgres(String),
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The log's name.
    pub origin: String,
    /// Its verifier key.
    pub vkey: String,
    /// Entries in the copy.
    pub entries: u64,
    /// Entries of the log after it.
    pub size: u64,
}

/// Why a ledger was not exported or imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The ledger cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy cannot be read or written.
    #[error("the copy cannot be read or written")]
    Copy(#[from] io::Error),
    /// There is nothing to export.
    #[error("the ledger has {size} entries, and none after {after}")]
    Nothing {
        /// Entries of the log.
        size: u64,
        /// Where the copy was to begin.
        after: u64,
    },
    /// A line is not of the form.
    #[error("line {line} of the copy is not what an export writes: {what}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The log's key is not the one that is expected.
    #[error("the copy is of {got}, expected was {expected}")]
    OtherLog {
        /// The key that was given.
        expected: String,
        /// The copy's.
        got: String,
    },
    /// The ledger has other entries than the copy.
    #[error("the ledger has another entry {index} than the copy")]
    Differs {
        /// The first that differs.
        index: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Ledger(Header),
    Entry(EntryLine),
    Checkpoint(CheckpointLine),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    origin: String,
    vkey: String,
    first: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    index: u64,
    leaf: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    note: String,
}

impl Ledger {
    async fn to_read(&self) -> Result<Database, StoreError> {
        match self {
            Self::Directory(dir) => Database::read(&dir.join(DATABASE_FILE)).await,
            Self::Postgres(url) => Database::connect(url).await,
        }
    }
}

/// Writes the entries after the first `after`, and the checkpoints over them. The ledger may be in use: what is appended
/// meanwhile is not in the copy.
///
/// Hashes and links are not looked at; an import recomputes everything.
///
/// # Errors
/// [`CopyError`]; what was written is then not a whole copy, and an import says so.
pub async fn export_ledger(
    ledger: &Ledger,
    after: u64,
    out: &mut (impl Write + Send),
) -> Result<Copied, CopyError> {
    let database = ledger.to_read().await?;
    let newest = database.newest().await?;
    let size = newest.as_ref().map_or(0, |(size, _)| *size);
    let Some((_, note)) = newest.filter(|(size, _)| *size > after) else {
        return Err(CopyError::Nothing { size, after });
    };
    let (origin, vkey) = whose(&database, &note).await?;
    let header =
        Header { format: FORMAT, origin: origin.clone(), vkey: vkey.clone(), first: after };
    write_line(out, &Line::Ledger(header))?;
    let mut at = after;
    let mut notes = database.checkpoints(after, ENTRIES_PAGE_MAX).await?.into_iter().peekable();
    while at < size {
        let page = database.entries(at, ENTRIES_PAGE_MAX).await?;
        if page.is_empty() {
            return Err(StoreError::Tampered { index: at, what: "it is missing" }.into());
        }
        for row in page.into_iter().filter(|row| row.index < size) {
            let leaf = String::from_utf8(row.leaf);
            let leaf =
                leaf.map_err(|_source| StoreError::Tampered { index: at, what: "it is no text" })?;
            write_line(out, &Line::Entry(EntryLine { index: row.index, leaf }))?;
            at = row.index + 1;
            if notes.peek().is_none() {
                notes =
                    database.checkpoints(at - 1, ENTRIES_PAGE_MAX).await?.into_iter().peekable();
            }
            if let Some((_, note)) = notes.next_if(|(size, _)| *size == at) {
                write_line(out, &Line::Checkpoint(CheckpointLine { note }))?;
            }
        }
    }
    out.flush()?;
    database.close().await;
    Ok(Copied { origin, vkey, entries: size - after, size })
}

/// Name and key of the log: the checkpoint has the name, the genesis entry names whose key it must be.
async fn whose(database: &Database, note: &str) -> Result<(String, String), StoreError> {
    let newest = Checkpoint::parse(note).map_err(CheckpointError::from)?;
    let mut first = Writer::default();
    for row in database.entries(0, 1).await? {
        first.replay(&row)?;
    }
    let genesis = first.state.genesis();
    let what = "it is no genesis entry";
    let node = genesis.ok_or(StoreError::Tampered { index: 0, what })?.dao_node;
    let vkey = log_vkey(newest.origin(), &node)?;
    let verifier: Verifier = vkey.parse().map_err(CheckpointError::from)?;
    newest.signed_by(&verifier).map_err(CheckpointError::from)?;
    Ok((newest.origin().to_owned(), vkey))
}

fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Appends what a copy has and the ledger has not, after recomputing all of it. A ledger that is not there is made; what is
/// there already must be the same. The ledger must not be in use, unless it is in PostgreSQL.
///
/// * `vkey` — the log's verifier key, if it is known from elsewhere; else the copy says it, and only the genesis entry
///   vouches for it.
///
/// # Errors
/// [`CopyError`]. Whole batches before the difference may have been written: they are a shorter copy of the same log.
pub async fn import_ledger(
    ledger: &Ledger,
    vkey: Option<&str>,
    copy: &mut (impl BufRead + Send),
) -> Result<Copied, CopyError> {
    let (_lock, database) = match ledger {
        Ledger::Directory(dir) => {
            let lock = DirectoryLock::take(dir)?;
            (Some(lock), Database::open(&dir.join(DATABASE_FILE)).await?)
        }
        Ledger::Postgres(url) => (None, Database::connect(url).await?),
    };
    let mut lines = Lines { copy, number: 0 };
    let Some(Line::Ledger(header)) = lines.next()? else {
        return Err(lines.refused("a header is missing"));
    };
    if header.format != FORMAT {
        return Err(lines.refused(format!("format {} is not known", header.format)));
    }
    if let Some(expected) = vkey
        && expected.trim() != header.vkey
    {
        let (expected, got) = (expected.trim().to_owned(), header.vkey);
        return Err(CopyError::OtherLog { expected, got });
    }
    let log: Verifier =
        header.vkey.parse().map_err(|error| lines.refused(format!("its key: {error}")))?;
    let (writer, _) = replay::all(&database, &header.vkey).await?;
    let size = writer.tree.size();
    if header.first > size {
        return Err(CopyError::Differs { index: size });
    }
    let entries =
        Importing { database: &database, log, writer, size }.run(&mut lines, header.first).await?;
    let size = database.newest().await?.map_or(0, |(size, _)| size);
    database.close().await;
    Ok(Copied { origin: header.origin, vkey: header.vkey, entries, size })
}

struct Importing<'a> {
    database: &'a Database,
    log: Verifier,
    writer: Writer,
    /// Entries that are in the ledger.
    size: u64,
}

impl Importing<'_> {
    /// Takes all lines, and returns how many entries were new.
    async fn run<R: BufRead>(
        mut self,
        lines: &mut Lines<'_, R>,
        first: u64,
    ) -> Result<u64, CopyError> {
        let (mut at, before) = (first, self.size);
        let mut rows: Vec<EntryRow> = Vec::new();
        let mut notes: Vec<(u64, String)> = Vec::new();
        while let Some(line) = lines.next()? {
            match line {
                Line::Ledger(_) => return Err(lines.refused("a second header")),
                Line::Entry(entry) if entry.index != at => {
                    return Err(lines.refused(format!("entry {at} was to come")));
                }
                Line::Entry(entry) => {
                    at += 1;
                    if entry.index < before {
                        self.same(entry.index, &entry.leaf).await?;
                    } else {
                        rows.push(self.row(entry.leaf)?);
                    }
                }
                Line::Checkpoint(checkpoint) if at > before => {
                    self.checked(&checkpoint.note, lines)?;
                    notes.push((at, checkpoint.note));
                    if rows.len() >= BATCH {
                        self.write(&mut rows, &mut notes).await?;
                    }
                }
                // The ledger has one for as many entries.
                Line::Checkpoint(_) => {}
            }
        }
        if notes.last().map_or(before, |(size, _)| *size) != at.max(before) && !rows.is_empty() {
            return Err(
                lines.refused("the last entries are not covered by a checkpoint: it was cut")
            );
        }
        self.write(&mut rows, &mut notes).await?;
        Ok(self.size - before)
    }

    fn row(&mut self, leaf: String) -> Result<EntryRow, CopyError> {
        let (index, leaf) = (self.writer.tree.size(), leaf.into_bytes());
        let row = EntryRow {
            index,
            leaf_hash: privacy_identity::leaf_hash(&leaf),
            previous_hash: self.writer.last_hash,
            leaf,
        };
        self.writer.replay(&row)?;
        if index == 0 {
            let genesis = self.writer.state.genesis().map(|genesis| genesis.dao_node);
            if genesis != Some(*self.log.key()) {
                return Err(StoreError::Tampered { index, what: "it names another node" }.into());
            }
        }
        Ok(row)
    }

    async fn same(&self, index: u64, leaf: &str) -> Result<(), CopyError> {
        let found = self.database.entries(index, 1).await?;
        let same =
            found.first().is_some_and(|row| row.index == index && row.leaf == leaf.as_bytes());
        if same { Ok(()) } else { Err(CopyError::Differs { index }) }
    }

    fn checked<R>(&self, note: &str, lines: &Lines<'_, R>) -> Result<(), CopyError> {
        let checkpoint = Checkpoint::parse(note).map_err(|error| lines.refused(error))?;
        checkpoint.signed_by(&self.log).map_err(|error| lines.refused(error))?;
        let (head, tree) = (checkpoint.head(), &self.writer.tree);
        if (head.size, head.root) != (tree.size(), tree.root()) {
            return Err(lines.refused("the checkpoint is of other entries"));
        }
        Ok(())
    }

    async fn write(
        &mut self,
        rows: &mut Vec<EntryRow>,
        notes: &mut Vec<(u64, String)>,
    ) -> Result<(), CopyError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut turn = self.database.begin().await.map_err(StoreError::from)?;
        if turn.size().await.map_err(StoreError::from)? != self.size {
            // Somebody else appended to it.
            return Err(CopyError::Differs { index: self.size });
        }
        turn.write_entries(rows).await.map_err(StoreError::from)?;
        for (size, note) in notes.iter() {
            turn.write_checkpoint(*size, note).await.map_err(StoreError::from)?;
            self.size = *size;
        }
        turn.commit().await.map_err(StoreError::from)?;
        rows.clear();
        notes.clear();
        Ok(())
    }
}

struct Lines<'a, R> {
    copy: &'a mut R,
    number: u64,
}

impl<R> Lines<'_, R> {
    fn refused(&self, what: impl ToString) -> CopyError {
        CopyError::Line { line: self.number, what: what.to_string() }
    }
}

impl<R: BufRead> Lines<'_, R> {
    fn next(&mut self) -> Result<Option<Line>, CopyError> {
        let mut bytes = Vec::new();
        self.number += 1;
        let read = self.copy.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') {
            return Err(self.refused("it does not end"));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| self.refused(error))
    }
}
