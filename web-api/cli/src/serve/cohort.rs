//! The DAO node and the cohort: who is on the list, and the key under which it seals models.
//!
//! The node is no member of the MLS group. A member hands it the key of models of each epoch, sealed to
//! its own key; it learns nothing else of the epoch, and grants no round before it has the key of a
//! cohort. Whoever has just joined is waited for; one that joined and went away is not, so that no
//! member can keep the others from their rounds by staying out of the cohort.

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
/// How long a member that has joined may take into the cohort before a round is granted without it, in
/// milliseconds. Longer than a member's link needs to notice that a killed coordinator is gone (about
/// ten seconds): a restart while the cohort forms must not leave members out.
const JOIN_GRACE_MS: u64 = 30_000;

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
    if !body.roster.iter().all(|member| members.binary_search(member).is_ok()) {
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

/// Who is invited to a round, and with which key its model is sealed.
pub(crate) struct Invited {
    /// The members, in increasing order.
    pub(crate) cohort: Vec<VerifyingKey>,
    /// The state of the cohort and the key of its models; none in a federation without.
    key: Option<(CohortEpoch, BroadcastKey)>,
}

impl Invited {
    /// The members on the list, or those of them that are in the cohort; nothing if it has to be waited
    /// for.
    ///
    /// * `since_join_ms` — how long ago the last member was admitted.
    pub(crate) fn now(
        vault: &Vault,
        terms: &FederationTerms,
        members: Vec<VerifyingKey>,
        key: &SigningKey,
        since_join_ms: u64,
    ) -> anyhow::Result<Option<Self>> {
        if !terms.cohort.is_present() {
            return Ok(Some(Self { cohort: members, key: None }));
        }
        let handed: Option<Signed<KeyHandOver>> = vault.record(KEY_FILE)?;
        // The cohort of former terms is not the one of these.
        let of_these =
            |handed: &Signed<KeyHandOver>| handed.unverified_body().federation == terms.id();
        let Some(handed) = handed.filter(of_these) else { return Ok(None) };
        let body = handed.unverified_body();
        let complete = body.roster == members;
        let enough = body.roster.len() >= terms.contributions_min();
        if !complete && (!enough || since_join_ms < JOIN_GRACE_MS) {
            return Ok(None);
        }
        let broadcast = opened(body, key).context("the key of models on disk does not open")?;
        Ok(Some(Self { cohort: body.roster.clone(), key: Some((body.cohort, broadcast)) }))
    }

    /// The state of the cohort.
    pub(crate) fn epoch(&self) -> Option<CohortEpoch> {
        self.key.as_ref().map(|(epoch, _)| *epoch)
    }

    /// A model as it is handed out to members that train at their own pace.
    ///
    /// * its version and digest.
    pub(crate) fn seal_offered(
        &self,
        (version, model): (u64, Digest),
        wire: Vec<u8>,
    ) -> anyhow::Result<Vec<u8>> {
        let Some((_, key)) = &self.key else { return Ok(wire) };
        let context = ModelContext { round: version, model };
        Ok(key.seal(&wire, &context, &mut rand::rng())?.to_bytes())
    }

    /// The model as it travels, and the state of the cohort that opens it. What is sealed is kept: the
    /// same answer is given again.
    ///
    /// * `payload` — the model of this round and digest, and what comes with it.
    pub(crate) fn seal(
        &self,
        vault: &Vault,
        (round, model): (RoundId, Digest),
        payload: Vec<u8>,
    ) -> anyhow::Result<(Option<CohortEpoch>, Vec<u8>)> {
        let Some((epoch, key)) = &self.key else { return Ok((None, payload)) };
        let context = ModelContext { round: round.0, model };
        let sealed = key.seal(&payload, &context, &mut rand::rng())?;
        vault.keep(MODEL_FILE, &sealed)?;
        Ok((Some(*epoch), sealed.to_bytes()))
    }
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
