//! What a federation does with the updates it has: server optimisers, robust rules, cohort sampling,
//! schedules, staleness weights, and the attacks that all of it is tried against.
//!
//! Pure functions over flat vectors. No tensor, no round, no message; randomness comes in as an argument.

mod attack;
mod buffer;
mod early_stopping;
mod fixed_weight;
mod group;
mod group_rule;
mod notation;
mod number;
mod optimizer;
mod robust;
mod sampling;
mod schedule;
mod staleness;
mod update;

pub use attack::{
    Attack, AttackError, AttackPlan, Backdoor, DataAttackError, HonestRound, ImageShape, LabelFlip,
};
pub use buffer::BufferRule;
pub use early_stopping::{Better, EarlyStopping, Progress, StoppingError};
pub use fixed_weight::{FixedWeightError, fixed_weights};
pub use group::{GroupError, GroupMeans, draw_groups};
pub use group_rule::{GroupRule, GroupRuleError};
pub use notation::NotationError;
pub use number::{Fraction, NumberError, Positive};
pub use optimizer::{
    AdaptiveStep, BiasCorrection, OptimizerError, OptimizerState, SecondMomentStart,
    ServerOptimizer,
};
pub use robust::{RobustError, RobustRule, Taken, TrimmedShare, Weiszfeld, krum_selection};
pub use sampling::{
    CohortError, CohortRule, Draw, OverSelection, OverSelectionError, ParticipationError,
    SamplingRate, Ticket, VrfError, VrfOutput, VrfProof, VrfPublicKey, VrfSecretKey, invitations,
    participation_key, poisson_cohort, public_draw, uniform_cohort,
};
pub use schedule::{Schedule, ScheduleShape};
pub use staleness::StalenessWeight;
pub use update::{UPDATES_MAX, Updates, UpdatesError};
