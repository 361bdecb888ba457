//! The federation's part of the configuration: data, model, rounds.

use std::path::PathBuf;

use aggregator_protocol::{
    CustodyTerms, DriftTerms, LocalWork, NoiseTerms, PersonalTerms, SealingTerms, TrainingTerms,
};
use aggregator_strategy::{BufferRule, CohortRule, GroupRule, Schedule, ServerOptimizer};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::sealing::{AggregatorConfig, CustodyConfig, SealingMode};
use crate::licence::LicenceConfig;
use crate::serve::{groups_config, prices_config::PricesConfig};
use crate::simulate::buffer_rule;

/// The federation: data, model, rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationConfig {
    /// Its name: letters a-z, digits, `-`.
    pub name: String,
    /// What the model may be used for, in words.
    pub purpose: String,
    /// The DAO's validation table (CSV): value is measured on it.
    pub validation: PathBuf,
    /// The DAO's test table (CSV): accuracy is reported on it, nothing is decided by it.
    pub test: PathBuf,
    /// The table's numeric columns.
    pub features: Vec<String>,
    /// The table's label column.
    pub label: String,
    /// The label's classes.
    pub classes: Vec<String>,
    /// Units of each hidden layer.
    #[serde(default)]
    pub hidden: Vec<usize>,
    /// The model's architecture as `trainer-model` describes it (JSON), instead of dense layers of these widths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The aggregators, the coordinator first; one in mode `fhe`, two or more in the others.
    pub aggregators: Vec<AggregatorConfig>,
    /// How updates are sealed: `mpc` (the default), `mpc-verified` or `fhe`.
    #[serde(default)]
    pub sealing: SealingMode,
    /// Who keeps the keys, in mode `fhe`.
    #[serde(default)]
    pub custody: CustodyConfig,
    /// Standard deviation of the noise that `honest_minimum` contributors add together, over the most that one
    /// contributor changes a sum; 0 (the default): no noise, and ε is unbounded.
    #[serde(default)]
    pub noise_multiplier: f64,
    /// Contributors of every sum who are counted on to add their noise; by default the minimum cohort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honest_minimum: Option<u32>,
    /// δ for which ε is stated; by default 10⁻⁵.
    #[serde(default = "delta_by_default")]
    pub delta: f64,
    /// Most ε of all rounds together: a round that would exceed it does not start. By default what `rounds` rounds
    /// cost; aborted ones count. Needs noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_max: Option<f64>,
    /// How long the pay of a settled round can be challenged before it is final, in milliseconds: 1 h to 30 d, in a
    /// demonstration from 1 ms. By default a day, in a demonstration half a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_window_ms: Option<u64>,
    /// After how many settled rounds the validation set is shown, at most `rounds`: without that no pay becomes final from then
    /// on. By default it need not be shown. Best the number of all rounds: what is shown can be fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal_by_rounds: Option<u32>,
    /// Where it is shown, `https://…`: put the file of `validation` there before that round ends. The node writes the address
    /// into the ledger when it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal_url: Option<String>,
    /// How many rounds are run at most.
    pub rounds: u32,
    /// When to run no more: `loss:patience=P,improvement=X` after P rounds in which the validation loss did not fall by more
    /// than X (0 if left out); `accuracy:…` likewise. Then the best model so far is sold. By default never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<String>,
    /// Members that must have joined before the first round starts.
    pub start_members: u32,
    /// How a round's cohort is chosen: `everybody` (the default), `uniform:size=K,over=F` (⌈K·F⌉ are drawn in public and
    /// the first K are taken) or `secret:rate=Q` (each draws for itself).
    #[serde(default = "sampling_by_default")]
    pub sampling: String,
    /// Fewest contributions over which a sum is opened, at least 2.
    pub minimum_cohort: u32,
    /// Most members.
    pub members_max: u32,
    /// L2 norm to which updates are clipped, in parameter units.
    pub clip_norm: f64,
    /// Passes over the contributor's examples per round.
    pub local_epochs: u32,
    /// Steps per round instead of passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_steps: Option<u32>,
    /// Examples per step.
    pub batch_size: u32,
    /// Step size of SGD.
    pub learning_rate: f64,
    /// What the step size is multiplied by in each round: `constant` (the default), `step:every=K,factor=G`,
    /// `exponential:factor=G` or `cosine:rounds=R,floor=F`, each with `warmup=W`.
    #[serde(default = "schedule_by_default")]
    pub schedule: String,
    /// Momentum of SGD, in 0..1; 0 by default.
    #[serde(default)]
    pub momentum: f64,
    /// L2 penalty on parameters; 0 by default.
    #[serde(default)]
    pub weight_decay: f64,
    /// L2 norm to which the gradient of a step is clipped; by default it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f64>,
    /// Weight of FedProx's proximal term; 0 by default.
    #[serde(default)]
    pub proximal: f64,
    /// Last dense layers that each contributor has to itself and never uploads (`FedPer`); by default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_layers: Option<u32>,
    /// λ by which a model of each contributor's own is drawn to the shared one (Ditto); by default there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ditto_lambda: Option<f64>,
    /// Correct drift by control variates (SCAFFOLD): needs `local_steps`, and neither momentum, noise nor models of one's own.
    /// Among members who know each other: one that sends zeros in every round stops training, and nobody can prove it.
    #[serde(default)]
    pub scaffold: bool,
    /// The server's step: `fedavg` (the default), `fedavgm`, `fedadagrad`, `fedadam` or `fedyogi`, with settings as
    /// in `fedadam:lr=0.1,tau=0.001`.
    #[serde(default = "optimizer_by_default")]
    pub optimizer: String,
    /// How rounds come about: by default all train at the same time. `fedbuff:buffer=K,exponent=A,stale=S,lr=R`, as `sahakar
    /// simulate` spells it: contributors train at their own pace, K who are done make a buffer, each of its versions a sealed
    /// round of at least `minimum_cohort`, weighted by (1 + age)^-A; what is older than S versions is thrown away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Into how many groups the contributors of a round are dealt, at random and for everybody to recompute, each of at least
    /// `minimum_cohort` with a sealed sum of its own; `robust` makes one step of the groups' means. By default there is one sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<u32>,
    /// The rule over the means of `groups`, as `sahakar simulate --robust` spells it: `median`, `trimmed-mean:beta=B`, `krum:f=F`,
    /// `multi-krum:f=F,m=M` or `geometric-median`. So many attackers may take part as groups that it withstands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robust: Option<String>,
    /// Credits paid per round.
    pub round_budget: u64,
    /// Innovation that qualifies for pay, in per cent of the cohort's median.
    pub novelty_percent: u32,
    /// How long a round waits for contributions, in milliseconds.
    pub round_deadline_ms: u64,
    /// How long one step between aggregators may take for each batch of updates, in milliseconds.
    pub step_deadline_ms: u64,
    /// The model's name in the catalogue.
    pub model: String,
    /// Price of one prediction in 10⁻⁴ of the currency's unit, until a vote changes it.
    pub price: u64,
    /// Its other prices: with demand, of months, of licences; without this section there is one price, of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<PricesConfig>,
    /// Under which licence its models are sold: an SPDX expression, `"CC-BY-NC-4.0"`, or another one by
    /// `{ name = "…", link = "https://…", text = "FILE" }`, of whose text the ledger has the SHA-256. It is named once, for the
    /// versions released from then on; later it takes a vote (`set_licence`). By default none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<LicenceConfig>,
    /// Seed of the initial parameters.
    pub seed: u64,
    /// A safetensors file with the initial parameters, instead of random ones: a model that was trained elsewhere. Its
    /// tensors have the names and shapes of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_model: Option<PathBuf>,
}

/// δ where none is configured: below one over the contributors of any federation.
pub(crate) const fn delta_by_default() -> f64 {
    1e-5
}

/// The server's step where none is configured.
pub(crate) fn optimizer_by_default() -> String {
    ServerOptimizer::default().to_string()
}

/// The rule by which cohorts are chosen where none is configured.
pub(crate) fn sampling_by_default() -> String {
    CohortRule::default().to_string()
}

/// The schedule of learning rates where none is configured.
pub(crate) fn schedule_by_default() -> String {
    Schedule::CONSTANT.to_string()
}

impl FederationConfig {
    /// The terms' local training.
    ///
    /// # Errors
    /// A schedule that cannot be read.
    pub fn training(&self) -> anyhow::Result<TrainingTerms> {
        Ok(TrainingTerms {
            work: self.local_steps.map_or(LocalWork::Epochs(self.local_epochs), LocalWork::Steps),
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            schedule: self.schedule.parse().context("federation.schedule")?,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            gradient_clip: self.gradient_clip,
            proximal: self.proximal,
            drift: if self.scaffold { DriftTerms::Scaffold } else { DriftTerms::Absent },
            personal: self.personal()?,
        })
    }

    /// The terms' server step, and the buffer if there is one.
    ///
    /// # Errors
    /// What cannot be read, or says the same thing twice.
    pub fn server_step(&self) -> anyhow::Result<(ServerOptimizer, Option<BufferRule>)> {
        let optimizer = self.optimizer.parse().context("federation.optimizer")?;
        let Some(strategy) = &self.strategy else { return Ok((optimizer, None)) };
        let (stepped, rule) = buffer_rule(strategy).context("federation.strategy")?;
        if optimizer != ServerOptimizer::default() {
            anyhow::bail!(
                "federation.optimizer = {:?}: a buffer has the server's step of FedBuff; leave it out and write {:?}",
                self.optimizer,
                "fedbuff:…,lr=R"
            );
        }
        Ok((stepped, Some(rule)))
    }

    /// The terms' rule over groups, if there are groups.
    ///
    /// # Errors
    /// Groups without a rule or the other way round, and a rule that is refused over so many.
    pub fn group_rule(&self) -> anyhow::Result<Option<GroupRule>> {
        groups_config::group_rule(self.groups, self.robust.as_deref())
    }

    fn personal(&self) -> anyhow::Result<PersonalTerms> {
        Ok(match (self.personal_layers, self.ditto_lambda) {
            (None, None) => PersonalTerms::Absent,
            (Some(layers), None) => PersonalTerms::Layers(layers),
            (None, Some(pull)) => PersonalTerms::Beside { pull },
            (Some(_), Some(_)) => {
                anyhow::bail!("federation.personal_layers and federation.ditto_lambda: one of them")
            }
        })
    }

    /// The terms' noise.
    #[must_use]
    pub fn noise(&self) -> NoiseTerms {
        NoiseTerms {
            multiplier: self.noise_multiplier,
            honest_minimum: self.honest_minimum.unwrap_or(self.minimum_cohort),
            delta: self.delta,
        }
    }

    /// The terms' sealing.
    ///
    /// # Errors
    /// Custodians among whom there can be no agreement.
    pub fn sealing(&self) -> anyhow::Result<SealingTerms> {
        Ok(match self.sealing {
            SealingMode::Mpc => SealingTerms::Mpc,
            SealingMode::MpcVerified => SealingTerms::MpcVerified,
            SealingMode::Fhe => {
                let CustodyConfig { custodians, threshold } = self.custody;
                let custody = CustodyTerms::new(custodians, threshold);
                SealingTerms::Fhe(custody.context("federation.custody")?)
            }
        })
    }
}
