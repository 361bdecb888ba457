//! State machines of a round, and the value of contributions: pure.
//!
//! ```text
//!  coordinator   Idle ─granted→ Collecting ─all in, or deadline→ Preparing ─prepared→ (Agreeing) → Summing
//!                 ▲                │ too few                        │ too few, deadline             │ deadline
//!                 │                ▼                                ▼                               ▼
//!                 ├───────────── Aborting ◄──────────────────────────────────────────────────────────
//!                 └─logged── Settling ◄─all scored── Scoring ◄─probes── Measuring ◄─all summed
//!
//!  other party   Fresh ─Prepare→ Prepared ─(Agree(set)→ Agreed)─Sum(set)→ Summed ─Score(probes)→ Scored
//!                  one set and one probe order per round, for ever; a newer round forgets the older
//!                  MPC mode: the other aggregators, all of them; FHE mode: custodians, a threshold of
//!                  them, after enough have agreed on the set
//!
//!  contributor   Ordered ─train, seal→ Sealed ─acknowledged→ Acknowledged ─receipt→ proven or aborted
//! ```
//!
//! Time is an argument; nothing here reads a clock, a socket or a disk. A machine whose input was
//! accepted asks to have it persisted first ([`Output::Persist`]); after a crash the shell feeds
//! the persisted inputs again and gets the same state, and [`Coordinator::outstanding`] names the
//! requests to repeat.

mod admission;
mod asked;
mod batch;
mod collect;
mod commitments;
mod context;
mod contributor_receipt;
mod control_variate;
mod coordinator;
mod dispute;
mod grouping;
mod input;
mod mailbox;
mod membership;
mod message_size;
mod mode;
mod noise;
mod offer;
mod own_shares;
mod participant;
mod participation;
mod parts;
mod peer;
mod peer_input;
mod privacy_loss;
mod round_secret;
mod share_disclosure;
mod shared_work;
mod sum_check;
mod sum_products;
mod terms_change;
mod update_store;
mod value;
mod value_check;
mod work;
mod worked;

pub use admission::{Admission, AdmissionError};
pub use asked::{Answer, Asked};
pub use batch::{Batch, Unsendable};
pub use commitments::missing_commitment;
pub use context::{AggregatorContext, ContextError};
pub use contributor_receipt::{ContributorReceipt, NOT_CHECKED, ReceiptCheck};
pub use control_variate::{control_digest, split_control, with_control};
pub use coordinator::{AbortReason, Coordinator, Ended, RoundEvent, SUMS_MAX};
pub use dispute::{Dispute, Finding};
pub use grouping::{Grouping, OpenedGroups, StepError, step_of};
pub use input::{Ask, Input, Output};
pub use mailbox::{COMMITS_KEPT_MAX, Mailbox, WELCOMES_KEPT_MAX};
pub use membership::{Membership, MembershipError, Now, Taken};
pub use message_size::message_bytes_max;
pub use offer::{check_offered, checked_offer, trained_from};
pub use own_shares::OwnShares;
pub use participant::{
    Acknowledged, CheckedOrder, OrderRefusal, Ordered, Outcome, ReceiptError, Sealed,
};
pub use participation::{check_ticket, check_tickets};
pub use peer::{PeerAggregator, PeerStep};
pub use peer_input::{HeldPart, PeerInput};
pub use privacy_loss::{privacy_loss, round_loss_micro};
pub use round_secret::RoundSecret;
pub use share_disclosure::{ShareDisclosure, Verdict};
pub use shared_work::{BatchError, SharedWork, SharedWorkError};
pub use sum_check::{
    CheckedSum, check_model, check_sum, check_sum_without_secret, sum_may_be_forgotten,
};
pub use sum_products::SumProducts;
pub use terms_change::{Bearing, TermsChange, TermsChangeError, TermsDifference};
pub use update_store::{KeptUpdate, MemoryUpdates, PartFault, UpdateId, UpdateStore};
pub use value::{
    PAST_UPDATES_MAX, VALUE_CONTRASTS, VALUE_SHARDS, aumann_shapley_probe, contrast_probe,
    counts_positively, project_off,
};
pub use value_check::{ValueFault, check_values, opened_values};
pub use work::Work;
pub use worked::{OwnProof, Worked};
