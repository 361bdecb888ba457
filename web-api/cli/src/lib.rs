//! The binary `sahakar`: the one composition root.
//!
//! Where contexts meet, this crate translates: a round receipt becomes a ledger entry
//! ([`settlement`]), a model becomes a measurement, a flag becomes a running process.

pub mod aggregator;
mod carried;
pub mod cli;
pub mod commands;
pub mod data_args;
pub mod demo;
pub mod licence;
pub mod limits_args;
pub mod link_metrics;
pub mod measure;
pub mod pacing;
pub mod passphrases;
pub mod process;
pub mod rest;
pub mod round_figures;
pub mod serve;
pub mod settlement;
pub mod simulate;
mod stopping;
pub mod telemetry;
pub mod trainer;
pub mod value_audit;
pub mod vote_evidence;
pub mod witness;
