//! ε as a balance: what a federation may spend, and what its rounds have cost.
//!
//! ```text
//!  issuance ─SafeguardsSet─► budget/<federation> ─RoundOpened─► spent/<federation>
//!  issuance ◄SetPrivacyPolicy► budget/<federation>     (as members voted)
//!      └─────────── RoundOpened of a federation without a bound ──────► spent/…
//! ```
//! Promise 3: the budget cannot fall below zero, so that a round that would overdraw it does not
//! start. What was spent does not come back, whether the round settles or not: its sum may have been
//! opened.

use data_dao_governance::PrivacyPolicy;
use data_dao_ledger::{AccountId, Amount, Cause, Code, Name, Transfer, TransferId};
use privacy_identity::{Encode as _, Writer};

use super::State;
use crate::refusal::within;
use crate::{BoundsKind, Federation, Refusal, RoundOpened, SafeguardsSet};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Largest bound of ε in millionths: that of the accountants, 10¹².
const EPSILON_MICRO_MAX: u64 = 1_000_000_000_000_000_000;

impl State {
    pub(super) fn set_safeguards(
        &mut self,
        body: &SafeguardsSet,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let voted = federation.policy.epsilon_micro_max.is_some();
        if federation.safeguards.is_some() || federation.last_round.is_some() || voted {
            let federation = body.federation.to_string();
            return Err(Refusal::SafeguardsStand { federation });
        }
        let least_ms = match self.dao().genesis.bounds {
            BoundsKind::Standard => HOUR_MS,
            BoundsKind::Demonstration => 1,
        };
        let high = i128::from(30 * DAY_MS);
        within("challenge_window_ms", body.challenge_window_ms, i128::from(least_ms), high)?;
        if let Some(rounds) = body.reveal_by_rounds {
            within("reveal_by_rounds", rounds, 1, i128::from(federation.opened.rounds))?;
        }
        if let Some(most) = body.epsilon_micro_max {
            within("epsilon_micro_max", most, 1, i128::from(EPSILON_MICRO_MAX))?;
            let transfer = Transfer::posted(
                self.privacy_cause("privacy budget", &body.federation, None).transfer(0),
                AccountId::privacy_issuance(),
                AccountId::privacy_budget(body.federation.clone()),
                Amount(u128::from(most)),
                Code::PrivacyBudget,
            );
            self.accounts.apply(&[transfer], now_ms)?;
        }
        let federation = self.federation_mut(&body.federation)?;
        federation.safeguards = Some(body.clone());
        federation.policy.epsilon_micro_max = body.epsilon_micro_max;
        federation.reveal_by = body.reveal_by_rounds;
        Ok(())
    }

    /// Takes what the round costs from the federation's budget.
    pub(super) fn spend_privacy(&mut self, body: &RoundOpened, now_ms: u64) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let bound = federation.policy.epsilon_micro_max;
        let Some(loss) = body.epsilon_micro else {
            let (federation, round) = (body.federation.to_string(), body.round);
            return bound
                .map_or(Ok(()), |max| Err(Refusal::PrivacyUnbounded { federation, round, max }));
        };
        if let Some(max) = bound.filter(|_| federation.noiseless) {
            // What earlier rounds lost is not bounded, and does not become so.
            let (federation, round) = (body.federation.to_string(), body.round);
            return Err(Refusal::PrivacyUnbounded { federation, round, max });
        }
        if loss == 0 {
            return Ok(());
        }
        let from = match bound {
            Some(_) => AccountId::privacy_budget(body.federation.clone()),
            None => AccountId::privacy_issuance(),
        };
        let transfer = Transfer::posted(
            self.privacy_cause("privacy loss", &body.federation, Some(body.round)).transfer(0),
            from,
            AccountId::privacy_spent(body.federation.clone()),
            Amount(u128::from(loss)),
            Code::PrivacyLoss,
        );
        self.accounts.apply(&[transfer], now_ms)?;
        Ok(())
    }

    /// The transfer that brings a federation's budget to what another policy leaves of it: its bound
    /// less what was spent, and never below zero.
    pub(super) fn policy_transfer(
        &self,
        federation: &str,
        policy: &PrivacyPolicy,
        id: TransferId,
    ) -> Result<Option<Transfer>, Refusal> {
        let name = self.named_federation(federation)?;
        if let Some(most) = policy.epsilon_micro_max {
            within("epsilon_micro_max", most, 0, i128::from(EPSILON_MICRO_MAX))?;
        }
        let (source, budget) =
            (AccountId::privacy_issuance(), AccountId::privacy_budget(name.clone()));
        let spent = self.accounts.account(&AccountId::privacy_spent(name)).balance();
        let before = self.accounts.account(&budget).available();
        let after =
            policy.epsilon_micro_max.map_or(0, |most| u128::from(most).saturating_sub(spent));
        let (from, to) = if after > before { (source, budget) } else { (budget, source) };
        let amount = after.abs_diff(before);
        Ok((amount > 0)
            .then(|| Transfer::posted(id, from, to, Amount(amount), Code::PrivacyBudget)))
    }

    fn privacy_cause(&self, kind: &str, federation: &Name, round: Option<u64>) -> Cause {
        let mut cause = Writer::default();
        cause.text(kind);
        self.dao().id.encode(&mut cause);
        cause.text(federation.as_str());
        if let Some(round) = round {
            cause.u64(round);
        }
        Cause::of(&cause.into_bytes())
    }

    /// Privacy loss of all rounds of a federation opened so far, aborted ones included, in
    /// millionths of ε; nothing if a round without noise was among them, as then nothing bounds it.
    #[must_use]
    pub fn epsilon_micro(&self, federation: &Federation) -> Option<u64> {
        if federation.noiseless {
            return None;
        }
        let spent = AccountId::privacy_spent(federation.opened.federation.clone());
        let spent = self.accounts.account(&spent).balance();
        Some(u64::try_from(spent).unwrap_or(u64::MAX))
    }

    /// What a federation may still spend, in millionths of ε; nothing if it has no bound.
    #[must_use]
    pub fn epsilon_micro_left(&self, federation: &Federation) -> Option<u64> {
        federation.policy.epsilon_micro_max?;
        if federation.noiseless {
            return Some(0);
        }
        let budget = AccountId::privacy_budget(federation.opened.federation.clone());
        let left = self.accounts.account(&budget).available();
        Some(u64::try_from(left).unwrap_or(u64::MAX))
    }
}
