//! The changes of one chain, beside the accounts that they are to change.

use std::collections::BTreeMap;

use crate::account::{Column, Restriction};
use crate::accounts::OpenPending;
use crate::{
    Account, AccountId, Accounts, Amount, Movement, Refusal, Resolution, Transfer, TransferId,
    TransferKind,
};

/// What a chain makes of the accounts, while it may still be refused.
pub(crate) struct Draft<'a> {
    base: &'a Accounts,
    now_ms: u64,
    accounts: BTreeMap<&'a AccountId, Account>,
    restrictions: BTreeMap<&'a AccountId, Restriction>,
    opened: BTreeMap<TransferId, (&'a Movement, Option<u64>)>,
    resolved: BTreeMap<TransferId, Resolution>,
}

/// The same, to be taken as a whole.
pub(crate) struct Changes {
    pub(crate) accounts: Vec<(AccountId, Account)>,
    pub(crate) restrictions: Vec<(AccountId, Restriction)>,
    pub(crate) opened: Vec<(TransferId, OpenPending)>,
    pub(crate) resolved: Vec<(TransferId, Resolution)>,
}

impl<'a> Draft<'a> {
    /// Nothing but what time alone does: pending transfers of `base` that expired are released.
    pub(crate) fn new(base: &'a Accounts, now_ms: u64) -> Self {
        let mut draft = Self {
            base,
            now_ms,
            accounts: BTreeMap::new(),
            restrictions: BTreeMap::new(),
            opened: BTreeMap::new(),
            resolved: BTreeMap::new(),
        };
        for (id, movement) in base.expired(now_ms) {
            draft.release(movement);
            draft.resolved.insert(id, Resolution::Expired);
        }
        draft
    }

    pub(crate) fn apply(&mut self, transfer: &'a Transfer) -> Result<(), Refusal> {
        let id = transfer.id;
        match &transfer.kind {
            TransferKind::Posted(movement) => {
                self.check_movement(id, movement)?;
                self.book(movement, movement.amount, Column::Posted)
            }
            TransferKind::Pending { movement, expires_at_ms } => {
                self.open(id, movement, *expires_at_ms)
            }
            TransferKind::Post { pending, amount } => self.post(id, *pending, *amount),
            TransferKind::Void { pending } => {
                let movement = self.resolve(*pending, Resolution::Voided)?;
                self.release(movement);
                Ok(())
            }
            TransferKind::Close { account } => self.close(account),
            TransferKind::Limit { account, most } => self.limit(account, most.map(|most| most.0)),
        }
    }

    fn open(
        &mut self,
        id: TransferId,
        movement: &'a Movement,
        expires_at_ms: Option<u64>,
    ) -> Result<(), Refusal> {
        let now_ms = self.now_ms;
        if let Some(expires_at_ms) = expires_at_ms.filter(|expiry| *expiry <= now_ms) {
            return Err(Refusal::ExpiresInThePast { id, expires_at_ms, now_ms });
        }
        self.check_movement(id, movement)?;
        self.book(movement, movement.amount, Column::Pending)?;
        self.opened.insert(id, (movement, expires_at_ms));
        Ok(())
    }

    fn post(&mut self, id: TransferId, pending: TransferId, amount: Amount) -> Result<(), Refusal> {
        let movement = self.resolve(pending, Resolution::Posted)?;
        if amount.0 == 0 {
            return Err(Refusal::ZeroAmount { id });
        }
        if amount > movement.amount {
            let (id, held) = (pending, movement.amount);
            return Err(Refusal::ExceedsPending { id, pending: held, needed: amount });
        }
        self.release(movement);
        self.book(movement, amount, Column::Posted)
    }

    fn resolve(&mut self, id: TransferId, to: Resolution) -> Result<&'a Movement, Refusal> {
        if let Some(resolution) = self.resolved.get(&id).copied().or(self.base.resolution(id)) {
            return Err(Refusal::AlreadyResolved { id, resolution });
        }
        let opened = self.opened.get(&id).map(|(movement, _)| *movement);
        let movement = opened.or_else(|| self.base.open_pending(id).map(|open| &open.movement));
        let movement = movement.ok_or(Refusal::NoSuchPending { id })?;
        self.resolved.insert(id, to);
        Ok(movement)
    }

    /// Takes back what a pending transfer added when it was opened.
    fn release(&mut self, movement: &'a Movement) {
        let Movement { debit, credit, amount } = movement;
        let mut giver = self.account(debit);
        giver.debits_pending -= amount.0;
        self.accounts.insert(debit, giver);
        let mut taker = self.account(credit);
        taker.credits_pending -= amount.0;
        self.accounts.insert(credit, taker);
    }

    fn check_movement(&self, id: TransferId, movement: &Movement) -> Result<(), Refusal> {
        let Movement { debit, credit, amount } = movement;
        let both = || (Box::new(debit.clone()), Box::new(credit.clone()));
        if amount.0 == 0 {
            return Err(Refusal::ZeroAmount { id });
        }
        if debit == credit {
            return Err(Refusal::SameAccount { account: both().0 });
        }
        if debit.book() != credit.book() {
            let (debit, credit) = both();
            return Err(Refusal::DifferentBooks { debit, credit });
        }
        if !debit.may_pay(credit) {
            let (debit, credit) = both();
            return Err(Refusal::NotTransferable { debit, credit });
        }
        match [debit, credit].into_iter().find(|account| self.restriction(account).closed) {
            Some(account) => Err(Refusal::Closed { account: Box::new(account.clone()) }),
            None => Ok(()),
        }
    }

    fn book(&mut self, movement: &'a Movement, amount: Amount, to: Column) -> Result<(), Refusal> {
        let Movement { debit, credit, .. } = movement;
        let overflow = |id: &AccountId| Refusal::Overflow { account: Box::new(id.clone()) };
        let before = self.account(debit);
        let giver = before.debited(amount.0, to).ok_or_else(|| overflow(debit))?;
        self.check_account(debit, before, giver, amount)?;
        let before = self.account(credit);
        let taker = before.credited(amount.0, to).ok_or_else(|| overflow(credit))?;
        self.check_account(credit, before, taker, amount)?;
        self.accounts.insert(debit, giver);
        self.accounts.insert(credit, taker);
        Ok(())
    }

    fn check_account(
        &self,
        id: &AccountId,
        before: Account,
        after: Account,
        needed: Amount,
    ) -> Result<(), Refusal> {
        let bound = id.bound();
        if !after.keeps(bound) {
            let (account, available) = (Box::new(id.clone()), before.room(bound));
            return Err(Refusal::Insufficient { account, available, needed: needed.0 });
        }
        check_limit(id, after, self.restriction(id).most)
    }

    fn close(&mut self, id: &'a AccountId) -> Result<(), Refusal> {
        let restriction = self.restriction(id);
        if restriction.closed {
            return Err(Refusal::Closed { account: Box::new(id.clone()) });
        }
        let account = self.account(id);
        if !account.is_settled() {
            let held = account.credits_posted.abs_diff(account.debits_posted);
            return Err(Refusal::NotEmpty { account: Box::new(id.clone()), held });
        }
        self.restrictions.insert(id, Restriction { closed: true, ..restriction });
        Ok(())
    }

    fn limit(&mut self, id: &'a AccountId, most: Option<u128>) -> Result<(), Refusal> {
        let restriction = self.restriction(id);
        if restriction.closed {
            return Err(Refusal::Closed { account: Box::new(id.clone()) });
        }
        check_limit(id, self.account(id), most)?;
        self.restrictions.insert(id, Restriction { most, ..restriction });
        Ok(())
    }

    fn account(&self, id: &AccountId) -> Account {
        self.accounts.get(id).copied().unwrap_or_else(|| self.base.account(id))
    }

    fn restriction(&self, id: &AccountId) -> Restriction {
        self.restrictions.get(id).copied().unwrap_or_else(|| self.base.restriction(id))
    }

    pub(crate) fn into_changes(self) -> Changes {
        let own = |(id, change): (&AccountId, _)| (id.clone(), change);
        let opened = |(id, (movement, expires_at_ms)): (TransferId, (&Movement, _))| {
            (id, OpenPending { movement: movement.clone(), expires_at_ms })
        };
        Changes {
            accounts: self.accounts.into_iter().map(own).collect(),
            restrictions: self
                .restrictions
                .into_iter()
                .map(|(id, restriction)| (id.clone(), restriction))
                .collect(),
            opened: self.opened.into_iter().map(opened).collect(),
            resolved: self.resolved.into_iter().collect(),
        }
    }
}

fn check_limit(id: &AccountId, account: Account, most: Option<u128>) -> Result<(), Refusal> {
    let got = account.most_held(id.bound());
    match most {
        Some(most) if got > most => {
            Err(Refusal::AboveLimit { account: Box::new(id.clone()), most, got })
        }
        _ => Ok(()),
    }
}
