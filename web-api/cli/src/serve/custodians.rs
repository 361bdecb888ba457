//! Who keeps the keys of a round, in FHE mode.

use aggregator_protocol::{Custodian, CustodyTerms, FederationTerms};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Tag, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::EncodingParameters;

use super::vault::Vault;

/// File of the members' keys for shares of keys.
const CUSTODY_FILE: &str = "custody.bin";

/// The members' keys for shares of keys, as they are kept on disk.
struct CustodianList(Vec<Custodian>);

impl Encode for CustodianList {
    fn encode(&self, writer: &mut Writer) {
        list_to_writer(&self.0, writer);
    }
}

impl Decode for CustodianList {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let most = EncodingParameters::CONTRIBUTORS_MAX as usize;
        Ok(Self(list_from_reader(reader, "custodians", most)?))
    }
}

/// Keeps the key of a member, or of who is about to be one. A member that comes with another key than before gets that one.
///
/// * `is_member` — who else's keys are kept.
pub(crate) fn keep(
    vault: &Vault,
    custodian: Custodian,
    is_member: impl Fn(&VerifyingKey) -> bool,
) -> anyhow::Result<()> {
    let mut kept = kept(vault)?;
    match kept.iter_mut().find(|other| other.member == custodian.member) {
        Some(same) if *same == custodian => return Ok(()),
        Some(other) => *other = custodian,
        None => {
            kept.retain(|other| is_member(&other.member));
            kept.push(custodian);
        }
    }
    vault.keep(CUSTODY_FILE, &CustodianList(kept))
}

/// Who keeps the keys of `round`: drawn from the cohort by digest, so that custody goes round and nobody
/// chooses it. None in the modes that have no custodians.
pub(crate) fn drawn(
    vault: &Vault,
    terms: &FederationTerms,
    round: u64,
    cohort: &[VerifyingKey],
) -> anyhow::Result<Vec<Custodian>> {
    if terms.sealing.custody().is_none() {
        return Ok(Vec::new());
    }
    let in_cohort = |custodian: &Custodian| cohort.binary_search(&custodian.member).is_ok();
    let candidates = kept(vault)?.into_iter().filter(in_cohort).collect();
    Ok(draw(candidates, terms, round))
}

/// Draws the custodians of `round` from `candidates`, all of its cohort.
pub(crate) fn draw(
    mut candidates: Vec<Custodian>,
    terms: &FederationTerms,
    round: u64,
) -> Vec<Custodian> {
    let (federation, round) = (terms.id(), round.to_be_bytes());
    candidates.sort_by_cached_key(|custodian| {
        let seed = [&federation.0, round.as_slice(), custodian.member.as_bytes()].concat();
        Digest::of(Tag::CustodyKey, &seed)
    });
    candidates.truncate(terms.sealing.custody().map_or(0, CustodyTerms::custodians));
    candidates
}

fn kept(vault: &Vault) -> anyhow::Result<Vec<Custodian>> {
    let kept: Option<CustodianList> = vault.record(CUSTODY_FILE)?;
    Ok(kept.map(|list| list.0).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::CustodyKey;
    use privacy_identity::{SealingKey, Signed, SigningKey};
    use trainer_model::{Architecture, MlpShape};

    use super::*;

    fn custodian(seed: u8, sealing: u8) -> Custodian {
        let key = SigningKey::from_seed(&[seed; 32]);
        let sealing = SealingKey::from_seed(&[sealing; 32]).public();
        let body = CustodyKey { federation: Digest([1; 32]), sealing };
        Custodian { member: key.verifying_key(), key: Signed::new(body, Tag::CustodyKey, &key) }
    }

    fn vault(dir: &std::path::Path) -> Vault {
        let shape = MlpShape { inputs: 1, hidden: Vec::new(), classes: 2 };
        Vault::open(dir, Architecture::mlp(shape).unwrap()).unwrap()
    }

    #[test]
    fn keys_of_who_was_never_admitted_do_not_pile_up_and_a_members_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (vault, member) = (vault(dir.path()), custodian(0, 0));
        keep(&vault, member.clone(), |_| false).unwrap();
        for stranger in 1..9 {
            keep(&vault, custodian(stranger, 1), |other| *other == member.member).unwrap();
        }
        assert!(kept(&vault).unwrap() == [member, custodian(8, 1)]);
    }

    #[test]
    fn a_member_that_comes_with_another_key_gets_that_one() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path());
        for sealing in [1, 1, 2] {
            keep(&vault, custodian(0, sealing), |_| true).unwrap();
        }
        assert!(kept(&vault).unwrap() == [custodian(0, 2)]);
    }
}
