//! Fixed-point encoding, rings and one-shot additive shares: secure aggregation in MPC mode.
//!
//! ```text
//! ClippedUpdate ─rotate, round→ QuantizedUpdate ─noise, tag→ NoisyUpdate ─seal→ SealedUpdate : Encode
//!                                                                │
//!                               explicit share = x − Σ expand(seed_j)  → HPKE to the first aggregator
//!                               seed_j, 32 bytes                       → HPKE to aggregator j ≥ 1
//!
//! ShareSum (one per aggregator) ─open_sum→ OpenedSum ─check_sum, decode_mean→ mean update
//! ```
//!
//! Threat: an aggregator (or a relay) that wants to read one contributor's update. Every proper
//! subset of the shares is uniform in the ring (the seeds' keystreams stand in for uniform vectors
//! under the PRG assumption on AES-256), so all aggregators together are needed to read it. What is
//! opened is the sum over the accepted set, and one inner product per probe and contributor.

mod aggregate;
mod binding;
mod decode;
mod hadamard;
mod keystream;
mod noisy;
mod options;
mod packing;
mod parameters;
mod payloads;
mod probe;
mod quantise;
mod ring;
mod rotation;
mod rounding;
mod sealed;
mod share;
mod tags;
mod wrap;

pub use aggregate::{AggregateError, OpenedSum, ShareSum, open_sum};
pub use binding::Binding;
pub use decode::{decode_clip_fraction, decode_mean};
pub use noisy::NoisyUpdate;
pub use options::{EncodingOptions, Tagging};
pub use parameters::{EncodingParameters, NoisePlan, ParameterError, VALUE_MAX, VALUE_SHIFT};
pub use payloads::Payloads;
pub use probe::{ProbeError, QuantizedProbe, ScalarShare, open_scalar};
pub use quantise::QuantizedUpdate;
pub use ring::{Ring, RingError, RingVector};
pub use rotation::Rotation;
pub use sealed::{
    AGGREGATORS_MAX, AggregatorKeys, Delivery, RECIPIENTS_MAX, SealError, SealedHeader,
    SealedUpdate, VerifiedDelivery, VerifiedUpdate, seal, seal_payloads, seal_payloads_seeded,
};
pub use share::{OpenShare, Share, ShareError, ShareSeed};
pub use tags::{LinearTag, TagError, TagKey};
