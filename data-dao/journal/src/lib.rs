//! The one deterministic replay: entries of the log and the state that they make. Pure.
//!
//! ```text
//!  leaf ──Entry::from_leaf──► Entry ──State::apply──► State      (or a Refusal, and no change)
//!                                        │
//!                                        └ recomputes: credits, revenue lines, weights, tallies,
//!                                          signatures, order of time
//! ```
//! An entry claims; `apply` recomputes what is claimed and refuses every difference. So whoever
//! has the leaves has the balances, votes and payouts, without trusting who wrote them.

mod access;
mod audit;
mod body;
mod calendar;
mod challenge;
mod contrasts;
mod dispute;
mod duplicates;
mod entry;
mod explain;
mod federation;
mod leaf;
mod market;
mod membership;
mod parts;
pub mod pay;
mod refusal;
mod roll;
mod rules;
mod standing;
mod state;

pub use access::{ApiKey, DAY_MS, KeyFault, Spending, USAGE_DAYS_MAX, Usage};
pub use audit::{AuditFailure, AuditReport, Difference, Replay, audit};
pub use body::{
    Administered, CallsRefunded, KeyAmended, KeyGrant, KeyGranted, KeyRevoked, KeyRotated,
    LicenceBought, LicenceSet, MonthBought, MonthEnded, PaymentRefundFailed, PaymentRefunded,
    PaymentReinstated, PricePolicySet, Scope, Withdrawn,
};
pub use body::{
    BallotCast, BallotRevealed, BallotSealed, Body, BoundsKind, BufferSet, ConsentGiven, Deposited,
    FaultProven, FederationOpened, Founder, Genesis, GuardianAccepted, KeyIssued, MemberAdmitted,
    MemberJoined, MemberKeyRotated, MemberLeft, MembersFounded, ModelReleased, NamesKind,
    Participation, PollOpened, Predicted, PredictionReserved, PredictionVoided, PriceSet,
    ProposalCanceled, ProposalExecuted, ProposalMade, ProposalQueued, ProposalVetoed, Purchased,
    RefusalCount, RevenueLine, RoundAborted, RoundDisputed, RoundOpened, RoundPosted, RoundSettled,
    RoundSettling, RoundsEnded, SafeguardsSet, SettledPart, ValidationRevealed, ValueWeight,
    VoteDelegated,
};
pub use calendar::Date;
pub use challenge::{Challenge, OpenDispute, Pay};
pub use contrasts::{CONTRASTS, Contrasts};
pub use data_dao_governance::Accused;
pub use dispute::Dispute;
pub use duplicates::{DUPLICATE_PER_MILLE, DUPLICATE_ROUNDS_MIN, duplicate_groups};
pub use entry::{Entry, EntryError, LEAF_BYTES_MAX, LIST_MAX};
pub use explain::{
    Beside, Course, Explained, ExplainedStep, Explainer, Explanation, IntervalFrom, Moved, Reason,
    VALUE_METHOD, effect_on_loss,
};
pub use federation::{
    Federation, FederationEnding, Member, OpenRound, PayProgress, ProvenFault, Revealed,
    SettledRound, SuspensionRule, VoidedPay,
};
pub use leaf::Leaf;
pub use market::{
    Lot, Model, NextCall, Prediction, PredictionResolution, Reservation, ResolvedPrediction,
};
pub use membership::{Membership, MembershipState, Witnesses};
pub use parts::{PARTICIPANTS_MAX, settlement_bodies, settlement_of};
pub use privacy_identity::TreeHead;
pub use refusal::Refusal;
pub use roll::Roll;
pub use rules::Rules;
pub use standing::{Interval, Standing, student_t_thousandths};
pub use state::{Counts, MONTH_MS, OVERLAP_MS_MAX, Payment, PaymentRefund, State};
