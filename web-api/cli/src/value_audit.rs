//! Whether a DAO node measured along the probes that follow from its committed validation set.
//!
//! **Threat.** The DAO node alone computes and signs the probes of a round. It could measure on another set than
//! the one it committed to before the first round, and so pay whom it likes; or sign a unit vector instead of a
//! gradient, and so read a coordinate of every update.
//!
//! **Mechanism** (commit and reveal). The ledger names the digest of the table before any update is taken
//! (`FederationOpened::validation_commitment`, over schema and rows in their order). Once the table is revealed, a round is
//! recomputed from what the node keeps of it ([`SettledRecord`]), all of which the logged receipt names by
//! digest: sum → mean → next model; three gradients on the table → the probes; parties' answers → values.
//!
//! Where members voted for other terms, each round is taken under those that the ledger says were in force when it was
//! opened; its receipt has to be of these.
//!
//! **Soundness.** Our own CPU engine gives the same bits on every machine, so that a node that measures on it is
//! held to equality: any other probe is found, however small the difference. A node on a graphics adapter
//! cannot be; there the auditor chooses a tolerance, and within it a node can tilt probes unseen. Found after
//! the fact: what a wrong probe read, it has read.
//!
//! **Not found**: a set that was chosen badly, or made up so that its gradient reads what the node wants, before
//! it was committed to; it is then revealed for everybody to see.

mod log;
mod terms_at_hand;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use aggregator_protocol::{FederationTerms, ProbeOrder, RoundReceipt};
use aggregator_round::{OpenedGroups, PAST_UPDATES_MAX, SumProducts, check_values};
use aggregator_strategy::{OptimizerState, Positive};
use anyhow::{Context as _, bail, ensure};
use data_dao_governance::Keyring;
use data_dao_journal::{FederationOpened, RoundSettled, RoundsEnded};
use datasets::{Schema, Standardiser, read_csv};
use privacy_identity::{Decode, Digest, Encode as _, Tag};
use privacy_secagg::QuantizedProbe;
use serde_json::{Value, json};
use trainer_model::{Architecture, ComputeDevice, Examples, Parameters, model_digest};

use self::{
    log::{Log, Round},
    terms_at_hand::TermsAtHand,
};
use crate::settlement::members_of;
use crate::{
    carried::{optimizer_under, past_under, stopping_under},
    measure::{Evaluator, Measured},
    serve::SettledRecord,
    stopping::Stopping,
};

/// What was recomputed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueAudit {
    /// Settled rounds whose probes and values were recomputed.
    pub rounds: u64,
    /// Values that were recomputed from the parties' answers.
    pub values: u64,
    /// Under how many terms those rounds were run.
    pub terms: u64,
    /// The largest distance of a probe from the recomputed one, relative to its length. 0: the same bits.
    pub distance_max: f64,
}

impl ValueAudit {
    /// Recomputes every settled round of a log, each under the terms that were in force when it was opened.
    ///
    /// * `leaves` — of a log that was audited.
    /// * `validation` — the revealed table.
    /// * `node` — the DAO node's folder, or a copy; `terms` — files with terms that are not in it, or folders of such.
    /// * `tolerance` — largest distance of probes, relative to their length; 0 for a node that measured on the CPU.
    ///
    /// # Errors
    /// The first difference, with its round; terms of rounds that are not at hand, with these rounds.
    pub fn of(
        leaves: &[Vec<u8>],
        validation: &Path,
        (node, terms): (&Path, &[PathBuf]),
        tolerance: f64,
    ) -> anyhow::Result<Self> {
        ensure!(tolerance >= 0.0, "the tolerance must be 0 or more, got {tolerance}");
        let log = Log::read(leaves)?;
        let at_hand = TermsAtHand::read(node, terms, &log.dao_node)?;
        let used = at_hand.of(&log.rounds)?;
        let mut settings = BTreeMap::new();
        for (digest, terms) in used {
            let setting = Setting::new(terms, &log, validation);
            settings.insert(digest, setting.with_context(|| format!("the terms {digest}"))?);
        }
        let settings_of = |round: &Round| settings.get(&round.terms).context("collected above");
        let first = log.rounds.first().context("the log settles no round")?;
        let mut replay = Replay::new(settings_of(first)?, node, &first.settled)?;
        let mut audit = Self { rounds: 0, values: 0, terms: 0, distance_max: 0.0 };
        audit.terms = settings.len() as u64;
        for round in &log.rounds {
            let settled = &round.settled;
            let distance = settings_of(round)
                .and_then(|setting| replay.round(setting, settled, tolerance))
                .with_context(|| format!("round {} differs", settled.round))?;
            audit.rounds += 1;
            audit.values += settled.participants.len() as u64;
            audit.distance_max = audit.distance_max.max(distance);
        }
        replay.check_end(log.ended.as_ref())?;
        Ok(audit)
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "rounds": self.rounds,
            "terms": self.terms,
            "values": self.values,
            "probe_distance_max": self.distance_max,
        })
    }
}

impl fmt::Display for ValueAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, values, terms, distance_max } = self;
        let how = if *distance_max == 0.0 {
            "bit for bit".to_owned()
        } else {
            format!("to {distance_max:.1e} of their length")
        };
        write!(
            f,
            "values recomputed: the table is the one that was committed to before the first round; the \
             probes of {rounds} rounds follow from it {how}, and {values} values from what the parties answered"
        )?;
        if *terms > 1 {
            write!(f, ", each under the terms in force at its opening ({terms} of them)")?;
        }
        Ok(())
    }
}

fn record<T: Decode>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    T::from_bytes(&bytes).with_context(|| format!("understanding {}", path.display()))
}

/// Terms, and the DAO's judge under them.
struct Setting<'a> {
    terms: &'a FederationTerms,
    evaluator: Evaluator,
    /// Receipts name devices, the ledger members.
    keyring: Keyring,
}

impl<'a> Setting<'a> {
    fn new(terms: &'a FederationTerms, log: &Log, validation: &Path) -> anyhow::Result<Self> {
        let (got, expected) =
            (log.buffer.as_ref().map(|set| set.stale_max), terms.buffer.map(|rule| rule.stale_max));
        ensure!(
            got == expected,
            "they allow rounds of models that are {expected:?} versions old, the ledger {got:?}"
        );
        let evaluator = evaluator(terms, &log.opened, validation)?;
        Ok(Self { terms, evaluator, keyring: log.keyring.clone() })
    }
}

/// The DAO's judge, as the revealed table makes it.
fn evaluator(
    terms: &FederationTerms,
    opened: &FederationOpened,
    validation: &Path,
) -> anyhow::Result<Evaluator> {
    let schema = &terms.schema;
    let schema =
        Schema::new(schema.features.clone(), schema.label.clone(), schema.classes.clone())?;
    let table = read_csv(validation, &schema)
        .with_context(|| format!("reading {}", validation.display()))?;
    let (expected, got) = (opened.validation_commitment, table.digest());
    ensure!(
        expected == got,
        "this is not the validation table: the ledger committed to {expected} before the first round, {} is {got}",
        validation.display()
    );
    let standardiser = Standardiser::fit(&table);
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let public = (&terms.schema.mean, &terms.schema.deviation);
    let same = (&wide(standardiser.mean()), &wide(standardiser.deviation())) == public;
    ensure!(same, "mean and deviation of the terms are not those of the validation table");
    let examples = Examples::from_table(&table, &standardiser)?;
    let evaluator = Evaluator {
        device: ComputeDevice::cpu(),
        architecture: Architecture::from_json(&terms.architecture)?,
        test: examples.clone(),
        validation: examples,
        encoding: terms.encoding,
    };
    Ok(evaluator.checked(terms.training.personal.layers())?)
}

/// The rounds so far, recomputed.
struct Replay<'a> {
    node: &'a Path,
    model: Parameters,
    /// As the last round left it.
    optimizer: Option<OptimizerState>,
    /// The digests of all models so far, the newest last.
    versions: Vec<Digest>,
    /// What each round made public, the newest first.
    past: Vec<Vec<Vec<f32>>>,
    /// Where the terms of the last round asked for it.
    stopping: Option<Stopping>,
}

impl<'a> Replay<'a> {
    fn new(setting: &Setting<'_>, node: &'a Path, first: &RoundSettled) -> anyhow::Result<Self> {
        let path = node.join("models").join(format!("{}.safetensors", first.model_before));
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let layout = setting.evaluator.architecture.layout();
        let model = Parameters::from_safetensors(&layout, &bytes)
            .with_context(|| format!("understanding {}", path.display()))?;
        let (past, versions) = (Vec::new(), vec![first.model_before]);
        Ok(Self { node, model, optimizer: None, versions, past, stopping: None })
    }

    /// Recomputes the next round; the distance of its probes.
    fn round(
        &mut self,
        setting: &Setting<'_>,
        settled: &RoundSettled,
        tolerance: f64,
    ) -> anyhow::Result<f64> {
        let Setting { terms, evaluator, keyring } = setting;
        let path = self.node.join("rounds").join(format!("{}.bin", settled.round));
        let record: SettledRecord = record(&path)?;
        let receipt = checked((terms, keyring), &record, settled)?;
        let order = record.values.probes.unverified_body();
        let sum = record.sum.unverified_body();
        let rotation = terms.encoding.rotation(&terms.id(), settled.round);
        let count = receipt.accepted.contributions().len();
        let dimension = terms.encoding.dimension();
        let past = past_under(dimension, self.past.iter().flatten().cloned().collect());
        let optimizer = optimizer_under((terms.optimizer, dimension), self.optimizer.take())?;
        let (start, place) = ((&self.model, &optimizer), (settled.round, &rotation));
        // Of a model that was the newest, whatever there is of groups.
        let taken = (count, self.factor(terms, settled, count)?);
        let groups = OpenedGroups::of(terms, receipt.grant.unverified_body(), sum)?;
        let measured = match &groups {
            Some(groups) => evaluator.measure_groups(start, groups, place, &past)?,
            None => evaluator.measure_scaled(start, &sum.sum, taken, place, &past)?,
        };
        let Measured { after, optimizer, .. } = &measured;
        let (got, named) = (model_digest(&evaluator.architecture, after), settled.model_after);
        ensure!(got == named, "the sum leads to the model {got}, the ledger names {named}");
        let distance = largest_distance(order, &measured, tolerance)?;
        self.stopping = stopping_under(terms.stopping, self.stopping.take());
        if let Some(stopping) = &mut self.stopping {
            stopping.observe(settled.round, &evaluator.validate(after)?)?;
        }
        (self.model, self.optimizer) = (after.clone(), Some(optimizer.clone()));
        self.versions.push(named);
        self.past.insert(0, measured.public());
        self.past.truncate(PAST_UPDATES_MAX);
        Ok(distance)
    }

    /// What of the mean of a round the model takes: by the age of the model from which its members trained.
    fn factor(
        &self,
        terms: &FederationTerms,
        settled: &RoundSettled,
        count: usize,
    ) -> anyhow::Result<Positive> {
        let before = settled.model_before;
        let version = self.versions.iter().rposition(|version| *version == before);
        let version = version.with_context(|| format!("its model before is {before}"))?;
        let staleness = u32::try_from(self.versions.len() - 1 - version)?;
        let Some(rule) = terms.buffer else {
            ensure!(staleness == 0, "its model before is {before}");
            return Ok(Positive::ONE);
        };
        let most = rule.stale_max;
        ensure!(staleness <= most, "its model is {staleness} versions old, at most {most} may be");
        Ok(rule.factor(staleness, count))
    }

    /// Checks that the federation ended when its terms say, and that the best model is the one on offer.
    fn check_end(&self, ended: Option<&RoundsEnded>) -> anyhow::Result<()> {
        let expected = self.stopping.as_ref().filter(|stopping| stopping.is_exhausted());
        let expected = expected.and_then(Stopping::best_round);
        let got = ended.map(|ended| ended.best_round);
        let best = |round: Option<u64>| {
            round.map_or("none".to_owned(), |round| {
                format!("one that ends with round {round} as the best")
            })
        };
        ensure!(
            expected == got,
            "by the validation table early stopping gives {}, the ledger names {}",
            best(expected),
            best(got)
        );
        Ok(())
    }
}

/// How far apart the probes are, at most.
fn largest_distance(
    order: &ProbeOrder,
    measured: &Measured,
    tolerance: f64,
) -> anyhow::Result<f64> {
    let mut recomputed = vec![
        ("value", &order.value, &measured.value_probe),
        ("innovation", &order.innovation, &measured.innovation_probe),
        ("contrast", &order.contrast, &measured.contrast_probe),
    ];
    let same = order.others.len() == measured.other_probes.len();
    ensure!(same, "the node measured another number of groups than there are");
    for (named, other) in order.others.iter().zip(&measured.other_probes) {
        recomputed.push(("a group's value", &named.value, &other.value));
        recomputed.push(("a group's contrast", &named.contrast, &other.contrast));
    }
    let mut largest = 0.0_f64;
    for (name, named, recomputed) in recomputed {
        let distance = distance(named, recomputed);
        largest = largest.max(distance);
        ensure!(
            distance <= tolerance,
            "the node measured {name} along another probe than the committed table gives: they are \
             {distance:.1e} of their length apart, {tolerance:.1e} is allowed"
        );
    }
    Ok(largest)
}

/// Checks that the record is the one that the ledger names, that it is of the terms in force when the round was opened, and
/// that its values follow from the parties' answers.
fn checked<'r>(
    (terms, keyring): (&FederationTerms, &Keyring),
    record: &'r SettledRecord,
    settled: &RoundSettled,
) -> anyhow::Result<&'r RoundReceipt> {
    let SettledRecord { receipt: signed, sum, values } = record;
    let got = Digest::of(Tag::RoundReceipt, &signed.to_bytes());
    ensure!(got == settled.receipt, "the ledger names the receipt {}", settled.receipt);
    let receipt = signed.unverified_body();
    // Threat: a DAO node that goes on under the terms that members have voted out, or under some of its own.
    let (got, in_force) = (receipt.federation, terms.id());
    ensure!(
        got == in_force,
        "it was run under the terms {got}; those in force when it was opened are {in_force}"
    );
    let coordinator = &terms.coordinator().verifying;
    signed.clone().verify_by(Tag::RoundReceipt, coordinator).context("its receipt")?;
    let got = Digest::of_encoded(Tag::RoundSum, sum.unverified_body());
    ensure!(got == receipt.sum, "the receipt names the sum {}", receipt.sum);
    let order = values.probes.unverified_body();
    let grant = receipt.grant.unverified_body();
    let products = SumProducts::of(terms, grant, sum.unverified_body(), order)
        .context("its sums and probes are of other groups than the terms deal")?;
    check_values(terms, receipt, values, &products)?;
    let contributions = members_of(keyring, receipt);
    if contributions.len() != settled.participants.len() {
        bail!("the ledger lists another number of contributors than the receipt");
    }
    for ((member, update, scalars), logged) in contributions.iter().zip(&settled.participants) {
        let same = (logged.member, logged.update) == (*member, *update)
            && (logged.value, logged.innovation) == (scalars.value, scalars.innovation)
            && logged.contrast == Some(scalars.contrast);
        ensure!(same, "the ledger says something else of {member} than the receipt");
    }
    Ok(receipt)
}

/// ‖p − q‖ / ‖q‖, in parameter units; 0 if they are the same integers at the same scale.
fn distance(named: &QuantizedProbe, recomputed: &QuantizedProbe) -> f64 {
    if named == recomputed {
        return 0.0;
    }
    let values = |probe: &QuantizedProbe| {
        let scale = (-f64::from(probe.exponent())).exp2();
        probe.values().iter().map(move |value| f64::from(*value) * scale).collect::<Vec<_>>()
    };
    let (named, recomputed) = (values(named), values(recomputed));
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let apart = square(&mut named.iter().zip(&recomputed).map(|(a, b)| a - b));
    let length = square(&mut recomputed.iter().copied());
    // Not the same, so that at a length of zero they are infinitely far apart.
    (apart / length).sqrt()
}

#[cfg(test)]
mod tests {
    use privacy_dp::ClipNorm;
    use privacy_secagg::EncodingParameters;

    use super::*;

    fn probe(values: &[f64]) -> QuantizedProbe {
        let dimension = u32::try_from(values.len()).unwrap();
        let clip = ClipNorm::new(1.0).unwrap();
        let encoding = EncodingParameters::standard(clip, dimension, 8).unwrap();
        let rotation = encoding.rotation(&Digest([1; 32]), 0);
        QuantizedProbe::quantise(values, &rotation, &encoding).unwrap()
    }

    #[test]
    fn only_the_same_integers_are_at_no_distance() {
        let first = probe(&[0.3, -0.2, 0.1, 0.4]);
        assert_eq!(distance(&first, &first).to_bits(), 0);
        // Another scale of nearly the same direction, and one rounding step.
        let near = distance(&first, &probe(&[0.3001, -0.2, 0.1, 0.4]));
        assert!(near > 0.0 && near < 2e-3, "{near}");
        let far = distance(&first, &probe(&[-0.3, 0.2, -0.1, -0.4]));
        assert!((far - 2.0).abs() < 1e-3, "{far}");
        assert!(distance(&first, &probe(&[0.0; 4])).is_infinite());
    }
}
