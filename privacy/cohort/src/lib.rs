//! A federation's cohort as an MLS group (RFC 9420): who is in it, and the keys that only it has.
//!
//! ```text
//! Candidate ── key package ─────────────→ any member: Cohort::admit ── commit, welcome ─→ delivery
//!     │                                                                  │            │
//!     └── Cohort::join(welcome) → Cohort            Cohort::process ←────┘ first of   └→ candidates
//!                                    │              (each member)         the epoch
//!                                    ├─ roster, epoch, authenticator: agrees(…) or no training
//!                                    ├─ broadcast_key: seals the models of the epoch; may be given to the DAO node
//!                                    └─ tag_key(round): secret of the linear tags; never leaves a member
//! ```
//!
//! Threats, and what answers each:
//! - *A coordinator that pads the cohort with its own puppets* (so that "the sum of 100" hides one
//!   honest member): every member takes only commits that add keys of the DAO's list
//!   ([`AllowList`]) and remove keys that are not on it; external commits and proposals are refused.
//! - *A coordinator that shows members different cohorts*: each MLS epoch has an authenticator over
//!   the whole history; [`Cohort::agrees`] refuses to train under another one.
//! - *An expelled member, or one that joins later*: epoch secrets change with each commit, so that
//!   neither reads models, nor derives tag keys, outside the epochs in which it was a member.
//! - *A stolen device*: [`Cohort::refresh`] heals (the thief's copy falls out at the next epoch), and
//!   past epochs' secrets are deleted as soon as an epoch ends.
//! - *A delivery that reads along*: handshakes are `PrivateMessage`s. It still sees the group id (the
//!   federation), the epoch, the number and sizes of messages (from which it can guess how many
//!   join), who connects to it, and, where it relays key packages, who is about to join (RFC 9750,
//!   security considerations). It can withhold, delay and reorder: that stops a cohort, it does not open it.
//!
//! What MLS does not give: a member that is itself malicious knows all of its epoch's secrets, and
//! can give them to anybody. Then models and tags of its epochs are known, updates are not (they are
//! sealed to the aggregators or under the contributor's own key, not under the cohort's).

mod aead;
mod agreement;
mod allow_list;
mod broadcast;
mod candidate;
mod cohort;
mod commit;
mod crypto;
mod error;
mod identity;
mod key_package;
mod message;
mod policy;
mod provider;
mod state;

pub use agreement::{Disagreement, EpochAuthenticator};
pub use allow_list::AllowList;
pub use broadcast::{BroadcastError, BroadcastKey, MODEL_BYTES_MAX, ModelContext, SealedModel};
pub use candidate::Candidate;
pub use cohort::{COHORT_MEMBERS_MAX, Cohort, JoinRefused, TagKey};
pub use commit::OutgoingCommit;
pub use error::CohortError;
pub use identity::CohortIdentity;
pub use key_package::KeyPackage;
pub use message::MESSAGE_BYTES_MAX;
pub use policy::Change;
pub use state::StateKey;
