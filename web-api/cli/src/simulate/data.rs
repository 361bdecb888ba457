//! The data of a simulation: one set in memory, of which contributors take their rows while they train.

use std::{fs::File, path::Path};

use aggregator_strategy::{Attack, Backdoor, ImageShape};
use anyhow::Context as _;
use datasets::{
    Alpha, ClassLabels, Dataset, Dirichlet, Partitioner, RowSource, Shortfall, TakenRows,
    natural_grouped, partition_from_json,
};
use privacy_identity::{Digest, Tag, Writer};
use rand::{Rng, seq::SliceRandom as _};
use trainer_model::{Examples, Features};

use super::{
    args::{PartitionRule, SealKind, ValueKind},
    images::PixelScale,
    local_test::set_aside,
    plan::Plan,
    population::Kind,
    prepared::{Inputs, Prepared},
    seeds::{Purpose, generator},
};

/// Rows for the reported accuracy of a set that comes without: at most so many, at most a fifth.
const TEST_ROWS: usize = 300;
/// Rows of text that are tested on: there are hundreds of thousands.
const TEST_ROWS_MAX: usize = 2_000;

/// Rows to train on, shared by all contributors, and the DAO's own.
pub(crate) struct SimulationData {
    /// A name for people.
    pub(crate) name: String,
    pub(crate) training: Dataset,
    /// Rows of the training set on which contributions are measured.
    pub(crate) validation: Examples,
    /// Rows that nothing but the reported accuracy sees.
    pub(crate) test: Examples,
    /// The rows of each contributor.
    pub(crate) parts: Vec<Vec<u32>>,
    /// Rows of each contributor that it is tested on.
    pub(crate) local_tests: Vec<Vec<u32>>,
    pub(crate) inputs: Inputs,
    scale: PixelScale,
}

impl SimulationData {
    /// Reads the set, sets the DAO's rows aside and deals the others.
    pub(crate) fn load(plan: &Plan) -> anyhow::Result<Self> {
        let mut prepared = Prepared::load(plan)?;
        let scale = plan.scale;
        anyhow::ensure!(
            scale == PixelScale::PLAIN || matches!(prepared.inputs, Inputs::Image(_)),
            "--normalise is for the pixels of images, the rows of {} are none",
            prepared.name
        );
        let mut rng = generator(plan.seed, Purpose::Data, &[]);
        let rows = prepared.rows.rows();
        let (mut held, test_rows) = match &prepared.by_time {
            Some((training, test)) => {
                let test = Held::draw(test.clone(), &mut rng).take(test.len().min(TEST_ROWS_MAX));
                (Held::draw(training.clone(), &mut rng), test)
            }
            None => {
                let mut held = Held::draw(all(rows), &mut rng);
                let count = if prepared.test.is_some() { 0 } else { TEST_ROWS.min(rows / 5) };
                let test = held.take(count);
                (held, test)
            }
        };
        let measured = plan.seal != SealKind::None
            || plan.value != ValueKind::None
            || plan.local.stopping.is_some();
        // An exact partition of all rows leaves none to measure on: then they come from the test set.
        let from_test = matches!(plan.partition, Some(PartitionRule::File(_)));
        anyhow::ensure!(
            !from_test || prepared.test.is_some(),
            "--partition FILE needs a data set with test rows of its own: those of {} are drawn from the rows \
             that the file deals",
            prepared.name
        );
        let validation_count =
            if measured && !from_test { plan.validation_rows.min(rows / 5).max(1) } else { 0 };
        let validation_rows = held.take(validation_count);
        let rest = held.rest();
        let mut parts = deal(plan, &prepared.rows, &rest, &mut rng)?;
        // Windows of text overlap with their neighbours.
        let overlapping = matches!(prepared.rows, Dataset::Text(_));
        let local_tests = set_aside(&mut parts, plan.local.local_test, (plan.seed, overlapping));
        prepared.standardised(&rest)?;
        let Prepared { name, inputs, rows: training, test: published, .. } = prepared;
        let (test_set, test_rows) = match &published {
            Some(test) => (test, all(test.rows())),
            None => (&training, test_rows),
        };
        let test = examples(test_set, &test_rows, scale)?;
        let validation = if validation_rows.is_empty() {
            let count = plan.validation_rows.clamp(1, test_rows.len());
            examples(test_set, &test_rows[..count], scale)?
        } else {
            examples(&training, &validation_rows, scale)?
        };
        let name = name.name().to_owned();
        Ok(Self { name, training, validation, test, parts, local_tests, inputs, scale })
    }

    /// The rows at `indices`, as somebody of this kind sees them.
    pub(crate) fn examples(&self, indices: &[u32], kind: Kind) -> anyhow::Result<Examples> {
        let mut taken = self.training.take(indices)?;
        if let Kind::Attacks(attack) = kind {
            self.spoil(&mut taken, attack)?;
        }
        made_examples(taken, &self.training, self.scale)
    }

    /// What an attacker on the data makes of its rows.
    fn spoil(&self, taken: &mut TakenRows, attack: Attack) -> anyhow::Result<()> {
        let classes = u32::try_from(self.training.classes())?;
        match attack {
            Attack::LabelFlip { flip } => {
                for label in &mut taken.labels {
                    *label = flip.label(*label, classes)?;
                }
            }
            Attack::Backdoor { target, .. } => {
                let width = self.training.width();
                let rows = taken.values.chunks_exact_mut(width).zip(&mut taken.labels);
                // Every other image: the others keep its model useful, so that it is not noticed.
                for (image, label) in rows.step_by(2) {
                    *label = trigger(target, 1.0).apply(image, self.image_shape()?, classes)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Test images that are not of the target's class, with the trigger: the share that is taken for the
    /// target is how far the attack got.
    pub(crate) fn triggered(&self, test: &Examples, target: u32) -> anyhow::Result<Examples> {
        let classes = u32::try_from(self.training.classes())?;
        let width = self.training.width();
        let trigger = trigger(target, self.scale.scaled(1.0));
        let rows = test.features().values().chunks_exact(width).zip(test.labels());
        let mut taken = TakenRows { values: Vec::new(), labels: Vec::new() };
        for (image, _) in rows.filter(|(_, label)| **label != target as usize) {
            let start = taken.values.len();
            taken.values.extend_from_slice(image);
            let image = &mut taken.values[start..];
            taken.labels.push(trigger.apply(image, self.image_shape()?, classes)?);
        }
        // The test images are on the scale already.
        made_examples(taken, &self.training, PixelScale::PLAIN)
    }

    fn image_shape(&self) -> anyhow::Result<ImageShape> {
        let Inputs::Image([channels, height, width]) = self.inputs else {
            anyhow::bail!("--attack backdoor needs images, the rows of {} are none", self.name);
        };
        Ok(ImageShape { channels, height, width })
    }

    /// The digest of who has which rows, of their labels, and of the rows that are measured and tested on.
    pub(crate) fn digest(&self) -> Digest {
        let mut writer = Writer::default();
        for part in self.parts.iter().chain(&self.local_tests) {
            writer.u64(part.len() as u64);
            part.iter().for_each(|row| writer.u32(*row));
        }
        self.training.labels().iter().for_each(|label| writer.u32(*label));
        writer.array(&self.validation_commitment().0);
        writer.array(&commitment(&self.test).0);
        Digest::of(Tag::Dataset, &writer.into_bytes())
    }

    /// The digest of the examples on which contributions are measured.
    pub(crate) fn validation_commitment(&self) -> Digest {
        commitment(&self.validation)
    }
}

fn commitment(examples: &Examples) -> Digest {
    let values = examples.features().values().iter().flat_map(|value| value.to_le_bytes());
    let labels = examples.labels().iter().flat_map(|label| (*label as u64).to_le_bytes());
    Digest::of(Tag::Dataset, &values.chain(labels).collect::<Vec<u8>>())
}

/// Rows in random order, of which some are set aside.
struct Held(Vec<u32>);

impl Held {
    fn draw(mut rows: Vec<u32>, rng: &mut impl Rng) -> Self {
        rows.shuffle(rng);
        Self(rows)
    }

    fn take(&mut self, count: usize) -> Vec<u32> {
        let mut taken = self.0.split_off(self.0.len().saturating_sub(count));
        taken.sort_unstable();
        taken
    }

    fn rest(mut self) -> Vec<u32> {
        self.0.sort_unstable();
        self.0
    }
}

fn all(rows: usize) -> Vec<u32> {
    (0_u32..).take(rows).collect()
}

/// Deals the rows `rest` of a set.
fn deal(
    plan: &Plan,
    rows: &Dataset,
    rest: &[u32],
    rng: &mut impl Rng,
) -> anyhow::Result<Vec<Vec<u32>>> {
    let rule = match &plan.partition {
        Some(PartitionRule::File(path)) => return from_file(path, rows.rows(), plan.clients),
        Some(PartitionRule::Rule(rule)) => rule.clone(),
        Some(PartitionRule::Natural) => {
            let Dataset::Text(text) = rows else {
                anyhow::bail!(
                    "--partition natural: nobody is named in the rows of {}",
                    plan.dataset
                );
            };
            let ids = text.role_ids();
            let ids: Vec<u32> = rest.iter().map(|row| ids[*row as usize]).collect();
            return Ok(in_set(natural_grouped(&ids, plan.clients, rng)?, rest));
        }
        Some(PartitionRule::Column(column)) => {
            let ids = column_ids(rows, column, rest)?;
            return Ok(in_set(natural_grouped(&ids, plan.clients, rng)?, rest));
        }
        None if plan.alpha.is_infinite() => Partitioner::Iid,
        None => Partitioner::Dirichlet(dirichlet(plan.alpha, rest.len(), plan.clients)),
    };
    let labels: Vec<u32> =
        rest.iter().filter_map(|row| rows.labels().get(*row as usize).copied()).collect();
    let labels = ClassLabels::new(&labels, rows.classes())?;
    let parts = rule.split(labels, plan.clients, rng).context("--alpha, --partition, --clients")?;
    Ok(in_set(parts, rest))
}

/// The value of `column` in each of the rows `rest`, numbered: of a column of that name, or of those that its levels became.
fn column_ids(rows: &Dataset, column: &str, rest: &[u32]) -> anyhow::Result<Vec<u32>> {
    let Dataset::Table(table) = rows else {
        anyhow::bail!("--partition natural:{column}: the rows have no such columns");
    };
    let levels = format!("{column}=");
    let names = table.schema().features().iter().enumerate();
    let columns: Vec<usize> = names
        .filter(|(_, name)| *name == column || name.starts_with(&levels))
        .map(|(at, _)| at)
        .collect();
    anyhow::ensure!(
        !columns.is_empty(),
        "--partition natural:{column}: there is no such column among {}",
        table.schema().features().join(", ")
    );
    let mut known = std::collections::BTreeMap::new();
    let taken = table.take(rest)?;
    let ids = taken.values.chunks_exact(table.width()).map(|row| {
        let key: Vec<u32> = columns.iter().map(|at| row[*at].to_bits()).collect();
        let next = u32::try_from(known.len()).expect("no more values than rows");
        *known.entry(key).or_insert(next)
    });
    Ok(ids.collect())
}

/// Parts of the rows `rest` as parts of the whole set.
fn in_set(parts: Vec<Vec<u32>>, rest: &[u32]) -> Vec<Vec<u32>> {
    let in_set = |part: Vec<u32>| part.into_iter().map(|at| rest[at as usize]).collect();
    parts.into_iter().map(in_set).collect()
}

/// As NIID-Bench deals, but that parts may be small and are topped up where there are many.
fn dirichlet(alpha: f64, rows: usize, parts: usize) -> Dirichlet {
    let rule = Dirichlet::new(Alpha::One(alpha));
    let even = rows / parts.max(1);
    let minimum_rows = rule.minimum_rows.min(even / 4).max(1);
    let shortfall = if parts > 50 { Shortfall::TopUp } else { rule.shortfall };
    Dirichlet { minimum_rows, shortfall, ..rule }
}

fn from_file(path: &Path, rows: usize, clients: usize) -> anyhow::Result<Vec<Vec<u32>>> {
    let file = File::open(path).with_context(|| format!("--partition {}", path.display()))?;
    let parts = partition_from_json(file, rows)
        .with_context(|| format!("--partition {}", path.display()))?;
    anyhow::ensure!(
        parts.len() == clients,
        "--partition {} has {} parts, --clients is {clients}",
        path.display(),
        parts.len()
    );
    Ok(parts)
}

/// The rows at `indices` of a set.
fn examples(
    source: &impl RowSource,
    indices: &[u32],
    scale: PixelScale,
) -> anyhow::Result<Examples> {
    made_examples(source.take(indices)?, source, scale)
}

/// Four pixels of full brightness (Gu, Dolan-Gavitt & Garg 2017, "BadNets", §4).
///
/// * `brightest` — on the scale of the image.
const fn trigger(target: u32, brightest: f32) -> Backdoor {
    Backdoor { side: 2, value: brightest, target }
}

fn made_examples(
    mut taken: TakenRows,
    source: &impl RowSource,
    scale: PixelScale,
) -> anyhow::Result<Examples> {
    scale.apply(&mut taken.values);
    let features = Features::new(taken.values, source.width())?;
    Ok(Examples::new(features, &taken.labels, source.classes())?)
}
