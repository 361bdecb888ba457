//! The terms of a simulated federation: those of a real one, without a cohort's own keys.

use std::num::NonZeroU32;

use aggregator_protocol::{
    CohortTerms, CustodyTerms, DriftTerms, FederationTerms, LocalWork, NoiseTerms, PersonalTerms,
    SchemaTerms, SealingTerms, TrainingTerms,
};
use anyhow::{Context as _, bail};
use privacy_dp::ClipNorm;
use privacy_identity::{Digest, SealingKey, SigningKey};
use privacy_secagg::{AggregatorKeys, EncodingOptions, EncodingParameters};

use super::{
    args::{SealKind, Weighting},
    plan::Plan,
    population::Contributor,
};

/// Most custodians of a round, as by default in `sahakar serve`.
const CUSTODIANS_MAX: usize = 5;
/// Fewest custodians among whom two can open and one may be away.
const CUSTODIANS_MIN: usize = 3;
/// Virtual milliseconds: nothing takes time here, so any deadline will do.
const DEADLINE_MS: u64 = 60_000;
/// Rounds that the terms allow, as the ledger does: the same for each simulation, so that one that is gone on
/// with for longer is the same federation.
pub(crate) const ROUNDS_MAX: u32 = 1 << 16;
/// W: what the largest contributor weighs. As long as the largest update (2^12): the sensitivity grows by
/// no more than √2, and weights are exact to 1/4096 of the largest.
pub(crate) const WEIGHT_MAX: u32 = 4096;

/// Everything that terms follow from.
pub(crate) struct TermsParts<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) dao: Digest,
    pub(crate) dao_key: &'a SigningKey,
    pub(crate) aggregators: &'a [SigningKey],
    pub(crate) architecture: String,
    pub(crate) parameters: usize,
    pub(crate) classes: usize,
    /// Largest and smallest cohort that a round may have.
    pub(crate) cohort: [usize; 2],
}

/// Two aggregators, or one in FHE mode.
pub(crate) const fn aggregator_count(seal: SealKind) -> usize {
    match seal {
        SealKind::Fhe | SealKind::None => 1,
        SealKind::Mpc | SealKind::MpcVerified => 2,
    }
}

/// The terms of a sealed federation.
pub(crate) fn terms(parts: &TermsParts<'_>) -> anyhow::Result<FederationTerms> {
    let TermsParts { plan, cohort: [largest, smallest], .. } = parts;
    let fewest = plan.minimum_cohort.map_or(*smallest, |minimum| minimum as usize);
    let sealing = sealing(plan.seal, fewest.min(*smallest))?;
    // With noise a round of fewer would have too little of it: nobody may be missing.
    let noisy = plan.noise_multiplier > 0.0;
    let custodians = sealing.custody().map_or(2, CustodyTerms::custodians);
    let least = u32::try_from(if noisy { *smallest } else { custodians })?;
    let minimum_cohort = plan.minimum_cohort.unwrap_or(least);
    let noise = NoiseTerms {
        multiplier: plan.noise_multiplier,
        honest_minimum: if noisy { minimum_cohort } else { 1 },
        ..NoiseTerms::ABSENT
    };
    let terms = FederationTerms {
        name: "simulated".to_owned(),
        purpose: "simulation".to_owned(),
        dao: parts.dao,
        dao_node: parts.dao_key.verifying_key(),
        aggregators: parts.aggregators.iter().map(keys).collect(),
        sealing,
        cohort: CohortTerms::Absent,
        encoding: encoding(plan, parts.parameters, *largest, &noise)?,
        noise,
        training: training(plan),
        optimizer: plan.strategy,
        architecture: parts.architecture.clone(),
        schema: SchemaTerms {
            features: vec!["inputs".to_owned()],
            label: "class".to_owned(),
            classes: (0..parts.classes).map(|class| class.to_string()).collect(),
            mean: vec![0.0],
            deviation: vec![1.0],
        },
        rounds: ROUNDS_MAX,
        // A simulation stops by itself.
        stopping: None,
        sampling: plan.cohort_rule()?,
        buffer: plan.buffering.map(|buffering| buffering.rule()),
        groups: plan.groups,
        minimum_cohort,
        round_deadline_ms: DEADLINE_MS,
        step_deadline_ms: DEADLINE_MS,
    };
    Ok(terms.checked()?)
}

/// The terms' local training.
pub(crate) fn training(plan: &Plan) -> TrainingTerms {
    let settings = plan.training.settings();
    TrainingTerms {
        work: match settings.work {
            trainer_model::LocalWork::Epochs(epochs) => LocalWork::Epochs(epochs),
            trainer_model::LocalWork::Steps(steps) => LocalWork::Steps(steps),
        },
        batch_size: settings.batch_size,
        learning_rate: f64::from(settings.learning_rate),
        schedule: plan.local.schedule,
        momentum: f64::from(settings.momentum),
        weight_decay: f64::from(settings.weight_decay),
        gradient_clip: settings.gradient_clip.map(f64::from),
        proximal: f64::from(settings.proximal),
        // A simulation sees to these itself.
        drift: DriftTerms::Absent,
        personal: PersonalTerms::Absent,
    }
}

fn keys(key: &SigningKey) -> AggregatorKeys {
    AggregatorKeys {
        verifying: key.verifying_key(),
        sealing: SealingKey::derived_from(key).public(),
    }
}

fn sealing(seal: SealKind, cohort: usize) -> anyhow::Result<SealingTerms> {
    Ok(match seal {
        SealKind::Mpc => SealingTerms::Mpc,
        SealKind::MpcVerified => SealingTerms::MpcVerified,
        SealKind::Fhe => {
            if cohort < CUSTODIANS_MIN {
                bail!(
                    "--seal fhe needs cohorts of {CUSTODIANS_MIN} or more: its custodians are drawn from them"
                );
            }
            let custodians = cohort.min(CUSTODIANS_MAX);
            let count = u8::try_from(custodians)?;
            SealingTerms::Fhe(CustodyTerms::new(count, count / 2 + 1)?)
        }
        SealKind::None => bail!("an open round has no terms"),
    })
}

fn encoding(
    plan: &Plan,
    parameters: usize,
    cohort: usize,
    noise: &NoiseTerms,
) -> anyhow::Result<EncodingParameters> {
    let clip_norm = ClipNorm::new(plan.clip_or_default()).context("--clip")?;
    let (dimension, members) = (u32::try_from(parameters)?, u32::try_from(cohort)?);
    let weight_max = if plan.weighting == Weighting::Samples { WEIGHT_MAX } else { 1 };
    let options = EncodingOptions { weight_max, ..EncodingOptions::default() };
    let encoding = match noise.plan() {
        None => EncodingParameters::valued(clip_norm, dimension, members, options),
        Some(plan) => {
            EncodingParameters::valued_with_noise(clip_norm, dimension, members, options, plan)
        }
    };
    encoding.context("no ring holds the updates of such a federation")
}

/// What a contribution weighs in the mean, where the largest contributor has `most` rows.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
pub(crate) fn contribution_weight(plan: &Plan, contributor: &Contributor, most: usize) -> f64 {
    match (plan.weighting, plan.seal) {
        (Weighting::Uniform, _) => 1.0,
        (Weighting::Samples, SealKind::None) => contributor.rows.len() as f64,
        (Weighting::Samples, _) => f64::from(weight(contributor.rows.len(), most).get()),
    }
}

/// The weight of a contributor with so many rows where the largest has `most`.
pub(crate) fn weight(rows: usize, most: usize) -> NonZeroU32 {
    let scaled = (rows as u64 * u64::from(WEIGHT_MAX)).div_ceil(most.max(1) as u64);
    let weight = u32::try_from(scaled).unwrap_or(WEIGHT_MAX).min(WEIGHT_MAX);
    NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN)
}
