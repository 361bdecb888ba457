//! The rules once more, as plainly as possible: a list of lines, and every sum taken afresh.

use data_dao_ledger::{
    Account, AccountId, Amount, Bound, Movement, Outcome, Resolution, Transfer, TransferId,
    TransferKind,
};

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Pending,
    Posted(u128),
    Resolved(Resolution),
}

#[derive(Clone)]
struct Line {
    id: TransferId,
    movement: Movement,
    expires_at_ms: Option<u64>,
    status: Status,
    /// How the pending transfer ended, of a line that began as one.
    ended: Option<Resolution>,
}

#[derive(Clone, Default)]
pub(crate) struct Model {
    chains: Vec<Vec<Transfer>>,
    lines: Vec<Line>,
    closed: Vec<AccountId>,
    /// The last entry for an account counts.
    limits: Vec<(AccountId, Option<u128>)>,
}

type Answer<T = ()> = Result<T, &'static str>;

impl Model {
    pub(crate) fn apply(&mut self, chain: &[Transfer], now_ms: u64) -> Answer<Outcome> {
        for pair in chain.windows(2) {
            let (one, next) = (pair[0].id, pair[1].id);
            if one.cause != next.cause || one.index + 1 != next.index {
                return Err("BrokenChain");
            }
        }
        if self.chains.iter().any(|done| done == chain) {
            return Ok(Outcome::Exists);
        }
        let mut known = self.chains.iter().flatten().map(|transfer| transfer.id);
        if known.any(|id| chain.iter().any(|transfer| transfer.id == id)) {
            return Err("ExistsWithOtherFields");
        }
        let mut next = self.clone();
        for line in &mut next.lines {
            let due = line.expires_at_ms.is_some_and(|expiry| expiry <= now_ms);
            if line.status == Status::Pending && due {
                line.status = Status::Resolved(Resolution::Expired);
                line.ended = Some(Resolution::Expired);
            }
        }
        for transfer in chain {
            next.step(transfer, now_ms)?;
        }
        next.chains.push(chain.to_vec());
        *self = next;
        Ok(Outcome::Applied)
    }

    fn step(&mut self, transfer: &Transfer, now_ms: u64) -> Answer {
        let id = transfer.id;
        match &transfer.kind {
            TransferKind::Posted(movement) => {
                self.check(movement)?;
                let status = Status::Posted(movement.amount.0);
                self.add(id, movement, None, status)
            }
            TransferKind::Pending { movement, expires_at_ms } => {
                if expires_at_ms.is_some_and(|expiry| expiry <= now_ms) {
                    return Err("ExpiresInThePast");
                }
                self.check(movement)?;
                self.add(id, movement, *expires_at_ms, Status::Pending)
            }
            TransferKind::Post { pending, amount } => {
                let line = self.pending(*pending)?;
                if amount.0 == 0 {
                    return Err("ZeroAmount");
                }
                if *amount > line.movement.amount {
                    return Err("ExceedsPending");
                }
                line.status = Status::Posted(amount.0);
                line.ended = Some(Resolution::Posted);
                Ok(())
            }
            TransferKind::Void { pending } => {
                let line = self.pending(*pending)?;
                line.status = Status::Resolved(Resolution::Voided);
                line.ended = Some(Resolution::Voided);
                Ok(())
            }
            TransferKind::Close { account } => {
                let sums = self.account(account);
                if self.closed.contains(account) {
                    return Err("Closed");
                }
                let pending = sums.debits_pending > 0 || sums.credits_pending > 0;
                if pending || sums.debits_posted != sums.credits_posted {
                    return Err("NotEmpty");
                }
                self.closed.push(account.clone());
                Ok(())
            }
            TransferKind::Limit { account, most } => {
                if self.closed.contains(account) {
                    return Err("Closed");
                }
                self.limits.push((account.clone(), most.map(|most| most.0)));
                self.check_limit(account)
            }
        }
    }

    fn pending(&mut self, id: TransferId) -> Answer<&mut Line> {
        let line = self.lines.iter_mut().find(|line| line.id == id).ok_or("NoSuchPending")?;
        match (line.status, line.ended) {
            (Status::Pending, _) => Ok(line),
            (_, Some(_)) => Err("AlreadyResolved"),
            // It was posted at once.
            (_, None) => Err("NoSuchPending"),
        }
    }

    fn check(&self, movement: &Movement) -> Answer {
        let Movement { debit, credit, amount } = movement;
        if amount.0 == 0 {
            return Err("ZeroAmount");
        }
        if debit == credit {
            return Err("SameAccount");
        }
        if debit.book() != credit.book() {
            return Err("DifferentBooks");
        }
        let (from, to) = (debit.to_string(), credit.to_string());
        let from = from.split('/').collect::<Vec<_>>();
        let to = to.split('/').collect::<Vec<_>>();
        let allowed = match (from.as_slice(), to.as_slice()) {
            (["vote", "issuance"], ["vote", "member", _])
            | (["vote", "member", _], ["vote", "issuance"])
            | (["privacy", "issuance"], ["privacy", "budget" | "spent", _])
            | (["privacy", "budget", _], ["privacy", "issuance"]) => true,
            (["privacy", "budget", one], ["privacy", "spent", other]) => one == other,
            (["vote" | "privacy", ..], _) => false,
            _ => true,
        };
        if !allowed {
            return Err("NotTransferable");
        }
        if self.closed.contains(debit) || self.closed.contains(credit) {
            return Err("Closed");
        }
        Ok(())
    }

    fn add(
        &mut self,
        id: TransferId,
        movement: &Movement,
        expires_at_ms: Option<u64>,
        status: Status,
    ) -> Answer {
        let line = Line { id, movement: movement.clone(), expires_at_ms, status, ended: None };
        self.lines.push(line);
        for account in [&movement.debit, &movement.credit] {
            let debits = self.sum(account, Side::Debit).ok_or("Overflow")?;
            let credits = self.sum(account, Side::Credit).ok_or("Overflow")?;
            let sums = self.account(account);
            let kept = match account.bound() {
                Bound::DebitsWithinCredits => debits <= sums.credits_posted,
                Bound::CreditsWithinDebits => credits <= sums.debits_posted,
            };
            if !kept {
                return Err("Insufficient");
            }
            self.check_limit(account)?;
        }
        Ok(())
    }

    fn check_limit(&self, account: &AccountId) -> Answer {
        let limit = self.limits.iter().rev().find(|(limited, _)| limited == account);
        let Some((_, Some(most))) = limit else {
            return Ok(());
        };
        let sums = self.account(account);
        let held = match account.bound() {
            Bound::DebitsWithinCredits => {
                self.sum(account, Side::Credit).unwrap() - sums.debits_posted
            }
            Bound::CreditsWithinDebits => {
                self.sum(account, Side::Debit).unwrap() - sums.credits_posted
            }
        };
        if held > *most { Err("AboveLimit") } else { Ok(()) }
    }

    /// Pending and posted amounts of a side; nothing beyond 128 bits.
    fn sum(&self, account: &AccountId, side: Side) -> Option<u128> {
        let mut sum = 0_u128;
        for line in &self.lines {
            let on = match side {
                Side::Debit => &line.movement.debit,
                Side::Credit => &line.movement.credit,
            };
            if on == account {
                sum = sum.checked_add(match line.status {
                    Status::Pending => line.movement.amount.0,
                    Status::Posted(amount) => amount,
                    Status::Resolved(_) => 0,
                })?;
            }
        }
        Some(sum)
    }

    pub(crate) fn account(&self, account: &AccountId) -> Account {
        let mut sums = Account::default();
        for line in &self.lines {
            let Movement { debit, credit, amount } = &line.movement;
            // Beyond 128 bits the line is about to be refused.
            let add = |sum: &mut u128, amount: u128| *sum = sum.saturating_add(amount);
            match line.status {
                Status::Pending => {
                    if debit == account {
                        add(&mut sums.debits_pending, amount.0);
                    }
                    if credit == account {
                        add(&mut sums.credits_pending, amount.0);
                    }
                }
                Status::Posted(amount) => {
                    if debit == account {
                        add(&mut sums.debits_posted, amount);
                    }
                    if credit == account {
                        add(&mut sums.credits_posted, amount);
                    }
                }
                Status::Resolved(_) => {}
            }
        }
        sums
    }

    /// The open pending transfers.
    pub(crate) fn open(&self) -> Vec<(TransferId, Amount, Option<u64>)> {
        let open = self.lines.iter().filter(|line| line.status == Status::Pending);
        open.map(|line| (line.id, line.movement.amount, line.expires_at_ms)).collect()
    }
}

#[derive(Clone, Copy)]
enum Side {
    Debit,
    Credit,
}
