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
//! **Soundness.** Our own CPU engine gives the same bits on every machine, so that a node that measures on it is
//! held to equality: any other probe is found, however small the difference. A node on a graphics adapter
//! cannot be; there the auditor chooses a tolerance, and within it a node can tilt probes unseen. Found after
//! the fact: what a wrong probe read, it has read.
//!
//! **Not found**: a set that was chosen badly, or made up so that its gradient reads what the node wants, before
//! it was committed to; it is then revealed for everybody to see.

use std::{fmt, fs, path::Path};

use aggregator_protocol::{FederationTerms, RoundReceipt};
use aggregator_round::{OpenedGroups, PAST_UPDATES_MAX, SumProducts, check_values};
use aggregator_strategy::{OptimizerState, Positive};
use anyhow::{Context as _, bail, ensure};
use data_dao_journal::{
    Body, BufferSet, Entry, FederationOpened, RoundSettled, RoundsEnded, settlement_of,
};
use datasets::{Schema, Standardiser, read_csv};
use privacy_identity::{Decode, Digest, Encode as _, Signed, Tag, VerifyingKey};
use privacy_secagg::QuantizedProbe;
use serde_json::{Value, json};
use trainer_model::{Architecture, ComputeDevice, Examples, Parameters, model_digest};

use crate::{
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
    /// The largest distance of a probe from the recomputed one, relative to its length. 0: the same bits.
    pub distance_max: f64,
}

impl ValueAudit {
    /// Recomputes every settled round of a log.
    ///
    /// * `leaves` — of a log that was audited.
    /// * `validation` — the revealed table.
    /// * `node` — the DAO node's folder, or a copy.
    /// * `tolerance` — largest distance of probes, relative to their length; 0 for a node that measured on the CPU.
    ///
    /// # Errors
    /// The first difference, with its round.
    pub fn of(
        leaves: &[Vec<u8>],
        validation: &Path,
        node: &Path,
        tolerance: f64,
    ) -> anyhow::Result<Self> {
        ensure!(tolerance >= 0.0, "the tolerance must be 0 or more, got {tolerance}");
        let log = Log::read(leaves)?;
        let terms = read_terms(node, &log)?;
        let evaluator = evaluator(&terms, &log.opened, validation)?;
        let mut replay = Replay::new(&terms, &evaluator, node, &log)?;
        let mut audit = Self { rounds: 0, values: 0, distance_max: 0.0 };
        for settled in &log.settled {
            let distance = replay
                .round(settled, tolerance)
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
            "values": self.values,
            "probe_distance_max": self.distance_max,
        })
    }
}

impl fmt::Display for ValueAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, values, distance_max } = self;
        let how = if *distance_max == 0.0 {
            "bit for bit".to_owned()
        } else {
            format!("to {distance_max:.1e} of their length")
        };
        write!(
            f,
            "values recomputed: the table is the one that was committed to before the first round; the \
             probes of {rounds} rounds follow from it {how}, and {values} values from what the parties answered"
        )
    }
}

/// What the log says of its federation.
struct Log {
    dao_node: VerifyingKey,
    opened: FederationOpened,
    settled: Vec<RoundSettled>,
    ended: Option<RoundsEnded>,
    buffer: Option<BufferSet>,
}

impl Log {
    fn read(leaves: &[Vec<u8>]) -> anyhow::Result<Self> {
        let (mut dao_node, mut opened, mut settled, mut ended) = (None, None, Vec::new(), None);
        let mut buffer = None;
        let mut parts: Vec<Body> = Vec::new();
        for leaf in leaves {
            match Entry::from_leaf(leaf)?.body {
                Body::Genesis(genesis) => dao_node = Some(genesis.dao_node),
                Body::FederationOpened(federation) => {
                    ensure!(opened.is_none(), "the log has several federations: one is supported");
                    opened = Some(federation);
                }
                Body::RoundSettled(round) => settled.push(round),
                // Only parts or an end may stand behind a head.
                Body::RoundAborted(_) => parts.clear(),
                body @ (Body::RoundSettling(_) | Body::SettledPart(_)) => {
                    parts.push(body);
                    if let Some(Body::RoundSettling(head)) = parts.first()
                        && parts.len() == 1 + head.parts.len()
                    {
                        settled.extend(settlement_of(std::mem::take(&mut parts)));
                    }
                }
                Body::RoundsEnded(body) => ended = Some(body),
                Body::BufferSet(body) => buffer = Some(body),
                _ => {}
            }
        }
        let dao_node = dao_node.context("the log founds no DAO")?;
        let opened = opened.context("the log opens no federation")?;
        Ok(Self { dao_node, opened, settled, ended, buffer })
    }
}

fn read_terms(node: &Path, log: &Log) -> anyhow::Result<FederationTerms> {
    let terms: Signed<FederationTerms> = record(&node.join("terms.bin"))?;
    let terms = terms.verify_by(Tag::Terms, &log.dao_node).context("terms.bin")?;
    let (expected, got) = (log.opened.terms_digest, terms.body().id());
    ensure!(expected == got, "the ledger names the terms {expected}, terms.bin holds {got}");
    Ok(terms.body().clone())
}

fn record<T: Decode>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    T::from_bytes(&bytes).with_context(|| format!("understanding {}", path.display()))
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
    terms: &'a FederationTerms,
    evaluator: &'a Evaluator,
    node: &'a Path,
    model: Parameters,
    optimizer: OptimizerState,
    /// The digests of all models so far, the newest last.
    versions: Vec<Digest>,
    /// What each round made public, the newest first.
    past: Vec<Vec<Vec<f32>>>,
    /// Where the terms ask for it.
    stopping: Option<Stopping>,
}

impl<'a> Replay<'a> {
    fn new(
        terms: &'a FederationTerms,
        evaluator: &'a Evaluator,
        node: &'a Path,
        log: &Log,
    ) -> anyhow::Result<Self> {
        let first = log.settled.first().context("the log settles no round")?;
        let path = node.join("models").join(format!("{}.safetensors", first.model_before));
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let model = Parameters::from_safetensors(&evaluator.architecture.layout(), &bytes)
            .with_context(|| format!("understanding {}", path.display()))?;
        let optimizer = OptimizerState::new(terms.optimizer, terms.encoding.dimension())?;
        let stopping = terms.stopping.map(Stopping::new);
        let (got, expected) =
            (log.buffer.as_ref().map(|set| set.stale_max), terms.buffer.map(|rule| rule.stale_max));
        ensure!(
            got == expected,
            "the terms allow rounds of models that are {expected:?} versions old, the ledger {got:?}"
        );
        let (past, versions) = (Vec::new(), vec![first.model_before]);
        Ok(Self { terms, evaluator, node, model, optimizer, versions, past, stopping })
    }

    /// Recomputes the next round; the distance of its probes.
    fn round(&mut self, settled: &RoundSettled, tolerance: f64) -> anyhow::Result<f64> {
        let path = self.node.join("rounds").join(format!("{}.bin", settled.round));
        let record: SettledRecord = record(&path)?;
        let receipt = self.checked(&record, settled)?;
        let order = record.values.probes.unverified_body();
        let sum = record.sum.unverified_body();
        let architecture = &self.evaluator.architecture;
        let rotation = self.terms.encoding.rotation(&self.terms.id(), settled.round);
        let count = receipt.accepted.contributions().len();
        let (start, place) = ((&self.model, &self.optimizer), (settled.round, &rotation));
        let past: Vec<_> = self.past.iter().flatten().cloned().collect();
        // Of a model that was the newest, whatever there is of groups.
        let taken = (count, self.factor(settled, count)?);
        let groups = OpenedGroups::of(self.terms, receipt.grant.unverified_body(), sum)?;
        let measured = match &groups {
            Some(groups) => self.evaluator.measure_groups(start, groups, place, &past)?,
            None => self.evaluator.measure_scaled(start, &sum.sum, taken, place, &past)?,
        };
        let Measured { after, optimizer, mean_update, .. } = &measured;
        let (got, named) = (model_digest(architecture, after), settled.model_after);
        ensure!(got == named, "the sum leads to the model {got}, the ledger names {named}");
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
        if let Some(stopping) = &mut self.stopping {
            stopping.observe(settled.round, &self.evaluator.validate(after)?)?;
        }
        (self.model, self.optimizer) = (after.clone(), optimizer.clone());
        self.versions.push(named);
        let public = &measured.group_means;
        let public = if public.is_empty() { vec![mean_update.clone()] } else { public.clone() };
        self.past.insert(0, public);
        self.past.truncate(PAST_UPDATES_MAX);
        Ok(largest)
    }

    /// What of the mean of a round the model takes: by the age of the model from which its members trained.
    fn factor(&self, settled: &RoundSettled, count: usize) -> anyhow::Result<Positive> {
        let before = settled.model_before;
        let version = self.versions.iter().rposition(|version| *version == before);
        let version = version.with_context(|| format!("its model before is {before}"))?;
        let staleness = u32::try_from(self.versions.len() - 1 - version)?;
        let Some(rule) = self.terms.buffer else {
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

    /// Checks that the record is the one that the ledger names, and that its values follow from the parties'
    /// answers.
    fn checked<'r>(
        &self,
        record: &'r SettledRecord,
        settled: &RoundSettled,
    ) -> anyhow::Result<&'r RoundReceipt> {
        let SettledRecord { receipt: signed, sum, values } = record;
        let got = Digest::of(Tag::RoundReceipt, &signed.to_bytes());
        ensure!(got == settled.receipt, "the ledger names the receipt {}", settled.receipt);
        let coordinator = &self.terms.coordinator().verifying;
        signed.clone().verify_by(Tag::RoundReceipt, coordinator).context("its receipt")?;
        let receipt = signed.unverified_body();
        let got = Digest::of_encoded(Tag::RoundSum, sum.unverified_body());
        ensure!(got == receipt.sum, "the receipt names the sum {}", receipt.sum);
        let order = values.probes.unverified_body();
        let grant = receipt.grant.unverified_body();
        let products = SumProducts::of(self.terms, grant, sum.unverified_body(), order)
            .context("its sums and probes are of other groups than the terms deal")?;
        check_values(self.terms, receipt, values, &products)?;
        let contributions = receipt.accepted.contributions();
        if contributions.len() != settled.participants.len() {
            bail!("the ledger lists another number of contributors than the receipt");
        }
        let each = contributions.iter().zip(&receipt.scalars).zip(&settled.participants);
        for (((member, update), scalars), logged) in each {
            let same = (logged.member, logged.update) == (*member, *update)
                && (logged.value, logged.innovation) == (scalars.value, scalars.innovation)
                && logged.contrast == Some(scalars.contrast);
            ensure!(same, "the ledger says something else of {member} than the receipt");
        }
        Ok(receipt)
    }
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
