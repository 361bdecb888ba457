//! What an entry says: one struct per kind, in the wire form.

mod access;
mod fault;
mod founding;
mod licensing;
mod membership;
mod payments;
mod plans;
mod revealing;
mod rounds;
mod sales;
mod settlement;
mod voting;

use serde::{Deserialize, Serialize};

pub use access::{Administered, KeyAmended, KeyGrant, KeyGranted, KeyRevoked, KeyRotated, Scope};
pub use fault::FaultProven;
pub use founding::{BoundsKind, FederationOpened, Genesis, MemberAdmitted, NamesKind};
pub use licensing::LicenceSet;
pub use membership::{
    ConsentGiven, Founder, MemberJoined, MemberKeyRotated, MemberLeft, MembersFounded,
};
pub(crate) use payments::PAYMENT_PREFIX;
pub use payments::{PaymentRefundFailed, PaymentRefunded, PaymentReinstated};
pub use plans::{CallsRefunded, LicenceBought, MonthBought, MonthEnded, PricePolicySet, Withdrawn};
pub use revealing::ValidationRevealed;
pub use rounds::{
    BufferSet, ModelReleased, Participation, RefusalCount, RoundAborted, RoundOpened, RoundSettled,
    RoundsEnded, ValueWeight,
};
pub use sales::{
    Deposited, KeyIssued, Predicted, PredictionReserved, PredictionVoided, PriceSet, Purchased,
    RevenueLine,
};
pub use settlement::{RoundDisputed, RoundPosted, RoundSettling, SafeguardsSet, SettledPart};
pub use voting::{
    BallotCast, BallotRevealed, BallotSealed, GuardianAccepted, PollOpened, ProposalCanceled,
    ProposalExecuted, ProposalMade, ProposalQueued, ProposalVetoed, VoteDelegated,
};

/// What happened. In JSON, an object with one member: the kind in snake case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The DAO is founded: the first entry, and only the first.
    Genesis(Genesis),
    /// A federation starts.
    FederationOpened(FederationOpened),
    /// A member joins a federation.
    MemberAdmitted(MemberAdmitted),
    /// A round starts.
    RoundOpened(RoundOpened),
    /// A round ended with a new model; its credits are paid.
    RoundSettled(RoundSettled),
    /// A round ended without a model.
    RoundAborted(RoundAborted),
    /// What bounds a federation's privacy loss, and how long its pay can be challenged.
    SafeguardsSet(SafeguardsSet),
    /// What a round pays is final.
    RoundPosted(RoundPosted),
    /// A member objects to what a round is about to pay.
    RoundDisputed(RoundDisputed),
    /// A party lied about a member's update: proven to the DAO node.
    FaultProven(FaultProven),
    /// The head of a settlement that does not fit one leaf.
    RoundSettling(RoundSettling),
    /// A part of that settlement; the last one settles the round.
    SettledPart(SettledPart),
    /// A federation ended before all its rounds were run.
    RoundsEnded(RoundsEnded),
    /// The table that values are measured on is shown.
    ValidationRevealed(ValidationRevealed),
    /// A federation's rounds may start from any of its last models.
    BufferSet(BufferSet),
    /// A model can be bought.
    ModelReleased(ModelReleased),
    /// The operator sets a model's first price; later ones need a vote.
    PriceSet(PriceSet),
    /// A buyer gets an API key.
    KeyIssued(KeyIssued),
    /// Money arrived for a buyer.
    Deposited(Deposited),
    /// A buyer paid for calls in advance.
    Purchased(Purchased),
    /// One paid call is set aside for a prediction in progress.
    PredictionReserved(PredictionReserved),
    /// The prediction was made; its price is split.
    Predicted(Predicted),
    /// The prediction failed; the call is the buyer's again.
    PredictionVoided(PredictionVoided),
    /// A member made a proposal.
    ProposalMade(ProposalMade),
    /// A member voted.
    BallotCast(BallotCast),
    /// A successful proposal starts its timelock.
    ProposalQueued(ProposalQueued),
    /// A proposal's actions took effect.
    ProposalExecuted(ProposalExecuted),
    /// The proposer withdrew a proposal.
    ProposalCanceled(ProposalCanceled),
    /// A vote begins.
    PollOpened(PollOpened),
    /// A member voted, and does not tell what yet.
    BallotSealed(BallotSealed),
    /// A sealed ballot was opened.
    BallotRevealed(BallotRevealed),
    /// The guardian stopped a proposal.
    ProposalVetoed(ProposalVetoed),
    /// A member entrusted its vote to another, or took it back.
    VoteDelegated(VoteDelegated),
    /// Who was nominated is guardian from now on.
    GuardianAccepted(GuardianAccepted),
    /// Who founds the DAO: the second entry, or none.
    MembersFounded(MembersFounded),
    /// Somebody joined at a member's invitation.
    MemberJoined(MemberJoined),
    /// A member left.
    MemberLeft(MemberLeft),
    /// A device agreed to a federation's present policy.
    ConsentGiven(ConsentGiven),
    /// Another key signs for a member.
    MemberKeyRotated(MemberKeyRotated),
    /// Somebody did something at the node.
    Administered(Administered),
    /// A buyer gets an API key with scopes and limits.
    KeyGranted(KeyGranted),
    /// A key may do other things.
    KeyAmended(KeyAmended),
    /// A key gets a new secret.
    KeyRotated(KeyRotated),
    /// A key ends.
    KeyRevoked(KeyRevoked),
    /// The operator sets a model's first prices.
    PricePolicySet(PricePolicySet),
    /// A buyer paid for a month of calls.
    MonthBought(MonthBought),
    /// What a month left is split.
    MonthEnded(MonthEnded),
    /// A buyer gave calls back.
    CallsRefunded(CallsRefunded),
    /// Money went back to a buyer outside.
    Withdrawn(Withdrawn),
    /// A buyer paid for a download.
    LicenceBought(LicenceBought),
    /// A payment was taken back outside.
    PaymentRefunded(PaymentRefunded),
    /// What was taken back is here again.
    PaymentReinstated(PaymentReinstated),
    /// A refund failed before anything was booked of it.
    PaymentRefundFailed(PaymentRefundFailed),
    /// Under which licence a federation's models are sold.
    LicenceSet(LicenceSet),
}

impl Body {
    /// The kind, as JSON spells it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::FederationOpened(_) => "federation_opened",
            Self::MemberAdmitted(_) => "member_admitted",
            Self::RoundOpened(_) => "round_opened",
            Self::RoundSettled(_) => "round_settled",
            Self::RoundAborted(_) => "round_aborted",
            Self::SafeguardsSet(_) => "safeguards_set",
            Self::RoundPosted(_) => "round_posted",
            Self::RoundDisputed(_) => "round_disputed",
            Self::FaultProven(_) => "fault_proven",
            Self::RoundSettling(_) => "round_settling",
            Self::SettledPart(_) => "settled_part",
            Self::RoundsEnded(_) => "rounds_ended",
            Self::ValidationRevealed(_) => "validation_revealed",
            Self::BufferSet(_) => "buffer_set",
            Self::ModelReleased(_) => "model_released",
            Self::PriceSet(_) => "price_set",
            Self::KeyIssued(_) => "key_issued",
            Self::Deposited(_) => "deposited",
            Self::Purchased(_) => "purchased",
            Self::PredictionReserved(_) => "prediction_reserved",
            Self::Predicted(_) => "predicted",
            Self::PredictionVoided(_) => "prediction_voided",
            Self::ProposalMade(_) => "proposal_made",
            Self::BallotCast(_) => "ballot_cast",
            Self::ProposalQueued(_) => "proposal_queued",
            Self::ProposalExecuted(_) => "proposal_executed",
            Self::ProposalCanceled(_) => "proposal_canceled",
            Self::PollOpened(_) => "poll_opened",
            Self::BallotSealed(_) => "ballot_sealed",
            Self::BallotRevealed(_) => "ballot_revealed",
            Self::ProposalVetoed(_) => "proposal_vetoed",
            Self::VoteDelegated(_) => "vote_delegated",
            Self::GuardianAccepted(_) => "guardian_accepted",
            Self::MembersFounded(_) => "members_founded",
            Self::MemberJoined(_) => "member_joined",
            Self::MemberLeft(_) => "member_left",
            Self::MemberKeyRotated(_) => "member_key_rotated",
            Self::ConsentGiven(_) => "consent_given",
            Self::Administered(_) => "administered",
            Self::KeyGranted(_) => "key_granted",
            Self::KeyAmended(_) => "key_amended",
            Self::KeyRotated(_) => "key_rotated",
            Self::KeyRevoked(_) => "key_revoked",
            Self::PricePolicySet(_) => "price_policy_set",
            Self::MonthBought(_) => "month_bought",
            Self::MonthEnded(_) => "month_ended",
            Self::CallsRefunded(_) => "calls_refunded",
            Self::Withdrawn(_) => "withdrawn",
            Self::LicenceBought(_) => "licence_bought",
            Self::PaymentRefunded(_) => "payment_refunded",
            Self::PaymentReinstated(_) => "payment_reinstated",
            Self::PaymentRefundFailed(_) => "payment_refund_failed",
            Self::LicenceSet(_) => "licence_set",
        }
    }
}

macro_rules! body_from {
    ($($kind:ident),+ $(,)?) => {
        $(impl From<$kind> for Body {
            fn from(body: $kind) -> Self {
                Self::$kind(body)
            }
        })+
    };
}

body_from!(
    Genesis,
    FederationOpened,
    MemberAdmitted,
    RoundOpened,
    RoundSettled,
    RoundAborted,
    RoundsEnded,
    BufferSet,
    SafeguardsSet,
    RoundPosted,
    RoundDisputed,
    FaultProven,
    RoundSettling,
    SettledPart,
    ValidationRevealed,
    ModelReleased,
    PriceSet,
    KeyIssued,
    Deposited,
    Purchased,
    PredictionReserved,
    Predicted,
    PredictionVoided,
    ProposalMade,
    BallotCast,
    ProposalQueued,
    ProposalExecuted,
    ProposalCanceled,
    PollOpened,
    BallotSealed,
    BallotRevealed,
    ProposalVetoed,
    VoteDelegated,
    GuardianAccepted,
    MembersFounded,
    MemberJoined,
    MemberLeft,
    MemberKeyRotated,
    ConsentGiven,
    Administered,
    KeyGranted,
    KeyAmended,
    KeyRotated,
    KeyRevoked,
    PricePolicySet,
    MonthBought,
    MonthEnded,
    CallsRefunded,
    Withdrawn,
    LicenceBought,
    PaymentRefunded,
    PaymentReinstated,
    PaymentRefundFailed,
    LicenceSet,
);
