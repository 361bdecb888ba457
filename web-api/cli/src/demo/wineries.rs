//! The demonstration's data: one table, dealt to wineries of which some misbehave in secret.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use datasets::{
    Deal, DealError, HoldOut, HoldOutError, Schema, Table, TableError, deal, hold_out, read_csv,
    wine, write_csv,
};
use rand::{Rng, seq::SliceRandom as _};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// The data set that is part of the program.
const WINE: &str = "wine";
/// Rows on which contributions are measured, and rows for the reported accuracy.
const HELD_OUT: HoldOut = HoldOut { validation: 300, test: 300 };
/// Fewest rows of a winery while there are enough: below this a table of eleven columns teaches little.
const WINERY_ROWS_MIN: usize = 40;
/// How uneven the deal is: the largest winery's share is up to three times the smallest's.
const SKEW: f64 = 2.0;
/// Honest wineries that come before the first that misbehaves.
const HONEST_MIN: usize = 4;
/// Fewest contributors: the sum over one update would be the update.
const CONTRIBUTORS_MIN: usize = 2;

/// What kind of contributor a winery secretly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Trains on its rows.
    Honest,
    /// Trains as it should, but a broken sensor has turned every label into its opposite.
    InvertedLabels,
    /// Sends noise as long as the largest allowed update.
    Noise,
    /// Sends the last public update instead of its own.
    Replay,
}

impl Kind {
    /// Those that misbehave, in the order in which they join.
    const MISBEHAVING: [Self; 3] = [Self::InvertedLabels, Self::Noise, Self::Replay];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::InvertedLabels => "inverted-labels",
            Self::Noise => "noise",
            Self::Replay => "replay",
        }
    }
}

/// Why the data cannot be dealt.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum WineriesError {
    /// There is no such data set.
    #[error("unknown dataset {got:?}: only {WINE:?} is built in")]
    DatasetUnknown {
        /// The name given.
        got: String,
    },
    /// Nobody, or one alone.
    #[error(
        "{got} contributors are too few: at least {CONTRIBUTORS_MIN} are needed, since the sum over \
         one update is that update"
    )]
    ContributorsTooFew {
        /// How many were asked for.
        got: usize,
    },
    /// Not every contributor would get a row.
    #[error("{rows} rows are too few for {contributors} contributors: choose fewer contributors")]
    ContributorsTooMany {
        /// Rows left to train on.
        rows: usize,
        /// How many were asked for.
        contributors: usize,
    },
    /// The table is too small to set rows aside.
    #[error("the table is too small")]
    HoldOut(#[from] HoldOutError),
    /// The table cannot be dealt.
    #[error("the table cannot be dealt")]
    Deal(#[from] DealError),
    /// Rows cannot be taken out of the table.
    #[error("the table cannot be divided")]
    Table(#[from] TableError),
}

/// Which data, for how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VintagePlan {
    /// The data set: `wine`.
    pub dataset: String,
    /// Where to look for `<dataset>.csv` instead of the built-in table.
    pub data_dir: Option<PathBuf>,
    /// How many wineries.
    pub contributors: usize,
    /// Seed of the split, the deal and the positions of those who misbehave.
    pub seed: u64,
}

impl VintagePlan {
    /// The whole table.
    ///
    /// # Errors
    /// [`WineriesError::DatasetUnknown`], or a file that does not hold the data set's columns.
    pub fn table(&self) -> anyhow::Result<Table> {
        if self.dataset != WINE {
            return Err(WineriesError::DatasetUnknown { got: self.dataset.clone() }.into());
        }
        let built_in = wine::table();
        let Some(dir) = &self.data_dir else { return Ok(built_in) };
        let path = dir.join(format!("{}.csv", self.dataset));
        read_csv(&path, built_in.schema()).with_context(|| format!("reading {}", path.display()))
    }
}

/// A winery's rows and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Harvest {
    /// Its public name: `winery-1`, `winery-2`, …
    pub label: String,
    /// What it secretly is.
    pub kind: Kind,
    /// Its rows, the labels inverted if it is of that kind.
    pub table: Table,
}

/// A table, dealt.
#[derive(Debug, Clone, PartialEq)]
pub struct Dealt {
    /// The DAO's rows on which contributions are measured.
    pub validation: Table,
    /// The DAO's rows for the reported accuracy.
    pub test: Table,
    /// The wineries' rows.
    pub harvests: Vec<Harvest>,
}

impl Dealt {
    /// Sets the DAO's rows aside and deals the rest to `contributors` wineries; the same generator
    /// state gives the same deal.
    ///
    /// From the fifth contributor on, one each has inverted labels, sends noise, replays.
    ///
    /// # Errors
    /// [`WineriesError`] if there are too few or too many contributors for the table.
    pub fn deal(
        table: &Table,
        contributors: usize,
        rng: &mut impl Rng,
    ) -> Result<Self, WineriesError> {
        if contributors < CONTRIBUTORS_MIN {
            return Err(WineriesError::ContributorsTooFew { got: contributors });
        }
        let split = hold_out(table.rows(), HELD_OUT, rng)?;
        let training = table.select(&split.training)?;
        let rows = training.rows();
        if contributors > rows {
            return Err(WineriesError::ContributorsTooMany { rows, contributors });
        }
        // Half of an even share, so that the deal stays uneven among many.
        let minimum_rows = (rows / (2 * contributors)).clamp(1, WINERY_ROWS_MIN);
        let hands =
            deal(&training, &Deal { holders: contributors, minimum_rows, skew: SKEW }, rng)?;
        let harvests = hands.iter().zip(kinds(contributors, rng)).zip(1..);
        let harvests = harvests.map(|((hand, kind), number)| {
            let table = training.select(hand)?;
            let table =
                if kind == Kind::InvertedLabels { table.with_inverted_labels() } else { table };
            Ok(Harvest { label: format!("winery-{number}"), kind, table })
        });
        Ok(Self {
            validation: table.select(&split.validation)?,
            test: table.select(&split.test)?,
            harvests: harvests.collect::<Result<_, WineriesError>>()?,
        })
    }
}

/// What each of `contributors` is.
fn kinds(contributors: usize, rng: &mut impl Rng) -> Vec<Kind> {
    let bad = contributors.saturating_sub(HONEST_MIN).min(Kind::MISBEHAVING.len());
    let honest = std::iter::repeat_n(Kind::Honest, contributors - bad);
    let mut kinds: Vec<Kind> = honest.chain(Kind::MISBEHAVING.into_iter().take(bad)).collect();
    kinds.shuffle(rng);
    kinds
}

/// A winery with its rows on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winery {
    /// Its public name.
    pub label: String,
    /// How many rows it has.
    pub rows: usize,
    /// What it secretly is.
    pub kind: Kind,
    /// Its table.
    pub csv: PathBuf,
}

/// A dealt table on disk, as the processes read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Vintage {
    /// Columns and classes of every table.
    pub schema: Schema,
    /// The DAO's validation table.
    pub validation: PathBuf,
    /// The DAO's test table.
    pub test: PathBuf,
    /// The wineries.
    pub wineries: Vec<Winery>,
}

impl Vintage {
    /// Deals the table of `plan` and writes each part below `dir`.
    ///
    /// # Errors
    /// An unknown data set, an unusable number of contributors, a directory that cannot be written.
    pub fn prepare(plan: &VintagePlan, dir: &Path) -> anyhow::Result<Self> {
        let table = plan.table()?;
        let mut rng = ChaCha20Rng::seed_from_u64(plan.seed);
        let dealt = Dealt::deal(&table, plan.contributors, &mut rng)?;
        let written = |folder: &str, name: &str, table: &Table| {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("creating {}", folder.display()))?;
            let path = folder.join(format!("{name}.csv"));
            write_csv(&path, table).with_context(|| format!("writing {}", path.display()))?;
            anyhow::Ok(path)
        };
        let winery = |harvest: &Harvest| {
            let Harvest { label, kind, table } = harvest;
            let csv = written("wineries", label, table)?;
            Ok(Winery { label: label.clone(), rows: table.rows(), kind: *kind, csv })
        };
        Ok(Self {
            schema: table.schema().clone(),
            validation: written("tables", "validation", &dealt.validation)?,
            test: written("tables", "test", &dealt.test)?,
            wineries: dealt.harvests.iter().map(winery).collect::<anyhow::Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(contributors: usize, seed: u64) -> Result<Dealt, WineriesError> {
        Dealt::deal(&wine::table(), contributors, &mut ChaCha20Rng::seed_from_u64(seed))
    }

    fn bad(dealt: &Dealt) -> Vec<Kind> {
        let bad = dealt.harvests.iter().map(|h| h.kind).filter(|kind| *kind != Kind::Honest);
        let mut bad: Vec<Kind> = bad.collect();
        bad.sort_unstable();
        bad
    }

    fn plan(dataset: &str, data_dir: Option<&Path>) -> VintagePlan {
        let data_dir = data_dir.map(Path::to_owned);
        VintagePlan { dataset: dataset.to_owned(), data_dir, contributors: 8, seed: 1 }
    }

    #[test]
    fn every_row_is_dealt_once_and_unevenly() {
        let dealt = dealt(8, 1).unwrap();
        let rows: Vec<usize> = dealt.harvests.iter().map(|h| h.table.rows()).collect();
        assert_eq!((dealt.validation.rows(), dealt.test.rows()), (300, 300));
        assert_eq!(rows.iter().sum::<usize>(), 999);
        assert!(rows.iter().all(|rows| *rows >= WINERY_ROWS_MIN), "{rows:?}");
        assert!(rows.iter().max() > rows.iter().min(), "{rows:?}");
    }

    #[test]
    fn the_first_four_are_honest_and_then_each_kind_comes_once() {
        let check = |contributors, expected: &[Kind]| {
            assert_eq!(bad(&dealt(contributors, 7).unwrap()), expected, "{contributors}");
        };
        check(2, &[]);
        check(4, &[]);
        check(5, &Kind::MISBEHAVING[..1]);
        check(6, &Kind::MISBEHAVING[..2]);
        check(8, &Kind::MISBEHAVING);
        check(40, &Kind::MISBEHAVING);
    }

    #[test]
    fn the_seed_decides_who_misbehaves() {
        let kinds = |seed| -> Vec<Kind> {
            dealt(8, seed).unwrap().harvests.iter().map(|h| h.kind).collect()
        };
        assert_eq!(kinds(1), kinds(1));
        assert!((2..10).any(|seed| kinds(seed) != kinds(1)));
    }

    #[test]
    fn unusable_numbers_of_contributors_are_refused() {
        for got in [0, 1] {
            let refused = dealt(got, 1).unwrap_err();
            assert_eq!(refused, WineriesError::ContributorsTooFew { got });
        }
        let too_many = WineriesError::ContributorsTooMany { rows: 999, contributors: 1_000 };
        assert_eq!(dealt(1_000, 1).unwrap_err(), too_many);
        assert!(dealt(999, 1).unwrap().harvests.iter().all(|h| h.table.rows() == 1));
    }

    #[test]
    fn an_unknown_dataset_is_refused_in_one_sentence() {
        let refused = plan("beer", None).table().unwrap_err();
        assert_eq!(refused.to_string(), "unknown dataset \"beer\": only \"wine\" is built in");
    }

    #[test]
    fn what_is_written_is_what_was_dealt() {
        let dir = tempfile::tempdir().unwrap();
        let vintage = Vintage::prepare(&plan("wine", None), dir.path()).unwrap();
        let dealt = dealt(8, 1).unwrap();
        let read = |path: &Path| read_csv(path, &vintage.schema).unwrap();
        assert_eq!(read(&vintage.validation), dealt.validation);
        assert_eq!(read(&vintage.test), dealt.test);
        for (winery, harvest) in vintage.wineries.iter().zip(&dealt.harvests) {
            assert_eq!((&winery.label, winery.kind), (&harvest.label, harvest.kind));
            assert_eq!(read(&winery.csv), harvest.table);
        }
        assert!(vintage.wineries[2].csv.ends_with("wineries/winery-3.csv"));
    }

    #[test]
    fn a_table_of_ones_own_is_read_and_a_missing_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan("wine", Some(dir.path()));
        assert!(plan.table().unwrap_err().to_string().contains("wine.csv"));
        let own = wine::table().select(&(0..700).collect::<Vec<_>>()).unwrap();
        write_csv(&dir.path().join("wine.csv"), &own).unwrap();
        assert_eq!(plan.table().unwrap(), own);
    }
}
