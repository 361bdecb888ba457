//! What changes for a device when its federation gets other terms, and what of it protects its data less.
//!
//! Threat (promise 7): a vote, or a DAO node without one, that lowers the protection of data which is already enrolled.
//! A device trains under the terms that its owner agreed to and no others ([`Ordered::check`](crate::Ordered::check)); this
//! module only says to the owner what agreeing to others would mean. It judges what can be judged from the terms alone, and
//! names everything else without a judgement: nothing that differs is left out.

use std::fmt;

use aggregator_protocol::{CustodyTerms, FederationTerms, NoiseTerms};
use privacy_identity::{Digest, Encode, Signed, Tag};

use crate::privacy_loss;

/// Longest text of one side of a difference, in characters: longer ones are cut.
const SIDE_CHARS_MAX: usize = 160;

/// How a difference bears on the data of who agreed to the terms before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bearing {
    /// It protects them less.
    Weaker,
    /// Something else changes: its owner has to judge.
    Other,
    /// It protects them more.
    Stronger,
}

impl Bearing {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weaker => "weaker",
            Self::Other => "other",
            Self::Stronger => "stronger",
        }
    }
}

/// One part of the terms that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsDifference {
    /// Which part, in words.
    pub part: &'static str,
    /// What was agreed to.
    pub agreed: String,
    /// What is offered.
    pub offered: String,
    /// What that means for the data.
    pub bearing: Bearing,
}

impl fmt::Display for TermsDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.part, self.agreed, self.offered)
    }
}

/// Why terms are no change of those that were agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsChangeError {
    /// They are the same.
    #[error("the terms are those that were agreed to")]
    Same,
    /// Not signed by the DAO node of the terms that were agreed to.
    #[error("the other terms are not signed by the DAO node of those that were agreed to")]
    Unsigned,
    /// Of another DAO, another DAO node or another federation: nothing that this one could turn into.
    #[error("the other terms are those of another federation")]
    Elsewhere,
}

/// Terms that a DAO node offers in the place of those that a device agreed to. Only [`TermsChange::new`] makes one: the new
/// terms are signed by the node that the old ones name, and are of the same DAO and federation.
#[derive(Debug, Clone, PartialEq)]
pub struct TermsChange {
    agreed: FederationTerms,
    offered: Signed<FederationTerms>,
    differences: Vec<TermsDifference>,
}

impl TermsChange {
    /// Compares what is offered with what was agreed to.
    ///
    /// # Errors
    /// [`TermsChangeError`].
    pub fn new(
        agreed: &FederationTerms,
        offered: Signed<FederationTerms>,
    ) -> Result<Self, TermsChangeError> {
        if offered.unverified_body().id() == agreed.id() {
            return Err(TermsChangeError::Same);
        }
        let offered = offered
            .verify_by(Tag::Terms, &agreed.dao_node)
            .map_err(|_source| TermsChangeError::Unsigned)?;
        let body = offered.body();
        let place = |terms: &FederationTerms| (terms.dao, terms.dao_node, terms.name.clone());
        if place(body) != place(agreed) {
            return Err(TermsChangeError::Elsewhere);
        }
        let differences = differences(agreed, body);
        Ok(Self { agreed: agreed.clone(), offered: offered.into_signed(), differences })
    }

    /// What was agreed to.
    #[must_use]
    pub const fn agreed(&self) -> &FederationTerms {
        &self.agreed
    }

    /// What is offered, as the DAO node signed it.
    #[must_use]
    pub const fn offered(&self) -> &Signed<FederationTerms> {
        &self.offered
    }

    /// What an owner agrees to: the digest of the offered terms.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.offered.unverified_body().id()
    }

    /// What differs: first what protects the data less.
    #[must_use]
    pub fn differences(&self) -> &[TermsDifference] {
        &self.differences
    }

    /// The differences of one kind, as one text.
    #[must_use]
    pub fn text_of(&self, bearing: Bearing) -> Option<String> {
        let of = self.differences.iter().filter(|difference| difference.bearing == bearing);
        let texts: Vec<_> = of.map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

impl fmt::Display for TermsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "terms {} in the place of {}", self.digest(), self.agreed.id())?;
        for bearing in [Bearing::Weaker, Bearing::Other, Bearing::Stronger] {
            if let Some(text) = self.text_of(bearing) {
                write!(f, "; {}: {text}", bearing.name())?;
            }
        }
        Ok(())
    }
}

/// Collects what differs.
struct Comparison {
    found: Vec<TermsDifference>,
}

impl Comparison {
    fn add(&mut self, part: &'static str, (agreed, offered): (String, String), bearing: Bearing) {
        if agreed != offered {
            let cut = |text: String| text.chars().take(SIDE_CHARS_MAX).collect();
            let (agreed, offered) = (cut(agreed), cut(offered));
            self.found.push(TermsDifference { part, agreed, offered, bearing });
        }
    }

    /// A number of which more protects more.
    fn more<T: PartialOrd + ToString>(&mut self, part: &'static str, agreed: &T, offered: &T) {
        let bearing = if offered < agreed { Bearing::Weaker } else { Bearing::Stronger };
        self.add(part, (agreed.to_string(), offered.to_string()), bearing);
    }

    /// A number of which more protects less.
    fn less<T: PartialOrd + ToString>(&mut self, part: &'static str, agreed: &T, offered: &T) {
        let bearing = if offered > agreed { Bearing::Weaker } else { Bearing::Stronger };
        self.add(part, (agreed.to_string(), offered.to_string()), bearing);
    }

    /// What only its owner can judge.
    fn other<T: PartialEq + ToString>(&mut self, part: &'static str, agreed: &T, offered: &T) {
        self.add(part, (agreed.to_string(), offered.to_string()), Bearing::Other);
    }
}

fn differences(agreed: &FederationTerms, offered: &FederationTerms) -> Vec<TermsDifference> {
    let mut comparison = Comparison { found: Vec::new() };
    compare_protection(&mut comparison, agreed, offered);
    compare_rest(&mut comparison, agreed, offered);
    let mut found = comparison.found;
    if found.is_empty() {
        // Not met by the list above, and never passed over in silence.
        found.push(TermsDifference {
            part: "details of the encoding",
            agreed: agreed.id().to_string(),
            offered: offered.id().to_string(),
            bearing: Bearing::Other,
        });
    }
    found.sort_by_key(|difference| difference.bearing);
    found
}

/// What can be judged.
fn compare_protection(
    comparison: &mut Comparison,
    agreed: &FederationTerms,
    offered: &FederationTerms,
) {
    comparison.more("fewest contributors", &agreed.minimum_cohort, &offered.minimum_cohort);
    let noise = (text_of_noise(&agreed.noise), text_of_noise(&offered.noise));
    // A contributor's own share of the noise hides its values; δ is the chance that ε does not hold.
    let share = |noise: &NoiseTerms| noise.multiplier / f64::from(noise.honest_minimum).sqrt();
    let as_much = offered.noise.multiplier >= agreed.noise.multiplier
        && share(&offered.noise) >= share(&agreed.noise)
        && (offered.noise.delta <= agreed.noise.delta || !agreed.noise.is_present());
    let bearing = if as_much { Bearing::Stronger } else { Bearing::Weaker };
    comparison.add("noise", noise, bearing);
    let epsilon = |terms: &FederationTerms| {
        privacy_loss(terms, u64::from(terms.rounds)).ok().flatten().unwrap_or(f64::INFINITY)
    };
    let (before, after) = (epsilon(agreed), epsilon(offered));
    let bearing = if after > before { Bearing::Weaker } else { Bearing::Stronger };
    comparison.add("ε of all rounds", (text_of_epsilon(before), text_of_epsilon(after)), bearing);
    comparison.less("rounds", &agreed.rounds, &offered.rounds);
    if agreed.sealing.name() == offered.sealing.name() {
        comparison.more("aggregators", &agreed.aggregators.len(), &offered.aggregators.len());
    }
    let opens = |terms: &FederationTerms| terms.sealing.custody().map(CustodyTerms::threshold);
    if let (Some(agreed), Some(offered)) = (opens(agreed), opens(offered)) {
        comparison.more("custodians who open a sum", &agreed, &offered);
    }
    let cohort = |terms: &FederationTerms| {
        if terms.cohort.is_present() { "with keys of its own" } else { "without keys" }.to_owned()
    };
    let bearing = if offered.cohort.is_present() { Bearing::Stronger } else { Bearing::Weaker };
    comparison.add("cohort", (cohort(agreed), cohort(offered)), bearing);
    let own = |terms: &FederationTerms| terms.training.personal.layers();
    comparison.more("layers that are never shared", &own(agreed), &own(offered));
}

/// The bytes of one part.
type BytesOf<'a> = &'a dyn Fn(&FederationTerms) -> Vec<u8>;

/// What its owner has to judge.
fn compare_rest(comparison: &mut Comparison, agreed: &FederationTerms, offered: &FederationTerms) {
    comparison.other("purpose", &quoted(&agreed.purpose), &quoted(&offered.purpose));
    comparison.other("sealing", &agreed.sealing.name(), &offered.sealing.name());
    let holders = |terms: &FederationTerms| {
        let custodians = terms.sealing.custody().map(CustodyTerms::custodians);
        custodians.map_or_else(|| "none".to_owned(), |custodians| custodians.to_string())
    };
    comparison.other("custodians", &holders(agreed), &holders(offered));
    let keys = |terms: &FederationTerms| {
        let keys = terms.aggregators.iter().map(|keys| short(&keys.verifying.to_string()));
        keys.collect::<Vec<_>>().join(" ")
    };
    comparison.other("who aggregates", &keys(agreed), &keys(offered));
    let pace = |terms: &FederationTerms| {
        terms.buffer.map_or_else(|| "none".to_owned(), |rule| rule.to_string())
    };
    comparison.other("own pace", &pace(agreed), &pace(offered));
    let columns = |terms: &FederationTerms| quoted(&terms.schema.features.join(" "));
    comparison.other("columns", &columns(agreed), &columns(offered));
    comparison.other("label", &quoted(&agreed.schema.label), &quoted(&offered.schema.label));
    let of = |terms: &FederationTerms, part: BytesOf<'_>| {
        short(&Digest::of(Tag::Terms, &part(terms)).to_string())
    };
    let parts: [(&'static str, BytesOf<'_>); 10] = [
        ("keys of the aggregators", &|terms| {
            terms.aggregators.iter().flat_map(Encode::to_bytes).collect()
        }),
        ("key of the DAO node for the cohort", &|terms| terms.cohort.to_bytes()),
        ("model", &|terms| terms.architecture.clone().into_bytes()),
        ("scale of the columns and classes", &|terms| terms.schema.to_bytes()),
        ("training", &|terms| terms.training.to_bytes()),
        ("encoding of updates", &|terms| terms.encoding.to_bytes()),
        ("server's optimiser", &|terms| terms.optimizer.to_bytes()),
        ("choice of the cohort", &|terms| terms.sampling.to_bytes()),
        ("groups of a round and their rule", &|terms| {
            terms.groups.map(|groups| groups.to_bytes()).unwrap_or_default()
        }),
        ("deadlines and end", &|terms| {
            let end = terms.stopping.map(|stopping| stopping.to_string()).unwrap_or_default();
            format!("{} {} {end}", terms.round_deadline_ms, terms.step_deadline_ms).into_bytes()
        }),
    ];
    for (name, part) in parts {
        comparison.other(name, &of(agreed, part), &of(offered, part));
    }
}

fn text_of_noise(noise: &NoiseTerms) -> String {
    if !noise.is_present() {
        return "none".to_owned();
    }
    let NoiseTerms { multiplier, honest_minimum, delta } = noise;
    format!("{multiplier} (of {honest_minimum} honest, δ {delta})")
}

fn text_of_epsilon(epsilon: f64) -> String {
    if epsilon.is_finite() { format!("{epsilon:.3}") } else { "not limited".to_owned() }
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}

/// The beginning of a long digest or key, for people.
fn short(text: &str) -> String {
    text.chars().take(8).collect()
}
