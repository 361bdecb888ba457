//! x
mod clip;
mod noise;
pub use clip::{ClipError, ClipNorm, ClippedUpdate, LocalUpdate};
pub use noise::{
    DiscreteGaussian, IntegerNoise, NoiseError, NoiseShare, Skellam, TabledGaussian,
};
