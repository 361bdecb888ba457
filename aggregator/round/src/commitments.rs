//! Whether the parties of a round committed to one accepted set.

use aggregator_protocol::{FederationTerms, RoundGrant, SumCommitment};
use privacy_identity::{Digest, Signed, Tag};

use crate::context::parties;

/// The first party after the coordinator that did not sign a commitment to the accepted set with `root`
/// in the round of `grant`; none if enough did: in MPC mode every aggregator, in FHE mode as many
/// custodians as it takes to open a sum.
///
/// Threat: a coordinator that shows one set to the other parties and another to contributors or the
/// DAO.
#[must_use]
pub fn missing_commitment(
    terms: &FederationTerms,
    grant: &RoundGrant,
    root: &Digest,
    commitments: &[Signed<SumCommitment>],
) -> Option<usize> {
    let committed = |key| {
        commitments.iter().any(|commitment| {
            let body = commitment.unverified_body();
            body.federation == grant.federation
                && body.round == grant.round
                && body.set_root == *root
                && commitment.clone().verify_by(Tag::SumShare, key).is_ok()
        })
    };
    let parties = parties(terms, grant);
    let missing: Vec<_> = (1..parties.len()).filter(|&place| !committed(&parties[place])).collect();
    let spare = terms
        .sealing
        .custody()
        .map_or(0, |custody| custody.custodians().saturating_sub(custody.threshold()));
    missing.get(spare).copied()
}
