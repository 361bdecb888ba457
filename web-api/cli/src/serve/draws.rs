//! Who is invited to a round, and by which keys members draw where they draw in secret.

use aggregator_protocol::FederationTerms;
use aggregator_strategy::{CohortRule, Draw, VrfPublicKey};
use anyhow::Context as _;
use data_dao_governance::Keyring;
use data_dao_journal::Federation;
use privacy_identity::{
    Decode, DecodeError, Encode, Reader, VerifyingKey, Writer, list_from_reader, list_to_writer,
};
use privacy_secagg::EncodingParameters;

use super::vault::Vault;

/// File of the members' keys for draws.
const DRAW_FILE: &str = "draw-keys.bin";

/// A member with its key for draws.
#[derive(Clone)]
struct DrawKey(VerifyingKey, VrfPublicKey);

/// The members' keys for draws, as they are kept on disk.
struct DrawKeys(Vec<DrawKey>);

impl Encode for DrawKey {
    fn encode(&self, writer: &mut Writer) {
        self.0.encode(writer);
        self.1.encode(writer);
    }
}

impl Decode for DrawKey {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Decode::decode(reader)?, Decode::decode(reader)?))
    }
}

impl Encode for DrawKeys {
    fn encode(&self, writer: &mut Writer) {
        list_to_writer(&self.0, writer);
    }
}

impl Decode for DrawKeys {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let most = EncodingParameters::CONTRIBUTORS_MAX as usize;
        Ok(Self(list_from_reader(reader, "draw keys", most)?))
    }
}

fn kept(vault: &Vault) -> anyhow::Result<Vec<DrawKey>> {
    let kept: Option<DrawKeys> = vault.record(DRAW_FILE)?;
    Ok(kept.map(|list| list.0).unwrap_or_default())
}

/// Keeps the key by which a member draws. The first stands: returns whether it is this one.
///
/// * `is_member` — who else's keys are kept: who was not admitted has been in no draw.
///
/// Threat: a member that registers key after key until one is drawn for the rounds it wants.
pub(crate) fn keep(
    vault: &Vault,
    (member, key): (VerifyingKey, VrfPublicKey),
    is_member: impl Fn(&VerifyingKey) -> bool,
) -> anyhow::Result<bool> {
    let mut kept = kept(vault)?;
    if let Some(DrawKey(_, first)) = kept.iter().find(|DrawKey(other, _)| *other == member) {
        return Ok(*first == key);
    }
    kept.retain(|DrawKey(other, _)| is_member(other));
    kept.push(DrawKey(member, key));
    vault.keep(DRAW_FILE, &DrawKeys(kept))?;
    Ok(true)
}

/// Those of `members` who may be drawn for the next round: who was admitted before its model was known, where
/// anything is drawn.
///
/// Threat: a member that knows what is drawn by before it chooses its key. The model of the first round follows from
/// the terms, so that everybody may be in it who joined: there is no draw before it to have been fair to.
pub(crate) fn eligible(
    terms: &FederationTerms,
    federation: (&Federation, &Keyring),
    members: &[VerifyingKey],
) -> Vec<VerifyingKey> {
    // Groups are dealt by the same draw.
    if terms.sampling != CohortRule::Everybody || terms.groups.is_some() {
        admitted_before_the_model(federation, members)
    } else {
        members.to_vec()
    }
}

/// Those of `members`, by their devices' keys, who were admitted and had these before the newest model was known; all of them before the first round settled.
pub(crate) fn admitted_before_the_model(
    (federation, keyring): (&Federation, &Keyring),
    members: &[VerifyingKey],
) -> Vec<VerifyingKey> {
    let Some(known) = federation.settled().last().map(|round| round.index) else {
        return members.to_vec();
    };
    // With the key that it has: it could else get a new one, with new tickets, for each model.
    let before = |device: &VerifyingKey| {
        let member = keyring.member_of(device);
        let since = keyring.later(&member).last().map_or(0, |held| held.index);
        let admitted = federation.members().get(&member);
        since < known && admitted.is_some_and(|member| member.index < known)
    };
    members.iter().copied().filter(before).collect()
}

/// Who of `members` is invited to the round of `draw`, and by which keys they draw.
pub(crate) fn invited(
    vault: &Vault,
    terms: &FederationTerms,
    draw: &Draw,
    members: &[VerifyingKey],
) -> anyhow::Result<(Vec<VerifyingKey>, Vec<VrfPublicKey>)> {
    let cohort = terms.sampling.invited(draw, members)?;
    if terms.sampling.secret_rate().is_none() {
        return Ok((cohort, Vec::new()));
    }
    let kept = kept(vault)?;
    let key = |member: &VerifyingKey| {
        let found = kept.iter().find(|DrawKey(other, _)| other == member);
        found.map(|DrawKey(_, key)| *key).with_context(|| format!("the draw key of {member}"))
    };
    let keys = cohort.iter().map(key).collect::<anyhow::Result<_>>()?;
    Ok((cohort, keys))
}

#[cfg(test)]
mod tests {
    use aggregator_strategy::participation_key;
    use privacy_identity::SigningKey;
    use trainer_model::{Architecture, MlpShape};

    use super::*;

    fn key(seed: u8) -> (VerifyingKey, VrfPublicKey) {
        let key = SigningKey::from_seed(&[seed; 32]);
        (key.verifying_key(), participation_key(&key).public_key())
    }

    #[test]
    fn the_first_key_that_a_member_registers_stands() {
        let dir = tempfile::tempdir().unwrap();
        let architecture =
            Architecture::mlp(MlpShape { inputs: 1, hidden: Vec::new(), classes: 2 }).unwrap();
        let vault = Vault::open(dir.path(), architecture).unwrap();
        let [(one, first), (other, second)] = [key(1), key(2)];
        let all = |_: &VerifyingKey| true;
        assert!(keep(&vault, (one, first), all).unwrap());
        assert!(keep(&vault, (one, first), all).unwrap());
        assert!(!keep(&vault, (one, second), all).unwrap());
        assert!(keep(&vault, (other, second), all).unwrap());
        let kept: Vec<_> = kept(&vault).unwrap().into_iter().map(|DrawKey(_, key)| key).collect();
        assert_eq!(kept, [first, second]);
    }

    #[test]
    fn keys_of_who_was_never_admitted_do_not_pile_up() {
        let dir = tempfile::tempdir().unwrap();
        let architecture =
            Architecture::mlp(MlpShape { inputs: 1, hidden: Vec::new(), classes: 2 }).unwrap();
        let vault = Vault::open(dir.path(), architecture).unwrap();
        let (member, _) = key(0);
        for seed in 0..9 {
            assert!(keep(&vault, key(seed), |other| *other == member).unwrap());
        }
        let kept = kept(&vault).unwrap();
        assert_eq!(kept.iter().map(|DrawKey(key, _)| *key).collect::<Vec<_>>(), [member, key(8).0]);
    }
}
