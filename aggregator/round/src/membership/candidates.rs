//! Who offers to join a cohort, and letting them in.

use aggregator_protocol::CohortNews;
use privacy_cohort::{AllowList, Cohort, CohortError, KeyPackage};
use privacy_identity::VerifyingKey;
use rand::CryptoRng;

use super::{MembershipError, Now};

/// The key packages of those of whom `wanted` holds. One that is no key package is left out.
pub(super) fn offers(
    news: &CohortNews,
    wanted: impl Fn(&VerifyingKey) -> bool,
) -> Vec<(VerifyingKey, KeyPackage)> {
    let wanted = news.offers.iter().filter(|(member, _)| wanted(member));
    wanted
        .filter_map(|(member, package)| Some((*member, KeyPackage::from_mls_bytes(package).ok()?)))
        .collect()
}

/// Who offers, is on the list, and is not in the cohort.
pub(super) fn candidates_of(
    news: &CohortNews,
    listed: &AllowList,
    cohort: &Cohort,
) -> Vec<(VerifyingKey, KeyPackage)> {
    let roster = cohort.roster();
    offers(news, |member| listed.contains(member) && !roster.contains(member))
}

/// Admits as many as have sound key packages and says whom: one bad offer must not keep the others out.
pub(super) fn admit(
    cohort: &mut Cohort,
    candidates: &[(VerifyingKey, KeyPackage)],
    listed: &AllowList,
    now: Now,
    rng: &mut impl CryptoRng,
) -> Result<Vec<VerifyingKey>, MembershipError> {
    let packages: Vec<_> = candidates.iter().map(|(_, package)| package.clone()).collect();
    if cohort.admit(&packages, listed, now.unix_s, rng).is_ok() {
        return Ok(candidates.iter().map(|(member, _)| *member).collect());
    }
    // One by one: the first sound one is let in now, the others in later epochs.
    let mut last = CohortError::Nobody;
    for (member, package) in candidates {
        match cohort.admit(std::slice::from_ref(package), listed, now.unix_s, rng) {
            Ok(_outgoing) => return Ok(vec![*member]),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}
