//! What one run found: a line of the file of results.

use serde::{Deserialize, Serialize};

use crate::world::{Skew, Task};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "experiment", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "there are about two thousand of them")]
pub(crate) enum Row {
    /// The probe against exact Shapley values of the same game.
    Agreement(Agreement),
    /// How well scores tell honest from other contributors.
    Detection(Detection),
    /// What somebody who knows the rule earns.
    Earnings(Earnings),
    /// How near the values of honest contributors come.
    Twins(Twins),
    /// Credits against exact values, in the demonstration's setting.
    Fairness(Fairness),
}

/// How two lists of values agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Match {
    /// None where one side does not vary.
    pub(crate) spearman: Option<f64>,
    pub(crate) relative_l2: Option<f64>,
}

/// One round of one deal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Agreement {
    pub(crate) task: Task,
    pub(crate) contributors: usize,
    pub(crate) alpha: Skew,
    pub(crate) seed: u64,
    pub(crate) round: u64,
    /// The scalars that would be opened.
    pub(crate) sealed: Match,
    /// The probe without quantisation.
    pub(crate) clear: Match,
    /// The gradient at the model before the round alone.
    pub(crate) first_order: Match,
    /// Exact Banzhaf values, by their order.
    pub(crate) banzhaf: Match,
    /// Leave-one-out values.
    pub(crate) leave_one_out: Match,
    /// The sealed scalars with noise for ε of 1, 3 and 8 in this one opening (δ = 10⁻⁵), means of draws.
    pub(crate) noisy: [Match; 3],
    /// |Σφ − (L(w) − L(w + Δ̄))| over the latter.
    pub(crate) efficiency_gap: f64,
}

/// One attack in one deal, over its rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detection {
    pub(crate) task: Task,
    pub(crate) attack: String,
    pub(crate) alpha: Skew,
    pub(crate) seed: u64,
    /// Areas under the ROC curve of the sum over rounds: sealed value, score of the pay rule, leave-one-out, cosine,
    /// equal split.
    pub(crate) auc: [f64; 5],
    /// Credits of an attacker over those of the mean honest contributor.
    pub(crate) credits: f64,
}

/// One strategy in one deal, over its rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Earnings {
    pub(crate) strategy: String,
    pub(crate) alpha: Skew,
    pub(crate) seed: u64,
    /// Credits of all who act together over those of the mean honest contributor.
    pub(crate) credits: f64,
    /// Distances of trajectories within the group, the smallest; none of one.
    pub(crate) group_distance: Option<f64>,
    /// The smallest distance of two honest contributors, or of one and the group.
    pub(crate) honest_distance: f64,
    /// Pairs of honest contributors, or one honest and one of the group, that count as duplicates.
    pub(crate) false_duplicates: usize,
}

/// One deal in which everybody is honest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Twins {
    pub(crate) task: Task,
    pub(crate) alpha: Skew,
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    pub(crate) pairs: usize,
    /// Pairs that the pay rule takes for one contributor.
    pub(crate) taken_for_one: usize,
    /// Pairs at most as far from each other as [`crate::earnings::NEAR`] says.
    pub(crate) below: [usize; 5],
    /// The smallest distance.
    pub(crate) least: f64,
}

/// One seed of the demonstration's setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fairness {
    pub(crate) seed: u64,
    pub(crate) kinds: Vec<String>,
    /// Sums of exact Shapley values over the rounds, in loss.
    pub(crate) exact: Vec<f64>,
    /// Sums of the scalars.
    pub(crate) sealed: Vec<f64>,
    pub(crate) credits: Vec<f64>,
}

impl Row {
    /// What it is a run of: nothing is run twice.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Agreement(Agreement { task, contributors, alpha, seed, .. }) => {
                agreement_key(*task, *contributors, *alpha, *seed)
            }
            Self::Detection(Detection { task, attack, alpha, seed, .. }) => {
                format!("detection {} {attack} {} {seed}", task.name(), alpha.name())
            }
            Self::Earnings(Earnings { strategy, alpha, seed, .. }) => {
                format!("earnings {strategy} {} {seed}", alpha.name())
            }
            Self::Twins(Twins { task, alpha, seed, .. }) => {
                format!("twins {} {} {seed}", task.name(), alpha.name())
            }
            Self::Fairness(Fairness { seed, .. }) => format!("fairness {seed}"),
        }
    }
}

/// The key of an agreement's rounds.
pub(crate) fn agreement_key(task: Task, contributors: usize, alpha: Skew, seed: u64) -> String {
    format!("agreement {} {contributors} {} {seed}", task.name(), alpha.name())
}
