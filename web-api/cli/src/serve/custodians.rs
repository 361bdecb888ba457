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

/// Who keeps the keys of the round that trains from `model`: drawn from the cohort by digest, so that custody goes round.
/// None in the modes that have no custodians.
///
/// Threat: who joins with a key that is drawn, made in as many tries as there are members to a custodian. Who was admitted
/// when the model was known is drawn only if there are too few others; the model of the first round follows from the terms.
/// Devices see that custodians are of the cohort and hold their own keys, not that they were drawn: that the DAO node chooses
/// nobody is its word.
///
/// * `of_before` — who of the cohort was admitted before the model was known, in increasing order.
pub(crate) fn drawn(
    vault: &Vault,
    terms: &FederationTerms,
    (round, model): (u64, &Digest),
    (cohort, of_before): (&[VerifyingKey], &[VerifyingKey]),
) -> anyhow::Result<Vec<Custodian>> {
    match terms.sealing.custody() {
        Some(custody) => {
            drawn_of(vault, (&terms.id(), custody), (round, model), (cohort, of_before))
        }
        None => Ok(Vec::new()),
    }
}

/// As [`drawn`], by the rules that count for it.
fn drawn_of(
    vault: &Vault,
    (federation, custody): (&Digest, CustodyTerms),
    of_round: (u64, &Digest),
    (cohort, of_before): (&[VerifyingKey], &[VerifyingKey]),
) -> anyhow::Result<Vec<Custodian>> {
    let among = |members: &[VerifyingKey], custodian: &Custodian| {
        members.binary_search(&custodian.member).is_ok()
    };
    let (early, late): (Vec<_>, Vec<_>) = kept(vault)?
        .into_iter()
        .filter(|custodian| among(cohort, custodian))
        .partition(|custodian| among(of_before, custodian));
    let mut drawn = in_order(early, federation, of_round);
    drawn.truncate(custody.custodians());
    // Whoever came late takes the places that are left, and nobody's.
    let missing = custody.custodians().saturating_sub(drawn.len());
    drawn.extend(in_order(late, federation, of_round).into_iter().take(missing));
    Ok(drawn)
}

/// Draws the custodians of a round from `candidates`, all of its cohort.
pub(crate) fn draw(
    candidates: Vec<Custodian>,
    terms: &FederationTerms,
    of_round: (u64, &Digest),
) -> Vec<Custodian> {
    let mut drawn = in_order(candidates, &terms.id(), of_round);
    drawn.truncate(terms.sealing.custody().map_or(0, CustodyTerms::custodians));
    drawn
}

/// By a digest of federation, round, model and member.
fn in_order(
    mut candidates: Vec<Custodian>,
    federation: &Digest,
    (round, model): (u64, &Digest),
) -> Vec<Custodian> {
    candidates.sort_by_cached_key(|custodian| {
        let member = custodian.member.as_bytes();
        let seed = [&federation.0, round.to_be_bytes().as_slice(), &model.0, member].concat();
        Digest::of(Tag::CustodyKey, &seed)
    });
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

    #[test]
    fn who_joined_late_takes_no_place_of_who_was_there_before() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path());
        let members: Vec<_> = (0..9).map(|seed| custodian(seed, seed)).collect();
        for member in &members {
            keep(&vault, member.clone(), |_| true).unwrap();
        }
        let sorted = |members: &[Custodian]| {
            let mut keys: Vec<_> = members.iter().map(|custodian| custodian.member).collect();
            keys.sort();
            keys
        };
        let (cohort, early) = (sorted(&members), sorted(&members[..2]));
        let custody = CustodyTerms::new(3, 2).unwrap();
        // Whatever the model: those of before are drawn, and one of the others.
        for model in 0..20 {
            let drawn = drawn_of(
                &vault,
                (&Digest([1; 32]), custody),
                (7, &Digest([model; 32])),
                (&cohort, &early),
            );
            let drawn = sorted(&drawn.unwrap());
            assert_eq!(drawn.len(), 3);
            assert!(early.iter().all(|member| drawn.contains(member)));
        }
    }
}
