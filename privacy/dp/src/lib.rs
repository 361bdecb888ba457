//! x
mod accountant;
mod clip;
mod noise;
pub use accountant::{
    Accountant, AccountantError, Adjacency, DiscreteMechanism, PLD_DELTA_MIN, RdpCurve, Release,
    Sampling, Target, default_orders, delta, epsilon, epsilon_micro, gaussian_delta,
    gaussian_epsilon, noise_multiplier,
};
pub use clip::{ClipError, ClipNorm, ClippedUpdate, LocalUpdate};
pub use noise::{
    DiscreteGaussian, IntegerNoise, NoiseError, NoiseShare, Skellam, TabledGaussian,
};
