//! The DAO node and the cohort: who is on the list, and the key under which it seals models.
//!
//! The node is no member of the MLS group. A member hands it the key of models of each epoch, sealed to
//! its own key; it learns nothing else of the epoch, and grants no round before it has the key of a
//! cohort that is exactly the list.

use aggregator_protocol::{
    CohortEpoch, DaoReply, FederationTerms, KeyHandOver, Refusal, Roster, RoundId,
};
use anyhow::Context as _;
use privacy_cohort::{BroadcastKey, ModelContext, SealedModel};
use privacy_identity::{Digest, Encode as _, SealingKey, Signed, SigningKey, Tag, VerifyingKey};

use super::vault::Vault;

/// File of the hand-over that came last, as it came: still sealed.
const KEY_FILE: &str = "cohort-key.bin";
/// File of the sealed model of the open round.
const MODEL_FILE: &str = "sealed-model.bin";

/// The list of `members`, signed.
pub(crate) fn roster(
    terms: &FederationTerms,
    members: Vec<VerifyingKey>,
    key: &SigningKey,
) -> DaoReply {
    // Members only ever come: their number tells a later list from an earlier one.
    let version = members.len() as u64;
    let roster = Roster { federation: terms.id(), version, members };
    DaoReply::Roster(Box::new(Signed::new(roster, Tag::Roster, key)))
}

/// Keeps a key that a member handed over.
///
/// Threat: a member that hands over a wrong key. Then the model of the next round opens for nobody,
/// the round is given up, and the others hand over theirs: what came last counts. It can be a
/// nuisance, but it reads nothing.
pub(crate) fn keep_key(
    vault: &Vault,
    terms: &FederationTerms,
    members: &[VerifyingKey],
    key: &SigningKey,
    handed: Signed<KeyHandOver>,
) -> anyhow::Result<DaoReply> {
    let Ok(verified) = handed.verify(Tag::KeyHandOver) else {
        return Ok(DaoReply::Refused(Refusal::BadSignature));
    };
    let body = verified.body();
    if members.binary_search(verified.signer()).is_err() {
        return Ok(DaoReply::Refused(Refusal::Stranger));
    }
    if body.federation != terms.id() {
        return Ok(DaoReply::Refused(Refusal::WrongFederation));
    }
    if body.roster != members {
        return Ok(DaoReply::Refused(Refusal::BadSet));
    }
    if opened(body, key).is_none() {
        return Ok(DaoReply::Refused(Refusal::Unopenable));
    }
    vault.keep(KEY_FILE, verified.as_signed())?;
    Ok(DaoReply::KeyTaken)
}

fn opened(handed: &KeyHandOver, key: &SigningKey) -> Option<BroadcastKey> {
    let KeyHandOver { federation, cohort, key: envelope, .. } = handed;
    let associated = KeyHandOver::associated(federation, cohort);
    let opened =
        SealingKey::derived_from(key).open(Tag::ModelKeyEnvelope, &associated, envelope).ok()?;
    let bytes = opened.as_slice().try_into().ok()?;
    Some(BroadcastKey::from_parts(*federation, cohort.epoch, bytes))
}

/// How the model of a round travels.
pub(crate) enum Travel {
    /// As it is: the federation has no cohort.
    Clear,
    /// Not yet: nobody has handed over the key of a cohort that is the list.
    NotYet,
    /// Sealed to the cohort in this state.
    Sealed(CohortEpoch, Vec<u8>),
}

/// Seals the model of `round` to the cohort, and keeps what it sealed: the same answer is given again.
pub(crate) fn seal(
    vault: &Vault,
    terms: &FederationTerms,
    members: &[VerifyingKey],
    key: &SigningKey,
    (round, model): (RoundId, &[u8]),
) -> anyhow::Result<Travel> {
    if !terms.cohort.is_present() {
        return Ok(Travel::Clear);
    }
    let handed: Option<Signed<KeyHandOver>> = vault.record(KEY_FILE)?;
    let Some(handed) = handed.filter(|handed| handed.unverified_body().roster == members) else {
        return Ok(Travel::NotYet);
    };
    let body = handed.unverified_body();
    let broadcast = opened(body, key).context("the key of models on disk does not open")?;
    let context = ModelContext { round: round.0, model: Digest::of(Tag::Model, model) };
    let sealed = broadcast.seal(model, &context, &mut rand::rng())?;
    vault.keep(MODEL_FILE, &sealed)?;
    Ok(Travel::Sealed(body.cohort, sealed.to_bytes()))
}

/// What was sealed for the open round, or the model as it is.
pub(crate) fn sealed_again(
    vault: &Vault,
    terms: &FederationTerms,
    model: Vec<u8>,
) -> anyhow::Result<Option<Vec<u8>>> {
    if !terms.cohort.is_present() {
        return Ok(Some(model));
    }
    let sealed: Option<SealedModel> = vault.record(MODEL_FILE)?;
    Ok(sealed.map(|sealed| sealed.to_bytes()))
}
