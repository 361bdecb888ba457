//! The headless contributor: its data, its consent, its training, and its link to the coordinator.
//!
//! ```text
//!  start   lock the state directory ─► key ─► terms: signed by the DAO node, digest as invited
//!            ─► read the data by the terms' schema ─► store the terms (the consent) ─► join
//!
//!  round   fetch ─order─► check ─► train ─► seal ─► store ─► submit ─► store ─► poll the receipt
//!            ▲                     └─ blocking threads ──┘      ▲ until answered      │ until it ended
//!            └─────────────────────────────────────────────────┼─────────────────────┘
//!  restart ────────────── the stored update, byte for byte ────┘
//! ```
//!
//! A shell: what may be trained for and which receipt is believed is decided in `aggregator-round`.
//! Only a sealed update leaves the machine, and all that leaves it is noted in `sent.jsonl`.

mod absence;
mod agent;
mod agent_error;
mod agent_event;
mod backoff;
mod behaviour;
mod brake;
mod caller;
mod clock;
mod consent;
mod contributor;
mod control;
mod custody;
mod enrolment;
mod invitation;
mod learner;
mod lock;
mod offer;
mod own_data;
mod personal;
mod private_file;
mod randomness;
mod sent_copies;
mod sent_log;
mod session;
mod state_dir;
mod stored_round;
mod trained;
mod ways;

pub use agent::{Agent, AgentConfig, LABEL_BYTES_MAX, Summary};
pub use agent_error::AgentError;
pub use agent_event::AgentEvent;
pub use behaviour::{Behaviour, BehaviourError};
pub use brake::Brake;
pub use invitation::{Invitation, InvitationError, TOKEN_BYTES_MAX, WAYS_MAX};
pub use own_data::{HOLD_OUT_PERCENT_MAX, OwnData};
pub use sent_copies::{SentCopies, SentCopyError};
