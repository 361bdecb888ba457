//! What the fuzzer checks of every decoder of the sealing layer, and the messages it starts from.
//!
//! A [`Case`] is one decoder: real messages, and a check that takes any bytes. A fuzz target is a crate's
//! list of cases; the first byte of an input selects one. No check is content with "does not panic":
//! what decodes must encode to the same bytes, and what a key or a digest protects is accepted only if
//! it is a message that its owner made.

mod case;
pub mod cohort;
pub mod datasets;
pub mod fhe;
mod fixtures;
pub mod identity;
pub mod ledger;
pub mod log;
pub mod pine;
pub mod protocol;
pub mod round;
pub mod secagg;
pub mod strategy;

pub use case::{Case, Verdict, run};
