//! What a federation agrees on before anybody trains.

use aggregator_strategy::{BufferRule, CohortRule, EarlyStopping, GroupRule, ServerOptimizer};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, SealingPublicKey, Tag, VerifyingKey, Writer,
    list_from_reader, list_to_writer,
};
use privacy_secagg::{AGGREGATORS_MAX, AggregatorKeys, EncodingParameters, Tagging};
use thiserror::Error;

use crate::{
    CohortTerms, CustodyTerms, DriftTerms, MESSAGE_BYTES_MAX, NoiseTerms, SealingTerms,
    TrainingTerms,
};

/// Longest name of a federation, column or class, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest stated purpose, in bytes.
const PURPOSE_BYTES_MAX: usize = 1024;
/// Longest description of an architecture, in bytes.
const ARCHITECTURE_BYTES_MAX: usize = 64 << 10;
/// Most columns of a table.
const FEATURES_MAX: usize = 100_000;
/// Most classes of a label.
const CLASSES_MAX: usize = 100_000;
/// Most members of a cohort, as `privacy-cohort` bounds it.
const COHORT_MEMBERS_MAX: usize = 1024;
/// Most bytes of a coordinate in a party's part of a sum: an element of the field of verified MPC mode.
const COORDINATE_BYTES_MAX: usize = 8;
/// What goes with sums in one message: signatures, commitments and texts, and of each contributor key, digest and ticket. As
/// `aggregator-round` reckons the links of a federation, so that what terms allow fits them.
const BESIDE_SUMS_BYTES: usize = 1 << 20;
const BESIDE_SUMS_CONTRIBUTOR_BYTES: usize = 1 << 10;
/// Most rounds of a federation.
const ROUNDS_MAX: u32 = 1_000_000;

/// Why terms were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// A field outside its range.
    #[error("{field}: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, with both sides.
        reason: String,
    },
}

/// The columns that a contributor's table must have, and how they are brought to one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaTerms {
    /// Names of the numeric columns, in the model's order.
    pub features: Vec<String>,
    /// Name of the label's column.
    pub label: String,
    /// Names of the classes, in the model's order.
    pub classes: Vec<String>,
    /// Public mean of each feature (of the DAO's own validation set, never of contributors' data).
    pub mean: Vec<f64>,
    /// Public standard deviation of each feature, > 0.
    pub deviation: Vec<f64>,
}

/// The terms of a federation. Their digest is the federation's id; the DAO node signs and logs them,
/// and each device pins the digest that its owner agreed to.
#[derive(Debug, Clone, PartialEq)]
pub struct FederationTerms {
    /// A name for people.
    pub name: String,
    /// What the model may be used for, in words.
    pub purpose: String,
    /// Digest of the DAO's genesis entry.
    pub dao: Digest,
    /// The DAO node's key: it grants rounds, names probes and settles.
    pub dao_node: VerifyingKey,
    /// The aggregators; the first is the coordinator. In FHE mode it is the only one.
    pub aggregators: Vec<AggregatorKeys>,
    /// How updates are sealed.
    pub sealing: SealingTerms,
    /// Whether the members are a cohort with keys of its own.
    pub cohort: CohortTerms,
    /// Fixed point, ring and bounds of updates.
    pub encoding: EncodingParameters,
    /// The noise that contributors add.
    pub noise: NoiseTerms,
    /// How contributors train.
    pub training: TrainingTerms,
    /// How the mean of their updates changes the model.
    pub optimizer: ServerOptimizer,
    /// The model's architecture, as `trainer-model` describes it (JSON).
    pub architecture: String,
    /// The columns.
    pub schema: SchemaTerms,
    /// How many rounds are run at most.
    pub rounds: u32,
    /// When no more are run, as the model no longer gets better on the DAO's validation set; none: never. Nothing is
    /// measured in it yet.
    pub stopping: Option<EarlyStopping>,
    /// How a round's cohort is chosen.
    pub sampling: CohortRule,
    /// Whether contributors train at their own pace and rounds are of those who are done; none: a round is of everybody
    /// at the same time.
    pub buffer: Option<BufferRule>,
    /// Whether a round's contributors are dealt into groups, each with a sum of its own, and a robust rule makes one step of the
    /// groups' means; none: there is one sum, and its mean is the step. Not with a buffer.
    pub groups: Option<GroupRule>,
    /// Fewest contributions over which a sum is opened; of each group, where there are groups.
    pub minimum_cohort: u32,
    /// How long a round waits for contributions, in milliseconds.
    pub round_deadline_ms: u64,
    /// How long a party may take for one step over one batch of updates (8 MiB of parts, or 16 proofs) before the round is
    /// aborted, in milliseconds.
    pub step_deadline_ms: u64,
}

impl FederationTerms {
    /// The federation's id.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of_encoded(Tag::Terms, self)
    }

    /// How many sums a round has: one, or one for each group.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.map_or(1, |rule| rule.groups())
    }

    /// Fewest contributions with which a round goes on: the minimum cohort, in each group.
    #[must_use]
    pub fn contributions_min(&self) -> usize {
        (self.minimum_cohort as usize).saturating_mul(self.group_count())
    }

    /// The coordinator's keys.
    ///
    /// # Panics
    /// If the terms were not checked: checked terms have an aggregator.
    #[must_use]
    pub fn coordinator(&self) -> &AggregatorKeys {
        self.aggregators.first().expect("checked terms have aggregators")
    }

    /// Whose key opens what admits a member: the DAO node's.
    ///
    /// A federation without a cohort says no key of the DAO node. There the coordinator has the models in the clear anyway, and
    /// nobody founds one but for tests and simulations: what is sealed to it admits nobody.
    #[must_use]
    pub fn admission_sealing(&self) -> SealingPublicKey {
        match self.cohort {
            CohortTerms::Mls { dao_sealing } => dao_sealing,
            CohortTerms::Absent => self.coordinator().sealing,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`TermsError`] with the first field that is out of range.
    pub fn checked(self) -> Result<Self, TermsError> {
        let aggregators = self.aggregators.len();
        let distinct: std::collections::BTreeSet<_> =
            self.aggregators.iter().map(|keys| keys.verifying).collect();
        let cohort = self.minimum_cohort as usize;
        check("name", !self.name.is_empty(), || "must not be empty".to_owned())?;
        let (least, most) = match self.sealing {
            SealingTerms::Mpc | SealingTerms::MpcVerified => (2, AGGREGATORS_MAX),
            SealingTerms::Fhe(_) => (1, 1),
        };
        check("aggregators", (least..=most).contains(&aggregators), || {
            let mode = self.sealing.name();
            format!("{least}..={most} are needed in mode {mode}, got {aggregators}")
        })?;
        let custodians = self.sealing.custody().map_or(0, CustodyTerms::custodians);
        check("custodians", custodians <= cohort, || {
            format!("{custodians} are drawn from a cohort that may be as small as {cohort}")
        })?;
        // In FHE mode whoever has the ciphertexts adds them again; no tags are needed.
        let tagged = self.encoding.options().tagging == Tagging::Linear;
        let expected = self.cohort.is_present() && self.sealing.custody().is_none();
        check("tagging", tagged == expected, || {
            let (mode, is) = (self.sealing.name(), if expected { "needed" } else { "impossible" });
            format!("tags are {is} in mode {mode} with this cohort")
        })?;
        let (members, most) = (self.encoding.contributors_max(), COHORT_MEMBERS_MAX);
        check("cohort", !self.cohort.is_present() || members <= most, || {
            format!("has at most {most} members, these terms allow {members}")
        })?;
        check("aggregators", distinct.len() == aggregators, || {
            "one key is listed twice: it could read every update".to_owned()
        })?;
        check("minimum_cohort", (2..=self.encoding.contributors_max()).contains(&cohort), || {
            let max = self.encoding.contributors_max();
            format!("must be 2..={max}, got {cohort}: the sum over one contributor is its update")
        })?;
        self.check_sampling()?;
        self.check_buffer()?;
        self.check_groups()?;
        self.noise.check(&self.encoding, self.minimum_cohort)?;
        check("rounds", (1..=ROUNDS_MAX).contains(&self.rounds), || {
            format!("must be 1..={ROUNDS_MAX}, got {}", self.rounds)
        })?;
        check("stopping", self.stopping.is_none_or(|stopping| stopping.is_fresh()), || {
            "something was measured in it before the first round".to_owned()
        })?;
        check("round_deadline_ms", self.round_deadline_ms > 0, || "must be positive".to_owned())?;
        check("step_deadline_ms", self.step_deadline_ms > 0, || "must be positive".to_owned())?;
        self.training.check(self.rounds)?;
        let scaffold = self.training.drift == DriftTerms::Scaffold;
        check("drift", !scaffold || !self.noise.is_present(), || {
            "noise on updates would add up in control variates: leave out one of them".to_owned()
        })?;
        check("drift", !scaffold || self.encoding.options().weight_max == 1, || {
            "control variates are means over contributors that weigh the same".to_owned()
        })?;
        self.schema.check()?;
        Ok(self)
    }
}

impl FederationTerms {
    /// A buffer holds at least what may be opened, and nothing that is bound to one round at a time goes with it.
    fn check_buffer(&self) -> Result<(), TermsError> {
        let Some(rule) = self.buffer else { return Ok(()) };
        let (minimum, most) = (self.minimum_cohort as usize, self.encoding.contributors_max());
        check("buffer", (minimum..=most).contains(&(rule.buffer as usize)), || {
            format!("{rule} must hold {minimum} (the minimum cohort) to {most}")
        })?;
        check("buffer", self.sampling == CohortRule::Everybody, || {
            format!("who takes part is who is done, not who is drawn: leave out {}", self.sampling)
        })?;
        check("buffer", self.training.drift == DriftTerms::Absent, || {
            "control variates are of one model for all: leave out one of them".to_owned()
        })
    }

    /// Each group is of the minimum cohort, and nothing that is of one sum goes with several.
    fn check_groups(&self) -> Result<(), TermsError> {
        let Some(rule) = self.groups else { return Ok(()) };
        let (least, most) = (self.contributions_min(), self.encoding.contributors_max());
        check("groups", self.buffer.is_none(), || {
            format!(
                "{rule} are of one round of all, a buffer has rounds of those who are done: leave out one of them"
            )
        })?;
        // A custodian answers one set per round, and what hides a set's errors is drawn for that one.
        check("groups", self.sealing.custody().is_none(), || {
            format!(
                "{rule} cannot be opened in mode {}: custodians open one sum per round",
                self.sealing.name()
            )
        })?;
        check("groups", least <= most, || {
            format!(
                "{rule} of at least {} are {least}, the encoding holds {most}",
                self.minimum_cohort
            )
        })?;
        let sums = COORDINATE_BYTES_MAX * self.encoding.vector_len() * rule.groups();
        let beside = BESIDE_SUMS_BYTES + BESIDE_SUMS_CONTRIBUTOR_BYTES * most;
        check("groups", sums + beside <= MESSAGE_BYTES_MAX, || {
            format!(
                "the sums of {} groups take {sums} bytes and {beside} beside, a message {MESSAGE_BYTES_MAX}",
                rule.groups()
            )
        })?;
        check("groups", self.training.drift == DriftTerms::Absent, || {
            "control variates follow the mean of all, not a robust step: leave out one of them"
                .to_owned()
        })
    }

    /// A round that takes as many updates as its rule wants can be opened, and its ring holds all who are invited.
    fn check_sampling(&self) -> Result<(), TermsError> {
        let (minimum, most) = (self.contributions_min(), self.encoding.contributors_max());
        let enough = self.sampling.enough();
        check("sampling", enough.is_none_or(|enough| enough >= minimum), || {
            let all = if self.groups.is_some() { " in all groups" } else { "" };
            format!("{} wants fewer than the minimum cohort of {minimum}{all}", self.sampling)
        })?;
        let invited = self.sampling.invited_max();
        check("sampling", invited.is_none_or(|invited| invited <= most as u64), || {
            format!("{} invites more than the {most} that the encoding holds", self.sampling)
        })
    }
}

impl SchemaTerms {
    fn check(&self) -> Result<(), TermsError> {
        let features = self.features.len();
        check("features", (1..=FEATURES_MAX).contains(&features), || {
            format!("1..={FEATURES_MAX} columns, got {features}")
        })?;
        check("classes", (2..=CLASSES_MAX).contains(&self.classes.len()), || {
            format!("2..={CLASSES_MAX} classes, got {}", self.classes.len())
        })?;
        check("mean", self.mean.len() == features, || {
            format!("{} means for {features} features", self.mean.len())
        })?;
        let positive = self.deviation.iter().all(|&d| d.is_finite() && d > 0.0);
        check("deviation", self.deviation.len() == features && positive, || {
            format!("{features} positive deviations are needed")
        })
    }
}

pub(crate) fn check(
    field: &'static str,
    holds: bool,
    reason: impl FnOnce() -> String,
) -> Result<(), TermsError> {
    if holds { Ok(()) } else { Err(TermsError::Field { field, reason: reason() }) }
}

fn texts_to_writer(texts: &[String], writer: &mut Writer) {
    writer.u32(u32::try_from(texts.len()).expect("bounded by FEATURES_MAX"));
    for text in texts {
        writer.text(text);
    }
}

fn texts_from_reader(
    reader: &mut Reader<'_>,
    field: &'static str,
    bound: usize,
) -> Result<Vec<String>, DecodeError> {
    let length = reader.length(field, bound)?;
    (0..length).map(|_| reader.text(field, NAME_BYTES_MAX)).collect()
}

fn numbers_to_writer(numbers: &[f64], writer: &mut Writer) {
    writer.u32(u32::try_from(numbers.len()).expect("bounded by FEATURES_MAX"));
    for number in numbers {
        writer.f64(*number);
    }
}

fn numbers_from_reader(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Vec<f64>, DecodeError> {
    let length = reader.length(field, FEATURES_MAX)?;
    (0..length).map(|_| reader.f64(field)).collect()
}

impl Encode for SchemaTerms {
    fn encode(&self, writer: &mut Writer) {
        texts_to_writer(&self.features, writer);
        writer.text(&self.label);
        texts_to_writer(&self.classes, writer);
        numbers_to_writer(&self.mean, writer);
        numbers_to_writer(&self.deviation, writer);
    }
}

impl Decode for SchemaTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            features: texts_from_reader(reader, "features", FEATURES_MAX)?,
            label: reader.text("label", NAME_BYTES_MAX)?,
            classes: texts_from_reader(reader, "classes", CLASSES_MAX)?,
            mean: numbers_from_reader(reader, "mean")?,
            deviation: numbers_from_reader(reader, "deviation")?,
        })
    }
}

impl Encode for FederationTerms {
    fn encode(&self, writer: &mut Writer) {
        writer.text(&self.name);
        writer.text(&self.purpose);
        self.dao.encode(writer);
        self.dao_node.encode(writer);
        list_to_writer(&self.aggregators, writer);
        self.sealing.encode(writer);
        self.cohort.encode(writer);
        self.encoding.encode(writer);
        self.noise.encode(writer);
        self.training.encode(writer);
        self.optimizer.encode(writer);
        writer.text(&self.architecture);
        self.schema.encode(writer);
        writer.u32(self.rounds);
        writer.u8(u8::from(self.stopping.is_some()));
        if let Some(stopping) = &self.stopping {
            stopping.encode(writer);
        }
        self.sampling.encode(writer);
        // One or none of them: terms without groups are written as before there were any.
        match (&self.buffer, &self.groups) {
            (None, None) => writer.u8(0),
            (Some(buffer), _) => {
                writer.u8(1);
                buffer.encode(writer);
            }
            (None, Some(groups)) => {
                writer.u8(2);
                groups.encode(writer);
            }
        }
        writer.u32(self.minimum_cohort);
        writer.u64(self.round_deadline_ms);
        writer.u64(self.step_deadline_ms);
    }
}

impl Decode for FederationTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut terms = Self {
            name: reader.text("name", NAME_BYTES_MAX)?,
            purpose: reader.text("purpose", PURPOSE_BYTES_MAX)?,
            dao: Decode::decode(reader)?,
            dao_node: Decode::decode(reader)?,
            aggregators: list_from_reader(reader, "aggregators", AGGREGATORS_MAX)?,
            sealing: Decode::decode(reader)?,
            cohort: Decode::decode(reader)?,
            encoding: Decode::decode(reader)?,
            noise: Decode::decode(reader)?,
            training: Decode::decode(reader)?,
            optimizer: Decode::decode(reader)?,
            architecture: reader.text("architecture", ARCHITECTURE_BYTES_MAX)?,
            schema: Decode::decode(reader)?,
            rounds: reader.u32()?,
            stopping: match reader.u8()? {
                0 => None,
                1 => Some(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("stopping", other)),
            },
            sampling: Decode::decode(reader)?,
            buffer: None,
            groups: None,
            minimum_cohort: 0,
            round_deadline_ms: 0,
            step_deadline_ms: 0,
        };
        match reader.u8()? {
            0 => {}
            1 => terms.buffer = Some(Decode::decode(reader)?),
            2 => terms.groups = Some(Decode::decode(reader)?),
            other => return Err(DecodeError::invalid("buffer or groups", other)),
        }
        terms.minimum_cohort = reader.u32()?;
        terms.round_deadline_ms = reader.u64()?;
        terms.step_deadline_ms = reader.u64()?;
        terms.checked().map_err(|e| DecodeError::invalid("terms", e))
    }
}
