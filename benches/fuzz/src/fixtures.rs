//! The same people, keys and terms in every run.

use std::sync::OnceLock;

use aggregator_protocol::{
    CohortEpoch, CohortTerms, Custodian, CustodyKey, CustodyTerms, FederationTerms, NoiseTerms,
    RoundGrant, RoundId, SchemaTerms, SealingTerms, TrainingTerms,
};
use aggregator_strategy::{CohortRule, ServerOptimizer, participation_key};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag};
use privacy_secagg::{
    AggregatorKeys, Binding, EncodingOptions, EncodingParameters, NoisyUpdate, QuantizedUpdate,
    SealedUpdate, Tagging, seal,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// Coordinates of an update.
const DIMENSION: u32 = 5;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The key of person `index`.
pub(crate) fn key(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index; 32])
}

pub(crate) fn sealing_key(index: u8) -> SealingKey {
    SealingKey::from_seed(&[index; 32])
}

pub(crate) fn aggregator(index: u8) -> AggregatorKeys {
    AggregatorKeys { verifying: key(index).verifying_key(), sealing: sealing_key(index).public() }
}

/// With value measurement; a weight and a clip indicator beside the coordinates; tags if asked for.
pub(crate) fn parameters(tagging: Tagging) -> EncodingParameters {
    let clip_norm = ClipNorm::new(2.0).expect("positive");
    let options =
        EncodingOptions { weight_max: 8, clip_indicator: 1, noise_deviation: 0.0, tagging };
    EncodingParameters::standard(clip_norm, DIMENSION, 8)
        .and_then(|parameters| parameters.with_options(options))
        .expect("the standard profile has room")
}

pub(crate) fn terms(sealing: SealingTerms) -> FederationTerms {
    let aggregators = match sealing {
        SealingTerms::Fhe(_) => vec![aggregator(1)],
        _ => vec![aggregator(1), aggregator(2)],
    };
    FederationTerms {
        name: "wine".to_owned(),
        purpose: "grade wine".to_owned(),
        dao: Digest([1; 32]),
        dao_node: key(9).verifying_key(),
        aggregators,
        sealing,
        cohort: CohortTerms::Absent,
        encoding: parameters(Tagging::Absent),
        noise: NoiseTerms::ABSENT,
        training: TrainingTerms::sgd(2, 16, 0.05),
        optimizer: ServerOptimizer::default(),
        architecture: "{}".to_owned(),
        schema: SchemaTerms {
            features: vec!["acid".to_owned()],
            label: "good".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            mean: vec![0.5],
            deviation: vec![2.0],
        },
        rounds: 15,
        stopping: None,
        sampling: CohortRule::Everybody,
        buffer: None,
        groups: None,
        minimum_cohort: 3,
        round_deadline_ms: 30_000,
        step_deadline_ms: 30_000,
    }
}

pub(crate) fn fhe_terms() -> SealingTerms {
    SealingTerms::Fhe(CustodyTerms::new(3, 2).expect("two of three"))
}

pub(crate) fn grant() -> RoundGrant {
    let mut cohort = [3, 4, 5].map(|index| key(index).verifying_key()).to_vec();
    cohort.sort();
    RoundGrant {
        dao: Digest([1; 32]),
        federation: terms(SealingTerms::Mpc).id(),
        round: RoundId(7),
        model: Digest([5; 32]),
        cohort,
        draw_keys: [3, 4, 5].map(|index| participation_key(&key(index)).public_key()).to_vec(),
        custodians: vec![Custodian { member: key(3).verifying_key(), key: custody_key() }],
        cohort_epoch: Some(CohortEpoch { epoch: 3, authenticator: [4; 32] }),
        control: None,
    }
}

pub(crate) fn custody_key() -> Signed<CustodyKey> {
    let federation = terms(SealingTerms::Mpc).id();
    let key_of_custodian = CustodyKey { federation, sealing: sealing_key(3).public() };
    Signed::new(key_of_custodian, Tag::CustodyKey, &key(3))
}

pub(crate) fn binding() -> Binding {
    grant().binding(key(3).verifying_key())
}

/// Person 3's update, sealed to aggregators 1 and 2. Made once: HPKE is slow.
pub(crate) fn sealed() -> &'static SealedUpdate {
    static SEALED: OnceLock<SealedUpdate> = OnceLock::new();
    SEALED.get_or_init(|| {
        let parameters = parameters(Tagging::Absent);
        let mut rng = rng(1);
        let update = LocalUpdate::new(vec![0.1; DIMENSION as usize]).expect("finite");
        let clipped = update.clip(parameters.clip_norm());
        let rotation = parameters.rotation(&binding().federation, binding().round);
        let quantised = QuantizedUpdate::quantise(&clipped, &rotation, &parameters, &mut rng);
        let noisy = NoisyUpdate::without_noise(&quantised.expect("clipped"));
        let keys = [aggregator(1), aggregator(2)];
        seal(&noisy, binding(), &keys, &parameters, &key(3), &mut rng).expect("fits the terms")
    })
}
