//! The owner's data: where they are, how they are read, and what of them is kept from training.

use std::path::PathBuf;

use datasets::{DataSource, Mapping, Schema, Standardiser, Table, TableRead, open};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::Examples;

use crate::AgentError;

/// The largest share of the rows that may be held out, in percent.
pub const HOLD_OUT_PERCENT_MAX: u8 = 50;

/// The owner's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnData {
    /// A CSV, JSON-lines or Parquet table, a folder of pictures in class folders, or IDX files: known by content.
    pub path: PathBuf,
    /// How its columns and words become the federation's.
    pub mapping: Mapping,
    /// Rows on which each model that comes is tried and nothing is trained, so that the owner sees what it is worth here; in
    /// percent, at most [`HOLD_OUT_PERCENT_MAX`]. 0: none.
    pub hold_out_percent: u8,
    /// Which rows these are.
    pub hold_out_seed: u64,
}

impl OwnData {
    /// Data with the federation's own names, all to train on.
    #[must_use]
    pub fn plain(path: PathBuf) -> Self {
        Self { path, mapping: Mapping::default(), hold_out_percent: 0, hold_out_seed: 0 }
    }

    /// Refuses data that cannot be read at all, before anybody is asked anything.
    pub(crate) fn opened(&self) -> Result<DataSource, AgentError> {
        if self.hold_out_percent > HOLD_OUT_PERCENT_MAX {
            return Err(AgentError::HoldOut { got: self.hold_out_percent });
        }
        let path = || self.path.display().to_string();
        open(&self.path)
            .map_err(|source| AgentError::Data { path: path(), source: Box::new(source) })
    }

    /// Reads everything as the terms' schema has it: what is trained on, and what is held out.
    pub(crate) fn read(
        &self,
        schema: &Schema,
        standardiser: &Standardiser,
    ) -> Result<(Examples, Option<Examples>), AgentError> {
        let path = || self.path.display().to_string();
        let read = self.opened()?.table(schema, &self.mapping);
        let TableRead { table, dropped, filled } =
            read.map_err(|source| AgentError::Table { path: path(), source: Box::new(source) })?;
        if dropped + filled > 0 {
            tracing::info!(dropped, filled, "{dropped} rows left out, {filled} values filled in");
        }
        let standard = |table: &Table| {
            Examples::from_table(table, standardiser)
                .map_err(AgentError::unfit("mean and deviation"))
        };
        let (kept, held) = self.split(table.rows());
        if held.is_empty() {
            return Ok((standard(&table)?, None));
        }
        let select =
            |rows: &[usize]| table.select(rows).expect("rows of this very table, at least one");
        Ok((standard(&select(&kept))?, Some(standard(&select(&held))?)))
    }

    /// Rows to train on, at least one, and rows that are held out; each ascending.
    fn split(&self, rows: usize) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..rows).collect();
        order.shuffle(&mut ChaCha20Rng::seed_from_u64(self.hold_out_seed));
        let held = rows * usize::from(self.hold_out_percent) / 100;
        let mut kept = order.split_off(held.min(rows - 1));
        kept.sort_unstable();
        order.sort_unstable();
        (kept, order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_by_share_and_seed_and_none_is_lost() {
        let data = |percent, seed| OwnData {
            hold_out_percent: percent,
            hold_out_seed: seed,
            ..OwnData::plain(PathBuf::new())
        };
        let (kept, held) = data(20, 1).split(50);
        assert_eq!((kept.len(), held.len()), (40, 10));
        let mut all = [kept, held.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert_eq!(data(20, 1).split(50).1, held, "the same seed, the same rows");
        assert_ne!(data(20, 2).split(50).1, held);
        assert!(data(0, 1).split(50).1.is_empty());
        assert_eq!(data(50, 1).split(1), (vec![0], vec![]), "one row is trained on");
    }
}
