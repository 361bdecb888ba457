//! Games among contributors and what each player is worth in them: pure.
//!
//! ```text
//!  worth of a coalition ──► WorthTable (all 2ⁿ, once each) ──► shapley, banzhaf, leave_one_out
//!            └──────────────► walks over permutations ───────► truncated Monte-Carlo Shapley
//! ```
//! These are oracles: they need the worth of coalitions, and whoever can compute that has seen the
//! updates. Where updates are sealed, the linear probe of `aggregator-round` takes their place.

mod coalition;
mod error;
mod exact;
mod leave_one_out;
mod table;
mod truncated;

pub use coalition::{Coalition, PLAYERS_MAX};
pub use error::{GameError, WORTH_MAX};
pub use exact::{banzhaf, banzhaf_index, shapley};
pub use leave_one_out::leave_one_out;
pub use table::{ENUMERATION_PLAYERS_MAX, WorthTable};
pub use truncated::{
    Convergence, Estimate, Permutation, SettingsError, TruncatedMonteCarlo, TruncationSettings,
    Walk, truncated_monte_carlo,
};
