//! Which commits a cohort takes.

use std::collections::BTreeSet;

use openmls::prelude::{
    LeafNodeIndex, MlsGroup, Proposal, ProposalOrRefType, QueuedProposal, StagedCommit,
};
use privacy_identity::{Digest, VerifyingKey};

use crate::{
    AllowList, COHORT_MEMBERS_MAX, CohortError,
    identity::{member_from_parts, member_of_leaf},
    key_package::VerifiedKeyPackage,
};

/// What a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The epoch that it began.
    pub epoch: u64,
    /// Who committed.
    pub committer: VerifyingKey,
    /// Who joined.
    pub added: BTreeSet<VerifyingKey>,
    /// Who was removed.
    pub removed: BTreeSet<VerifyingKey>,
}

impl Change {
    /// Judges a commit whose signature and confirmation tag openmls has verified.
    ///
    /// Everything that openmls would let a member do beyond adding, removing and updating its own leaf
    /// is refused here, because it would go past the DAO: PSKs, re-initialisation, group context
    /// extensions (which could name external senders), and a committer that hands its leaf to
    /// another key.
    pub(crate) fn judge(
        group: &MlsGroup,
        staged: &StagedCommit,
        committer: LeafNodeIndex,
        federation: &Digest,
        listed: &AllowList,
    ) -> Result<Self, CohortError> {
        let committer = member_at(group, committer)?;
        if let Some(leaf) = staged.update_path_leaf_node() {
            let new = member_of_leaf(leaf)?;
            if new != committer {
                return Err(CohortError::KeyChanged { member: committer, new });
            }
        }
        let mut change = Self {
            epoch: staged.epoch().as_u64(),
            committer,
            added: BTreeSet::new(),
            removed: BTreeSet::new(),
        };
        for proposal in staged.queued_proposals() {
            change.take(group, proposal, federation, listed)?;
        }
        let got = group.members().count() + change.added.len() - change.removed.len();
        if got > COHORT_MEMBERS_MAX {
            return Err(CohortError::TooManyMembers { got, bound: COHORT_MEMBERS_MAX });
        }
        Ok(change)
    }

    fn take(
        &mut self,
        group: &MlsGroup,
        proposal: &QueuedProposal,
        federation: &Digest,
        listed: &AllowList,
    ) -> Result<(), CohortError> {
        if !matches!(proposal.proposal_or_ref_type(), ProposalOrRefType::Proposal) {
            return Err(CohortError::ForbiddenProposal { kind: "referenced".to_owned() });
        }
        match proposal.proposal() {
            Proposal::Add(add) => {
                let package = VerifiedKeyPackage::new(add.key_package().clone(), federation)?;
                self.add(group, package.member, listed)
            }
            Proposal::Remove(remove) => self.remove(member_at(group, remove.removed())?, listed),
            other => {
                let kind = format!("{:?}", other.proposal_type());
                Err(CohortError::ForbiddenProposal { kind })
            }
        }
    }

    fn add(
        &mut self,
        group: &MlsGroup,
        member: VerifyingKey,
        listed: &AllowList,
    ) -> Result<(), CohortError> {
        if !listed.contains(&member) {
            return Err(CohortError::NotListed { member });
        }
        if leaf_of(group, &member).is_some() || !self.added.insert(member) {
            return Err(CohortError::AlreadyMember { member });
        }
        Ok(())
    }

    fn remove(&mut self, member: VerifyingKey, listed: &AllowList) -> Result<(), CohortError> {
        if listed.contains(&member) {
            return Err(CohortError::StillListed { member });
        }
        if self.removed.insert(member) { Ok(()) } else { Err(CohortError::NotAMember { member }) }
    }
}

/// The member at a leaf.
fn member_at(group: &MlsGroup, leaf: LeafNodeIndex) -> Result<VerifyingKey, CohortError> {
    let member = group
        .member_at(leaf)
        .ok_or_else(|| CohortError::not_authentic(format!("leaf {} is blank", leaf.u32())))?;
    member_from_parts(&member.credential, &member.signature_key)
}

/// The leaf of a member.
pub(crate) fn leaf_of(group: &MlsGroup, member: &VerifyingKey) -> Option<LeafNodeIndex> {
    group.members().find(|leaf| leaf.signature_key == member.as_bytes()).map(|leaf| leaf.index)
}
