//! Clipping and the types an update passes on its way to differential privacy.
//!
//! ```text
//! LocalUpdate ─clip→ ClippedUpdate ─(privacy-secagg: quantise)→ QuantizedUpdate ─noise→ NoisyUpdate
//! ```
//!
//! None of these types can be encoded: an update cannot leave the machine from here by mistake.

mod clip;

pub use clip::{ClipError, ClipNorm, ClippedUpdate, LocalUpdate};
