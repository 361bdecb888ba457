//! How a cohort changes: commits made, commits taken.
//!
//! ```text
//! admit | remove | refresh ─→ pending ─ sent to the delivery, which takes the first commit of an epoch
//!        process(own commit)   ─→ next epoch
//!        process(another's)    ─→ next epoch, the pending commit is void and dropped
//!        drop_pending          ─→ as before
//! ```

use std::collections::BTreeSet;

use openmls::prelude::{
    GroupId, KeyPackage as MlsKeyPackage, LeafNodeIndex, MlsGroup, ProcessedMessageContent,
    ProtocolMessage, Sender,
};
use openmls_traits::OpenMlsProvider as _;
use privacy_identity::{Digest, VerifyingKey};
use rand::CryptoRng;

use crate::{
    AllowList, COHORT_MEMBERS_MAX, Change, Cohort, CohortError, KeyPackage, message,
    policy::leaf_of, provider::Provider,
};

/// A commit that waits for the delivery's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingCommit {
    /// For every member, the committer included: a `PrivateMessage` (RFC 9420 §6.3).
    pub commit: Vec<u8>,
    /// For everybody who is added, after the delivery has taken the commit. Not before: a welcome to
    /// an epoch that never comes leads nowhere.
    pub welcome: Option<Vec<u8>>,
}

impl Cohort {
    /// Adds the owners of `packages`.
    ///
    /// * `now_s` — the caller's time, in seconds since 1970, against which the packages' validity is
    ///   checked. Only the committer checks it: a member that processes the commit days later must not
    ///   come to another result.
    ///
    /// # Errors
    /// What is wrong with any of them: then none is added.
    pub fn admit(
        &mut self,
        packages: &[KeyPackage],
        listed: &AllowList,
        now_s: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<OutgoingCommit, CohortError> {
        self.require_idle()?;
        let got = self.group.members().count() + packages.len();
        if got > COHORT_MEMBERS_MAX {
            return Err(CohortError::TooManyMembers { got, bound: COHORT_MEMBERS_MAX });
        }
        let mut seen = self.roster();
        let mut verified = Vec::with_capacity(packages.len());
        for package in packages {
            let package = package.verify(self.provider.crypto(), &self.federation)?;
            let (member, not_after_s) = (package.member, package.not_after_s);
            if not_after_s < now_s {
                return Err(CohortError::Expired { member, not_after_s, now_s });
            }
            if !listed.contains(&member) {
                return Err(CohortError::NotListed { member });
            }
            if !seen.insert(member) {
                return Err(CohortError::AlreadyMember { member });
            }
            verified.push(package.package);
        }
        if verified.is_empty() {
            return Err(CohortError::Nobody);
        }
        self.commit(verified, &[], rng)
    }

    /// Removes `members`, whom the DAO has taken off its list.
    ///
    /// # Errors
    /// [`CohortError::NotAMember`], [`CohortError::StillListed`], [`CohortError::Nobody`]; a member
    /// cannot remove itself ([`CohortError::Library`]; RFC 9420 §12.2).
    pub fn remove(
        &mut self,
        members: &BTreeSet<VerifyingKey>,
        listed: &AllowList,
        rng: &mut impl CryptoRng,
    ) -> Result<OutgoingCommit, CohortError> {
        self.require_idle()?;
        let mut leaves = Vec::with_capacity(members.len());
        for &member in members {
            let leaf = leaf_of(&self.group, &member).ok_or(CohortError::NotAMember { member })?;
            if listed.contains(&member) {
                return Err(CohortError::StillListed { member });
            }
            leaves.push(leaf);
        }
        if leaves.is_empty() {
            return Err(CohortError::Nobody);
        }
        self.commit(Vec::new(), &leaves, rng)
    }

    /// Renews this member's keys: whoever copied them before is locked out from the next epoch on.
    ///
    /// # Errors
    /// [`CohortError::CommitPending`], [`CohortError::Removed`].
    pub fn refresh(&mut self, rng: &mut impl CryptoRng) -> Result<OutgoingCommit, CohortError> {
        self.require_idle()?;
        self.commit(Vec::new(), &[], rng)
    }

    /// The commit that waits for the delivery's answer, to be sent again after a restart.
    #[must_use]
    pub const fn pending(&self) -> Option<&OutgoingCommit> {
        self.pending.as_ref()
    }

    /// Drops the pending commit, if there is one. Only if the delivery certainly did not take it.
    ///
    /// # Errors
    /// [`CohortError::Library`], which no input is known to cause.
    pub fn drop_pending(&mut self) -> Result<(), CohortError> {
        self.group.clear_pending_commit(self.provider.storage()).map_err(CohortError::library)?;
        self.pending = None;
        Ok(())
    }

    /// Takes the commit that the delivery chose for this epoch, be it this member's own or another's.
    ///
    /// Another's commit voids the pending one. A commit that removes this member ends its membership:
    /// the change says so, and the caller deletes what it stored.
    ///
    /// # Errors
    /// Why it is not a commit of this epoch that the list allows. The state is unchanged.
    pub fn process(&mut self, commit: &[u8], listed: &AllowList) -> Result<Change, CohortError> {
        self.require_membership()?;
        if self.pending.as_ref().is_some_and(|pending| pending.commit == commit) {
            return self.transact(|cohort| cohort.merge_own(listed));
        }
        let message = message::commit_from_bytes(commit, &self.federation, self.epoch())?;
        self.transact(|cohort| cohort.merge_other(message, listed))
    }

    fn merge_own(&mut self, listed: &AllowList) -> Result<Change, CohortError> {
        let own = self.group.own_leaf_index();
        let missing = || CohortError::StateIncomplete { reason: "no pending commit" };
        let staged = self.group.pending_commit().ok_or_else(missing)?;
        let change = Change::judge(&self.group, staged, own, &self.federation, listed)?;
        self.group.merge_pending_commit(&self.provider).map_err(CohortError::library)?;
        self.pending = None;
        Ok(change)
    }

    fn merge_other(
        &mut self,
        message: ProtocolMessage,
        listed: &AllowList,
    ) -> Result<Change, CohortError> {
        let processed = self
            .group
            .process_message(&self.provider, message)
            .map_err(CohortError::not_authentic)?;
        let Sender::Member(committer) = *processed.sender() else {
            return Err(CohortError::not_authentic("sender is not a member"));
        };
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            // A message that claims to be this member's own, but is not the pending commit.
            return Err(CohortError::not_authentic("not a commit of another member"));
        };
        let change = Change::judge(&self.group, &staged, committer, &self.federation, listed)?;
        self.group
            .merge_staged_commit(&self.provider, *staged)
            .map_err(CohortError::not_authentic)?;
        self.pending = None;
        Ok(change)
    }

    /// Makes a commit. It always carries a path, so that every commit also renews the committer's keys.
    fn commit(
        &mut self,
        added: Vec<MlsKeyPackage>,
        removed: &[LeafNodeIndex],
        rng: &mut impl CryptoRng,
    ) -> Result<OutgoingCommit, CohortError> {
        self.provider.seed_from(rng);
        let outgoing = self.transact(|cohort| cohort.stage(added, removed));
        self.provider.forget_seeds();
        let outgoing = outgoing?;
        self.pending = Some(outgoing.clone());
        Ok(outgoing)
    }

    fn stage(
        &mut self,
        added: Vec<MlsKeyPackage>,
        removed: &[LeafNodeIndex],
    ) -> Result<OutgoingCommit, CohortError> {
        let welcome_needed = !added.is_empty();
        let bundle = self
            .group
            .commit_builder()
            .consume_proposal_store(false)
            .force_self_update(true)
            .propose_adds(added)
            .propose_removals(removed.iter().copied())
            .load_psks(self.provider.storage())
            .map_err(CohortError::library)?
            .use_ratchet_tree_extension(welcome_needed)
            .create_group_info(welcome_needed)
            .build(self.provider.rand(), self.provider.crypto(), &self.identity, |_| true)
            .map_err(CohortError::library)?
            .stage_commit(&self.provider)
            .map_err(CohortError::library)?;
        let (commit, welcome, _group_info) = bundle.into_messages();
        let commit = commit.to_bytes().map_err(CohortError::library)?;
        let welcome = welcome.map(|welcome| welcome.to_bytes()).transpose();
        Ok(OutgoingCommit { commit, welcome: welcome.map_err(CohortError::library)? })
    }

    fn require_idle(&self) -> Result<(), CohortError> {
        self.require_membership()?;
        match self.pending {
            Some(_) => Err(CohortError::CommitPending { epoch: self.epoch() }),
            None => Ok(()),
        }
    }

    /// Runs `step`; if it is refused, everything is as before.
    ///
    /// openmls advances a sender's ratchet when a commit decrypts, even if we then refuse what it says;
    /// without the way back, the same commit could not be processed under a newer list.
    fn transact<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, CohortError>,
    ) -> Result<T, CohortError> {
        let before = self.provider.stored();
        let result = step(self);
        if result.is_err() {
            self.provider.restore(before);
            self.group = group_from_store(&self.provider, &self.federation)?;
        }
        result
    }
}

/// The group as it is stored.
pub(crate) fn group_from_store(
    provider: &Provider,
    federation: &Digest,
) -> Result<MlsGroup, CohortError> {
    MlsGroup::load(provider.storage(), &GroupId::from_slice(&federation.0))
        .map_err(CohortError::library)?
        .ok_or(CohortError::StateIncomplete { reason: "no group" })
}

#[cfg(test)]
mod tests;
