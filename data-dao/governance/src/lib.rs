//! Proposals, ballots, quorum, tally, timelock: pure.
//!
//! ```text
//!  Pending ──► Active ──► Succeeded ──queue──► Queued ──execute──► Executed
//!     │           │                              │
//!     └►Canceled  └► Defeated                    └► Expired (eta + grace)
//! ```
//! Time is ledger time and comes in as an argument; a state is computed from (proposal, now).
//! Rules after `OpenZeppelin` Governor 5: voting in (snapshot, deadline], For > Against, Against
//! never helps the quorum.

mod accused;
mod action;
mod ballot;
mod charter;
mod error;
mod proposal;
mod serde_text;

pub use accused::Accused;
pub use action::{ACTIONS_MAX, Action};
pub use ballot::{Ballot, Choice};
pub use charter::{Bounds, Charter, CharterParameters};
pub use error::{CharterError, GovernanceError};
pub use proposal::{
    Cancellation, DESCRIPTION_BYTES_MAX, Proposal, ProposalContent, ProposalId, ProposalState,
    TITLE_BYTES_MAX, Tally, Weights,
};
pub use serde_text::{text, texts};
