//! Founders, invitations, leaving, consent.

use data_dao_governance::Role;
use data_dao_ledger::{AccountId, Amount, Cause, Code, Name, Transfer};
use privacy_identity::{Encode as _, VerifyingKey, Writer};

use super::State;
use crate::refusal::{same, within};
use crate::{
    ConsentGiven, MemberJoined, MemberLeft, MembersFounded, Membership, MembershipState, Refusal,
};

impl State {
    /// A member of the DAO, whatever its state.
    #[must_use]
    pub fn membership(&self, key: &VerifyingKey) -> Option<&Membership> {
        self.assembly.members.get(key)
    }

    /// The member, if it is neither suspended nor gone.
    pub(super) fn active(&self, key: &VerifyingKey) -> Result<&Membership, Refusal> {
        let member = self.membership(key).ok_or(Refusal::NotAMemberOfTheDao { key: *key })?;
        match member.state {
            MembershipState::Active => Ok(member),
            state => Err(Refusal::MemberIs { member: *key, state: state.as_str() }),
        }
    }

    pub(super) fn take_in(&mut self, key: VerifyingKey, member: Membership) {
        self.assembly.members.insert(key, member);
    }

    pub(super) fn found_members(&mut self, body: &MembersFounded) -> Result<(), Refusal> {
        let index = self.entries;
        if index != 1 {
            return Err(Refusal::FoundersTooLate { index });
        }
        let mut last = None;
        for founder in &body.members {
            let member = founder.member;
            if last.is_some_and(|last| last >= member) {
                return Err(Refusal::NotAscending { what: "founders", member });
            }
            self.check_name("label", &founder.label)?;
            Role::check(&founder.roles)?;
            last = Some(member);
        }
        if let Some(guardian) = body.guardian {
            let term_max = self.dao().charter.parameters().guardian_term_ms_max;
            within("guardian_term_ms", body.guardian_term_ms, 1, term_max.into())?;
            let guardianship = self.assembly.guardianship;
            self.assembly.guardianship = guardianship.nominate(guardian, body.guardian_term_ms);
        } else {
            within("guardian_term_ms", body.guardian_term_ms, 0, 0)?;
        }
        for founder in &body.members {
            let member = Membership::new(founder.label.clone(), founder.roles.clone(), index);
            self.take_in(founder.member, member);
        }
        Ok(())
    }

    pub(super) fn join_member(&mut self, body: &MemberJoined, now_ms: u64) -> Result<(), Refusal> {
        let (invitation, joining) = (&body.invitation, &body.joining);
        same("dao", &self.dao().id, &invitation.dao)?;
        let inviter = self.signing_key(&invitation.inviter)?;
        invitation.verify_by(&inviter, &body.invitation_signature)?;
        invitation.check(now_ms)?;
        same("member", &invitation.member, &joining.member)?;
        self.check_request(joining, &body.signature, now_ms)?;
        self.check_name("label", &joining.label)?;
        self.active(&invitation.inviter)?;
        self.check_newcomer(&joining.member)?;
        let member = Membership {
            inviter: Some(invitation.inviter),
            ..Membership::new(joining.label.clone(), invitation.roles.clone(), self.entries)
        };
        self.take_in(joining.member, member);
        self.assembly.nonces.take(joining);
        Ok(())
    }

    /// Refuses who is a member already, or may not come back without a vote.
    pub(super) fn check_newcomer(&self, key: &VerifyingKey) -> Result<(), Refusal> {
        self.check_name_of(key)?;
        match self.membership(key).map(|member| member.state) {
            None | Some(MembershipState::Left { .. }) => Ok(()),
            Some(MembershipState::Active) => Err(Refusal::exists("member", key)),
            Some(state) => Err(Refusal::MemberIs { member: *key, state: state.as_str() }),
        }
    }

    /// A departure pays out what the member has, and ends its membership if it is active.
    ///
    /// Whoever left before or is suspended is owed what its models go on earning: its departure only pays that out. A
    /// suspended member stays one (it must not come back by an invitation) and keeps the votes that it may get back.
    pub(super) fn leave_member(&mut self, body: &MemberLeft, now_ms: u64) -> Result<(), Refusal> {
        let departure = &body.departure;
        let member = departure.member;
        self.check_request(departure, &body.signature, now_ms)?;
        let owed = self.payout(&member, now_ms);
        let ends = match self.active(&member) {
            Ok(_) => true,
            Err(Refusal::MemberIs { .. }) if owed > 0 => false,
            Err(refusal) => return Err(refusal),
        };
        same("paid_out", &owed, &body.paid_out)?;
        let votes = if ends { self.votes_held(member) } else { 0 };
        let transfers = self.payout_transfers(member, departure.nonce, (owed, votes));
        self.accounts.apply(&transfers, now_ms)?;
        if ends {
            self.end_membership(&member, now_ms);
        }
        self.assembly.nonces.take(departure);
        Ok(())
    }

    fn end_membership(&mut self, member: &VerifyingKey, now_ms: u64) {
        self.assembly.votes.take_all(*member, now_ms);
        self.assembly.delegations.forget(member);
        let index = self.entries;
        if let Some(member) = self.assembly.members.get_mut(member) {
            member.state = MembershipState::Left { index };
        }
    }

    fn votes_held(&self, member: VerifyingKey) -> u128 {
        self.accounts.account(&AccountId::vote_member(member)).available()
    }

    /// The money that a member that leaves at `now_ms` is paid out: all it can spend.
    #[must_use]
    pub fn payout(&self, member: &VerifyingKey, now_ms: u64) -> u128 {
        let currency = self.dao.as_ref().map(|dao| dao.genesis.currency);
        let account = currency.map(|currency| AccountId::money_member(currency, *member));
        account.map_or(0, |account| self.accounts.available(&account, now_ms))
    }

    /// The money leaves the books, as it came: through the account of what is outside. The votes go
    /// back to where they came from.
    fn payout_transfers(
        &self,
        member: VerifyingKey,
        nonce: u64,
        (owed, held): (u128, u128),
    ) -> Vec<Transfer> {
        let mut cause = Writer::default();
        cause.text("departure");
        self.dao().id.encode(&mut cause);
        member.encode(&mut cause);
        cause.u64(nonce);
        let cause = Cause::of(&cause.into_bytes());
        let currency = self.dao().genesis.currency;
        let votes = AccountId::vote_member(member);
        let money = AccountId::money_member(currency, member);
        let sides = [
            (money, AccountId::deposits(currency), owed, Code::Payout),
            (votes, AccountId::vote_issuance(), held, Code::Departure),
        ];
        let booked = sides.into_iter().filter(|(_, _, amount, _)| *amount > 0);
        let transfer = |(index, (from, to, amount, code))| {
            Transfer::posted(cause.transfer(index), from, to, Amount(amount), code)
        };
        (0..).zip(booked).map(transfer).collect()
    }

    pub(super) fn give_consent(&mut self, body: &ConsentGiven, now_ms: u64) -> Result<(), Refusal> {
        let consent = &body.consent;
        self.check_request(consent, &body.signature, now_ms)?;
        let (member, index) = (consent.member, self.entries);
        self.active(&member)?;
        let unknown = |_source| Refusal::unknown("federation", &consent.federation);
        let name = Name::new(consent.federation.as_str()).map_err(unknown)?;
        let federation = self.federation_mut(&name)?;
        if !federation.members.contains_key(&member) {
            return Err(Refusal::NotAMember { member, federation: name.to_string() });
        }
        same("policy", &federation.policy.digest(), &consent.policy)?;
        federation.consents.insert(member, index);
        self.assembly.nonces.take(consent);
        Ok(())
    }

    /// Who may be invited to the federation's next round: admitted, active, and agreed to the
    /// policy in force.
    #[must_use]
    pub fn contributors(&self, federation: &Name) -> Vec<VerifyingKey> {
        let Some(federation) = self.federations.get(federation) else {
            return Vec::new();
        };
        let members = federation.members.keys().copied();
        members.filter(|key| self.is_active(key) && federation.consents(key)).collect()
    }

    /// Refuses a settlement with somebody who had no right to be in the round when it was opened.
    /// Who lost it since is paid: its update is in the sum.
    pub(super) fn check_members(
        &self,
        federation: &crate::Federation,
        open: &crate::OpenRound,
        body: &crate::RoundSettled,
    ) -> Result<(), Refusal> {
        for member in body.participants.iter().map(|paid| paid.member) {
            match self.membership(&member).map(|member| member.state) {
                Some(
                    state
                    @ (MembershipState::Suspended { index } | MembershipState::Left { index }),
                ) if index < open.index => {
                    return Err(Refusal::MemberIs { member, state: state.as_str() });
                }
                Some(_) => {}
                None => return Err(Refusal::NotAMemberOfTheDao { key: member }),
            }
            if !federation.consented_for(&member, open) {
                let federation = body.federation.to_string();
                return Err(Refusal::NoConsent { member, federation });
            }
        }
        Ok(())
    }
}
