//! Fixed-point encoding, rings and one-shot additive shares: secure aggregation in MPC mode.
//!
//! ```text
//! ClippedUpdate ─quantise→ QuantizedUpdate ─noise→ NoisyUpdate ─seal→ SealedUpdate : Encode
//!                                                      │
//!                     explicit share = x − Σ expand(seed_j)  → HPKE to the first aggregator
//!                     seed_j, 32 bytes                       → HPKE to aggregator j ≥ 1
//! ```
//!
//! Threat: an aggregator (or a relay) that wants to read one contributor's update. Every proper
//! subset of the shares is uniform in the ring (the seeds' keystreams stand in for uniform vectors
//! under the PRG assumption on AES-256), so all aggregators together are needed to read it. What is
//! opened is the sum over the accepted set, and one inner product per probe and contributor.

mod aggregate;
mod binding;
mod parameters;
mod probe;
mod quantise;
mod ring;
mod sealed;
mod share;

pub use aggregate::{AggregateError, ShareSum, decode_mean, open_sum};
pub use binding::Binding;
pub use parameters::{EncodingParameters, ParameterError, VALUE_SHIFT};
pub use probe::{ProbeError, QuantizedProbe, ScalarShare, open_scalar};
pub use quantise::{NoisyUpdate, QuantizedUpdate};
pub use ring::{Ring, RingError, RingVector};
pub use sealed::{
    AGGREGATORS_MAX, AggregatorKeys, Delivery, SealError, SealedHeader, SealedUpdate,
    VerifiedDelivery, VerifiedUpdate, seal,
};
pub use share::{Share, ShareSeed};
