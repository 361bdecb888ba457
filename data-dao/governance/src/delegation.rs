//! Votes that a member entrusts to another: one level, for a while, taken back at any time.
//!
//! Threat: delegates who decide for ever, or for people who entrusted them nothing. A delegation
//! ends by itself, is not handed on, and its owner can override it in each proposal.

use std::collections::BTreeMap;

use privacy_identity::{Digest, Encode, Tag, VerifyingKey, Writer};
use serde::{Deserialize, Serialize};

use crate::{Charter, GovernanceError, optional_text, request::request_of, text};

/// A member's wish that another votes with its weight, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// Whose weight it is.
    #[serde(with = "text")]
    pub delegator: VerifyingKey,
    /// Who votes with it; nobody takes it back.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub delegate: Option<VerifyingKey>,
    /// Until when, in ledger time; 0 if it is taken back.
    #[serde(with = "text")]
    pub until_ms: u64,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(Delegation, Tag::MemberRequest, signed by delegator);

impl Encode for Delegation {
    fn encode(&self, writer: &mut Writer) {
        writer.text("delegate-vote");
        self.dao.encode(writer);
        self.delegator.encode(writer);
        writer.u8(u8::from(self.delegate.is_some()));
        if let Some(delegate) = &self.delegate {
            delegate.encode(writer);
        }
        writer.u64(self.until_ms);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

/// Who votes for whom, until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delegations(BTreeMap<VerifyingKey, (VerifyingKey, u64)>);

impl Delegations {
    /// Takes a delegation in, in place of the delegator's earlier one. Signature and nonce are the
    /// caller's to check.
    ///
    /// # Errors
    /// [`GovernanceError::DelegatedToSelf`], or [`GovernanceError::DelegationLength`] if it would
    /// be over at once or last longer than the charter allows. Nothing is changed then.
    pub fn set(
        &mut self,
        delegation: &Delegation,
        charter: &Charter,
        now_ms: u64,
    ) -> Result<(), GovernanceError> {
        let Delegation { delegator, delegate, until_ms, .. } = *delegation;
        let Some(delegate) = delegate else {
            self.0.remove(&delegator);
            return Ok(());
        };
        if delegate == delegator {
            return Err(GovernanceError::DelegatedToSelf { member: delegator });
        }
        let last_ms = now_ms.saturating_add(charter.parameters().delegation_ms_max);
        if !(now_ms < until_ms && until_ms <= last_ms) {
            return Err(GovernanceError::DelegationLength { until_ms, now_ms, last_ms });
        }
        self.0.insert(delegator, (delegate, until_ms));
        Ok(())
    }

    /// Forgets what a member entrusted and was entrusted.
    pub fn forget(&mut self, member: &VerifyingKey) {
        self.0.retain(|delegator, (delegate, _)| delegator != member && delegate != member);
    }

    /// Who votes for `delegator` at `at_ms`, and until when.
    #[must_use]
    pub fn of(&self, delegator: &VerifyingKey, at_ms: u64) -> Option<(VerifyingKey, u64)> {
        self.0.get(delegator).copied().filter(|(_, until_ms)| *until_ms > at_ms)
    }

    /// Every delegation that holds at `at_ms`: delegator, delegate, and until when.
    pub fn at(&self, at_ms: u64) -> impl Iterator<Item = (VerifyingKey, VerifyingKey, u64)> {
        let all =
            self.0.iter().map(|(delegator, (delegate, until))| (*delegator, *delegate, *until));
        all.filter(move |(.., until_ms)| *until_ms > at_ms)
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;
    use crate::{Bounds, CharterParameters};

    fn member(number: u8) -> VerifyingKey {
        SigningKey::from_seed(&[number; 32]).verifying_key()
    }

    fn delegation(delegate: Option<VerifyingKey>, until_ms: u64) -> Delegation {
        let (dao, delegator) = (Digest([1; 32]), member(1));
        Delegation { dao, delegator, delegate, until_ms, nonce: 1, expires_ms: 1_000 }
    }

    fn charter() -> Charter {
        let parameters =
            CharterParameters { delegation_ms_max: 100, ..CharterParameters::DEMONSTRATION };
        Charter::new(parameters, Bounds::Demonstration).unwrap()
    }

    #[test]
    fn a_delegation_ends_by_itself_and_is_taken_back() {
        let mut delegations = Delegations::default();
        delegations.set(&delegation(Some(member(2)), 110), &charter(), 10).unwrap();
        assert_eq!(delegations.of(&member(1), 109), Some((member(2), 110)));
        assert_eq!(delegations.of(&member(1), 110), None);
        delegations.set(&delegation(Some(member(3)), 50), &charter(), 10).unwrap();
        assert_eq!(delegations.at(10).collect::<Vec<_>>(), [(member(1), member(3), 50)]);
        delegations.set(&delegation(None, 0), &charter(), 10).unwrap();
        assert_eq!(delegations, Delegations::default());
    }

    #[test]
    fn delegations_to_oneself_or_of_a_wrong_length_are_refused() {
        let mut delegations = Delegations::default();
        let to_self = delegations.set(&delegation(Some(member(1)), 50), &charter(), 10);
        assert_eq!(to_self, Err(GovernanceError::DelegatedToSelf { member: member(1) }));
        for until_ms in [0, 10, 111, u64::MAX] {
            let refused = delegations.set(&delegation(Some(member(2)), until_ms), &charter(), 10);
            let (now_ms, last_ms) = (10, 110);
            assert_eq!(
                refused,
                Err(GovernanceError::DelegationLength { until_ms, now_ms, last_ms })
            );
        }
        assert_eq!(delegations, Delegations::default());
    }

    #[test]
    fn who_leaves_votes_for_nobody() {
        let mut delegations = Delegations::default();
        delegations.set(&delegation(Some(member(2)), 50), &charter(), 10).unwrap();
        delegations.forget(&member(2));
        assert_eq!(delegations, Delegations::default());
    }
}
