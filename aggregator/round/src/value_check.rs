//! Whether the values of a round are what the parties' shares say, and whether those can be true.
//!
//! **Threat.** A party of a round that shifts its share of a scalar, so that somebody is paid more or less; a
//! coordinator that writes other scalars into the receipt than were opened. No update may be opened to find it.
//!
//! **Mechanism**, in all modes. The receipt names the digest of every party's signed shares ([`ScalarOpening`]).
//! (1) Anybody opens them again and finds the receipt's scalars, or accuses the coordinator. (2) Anybody adds the
//! scalars up: they must give ⟨sum, p⟩, as ⟨·, p⟩ is linear and the sum was fixed before p was known. (3) Each
//! contributor knows its own parts, hence every party's answer for it, and compares bit for bit
//! ([`crate::OwnShares`]). (4) It proves who lied by showing the DAO node that party's part alone
//! ([`crate::ShareDisclosure`]).
//!
//! **Soundness.** (1), (3), (4) are deterministic up to collisions of SHA-256 and forged signatures; (2) is exact
//! in MPC modes, and in FHE mode up to n times the error of a reading (about 2^−17 of the largest, n = 1). Let D
//! be the contributors whose scalars are false. By (3) nobody in D checks; by (2) D is empty or has at least two
//! members, and their scalars add up to what is true of them together. So with **at most one** member that keeps
//! silent, nothing can be shifted; a victim that checks with probability q is overlooked with 1 − q.
//!
//! **What is not stopped.** Two members or more that collude with a party of the round can shift value between
//! themselves: one takes the loss, which pay by positive scores does not count against the other. Each stays
//! within ±`reading_max`, the value of an update that points exactly along the probe, and the loser is a member
//! with a large negative value, whom the DAO's rule suspends. The tags of sums do not help, as members know their key.
//!
//! **Rejected.** Redundant random probes: a liar answers all of them for x + d, and is consistent. MACs by the
//! contributor on its shares: double the upload and show what (3) shows for nothing. MACs under a key of the
//! cohort: double the upload, and fall to the same collusion. Proofs in zero knowledge that a party's answer
//! follows from its envelope: sound against all of it, at seconds per update.

use aggregator_protocol::{
    AcceptedSet, FederationTerms, OpenedScalars, PartyScalars, Refusal, RoundGrant, RoundReceipt,
    SCALARS, ScalarOpening, ScalarShares, ValueRecord,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use thiserror::Error;

use crate::{SumProducts, context::parties, mode, peer::check_probes};

/// What is false about the values of a round.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueFault {
    /// The coordinator does not show what the values follow from: silence must not be a way around the check.
    #[error("the coordinator does not show what the round's values were opened from")]
    Withheld,
    /// The probes are not those of the round.
    #[error("the probes are not the round's: {refusal}")]
    Probe {
        /// Why.
        refusal: Refusal,
    },
    /// The record is another one than the receipt names.
    #[error("{what} is not the one that the receipt names")]
    OtherRecord {
        /// Which part of it.
        what: &'static str,
    },
    /// A party's answer is missing, or there is one of a party that there is not.
    #[error("there is no answer of party {place}, or one too many")]
    Parties {
        /// Its place.
        place: usize,
    },
    /// A party's answer is not signed by it, or of another round, probe or number of contributions.
    #[error("the answer of party {place} is not its own to these probes")]
    Answer {
        /// Its place.
        place: usize,
    },
    /// The answers do not open.
    #[error("the parties' answers do not open: {reason}")]
    Unopenable {
        /// Why.
        reason: String,
    },
    /// The scalars do not add up to what the sum gives: a party shifted one.
    #[error("the {} scalars add up to {got}, the sum gives {expected}: a party shifted one", NAMES[*which])]
    Sum {
        /// 0: value, 1: innovation, 2: contrast.
        which: usize,
        /// ⟨sum, p⟩.
        expected: i64,
        /// What the scalars add up to.
        got: i128,
    },
    /// The receipt says something else than the answers open to.
    #[error(
        "the receipt gives {member} {named:?} as value, innovation and contrast, the parties' answers {opened:?}"
    )]
    Scalar {
        /// Whose.
        member: VerifyingKey,
        /// The receipt's.
        named: [i64; SCALARS],
        /// What the answers give.
        opened: [i64; SCALARS],
    },
    /// A party answered something else of this member's update than follows from its part.
    #[error(
        "of the update of {member} party {place} answered {got:?}, its part gives {expected:?}"
    )]
    Share {
        /// Whose.
        member: VerifyingKey,
        /// The party's place.
        place: usize,
        /// What follows from its part, of value, innovation and contrast.
        expected: [u64; SCALARS],
        /// What it signed; none if it answered for fewer.
        got: Option<[u64; SCALARS]>,
    },
    /// What this member kept of its update does not belong to the round.
    #[error("what was kept of the update does not fit the round: {refusal}")]
    Own {
        /// Why.
        refusal: Refusal,
    },
}

const NAMES: [&str; SCALARS] = ["value", "innovation", "contrast"];

impl ValueFault {
    /// The places of those who can have brought it about; 0 is the coordinator. Empty if nobody is accused.
    #[must_use]
    pub fn accused(&self, terms: &FederationTerms, grant: &RoundGrant) -> Vec<VerifyingKey> {
        let parties = parties(terms, grant);
        match self {
            Self::Own { .. } => Vec::new(),
            Self::Share { place, .. } => parties.get(*place).copied().into_iter().collect(),
            Self::Sum { .. } | Self::Unopenable { .. } => parties,
            // Whoever signed a receipt with this in it.
            _ => parties.into_iter().take(1).collect(),
        }
    }
}

/// Opens the scalars of a round from the parties' answers, again: of each contributor of `set`, in its order,
/// the inner products of value, innovation and contrast.
///
/// # Errors
/// [`ValueFault::Parties`], [`ValueFault::Answer`] or [`ValueFault::Unopenable`].
fn opened(
    terms: &FederationTerms,
    grant: &RoundGrant,
    set: &AcceptedSet,
    record: &ValueRecord,
) -> Result<Vec<[i64; SCALARS]>, ValueFault> {
    let keys = parties(terms, grant);
    let answers = record.opening.parties();
    check_parties(terms, keys.len(), answers)?;
    let probe = Digest::of_encoded(Tag::Probe, &record.probes);
    for PartyScalars { place, shares } in answers {
        let (place, body) = (usize::from(*place), shares.unverified_body());
        let right = body.federation == grant.federation
            && body.round == grant.round
            && body.probe == probe
            && body.shares.len() == set.contributions().len();
        if !right || shares.clone().verify_by(Tag::ScalarShares, &keys[place]).is_err() {
            return Err(ValueFault::Answer { place });
        }
    }
    let shares = |party: &PartyScalars| party.shares.unverified_body().shares.clone();
    let own = answers.first().map(shares).unwrap_or_default();
    let others: Vec<_> =
        answers.iter().skip(1).map(|party| (usize::from(party.place), shares(party))).collect();
    let others = others.iter().map(|(place, shares)| (*place, shares.as_slice())).collect();
    let order = record.probes.unverified_body();
    mode::open_scalars(terms, grant, order, set, &own, &others)
        .map(|(readings, _liars)| readings)
        .map_err(|error| ValueFault::Unopenable { reason: error.to_string() })
}

/// In MPC modes all parties have to answer, in FHE mode the aggregator and a threshold of custodians.
fn check_parties(
    terms: &FederationTerms,
    count: usize,
    answers: &[PartyScalars],
) -> Result<(), ValueFault> {
    let answered = |place: usize| answers.iter().any(|party| usize::from(party.place) == place);
    if let Some(party) = answers.iter().find(|party| usize::from(party.place) >= count) {
        return Err(ValueFault::Parties { place: usize::from(party.place) });
    }
    let spare = terms
        .sealing
        .custody()
        .map_or(0, |custody| custody.custodians().saturating_sub(custody.threshold()));
    let missing: Vec<_> = (0..count).filter(|&place| !answered(place)).collect();
    missing.get(spare).map_or(Ok(()), |&place| Err(ValueFault::Parties { place }))
}

/// Checks the values of a receipt, which was checked before, against what they were opened from: what anybody
/// can check who has the sum.
///
/// * `products` — of the sum that the receipt names.
///
/// # Errors
/// [`ValueFault`].
pub fn check_values(
    terms: &FederationTerms,
    receipt: &RoundReceipt,
    record: &ValueRecord,
    products: &SumProducts,
) -> Result<(), ValueFault> {
    let grant = receipt.grant.unverified_body();
    check_probes(terms, &record.probes, grant, &receipt.accepted)
        .map_err(|refusal| ValueFault::Probe { refusal })?;
    if Digest::of_encoded(Tag::Probe, &record.probes) != receipt.probe {
        return Err(ValueFault::OtherRecord { what: "the probe order" });
    }
    if record.opening.digest() != receipt.opening {
        return Err(ValueFault::OtherRecord { what: "the parties' answers" });
    }
    let scalars = opened_values(terms, grant, &receipt.accepted, record, products)?;
    let members = receipt.accepted.contributions().iter().map(|(member, _)| *member);
    for ((member, named), opened) in members.zip(&receipt.scalars).zip(&scalars) {
        if named != opened {
            let pair =
                |scalars: &OpenedScalars| [scalars.value, scalars.innovation, scalars.contrast];
            let (named, opened) = (pair(named), pair(opened));
            return Err(ValueFault::Scalar { member, named, opened });
        }
    }
    Ok(())
}

/// What a receipt over `set` has to say, by the parties' answers, which add up to what the sum gives.
///
/// # Errors
/// [`ValueFault`] of the answers.
pub fn opened_values(
    terms: &FederationTerms,
    grant: &RoundGrant,
    set: &AcceptedSet,
    record: &ValueRecord,
    products: &SumProducts,
) -> Result<Vec<OpenedScalars>, ValueFault> {
    let order = record.probes.unverified_body();
    let readings = opened(terms, grant, set, record)?;
    products.check(terms, order, &readings)?;
    Ok(products.scalars(&terms.encoding, order, &readings))
}

/// The opening of these answers, the coordinator's own first.
pub(crate) fn opening_of<'a>(
    own: Signed<ScalarShares>,
    others: impl Iterator<Item = (&'a usize, &'a Signed<ScalarShares>)>,
) -> ScalarOpening {
    let party = |place: usize, shares| PartyScalars {
        place: u8::try_from(place).expect("at most AGGREGATORS_MAX"),
        shares,
    };
    let others = others.map(|(place, shares)| party(*place, shares.clone()));
    ScalarOpening::new(std::iter::once(party(0, own)).chain(others).collect())
        .expect("a map lists each place once, in order, from 1")
}
