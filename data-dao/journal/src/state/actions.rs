//! Actions of proposals: checked when they are proposed and again before they are carried out.

use data_dao_governance::{Action, Charter, Evidence, ProposalId, Role};
use data_dao_ledger::{AccountId, Amount, Cause, Code, Name, Transfer, TransferId};
use privacy_identity::{Digest, Encode as _, VerifyingKey, Writer};

use super::{State, sales::check_price};
use crate::pay::NOVELTY_PERCENT_MAX;
use crate::refusal::within;
use crate::{Membership, MembershipState, Refusal, Rules};

/// Most witnesses: a checkpoint carries a signature of each.
const WITNESSES_MAX: usize = 64;

/// What carrying out a list of actions takes, beyond what each says itself.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) charter: Charter,
    /// All transfers, taken by the ledger all or none.
    pub(super) transfers: Vec<Transfer>,
}

impl State {
    /// Checks every action against the state as it is. Two actions never change the same
    /// ([`data_dao_governance::Draft`] saw to it), so that none makes another impossible, but for
    /// the ledger, which takes all transfers as one batch.
    pub(super) fn plan(&self, id: ProposalId, actions: &[Action]) -> Result<Plan, Refusal> {
        let mut plan = Plan { charter: self.dao().charter, transfers: Vec::new() };
        for action in actions {
            match action {
                Action::SetParameter { parameter, value } => {
                    plan.charter = plan.charter.with(*parameter, *value)?;
                }
                Action::TreasuryTransfer { to, amount } => {
                    self.active(to)?;
                    let got = i128::try_from(*amount).unwrap_or(i128::MAX);
                    within("amount", got, 1, i128::MAX - 1)?;
                    let place = plan.transfers.len();
                    plan.transfers.push(self.treasury_payment(id, place, *to, *amount));
                }
                Action::SlashCredit { member, credits, evidence, .. } => {
                    let place = plan.transfers.len();
                    plan.transfers.extend(self.slash(id, place, (*member, *credits), evidence)?);
                }
                Action::SetPrivacyPolicy { federation, policy } => {
                    within("minimum_cohort", policy.minimum_cohort, 1, i128::from(u32::MAX))?;
                    let id = self.action_transfer(id, plan.transfers.len());
                    plan.transfers.extend(self.policy_transfer(federation, policy, id)?);
                }
                Action::UpholdDispute { federation, round, accused } => {
                    let TransferId { cause, index } =
                        self.action_transfer(id, plan.transfers.len());
                    let federation = self.named_federation(federation)?;
                    let first = (cause, index);
                    plan.transfers.extend(self.uphold_transfers(
                        &federation,
                        *round,
                        accused,
                        first,
                    )?);
                }
                action => self.check_action(action)?,
            }
        }
        Ok(plan)
    }

    fn check_action(&self, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::SetPredictionPrice { model, price } => {
                check_price(*price)?;
                self.check_model(model)
            }
            Action::SetPricePolicy { model, policy } => {
                policy.check()?;
                self.check_model(model)
            }
            Action::ListModel { model } | Action::DelistModel { model } => self.check_model(model),
            Action::SetRoundBudget { federation, .. }
            | Action::StartFederation { federation }
            | Action::StopFederation { federation } => self.check_federation(federation),
            Action::SetNovelty { federation, percent } => {
                within("novelty_percent", *percent, 0, i128::from(NOVELTY_PERCENT_MAX))?;
                self.check_federation(federation)
            }
            Action::SetSuspension { federation, below_zero, of_rounds } => {
                Self::check_suspension(*below_zero, *of_rounds)?;
                self.check_federation(federation)
            }
            Action::SetLicence { federation, licence } => {
                licence.check()?;
                self.check_federation(federation)
            }
            Action::SetRevealBy { federation, rounds } => {
                let name = self.named_federation(federation)?;
                Self::check_reveal_by(self.federation_ref(&name)?, u64::from(*rounds))
            }
            Action::SetRoyaltySplit { treasury_percent } => {
                within("treasury_percent", *treasury_percent, 0, 100)
            }
            Action::AdmitMember { member, label, roles } => {
                Role::check(roles)?;
                self.check_name("label", label)?;
                self.check_newcomer(member)
            }
            Action::SuspendMember { member, .. } => self.active(member).map(drop),
            Action::ReinstateMember { member } => self.check_suspended(member),
            Action::SetWitness { .. }
            | Action::RemoveWitness { .. }
            | Action::SetWitnessQuorum { .. } => self.check_witnesses(action),
            Action::RotateKey { claimed, .. } => self.check_claim(claimed),
            Action::SetGuardian { guardian, term_ms } => {
                guardian.map_or(Ok(()), |key| self.check_name_of(&key))?;
                let longest = self.dao().charter.parameters().guardian_term_ms_max;
                let (low, high) = if guardian.is_some() { (1, longest) } else { (0, 0) };
                within("term_ms", *term_ms, low, high.into())
            }
            // Checked where they are planned, or nothing to check.
            Action::SetParameter { .. }
            | Action::TreasuryTransfer { .. }
            | Action::SlashCredit { .. }
            | Action::SetPrivacyPolicy { .. }
            | Action::UpholdDispute { .. }
            | Action::Text => Ok(()),
            Action::UpgradeRules { rules } => self.check_upgrade(*rules),
        }
    }

    /// Not whether this program has them: what it has must not decide what the log says. Whoever reads a log by rules has
    /// those before them, too, so that all agree about what is older.
    fn check_upgrade(&self, rules: Digest) -> Result<(), Refusal> {
        if rules == self.rules() {
            return Err(Refusal::exists("rules", rules));
        }
        match (Rules::of(rules), Rules::of(self.rules())) {
            (Ok(asked), Ok(present)) if asked < present => {
                Err(Refusal::OlderRules { asked: asked.name(), present: present.name() })
            }
            _ => Ok(()),
        }
    }

    fn check_model(&self, model: &str) -> Result<(), Refusal> {
        let found = Name::new(model).is_ok_and(|name| self.models.contains_key(&name));
        if found { Ok(()) } else { Err(Refusal::unknown("model", model)) }
    }

    fn check_federation(&self, federation: &str) -> Result<(), Refusal> {
        self.named_federation(federation).map(drop)
    }

    pub(super) fn named_federation(&self, federation: &str) -> Result<Name, Refusal> {
        let found = Name::new(federation).ok().filter(|name| self.federations.contains_key(name));
        found.ok_or_else(|| Refusal::unknown("federation", federation))
    }

    fn check_suspended(&self, key: &VerifyingKey) -> Result<(), Refusal> {
        let member = self.membership(key).ok_or(Refusal::NotAMemberOfTheDao { key: *key })?;
        match member.state {
            MembershipState::Suspended { .. } => Ok(()),
            state => Err(Refusal::MemberIs { member: *key, state: state.as_str() }),
        }
    }

    fn check_witnesses(&self, action: &Action) -> Result<(), Refusal> {
        let witnesses = &self.assembly.witnesses;
        let count = witnesses.keys.len();
        let bound = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
        match action {
            Action::SetWitness { name, vkey } => {
                let known =
                    Name::new(name.as_str()).map_err(|_e| Refusal::unknown("name", name))?;
                let parts: Vec<_> = vkey.split('+').collect();
                let whole = matches!(parts.as_slice(), [of, hash, key]
                    if !of.is_empty() && hash.len() == 8 && !key.is_empty());
                if !whole {
                    return Err(Refusal::Vkey { name: name.clone(), got: vkey.clone() });
                }
                let added = usize::from(!witnesses.keys.contains_key(&known));
                within("witnesses", bound(count + added), 1, bound(WITNESSES_MAX))
            }
            Action::RemoveWitness { name } => {
                let known = Name::new(name.as_str()).ok();
                if known.is_none_or(|name| !witnesses.keys.contains_key(&name)) {
                    return Err(Refusal::unknown("witness", name));
                }
                let left = bound(count) - 1;
                within("quorum of witnesses", witnesses.quorum, 0, left)
            }
            Action::SetWitnessQuorum { quorum } => {
                within("quorum of witnesses", *quorum, 0, bound(count))
            }
            _ => Ok(()),
        }
    }

    fn treasury_payment(
        &self,
        id: ProposalId,
        place: usize,
        to: VerifyingKey,
        amount: u128,
    ) -> Transfer {
        let currency = self.dao().genesis.currency;
        Transfer::posted(
            self.action_transfer(id, place),
            AccountId::treasury(currency),
            AccountId::money_member(currency, to),
            Amount(amount),
            Code::TreasuryPayment,
        )
    }

    /// Credits and votes go back to where they come from.
    fn slash(
        &self,
        id: ProposalId,
        place: usize,
        (member, credits): (VerifyingKey, u128),
        evidence: &Evidence,
    ) -> Result<Vec<Transfer>, Refusal> {
        self.membership(&member).ok_or(Refusal::NotAMemberOfTheDao { key: member })?;
        within("evidence.entry", evidence.entry, 0, i128::from(self.entries) - 1)?;
        let got = i128::try_from(credits).unwrap_or(i128::MAX);
        within("credits", got, 1, i128::MAX)?;
        // As many as there are: spending first must not save anybody from losing the votes.
        let sides = [
            (AccountId::credit_member(member), AccountId::credit_issuance()),
            (AccountId::vote_member(member), AccountId::vote_issuance()),
        ];
        let taken = sides.into_iter().map(|(from, to)| {
            let taken = credits.min(self.accounts.account(&from).available());
            (from, to, taken)
        });
        let booked = taken.filter(|(.., taken)| *taken > 0).enumerate();
        let transfer = |(index, (from, to, taken)): (usize, (AccountId, AccountId, u128))| {
            let id = self.action_transfer(id, place + index);
            Transfer::posted(id, from, to, Amount(taken), Code::Slash)
        };
        Ok(booked.map(transfer).collect())
    }

    fn action_transfer(&self, id: ProposalId, place: usize) -> TransferId {
        let mut cause = Writer::default();
        cause.text("proposal");
        self.dao().id.encode(&mut cause);
        id.0.encode(&mut cause);
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        Cause::of(&cause.into_bytes()).transfer(place)
    }

    /// Carries out actions that [`State::plan`] passed, after the ledger took the transfers.
    /// Nothing here can fail.
    pub(super) fn carry_out(&mut self, actions: &[Action], plan: &Plan, now_ms: u64) {
        if let Some(dao) = &mut self.dao {
            dao.charter = plan.charter;
        }
        for action in actions {
            match action {
                Action::AdmitMember { .. }
                | Action::SuspendMember { .. }
                | Action::ReinstateMember { .. }
                | Action::RotateKey { .. }
                | Action::SlashCredit { .. } => self.carry_out_on_member(action, now_ms),
                action => self.carry_out_on_rules(action),
            }
        }
    }

    fn carry_out_on_member(&mut self, action: &Action, now_ms: u64) {
        let index = self.entries;
        match action {
            Action::AdmitMember { member, label, roles } => {
                let taken = Membership::new(label.clone(), roles.clone(), index);
                self.take_in(*member, taken);
            }
            Action::SuspendMember { member, .. } => {
                self.set_member(member, MembershipState::Suspended { index });
            }
            Action::ReinstateMember { member } => self.set_member(member, MembershipState::Active),
            Action::RotateKey { claimed, .. } => self.put_key(&claimed.claim),
            Action::SlashCredit { member, credits, .. } => {
                self.assembly.votes.take(*member, *credits, now_ms);
            }
            _ => {}
        }
    }

    fn set_member(&mut self, key: &VerifyingKey, state: MembershipState) {
        if let Some(member) = self.assembly.members.get_mut(key) {
            member.state = state;
        }
    }

    fn carry_out_on_rules(&mut self, action: &Action) {
        let index = self.entries;
        let named = |text: &str| Name::new(text).ok();
        let witnesses = &mut self.assembly.witnesses;
        match action {
            Action::SetPredictionPrice { model, price } => {
                self.model_named(model, |model| model.set_price(*price));
            }
            Action::SetPricePolicy { model, policy } => {
                self.model_named(model, |model| model.set_policy(policy.clone()));
            }
            Action::ListModel { model } => self.model_named(model, |m| m.delisted = false),
            Action::DelistModel { model } => self.model_named(model, |m| m.delisted = true),
            Action::SetRoundBudget { federation, credits } => {
                self.federation_named(federation, |f| f.round_budget = *credits);
            }
            Action::StartFederation { federation } => {
                self.federation_named(federation, |f| f.stopped = false);
            }
            Action::StopFederation { federation } => {
                self.federation_named(federation, |f| f.stopped = true);
            }
            Action::SetNovelty { federation, percent } => {
                self.federation_named(federation, |f| f.novelty_percent = *percent);
            }
            Action::SetSuspension { federation, below_zero, of_rounds } => {
                let rule = crate::SuspensionRule::new(*below_zero, *of_rounds);
                self.federation_named(federation, |f| f.suspension = rule);
            }
            Action::SetRevealBy { federation, rounds } => {
                let by = (*rounds > 0).then_some(u64::from(*rounds));
                self.federation_named(federation, |f| f.reveal_by = by);
            }
            Action::SetLicence { federation, licence } => {
                self.federation_named(federation, |f| f.licence = Some(licence.clone()));
            }
            Action::UpholdDispute { federation, round, accused } => {
                if let Some(federation) = named(federation) {
                    self.uphold_dispute(&federation, *round, accused);
                }
            }
            Action::SetPrivacyPolicy { federation, policy } => {
                self.federation_named(federation, |f| f.set_policy(policy.clone(), index));
            }
            Action::SetRoyaltySplit { treasury_percent } => {
                if let Some(dao) = &mut self.dao {
                    dao.treasury_percent = *treasury_percent;
                }
            }
            Action::SetWitness { name, vkey } => {
                witnesses.keys.extend(named(name).map(|name| (name, vkey.clone())));
            }
            Action::RemoveWitness { name } => {
                witnesses.keys.retain(|known, _| known.as_str() != name);
            }
            Action::SetWitnessQuorum { quorum } => witnesses.quorum = *quorum,
            Action::UpgradeRules { rules } => self.set_rules(*rules),
            Action::SetGuardian { guardian, term_ms } => {
                let guardianship = self.assembly.guardianship;
                self.assembly.guardianship = match guardian {
                    Some(guardian) => guardianship.nominate(*guardian, *term_ms),
                    None => data_dao_governance::Guardianship::dismissed(),
                };
            }
            _ => {}
        }
    }

    fn set_rules(&mut self, digest: Digest) {
        if let Some(dao) = &mut self.dao {
            dao.rules = digest;
            // Rules that this program does not have let it read nothing more, whatever the charter.
            if let Ok(rules) = Rules::of(digest) {
                dao.charter = dao.charter.recounted(rules.counting());
            }
        }
    }

    fn model_named(&mut self, name: &str, change: impl FnOnce(&mut crate::Model)) {
        if let Some(model) = Name::new(name).ok().and_then(|name| self.models.get_mut(&name)) {
            change(model);
        }
    }

    fn federation_named(&mut self, name: &str, change: impl FnOnce(&mut crate::Federation)) {
        let name = Name::new(name).ok();
        if let Some(federation) = name.and_then(|name| self.federations.get_mut(&name)) {
            change(federation);
        }
    }
}
