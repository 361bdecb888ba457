//! Whole federations in one thread under a seeded network, clock and disk that fail.
//!
//! The machines are those of `aggregator-round`, their messages those of `aggregator-protocol`, with real keys,
//! envelopes and proofs. Around them everything is simulated: links, clocks, disks, processes that die, members
//! and thieves that lie. A run is a function of a seed, a [`Scenario`] and a list of [`Fault`]s; after each of its
//! events every `invariant_*` holds, or the run ends with a [`Failure`] that says how to get there again.
//!
//! The way of working is that of `FoundationDB`'s simulation (Zhou et al., SIGMOD 2021): one thread, one virtual
//! clock, all randomness from a seed. Randomness is drawn by place, not in sequence, so that a fault can be
//! left out and the rest stays: [`minimised`] does that until none is left that could be.

mod channel;
mod coordinator;
mod dao;
mod fault;
mod invariant;
mod journal;
mod member;
mod peer;
mod plan;
mod random;
mod run;
mod scenario;
mod simulation;
mod theft;
mod tree;
mod turn;
mod updates;
mod witness;
mod world;

pub use fault::{Fault, Forgery, Harm, Kept, Literal, Party, Site, Theft};
pub use run::{Failure, Report, minimised, replay, run};
pub use scenario::{Mutant, Odds, Scenario};
pub use tree::{Tree, TreeRound, Work};
pub use witness::Seen;
