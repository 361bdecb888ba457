//! Packed, key-additive ring-LWE: secure aggregation in FHE mode.

mod ciphertext;
mod custodian;
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

pub use ciphertext::{Ciphertext, CiphertextError, CiphertextSum};
pub use custodian::{Custodian, CustodianError, CustodianInput, CustodianOutput, CustodianTerms};
pub use encrypt::{EncryptError, Encryption, encrypt};
pub use engine::{DEGREE, Engine, TfheEngine, TfheFactor};
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
