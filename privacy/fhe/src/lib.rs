//! Packed, key-additive ring-LWE: secure aggregation in FHE mode.
//!
//! ```text
//! contributor i   s_i, e_i ← D_{Z,σ}^4096 fresh     b_i = ⌊a·s_i + e_i + Δ·m_i⌉      → aggregator
//!                 Shamir shares of s_i, t of c                                       → custodian j (sealed)
//! aggregator      Σ b_i over the accepted set, and the set's digest                  → custodians
//! custodian j     Σ share_ij, once per round                                         → aggregator
//! anyone          Σ s_i from t replies; Σ b_i − a·Σ s_i = Δ·Σ m_i + noise
//! ```
//!
//! Everything is in `Z_{2^64}[X]/(X^4096 + 1)`; a is public, expanded from the round's transcript, and the same
//! for all; m packs several signed coordinates into lanes. Ciphertexts add up, and the sum decrypts under
//! the sum of the keys alone.
//!
//! # Threat and trust
//!
//! To read one update it takes the aggregator (which has the bodies) *and* t custodians, who see the keys' shares.
//! Fewer custodians see uniform field elements. The caller encrypts shares to their custodians and signs updates,
//! openings and probes; this crate knows no keys of that kind, no network and no clock.
//!
//! # Security
//!
//! One update is a ring-LWE sample per polynomial: N = 4096, q = 2^64, keys and errors D_{Z,σ} with σ = 4.5·√2.
//! Rounding low bits away is public post-processing. The lattice-estimator (commit of 2026-06, MATZOV costs, any
//! number of samples; primal uSVP, primal BDD, dual hybrid) gives, in bits:
//!
//! | case | σ key | σ error | uSVP | BDD | dual hybrid |
//! |---|---|---|---|---|---|
//! | one update | 6.36 | 6.36 | 242.2 | 241.2 | 244.5 |
//! | after an opening (below) | 3.18 | 3.18 | 233.6 | 232.6 | 235.6 |
//! | the same, two exact hints (n = 4094) | 3.18 | 3.18 | 233.5 | 232.5 | 235.4 |
//!
//! Not run: primal hybrid, coded BKW, Arora–Gê, attacks on the ring's structure (none is known to gain at this size).
//!
//! **What an opening tells.** It reveals the sum of the keys and, with the opened values, the sum of the errors. Of one honest contributor with key s and
//! errors e it reveals s + s′ and e + e′ for the rest s′, e′. This is Hint-RLWE (Kim, Lee, Seo, Song, CRYPTO 2023,
//! "Toward practical lattice-based proof of knowledge from Hint-MLWE", Theorem 1): it is at least as hard as ring-LWE
//! with 1/σ₀² = 2·(1/σ² + 1/σ′²). Contributors are replaced by uniform bodies one by one; the first step has a
//! single other contributor as its rest, σ′ = σ, so σ₀ = σ/2 = 3.18 for keys and errors: the second row. Two *honest*
//! contributors in the opened set suffice; the minimum of a set must therefore exceed the contributors that
//! the federation is willing to call corrupt by two.
//!
//! The theorem asks for `σ₀ ≥ √2·η_ε(Z^k)`, k the coefficients of the key and of all errors, and loses O(ε) per step:
//! ε = 2k·exp(−π²σ₀²) = 2^-124 for updates of a million coordinates in two lanes, times the number of honest contributors.
//! With Google's σ = 4.5 for keys (σ₀ = 2.25) it would be 2^-59; that is why both are 4.5·√2 here. The statement of the
//! theorem is quoted from the paper as remembered and has not been checked against its text; nor has the composition
//! been proved in full.
//!
//! **What a probe tells** beside its value: see [`LinearProbe`] and the third row. It is not covered by the theorem.
//!
//! **What the proof of a key's shares tells**: nothing; see `dealing.rs`.
//!
//! # What is not prevented
//!
//! There is no proof that a ciphertext is well formed. A malicious contributor can garble a sum, or put values of its choice
//! (up to the lane) into it; the first is seen but not attributed, the second is answered by the measured value of its
//! contribution. See [`open_sum`].

mod ciphertext;
mod custodian;
mod dealing;
mod encrypt;
mod engine;
mod field;
mod gaussian;
mod interpolate;
mod lanes;
mod mask;
mod ntt;
mod open;
mod opening;
mod packing;
mod parameters;
mod probe;
mod share;
mod stream;
#[cfg(feature = "tfhe")]
mod tfhe_engine;

pub use ciphertext::{Ciphertext, CiphertextError, CiphertextSum};
pub use custodian::{Custodian, CustodianError, CustodianInput, CustodianOutput, CustodianTerms};
pub use dealing::DealingError;
pub use encrypt::{EncryptError, Encryption, encrypt};
pub use engine::{DEGREE, Engine, FACTOR_COEFFICIENT_MAX};
pub use gaussian::{GAUSSIAN_MAX, GAUSSIAN_VARIANCE_DOUBLED};
pub use interpolate::ShareError;
pub use mask::RoundMask;
pub use ntt::{NttEngine, NttFactor};
pub use open::{OpenError, OpenedSum, open_sum};
pub use opening::{AcceptedUpdate, KeyShareSum, MemberId, Opening, OpeningError};
pub use packing::PackingError;
pub use parameters::{
    CONTRIBUTORS_MAX, COORDINATE_MAX, DIMENSION_MAX, FheParameters, FheRequirements, ParameterError,
};
pub use probe::{
    BodyProduct, FORMS_MAX, FormReply, LinearProbe, OpenedForm, OpenedForms, PROBE_COORDINATE_MAX,
    ProbeError, ProbeForm, ProbeOrder,
};
pub use share::{CUSTODIANS_MAX, Custody, CustodyTermsError, KeyShare};
#[cfg(feature = "tfhe")]
pub use tfhe_engine::{TfheEngine, TfheFactor};
