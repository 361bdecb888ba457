//! What a federation does with the updates it has: server optimisers, robust rules, cohort sampling,
//! schedules, staleness weights, and the attacks that all of it is tried against.
//!
//! Pure functions over flat vectors. No tensor, no round, no message; randomness comes in as an argument.

mod notation;
mod number;
mod optimizer;
mod robust;
mod update;

pub use notation::NotationError;
pub use number::{Fraction, NumberError, Positive};
pub use optimizer::{
    AdaptiveStep, BiasCorrection, OptimizerError, OptimizerState, SecondMomentStart,
    ServerOptimizer,
};
pub use robust::{RobustError, RobustRule, Weiszfeld, krum_selection};
pub use update::{UPDATES_MAX, Updates, UpdatesError};
