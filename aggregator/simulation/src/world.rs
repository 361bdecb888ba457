//! Keys, terms and synthetic updates of a federation. Everything follows from one seed.

use std::collections::BTreeMap;

use aggregator_protocol::{
    CohortEpoch, CohortTerms, Custodian, CustodyKey, CustodyTerms, EndReason, FederationEnd,
    FederationTerms, GroupProbes, NoiseTerms, ProbeOrder, RoundGrant, RoundId, RoundOrder,
    SchemaTerms, TrainingTerms,
};
use aggregator_round::{AggregatorContext, Ordered, RoundSecret, Sealed};
use aggregator_strategy::{
    CohortRule, Draw, OverSelection, SamplingRate, ServerOptimizer, VrfPublicKey, participation_key,
};
use privacy_dp::{ClipNorm, DiscreteGaussian, IntegerNoise as _, LocalUpdate, TabledGaussian};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use privacy_secagg::{
    AggregatorKeys, EncodingOptions, EncodingParameters, NoisyUpdate, Payloads, QuantizedProbe,
    QuantizedUpdate, Tagging, seal_payloads,
};
use rand::RngExt as _;
use zeroize::Zeroizing;

use crate::{
    random::{Draws, rng_for},
    scenario::{Mutant, Scenario},
};

/// How long a round waits for contributions, in virtual milliseconds: some ten messages.
pub(crate) const ROUND_DEADLINE_MS: u64 = 500;
/// How long a step may take: some retries.
pub(crate) const STEP_DEADLINE_MS: u64 = 400;
/// The state of the cohort in every round, where there is one.
const EPOCH: CohortEpoch = CohortEpoch { epoch: 5, authenticator: [6; 32] };
/// The norm to which updates are clipped: some are longer, so that clipping is on the way, too.
const CLIP_NORM: f64 = 2.0;
/// Largest deviation of the tabled sampler (`aggregator-round`).
const TABLED_DEVIATION_MAX: f64 = 32.0;

/// Who is who.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) terms: FederationTerms,
    pub(crate) id: Digest,
    /// What was agreed on, whatever the parties' terms say: fewest contributions of a group, or of all.
    pub(crate) minimum: usize,
    /// The same of how many groups there are, at least 1.
    pub(crate) groups: usize,
    /// The same of how cohorts are chosen.
    pub(crate) sampling: CohortRule,
    dao_key: SigningKey,
    aggregators: Vec<SigningKey>,
    /// In the order of their public keys, so that an index is a place in a full cohort.
    pub(crate) members: Vec<SigningKey>,
    pub(crate) member_keys: Vec<VerifyingKey>,
    places: BTreeMap<VerifyingKey, usize>,
    /// The cohort's secret of every round, in a federation that has a cohort.
    pub(crate) secret: Option<RoundSecret>,
}

/// An update on its way, with the integers that only its owner knows: noise and rounding included.
#[derive(Debug, Clone)]
pub(crate) struct Contribution {
    pub(crate) sealed: Sealed,
    pub(crate) values: Vec<i64>,
}

fn key_for(seed: u64, kind: u64, index: usize) -> SigningKey {
    SigningKey::generate(&mut rng_for(&[seed, kind, index as u64]))
}

fn encoding(scenario: &Scenario, noise: NoiseTerms) -> EncodingParameters {
    let clip = ClipNorm::new(CLIP_NORM).expect("positive");
    let tags = scenario.cohort && scenario.sealing.custody().is_none();
    let tagging = if tags { Tagging::Linear } else { Tagging::Absent };
    let options = EncodingOptions { tagging, ..EncodingOptions::default() };
    // Thirteen members, and twice as many invited.
    let most = if scenario.groups.is_some() { 32 } else { 16 };
    let encoding = match noise.plan() {
        Some(plan) => {
            EncodingParameters::valued_with_noise(clip, scenario.dimension, most, options, plan)
        }
        None => EncodingParameters::standard(clip, scenario.dimension, most)
            .and_then(|encoding| encoding.with_options(options)),
    };
    encoding.expect("parameters of a small federation")
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let dao_key = key_for(seed, 0, 0);
        let aggregators: Vec<_> =
            (0..scenario.aggregators).map(|index| key_for(seed, 1, index)).collect();
        let keys = |key: &SigningKey| AggregatorKeys {
            verifying: key.verifying_key(),
            sealing: SealingKey::derived_from(key).public(),
        };
        let noise = if scenario.noise > 0.0 {
            NoiseTerms { multiplier: scenario.noise, honest_minimum: 1, delta: 1e-5 }
        } else {
            NoiseTerms::ABSENT
        };
        let dao_sealing = SealingKey::derived_from(&dao_key).public();
        let lowered = u32::from(scenario.mutant == Some(Mutant::LowersTheMinimum));
        let terms = FederationTerms {
            name: "synthetic".to_owned(),
            purpose: "simulation".to_owned(),
            dao: Digest::of(Tag::Terms, b"genesis"),
            dao_node: dao_key.verifying_key(),
            aggregators: aggregators.iter().map(keys).collect(),
            sealing: scenario.sealing,
            cohort: if scenario.cohort {
                CohortTerms::Mls { dao_sealing }
            } else {
                CohortTerms::Absent
            },
            encoding: encoding(scenario, noise),
            noise,
            training: TrainingTerms::sgd(1, 1, 0.1),
            optimizer: ServerOptimizer::default(),
            architecture: "{}".to_owned(),
            schema: SchemaTerms {
                features: vec!["x".to_owned()],
                label: "y".to_owned(),
                classes: vec!["no".to_owned(), "yes".to_owned()],
                mean: vec![0.0],
                deviation: vec![1.0],
            },
            rounds: scenario.rounds,
            stopping: None,
            sampling: match scenario.mutant {
                Some(Mutant::WidensTheDraw) => widened(scenario.sampling),
                _ => scenario.sampling,
            },
            buffer: None,
            groups: scenario.groups,
            minimum_cohort: scenario.minimum - lowered,
            round_deadline_ms: ROUND_DEADLINE_MS,
            step_deadline_ms: STEP_DEADLINE_MS,
        };
        let terms = terms.checked().expect("terms of a small federation");
        let mut members: Vec<_> =
            (0..scenario.members).map(|index| key_for(seed, 2, index)).collect();
        members.sort_by_key(SigningKey::verifying_key);
        let member_keys: Vec<_> = members.iter().map(SigningKey::verifying_key).collect();
        Self {
            seed,
            id: terms.id(),
            terms,
            minimum: scenario.minimum as usize,
            groups: scenario.groups.map_or(1, |rule| rule.groups()),
            sampling: scenario.sampling,
            dao_key,
            aggregators,
            members,
            places: member_keys.iter().copied().zip(0..).collect(),
            member_keys,
            secret: scenario.cohort.then(|| RoundSecret::from_bytes(&[7; 32])),
        }
    }

    /// The context of aggregator `index`, as after a restart from its key file.
    pub(crate) fn context(&self, index: usize) -> AggregatorContext {
        let signing = SigningKey::from_seed(&self.aggregators[index].seed());
        let sealing = SealingKey::derived_from(&signing);
        AggregatorContext::new(self.terms.clone(), signing, sealing).expect("named in the terms")
    }

    /// The context of member `index` as a custodian.
    pub(crate) fn custodian_context(&self, index: usize) -> AggregatorContext {
        let signing = SigningKey::from_seed(&self.members[index].seed());
        let sealing = SealingKey::derived_from(&signing);
        AggregatorContext::custodian(self.terms.clone(), signing, sealing)
    }

    /// The index of a member.
    pub(crate) fn index_of(&self, member: &VerifyingKey) -> Option<usize> {
        self.places.get(member).copied()
    }

    /// Who is invited: a seeded cohort of the minimum size or more, or as the terms say.
    fn cohort(&self, round: u64) -> Vec<usize> {
        if self.terms.sampling != CohortRule::Everybody {
            let beacon = Digest::of(Tag::Model, &self.model(round));
            let draw = Draw { federation: self.id, round, beacon };
            let invited = self.terms.sampling.invited(&draw, &self.member_keys);
            let invited = invited.expect("a federation has members, each once");
            return invited.iter().filter_map(|member| self.index_of(member)).collect();
        }
        let mut draws = Draws::at(self.seed, &[6, round]);
        let mut cohort: Vec<_> = (0..self.members.len()).collect();
        while cohort.len() > self.minimum * self.groups && draws.happens(0.2) {
            cohort.remove(draws.index(cohort.len()));
        }
        cohort
    }

    /// The model from which round `round` trains, in bytes.
    pub(crate) fn model(&self, round: u64) -> Vec<u8> {
        let mut draws = Draws::at(self.seed, &[4, round]);
        (0..3).flat_map(|_| draws.word().to_be_bytes()).collect()
    }

    /// What the DAO node grants for `round`.
    pub(crate) fn grant(&self, round: u64) -> Signed<RoundGrant> {
        let cohort = self.cohort(round);
        let count = self.terms.sealing.custody().map_or(0, CustodyTerms::custodians);
        let custodian = |&index: &usize| {
            let key = &self.members[index];
            let sealing = SealingKey::derived_from(key).public();
            let body = CustodyKey { federation: self.id, sealing };
            Custodian { member: key.verifying_key(), key: Signed::new(body, Tag::CustodyKey, key) }
        };
        let body = RoundGrant {
            dao: self.terms.dao,
            federation: self.id,
            round: RoundId(round),
            model: Digest::of(Tag::Model, &self.model(round)),
            cohort: cohort.iter().map(|&index| self.member_keys[index]).collect(),
            draw_keys: match self.terms.sampling.secret_rate() {
                Some(_) => cohort.iter().map(|&index| self.draw_key(index)).collect(),
                None => Vec::new(),
            },
            custodians: cohort.iter().take(count).map(custodian).collect(),
            cohort_epoch: self.terms.cohort.is_present().then_some(EPOCH),
            control: None,
        };
        Signed::new(body, Tag::RoundGrant, &self.dao_key)
    }

    /// That there are no more rounds after so many.
    pub(crate) fn end(&self, settled: u64) -> Signed<FederationEnd> {
        let body = FederationEnd { federation: self.id, settled, reason: EndReason::AllRounds };
        Signed::new(body, Tag::FederationEnd, &self.dao_key)
    }

    /// The key by which member `index` draws.
    pub(crate) fn draw_key(&self, index: usize) -> VrfPublicKey {
        participation_key(&self.members[index]).public_key()
    }

    /// Seeded probes for a set; `draw` tells apart several for one round.
    pub(crate) fn probes(&self, round: RoundId, set_root: Digest, draw: u64) -> Signed<ProbeOrder> {
        let mut rng = rng_for(&[self.seed, 7, round.0, draw]);
        let rotation = self.terms.encoding.rotation(&self.id, round.0);
        let mut probe = || {
            let values: Vec<f64> =
                (0..self.terms.encoding.dimension()).map(|_| rng.random_range(-0.5..0.5)).collect();
            let probe = QuantizedProbe::quantise(&values, &rotation, &self.terms.encoding);
            probe.expect("a probe of the right length")
        };
        let body = ProbeOrder {
            federation: self.id,
            round,
            set_root,
            model_after: Digest::of(Tag::Model, &self.model(round.0 + 1)),
            value: probe(),
            innovation: probe(),
            contrast: probe(),
            others: (1..self.groups)
                .map(|_| GroupProbes { value: probe(), contrast: probe() })
                .collect(),
        };
        Signed::new(body, Tag::Probe, &self.dao_key)
    }

    /// What member `index` makes of an order that it accepted; `draw` tells apart several updates of one
    /// round. Sealed to the aggregators of `terms`.
    pub(crate) fn contribution(
        &self,
        index: usize,
        ordered: Ordered,
        terms: &FederationTerms,
        draw: u64,
    ) -> Contribution {
        let (round, key) = (ordered.round(), &self.members[index]);
        let purpose = [self.seed, 4, round.0, index as u64, draw];
        let mut training = rng_for(&purpose);
        let delta = (0..self.terms.encoding.dimension())
            .map(|_| training.random_range(-1.5_f32..1.5))
            .collect();
        let update = LocalUpdate::new(delta).expect("finite");
        let (rounding, sealing) = (training, rng_for(&[&purpose[..], &[1]].concat()));
        let clipped = update.clone().clip(terms.encoding.clip_norm());
        let rotation = terms.encoding.rotation(&self.id, round.0);
        let quantised =
            QuantizedUpdate::quantise(&clipped, &rotation, &terms.encoding, &mut rounding.clone())
                .expect("an update of the right length");
        let noisy = noised(&quantised, &terms.encoding, &mut sealing.clone());
        let values = noisy.values().iter().map(|&value| i64::from(value)).collect();
        let generators = (&mut rounding.clone(), &mut sealing.clone());
        let sealed = ordered.seal_tagged(update, terms, key, self.secret.as_ref(), generators);
        Contribution { sealed: sealed.expect("an honest update can be sealed"), values }
    }
}

/// A rule by which more take part.
const fn widened(rule: CohortRule) -> CohortRule {
    match rule {
        CohortRule::Uniform { size, .. } => {
            CohortRule::Uniform { size: size + 1, over: OverSelection::NONE }
        }
        CohortRule::Everybody | CohortRule::Secret { .. } => {
            CohortRule::Secret { rate: SamplingRate::ALL }
        }
    }
}

/// The same noise as the sealing draws from the same generator.
fn noised(
    update: &QuantizedUpdate,
    encoding: &EncodingParameters,
    rng: &mut rand_chacha::ChaCha20Rng,
) -> NoisyUpdate {
    let deviation = encoding.options().noise_deviation;
    if deviation <= 0.0 {
        NoisyUpdate::without_noise(update)
    } else if deviation <= TABLED_DEVIATION_MAX {
        let noise = TabledGaussian::new(deviation).expect("within the table");
        NoisyUpdate::with_noise(update, || noise.sample(rng)).expect("within an i32")
    } else {
        let noise = DiscreteGaussian::new(deviation).expect("within the sampler");
        NoisyUpdate::with_noise(update, || noise.sample(rng)).expect("within an i32")
    }
}

impl World {
    /// The sealing keys of the parties of a round, in their order.
    fn sealing_keys(&self, grant: &RoundGrant) -> Vec<SealingKey> {
        let aggregators = self.aggregators.iter().map(SealingKey::derived_from);
        let custodians = grant.custodians.iter().filter_map(|custodian| {
            let index = self.index_of(&custodian.member)?;
            Some(SealingKey::derived_from(&self.members[index]))
        });
        aggregators.chain(custodians).collect()
    }

    /// An update of member `index` as no honest device seals it: its payloads altered, sealed again to
    /// `round` in the name of `owner` and signed.
    pub(crate) fn altered(
        &self,
        index: usize,
        order: &Signed<RoundOrder>,
        honest: &Contribution,
        (round, owner): (RoundId, VerifyingKey),
        alter: impl FnOnce(&mut [Vec<u8>]),
    ) -> Option<privacy_secagg::SealedUpdate> {
        let grant = order.unverified_body().grant.unverified_body();
        let keys = self.sealing_keys(grant);
        let verified = honest.sealed.update().clone().verify().ok()?;
        let opened = keys.iter().enumerate().map(|(place, key)| {
            let delivery = verified.delivery(place).ok()?.verify(place).ok()?;
            Some(delivery.open_payload(key).ok()?.to_vec())
        });
        let mut payloads: Vec<Vec<u8>> = opened.collect::<Option<_>>()?;
        alter(&mut payloads);
        let payloads = Payloads::new(payloads.into_iter().map(Zeroizing::new).collect());
        let binding = RoundGrant { round, ..grant.clone() }.binding(owner);
        let recipients: Vec<_> = keys.iter().map(SealingKey::public).collect();
        let mut rng = rng_for(&[self.seed, 9, round.0, index as u64]);
        seal_payloads(payloads, binding, &recipients, &self.members[index], &mut rng).ok()
    }

    /// `update` re-sealed by its owner, as something that the owner may send.
    pub(crate) fn resumed(
        &self,
        index: usize,
        update: privacy_secagg::SealedUpdate,
    ) -> Option<Sealed> {
        Sealed::resume(update, &self.terms, &self.members[index]).ok()
    }

    /// Whether sums carry tags.
    pub(crate) fn tags(&self) -> bool {
        self.terms.encoding.options().tagging == Tagging::Linear
    }
}
