//! The co-operative's own rows: what a federation's table has, and the two halves that nobody trains on.

use std::{fmt, path::Path};

use anyhow::{Context as _, bail, ensure};
use datasets::{
    ClassLabels, ColumnType, Mapping, MissingRule, Partitioner, Profile, Schema, Table, open,
    write_csv,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::layout::Layout;

/// Fewest rows: below this the intervals of measured values (eight shards of the validation half, `VALUE_SHARDS`) would rest
/// on one row each.
const ROWS_MIN: usize = 32;
/// Most classes that are taken for classes; a column with more different values is a quantity or a name.
const CLASSES_EXPECTED_MAX: usize = 100;
/// Names that an error lists.
const LISTED_MAX: usize = 8;
/// The same table gives the same halves, so that a folder can be made again.
const HALVES_SEED: u64 = 1;

/// A table, split.
pub(super) struct OwnRows {
    schema: Schema,
    validation: Table,
    test: Table,
    /// Rows left out and values filled for what was missing.
    dropped: u64,
    filled: u64,
}

impl OwnRows {
    /// Reads `path`; all columns but `label` and those of `ignore` are features.
    ///
    /// # Errors
    /// A file that cannot be read, a label that is none, features that are no numbers, too few rows.
    pub(super) fn read(
        path: &Path,
        label: &str,
        ignore: &[String],
        missing: MissingRule,
    ) -> anyhow::Result<Self> {
        let source = open(path)?;
        let profile = source.profile()?;
        let about = || format!("--table {}", path.display());
        let schema = schema(&profile, label, ignore).with_context(about)?;
        let mapping = Mapping { ignore: ignore.to_vec(), missing, ..Mapping::default() };
        let read = source.table(&schema, &mapping)?;
        let rows = read.table.labels().len();
        ensure!(
            rows >= ROWS_MIN,
            "{}: {rows} rows are too few to measure value on, at least {ROWS_MIN} are needed",
            about()
        );
        let labels = ClassLabels::new(read.table.labels(), schema.classes().len())?;
        let halves =
            Partitioner::Iid.split(labels, 2, &mut ChaCha20Rng::seed_from_u64(HALVES_SEED))?;
        let half = |indices: &[u32]| -> anyhow::Result<Table> {
            let indices: Vec<usize> = indices.iter().map(|&index| index as usize).collect();
            Ok(read.table.select(&indices)?)
        };
        let (validation, test) = (half(&halves[0])?, half(&halves[1])?);
        Ok(Self { schema, validation, test, dropped: read.dropped, filled: read.filled })
    }

    /// Writes both halves.
    ///
    /// # Errors
    /// What cannot be written.
    pub(super) fn write(&self, layout: &Layout) -> anyhow::Result<()> {
        for (path, table) in [(layout.validation(), &self.validation), (layout.test(), &self.test)]
        {
            write_csv(&path, table).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn features(&self) -> &[String] {
        self.schema.features()
    }

    pub(super) fn label(&self) -> &str {
        self.schema.label()
    }

    pub(super) fn classes(&self) -> &[String] {
        self.schema.classes()
    }

    pub(super) fn validation_rows(&self) -> usize {
        self.validation.labels().len()
    }

    pub(super) fn test_rows(&self) -> usize {
        self.test.labels().len()
    }
}

impl fmt::Display for OwnRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (features, classes) = (self.features(), self.classes());
        let (label, count) = (self.label(), features.len());
        writeln!(f, "{label}: {} from {count} columns: {}", listed(classes), listed(features))?;
        if self.dropped + self.filled > 0 {
            let (dropped, filled) = (self.dropped, self.filled);
            writeln!(f, "values were missing: {dropped} rows left out, {filled} values filled")?;
        }
        let (validation, test) = (self.validation_rows(), self.test_rows());
        write!(f, "{validation} rows to measure value on, {test} to report accuracy on")
    }
}

/// What the table has: its label's words as classes, in their order as text.
fn schema(profile: &Profile, label: &str, ignore: &[String]) -> anyhow::Result<Schema> {
    let names = || profile.columns.iter().map(|column| &*column.name).collect::<Vec<_>>();
    let Some(column) = profile.column(label) else {
        bail!("--label {label:?}: there is no such column; there are {}", listed(&names()));
    };
    if let Some(absent) = ignore.iter().find(|&name| profile.column(name).is_none()) {
        bail!("--ignore {absent:?}: there is no such column; there are {}", listed(&names()));
    }
    let classes: Vec<String> = column.levels.iter().flat_map(|all| all.keys().cloned()).collect();
    ensure!(
        column.levels.is_some() && classes.len() <= CLASSES_EXPECTED_MAX,
        "--label {label:?} has more than {CLASSES_EXPECTED_MAX} different values: a federation predicts classes, so cut a \
         quantity into ranges first"
    );
    let features = profile.columns.iter();
    let features = features.filter(|other| other.name != label && !ignore.contains(&other.name));
    let (numbers, words): (Vec<_>, Vec<_>) =
        features.partition(|other| other.kind == ColumnType::Number);
    let words: Vec<String> =
        words.iter().map(|other| format!("{} ({})", other.name, other.kind)).collect();
    ensure!(
        words.is_empty(),
        "these columns are no numbers: {}; write them as numbers, or leave them out with --ignore COLUMN",
        listed(&words)
    );
    let features = numbers.iter().map(|column| column.name.clone()).collect();
    Ok(Schema::new(features, label.to_owned(), classes)?)
}

/// The first few, and how many more.
fn listed(names: &[impl AsRef<str>]) -> String {
    let first: Vec<&str> = names.iter().take(LISTED_MAX).map(AsRef::as_ref).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
