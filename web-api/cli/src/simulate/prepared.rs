//! A data set in the form in which the plan's model takes it.

use anyhow::{Context as _, ensure};
use datasets::{
    CategoricalTable, ColumnKind, Dataset, Loaded, NamedDataset, RowSource as _, Schema,
    Standardiser, Table,
};

use super::{args::ModelKind, plan::Plan};

/// Share of each role's text that is tested on.
const TEXT_TEST_SHARE: f64 = 0.2;

/// What the values of a row are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Inputs {
    /// Numbers on one scale.
    Numbers,
    /// Pixels: channels, height, width.
    Image([usize; 3]),
    /// Numbers, then indices of levels: how many numbers, and the levels of each category.
    Mixed { numeric: usize, levels: Vec<usize> },
    /// Indices of characters.
    Text { vocabulary: usize, context: usize },
}

/// A set and how it may be split.
pub(crate) struct Prepared {
    pub(crate) name: NamedDataset,
    pub(crate) inputs: Inputs,
    pub(crate) rows: Dataset,
    /// The publisher's test set.
    pub(crate) test: Option<Dataset>,
    /// Rows to train and to test on, where chance must not decide: windows of text overlap.
    pub(crate) by_time: Option<(Vec<u32>, Vec<u32>)>,
}

impl Prepared {
    /// Reads the set that the plan names.
    pub(crate) fn load(plan: &Plan) -> anyhow::Result<Self> {
        let name: NamedDataset = plan.dataset.parse().context("--dataset")?;
        let Loaded { rows, test } =
            name.load(plan.data_dir.as_deref()).context("--dataset, --data-dir")?;
        let mut by_time = None;
        let (inputs, rows) = match rows {
            Dataset::Images(images) => {
                let shape = images.shape();
                let shape = [shape.channels().count(), shape.height(), shape.width()];
                (Inputs::Image(shape), Dataset::Images(images))
            }
            Dataset::Text(text) => {
                ensure!(
                    plan.model == ModelKind::CharGru,
                    "the rows of {name} are text: use --model char-gru"
                );
                by_time = Some(text.split_by_time(TEXT_TEST_SHARE));
                let (vocabulary, context) = (text.vocabulary().len(), text.width());
                (Inputs::Text { vocabulary, context }, Dataset::Text(text))
            }
            Dataset::Categorical(table) if plan.model == ModelKind::Table => numbers_first(&table)?,
            Dataset::Categorical(table) => (Inputs::Numbers, Dataset::Table(table.one_hot()?)),
            other => (Inputs::Numbers, other),
        };
        Ok(Self { name, inputs, rows, test, by_time })
    }

    /// Brings numbers to one scale, fitted on the rows to train on. Images are on one already, and indices stay
    /// what they are.
    pub(crate) fn standardised(&mut self, training: &[u32]) -> anyhow::Result<()> {
        let Dataset::Table(table) = &self.rows else { return Ok(()) };
        let training: Vec<usize> = training.iter().map(|row| *row as usize).collect();
        let fitted = Standardiser::fit(&table.select(&training)?);
        let numeric = match &self.inputs {
            Inputs::Mixed { numeric, .. } => *numeric,
            _ => table.feature_count(),
        };
        let (mut mean, mut deviation) = (fitted.mean().to_vec(), fitted.deviation().to_vec());
        mean[numeric..].fill(0.0);
        deviation[numeric..].fill(1.0);
        self.rows = Dataset::Table(Standardiser::new(mean, deviation)?.apply(table)?);
        Ok(())
    }
}

/// The table with its numbers before its categories, as a model with embeddings takes it.
fn numbers_first(table: &CategoricalTable) -> anyhow::Result<(Inputs, Dataset)> {
    let is_number = |column: &usize| table.kinds()[*column] == ColumnKind::Number;
    let (numbers, categories): (Vec<usize>, Vec<usize>) =
        (0..table.kinds().len()).partition(is_number);
    let order = || numbers.iter().chain(&categories);
    let schema = table.table().schema();
    let names = order().map(|column| schema.features()[*column].clone()).collect();
    let schema = Schema::new(names, schema.label().to_owned(), schema.classes().to_vec())?;
    let values = table.table().iter().flat_map(|(row, _)| order().map(|column| row[*column]));
    let levels = categories.iter().map(|column| match &table.kinds()[*column] {
        ColumnKind::Category { levels } => levels.len(),
        ColumnKind::Number => 0,
    });
    let inputs = Inputs::Mixed { numeric: numbers.len(), levels: levels.collect() };
    let table = Table::new(schema, values.collect(), table.table().labels().to_vec())?;
    Ok((inputs, Dataset::Table(table)))
}
