//! Whether every aggregator committed to one accepted set.

use aggregator_protocol::{FederationTerms, RoundId, SumCommitment};
use privacy_identity::{Digest, Signed, Tag};

/// The first aggregator after the coordinator that did not sign a commitment to the accepted set with
/// `root` in `round` of the federation; none if all did.
///
/// Threat: a coordinator that shows one set to the aggregators and another to contributors or the DAO.
#[must_use]
pub fn missing_commitment(
    terms: &FederationTerms,
    round: RoundId,
    root: &Digest,
    commitments: &[Signed<SumCommitment>],
) -> Option<usize> {
    let federation = terms.id();
    let committed = |key| {
        commitments.iter().any(|commitment| {
            let body = commitment.unverified_body();
            body.federation == federation
                && body.round == round
                && body.set_root == *root
                && commitment.clone().verify_by(Tag::SumShare, key).is_ok()
        })
    };
    let others = terms.aggregators.iter().enumerate().skip(1);
    others.filter(|(_, keys)| !committed(&keys.verifying)).map(|(index, _)| index).next()
}
