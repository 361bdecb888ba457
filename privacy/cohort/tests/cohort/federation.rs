//! A federation with its DAO's list, and cohorts of any size in it.

use privacy_cohort::{AllowList, Candidate, Cohort, CohortIdentity, KeyPackage, OutgoingCommit};
use privacy_identity::{Digest, SigningKey, Tag, VerifyingKey};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// The time at which everything happens.
pub(crate) const NOW_S: u64 = 1_800_000_000;

/// Until when key packages are valid.
pub(crate) const NOT_AFTER_S: u64 = NOW_S + 3_600;

pub(crate) struct Federation {
    pub(crate) digest: Digest,
    pub(crate) listed: AllowList,
    pub(crate) rng: ChaCha20Rng,
}

/// The key of person `index`.
pub(crate) fn key(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index; 32])
}

/// The public key of person `index`.
pub(crate) fn public(index: u8) -> VerifyingKey {
    key(index).verifying_key()
}

/// The list of the persons `members`.
pub(crate) fn list(members: impl IntoIterator<Item = u8>) -> AllowList {
    AllowList::new(members.into_iter().map(public))
}

impl Federation {
    /// A federation whose DAO admitted the persons 0 to 9.
    pub(crate) fn new() -> Self {
        Self {
            digest: Digest::of(Tag::Terms, b"a federation"),
            listed: list(0..10),
            rng: ChaCha20Rng::seed_from_u64(7),
        }
    }

    pub(crate) fn candidate(&mut self, index: u8) -> Candidate {
        let identity = CohortIdentity::new(&key(index));
        Candidate::new(identity, self.digest, NOT_AFTER_S, &mut self.rng).unwrap()
    }

    pub(crate) fn founder(&mut self) -> Cohort {
        let identity = CohortIdentity::new(&key(0));
        Cohort::found(identity, self.digest, &self.listed, &mut self.rng).unwrap()
    }

    pub(crate) fn admit(&mut self, cohort: &mut Cohort, packages: &[KeyPackage]) -> OutgoingCommit {
        cohort.admit(packages, &self.listed, NOW_S, &mut self.rng).unwrap()
    }

    pub(crate) fn join(&self, candidate: Candidate, outgoing: &OutgoingCommit) -> Cohort {
        Cohort::join(candidate, outgoing.welcome.as_ref().unwrap(), &self.listed).unwrap()
    }

    /// A cohort of the persons 0 to `count` − 1, admitted at once by person 0.
    pub(crate) fn cohort(&mut self, count: u8) -> Vec<Cohort> {
        let mut founder = self.founder();
        let candidates: Vec<Candidate> = (1..count).map(|index| self.candidate(index)).collect();
        let packages: Vec<KeyPackage> =
            candidates.iter().map(|candidate| candidate.key_package().clone()).collect();
        let outgoing = self.admit(&mut founder, &packages);
        founder.process(&outgoing.commit, &self.listed).unwrap();
        let joined = candidates.into_iter().map(|candidate| self.join(candidate, &outgoing));
        std::iter::once(founder).chain(joined.collect::<Vec<_>>()).collect()
    }

    /// Lets person `index` join, and everybody take the commit.
    pub(crate) fn grow(&mut self, cohort: &mut Vec<Cohort>, index: u8) {
        let candidate = self.candidate(index);
        let outgoing = self.admit(&mut cohort[0], &[candidate.key_package().clone()]);
        deliver(cohort, &outgoing.commit, &self.listed);
        cohort.push(self.join(candidate, &outgoing));
    }
}

/// Gives `commit` to everybody, who must take it.
pub(crate) fn deliver(cohort: &mut [Cohort], commit: &[u8], listed: &AllowList) {
    for member in cohort {
        member.process(commit, listed).unwrap();
    }
}
