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

mod audit;
mod body;
mod entry;
mod federation;
mod market;
mod membership;
pub mod pay;
mod refusal;
mod standing;
mod state;

pub use audit::{AuditFailure, AuditReport, Difference, Replay, TreeHead, audit};
pub use body::{
    BallotCast, BallotRevealed, BallotSealed, Body, BoundsKind, ConsentGiven, Deposited,
    FederationOpened, Founder, Genesis, GuardianAccepted, KeyIssued, MemberAdmitted, MemberJoined,
    MemberLeft, MembersFounded, ModelReleased, Participation, PollOpened, Predicted,
    PredictionReserved, PredictionVoided, PriceSet, ProposalCanceled, ProposalExecuted,
    ProposalMade, ProposalQueued, ProposalVetoed, Purchased, RefusalCount, RevenueLine,
    RoundAborted, RoundOpened, RoundSettled, ValueWeight, VoteDelegated,
};
pub use entry::{Entry, EntryError, LEAF_BYTES_MAX};
pub use federation::{Federation, Member, OpenRound, SettledRound};
pub use market::{ApiKey, Lot, Model, Prediction, PredictionProgress};
pub use membership::{Membership, MembershipState, Witnesses};
pub use refusal::Refusal;
pub use standing::{Interval, Standing, student_t_thousandths};
pub use state::{Counts, State};
