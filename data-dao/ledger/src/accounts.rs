//! All accounts, and the one step that changes them.

use crate::account::Restriction;
use crate::draft::{Changes, Draft};
use crate::history::{Chain, History};
use crate::{
    Account, AccountId, Movement, Refusal, Resolution, Runs, SharedMap, Transfer, TransferId,
};

/// What became of a chain that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// It had taken effect before, with equal fields: nothing was done.
    Exists,
}

/// A pending transfer that was not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenPending {
    pub(crate) movement: Movement,
    pub(crate) expires_at_ms: Option<u64>,
}

/// The state of all books. A clone shares what neither changes afterwards, and so is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    accounts: SharedMap<AccountId, Account>,
    /// Of the accounts that are closed or limited.
    restrictions: SharedMap<AccountId, Restriction>,
    /// All transfers, so that a repetition is recognised.
    history: History,
    /// The open pending transfers.
    open: SharedMap<TransferId, OpenPending>,
    /// Those of `open` that expire, by the time of it.
    expiries: SharedMap<(u64, TransferId), ()>,
    /// How the other pending transfers ended.
    resolved: Runs<TransferId, Resolution>,
}

impl Accounts {
    /// Applies a chain of linked transfers in order: all of them or none.
    ///
    /// * `chain` — transfers of one cause with consecutive indices. The chain is what happens once:
    ///   presented again as it was, it is a no-op and said to be ([`Outcome::Exists`]).
    /// * `now_ms` — ledger time; pending transfers whose time has come are released first.
    ///
    /// # Errors
    /// [`Refusal`] by the first transfer that cannot be; nothing changed then.
    pub fn apply(&mut self, chain: &[Transfer], now_ms: u64) -> Result<Outcome, Refusal> {
        let what = Chain::of(chain)?;
        let first = chain.first().map(|transfer| transfer.id);
        if let Some(first) = first
            && self.history.contains(first, what)?
        {
            return Ok(Outcome::Exists);
        }
        let mut draft = Draft::new(self, now_ms);
        for transfer in chain {
            draft.apply(transfer)?;
        }
        let changes = draft.into_changes();
        self.take(changes);
        if let Some(first) = first {
            self.history.insert(first, what);
        }
        Ok(Outcome::Applied)
    }

    /// Whether [`Accounts::apply`] would take the chain. Nothing changes.
    ///
    /// # Errors
    /// As [`Accounts::apply`].
    pub fn check(&self, chain: &[Transfer], now_ms: u64) -> Result<(), Refusal> {
        let what = Chain::of(chain)?;
        if let Some(first) = chain.first()
            && self.history.contains(first.id, what)?
        {
            return Ok(());
        }
        let mut draft = Draft::new(self, now_ms);
        chain.iter().try_for_each(|transfer| draft.apply(transfer))
    }

    fn take(&mut self, changes: Changes) {
        let Changes { accounts, restrictions, opened, resolved } = changes;
        self.accounts.extend(accounts);
        self.restrictions.extend(restrictions);
        for (id, pending) in opened {
            if let Some(expires_at_ms) = pending.expires_at_ms {
                self.expiries.insert((expires_at_ms, id), ());
            }
            self.open.insert(id, pending);
        }
        for (id, resolution) in resolved {
            if let Some(expires_at_ms) = self.open.remove(&id).and_then(|open| open.expires_at_ms) {
                self.expiries.remove(&(expires_at_ms, id));
            }
            // The draft saw that it was open.
            self.resolved.insert_new(id, resolution);
        }
    }

    /// The sums of an account; all zero if nothing was ever booked on it.
    ///
    /// Pending transfers that expired since the last [`Accounts::apply`] still count as pending.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Account {
        self.accounts.get(id).copied().unwrap_or_default()
    }

    /// What the account can spend at `now_ms`: its balance less what is still reserved then.
    #[must_use]
    pub fn available(&self, id: &AccountId, now_ms: u64) -> u128 {
        let released = self
            .expired(now_ms)
            .filter(|(_, movement)| movement.debit == *id)
            .map(|(_, movement)| movement.amount.0)
            .sum::<u128>();
        let account = self.account(id);
        account.balance().saturating_sub(account.debits_pending - released)
    }

    /// Every account on which something was booked, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    /// Whether no transfer may name the account any more.
    #[must_use]
    pub fn is_closed(&self, id: &AccountId) -> bool {
        self.restriction(id).closed
    }

    /// The most that the account may hold, if there is a limit.
    #[must_use]
    pub fn limit(&self, id: &AccountId) -> Option<u128> {
        self.restriction(id).most
    }

    /// How many transfers were applied.
    #[must_use]
    pub const fn transfer_count(&self) -> u64 {
        self.history.transfers()
    }

    /// How many pending transfers are open.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn restriction(&self, id: &AccountId) -> Restriction {
        self.restrictions.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn open_pending(&self, id: TransferId) -> Option<&OpenPending> {
        self.open.get(&id)
    }

    pub(crate) fn resolution(&self, id: TransferId) -> Option<Resolution> {
        self.resolved.get(&id)
    }

    /// The open pending transfers whose time has come by `now_ms`.
    pub(crate) fn expired(&self, now_ms: u64) -> impl Iterator<Item = (TransferId, &Movement)> {
        let soon = self.expiries.iter().take_while(move |((at_ms, _), ())| *at_ms <= now_ms);
        soon.filter_map(|((_, id), ())| Some((*id, &self.open.get(id)?.movement)))
    }
}

#[cfg(test)]
mod tests;
