//! Proposals as JSON.

use data_dao_governance::{
    BallotSecrecy, Capacity, Class, Proposal, ProposalContent, ProposalState, Spent, Split,
};
use data_dao_journal::State as Ledger;
use data_dao_store::Store;
use privacy_identity::VerifyingKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::names;
use crate::amount;

/// A proposal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposalView {
    /// The digest of its content.
    id: String,
    /// What is proposed: all that the id and the signature cover.
    #[schema(value_type = Object)]
    content: ProposalContent,
    /// `ordinary`, or `critical`: two thirds For, and the longer timelock.
    #[schema(example = "ordinary")]
    class: &'static str,
    /// `pending`, `active`, `objection`, `succeeded`, `defeated`, `queued`, `executed`, `expired`,
    /// `vetoed`, `canceled`.
    #[schema(example = "active")]
    state: &'static str,
    /// When the proposal was made. Times are ledger times in milliseconds since 1970.
    created_ms: u64,
    /// Weights are frozen at this time, and votes are taken after it,
    voting_starts_ms: u64,
    /// up to and including this time.
    voting_ends_ms: u64,
    /// Sealed ballots are opened after that, up to and including this time.
    reveal_ends_ms: Option<u64>,
    /// Votes against are taken up to and including this time, after a late swing.
    objection_ends_ms: Option<u64>,
    /// When a queued proposal is executed, by itself.
    executable_ms: Option<u64>,
    /// The entry that executed it.
    executed_by: Option<u64>,
    /// Why the guardian stopped it.
    veto_reason: Option<String>,
    /// The log at the snapshot: its entries lead to the same weights.
    snapshot: Option<SnapshotView>,
    /// The votes so far.
    tally: TallyView,
    /// The weight that For and Abstain have to reach together; `0` before the snapshot.
    quorum: String,
    /// Members that have to vote For or Abstain.
    minimum_voters: u64,
    /// Whether both are reached.
    quorum_reached: bool,
    /// All weight there is; `0` before the snapshot.
    supply: String,
    /// Who voted what.
    ballots: Vec<BallotView>,
    /// How many sealed ballots are not opened yet.
    sealed_ballots: u64,
}

/// The log when weights were frozen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SnapshotView {
    /// Its entries.
    tree_size: u64,
    /// The root over them.
    root: String,
}

/// Weight and voters by choice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TallyView {
    /// Weight for.
    r#for: String,
    /// Weight against.
    against: String,
    /// Weight abstaining.
    abstain: String,
    /// Members who voted.
    voters: u64,
}

/// One member's vote.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BallotView {
    /// The member's pseudonym.
    voter: String,
    /// What the member is called.
    label: Option<String>,
    /// `entrusted`, or `override`: own weight, taken back from a delegate.
    #[schema(value_type = String)]
    capacity: Capacity,
    /// `for`, `against`, `abstain`, or `split`.
    choice: &'static str,
    /// The weight with which it counts.
    weight: String,
    /// Of it, for,
    r#for: String,
    /// against,
    against: String,
    /// abstaining.
    abstain: String,
}

impl ProposalView {
    pub(crate) fn new(
        proposal: &Proposal,
        (ledger, store): (&Ledger, &Store),
        now_ms: u64,
    ) -> Self {
        let state = proposal.state(now_ms);
        let tally = proposal.tally();
        let electorate = proposal.electorate();
        let supply = electorate.map_or(0, data_dao_governance::Electorate::supply);
        let holders = electorate.map_or(0, data_dao_governance::Electorate::holders);
        let spent = proposal.spent().into_iter().flatten();
        Self {
            id: proposal.id().to_string(),
            content: proposal.content().clone(),
            class: class_text(proposal.class()),
            state: state_text(state),
            created_ms: proposal.created_ms(),
            voting_starts_ms: proposal.snapshot_ms(),
            voting_ends_ms: proposal.deadline_ms(),
            reveal_ends_ms: (proposal.content().ballots == BallotSecrecy::Sealed)
                .then(|| proposal.reveal_deadline_ms())
                .flatten(),
            objection_ends_ms: match state {
                ProposalState::Objection { until_ms } => Some(until_ms),
                _ => None,
            },
            executable_ms: match state {
                ProposalState::Queued { eta_ms } => Some(eta_ms),
                _ => None,
            },
            executed_by: proposal.executed_by(),
            veto_reason: proposal.veto_reason().map(str::to_owned),
            snapshot: electorate.map(|electorate| SnapshotView {
                tree_size: electorate.position().tree_size,
                root: electorate.position().root.to_string(),
            }),
            tally: TallyView {
                r#for: amount::text(tally.in_favour),
                against: amount::text(tally.against),
                abstain: amount::text(tally.abstain),
                voters: tally.voters,
            },
            quorum: amount::text(proposal.charter().quorum(supply)),
            minimum_voters: proposal.charter().quorum_voters(holders),
            quorum_reached: proposal.quorum_reached(),
            supply: amount::text(supply),
            ballots: spent
                .flat_map(|(voter, spent)| ballots((ledger, store), voter, spent))
                .collect(),
            sealed_ballots: amount::count(proposal.commitments().len()),
        }
    }
}

/// One or two ballots of a member.
fn ballots(
    (ledger, store): (&Ledger, &Store),
    voter: &VerifyingKey,
    spent: &Spent,
) -> Vec<BallotView> {
    let view = |capacity: Capacity, split: &Split| BallotView {
        voter: voter.to_string(),
        label: ledger.membership(voter).map(|member| names::shown(store, voter, &member.label)),
        capacity,
        choice: choice_text(split),
        weight: amount::text(split.total().unwrap_or(u128::MAX)),
        r#for: amount::text(split.in_favour),
        against: amount::text(split.against),
        abstain: amount::text(split.abstain),
    };
    let entrusted = (spent.entrusted != Split::default() || spent.overriding.is_none())
        .then(|| view(Capacity::Entrusted, &spent.entrusted));
    let own = spent.overriding.as_ref().map(|split| view(Capacity::Override, split));
    entrusted.into_iter().chain(own).collect()
}

const fn choice_text(split: &Split) -> &'static str {
    match (split.in_favour, split.against, split.abstain) {
        (_, 0, 0) => "for",
        (0, _, 0) => "against",
        (0, 0, _) => "abstain",
        _ => "split",
    }
}

const fn class_text(class: Class) -> &'static str {
    match class {
        Class::Ordinary => "ordinary",
        Class::Critical => "critical",
    }
}

/// The state's name.
const fn state_text(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Draft => "draft",
        ProposalState::Pending => "pending",
        ProposalState::Active => "active",
        ProposalState::Objection { .. } => "objection",
        ProposalState::Succeeded => "succeeded",
        ProposalState::Defeated => "defeated",
        ProposalState::Queued { .. } => "queued",
        ProposalState::Executed => "executed",
        ProposalState::Expired => "expired",
        ProposalState::Vetoed => "vetoed",
        ProposalState::Canceled => "canceled",
    }
}
