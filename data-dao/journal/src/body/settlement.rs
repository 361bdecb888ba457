//! How a round's pay becomes final, and rounds whose settlement does not fit one leaf.

use data_dao_governance::{text, texts};
use data_dao_ledger::Name;
use privacy_identity::{Digest, MerkleTree, Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{Participation, RoundSettled};
use crate::Dispute;

/// What a federation may spend of its members' privacy, and how long its pay can be challenged.
/// Once, before its first round; a federation without has no bound of ε and pays at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeguardsSet {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// Most privacy loss of all its rounds together, in millionths of ε; absent: unbounded.
    pub epsilon_micro_max: Option<u64>,
    /// How long the pay of a settled round can be challenged before it is posted: within the
    /// DAO's bounds 1 h to 30 d, in a demonstration from 1 ms.
    pub challenge_window_ms: u64,
    /// After how many settled rounds the validation set has to be shown, 1 to all of them; absent: it need not be. Until it is
    /// shown no round starts then and no pay becomes final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal_by_rounds: Option<u64>,
}

/// The challenge window of a round is over: what it pays is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundPosted {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// Which round.
    pub round: u64,
    /// The credits that become final: recomputed.
    #[serde(with = "text")]
    pub credits: u128,
}

/// A member objects to what a round is about to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundDisputed {
    /// The objection.
    pub dispute: Dispute,
    /// The complainant's signature over it under `Tag::Dispute`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// The head of a settlement in parts. The parts follow it, entry by entry, and the last of them
/// settles the round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundSettling {
    /// The settlement without its lists of members.
    pub settled: RoundSettled,
    /// How many took part.
    pub participants: u32,
    /// How many were invited and did not deliver.
    pub dropped: u32,
    /// The parts, by their digests ([`SettledPart::digest`]).
    #[serde(with = "texts")]
    pub parts: Vec<Digest>,
}

/// Some members of a settlement in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettledPart {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// Which round.
    pub round: u64,
    /// Which part, from 0.
    pub part: u32,
    /// Who took part; over all parts strictly ascending by key.
    pub participants: Vec<Participation>,
    /// Who was invited and did not deliver; over all parts strictly ascending by key.
    #[serde(with = "texts")]
    pub dropped: Vec<VerifyingKey>,
}

impl SettledPart {
    /// The part's digest: the RFC 6962 leaf hash of its JSON.
    ///
    /// # Panics
    /// Never: a part has neither maps nor values that JSON cannot write.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let json = serde_json::to_vec(self).expect("parts have no maps and no floats");
        MerkleTree::from_leaves([json.as_slice()]).root()
    }
}
