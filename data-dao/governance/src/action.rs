//! What a proposal does when it is executed: a closed list, no code.

mod encoding;

use std::collections::BTreeSet;

use privacy_identity::{Digest, Tag, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{
    Accused, ClaimedKey, GovernanceError, Licence, Parameter, PricePolicy, Role, optional_text,
    text,
};

/// Most actions of one proposal.
pub const ACTIONS_MAX: usize = 16;
/// Longest name, label or key text of an action, in bytes.
const TEXT_BYTES_MAX: usize = 200;
/// Longest reason of an action, in bytes.
const REASON_BYTES_MAX: usize = 1_000;

/// How much a proposal may do, and so how hard it is to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// More For than Against; the ordinary timelock.
    Ordinary,
    /// Touches privacy, the treasury, somebody's rights or the rules: For at least twice Against, and the longer
    /// timelock, so that who disagrees has time to leave.
    Critical,
}

/// What a slashing rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The entry of the log in which the credits were earned, or that shows the deed.
    #[serde(with = "text")]
    pub entry: u64,
    /// Digest of the document that members were shown, under `Tag::Evidence`.
    #[serde(with = "text")]
    pub document: Digest,
}

/// One thing that a proposal does. Only what is really executed stands here. This is the wire
/// form; whether what it names exists is for the journal to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Sets what one prediction of a model costs from now on.
    SetPredictionPrice {
        /// The model's name.
        model: String,
        /// New price in 10⁻⁴ of the currency's unit.
        #[serde(with = "text")]
        price: u128,
    },
    /// Sets what a model's calls, months and downloads cost, and how the price of a call follows demand.
    SetPricePolicy {
        /// The model's name.
        model: String,
        /// The new policy.
        policy: PricePolicy,
    },
    /// Sets the credits of a federation's later rounds.
    SetRoundBudget {
        /// The federation's name.
        federation: String,
        /// Credits of each round.
        #[serde(with = "text")]
        credits: u128,
    },
    /// Decides that an open dispute over the pay of a round is right: what it accuses is not paid.
    UpholdDispute {
        /// The federation's name.
        federation: String,
        /// The round.
        round: u64,
        /// Whom the dispute accuses.
        #[serde(with = "text")]
        accused: Accused,
    },
    /// Changes nothing: the proposal's words are the decision.
    Text,
    /// Sets a parameter of the charter for later proposals.
    SetParameter {
        /// Which one.
        parameter: Parameter,
        /// Its new value, in its own unit.
        #[serde(with = "text")]
        value: u64,
    },
    /// Pays a member from the treasury.
    TreasuryTransfer {
        /// Whom.
        #[serde(with = "text")]
        to: VerifyingKey,
        /// How much, in 10⁻⁴ of the currency's unit.
        #[serde(with = "text")]
        amount: u128,
    },
    /// Sets the DAO's part of later sales; the rest is the contributors'.
    SetRoyaltySplit {
        /// In parts per hundred: 0 to 100.
        treasury_percent: u8,
    },
    /// Sells a model again.
    ListModel {
        /// The model's name.
        model: String,
    },
    /// Sells no more calls of a model. Calls that were paid are still answered.
    DelistModel {
        /// The model's name.
        model: String,
    },
    /// Lets a stopped federation open rounds again.
    StartFederation {
        /// The federation's name.
        federation: String,
    },
    /// Lets a federation open no more rounds. The open one ends as it would have.
    StopFederation {
        /// The federation's name.
        federation: String,
    },
    /// Sets how much innovation qualifies for pay in a federation's later rounds.
    SetNovelty {
        /// The federation's name.
        federation: String,
        /// In parts per hundred of the cohort's median.
        percent: u32,
    },
    /// Sets what protects the data of a federation. What weakens it holds for a device only after
    /// that device signed (see [`crate::Consent`]).
    SetPrivacyPolicy {
        /// The federation's name.
        federation: String,
        /// The new policy.
        policy: PrivacyPolicy,
    },
    /// Sets which rounds of negative value suspend a member of a federation by themselves.
    SetSuspension {
        /// The federation's name.
        federation: String,
        /// How many rounds below zero; 0 of 0: nobody is suspended by rule.
        below_zero: u32,
        /// Of how many of the member's last rounds.
        of_rounds: u32,
    },
    /// Sets by when a federation's validation set has to be shown.
    SetRevealBy {
        /// The federation's name.
        federation: String,
        /// After so many settled rounds; 0: it need not be.
        rounds: u32,
    },
    /// Sets under which licence the versions of a federation's model are sold that are released from now on.
    SetLicence {
        /// The federation's name.
        federation: String,
        /// The licence.
        licence: Licence,
    },
    /// Takes somebody in.
    AdmitMember {
        /// Whom.
        #[serde(with = "text")]
        member: VerifyingKey,
        /// What the member is called.
        label: String,
        /// As what: at least one role, ascending.
        roles: Vec<Role>,
    },
    /// Takes a member's vote and part in rounds away, until it is reinstated.
    SuspendMember {
        /// Whom.
        #[serde(with = "text")]
        member: VerifyingKey,
        /// Why.
        reason: String,
    },
    /// Gives a suspended member its rights back.
    ReinstateMember {
        /// Whom.
        #[serde(with = "text")]
        member: VerifyingKey,
    },
    /// Gives a member whose key was lost or stolen the key that its owner claims. Roles, votes, money and what others entrusted to
    /// it stay; devices have to consent anew.
    RotateKey {
        /// Whose key, which one instead, and the proof that somebody holds it.
        claimed: Box<ClaimedKey>,
        /// What happened to the old one, and how members know who claims the new one.
        reason: String,
    },
    /// Takes credits away, and the votes that they are: as many as the member still has of them.
    SlashCredit {
        /// Whose.
        #[serde(with = "text")]
        member: VerifyingKey,
        /// How many.
        #[serde(with = "text")]
        credits: u128,
        /// What for.
        evidence: Evidence,
        /// Why.
        reason: String,
    },
    /// Adds a witness of the log, or gives one a new key.
    SetWitness {
        /// The witness's name.
        name: String,
        /// Its verifier key as of C2SP signed-note.
        vkey: String,
    },
    /// Takes a witness away.
    RemoveWitness {
        /// The witness's name.
        name: String,
    },
    /// Sets how many witnesses make a checkpoint believable.
    SetWitnessQuorum {
        /// How many.
        quorum: u32,
    },
    /// Nominates a guardian, who has to accept, or dismisses the one there is.
    SetGuardian {
        /// Whom; nobody dismisses.
        #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
        guardian: Option<VerifyingKey>,
        /// How long the guardian serves from its acceptance on; 0 if nobody is nominated.
        #[serde(with = "text")]
        term_ms: u64,
    },
    /// Puts other rules in force: from the next entry on the log is read by the rules with this digest alone, and a program
    /// that does not have them stops there. Rules are programs; an action names them and never carries them.
    UpgradeRules {
        /// Digest of the rules' name (see the journal's `Rules`).
        #[serde(with = "text")]
        rules: Digest,
    },
}

/// What protects the data of a federation, beyond the terms that each device pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyPolicy {
    /// Digest of the federation's terms.
    #[serde(with = "text")]
    pub terms: Digest,
    /// Fewest contributors of a round.
    pub minimum_cohort: u32,
    /// Most privacy loss of all rounds together, in millionths of ε; absent: unbounded.
    pub epsilon_micro_max: Option<u64>,
}

impl PrivacyPolicy {
    /// What a device signs when it consents.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_encoded(Tag::Terms, self)
    }

    /// Whether this policy protects at least as much as `other`, in every part. Other terms are
    /// taken for weaker: what they say is not for the ledger to judge.
    #[must_use]
    pub fn protects_as_much_as(&self, other: &Self) -> bool {
        let bound = |policy: &Self| policy.epsilon_micro_max.unwrap_or(u64::MAX);
        self.terms == other.terms
            && self.minimum_cohort >= other.minimum_cohort
            && bound(self) <= bound(other)
    }
}

impl Action {
    /// How hard a proposal with this action is to pass.
    ///
    /// Critical: privacy, treasury, rules, and what takes rights from somebody: a bare majority
    /// must not suspend or slash a minority to win the next vote, and above all not take its place by a key of its own.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::SetPredictionPrice { .. }
            | Self::SetPricePolicy { .. }
            | Self::SetRoundBudget { .. }
            | Self::Text
            | Self::ListModel { .. }
            | Self::DelistModel { .. }
            | Self::StartFederation { .. }
            | Self::StopFederation { .. }
            | Self::AdmitMember { .. } => Class::Ordinary,
            Self::SetParameter { .. }
            | Self::TreasuryTransfer { .. }
            | Self::SetRoyaltySplit { .. }
            | Self::SetNovelty { .. }
            | Self::SetSuspension { .. }
            | Self::SetRevealBy { .. }
            | Self::SetLicence { .. }
            | Self::SetPrivacyPolicy { .. }
            | Self::SuspendMember { .. }
            | Self::ReinstateMember { .. }
            | Self::RotateKey { .. }
            | Self::SlashCredit { .. }
            | Self::SetWitness { .. }
            | Self::RemoveWitness { .. }
            | Self::SetWitnessQuorum { .. }
            | Self::SetGuardian { .. }
            | Self::UpgradeRules { .. }
            | Self::UpholdDispute { .. } => Class::Critical,
        }
    }

    /// What the action changes: two actions of one proposal never change the same, so that each
    /// can be checked before the first is carried out.
    fn target(&self) -> Option<String> {
        Some(match self {
            Self::RotateKey { claimed, .. } => format!("key of {}", claimed.claim.member),
            // Payments add up, and text changes nothing.
            Self::Text | Self::TreasuryTransfer { .. } => return None,
            Self::SetPredictionPrice { model, .. } | Self::SetPricePolicy { model, .. } => {
                format!("price of {model}")
            }
            Self::SetRoundBudget { federation, .. } => format!("budget of {federation}"),
            Self::SetParameter { parameter, .. } => parameter.to_string(),
            Self::SetRoyaltySplit { .. } => "royalty split".to_owned(),
            Self::ListModel { model } | Self::DelistModel { model } => {
                format!("listing of {model}")
            }
            Self::StartFederation { federation } | Self::StopFederation { federation } => {
                format!("running of {federation}")
            }
            Self::SetNovelty { federation, .. } => format!("novelty of {federation}"),
            Self::SetSuspension { federation, .. } => format!("suspension in {federation}"),
            Self::SetRevealBy { federation, .. } => format!("validation set of {federation}"),
            Self::SetPrivacyPolicy { federation, .. } => format!("privacy of {federation}"),
            Self::SetLicence { federation, .. } => format!("licence of {federation}"),
            Self::AdmitMember { member, .. }
            | Self::SuspendMember { member, .. }
            | Self::ReinstateMember { member } => format!("membership of {member}"),
            Self::SlashCredit { member, .. } => format!("credits of {member}"),
            Self::SetWitness { .. }
            | Self::RemoveWitness { .. }
            | Self::SetWitnessQuorum { .. } => "witnesses".to_owned(),
            Self::SetGuardian { .. } => "guardian".to_owned(),
            Self::UpgradeRules { .. } => "rules".to_owned(),
            Self::UpholdDispute { federation, round, .. } => {
                format!("pay of round {round} of {federation}")
            }
        })
    }

    /// A key that becomes somebody's by this action, and how: no other action may give away the key of a rotation.
    ///
    /// Threat: a new key that is free when each action is checked, and both a member's and somebody else's when both are done.
    fn key_given(&self) -> Option<(VerifyingKey, &'static str)> {
        match self {
            Self::RotateKey { claimed, .. } => Some((claimed.claim.new, "rotation")),
            Self::AdmitMember { member, .. } => Some((*member, "membership")),
            Self::SetGuardian { guardian, .. } => Some(((*guardian)?, "guardian")),
            _ => None,
        }
    }

    /// Checks lengths and what an action says about itself.
    fn check_form(&self) -> Result<(), GovernanceError> {
        let length = |field: &'static str, got: usize, max: usize| match got {
            got if (1..=max).contains(&got) => Ok(()),
            got => Err(GovernanceError::Length { field, got, max }),
        };
        match self {
            Self::SetPredictionPrice { model: name, .. }
            | Self::ListModel { model: name }
            | Self::DelistModel { model: name }
            | Self::SetRoundBudget { federation: name, .. }
            | Self::StartFederation { federation: name }
            | Self::StopFederation { federation: name }
            | Self::SetNovelty { federation: name, .. }
            | Self::SetSuspension { federation: name, .. }
            | Self::SetRevealBy { federation: name, .. }
            | Self::SetPrivacyPolicy { federation: name, .. }
            | Self::UpholdDispute { federation: name, .. }
            | Self::RemoveWitness { name } => length("name", name.len(), TEXT_BYTES_MAX),
            Self::SetPricePolicy { model, policy } => {
                length("name", model.len(), TEXT_BYTES_MAX)?;
                policy.check()
            }
            Self::SetLicence { federation, licence } => {
                length("name", federation.len(), TEXT_BYTES_MAX)?;
                licence.check()
            }
            Self::SetWitness { name, vkey } => {
                length("name", name.len(), TEXT_BYTES_MAX)?;
                length("vkey", vkey.len(), TEXT_BYTES_MAX)
            }
            Self::AdmitMember { label, roles, .. } => {
                length("label", label.len(), TEXT_BYTES_MAX)?;
                Role::check(roles)
            }
            Self::SuspendMember { reason, .. }
            | Self::RotateKey { reason, .. }
            | Self::SlashCredit { reason, .. } => length("reason", reason.len(), REASON_BYTES_MAX),
            Self::Text
            | Self::SetParameter { .. }
            | Self::TreasuryTransfer { .. }
            | Self::SetRoyaltySplit { .. }
            | Self::ReinstateMember { .. }
            | Self::SetWitnessQuorum { .. }
            | Self::UpgradeRules { .. }
            | Self::SetGuardian { .. } => Ok(()),
        }
    }
}

/// Checks the actions of a proposal, and says how hard it is to pass: as hard as its hardest.
pub(crate) fn checked_class(actions: &[Action]) -> Result<Class, GovernanceError> {
    let mut targets = BTreeSet::new();
    for action in actions {
        action.check_form()?;
        if let Some(target) = action.target()
            && !targets.insert(target.clone())
        {
            return Err(GovernanceError::SameTarget { target });
        }
    }
    check_keys_given(actions)?;
    Ok(actions.iter().map(Action::class).max().unwrap_or(Class::Ordinary))
}

/// No key becomes a member's by rotation, and somebody's in another way.
fn check_keys_given(actions: &[Action]) -> Result<(), GovernanceError> {
    let given: Vec<_> = actions.iter().filter_map(Action::key_given).collect();
    for (place, (key, way)) in given.iter().enumerate() {
        let again =
            given.iter().enumerate().any(|(other, (same, _))| other != place && same == key);
        if *way == "rotation" && again {
            return Err(GovernanceError::SameTarget { target: format!("holder of {key}") });
        }
    }
    Ok(())
}
