//! From announced to final: what a settled round pays, and what becomes of an objection.
//!
//! ```text
//!  RoundSettled ─► pending ─┬─ the window ends, no objection is open ── RoundPosted ─► posted
//!                           └─ an objection is upheld by vote ───────────────────────► voided
//! ```
//! Threats. A false measurement that is paid before anybody looked: the window. A member who holds
//! everybody's pay back by objecting to all: one open objection each, which lapses when a vote
//! proposed at once would have been carried out. An operator who judges its own settlement: only an
//! executed proposal upholds.

use data_dao_governance::{Action, Charter};
use data_dao_ledger::{
    AccountId, Amount, Cause, Code, Movement, Name, Transfer, TransferId, TransferKind,
};
use privacy_identity::{Digest, Encode as _, Writer};

use super::{LABEL_BYTES_MAX, State, revealing::check_revealed};
use crate::refusal::{same, text_within};
use crate::{
    Accused, Challenge, OpenDispute, Pay, PayProgress, Refusal, RoundDisputed, RoundPosted,
};

/// What a round pays: to whom, and in whose name.
pub(super) struct Payroll<'a> {
    pub(super) federation: &'a Name,
    pub(super) round: u64,
    pub(super) model_before: &'a Digest,
}

impl Payroll<'_> {
    /// The name of a step of this round's pay, bound to (DAO, federation, round, model): the same
    /// round cannot be paid under another name.
    fn cause(&self, dao: &Digest, step: &str) -> Cause {
        let mut cause = Writer::default();
        cause.text(step);
        dao.encode(&mut cause);
        cause.text(self.federation.as_str());
        cause.u64(self.round);
        self.model_before.encode(&mut cause);
        Cause::of(&cause.into_bytes())
    }
}

/// The two transfers of the participant at `place`: credits, and as many votes.
fn ids(cause: Cause, place: u32) -> [TransferId; 2] {
    [cause.transfer(2 * place), cause.transfer(2 * place + 1)]
}

fn movements(pay: &Pay) -> [(Movement, Code); 2] {
    let (member, amount) = (pay.member, Amount(pay.credits));
    let (debit, credit) = (AccountId::credit_issuance(), AccountId::credit_member(member));
    let credits = Movement { debit, credit, amount };
    let (debit, credit) = (AccountId::vote_issuance(), AccountId::vote_member(member));
    [(credits, Code::RoundPay), (Movement { debit, credit, amount }, Code::RoundVote)]
}

impl State {
    /// Books what a settled round pays: for good, or pending while it is challenged. `pays` are those
    /// above zero, at consecutive places.
    pub(super) fn announce_pay(
        &mut self,
        payroll: &Payroll<'_>,
        pays: &[Pay],
        progress: PayProgress,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let cause = payroll.cause(&self.dao().id, "round");
        let transfers = (0..).zip(pays).flat_map(|(place, pay)| {
            let booked = ids(cause, place).into_iter().zip(movements(pay));
            booked.map(|(id, (movement, code))| {
                let kind = match progress {
                    PayProgress::Challenged => {
                        TransferKind::Pending { movement, expires_at_ms: None }
                    }
                    PayProgress::Posted { .. } | PayProgress::Voided { .. } => {
                        TransferKind::Posted(movement)
                    }
                };
                Transfer { id, kind, code }
            })
        });
        self.accounts.apply(&transfers.collect::<Vec<_>>(), now_ms)?;
        Ok(())
    }

    pub(super) fn post_round(&mut self, body: &RoundPosted, now_ms: u64) -> Result<(), Refusal> {
        check_revealed(self.federation_ref(&body.federation)?)?;
        let challenge = self.challenge(&body.federation, body.round)?;
        let (federation, round) = (body.federation.to_string(), body.round);
        let until_ms = challenge.due_at_ms();
        if now_ms < until_ms {
            return Err(Refusal::UnderChallenge { federation, round, until_ms, now_ms });
        }
        same("credits", &challenge.credits(), &body.credits)?;
        let payroll = Payroll {
            federation: &body.federation,
            round,
            model_before: &challenge.model_before.clone(),
        };
        let kept: Vec<(u32, Pay)> = challenge.pays.iter().map(|(at, pay)| (*at, *pay)).collect();
        let resolve = |pending, pay: &Pay| {
            let amount = Amount(pay.credits);
            TransferKind::Post { pending, amount }
        };
        let cause = payroll.cause(&self.dao().id, "round posted");
        let transfers = self.resolutions(&payroll, &kept, (cause, 0), resolve);
        self.accounts.apply(&transfers, now_ms)?;
        let paid: Vec<Pay> = kept.into_iter().map(|(_, pay)| pay).collect();
        let progress = PayProgress::Posted { index: self.entries };
        self.credit_standings(&body.federation, &paid, now_ms)?;
        self.finish_challenge(&body.federation, round, progress)
    }

    pub(super) fn dispute_round(
        &mut self,
        body: &RoundDisputed,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let dispute = &body.dispute;
        same("dao", &self.dao().id, &dispute.dao)?;
        dispute.verify_by(&self.signing_key(&dispute.complainant)?, &body.signature)?;
        text_within("reason", &dispute.reason, LABEL_BYTES_MAX)?;
        let federation = self.federation_ref(&dispute.federation)?;
        let name = || dispute.federation.to_string();
        if !federation.members.contains_key(&dispute.complainant) {
            let member = dispute.complainant;
            return Err(Refusal::NotAMember { member, federation: name() });
        }
        self.active(&dispute.complainant)?;
        let challenge = self.challenge(&dispute.federation, dispute.round)?;
        let (round, until_ms) = (dispute.round, challenge.ends_at_ms);
        if now_ms >= until_ms {
            return Err(Refusal::ChallengeOver { federation: name(), round, until_ms, now_ms });
        }
        if challenge.disputes.contains_key(&dispute.accused) {
            return Err(Refusal::exists("dispute against", dispute.accused));
        }
        if let Accused::Member(member) = dispute.accused
            && !challenge.pays().any(|pay| pay.member == member)
        {
            return Err(Refusal::unknown("pay of", member));
        }
        let open = |(round, challenge): (&u64, &Challenge)| {
            let mut open = challenge.disputes.values();
            let own = open
                .any(|open| open.complainant == dispute.complainant && now_ms < open.lapses_at_ms);
            own.then_some(*round)
        };
        if let Some(round) = federation.challenges.iter().find_map(open) {
            let (complainant, federation) = (dispute.complainant, name());
            return Err(Refusal::DisputeOpen { complainant, federation, round });
        }
        // From the window's end on, whoever objects and when: an accused that objected to itself at once would else run the
        // clock down for evidence that comes late.
        let lapses_at_ms = until_ms.saturating_add(decision_ms(&self.dao().charter));
        let (complainant, index) = (dispute.complainant, self.entries);
        let open = OpenDispute { complainant, index, lapses_at_ms };
        let challenge = self.challenge_mut(&dispute.federation, round)?;
        challenge.disputes.insert(dispute.accused, open);
        Ok(())
    }

    fn check_uphold(
        &self,
        federation: &Name,
        round: u64,
        accused: &Accused,
    ) -> Result<&Challenge, Refusal> {
        let challenge = self.challenge(federation, round)?;
        if challenge.disputes.contains_key(accused) {
            return Ok(challenge);
        }
        Err(Refusal::unknown("dispute against", accused))
    }

    /// The transfers that carry out the members' decision that an objection is right: nothing is paid
    /// to whom it accuses.
    ///
    /// * `first` — cause and index of the first of them.
    pub(super) fn uphold_transfers(
        &self,
        federation: &Name,
        round: u64,
        accused: &Accused,
        first: (Cause, u32),
    ) -> Result<Vec<Transfer>, Refusal> {
        let challenge = self.check_uphold(federation, round, accused)?;
        let voided = accused_pays(challenge, accused);
        let payroll = Payroll { federation, round, model_before: &challenge.model_before };
        Ok(self.resolutions(&payroll, &voided, first, |pending, _| TransferKind::Void { pending }))
    }

    /// Carries that decision out, after the ledger took the transfers: the measured values do not
    /// count in later rounds either. What later rounds within the window were paid already stays.
    pub(super) fn uphold_dispute(&mut self, federation: &Name, round: u64, accused: &Accused) {
        let index = self.entries;
        let Some(found) = self.federations.get_mut(federation) else { return };
        let Some(challenge) = found.challenges.get_mut(&round) else { return };
        for (place, pay) in accused_pays(challenge, accused) {
            challenge.pays.remove(&place);
            if let Some(standing) = found.standings.remove(&pay.member) {
                let without = standing.without_round(round, &pay);
                found.standings.insert(pay.member, without);
            }
        }
        challenge.disputes.remove(accused);
        found.voided.push(crate::VoidedPay { index, round, accused: *accused });
        if *accused == Accused::Round {
            found.challenges.remove(&round);
            if let Some(settled) = found.settled_mut(round) {
                settled.pay = PayProgress::Voided { index };
            }
        }
    }

    /// Lets no objection lapse before a decision can be carried out that says it is right: whoever
    /// keeps the log could else queue that decision so late that the pay is final before.
    pub(super) fn hold_pay_back(&mut self, actions: &[Action], until_ms: u64) {
        for action in actions {
            let Action::UpholdDispute { federation, round, accused } = action else { continue };
            let name = Name::new(federation.as_str()).ok();
            let found = name.and_then(|name| self.federations.get_mut(&name));
            let challenge = found.and_then(|found| found.challenges.get_mut(round));
            if let Some(open) = challenge.and_then(|found| found.disputes.get_mut(accused)) {
                open.lapses_at_ms = open.lapses_at_ms.max(until_ms);
            }
        }
    }

    /// The transfers that resolve the pending ones of the pays above zero.
    ///
    /// * `first` — cause and index of the first of them.
    fn resolutions(
        &self,
        payroll: &Payroll<'_>,
        pays: &[(u32, Pay)],
        (cause, first): (Cause, u32),
        resolve: impl Fn(TransferId, &Pay) -> TransferKind,
    ) -> Vec<Transfer> {
        let announced = payroll.cause(&self.dao().id, "round");
        let paid = pays.iter().filter(|(_, pay)| pay.credits > 0);
        let pending = paid.flat_map(|(place, pay)| {
            let codes = movements(pay).map(|(_, code)| code);
            ids(announced, *place).into_iter().zip(codes).map(move |(id, code)| (id, code, pay))
        });
        let transfer = |(index, (pending, code, pay)): (u32, (TransferId, Code, &Pay))| Transfer {
            id: cause.transfer(index),
            kind: resolve(pending, pay),
            code,
        };
        (first..).zip(pending).map(transfer).collect()
    }

    /// Notes credits that are final: they weigh in revenue from now on, and are votes as soon as they
    /// have matured.
    pub(super) fn credit_standings(
        &mut self,
        federation: &Name,
        paid: &[Pay],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let credits: u128 = paid.iter().map(|pay| pay.credits).sum();
        let found = self.federation_mut(federation)?;
        for pay in paid {
            let standing = found.standings.remove(&pay.member).unwrap_or_default();
            found.standings.insert(pay.member, standing.with_credits(pay.credits));
        }
        self.suspend_by_rule(federation, paid);
        for pay in paid {
            self.assembly.votes.earn(pay.member, pay.credits, now_ms);
        }
        self.counts.credits_issued += credits;
        Ok(())
    }

    fn finish_challenge(
        &mut self,
        federation: &Name,
        round: u64,
        progress: PayProgress,
    ) -> Result<(), Refusal> {
        let federation = self.federation_mut(federation)?;
        federation.challenges.remove(&round);
        if let Some(settled) = federation.settled_mut(round) {
            settled.pay = progress;
        }
        Ok(())
    }

    fn challenge(&self, federation: &Name, round: u64) -> Result<&Challenge, Refusal> {
        let found = self.federation_ref(federation)?.challenges.get(&round);
        let federation = federation.to_string();
        found.ok_or(Refusal::NotUnderChallenge { federation, round })
    }

    fn challenge_mut(&mut self, name: &Name, round: u64) -> Result<&mut Challenge, Refusal> {
        let found = self.federation_mut(name)?.challenges.get_mut(&round);
        found.ok_or_else(|| Refusal::NotUnderChallenge { federation: name.to_string(), round })
    }
}

/// The pays that an accusation is about, with their places.
fn accused_pays(challenge: &Challenge, accused: &Accused) -> Vec<(u32, Pay)> {
    let is_accused = |pay: &Pay| match accused {
        Accused::Round => true,
        Accused::Member(member) => pay.member == *member,
    };
    let accused = challenge.pays.iter().filter(|(_, pay)| is_accused(pay));
    accused.map(|(place, pay)| (*place, *pay)).collect()
}

/// How long a decision takes that is proposed at once and carried out at the last moment: all that
/// can lengthen it included, as [`data_dao_governance::Action::UpholdDispute`] is critical.
pub(super) const fn decision_ms(charter: &Charter) -> u64 {
    let p = charter.parameters();
    p.voting_delay_ms
        .saturating_add(p.voting_period_ms)
        .saturating_add(p.late_extension_ms)
        .saturating_add(p.reveal_period_ms)
        .saturating_add(p.objection_period_ms)
        .saturating_add(p.critical_timelock_ms)
        .saturating_add(p.grace_ms)
}
