//! Members whose key is replaced.
//!
//! ```text
//!  MemberKeyRotated: old key ─ signs ─► Rotation { ClaimedKey ◄─ signs ─ new key } ──┐
//!  RotateKey: members vote, timelock, veto ────────────► ClaimedKey ◄─ signs ─ new key ├─► Keyring: the new key signs
//!                                                                                     └─► consents of devices end
//! ```
//! Nothing is moved: everything in the books, the votes and the federations stands under the key with which a member joined, and
//! only signatures are checked by the key that signs for it now. So no rotation can lose a credit, double a vote or free a
//! suspended member, and a vote under way counts each person once, whichever key signs.

use data_dao_governance::{ClaimedKey, HeldKey, KeyClaim, Opening, Request as _};
use privacy_identity::{KeyError, VerifyingKey};

use super::State;
use crate::refusal::same;
use crate::{MemberKeyRotated, MembershipState, Refusal};

impl State {
    /// The key that signs for whom the log knows as `member`.
    ///
    /// # Errors
    /// [`Refusal::KeyOfAMember`] if this is a later key of a member: messages name members by their first.
    pub fn signing_key(&self, member: &VerifyingKey) -> Result<VerifyingKey, Refusal> {
        self.check_name_of(member)?;
        Ok(self.assembly.keyring.current(member))
    }

    /// Which key signs for whom, where it is not the key with which a member joined.
    #[must_use]
    pub fn keyring(&self) -> &data_dao_governance::Keyring {
        &self.assembly.keyring
    }

    /// Refuses a key as a name: it is one that a member signs with, or did.
    pub(super) fn check_name_of(&self, key: &VerifyingKey) -> Result<(), Refusal> {
        match self.assembly.keyring.owner(key) {
            None => Ok(()),
            Some(member) => Err(Refusal::KeyOfAMember { key: *key, member }),
        }
    }

    /// Checks what somebody says who claims to be a member's new key.
    ///
    /// Whether the member wants it, or members do, is for the caller to check.
    pub(super) fn check_claim(&self, claimed: &ClaimedKey) -> Result<(), Refusal> {
        let KeyClaim { dao, member, old, new, rotations } = claimed.claim;
        same("dao", &self.dao().id, &dao)?;
        self.check_name_of(&member)?;
        self.membership(&member).ok_or(Refusal::NotAMemberOfTheDao { key: member })?;
        same("old", &self.assembly.keyring.current(&member), &old)?;
        same("rotations", &self.assembly.keyring.rotations(&member), &rotations)?;
        self.check_free(&member, &new)?;
        Ok(claimed.verify()?)
    }

    /// Refuses a new key that is anybody's, or was: also one with an office, as whoever lost a key would else keep it.
    fn check_free(&self, member: &VerifyingKey, key: &VerifyingKey) -> Result<(), Refusal> {
        let genesis = &self.dao().genesis;
        let guardianship = &self.assembly.guardianship;
        let guardian = guardianship.live(self.time_ms).map(|guardian| guardian.key);
        let nominated = guardianship.nominated().map(|(key, _)| key);
        let holder = if self.membership(key).is_some() {
            "a member's, or was"
        } else if self.assembly.keyring.owner(key).is_some() {
            "one that a member got before"
        } else if [guardian, nominated].contains(&Some(*key)) {
            "the guardian's, or of who was asked to be"
        } else if *key == genesis.operator
            || *key == genesis.dao_node
            || genesis.aggregators.contains(key)
        {
            "one of the co-operative's processes"
        } else {
            return Ok(());
        };
        Err(Refusal::KeyTaken { key: *key, member: *member, holder })
    }

    /// Threat: a thief that goes on rotating a stolen key, so that no vote can ever name the one to replace. Members suspend first:
    /// from then on only a vote gives the member another key, and it stays suspended until a vote reinstates it.
    pub(super) fn rotate_member_key(
        &mut self,
        body: &MemberKeyRotated,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let rotation = &body.rotation;
        self.check_request(rotation, &body.signature, now_ms)?;
        self.check_claim(&rotation.claimed)?;
        let member = rotation.claimed.claim.member;
        let state = self.membership(&member).map(|member| member.state);
        if let Some(state @ MembershipState::Suspended { .. }) = state {
            return Err(Refusal::MemberIs { member, state: state.as_str() });
        }
        self.put_key(&rotation.claimed.claim);
        self.assembly.nonces.take(rotation);
        Ok(())
    }

    /// Puts the claimed key in place, after [`State::check_claim`]. Nothing here can fail.
    pub(super) fn put_key(&mut self, claim: &KeyClaim) {
        let held = HeldKey { key: claim.new, index: self.entries };
        self.assembly.keyring.rotate(claim.member, held);
        for federation in self.federations.values_mut() {
            federation.end_consent(&claim.member);
        }
    }

    /// Checks who signed a ballot that was sealed: a key that the voter has or had. Which one was in force is not asked, as the
    /// commitment in the log is of this very signature, and was taken from the key in force.
    pub(super) fn check_opening(&self, opening: &Opening) -> Result<(), Refusal> {
        let ballot = &opening.ballot;
        let voter = ballot.voter;
        self.check_name_of(&voter)?;
        let later = self.assembly.keyring.later(&voter).iter().map(|held| held.key);
        let by = |key: VerifyingKey| ballot.verify_by(&key, &opening.signature);
        match std::iter::once(voter).chain(later).map(by).find(Result::is_ok) {
            Some(_) => Ok(()),
            None => Err(KeyError::BadSignature { signer: voter }.into()),
        }
    }
}
