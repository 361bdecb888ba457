//! What the processes of the co-operative are told.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use aggregator_network::{KeyProtection, create_key};
use anyhow::Context as _;
use data_dao_governance::CharterParameters;
use privacy_identity::{SealingKey, SigningKey};
use rand::CryptoRng;

use super::{AGGREGATOR, COORDINATOR, CooperativePlan, ROUND_BUDGET};
use crate::{
    demo::central::{CLIP_NORM, HIDDEN, LOCAL_EPOCHS, NOVELTY_PERCENT, SETTINGS},
    serve::{
        AggregatorConfig, CustodyConfig, DaoConfig, FederationConfig, HttpConfig, ListenConfig,
        SealingMode, SecretsConfig, ServeConfig, delta_by_default, guardian_term_by_default,
        optimizer_by_default, sampling_by_default, schedule_by_default,
    },
};

/// Makes an aggregator's key and returns its public half for the terms.
fn aggregator_keys(dir: &Path, rng: &mut impl CryptoRng) -> anyhow::Result<AggregatorConfig> {
    std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let signing = SigningKey::from_seed(&*create_key(&dir.join("key"), KeyProtection::Clear, rng)?);
    Ok(AggregatorConfig {
        verifying: signing.verifying_key().to_string(),
        sealing: hex::encode(SealingKey::derived_from(&signing).public().0),
    })
}

/// What the DAO node is told, and the keys of the aggregators that it names.
pub(super) fn serve_config(
    plan: &CooperativePlan,
    secrets: SecretsConfig,
    rng: &mut impl CryptoRng,
) -> anyhow::Result<ServeConfig> {
    let members = u32::try_from(plan.wineries.len()).context("contributors")?;
    let mut aggregators = vec![aggregator_keys(&plan.dir.join(COORDINATOR), rng)?];
    if plan.mode != SealingMode::Fhe {
        aggregators.push(aggregator_keys(&plan.dir.join(AGGREGATOR), rng)?);
    }
    let mut federation = federation_config(plan, aggregators, members);
    (plan.adjust)(&mut federation);
    let mut dao = DaoConfig {
        name: "Wine Co-operative".to_owned(),
        currency: "EUR".to_owned(),
        treasury_percent: 10,
        demonstration: true,
        charter: CharterParameters::DEMONSTRATION,
        founders: Vec::new(),
        guardian: None,
        guardian_term_ms: guardian_term_by_default(),
    };
    (plan.found)(&mut dao);
    Ok(ServeConfig {
        http: HttpConfig::default(),
        state_dir: plan.dir.join("dao"),
        listen: ListenConfig {
            http: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            link: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()],
        },
        dao,
        federation,
        secrets,
    })
}

fn federation_config(
    plan: &CooperativePlan,
    aggregators: Vec<AggregatorConfig>,
    members: u32,
) -> FederationConfig {
    let minimum_cohort = 2.max(members / 2);
    FederationConfig {
        sealing: plan.mode,
        custody: CustodyConfig::among(minimum_cohort),
        noise_multiplier: plan.noise_multiplier,
        honest_minimum: None,
        delta: delta_by_default(),
        epsilon_max: None,
        challenge_window_ms: None,
        reveal_by_rounds: None,
        reveal_url: None,
        name: "wine".to_owned(),
        purpose: "Grade red wine as good or ordinary from eleven laboratory values".to_owned(),
        validation: plan.validation.clone(),
        test: plan.test.clone(),
        features: plan.schema.features().to_vec(),
        label: plan.schema.label().to_owned(),
        classes: plan.schema.classes().to_vec(),
        hidden: HIDDEN.to_vec(),
        architecture: None,
        aggregators,
        rounds: plan.rounds,
        early_stopping: None,
        start_members: members,
        minimum_cohort,
        members_max: 64.max(members),
        clip_norm: CLIP_NORM,
        local_epochs: LOCAL_EPOCHS,
        batch_size: SETTINGS.batch_size,
        learning_rate: f64::from(SETTINGS.learning_rate),
        local_steps: None,
        schedule: schedule_by_default(),
        momentum: 0.0,
        weight_decay: 0.0,
        gradient_clip: None,
        proximal: 0.0,
        personal_layers: None,
        ditto_lambda: None,
        scaffold: false,
        optimizer: optimizer_by_default(),
        strategy: None,
        groups: None,
        robust: None,
        sampling: sampling_by_default(),
        round_budget: ROUND_BUDGET,
        novelty_percent: NOVELTY_PERCENT,
        round_deadline_ms: plan.round_deadline_ms,
        step_deadline_ms: 20_000,
        model: "wine-quality".to_owned(),
        price: 250,
        prices: None,
        licence: None,
        seed: plan.seed,
        initial_model: None,
    }
}
