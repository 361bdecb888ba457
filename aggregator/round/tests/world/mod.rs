//! A federation in memory: keys, terms, synthetic updates, and a DAO node that grants and probes.
//! Everything follows from one seed.

pub(crate) mod dao;
pub(crate) mod dishonest;
pub(crate) mod federation;
pub(crate) mod shell;

use std::sync::Arc;

use aggregator_protocol::{
    CohortEpoch, CohortTerms, Custodian, CustodyKey, CustodyTerms, EndReason, FederationEnd,
    FederationTerms, NoiseTerms, RoundGrant, RoundId, RoundOrder, SchemaTerms, SealingTerms,
    TrainingTerms,
};
use aggregator_round::{AggregatorContext, Ordered, OwnShares, RoundSecret, Sealed};
use aggregator_strategy::{
    CohortRule, GroupRule, ServerOptimizer, VrfPublicKey, participation_key,
};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use privacy_secagg::{
    AggregatorKeys, EncodingOptions, EncodingParameters, QuantizedUpdate, Tagging,
};
use rand::RngExt as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// Three custodians of which two open.
pub(crate) fn modes() -> [SealingTerms; 3] {
    let custody = CustodyTerms::new(3, 2).unwrap();
    [SealingTerms::Mpc, SealingTerms::MpcVerified, SealingTerms::Fhe(custody)]
}

/// Checks something in every mode of sealing.
pub(crate) fn every_mode(check: impl Fn(SealingTerms)) {
    for sealing in modes() {
        let _named = Named(sealing.name());
        check(sealing);
    }
}

/// Names the mode when a check fails somewhere below.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the failure above happened in mode {}", self.0);
        }
    }
}

/// Coordinates of a synthetic update.
pub(crate) const DIMENSION: u32 = 6;
pub(crate) const MINIMUM_COHORT: u32 = 3;
/// What a reading in FHE mode may be off by, in units of the inner product of integers: ten deviations
/// of a body's noise (variance 1406 in these parameters, of 12 bits below the message) along a probe of
/// norm 2^12, which is √1406 · 2^12 / 2^12 = 37.5. A false alarm has a probability below 2^-70.
pub(crate) const READING_ERROR_MAX: f64 = 376.0;
pub(crate) const ROUND_DEADLINE_MS: u64 = 400;
pub(crate) const STEP_DEADLINE_MS: u64 = 300;
/// The state of the cohort in every round, where there is one.
const EPOCH: CohortEpoch = CohortEpoch { epoch: 5, authenticator: [6; 32] };

/// A generator that depends on all of `parts`, and on their order.
pub(crate) fn rng_for(parts: &[u64]) -> ChaCha20Rng {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_be_bytes()).collect();
    ChaCha20Rng::from_seed(Digest::of(Tag::KeyDerivation, &bytes).0)
}

fn key_for(seed: u64, kind: u64, index: usize) -> SigningKey {
    SigningKey::generate(&mut rng_for(&[seed, kind, index as u64]))
}

/// Who is who.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) terms: FederationTerms,
    pub(crate) dao_key: SigningKey,
    /// In the order of their public keys, so that an index is a place in a full cohort.
    pub(crate) members: Vec<SigningKey>,
    /// The cohort's secret of every round, in a federation that has a cohort.
    pub(crate) secret: Option<RoundSecret>,
}

/// An update on its way, with the integers that only its owner knows.
#[derive(Debug, Clone)]
pub(crate) struct Contribution {
    pub(crate) sealed: Sealed,
    pub(crate) values: Vec<i64>,
    pub(crate) own: Arc<OwnShares>,
}

impl World {
    pub(crate) fn new(seed: u64, aggregators: usize, members: usize) -> Self {
        Self::sealed(SealingTerms::Mpc, seed, aggregators, members)
    }

    pub(crate) fn sealed(
        sealing: SealingTerms,
        seed: u64,
        aggregators: usize,
        members: usize,
    ) -> Self {
        let dao_key = key_for(seed, 0, 0);
        let custodians = sealing.custody().map_or(0, CustodyTerms::custodians);
        let minimum_cohort = MINIMUM_COHORT.max(u32::try_from(custodians).unwrap());
        let keys = |index| AggregatorKeys {
            verifying: key_for(seed, 1, index).verifying_key(),
            sealing: SealingKey::derived_from(&key_for(seed, 1, index)).public(),
        };
        let clip = ClipNorm::new(2.0).unwrap();
        let terms = FederationTerms {
            name: "synthetic".to_owned(),
            purpose: "tests".to_owned(),
            dao: Digest::of(Tag::Terms, b"genesis"),
            dao_node: dao_key.verifying_key(),
            aggregators: (0..aggregators).map(keys).collect(),
            sealing,
            cohort: CohortTerms::Absent,
            encoding: EncodingParameters::standard(clip, DIMENSION, 16).unwrap(),
            noise: NoiseTerms::ABSENT,
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
            rounds: 3,
            stopping: None,
            sampling: CohortRule::Everybody,
            buffer: None,
            groups: None,
            minimum_cohort,
            round_deadline_ms: ROUND_DEADLINE_MS,
            step_deadline_ms: STEP_DEADLINE_MS,
        };
        let mut members: Vec<_> = (0..members).map(|index| key_for(seed, 2, index)).collect();
        members.sort_by_key(SigningKey::verifying_key);
        Self { seed, terms: terms.checked().unwrap(), dao_key, members, secret: None }
    }

    /// As [`Self::sealed`], with a cohort whose secret is the same in each round.
    pub(crate) fn with_cohort(
        sealing: SealingTerms,
        seed: u64,
        aggregators: usize,
        members: usize,
    ) -> Self {
        let mut world = Self::sealed(sealing, seed, aggregators, members);
        let dao_sealing = SealingKey::derived_from(&world.dao_key).public();
        world.terms.cohort = CohortTerms::Mls { dao_sealing };
        if sealing.custody().is_none() {
            let options =
                EncodingOptions { tagging: Tagging::Linear, ..*world.terms.encoding.options() };
            world.terms.encoding = world.terms.encoding.with_options(options).unwrap();
        }
        world.terms = world.terms.checked().unwrap();
        world.secret = Some(RoundSecret::from_bytes(&[7; 32]));
        world
    }

    /// As it is, with a rule over groups in the terms.
    pub(crate) fn in_groups(mut self, groups: u32, rule: &str) -> Self {
        self.terms.groups = Some(GroupRule::new(groups, rule.parse().unwrap()).unwrap());
        self.terms = self.terms.checked().unwrap();
        self
    }

    /// The context of aggregator `index`, as after a restart from its key file.
    pub(crate) fn context(&self, index: usize) -> AggregatorContext {
        let signing = key_for(self.seed, 1, index);
        let sealing = SealingKey::derived_from(&signing);
        AggregatorContext::new(self.terms.clone(), signing, sealing).unwrap()
    }

    /// The context of member `index` as a custodian.
    pub(crate) fn custodian_context(&self, index: usize) -> AggregatorContext {
        let signing = SigningKey::from_seed(&self.members[index].seed());
        let sealing = SealingKey::derived_from(&signing);
        AggregatorContext::custodian(self.terms.clone(), signing, sealing)
    }

    /// The first of the cohort keep the keys.
    fn custodians(&self, cohort: &[usize]) -> Vec<Custodian> {
        let count = self.terms.sealing.custody().map_or(0, CustodyTerms::custodians);
        let custodian = |&index: &usize| {
            let key = &self.members[index];
            let sealing = SealingKey::derived_from(key).public();
            let body = CustodyKey { federation: self.terms.id(), sealing };
            Custodian { member: key.verifying_key(), key: Signed::new(body, Tag::CustodyKey, key) }
        };
        cohort.iter().take(count).map(custodian).collect()
    }

    pub(crate) fn aggregator_key(&self, index: usize) -> SigningKey {
        key_for(self.seed, 1, index)
    }

    /// Contributions that a round needs.
    pub(crate) fn minimum(&self) -> usize {
        self.terms.contributions_min()
    }

    pub(crate) fn member(&self, index: usize) -> VerifyingKey {
        self.members[index].verifying_key()
    }

    /// The model from which round `round` trains, in bytes.
    pub(crate) fn model(&self, round: u64) -> Vec<u8> {
        let mut rng = rng_for(&[self.seed, 3, round]);
        (0..24).map(|_| rng.random()).collect()
    }

    /// The keys by which these members draw, where they do.
    fn draw_keys(&self, cohort: &[usize]) -> Vec<VrfPublicKey> {
        let key = |&index: &usize| participation_key(&self.members[index]).public_key();
        let secret = self.terms.sampling.secret_rate();
        secret.map_or_else(Vec::new, |_| cohort.iter().map(key).collect())
    }

    /// What the DAO node grants for `round` to these members.
    pub(crate) fn grant_body(&self, round: u64, cohort: &[usize]) -> RoundGrant {
        RoundGrant {
            dao: self.terms.dao,
            federation: self.terms.id(),
            round: RoundId(round),
            model: Digest::of(Tag::Model, &self.model(round)),
            cohort: cohort.iter().map(|&index| self.member(index)).collect(),
            draw_keys: self.draw_keys(cohort),
            custodians: self.custodians(cohort),
            cohort_epoch: self.terms.cohort.is_present().then_some(EPOCH),
            control: None,
        }
    }

    /// That there are no more rounds after so many.
    pub(crate) fn end(&self, settled: u64) -> Signed<FederationEnd> {
        let federation = self.terms.id();
        let body = FederationEnd { federation, settled, reason: EndReason::AllRounds };
        Signed::new(body, Tag::FederationEnd, &self.dao_key)
    }

    pub(crate) fn grant(&self, round: u64, cohort: &[usize]) -> Signed<RoundGrant> {
        Signed::new(self.grant_body(round, cohort), Tag::RoundGrant, &self.dao_key)
    }

    /// The order as the coordinator signs it.
    pub(crate) fn order(&self, round: u64, cohort: &[usize]) -> Signed<RoundOrder> {
        let body = RoundOrder { grant: self.grant(round, cohort), deadline_ms: ROUND_DEADLINE_MS };
        Signed::new(body, Tag::RoundOrder, &self.aggregator_key(0))
    }

    /// What member `index` makes of an order; `draw` tells apart several updates of one round.
    pub(crate) fn contribution(
        &self,
        index: usize,
        order: &Signed<RoundOrder>,
        draw: u64,
    ) -> Contribution {
        self.contribution_to(&self.terms, index, order, draw)
    }

    /// As [`Self::contribution`], sealed to the aggregators of other `terms`.
    pub(crate) fn contribution_to(
        &self,
        terms: &FederationTerms,
        index: usize,
        order: &Signed<RoundOrder>,
        draw: u64,
    ) -> Contribution {
        let round = order.unverified_body().grant.unverified_body().round;
        self.contribution_of(terms, index, order, draw, self.delta(index, round, draw))
    }

    /// As [`Self::contribution_to`], of what training changed.
    pub(crate) fn contribution_of(
        &self,
        terms: &FederationTerms,
        index: usize,
        order: &Signed<RoundOrder>,
        draw: u64,
        delta: Vec<f32>,
    ) -> Contribution {
        let round = order.unverified_body().grant.unverified_body().round;
        let key = &self.members[index];
        let ordered = Ordered::accept(&self.terms, key, None, order, &self.model(round.0)).unwrap();
        let purpose = [self.seed, 4, round.0, index as u64, draw];
        let mut rng = rng_for(&purpose);
        let update = LocalUpdate::new(delta).unwrap();
        let clipped = update.clone().clip(terms.encoding.clip_norm());
        let rounding = rng_for(&[&purpose[..], &[1]].concat());
        let rotation = terms.encoding.rotation(&self.terms.id(), round.0);
        let values =
            QuantizedUpdate::quantise(&clipped, &rotation, &terms.encoding, &mut rounding.clone());
        let values = values.unwrap().values().iter().map(|&value| i64::from(value)).collect();
        let generators = (&mut rounding.clone(), &mut rng);
        let secret = self.secret.as_ref();
        let (sealed, own) = ordered.seal_kept(update, terms, key, secret, generators).unwrap();
        Contribution { sealed, values, own: Arc::new(own) }
    }

    /// Some are longer than the clip norm, so that clipping is on the way too.
    fn delta(&self, index: usize, round: RoundId, draw: u64) -> Vec<f32> {
        let mut rng = rng_for(&[self.seed, 5, round.0, index as u64, draw]);
        (0..self.terms.encoding.dimension()).map(|_| rng.random_range(-1.5_f32..1.5)).collect()
    }
}

/// The exact inner product and what a receipt must say of it, by integers alone.
pub(crate) fn value_in_the_clear(values: &[i64], probe: &[i64], exponent: i64, count: i64) -> i64 {
    let product: i128 = values.iter().zip(probe).map(|(v, p)| i128::from(v * p)).sum();
    // Integer division is towards zero, in both steps.
    let scaled = (product << privacy_secagg::VALUE_SHIFT) / (1_i128 << exponent);
    i64::try_from(scaled / i128::from(count)).unwrap()
}
