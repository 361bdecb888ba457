//! Every screen and every refusal, by the labels that a screen reader reads.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod change;
mod co_operative;
mod data;
mod harness;
mod passphrase;
mod seats;
mod start;
mod training;
mod typing;
mod window;
