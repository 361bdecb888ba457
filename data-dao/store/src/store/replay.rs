//! Recomputing what the database has: at opening, and when another process has appended.

use data_dao_journal::{AuditFailure, Difference, Leaf, State, TreeHead};
use privacy_identity::{Digest, Frontier, MerkleTree, leaf_hash};

use super::append::{Progress, Writer};
use super::{ENTRIES_PAGE_MAX, Inner, signed};
use crate::StoreError;
use crate::checkpoint::{checkpoint_body, checkpoint_head};
use crate::database::{Database, EntryRow};

/// The link of the first entry.
const NO_PREVIOUS: Digest = Digest([0; Digest::LEN]);

impl Default for Writer {
    fn default() -> Self {
        Self {
            state: State::default(),
            tree: Frontier::default(),
            last_hash: NO_PREVIOUS,
            progress: Progress::Known,
        }
    }
}

impl Writer {
    /// Takes the next row, if it is what was written.
    pub(crate) fn replay(&mut self, row: &EntryRow) -> Result<(), StoreError> {
        let index = self.tree.size();
        let tampered = |what| Err(StoreError::Tampered { index, what });
        if row.index != index {
            return tampered("it is missing");
        }
        if row.previous_hash != self.last_hash {
            return tampered("it does not link to the entry before");
        }
        if leaf_hash(&row.leaf) != row.leaf_hash {
            return tampered("its leaf does not have the stored hash");
        }
        let failed = |difference| AuditFailure { index: Some(index), difference };
        let leaf = Leaf::read(row.leaf.clone()).map_err(|e| failed(Difference::Leaf(e)))?;
        let applied = self.state.apply_leaf(&leaf);
        applied.map_err(|refusal| failed(Difference::Entry(Box::new(refusal))))?;
        self.tree.push_hash(&row.leaf_hash);
        self.last_hash = row.leaf_hash;
        Ok(())
    }
}

/// Recomputes everything, and holds each stored hash and checkpoint against it.
pub(crate) async fn all(
    database: &Database,
    vkey: &str,
) -> Result<(Writer, MerkleTree), StoreError> {
    let (mut writer, mut tree) = (Writer::default(), MerkleTree::default());
    let mut heads = Heads::default();
    // What others append meanwhile is for later.
    let newest = database.newest().await?;
    let end = newest.as_ref().map_or(0, |(size, _)| *size);
    if let Some((size, note)) = &newest
        && checkpoint_head(note, vkey)?.size != *size
    {
        let what = "its checkpoint is of another size";
        return Err(StoreError::Tampered { index: size.saturating_sub(1), what });
    }
    loop {
        let from = writer.tree.size();
        let page = database.entries(from, ENTRIES_PAGE_MAX).await?;
        let mut page = page.into_iter().filter(|row| row.index < end).peekable();
        if page.peek().is_none() {
            break;
        }
        for row in page {
            writer.replay(&row)?;
            tree.push_hash(&row.leaf_hash);
            heads.check(database, &writer.tree, row.index).await?;
        }
    }
    let index = writer.tree.size();
    if index < end {
        return Err(StoreError::Tampered { index, what: "signed entries are missing" });
    }
    if let Some(row) = uncovered(database, end).await? {
        let what = "it is not covered by a signed checkpoint";
        return Err(StoreError::Tampered { index: row.index, what });
    }
    Ok((writer, tree))
}

/// An entry beyond every checkpoint: nobody commits one without the other.
async fn uncovered(database: &Database, end: u64) -> Result<Option<EntryRow>, StoreError> {
    let beyond = database.entries(end, 1).await?.pop();
    // Another process may have committed both in between.
    let newest = database.newest().await?.map_or(0, |(size, _)| size);
    Ok(beyond.filter(|row| row.index >= newest))
}

/// The checkpoints in their order, a page at a time.
///
/// Their sizes and roots are held against the entries. Their signatures are not: that of the newest covers every
/// entry, and a million of them would take a minute.
#[derive(Default)]
struct Heads {
    page: std::collections::VecDeque<(u64, String)>,
    read_to: u64,
    ended: bool,
}

impl Heads {
    async fn check(
        &mut self,
        database: &Database,
        tree: &Frontier,
        index: u64,
    ) -> Result<(), StoreError> {
        if self.page.is_empty() && !self.ended {
            let page = database.checkpoints(self.read_to, ENTRIES_PAGE_MAX).await?;
            self.ended = page.is_empty();
            self.read_to = page.last().map_or(self.read_to, |(size, _)| *size);
            self.page = page.into();
        }
        let Some((size, note)) = self.page.pop_front_if(|(size, _)| *size <= tree.size()) else {
            return Ok(());
        };
        let expected = TreeHead { size: tree.size(), root: tree.root() };
        let head = checkpoint_body(&note)?;
        if head.size != size {
            let what = "its checkpoint is of another size";
            return Err(StoreError::Tampered { index, what });
        }
        if head != expected {
            let what = "the signed checkpoint has another root";
            return Err(StoreError::Tampered { index, what });
        }
        Ok(())
    }
}

impl Inner {
    /// Takes over what other processes appended, up to the newest checkpoint that has at most `end` entries.
    pub(super) async fn catch_up(&self, writer: &mut Writer, end: u64) -> Result<(), StoreError> {
        if writer.tree.size() >= end {
            return Ok(());
        }
        let Some((size, note)) = self.database.newest().await? else { return Ok(()) };
        let before = (writer.tree.clone(), writer.last_hash);
        if size <= writer.tree.size() {
            return Ok(());
        }
        let head = checkpoint_head(&note, &self.vkey)?;
        if head.size != size {
            let what = "its checkpoint is of another size";
            return Err(StoreError::Tampered { index: size.saturating_sub(1), what });
        }
        let caught_up = self.replay_to(writer, &head).await;
        match caught_up {
            Ok(rows) => {
                self.publish(writer, &rows, signed(&note)?);
                Ok(())
            }
            Err(error) => {
                self.take_back(writer, before);
                Err(error)
            }
        }
    }

    async fn replay_to(
        &self,
        writer: &mut Writer,
        head: &TreeHead,
    ) -> Result<Vec<EntryRow>, StoreError> {
        let mut rows = Vec::new();
        while writer.tree.size() < head.size {
            let from = writer.tree.size();
            let page = self.database.entries(from, ENTRIES_PAGE_MAX).await?;
            let before = rows.len();
            for row in page.into_iter().filter(|row| row.index < head.size) {
                writer.replay(&row)?;
                rows.push(row);
            }
            if rows.len() == before {
                let what = "signed entries are missing";
                return Err(StoreError::Tampered { index: from, what });
            }
        }
        if writer.tree.root() != head.root {
            let what = "the signed checkpoint has another root";
            return Err(StoreError::Tampered { index: head.size.saturating_sub(1), what });
        }
        Ok(rows)
    }
}
