//! Arguments of `sahakar simulate`.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use aggregator_strategy::{AttackPlan, OverSelection, RobustRule};
use clap::{Args, ValueEnum};
use datasets::Partitioner;
use serde::Serialize;

use super::{
    images::{ImageChange, PixelScale},
    local_args::LocalArgs,
    strategy::Strategy,
};

/// Simulates a federation of virtual contributors in one process, with the state machines of a real one.
///
/// The same seed gives the same report, bit for bit, at any number of threads.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// How many contributors there are
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub clients: usize,
    /// Share of them that takes part in a round, at least two
    #[arg(long, default_value_t = 1.0, value_name = "Q", value_parser = share)]
    pub sample: f64,
    /// How those are drawn: exactly so many, each with probability Q, or each by a ticket of its own with that probability
    #[arg(long, value_enum, default_value_t = SamplingKind::Uniform)]
    pub sampling: SamplingKind,
    /// Invite so many for each that a round takes, as in 1.3, and take the first (with --sampling uniform)
    #[arg(long, value_name = "FACTOR")]
    pub over_select: Option<OverSelection>,
    /// Probability with which a contributor that was invited sends nothing
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    pub dropout: f64,
    /// Fewest contributions over which a sum is opened; by default 2, the custodians' number, or with noise the cohort
    #[arg(long, value_name = "N")]
    pub minimum_cohort: Option<u32>,
    /// Deal a round's contributors into so many groups, each with a sealed sum of its own; --robust works on their means
    #[arg(long, value_name = "G")]
    pub groups: Option<u32>,
    /// How the means of --groups become one: rules as for --rule that withstand somebody
    #[arg(long, value_name = "RULE", requires = "groups")]
    pub robust: Option<RobustRule>,
    /// How many rounds
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub rounds: u64,
    /// Passes over its rows that a contributor makes in a round
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub local_epochs: u32,
    /// Steps that a contributor takes in a round, instead of --local-epochs
    #[arg(long, value_name = "N", conflicts_with = "local_epochs")]
    pub local_steps: Option<u32>,
    /// Examples of a step
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub batch: u32,
    /// Step size of local SGD
    #[arg(long, default_value_t = 0.05, value_name = "RATE")]
    pub lr: f32,
    /// Momentum of local SGD
    #[arg(long, default_value_t = 0.0, value_name = "M")]
    pub momentum: f32,
    /// Weight decay of local SGD
    #[arg(long, default_value_t = 0.0, value_name = "L")]
    pub weight_decay: f32,
    /// Norm to which the gradient of a step is clipped
    #[arg(long, value_name = "NORM")]
    pub gradient_clip: Option<f32>,
    /// Weight of FedProx's proximal term
    #[arg(long, default_value_t = 0.0, value_name = "MU")]
    pub proximal: f32,
    /// Private training by example (DP-SGD): L2 norm to which the gradient of each example is clipped
    #[arg(long, value_name = "NORM")]
    pub example_clip: Option<f32>,
    /// Noise of --example-clip, over that norm
    #[arg(long, default_value_t = 1.0, value_name = "S", requires = "example_clip")]
    pub example_noise: f32,
    /// Changes training images at random, anew in each epoch: crop:P moves them by up to P pixels, flip mirrors
    /// every other one; as in crop:4,flip
    #[arg(long, value_name = "CHANGE,…", value_delimiter = ',')]
    pub augment: Vec<ImageChange>,
    /// Brings pixels, which are from 0 to 1, to (pixel - MEAN)/DEVIATION
    #[arg(long, value_name = "MEAN,DEVIATION", allow_hyphen_values = true)]
    pub normalise: Option<PixelScale>,
    /// What is trained
    #[arg(long, value_enum, default_value_t = ModelKind::Mlp)]
    pub model: ModelKind,
    /// Units of the hidden layers of --model mlp
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "200")]
    pub hidden: Vec<usize>,
    /// Which data: wine (built in), fashion-mnist, mnist, adult or shakespeare (from --data-dir)
    #[arg(long, default_value = "wine", value_name = "NAME")]
    pub dataset: String,
    /// Where the files of a data set that is not built in lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How alike the contributors' labels are: Dirichlet's α; inf deals rows at random
    #[arg(long, default_value = "inf", value_name = "ALPHA", value_parser = alpha)]
    pub alpha: f64,
    /// How rows are dealt instead: iid, dirichlet:A, dirichlet-balanced:A, inner-dirichlet:A, pathological:K, shards:K,
    /// linear, square, exponential, natural (who speaks), natural:COLUMN (by its values), or a file with the rows of each contributor, a JSON list of lists
    #[arg(long, value_name = "RULE|FILE", conflicts_with = "alpha", value_parser = partition)]
    pub partition: Option<PartitionRule>,
    /// Rows set aside to measure contributions on
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub validation_rows: usize,
    /// The server's step: fedavg, fedavgm, fedadagrad, fedadam or fedyogi, with settings as in
    /// fedadam:lr=0.1,tau=0.001; or scaffold, fedavg with steps corrected by control variates, which doubles uploads
    /// but with --local-steps; or asynchronous, a step for each buffer of K updates, with settings as in
    /// fedbuff:buffer=K,concurrency=2K,exponent=0.5,stale=20,spread=1,lr=1
    #[arg(long, default_value = "fedavg", value_name = "NAME")]
    pub strategy: Strategy,
    /// How updates in the clear become one (with --seal none): mean, median, trimmed-mean:beta=B,
    /// krum:f=F, multi-krum:f=F,m=M, geometric-median, norm-bound:norm=C
    #[arg(long, default_value = "mean", value_name = "RULE")]
    pub rule: RobustRule,
    /// What a contribution weighs in the mean: as many as it has rows with --seal none, else all the same. There
    /// is no ledger of contributions that weigh differently
    #[arg(long, value_enum)]
    pub weighting: Option<Weighting>,
    /// How updates are sealed
    #[arg(long, value_enum, default_value_t = SealKind::Mpc)]
    pub seal: SealKind,
    /// Noise of the contributors together, over the most that one changes a sum; 0: none, ε is unbounded
    #[arg(long, default_value_t = 0.0, value_name = "S")]
    pub noise_multiplier: f64,
    /// L2 norm to which updates are clipped; with --seal none they are not, unless it is given
    #[arg(long, value_name = "NORM")]
    pub clip: Option<f64>,
    /// Schedules, early stopping and models of contributors' own.
    #[command(flatten)]
    pub local: LocalArgs,
    /// Who attacks, and how: labelflip, backdoor, signflip, scale, gaussian, ipm, alie, zero or replay, and how
    /// many, as in signflip:2 or gaussian:2,deviation=0.1; may be repeated
    #[arg(long, value_name = "KIND:COUNT")]
    pub attack: Vec<AttackPlan>,
    /// How contributions are measured: by the probe, but for rules that are no mean. The others see updates in
    /// the clear, as only a simulation can; sealed rounds still pay by the probe. shapley takes 2^contributors
    /// models a round, at most 16 contributors; tmc and loo at most 128
    #[arg(long, value_enum)]
    pub value: Option<ValueKind>,
    /// Threads that train; all cores by default
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Seed of everything
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Write what came of it as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print what came of it as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a page with curves of it, in one file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Keep the state after each round in this file; if it is there, go on from it
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
}

/// How rows are dealt.
#[derive(Debug, Clone, PartialEq)]
pub enum PartitionRule {
    /// By a rule.
    Rule(Partitioner),
    /// By who is named in the rows, as evenly in number as it goes.
    Natural,
    /// By the values of a column, as evenly in number as it goes: a hospital, a country.
    Column(String),
    /// As a file says.
    File(PathBuf),
}

impl fmt::Display for PartitionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(f),
            Self::Natural => f.write_str("natural"),
            Self::Column(column) => write!(f, "natural:{column}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How a cohort is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplingKind {
    /// Exactly so many, without replacement.
    Uniform,
    /// Each by itself, with the same probability.
    Poisson,
    /// As poisson, but each draws for itself and proves it when it sends (sealed).
    Secret,
}

/// A model that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Logistic regression.
    Logistic,
    /// Dense layers (--hidden).
    Mlp,
    /// Two convolutions of 16 and 32 channels, a dense layer of 128.
    Cnn,
    /// The one of McMahan et al. 2017: 32 and 64 channels, a dense layer of 512.
    McmahanCnn,
    /// Dense layers (--hidden), and a learned vector for each category (adult).
    Table,
    /// A recurrent network over characters (shakespeare).
    CharGru,
}

/// What a contribution weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// As many as it has rows.
    Samples,
    /// All the same.
    Uniform,
}

/// How updates are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealKind {
    /// Not at all: robust rules need to see updates.
    None,
    /// Additive shares between two aggregators.
    Mpc,
    /// As mpc, with a proof of the norm.
    MpcVerified,
    /// Encrypted to keys that custodians share.
    Fhe,
}

/// How contributions are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    /// Not at all (with --seal none).
    None,
    /// The linear probe.
    Probe,
    /// Exact Shapley values of the round's game, by all coalitions.
    Shapley,
    /// Shapley values by truncated Monte-Carlo sampling (Ghorbani & Zou 2019).
    Tmc,
    /// What the mean update loses without the contribution.
    Loo,
}

impl ValueKind {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Probe => "probe",
            Self::Shapley => "shapley",
            Self::Tmc => "tmc",
            Self::Loo => "loo",
        }
    }

    /// Whether models of coalitions are evaluated.
    pub(crate) const fn plays_game(self) -> bool {
        matches!(self, Self::Shapley | Self::Tmc | Self::Loo)
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if 0.0 < share && share <= 1.0 => Ok(share),
        _ => Err(format!("a number above 0 and at most 1 is needed, got {text:?}")),
    }
}

fn partition(text: &str) -> Result<PartitionRule, String> {
    match text.parse() {
        _ if text == "natural" => Ok(PartitionRule::Natural),
        _ if text.strip_prefix("natural:").is_some_and(|column| !column.is_empty()) => {
            Ok(PartitionRule::Column(text["natural:".len()..].to_owned()))
        }
        Ok(rule) => Ok(PartitionRule::Rule(rule)),
        Err(_) if Path::new(text).is_file() => Ok(PartitionRule::File(text.into())),
        Err(error) => Err(format!("{error}, nor is it a file")),
    }
}

fn alpha(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(alpha) if alpha > 0.0 => Ok(alpha),
        _ => Err(format!("a number above 0 or \"inf\" is needed, got {text:?}")),
    }
}
