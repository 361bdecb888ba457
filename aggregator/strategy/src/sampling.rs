//! Who takes part in a round.

mod cohort;
mod over_selection;
mod participation;
mod rule;
mod vrf;

pub use cohort::{CohortError, poisson_cohort, public_draw, uniform_cohort};
pub use over_selection::{OverSelectionError, invitations};
pub use participation::{Draw, ParticipationError, SamplingRate, Ticket, participation_key};
pub use rule::{CohortRule, OverSelection};
pub use vrf::{VrfError, VrfOutput, VrfProof, VrfPublicKey, VrfSecretKey};
