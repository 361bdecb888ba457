//! Data and models of the experiments: who has which rows.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use datasets::{
    Alpha, ClassLabels, Dataset, Dirichlet, ImageSet, Loaded, NamedDataset, Partitioner,
    RowSource as _, Shortfall, Standardiser, Table, wine,
};
use rand::seq::SliceRandom as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use serde::{Deserialize, Serialize};
use trainer_model::{Architecture, Examples, Features, MlpShape, TrainingPlan, TrainingSettings};

/// Rows on which contributions are measured.
const VALIDATION_ROWS: usize = 300;
/// Cells of a pooled image, on a side: 28 pixels in cells of 4.
const POOLED: usize = 7;
/// Pixels of an image, on a side.
const SIDE: usize = 28;

/// A data set with a model of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// UCI red wine, MLP 11-32-2: the demonstration's.
    Wine,
    /// Fashion-MNIST in cells of 4 × 4 pixels, MLP 49-16-10: as large as UCI's digits.
    Digits,
    /// Fashion-MNIST, MLP 784-32-10.
    Fashion,
}

/// How rows are dealt: Dirichlet's α, or at random.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Skew(pub(crate) Option<f64>);

impl Task {
    pub(crate) const ALL: [Self; 3] = [Self::Wine, Self::Digits, Self::Fashion];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Wine => "wine",
            Self::Digits => "digits-size",
            Self::Fashion => "Fashion-MNIST",
        }
    }

    const fn hidden(self) -> usize {
        match self {
            Self::Wine | Self::Fashion => 32,
            Self::Digits => 16,
        }
    }

    /// Rows of each contributor, on average; wine has no more than 62 for sixteen.
    const fn rows(self, contributors: usize) -> usize {
        match self {
            Self::Wine => 999 / contributors,
            Self::Digits => 100,
            Self::Fashion => 150,
        }
    }

    fn plan(self) -> anyhow::Result<TrainingPlan> {
        let rate = match self {
            Self::Wine | Self::Fashion => 0.05,
            Self::Digits => 0.1,
        };
        Ok(TrainingPlan::new(TrainingSettings::sgd(2, 16, rate))?)
    }
}

impl Skew {
    pub(crate) const ALL: [Self; 3] = [Self(Some(0.1)), Self(Some(0.5)), Self(None)];

    pub(crate) fn name(self) -> String {
        self.0.map_or_else(|| "∞".to_owned(), |alpha| alpha.to_string())
    }
}

/// What Fashion-MNIST holds.
pub(crate) struct Source {
    images: ImageSet,
}

/// One deal.
pub(crate) struct World {
    pub(crate) architecture: Architecture,
    pub(crate) plan: TrainingPlan,
    /// Rows of each contributor.
    pub(crate) parts: Vec<Rows>,
    pub(crate) validation: Examples,
}

/// Rows in the clear, as attackers on data change them.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) values: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    pub(crate) width: usize,
    pub(crate) classes: u32,
}

impl Rows {
    pub(crate) fn examples(&self) -> anyhow::Result<Examples> {
        let features = Features::new(self.values.clone(), self.width)?;
        Ok(Examples::new(features, &self.labels, self.classes as usize)?)
    }

    /// The rows `range`.
    pub(crate) fn slice(&self, range: std::ops::Range<usize>) -> Self {
        let values = self.values[range.start * self.width..range.end * self.width].to_vec();
        Self { values, labels: self.labels[range].to_vec(), ..*self }
    }

    fn select(&self, rows: &[u32]) -> Self {
        let row = |row: &u32| {
            let start = *row as usize * self.width;
            self.values[start..start + self.width].iter().copied()
        };
        let values = rows.iter().flat_map(row).collect();
        let labels = rows.iter().map(|row| self.labels[*row as usize]).collect();
        Self { values, labels, ..*self }
    }
}

impl Source {
    /// Reads Fashion-MNIST below `dir`.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let Loaded { rows, .. } = NamedDataset::FashionMnist.load(Some(dir))?;
        let Dataset::Images(images) = rows else { bail!("Fashion-MNIST is images") };
        Ok(Self { images })
    }

    /// Deals rows to `contributors`, the same for the same seed.
    pub(crate) fn deal(
        &self,
        task: Task,
        contributors: usize,
        skew: Skew,
        seed: u64,
    ) -> anyhow::Result<World> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let all = self.rows(task, contributors, &mut rng)?;
        let training = all.slice(VALIDATION_ROWS..all.labels.len());
        let labels = ClassLabels::new(&training.labels, training.classes as usize)?;
        let rule = match skew.0 {
            None => Partitioner::Iid,
            Some(alpha) => Partitioner::Dirichlet(Dirichlet {
                minimum_rows: task.rows(contributors) / 8,
                shortfall: Shortfall::TopUp,
                ..Dirichlet::new(Alpha::One(alpha))
            }),
        };
        let parts = rule.split(labels, contributors, &mut rng).context("dealing rows")?;
        let mut shuffled = |mut rows: Vec<u32>| {
            rows.shuffle(&mut rng);
            training.select(&rows)
        };
        Ok(World {
            architecture: Architecture::mlp(MlpShape {
                inputs: all.width,
                hidden: vec![task.hidden()],
                classes: all.classes as usize,
            })?,
            plan: task.plan()?,
            parts: parts.into_iter().map(&mut shuffled).collect(),
            validation: all.slice(0..VALIDATION_ROWS).examples()?,
        })
    }

    /// Validation rows first, then as many as the contributors have.
    fn rows(&self, task: Task, contributors: usize, rng: &mut ChaCha20Rng) -> anyhow::Result<Rows> {
        let count = VALIDATION_ROWS + contributors * task.rows(contributors);
        let drawn = |rows: usize, rng: &mut ChaCha20Rng| -> anyhow::Result<Vec<u32>> {
            ensure!(count <= rows, "{count} rows of {rows}");
            let mut order: Vec<u32> = (0_u32..).take(rows).collect();
            order.shuffle(rng);
            order.truncate(count);
            Ok(order)
        };
        Ok(match task {
            Task::Wine => {
                let table = wine::table();
                let order = drawn(table.rows(), rng)?;
                table_rows(&table, &order)?
            }
            Task::Digits | Task::Fashion => {
                let order = drawn(self.images.labels().len(), rng)?;
                let taken = self.images.take(&order)?;
                let (values, width) = match task {
                    Task::Digits => (pooled(&taken.values), POOLED * POOLED),
                    Task::Wine | Task::Fashion => (taken.values, SIDE * SIDE),
                };
                Rows { values, labels: taken.labels, width, classes: 10 }
            }
        })
    }
}

fn table_rows(table: &Table, order: &[u32]) -> anyhow::Result<Rows> {
    let order: Vec<usize> = order.iter().map(|row| *row as usize).collect();
    let table = table.select(&order)?;
    // Fitted on the DAO's rows, as in the demonstration.
    let validation = table.select(&(0..VALIDATION_ROWS).collect::<Vec<_>>())?;
    let table = Standardiser::fit(&validation).apply(&table)?;
    Ok(Rows {
        values: table.features().to_vec(),
        labels: table.labels().to_vec(),
        width: table.feature_count(),
        classes: 2,
    })
}

/// Means over cells of 4 × 4 pixels.
fn pooled(values: &[f32]) -> Vec<f32> {
    let cell = SIDE / POOLED;
    let image = |image: &[f32]| -> Vec<f32> {
        let mean = |at: usize| {
            let (top, left) = (at / POOLED * cell, at % POOLED * cell);
            let row = |y: usize| image[y * SIDE + left..y * SIDE + left + cell].iter().sum::<f32>();
            (top..top + cell).map(row).sum::<f32>() / 16.0
        };
        (0..POOLED * POOLED).map(mean).collect()
    };
    values.chunks_exact(SIDE * SIDE).flat_map(image).collect()
}
