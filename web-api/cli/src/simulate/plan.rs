//! What a simulation does, checked: everything that its outcome depends on, and nothing else.

use std::path::PathBuf;

use aggregator_strategy::{
    AttackPlan, CohortRule, GroupRule, OverSelection, RobustRule, SamplingRate, ServerOptimizer,
};
use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use data_dao_value::{ENUMERATION_PLAYERS_MAX, PLAYERS_MAX};
use privacy_identity::{Digest, Tag};
use serde_json::{Value, json};
use trainer_model::{BatchSampling, DpSgd, LocalWork, TrainingPlan, TrainingSettings};

use super::{
    args::{ModelKind, PartitionRule, SamplingKind, SealKind, SimulateArgs, ValueKind, Weighting},
    arrivals::Conduct,
    data::SimulationData,
    images::{ImageChanges, PixelScale},
    local_plan::LocalPlan,
    strategy::{Buffering, Strategy},
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
    pub(crate) over: OverSelection,
    pub(crate) dropout: f64,
    /// Fewest contributions of a sum, if it is not what follows from the rest.
    pub(crate) minimum_cohort: Option<u32>,
    pub(crate) groups: Option<GroupRule>,
    pub(crate) buffering: Option<Buffering>,
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
            over: args.over_select.unwrap_or(OverSelection::NONE),
            dropout: args.dropout,
            minimum_cohort: args.minimum_cohort,
            groups: group_rule(args)?,
            buffering: args.strategy.buffering(),
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
            strategy: args.strategy.optimizer(),
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
        self.check_sampling()?;
        self.check_groups()?;
        self.check_buffer()?;
        if sealed && self.value == ValueKind::None {
            bail!("sealed rounds always measure contributions: use --value none with --seal none");
        }
        if self.rule != RobustRule::Mean && self.value != ValueKind::None {
            bail!(
                "--value {} shares out the gain of a mean: use --value none with --rule {}",
                self.value.name(),
                self.rule.name()
            );
        }
        self.check_players()?;
        if !sealed && self.noise_multiplier > 0.0 {
            bail!(
                "--noise-multiplier is noise inside the sealed form: use it with --seal mpc, mpc-verified or fhe"
            );
        }
        let sized = self.sampling == SamplingKind::Uniform && self.buffering.is_none();
        if self.noise_multiplier > 0.0 && !sized && self.minimum_cohort.is_none() {
            bail!(
                "--noise-multiplier needs a cohort of known size: use --sampling uniform, or give --minimum-cohort"
            );
        }
        if self.noise_multiplier > 0.0 && self.weighting == Weighting::Samples {
            bail!("noise is sized for contributions that weigh the same: use --weighting uniform");
        }
        if self.clip.is_some_and(|clip| !(clip.is_finite() && clip > 0.0)) {
            bail!("--clip must be above 0");
        }
        self.local.check(self)
    }

    /// Who draws whom, and how many come.
    fn check_sampling(&self) -> anyhow::Result<()> {
        if !(0.0..1.0).contains(&self.dropout) {
            bail!("--dropout must be at least 0 and below 1, got {}", self.dropout);
        }
        if self.over != OverSelection::NONE && self.sampling != SamplingKind::Uniform {
            bail!("--over-select takes the first of those who were drawn: use --sampling uniform");
        }
        if self.invited() > self.clients {
            bail!(
                "--over-select {} invites {} of {} contributors",
                self.over,
                self.invited(),
                self.clients
            );
        }
        if self.sampling == SamplingKind::Secret && self.seal == SealKind::None {
            bail!("--sampling secret shows tickets to a coordinator: use --sampling poisson");
        }
        match self.minimum_cohort {
            Some(minimum) if (minimum as usize) < COHORT_MIN || minimum as usize > self.clients => {
                bail!("--minimum-cohort must lie between {COHORT_MIN} and --clients, got {minimum}")
            }
            Some(_) if self.seal == SealKind::None => {
                bail!("--minimum-cohort is of sealed rounds: nothing is opened in others")
            }
            _ => Ok(()),
        }
    }

    /// Rounds of which a robust rule sees the means of groups.
    fn check_groups(&self) -> anyhow::Result<()> {
        let Some(rule) = self.groups else { return Ok(()) };
        if self.buffering.is_some() {
            bail!("--groups are of one round of all, and fedbuff has rounds of those who are done");
        }
        if !matches!(self.seal, SealKind::Mpc | SealKind::MpcVerified) {
            bail!(
                "--groups are of sealed updates, and custodians open one sum per round: use --seal mpc or \
                 mpc-verified; in the clear --rule sees single updates"
            );
        }
        self.check_measured_sums("--groups")?;
        if self.sampling == SamplingKind::Poisson {
            bail!("--groups need a cohort of known size: use --sampling uniform or secret");
        }
        let (groups, minimum) = (rule.groups(), self.minimum() as usize);
        let least = self.cohort_size() / groups;
        if least < minimum {
            bail!(
                "--groups {groups} of {} contributors are groups of {least}, the minimum cohort is {minimum}: \
                 use fewer groups, or more contributors",
                self.cohort_size()
            );
        }
        Ok(())
    }

    /// Rounds of those who are done.
    fn check_buffer(&self) -> anyhow::Result<()> {
        let Some(Buffering { concurrency, buffer, .. }) = self.buffering else { return Ok(()) };
        if self.seal == SealKind::None {
            bail!(
                "--strategy fedbuff is for sealed updates: use it with --seal mpc, mpc-verified or fhe"
            );
        }
        self.check_measured_sums("--strategy fedbuff")?;
        if self.over != OverSelection::NONE || self.sampling == SamplingKind::Secret {
            bail!(
                "--strategy fedbuff takes all who are done: use neither --over-select nor --sampling secret"
            );
        }
        let minimum = self.minimum() as usize;
        if concurrency > self.clients || buffer < minimum || self.sample < 1.0 {
            bail!(
                "fedbuff draws {concurrency} at a time from all {} contributors (--sample 1), and a buffer of {buffer} holds the minimum cohort of {minimum}",
                self.clients
            );
        }
        Ok(())
    }

    /// What steps other than a round's mean ask for: weights that are the same for all, and no oracle.
    fn check_measured_sums(&self, what: &str) -> anyhow::Result<()> {
        if self.weighting == Weighting::Samples {
            bail!("{what} takes contributions that weigh the same: use --weighting uniform");
        }
        if self.value.plays_game() {
            bail!(
                "--value {} plays the game of a round's mean, and {what} takes another step: use --value probe",
                self.value.name()
            );
        }
        Ok(())
    }

    /// Fewest contributions of a sum that nobody asked to be more: two, or as many as there are custodians.
    pub(crate) fn minimum(&self) -> u32 {
        let least = match self.seal {
            SealKind::Fhe => 3,
            SealKind::None | SealKind::Mpc | SealKind::MpcVerified => 2,
        };
        self.minimum_cohort.unwrap_or(least)
    }

    /// The largest cohort of a sealed round, and the smallest of a sum: of a group, where there are groups.
    pub(crate) fn cohort_bounds(&self) -> [usize; 2] {
        let (size, smallest) = (self.cohort_size(), self.minimum() as usize);
        let groups = self.groups.map_or(1, |rule| rule.groups());
        match self.sampling {
            _ if self.buffering.is_some() => [self.clients, smallest],
            SamplingKind::Uniform => [self.invited(), size / groups],
            // Whoever is drawn is the cohort; in secret draws everybody is invited.
            SamplingKind::Poisson => [self.clients, COHORT_MIN],
            SamplingKind::Secret => [self.clients, smallest],
        }
    }

    /// How many are invited to a round.
    pub(crate) fn invited(&self) -> usize {
        let size = u32::try_from(self.cohort_size()).unwrap_or(u32::MAX);
        usize::try_from(self.over.invited(size)).unwrap_or(usize::MAX)
    }

    /// How the terms say that cohorts are chosen.
    pub(crate) fn cohort_rule(&self) -> anyhow::Result<CohortRule> {
        Ok(match self.sampling {
            SamplingKind::Uniform if self.buffering.is_none() => {
                CohortRule::Uniform { size: u32::try_from(self.cohort_size())?, over: self.over }
            }
            SamplingKind::Secret => CohortRule::Secret { rate: SamplingRate::new(self.sample)? },
            SamplingKind::Uniform | SamplingKind::Poisson => CohortRule::Everybody,
        })
    }

    /// How contributors behave.
    pub(crate) fn conduct(&self) -> Conduct {
        let spread = self.buffering.map_or(1.0, |buffering| buffering.spread);
        Conduct { seed: self.seed, spread, dropout: self.dropout }
    }

    /// Refuses rounds whose games have too many players.
    fn check_players(&self) -> anyhow::Result<()> {
        let most = match self.value {
            ValueKind::Shapley => ENUMERATION_PLAYERS_MAX,
            ValueKind::Tmc | ValueKind::Loo => PLAYERS_MAX,
            ValueKind::None | ValueKind::Probe => return Ok(()),
        };
        let players = match self.sampling {
            SamplingKind::Uniform => self.cohort_size(),
            SamplingKind::Poisson | SamplingKind::Secret => self.clients,
        };
        if players > most {
            bail!(
                "--value {} takes at most {most} contributors in a round, got {players}: use a smaller --sample, or --value {}",
                self.value.name(),
                if self.value == ValueKind::Shapley { "tmc" } else { "probe" }
            );
        }
        Ok(())
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
        let strategy = match self.buffering {
            Some(buffering) => Strategy::Buffered(buffering),
            None if self.local.scaffold => Strategy::Scaffold(self.strategy),
            None => Strategy::Rounds(self.strategy),
        };
        strategy.to_string()
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
            "over_select": f64::from(self.over.percent()) / 100.0,
            "dropout": self.dropout,
            "minimum_cohort": self.minimum_cohort,
            "groups": self.groups.map(|rule| rule.groups()),
            "robust": self.groups.map(|rule| rule.rule().to_string()),
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

/// The rule over groups, if there are groups: the terms of a real federation take the same ones.
fn group_rule(args: &SimulateArgs) -> anyhow::Result<Option<GroupRule>> {
    let Some(groups) = args.groups else { return Ok(None) };
    let Some(rule) = args.robust else {
        bail!("--groups {groups}: name the rule that works on their means, as in --robust median");
    };
    GroupRule::new(groups, rule).map(Some).context("--groups and --robust")
}

/// The number that a person wrote: the shortest that is read as this `f32`.
pub(crate) fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
