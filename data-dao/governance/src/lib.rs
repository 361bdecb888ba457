//! Proposals, ballots, quorum, tally, timelock, delegation, guardian, membership: pure.
//!
//! ```text
//!  Draft ─► Pending ─► Active ─► [Objection] ─► Succeeded ─► Queued ─► Executed
//!              │          │           │                         ├─► Expired (eta + grace)
//!              │          └► Defeated ◄┘                        └─► Vetoed (guardian)
//!              └► Canceled (proposer; or its weight fell below the threshold)
//! ```
//! Time is ledger time and comes in as an argument; a state is computed from (proposal, now).
//! Rules after `OpenZeppelin` Governor 5 (voting in (snapshot, deadline], For > Against, Against
//! never helps the quorum, late quorum, overridable delegation, split ballots), Nouns v3
//! (objection period), and Compound's timelock.

mod accused;
mod action;
mod ballot;
mod charter;
mod content;
mod counting;
mod decay;
mod delegation;
mod electorate;
mod error;
mod guardian;
mod key_claim;
mod keyring;
mod licence;
mod member;
mod parameter;
mod poll;
mod price_policy;
mod proposal;
mod request;
mod sealed;
mod serde_text;
mod votes;

pub use accused::Accused;
pub use action::{ACTIONS_MAX, Action, Class, Evidence, PrivacyPolicy};
pub use ballot::{Ballot, Capacity, Choice, Split, Vote};
pub use charter::{Bounds, Charter, CharterParameters};
pub use content::{
    BallotSecrecy, Cancellation, DESCRIPTION_BYTES_MAX, Draft, ProposalContent, ProposalId,
    TITLE_BYTES_MAX,
};
pub use counting::{Counting, MINIMUM_VOTERS_MAX};
pub use decay::Decay;
pub use delegation::{Delegation, Delegations};
pub use electorate::{Electorate, LogPosition};
pub use error::{CharterError, GovernanceError};
pub use guardian::{Guardian, GuardianAcceptance, Guardianship, VETO_REASON_BYTES_MAX, Veto};
pub use key_claim::{ClaimedKey, KeyClaim, Rotation};
pub use keyring::{HeldKey, Keyring};
pub use licence::{LICENCE_LINK_BYTES_MAX, LICENCE_NAME_BYTES_MAX, Licence};
pub use member::{Consent, Departure, Invitation, Joining, MEMBER_LABEL_BYTES_MAX, Role};
pub use parameter::Parameter;
pub use poll::{Poll, Spent, Tally};
pub use price_policy::{
    MONTH_CALLS_MAX, MonthTerms, PRICE_MAX, PricePolicy, WINDOW_MS_MAX, WINDOW_MS_MIN,
};
pub use proposal::{Proposal, ProposalState, Step};
pub use request::{Nonces, Request};
pub use sealed::{Opening, SealedBallot};
pub use serde_text::{optional_text, text, texts};
pub use votes::{Ageing, Votes, Weights};
