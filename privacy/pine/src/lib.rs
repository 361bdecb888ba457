//! PINE: aggregators verify that a secret-shared update's L2 norm is within its bound, without
//! seeing the update.
//!
//! ```text
//! client                        aggregator 0 (leader)            aggregator j ≥ 1 (helper)
//!   │ encode x, ‖x‖² as bits
//!   │ wraparound checks, proofs
//!   ├─ public share ───────────────▶│◀─────────────────────────────────▶│
//!   ├─ x − Σ xⱼ, proofs − Σ πⱼ ────▶│     seeds of xⱼ and πⱼ ───────────▶│
//!   │                           prep_init: query own shares at a secret point
//!   │                               │── prep share ──▶◀── prep share ────│
//!   │                           prep_shares_to_message: do all proofs verify?
//!   │                               │── prep message: seeds ────────────▶│
//!   │                           prep_next: was the randomness right?
//!   │                           aggregate, then unshard: Σ x, as exact integers
//! ```
//!
//! **Threat.** A contributor that wants to dominate or garble the sum: in plain additive sharing
//! nobody can tell a share of a huge vector from one of a small one. And an aggregator that wants to
//! read an update.
//!
//! **What is proved.** If all aggregators are honest, an accepted report is shares of an integer
//! vector with Σxᵢ² ≤ B², up to the soundness error of [`ErrorBounds`] (2^−43 per report under 2^60
//! hash evaluations by the contributor, for our profile). If one aggregator is honest, the others
//! learn nothing about an honest update but that it is within the bound, up to 2^−101 and the
//! XOF's pseudo-randomness; what is opened later is the sum.
//!
//! **What is not.** An aggregator that deviates can make a bad report pass, an honest one fail, and
//! the sum false: robustness needs all of them. Values within the ball may still be poison. That
//! two reports are of different people, that a nonce is fresh and that shares reach their
//! aggregators unread are the caller's to see to: an aggregator must refuse a nonce that it has seen
//! under its verify key, and must query a report only once.
//!
//! **Source.** draft-chen-cfrg-vdaf-pine-01 with its test vectors (all of `Field32`, `Field64` and
//! `Field128` are matched), over VDAF draft 11; Rothblum, Omri, Chen, Talwar, "PINE: Efficient
//! Norm-Bound Verification for Secret-Shared Vectors" (arXiv 2311.10237). Not the vectors' but ours:
//! the entry for integers, the context in the tags, and the profile's 104 checks.
//!
//! ```
//! use privacy_pine::{IntegerPine, Parameters};
//! use rand::SeedableRng as _;
//!
//! let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! let pine = IntegerPine::new(Parameters::integers(3, 5, 2, b"round 1")?)?;
//! let (verify_key, nonce) = ([7; 32], [1; 16]);
//! let report = pine.shard_integers(&[3, 0, -4], &nonce, &mut rng)?;
//!
//! let (state_0, share_0) =
//!     pine.prep_init(&verify_key, 0, &nonce, &report.public, &report.inputs[0])?;
//! let (state_1, share_1) =
//!     pine.prep_init(&verify_key, 1, &nonce, &report.public, &report.inputs[1])?;
//! let message = pine.prep_shares_to_message(&[share_0, share_1])?;
//! let sums = [
//!     pine.aggregate([&pine.prep_next(state_0, &message)?])?,
//!     pine.aggregate([&pine.prep_next(state_1, &message)?])?,
//! ];
//! assert_eq!(pine.unshard_integers(&sums)?, [3, 0, -4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
mod attacks;
mod circuit;
mod derive;
mod error_bounds;
mod field;
mod flp;
mod ntt;
mod parameters;
mod pine;
mod prep;
mod profile;
mod secret;
mod shard;
mod shares;
mod unshard;
mod wire;
mod wraparound;
mod xof;

pub use error_bounds::ErrorBounds;
pub use field::PineField;
pub use parameters::{
    AGGREGATORS_MAX, ALPHA, CHECKS, CONTEXT_BYTES_MAX, DIMENSION_MAX, ParameterError, Parameters,
};
pub use pine::{IntegerPine, Pine};
pub use prep::PrepError;
pub use prio::field::{Field64, Field128, FieldPrio2 as Field32};
pub use profile::PROFILE_CHECKS;
pub use secret::Seed;
pub use shard::ShardError;
pub use shares::{
    AggregateShare, InputShare, NONCE_BYTES, OutputShare, PrepMessage, PrepShare, PrepState,
    PublicShare, Report,
};
pub use unshard::UnshardError;
pub use wire::DecodeError;
pub use xof::{Xof, XofHmacSha256Aes128, XofTurboShake128};
