//! All accounts, and the one step that changes them.

use std::collections::{BTreeMap, BTreeSet};

use privacy_identity::Digest;
use thiserror::Error;

use crate::{Account, AccountId, Amount, Floor, Movement, Transfer, TransferId, TransferKind};

/// What became of a transfer that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// It had taken effect before, with equal fields: nothing was done.
    Exists,
}

/// Why a batch of transfers was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The id was used for another transfer.
    #[error("transfer {id} exists with other fields")]
    ExistsWithOtherFields {
        /// The id.
        id: TransferId,
    },
    /// The accounts are in different books.
    #[error("{debit} and {credit} are in different books")]
    DifferentBooks {
        /// The account that gives.
        debit: Box<AccountId>,
        /// The account that takes.
        credit: Box<AccountId>,
    },
    /// Giving account and taking account are one.
    #[error("{account} cannot transfer to itself")]
    SameAccount {
        /// The account.
        account: Box<AccountId>,
    },
    /// The amount is zero.
    #[error("transfer {id} moves nothing")]
    ZeroAmount {
        /// The transfer.
        id: TransferId,
    },
    /// The account would fall below zero.
    #[error("{account} has {available} available, {needed} needed")]
    Insufficient {
        /// The account.
        account: Box<AccountId>,
        /// What it can spend.
        available: u128,
        /// What the transfer takes.
        needed: u128,
    },
    /// A sum would not fit 128 bits.
    #[error("a sum of {account} exceeds 128 bits")]
    Overflow {
        /// The account.
        account: Box<AccountId>,
    },
    /// There is no such pending transfer.
    #[error("there is no pending transfer {id}")]
    NoSuchPending {
        /// The id.
        id: TransferId,
    },
    /// The pending transfer was posted, voided or expired before.
    #[error("pending transfer {id} was already {resolution:?}")]
    AlreadyResolved {
        /// The id.
        id: TransferId,
        /// How it ended.
        resolution: Resolution,
    },
    /// More is to be posted than is pending.
    #[error("pending transfer {id} holds {pending}, {needed} were to be posted")]
    ExceedsPending {
        /// The id.
        id: TransferId,
        /// What is pending.
        pending: Amount,
        /// What was to be posted.
        needed: Amount,
    },
    /// A pending transfer would be expired at once.
    #[error("pending transfer {id} expires at {expires_at_ms}, now is {now_ms}")]
    ExpiresInThePast {
        /// The id.
        id: TransferId,
        /// When it would expire.
        expires_at_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
    },
}

/// How a pending transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Carried out, wholly or in part.
    Posted,
    /// Released on request.
    Voided,
    /// Released by time.
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PendingState {
    Open { movement: Movement, expires_at_ms: u64 },
    Resolved(Resolution),
}

/// The state of all books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    accounts: BTreeMap<AccountId, Account>,
    /// Fingerprints of all transfers, so that a repetition is recognised.
    transfers: BTreeMap<TransferId, Digest>,
    pendings: BTreeMap<TransferId, PendingState>,
    /// The open ones of `pendings`, by the time of their expiry.
    expiries: BTreeSet<(u64, TransferId)>,
}

impl Accounts {
    /// Applies a batch of linked transfers in order: all of them or none.
    ///
    /// Pending transfers whose time has come by `now_ms` are released first.
    ///
    /// # Errors
    /// [`Refusal`] by the first transfer that cannot be; nothing changed then.
    pub fn apply(&mut self, batch: &[Transfer], now_ms: u64) -> Result<Vec<Outcome>, Refusal> {
        let mut draft = Draft::new(self);
        draft.expire(now_ms);
        let outcomes =
            batch.iter().map(|transfer| draft.apply(transfer, now_ms)).collect::<Result<_, _>>()?;
        let Draft { accounts, transfers, pendings, .. } = draft;
        self.accounts.extend(accounts);
        self.transfers.extend(transfers);
        for (id, state) in pendings {
            self.keep_pending(id, state);
        }
        Ok(outcomes)
    }

    /// Whether [`Accounts::apply`] would take the batch. Nothing changes.
    ///
    /// # Errors
    /// As [`Accounts::apply`].
    pub fn check(&self, batch: &[Transfer], now_ms: u64) -> Result<(), Refusal> {
        let mut draft = Draft::new(self);
        draft.expire(now_ms);
        batch.iter().try_for_each(|transfer| draft.apply(transfer, now_ms).map(drop))
    }

    fn keep_pending(&mut self, id: TransferId, state: PendingState) {
        if let PendingState::Open { expires_at_ms, .. } = &state {
            self.expiries.insert((*expires_at_ms, id));
        } else if let Some(PendingState::Open { expires_at_ms, .. }) = self.pendings.get(&id) {
            self.expiries.remove(&(*expires_at_ms, id));
        }
        self.pendings.insert(id, state);
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
        let mut draft = Draft::new(self);
        draft.expire(now_ms);
        draft.account(id).available()
    }

    /// Every account on which something was booked, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    /// How many transfers were applied.
    #[must_use]
    pub fn transfer_count(&self) -> usize {
        self.transfers.len()
    }

    /// How many pending transfers are open.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.expiries.len()
    }
}

/// The changes of one batch, beside the accounts they are to change.
struct Draft<'a> {
    base: &'a Accounts,
    accounts: BTreeMap<AccountId, Account>,
    transfers: BTreeMap<TransferId, Digest>,
    pendings: BTreeMap<TransferId, PendingState>,
}

/// Which pair of sums a booking changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Pending,
    Posted,
}

impl<'a> Draft<'a> {
    const fn new(base: &'a Accounts) -> Self {
        Self {
            base,
            accounts: BTreeMap::new(),
            transfers: BTreeMap::new(),
            pendings: BTreeMap::new(),
        }
    }

    fn account(&self, id: &AccountId) -> Account {
        self.accounts.get(id).copied().unwrap_or_else(|| self.base.account(id))
    }

    fn pending(&self, id: TransferId) -> Option<&PendingState> {
        self.pendings.get(&id).or_else(|| self.base.pendings.get(&id))
    }

    fn expire(&mut self, now_ms: u64) {
        for (expires_at_ms, id) in &self.base.expiries {
            if *expires_at_ms > now_ms {
                break;
            }
            if let Some(PendingState::Open { movement, .. }) = self.base.pendings.get(id) {
                self.release(movement);
            }
            self.pendings.insert(*id, PendingState::Resolved(Resolution::Expired));
        }
    }

    fn apply(&mut self, transfer: &Transfer, now_ms: u64) -> Result<Outcome, Refusal> {
        let id = transfer.id;
        let fingerprint = transfer.fingerprint();
        match self.transfers.get(&id).or_else(|| self.base.transfers.get(&id)) {
            Some(known) if *known == fingerprint => return Ok(Outcome::Exists),
            Some(_) => return Err(Refusal::ExistsWithOtherFields { id }),
            None => {}
        }
        match &transfer.kind {
            TransferKind::Posted(movement) => self.book(id, movement, Column::Posted)?,
            TransferKind::Pending { movement, expires_at_ms } => {
                let expires_at_ms = *expires_at_ms;
                if expires_at_ms <= now_ms {
                    return Err(Refusal::ExpiresInThePast { id, expires_at_ms, now_ms });
                }
                self.book(id, movement, Column::Pending)?;
                let movement = movement.clone();
                self.pendings.insert(id, PendingState::Open { movement, expires_at_ms });
            }
            TransferKind::Post { pending, amount } => self.post(id, *pending, *amount)?,
            TransferKind::Void { pending } => {
                let movement = self.resolve(*pending, Resolution::Voided)?;
                self.release(&movement);
            }
        }
        self.transfers.insert(id, fingerprint);
        Ok(Outcome::Applied)
    }

    fn post(&mut self, id: TransferId, pending: TransferId, amount: Amount) -> Result<(), Refusal> {
        let movement = self.resolve(pending, Resolution::Posted)?;
        if amount > movement.amount {
            let (id, held) = (pending, movement.amount);
            return Err(Refusal::ExceedsPending { id, pending: held, needed: amount });
        }
        self.release(&movement);
        self.book(id, &Movement { amount, ..movement }, Column::Posted)
    }

    fn resolve(&mut self, id: TransferId, resolution: Resolution) -> Result<Movement, Refusal> {
        let movement = match self.pending(id) {
            None => return Err(Refusal::NoSuchPending { id }),
            Some(PendingState::Resolved(resolution)) => {
                return Err(Refusal::AlreadyResolved { id, resolution: *resolution });
            }
            Some(PendingState::Open { movement, .. }) => movement.clone(),
        };
        self.pendings.insert(id, PendingState::Resolved(resolution));
        Ok(movement)
    }

    fn release(&mut self, movement: &Movement) {
        let Movement { debit, credit, amount } = movement;
        let mut giver = self.account(debit);
        let mut taker = self.account(credit);
        // Both were added when the transfer became pending.
        giver.debits_pending -= amount.0;
        taker.credits_pending -= amount.0;
        self.accounts.insert(debit.clone(), giver);
        self.accounts.insert(credit.clone(), taker);
    }

    fn book(&mut self, id: TransferId, movement: &Movement, to: Column) -> Result<(), Refusal> {
        let Movement { debit, credit, amount } = movement;
        if amount.0 == 0 {
            return Err(Refusal::ZeroAmount { id });
        }
        if debit == credit {
            return Err(Refusal::SameAccount { account: Box::new(debit.clone()) });
        }
        if debit.book() != credit.book() {
            let (debit, credit) = (Box::new(debit.clone()), Box::new(credit.clone()));
            return Err(Refusal::DifferentBooks { debit, credit });
        }
        let giver = debited(debit, self.account(debit), amount.0, to)?;
        let taker = credited(credit, self.account(credit), amount.0, to)?;
        self.accounts.insert(debit.clone(), giver);
        self.accounts.insert(credit.clone(), taker);
        Ok(())
    }
}

fn debited(id: &AccountId, before: Account, amount: u128, to: Column) -> Result<Account, Refusal> {
    let overflow = || Refusal::Overflow { account: Box::new(id.clone()) };
    let mut after = before;
    let sum = match to {
        Column::Pending => &mut after.debits_pending,
        Column::Posted => &mut after.debits_posted,
    };
    *sum = sum.checked_add(amount).ok_or_else(overflow)?;
    let debits = after.debits_posted.checked_add(after.debits_pending).ok_or_else(overflow)?;
    if id.floor() == Floor::Zero && debits > after.credits_posted {
        return Err(Refusal::Insufficient {
            account: Box::new(id.clone()),
            available: before.available(),
            needed: amount,
        });
    }
    Ok(after)
}

fn credited(id: &AccountId, before: Account, amount: u128, to: Column) -> Result<Account, Refusal> {
    let overflow = || Refusal::Overflow { account: Box::new(id.clone()) };
    let mut after = before;
    let sum = match to {
        Column::Pending => &mut after.credits_pending,
        Column::Posted => &mut after.credits_posted,
    };
    *sum = sum.checked_add(amount).ok_or_else(overflow)?;
    after.credits_posted.checked_add(after.credits_pending).ok_or_else(overflow)?;
    Ok(after)
}

#[cfg(test)]
mod tests;
