//! Payments that a provider announced, and what it took back of them.
//!
//! ```text
//!  Deposited "payment:pi" ──PaymentRefunded "re"──► less of the payment, or all of it ──PaymentReinstated "re"──► as before
//!                                  └─PaymentRefundFailed "re"──► nothing, whatever is announced of it later
//! ```

use data_dao_ledger::{AccountId, Accounts, Amount, Cause, Name, SharedMap, Transfer};
use data_dao_market::{DebtPayment, Deposit, Recall};
use privacy_identity::{Encode as _, Writer};

use super::queries::request_name;
use super::{LABEL_BYTES_MAX, State};
use crate::body::PAYMENT_PREFIX;
use crate::refusal::{same, text_within, within};
use crate::{Deposited, Lot, PaymentRefundFailed, PaymentRefunded, PaymentReinstated, Refusal};

/// What providers announced, by the names of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Payments {
    booked: SharedMap<Cause, Payment>,
    refunds: SharedMap<Cause, PaymentRefund>,
    /// The entries that tell of refunds that failed before they were known here.
    failed: SharedMap<Cause, u64>,
}

/// A payment that was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// For which key.
    pub key_id: Name,
    /// The entry that booked it.
    pub index: u64,
    /// How much it was, in 10⁻⁴ of the currency's unit.
    pub amount: u128,
    /// How much of it was taken back and is not reinstated.
    pub refunded: u128,
}

/// A refund or dispute of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRefund {
    /// The provider's id of the payment.
    pub payment: String,
    /// How much.
    pub amount: u128,
    /// How much of it the buyer had, calls that it had paid and not made included; the rest is owed.
    pub covered: u128,
    /// The entry that booked it.
    pub index: u64,
    /// The entry that reinstated it.
    pub reinstated: Option<u64>,
}

impl State {
    pub(super) fn deposit(&mut self, body: &Deposited, now_ms: u64) -> Result<(), Refusal> {
        self.key_ref(&body.key_id)?;
        let cause = self.request_cause("deposit", &body.key_id, &body.idempotency_key)?;
        let payment = body.idempotency_key.strip_prefix(PAYMENT_PREFIX).map(payment_name);
        // Threat: a payment whose provider tells of another key the second time is booked for both.
        if let Some(booked) = payment.and_then(|name| self.payments.booked.get(&name)) {
            let (key_id, idempotency_key) =
                (booked.key_id.to_string(), body.idempotency_key.clone());
            return Err(Refusal::AlreadyBooked { key_id, idempotency_key, index: booked.index });
        }
        let transfers = self.money_in(&body.key_id, body.amount, &cause, now_ms);
        self.accounts.apply(&transfers, now_ms)?;
        let request = request_name(&body.key_id, &body.idempotency_key);
        self.requests.insert(request, self.entries);
        if let Some(name) = payment {
            let (key_id, index, amount) = (body.key_id.clone(), self.entries, body.amount);
            self.payments.booked.insert(name, Payment { key_id, index, amount, refunded: 0 });
        }
        Ok(())
    }

    /// Money for a key's account: what is owed is paid first.
    fn money_in(&self, key_id: &Name, amount: u128, cause: &[u8], now_ms: u64) -> Vec<Transfer> {
        let (currency, buyer) = (self.dao().genesis.currency, self.account_of(key_id).clone());
        let account = AccountId::buyer(currency, buyer.clone());
        let had = self.accounts.available(&account, now_ms);
        let paid = self.debt(&buyer).min(had.saturating_add(amount));
        let mut transfers =
            Deposit { currency, buyer: buyer.clone(), amount: Amount(amount) }.transfers(cause);
        let payment = DebtPayment { currency, buyer, amount: Amount(paid) };
        transfers.extend(payment.transfers(cause, 1));
        transfers
    }

    pub(super) fn refund_payment(
        &mut self,
        body: &PaymentRefunded,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        text_within("refund", &body.refund, LABEL_BYTES_MAX)?;
        let (payment_id, refund_id) = (payment_name(&body.payment), refund_name(&body.refund));
        let payment = self.payment_of_new_refund((&body.payment, &body.refund), &body.key_id)?;
        let left = payment.amount.saturating_sub(payment.refunded);
        if body.amount > left {
            return Err(Refusal::RefundExceedsPayment {
                payment: body.payment.clone(),
                left,
                amount: body.amount,
            });
        }
        within("amount", i128::try_from(body.amount).unwrap_or(i128::MAX), 1, i128::MAX)?;
        let (recall, lots) = self.recall(&body.key_id, body.amount, now_ms);
        let covered = recall.covered.0;
        let cause = self.payment_cause("payment-refund", &body.refund);
        self.accounts.apply(&recall.transfers(&cause)?, now_ms)?;

        for (lot, calls) in &lots {
            let (buyer, model) = (&lot.purchase.buyer, &lot.purchase.model);
            self.count_refund(buyer, (lot, *calls), now_ms);
            self.pass_spent_lots(buyer, model);
        }
        if let Some(payment) = self.payments.booked.get_mut(&payment_id) {
            payment.refunded = payment.refunded.saturating_add(body.amount);
        }
        let (payment, amount, index) = (body.payment.clone(), body.amount, self.entries);
        let refund = PaymentRefund { payment, amount, covered, index, reinstated: None };
        self.payments.refunds.insert(refund_id, refund);
        Ok(())
    }

    /// The payment of a refund of which nothing was booked.
    fn payment_of_new_refund(
        &self,
        (payment, refund): (&str, &str),
        key_id: &Name,
    ) -> Result<&Payment, Refusal> {
        let booked = self.payment_refund(refund).map(|booked| booked.index);
        if let Some(index) = booked.or_else(|| self.failed_refund(refund)) {
            let (key_id, idempotency_key) = (key_id.to_string(), refund.to_owned());
            return Err(Refusal::AlreadyBooked { key_id, idempotency_key, index });
        }
        let found = self.payment(payment).ok_or_else(|| Refusal::unknown("payment", payment))?;
        same("key_id", &found.key_id, key_id)?;
        Ok(found)
    }

    /// Remembers that a refund failed whose success was not announced, so that it is not booked when that comes late.
    pub(super) fn fail_refund(&mut self, body: &PaymentRefundFailed) -> Result<(), Refusal> {
        text_within("refund", &body.refund, LABEL_BYTES_MAX)?;
        self.payment_of_new_refund((&body.payment, &body.refund), &body.key_id)?;
        self.payments.failed.insert(refund_name(&body.refund), self.entries);
        Ok(())
    }

    /// What of `amount` the buyer has at `now_ms`: its balance, then calls that it paid and did not make, the newest purchase
    /// first, each call whole. What is set aside for predictions in progress is spent: they are served.
    fn recall(&self, key_id: &Name, amount: u128, now_ms: u64) -> (Recall, Vec<(Lot, u32)>) {
        let (currency, buyer) = (self.dao().genesis.currency, self.account_of(key_id).clone());
        let mut had = self.accounts.available(&AccountId::buyer(currency, buyer.clone()), now_ms);
        let mut open: Vec<&Lot> = self.key(&buyer).map_or_else(Vec::new, |key| {
            key.lots.keys().flat_map(|model| key.open_lots(model)).collect()
        });
        open.sort_unstable_by_key(|lot| std::cmp::Reverse(lot.index));
        let mut given_back = Vec::new();
        for lot in open {
            if had >= amount {
                break;
            }
            let price = lot.purchase.price;
            // A lot's price is above zero: one that costs nothing cannot be bought.
            let wanted = (amount - had).div_ceil(price.max(1));
            let calls = self.calls_of(lot, now_ms).min(wanted);
            // A lot has 2^32 − 1 calls at most.
            let calls = u32::try_from(calls).unwrap_or(u32::MAX);
            if calls > 0 {
                had = had.saturating_add(price.saturating_mul(u128::from(calls)));
                given_back.push((lot.clone(), calls));
            }
        }
        let covered = had.min(amount);
        let purchases =
            given_back.iter().map(|(lot, calls)| (lot.purchase.clone(), *calls)).collect();
        let (covered, owed) = (Amount(covered), Amount(amount - covered));
        (Recall { currency, buyer, given_back: purchases, covered, owed }, given_back)
    }

    pub(super) fn reinstate_payment(
        &mut self,
        body: &PaymentReinstated,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let refund_id = refund_name(&body.refund);
        let refund = self.payment_refund(&body.refund);
        let refund = refund.ok_or_else(|| Refusal::unknown("refund", &body.refund))?;
        same("payment", &refund.payment, &body.payment)?;
        if let Some(index) = refund.reinstated {
            let (key_id, idempotency_key) = (body.key_id.to_string(), body.refund.clone());
            return Err(Refusal::AlreadyBooked { key_id, idempotency_key, index });
        }
        let payment = self.payment(&body.payment);
        let payment = payment.ok_or_else(|| Refusal::unknown("payment", &body.payment))?;
        same("key_id", &payment.key_id, &body.key_id)?;
        let amount = refund.amount;
        let cause = self.payment_cause("payment-reinstated", &body.refund);
        let transfers = self.money_in(&body.key_id, amount, &cause, now_ms);
        self.accounts.apply(&transfers, now_ms)?;
        if let Some(payment) = self.payments.booked.get_mut(&payment_name(&body.payment)) {
            payment.refunded = payment.refunded.saturating_sub(amount);
        }
        let index = self.entries;
        if let Some(refund) = self.payments.refunds.get_mut(&refund_id) {
            refund.reinstated = Some(index);
        }
        Ok(())
    }

    fn payment_cause(&self, kind: &str, refund: &str) -> Vec<u8> {
        let mut cause = Writer::default();
        cause.text(kind);
        self.dao().id.encode(&mut cause);
        cause.text(refund);
        cause.into_bytes()
    }

    /// A payment by the provider's id.
    #[must_use]
    pub fn payment(&self, id: &str) -> Option<&Payment> {
        self.payments.booked.get(&payment_name(id))
    }

    /// A refund or dispute by the provider's id.
    #[must_use]
    pub fn payment_refund(&self, id: &str) -> Option<&PaymentRefund> {
        self.payments.refunds.get(&refund_name(id))
    }

    /// The entry that tells of a refund, by the provider's id, that failed before anything was booked of it.
    #[must_use]
    pub fn failed_refund(&self, id: &str) -> Option<u64> {
        self.payments.failed.get(&refund_name(id)).copied()
    }

    /// What the account of a key owes, in 10⁻⁴ of the currency's unit.
    #[must_use]
    pub fn debt(&self, key_id: &Name) -> u128 {
        let Some(genesis) = self.genesis() else { return 0 };
        let id = AccountId::debt(genesis.currency, self.account_of(key_id).clone());
        owed(&self.accounts, &id)
    }

    /// Refuses who owes something.
    pub(super) fn check_no_debt(&self, key_id: &Name) -> Result<(), Refusal> {
        match self.debt(key_id) {
            0 => Ok(()),
            owed => Err(Refusal::InDebt { key_id: self.account_of(key_id).to_string(), owed }),
        }
    }
}

fn owed(accounts: &Accounts, id: &AccountId) -> u128 {
    let account = accounts.account(id);
    account.debits_posted.saturating_sub(account.credits_posted)
}

fn payment_name(id: &str) -> Cause {
    name("provider-payment", id)
}

fn refund_name(id: &str) -> Cause {
    name("provider-refund", id)
}

fn name(kind: &str, id: &str) -> Cause {
    let mut name = Writer::default();
    name.text(kind);
    name.text(id);
    Cause::of(&name.into_bytes())
}
