//! What a simulation does, checked: everything that its outcome depends on, and nothing else.

use std::path::PathBuf;

use aggregator_strategy::{AttackPlan, RobustRule, ServerOptimizer};
use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use privacy_identity::{Digest, Tag};
use serde_json::{Value, json};
use trainer_model::{BatchSampling, DpSgd, LocalWork, TrainingPlan, TrainingSettings};

use super::{
    args::{ModelKind, PartitionRule, SamplingKind, SealKind, SimulateArgs, ValueKind, Weighting},
    data::SimulationData,
    images::{ImageChanges, PixelScale},
    local_args::Strategy,
    local_plan::LocalPlan,
};

/// L2 norm to which sealed updates are clipped where none is given: above the updates of one local epoch
/// of the models here (0.2 to 3), so that next to none is shortened, and small enough that 12 bits of norm
/// resolve them.
const CLIP_DEFAULT: f64 = 5.0;
/// Fewest contributors of a round: the sum over one is its update.
const COHORT_MIN: usize = 2;
/// Most virtual contributors: their keys and row numbers are kept.
const CLIENTS_MAX: usize = 1_000_000;

/// A checked plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) sample: f64,
    pub(crate) sampling: SamplingKind,
    pub(crate) rounds: u64,
    pub(crate) training: TrainingPlan,
    pub(crate) changes: ImageChanges,
    pub(crate) scale: PixelScale,
    pub(crate) model: ModelKind,
    pub(crate) hidden: Vec<usize>,
    pub(crate) dataset: String,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) alpha: f64,
    pub(crate) partition: Option<PartitionRule>,
    pub(crate) validation_rows: usize,
    pub(crate) strategy: ServerOptimizer,
    pub(crate) local: LocalPlan,
    pub(crate) rule: RobustRule,
    pub(crate) weighting: Weighting,
    pub(crate) seal: SealKind,
    pub(crate) noise_multiplier: f64,
    pub(crate) clip: Option<f64>,
    pub(crate) attacks: Vec<AttackPlan>,
    pub(crate) value: ValueKind,
    pub(crate) seed: u64,
}

impl Plan {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// A sentence that says which flag to change.
    pub(crate) fn new(args: &SimulateArgs) -> anyhow::Result<Self> {
        let settings = TrainingSettings {
            work: args.local_steps.map_or(LocalWork::Epochs(args.local_epochs), LocalWork::Steps),
            batch_size: args.batch,
            learning_rate: args.lr,
            momentum: args.momentum,
            weight_decay: args.weight_decay,
            gradient_clip: args.gradient_clip,
            proximal: args.proximal,
            privacy: args.example_clip.map(|clip_norm| DpSgd {
                clip_norm,
                noise_multiplier: args.example_noise,
                sampling: BatchSampling::Poisson,
            }),
            augmentation: None,
        };
        let plan = Self {
            clients: args.clients,
            sample: args.sample,
            sampling: args.sampling,
            rounds: args.rounds,
            training: TrainingPlan::new(settings).context("local training")?,
            changes: ImageChanges::new(&args.augment)?,
            scale: args.normalise.unwrap_or(PixelScale::PLAIN),
            model: args.model,
            hidden: args.hidden.clone(),
            dataset: args.dataset.clone(),
            data_dir: args.data_dir.clone(),
            alpha: args.alpha,
            partition: args.partition.clone(),
            validation_rows: args.validation_rows,
            strategy: args.strategy.optimizer,
            local: LocalPlan::new(args),
            rule: args.rule,
            weighting: args.weighting.unwrap_or(match args.seal {
                SealKind::None => Weighting::Samples,
                _ => Weighting::Uniform,
            }),
            seal: args.seal,
            noise_multiplier: args.noise_multiplier,
            clip: args.clip,
            attacks: args.attack.clone(),
            value: args.value.unwrap_or(match args.rule {
                RobustRule::Mean if args.local.personal_layers.is_none() => ValueKind::Probe,
                _ => ValueKind::None,
            }),
            seed: args.seed,
        };
        plan.check()?;
        Ok(plan)
    }

    /// The plan with what depends on the data.
    ///
    /// # Errors
    /// Changes of images that the rows are none of, or that leave nothing of them.
    pub(crate) fn for_data(self, data: &SimulationData) -> anyhow::Result<Self> {
        let augmentation = self.changes.augmentation(&data.inputs, self.scale, &data.name)?;
        let settings = TrainingSettings { augmentation, ..self.training.settings() };
        Ok(Self { training: TrainingPlan::new(settings).context("--augment")?, ..self })
    }

    fn check(&self) -> anyhow::Result<()> {
        let sealed = self.seal != SealKind::None;
        if !(COHORT_MIN..=CLIENTS_MAX).contains(&self.clients) {
            bail!(
                "--clients must lie between {COHORT_MIN} and {CLIENTS_MAX}, got {}: the sum over one update is that update",
                self.clients
            );
        }
        if self.cohort_size() < COHORT_MIN {
            bail!(
                "--sample {} of {} contributors is fewer than {COHORT_MIN}",
                self.sample,
                self.clients
            );
        }
        if sealed && self.rule != RobustRule::Mean {
            bail!("--rule {} has to see updates: use it with --seal none", self.rule.name());
        }
        if sealed && self.value == ValueKind::None {
            bail!("sealed rounds always measure contributions: use --value none with --seal none");
        }
        if self.rule != RobustRule::Mean && self.value == ValueKind::Probe {
            bail!(
                "--value probe shares out the gain of a mean: use --value none with --rule {}",
                self.rule.name()
            );
        }
        if !sealed && self.noise_multiplier > 0.0 {
            bail!(
                "--noise-multiplier is noise inside the sealed form: use it with --seal mpc, mpc-verified or fhe"
            );
        }
        if self.noise_multiplier > 0.0 && self.sampling == SamplingKind::Poisson {
            bail!("--noise-multiplier needs a cohort of known size: use --sampling uniform");
        }
        if self.noise_multiplier > 0.0 && self.weighting == Weighting::Samples {
            bail!("noise is sized for contributions that weigh the same: use --weighting uniform");
        }
        if self.clip.is_some_and(|clip| !(clip.is_finite() && clip > 0.0)) {
            bail!("--clip must be above 0");
        }
        self.local.check(self)
    }

    /// How many take part in a round; by Poisson sampling, on average.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most CLIENTS_MAX, and positive"
    )]
    pub(crate) fn cohort_size(&self) -> usize {
        (self.sample * self.clients as f64).round() as usize
    }

    /// The model's name as on the command line.
    pub(crate) fn model_name(&self) -> String {
        self.model.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The strategy in the notation of the command line.
    pub(crate) fn strategy_name(&self) -> String {
        Strategy { optimizer: self.strategy, scaffold: self.local.scaffold }.to_string()
    }

    /// The norm to which sealed updates are clipped.
    pub(crate) fn clip_or_default(&self) -> f64 {
        self.clip.unwrap_or(CLIP_DEFAULT)
    }

    /// The plan as the report states it.
    pub(crate) fn to_json(&self) -> Value {
        let training = self.training.settings();
        let (local_epochs, local_steps) = match training.work {
            LocalWork::Epochs(epochs) => (Some(epochs), None),
            LocalWork::Steps(steps) => (None, Some(steps)),
        };
        let mut config = json!({
            "clients": self.clients,
            "sample": self.sample,
            "sampling": self.sampling,
            "rounds": self.rounds,
            "local_epochs": local_epochs,
            "local_steps": local_steps,
            "batch_size": training.batch_size,
            "learning_rate": shortest(training.learning_rate),
            "momentum": shortest(training.momentum),
            "weight_decay": shortest(training.weight_decay),
            "gradient_clip": training.gradient_clip.map(shortest),
            "proximal": shortest(training.proximal),
            "example_clip": training.privacy.map(|privacy| shortest(privacy.clip_norm)),
            "example_noise": training.privacy.map(|privacy| shortest(privacy.noise_multiplier)),
            "augment": Some(self.changes.to_string()).filter(|changes| !changes.is_empty()),
            "normalise": Some(self.scale).filter(|of| *of != PixelScale::PLAIN).map(|of| of.to_string()),
            "model": self.model,
            "hidden": self.hidden,
            "dataset": self.dataset,
            "alpha": if self.alpha.is_finite() { json!(self.alpha) } else { json!("inf") },
            "partition": self.partition.as_ref().map(ToString::to_string),
            "validation_rows": self.validation_rows,
            "strategy": self.strategy_name(),
            "rule": self.rule.to_string(),
            "weighting": self.weighting,
            "mode": self.seal,
            "noise_multiplier": self.noise_multiplier,
            "clip_norm": self.clip,
            "attacks": self.attacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "value": self.value,
            "seed": self.seed,
        });
        self.local.add_to_json(&mut config);
        config
    }

    /// What a checkpoint is bound to: a state goes on only under the plan and the data that it was made by. More
    /// rounds may be asked for later.
    pub(crate) fn digest(&self, data: &SimulationData) -> Digest {
        let mut plan = self.to_json();
        plan["rounds"] = Value::Null;
        Digest::of(Tag::Terms, &[plan.to_string().as_bytes(), &data.digest().0].concat())
    }
}

/// The number that a person wrote: the shortest that is read as this `f32`.
pub(crate) fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
