//! MLS messages as bytes: bounded, decoded, and of the kind that belongs here.

use openmls::prelude::{
    ContentType, KeyPackageIn, MlsMessageBodyIn, MlsMessageIn, ProtocolMessage, Welcome,
    tls_codec::DeserializeBytes as _,
};
use privacy_identity::Digest;

use crate::CohortError;

/// Largest message that is read: 4 MiB, ten times the welcome of 1 000 members (`examples/measure_cohort.rs`).
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Decodes exactly one message. The slice decoder is used because it checks lengths against what is
/// there before it allocates; the reader-based one of the same crate does not.
fn body_from_bytes(bytes: &[u8]) -> Result<MlsMessageBodyIn, CohortError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(CohortError::TooLong { got: bytes.len(), bound: MESSAGE_BYTES_MAX });
    }
    MlsMessageIn::tls_deserialize_exact_bytes(bytes)
        .map(MlsMessageIn::extract)
        .map_err(|error| CohortError::Malformed { reason: error.to_string() })
}

const fn kind(body: &MlsMessageBodyIn) -> &'static str {
    match body {
        MlsMessageBodyIn::PublicMessage(_) => "a public message",
        MlsMessageBodyIn::PrivateMessage(_) => "a private message",
        MlsMessageBodyIn::Welcome(_) => "a welcome",
        MlsMessageBodyIn::GroupInfo(_) => "a group info",
        MlsMessageBodyIn::KeyPackage(_) => "a key package",
    }
}

/// Reads a commit of `federation` for `epoch`. What is read here is unauthenticated: it saves the work
/// of decryption and gives the refusal its name.
pub(crate) fn commit_from_bytes(
    bytes: &[u8],
    federation: &Digest,
    epoch: u64,
) -> Result<ProtocolMessage, CohortError> {
    let expected = "a private commit";
    let message = match body_from_bytes(bytes)? {
        MlsMessageBodyIn::PrivateMessage(message) => ProtocolMessage::from(message),
        other => return Err(CohortError::WrongKind { expected, got: kind(&other) }),
    };
    let got = match message.content_type() {
        ContentType::Commit => None,
        ContentType::Proposal => Some("a standalone proposal"),
        ContentType::Application => Some("an application message"),
    };
    if let Some(got) = got {
        return Err(CohortError::WrongKind { expected, got });
    }
    check_federation(message.group_id().as_slice(), federation)?;
    let got = message.epoch().as_u64();
    if got == epoch { Ok(message) } else { Err(CohortError::OtherEpoch { expected: epoch, got }) }
}

/// Refuses a group id that is not the federation's digest.
pub(crate) fn check_federation(group_id: &[u8], federation: &Digest) -> Result<(), CohortError> {
    if group_id == federation.0 {
        return Ok(());
    }
    // Bounded: a hostile group id must not fill the log.
    let got = group_id.iter().take(Digest::LEN).map(|byte| format!("{byte:02x}")).collect();
    Err(CohortError::OtherFederation { expected: *federation, got })
}

pub(crate) fn welcome_from_bytes(bytes: &[u8]) -> Result<Welcome, CohortError> {
    match body_from_bytes(bytes)? {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        other => Err(CohortError::WrongKind { expected: "a welcome", got: kind(&other) }),
    }
}

pub(crate) fn key_package_from_bytes(bytes: &[u8]) -> Result<KeyPackageIn, CohortError> {
    match body_from_bytes(bytes)? {
        MlsMessageBodyIn::KeyPackage(key_package) => Ok(key_package),
        other => Err(CohortError::WrongKind { expected: "a key package", got: kind(&other) }),
    }
}
