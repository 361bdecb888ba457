//! ε as a balance: what a federation may spend, and what its rounds have cost.
//!
//! ```text
//!  issuance ─SafeguardsSet─► budget/<federation> ─RoundOpened─► spent/<federation>
//!      └─────────── RoundOpened of a federation without a bound ──────► spent/…
//! ```
//! Promise 3: the budget cannot fall below zero, so that a round that would overdraw it does not
//! start. What was spent does not come back, whether the round settles or not: its sum may have been
//! opened.

use data_dao_ledger::{AccountId, Amount, Cause, Code, Name, Transfer};
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
        if federation.safeguards.is_some() || federation.last_round.is_some() {
            let federation = body.federation.to_string();
            return Err(Refusal::SafeguardsStand { federation });
        }
        let least_ms = match self.dao().genesis.bounds {
            BoundsKind::Standard => HOUR_MS,
            BoundsKind::Demonstration => 1,
        };
        let high = i128::from(30 * DAY_MS);
        within("challenge_window_ms", body.challenge_window_ms, i128::from(least_ms), high)?;
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
        self.federation_mut(&body.federation)?.safeguards = Some(body.clone());
        Ok(())
    }

    /// Takes what the round costs from the federation's budget.
    pub(super) fn spend_privacy(&mut self, body: &RoundOpened, now_ms: u64) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let bound = federation.safeguards.as_ref().and_then(|set| set.epsilon_micro_max);
        let Some(loss) = body.epsilon_micro else {
            let (federation, round) = (body.federation.to_string(), body.round);
            return bound
                .map_or(Ok(()), |max| Err(Refusal::PrivacyUnbounded { federation, round, max }));
        };
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
        federation.safeguards.as_ref()?.epsilon_micro_max?;
        let budget = AccountId::privacy_budget(federation.opened.federation.clone());
        let left = self.accounts.account(&budget).available();
        Some(u64::try_from(left).unwrap_or(u64::MAX))
    }
}
