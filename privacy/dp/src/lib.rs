//! Clipping, integer noise and privacy accounting: an update's way to differential privacy.
//!
//! ```text
//! LocalUpdate ─clip→ ClippedUpdate ─(privacy-secagg: quantise)→ QuantizedUpdate ─noise→ NoisyUpdate
//!                 ↑                                                  ↑                    │
//!            AdaptiveClip ←── noised count of unclipped updates ── NoiseShare          Release
//!                                                                                        │
//!                                                    epsilon ←── PLD | RDP accountant ←──┘
//! ```
//!
//! None of the update's types can be encoded: an update cannot leave the machine from here by
//! mistake.
//!
//! * Noise: [`DiscreteGaussian`], [`Skellam`], [`NoiseShare`] for one contributor's part.
//! * Accounting: [`epsilon`], [`noise_multiplier`] over [`Release`]s; [`RdpCurve`] for the discrete mechanisms.
//! * Fixed-length training: [`TreeAggregation`] and its [`TreeNoise`].

mod accountant;
mod adaptive_clip;
mod clip;
mod noise;
mod tree;

pub use accountant::{
    Accountant, AccountantError, Adjacency, DiscreteMechanism, PLD_DELTA_MIN, RdpCurve, Release,
    Sampling, Target, default_orders, delta, epsilon, epsilon_micro, gaussian_delta,
    gaussian_epsilon, noise_multiplier,
};
pub use adaptive_clip::{AdaptiveClip, AdaptiveClipError};
pub use clip::{ClipError, ClipNorm, ClippedUpdate, LocalUpdate};
pub use noise::{DiscreteGaussian, IntegerNoise, NoiseError, NoiseShare, Skellam, TabledGaussian};
pub use tree::{TreeAggregation, TreeError, TreeNoise};
