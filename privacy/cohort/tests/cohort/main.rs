//! The public surface of `privacy-cohort`, one file per noun.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod agreement;
mod federation;
mod keys;
mod membership;
mod refusals;
mod state;
