//! Proposals as JSON.

use data_dao_governance::{
    Accused, Action, Choice, Proposal, ProposalContent, ProposalState, text,
};
use data_dao_journal::State as Ledger;
use privacy_identity::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::amount;

/// What is proposed, by whom: all that the id and the signature cover.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentDto {
    /// The DAO's id (see `/v1/ledger`).
    #[serde(with = "text")]
    #[schema(value_type = String)]
    dao: Digest,
    /// One line.
    title: String,
    /// Why.
    description: String,
    /// What happens on execution, all or nothing, in this order.
    actions: Vec<ActionDto>,
    /// Who proposes: a member's public key.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    proposer: VerifyingKey,
    /// Makes the same proposal possible again: a number as decimal text.
    #[serde(with = "text")]
    #[schema(value_type = String, example = "0")]
    salt: u64,
}

/// One thing that a proposal does.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ActionDto {
    /// Sets what one call of a model costs from now on.
    SetPredictionPrice {
        /// The model.
        model: String,
        /// In 10⁻⁴ of the currency's unit, as decimal text.
        #[serde(with = "text")]
        #[schema(value_type = String)]
        price: u128,
    },
    /// Sets the credits of a federation's later rounds.
    SetRoundBudget {
        /// The federation.
        federation: String,
        /// Credits of each round, as decimal text.
        #[serde(with = "text")]
        #[schema(value_type = String)]
        credits: u128,
    },
    /// Decides that an open dispute over the pay of a round is right: what it accuses is not paid.
    UpholdDispute {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
        /// Whom the dispute accuses: `round`, or a member's public key.
        #[serde(with = "text")]
        #[schema(value_type = String)]
        accused: Accused,
    },
    /// Changes nothing: the proposal's words are the decision.
    Text,
}

impl From<ContentDto> for ProposalContent {
    fn from(dto: ContentDto) -> Self {
        let action = |dto| match dto {
            ActionDto::SetPredictionPrice { model, price } => {
                Action::SetPredictionPrice { model, price }
            }
            ActionDto::SetRoundBudget { federation, credits } => {
                Action::SetRoundBudget { federation, credits }
            }
            ActionDto::UpholdDispute { federation, round, accused } => {
                Action::UpholdDispute { federation, round, accused }
            }
            ActionDto::Text => Action::Text,
        };
        Self {
            dao: dto.dao,
            title: dto.title,
            description: dto.description,
            actions: dto.actions.into_iter().map(action).collect(),
            proposer: dto.proposer,
            salt: dto.salt,
        }
    }
}

impl From<&ProposalContent> for ContentDto {
    fn from(content: &ProposalContent) -> Self {
        let action = |action: &Action| match action.clone() {
            Action::SetPredictionPrice { model, price } => {
                ActionDto::SetPredictionPrice { model, price }
            }
            Action::SetRoundBudget { federation, credits } => {
                ActionDto::SetRoundBudget { federation, credits }
            }
            Action::UpholdDispute { federation, round, accused } => {
                ActionDto::UpholdDispute { federation, round, accused }
            }
            Action::Text => ActionDto::Text,
        };
        Self {
            dao: content.dao,
            title: content.title.clone(),
            description: content.description.clone(),
            actions: content.actions.iter().map(action).collect(),
            proposer: content.proposer,
            salt: content.salt,
        }
    }
}

/// What a member says to a proposal.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChoiceDto {
    /// No.
    Against,
    /// Yes.
    For,
    /// Counts towards the quorum only.
    Abstain,
}

impl From<ChoiceDto> for Choice {
    fn from(choice: ChoiceDto) -> Self {
        match choice {
            ChoiceDto::Against => Self::Against,
            ChoiceDto::For => Self::For,
            ChoiceDto::Abstain => Self::Abstain,
        }
    }
}

impl From<Choice> for ChoiceDto {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Against => Self::Against,
            Choice::For => Self::For,
            Choice::Abstain => Self::Abstain,
        }
    }
}

/// A proposal as it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposalView {
    /// The digest of its content.
    id: String,
    /// What is proposed.
    content: ContentDto,
    /// `pending`, `active`, `canceled`, `defeated`, `succeeded`, `queued`, `expired`, `executed`.
    #[schema(example = "active")]
    state: &'static str,
    /// When the proposal was made. Times are ledger times in milliseconds since 1970.
    created_ms: u64,
    /// Votes are taken after this time,
    voting_starts_ms: u64,
    /// up to and including this time.
    voting_ends_ms: u64,
    /// When a queued proposal can be executed.
    executable_ms: Option<u64>,
    /// The votes so far.
    tally: TallyView,
    /// The weight that For and Abstain have to reach together.
    quorum: String,
    /// Members that have to vote For or Abstain.
    minimum_voters: u32,
    /// Whether both are reached.
    quorum_reached: bool,
    /// All weight there is.
    supply: String,
    /// Who voted what.
    ballots: Vec<BallotView>,
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
    voters: u32,
}

/// One member's vote.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BallotView {
    /// The member's pseudonym.
    voter: String,
    /// What the member is called.
    label: Option<String>,
    /// The vote.
    choice: ChoiceDto,
    /// The weight with which it counts.
    weight: String,
}

impl ProposalView {
    pub(crate) fn new(proposal: &Proposal, ledger: &Ledger, now_ms: u64) -> Self {
        let (state, executable_ms) = state_text(proposal.state(now_ms));
        let tally = proposal.tally();
        let charter = ledger.charter().map(|charter| charter.parameters().minimum_voters);
        let ballot = |(voter, choice): (&VerifyingKey, &Choice)| BallotView {
            voter: voter.to_string(),
            label: label(ledger, voter),
            choice: (*choice).into(),
            weight: amount::text(proposal.weights().get(voter).copied().unwrap_or(0)),
        };
        Self {
            id: proposal.id().to_string(),
            content: proposal.content().into(),
            state,
            created_ms: proposal.created_ms(),
            voting_starts_ms: proposal.snapshot_ms(),
            voting_ends_ms: proposal.deadline_ms(),
            executable_ms,
            tally: TallyView {
                r#for: amount::text(tally.in_favour),
                against: amount::text(tally.against),
                abstain: amount::text(tally.abstain),
                voters: tally.voters,
            },
            quorum: amount::text(proposal.quorum()),
            minimum_voters: charter.unwrap_or(0),
            quorum_reached: proposal.quorum_reached(),
            supply: amount::text(proposal.supply()),
            ballots: proposal.choices().iter().map(ballot).collect(),
        }
    }
}

/// The state's name, and when a queued proposal can be executed.
pub(crate) const fn state_text(state: ProposalState) -> (&'static str, Option<u64>) {
    match state {
        ProposalState::Pending => ("pending", None),
        ProposalState::Active => ("active", None),
        ProposalState::Canceled => ("canceled", None),
        ProposalState::Defeated => ("defeated", None),
        ProposalState::Succeeded => ("succeeded", None),
        ProposalState::Queued { eta_ms } => ("queued", Some(eta_ms)),
        ProposalState::Expired => ("expired", None),
        ProposalState::Executed => ("executed", None),
    }
}

/// What a member is called in the first federation that knows it.
fn label(ledger: &Ledger, member: &VerifyingKey) -> Option<String> {
    let mut federations = ledger.federations().values();
    federations.find_map(|f| f.members().get(member).map(|member| member.label.clone()))
}
