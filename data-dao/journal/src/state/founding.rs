//! Founding, federations, members.

use data_dao_governance::{Charter, Role};
use privacy_identity::Digest;

use super::{Dao, LABEL_BYTES_MAX, State};
use crate::pay::{NOVELTY_PERCENT_MAX, ROUNDS_MAX};
use crate::refusal::{text_within, within};
use crate::{
    Federation, FederationOpened, Genesis, Member, MemberAdmitted, Membership, MembershipState,
    NamesKind, Refusal,
};

/// How a salted commitment begins.
const SALTED: &str = "salted:";
/// Longest terms, so that the entry fits a leaf with room to spare.
const TERMS_BYTES_MAX: i128 = 32_768;

impl State {
    /// * `id` — the hash of the entry's leaf: the root of a tree of one leaf (RFC 6962 §2.1).
    pub(super) fn found(&mut self, id: Digest, body: &Genesis) -> Result<(), Refusal> {
        if self.dao.is_some() {
            return Err(Refusal::FoundedTwice);
        }
        text_within("dao_name", &body.dao_name, LABEL_BYTES_MAX)?;
        within("treasury_percent", body.treasury_percent, 0, 100)?;
        let rules = body.rules;
        let charter = Charter::counted(body.charter, body.bounds.into(), rules.counting())?;
        let (genesis, treasury_percent) = (body.clone(), body.treasury_percent);
        self.dao =
            Some(Dao { id, genesis, charter, treasury_percent, rules: rules.digest() }.into());
        Ok(())
    }

    pub(super) fn open_federation(&mut self, body: &FederationOpened) -> Result<(), Refusal> {
        if self.federations.contains_key(&body.federation) {
            return Err(Refusal::exists("federation", &body.federation));
        }
        text_within("terms", &body.terms, TERMS_BYTES_MAX)?;
        within("rounds", body.rounds, 1, i128::from(ROUNDS_MAX))?;
        within("minimum_cohort", body.minimum_cohort, 1, i128::from(u32::MAX))?;
        within("novelty_percent", body.novelty_percent, 0, i128::from(NOVELTY_PERCENT_MAX))?;
        let federation = Federation::new(body.clone(), self.entries);
        self.federations.insert(body.federation.clone(), federation);
        Ok(())
    }

    /// Checks what somebody is called: not too long, and a commitment where the ledger was founded so.
    ///
    /// Threat: a name in a log that nobody can erase, by a node or a member whose program is careless or old.
    pub(super) fn check_name(&self, what: &'static str, name: &str) -> Result<(), Refusal> {
        text_within(what, name, LABEL_BYTES_MAX)?;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = name.strip_prefix(SALTED).filter(|digits| digits.len() == 2 * Digest::LEN);
        let is_commitment = digits.is_some_and(|digits| digits.bytes().all(hexadecimal));
        match self.dao().genesis.names {
            NamesKind::Salted if !is_commitment => Err(Refusal::NameInTheClear { what }),
            NamesKind::Salted | NamesKind::InTheClear => Ok(()),
        }
    }

    pub(super) fn admit_member(&mut self, body: &MemberAdmitted) -> Result<(), Refusal> {
        self.check_name("label", &body.label)?;
        self.check_name_of(&body.member)?;
        let index = self.entries;
        let known = self.membership(&body.member).map(|member| member.state);
        if let Some(state @ MembershipState::Suspended { .. }) = known {
            return Err(Refusal::MemberIs { member: body.member, state: state.as_str() });
        }
        let federation = self
            .federations
            .get_mut(&body.federation)
            .ok_or_else(|| Refusal::unknown("federation", &body.federation))?;
        if federation.members.contains_key(&body.member) {
            return Err(Refusal::exists("member", body.member));
        }
        federation.members.insert(body.member, Member { label: body.label.clone(), index });
        federation.consents.insert(body.member, index);
        if known != Some(MembershipState::Active) {
            let roles = vec![Role::Contributor];
            self.take_in(body.member, Membership::new(body.label.clone(), roles, index));
        }
        Ok(())
    }
}
