//! PINE.
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
