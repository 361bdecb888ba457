//! Rounds and the models they make.

use data_dao_governance::{text, texts};
use data_dao_ledger::Name;
use privacy_identity::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};

/// A round starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundOpened {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// The round's number; higher than every earlier one of the federation.
    pub round: u64,
    /// Digest of the model that the round starts from.
    #[serde(with = "text")]
    pub model: Digest,
    /// How many contributors are invited.
    pub cohort_size: u32,
    /// What the round adds to the federation's privacy loss, in millionths of ε; absent if no noise is added.
    ///
    /// The loss of all rounds opened so far, this one included, less the loss of those before it, both
    /// composed and rounded up: the entries of any first rounds add up to their composed loss. A round that is
    /// aborted counts: its sum may have been opened. A single entry but the first is no loss of its round alone.
    pub epsilon_micro: Option<u64>,
}

/// One contributor's part in a settled round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participation {
    /// The contributor.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// The opened value scalar, in the units of the federation's quantisation.
    pub value: i64,
    /// The opened innovation scalar, in the same units.
    pub innovation: i64,
    /// The opened contrast scalar, in the same units ([`crate::Contrasts`]); absent in rounds of before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<i64>,
    /// Credits paid: recomputed by the pay rule.
    #[serde(with = "text")]
    pub credits: u128,
    /// Digest of the sealed update: no update is paid twice.
    #[serde(with = "text")]
    pub update: Digest,
}

/// How many messages were refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalCount {
    /// The reason's name.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A round ended with a new model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundSettled {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// Which round.
    pub round: u64,
    /// The model that the round started from: that of its opening.
    #[serde(with = "text")]
    pub model_before: Digest,
    /// The new model.
    #[serde(with = "text")]
    pub model_after: Digest,
    /// Digest of the receipt that the aggregators signed.
    #[serde(with = "text")]
    pub receipt: Digest,
    /// Accuracy on the test set in millionths; absent for tasks without classes.
    pub test_accuracy_ppm: Option<u32>,
    /// Loss on the test set in millionths.
    pub test_loss_micro: u64,
    /// Who took part, strictly ascending by key.
    pub participants: Vec<Participation>,
    /// What was refused.
    pub refused: Vec<RefusalCount>,
    /// Who was invited and did not deliver, strictly ascending by key.
    #[serde(with = "texts")]
    pub dropped: Vec<VerifyingKey>,
}

/// A round ended without a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundAborted {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// Which round.
    pub round: u64,
    /// Why.
    pub reason: String,
}

/// A federation's rounds may start from any of its last models, as contributors train at their own pace: before its first
/// round, once. Without this entry a round starts from the newest model.
///
/// Threat: a DAO node that grants rounds of models as old as it likes, whose sums move the newest model by updates that know
/// nothing of it. What the terms allow stands here, and the ledger refuses the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BufferSet {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// How many settled rounds may lie between the model of a round and the newest, at least 1.
    pub stale_max: u32,
}

/// A criterion of the federation's terms ended it before all rounds were run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundsEnded {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// The settled round whose model is the best by that criterion: it is the one that can be released.
    pub best_round: u64,
    /// Why, in words.
    pub reason: String,
}

/// A contributor's weight in a model's revenue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueWeight {
    /// The contributor.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// Credits earned in the model's federation.
    #[serde(with = "text")]
    pub weight: u128,
}

/// A model can be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelReleased {
    /// The model's name in the catalogue.
    #[serde(with = "text")]
    pub model: Name,
    /// Its version: 1 for the first, then one more each time.
    pub version: u32,
    /// Digest of the model: that of the federation's last settled round, or of the best one if a criterion of the terms
    /// ended it ([`RoundsEnded`]).
    #[serde(with = "text")]
    pub digest: Digest,
    /// The federation that trained it.
    #[serde(with = "text")]
    pub federation: Name,
    /// How many rounds were settled.
    pub rounds: u64,
    /// Accuracy on the test set in millionths.
    pub test_accuracy_ppm: Option<u32>,
    /// Who earns how much of a sale: recomputed (see `State::release_weights`). Left out if there
    /// are more than [`crate::LIST_MAX`].
    pub weights: Vec<ValueWeight>,
}
