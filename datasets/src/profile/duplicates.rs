//! Rows that are there more than once, counted at bounded memory.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::Cell;

/// Digests that are kept: rows up to a million different ones are counted exactly. They take 48 MB.
const DIGESTS_MAX: usize = 1 << 20;

/// How many rows are there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicates {
    /// Rows that equal one before them.
    pub rows: u64,
    /// Whether that is an estimate: there are more than a million different rows.
    pub estimated: bool,
}

/// Digests of rows, of which ever fewer are looked at the more different ones there are.
///
/// A row is looked at if the first `level` bits of its digest are zero: all of its copies are, too, so that
/// what is counted among them, times 2^level, is an unbiased estimate. Each level halves what is kept.
#[derive(Default)]
pub(crate) struct RowDigests {
    seen: HashMap<u128, u32>,
    level: u32,
    #[cfg(test)]
    max: Option<usize>,
}

impl RowDigests {
    pub(crate) fn take_cells(&mut self, cells: &[Cell<'_>]) {
        let mut hasher = Sha256::new();
        for cell in cells {
            let word = cell.word();
            // The length first, so that no two rows give the same bytes.
            hasher.update((word.len() as u64).to_be_bytes());
            hasher.update(word.as_bytes());
        }
        self.take(&hasher.finalize().into());
    }

    pub(crate) fn take(&mut self, digest: &[u8; 32]) {
        let digest = u128::from_be_bytes(*digest.first_chunk().expect("32 bytes"));
        if digest.leading_zeros() < self.level {
            return;
        }
        *self.seen.entry(digest).or_default() += 1;
        while self.seen.len() > self.max() {
            self.level += 1;
            let level = self.level;
            self.seen.retain(|digest, _| digest.leading_zeros() >= level);
        }
    }

    pub(crate) fn duplicates(&self) -> Duplicates {
        let repeated: u64 = self.seen.values().map(|count| u64::from(count - 1)).sum();
        Duplicates { rows: repeated << self.level.min(40), estimated: self.level > 0 }
    }

    #[cfg(not(test))]
    const fn max(&self) -> usize {
        DIGESTS_MAX
    }

    #[cfg(test)]
    fn max(&self) -> usize {
        self.max.unwrap_or(DIGESTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(words: impl IntoIterator<Item = String>, max: Option<usize>) -> Duplicates {
        let mut digests = RowDigests { max, ..RowDigests::default() };
        for word in words {
            digests.take_cells(&[Cell::Text(word.into())]);
        }
        digests.duplicates()
    }

    #[test]
    fn few_rows_are_counted_exactly() {
        let words = ["a", "b", "a", "a", "c", "b"].map(str::to_owned);
        assert_eq!(counted(words, None), Duplicates { rows: 3, estimated: false });
    }

    #[test]
    fn cells_that_only_meet_elsewhere_are_no_duplicates() {
        let mut digests = RowDigests::default();
        digests.take_cells(&[Cell::Text("ab".into()), Cell::Text("c".into())]);
        digests.take_cells(&[Cell::Text("a".into()), Cell::Text("bc".into())]);
        assert_eq!(digests.duplicates().rows, 0);
    }

    /// 20 000 different rows, every one twice, with room for 1 000: about 625 to 1 000 are kept, so that the estimate is
    /// within 20 % (over five standard deviations).
    #[test]
    fn many_rows_are_estimated() {
        let words = (0..40_000).map(|row| (row % 20_000).to_string());
        let Duplicates { rows, estimated } = counted(words, Some(1_000));
        assert!(estimated && (16_000..24_000).contains(&rows), "{rows}");
    }
}
