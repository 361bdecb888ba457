//! Months, licences, and money on its way back.

use data_dao_governance::{Licence, PricePolicy};
use data_dao_ledger::{Amount, Cause, Name};
use data_dao_market::{LicenceSale, MonthEnd, Purchase, Refund, Withdrawal};

use super::State;
use super::queries::request_name;
use super::sales::lines_from_shares;
use crate::refusal::{same, same_list, within};
use crate::{
    CallsRefunded, DAY_MS, Date, LicenceBought, Lot, MonthBought, MonthEnded, PricePolicySet,
    Refusal, RevenueLine, Scope, Withdrawn,
};

/// How long a month is: thirty days, whatever the calendar.
pub const MONTH_MS: u64 = 30 * DAY_MS;

impl State {
    pub(super) fn set_first_policy(&mut self, body: &PricePolicySet) -> Result<(), Refusal> {
        let model = self.model_mut(&body.model)?;
        if model.pricing.is_some() {
            return Err(Refusal::PriceNeedsVote { model: body.model.to_string() });
        }
        body.policy.check()?;
        model.set_policy(body.policy.clone());
        Ok(())
    }

    pub(super) fn buy_month(&mut self, body: &MonthBought, now_ms: u64) -> Result<(), Refusal> {
        let (account, key) = self.spender(&body.key_id, Scope::Buy, now_ms)?;
        let (model_name, policy) = self.for_sale(&body.model)?;
        let month = policy.month.ok_or_else(|| not_for_sale(&body.model, "month"))?;
        same("calls", &month.calls, &body.calls)?;
        same("price", &month.price, &body.price)?;
        let lots = key.lots(&body.model).len();
        let purchase = Purchase {
            currency: self.dao().genesis.currency,
            buyer: account.clone(),
            model: model_name.clone(),
            lot: u32::try_from(lots).map_err(|_source| Refusal::exists("lot", u32::MAX))?,
            calls: month.calls,
            price: month.price,
        };
        let total = purchase.total()?;
        self.check_limits(&body.key_id, total.0, now_ms)?;
        let cause = self.request_cause("month", &body.key_id, &body.idempotency_key)?;
        self.accounts.apply(&purchase.transfers(&cause)?, now_ms)?;
        let ends_at_ms = now_ms.saturating_add(MONTH_MS);
        let (buyer, model, lot) = (purchase.buyer.clone(), purchase.model.clone(), purchase.lot);
        self.months.insert((ends_at_ms, buyer, model.clone(), lot));
        self.count_spending(&body.key_id, now_ms / DAY_MS, total.0);
        self.count_usage(&body.key_id, &model, now_ms, |usage| {
            usage.bought += u64::from(month.calls);
            usage.bought_price += total.0;
        });
        let booked = (purchase, Some(ends_at_ms));
        self.book_lot(&body.key_id, &body.idempotency_key, booked, now_ms);
        Ok(())
    }

    /// Remembers what was bought, and under which request.
    pub(super) fn book_lot(
        &mut self,
        key_id: &Name,
        idempotency_key: &str,
        (purchase, ends_at_ms): (Purchase, Option<u64>),
        bought_ms: u64,
    ) {
        let index = self.entries;
        self.requests.insert(request_name(key_id, idempotency_key), index);
        if let Some(key) = self.keys.get_mut(&purchase.buyer) {
            let lots = key.lots.entry(purchase.model.clone()).or_default();
            lots.all.push(Lot { purchase, index, bought_ms, ends_at_ms });
        }
    }

    pub(super) fn end_month(&mut self, body: &MonthEnded, now_ms: u64) -> Result<(), Refusal> {
        let lot = self.lot(&body.key_id, &body.model, body.lot)?;
        let Some(ends_at_ms) = lot.ends_at_ms else {
            return Err(Refusal::unknown("month", body.lot));
        };
        within("time", now_ms, ends_at_ms.into(), i128::from(u64::MAX))?;
        let (amount, lines, settlement) = self.month_end(lot, now_ms)?;
        same("amount", &amount, &body.amount)?;
        same_list("lines", &lines, &body.lines)?;
        let (buyer, model) = (lot.purchase.buyer.clone(), lot.purchase.model.clone());
        let month = (ends_at_ms, buyer.clone(), model.clone(), body.lot);
        self.accounts.apply(&settlement.transfers, now_ms)?;
        self.counts.revenue += amount;
        self.months.remove(&month);
        self.pass_spent_lots(&buyer, &model);
        Ok(())
    }

    /// What a month leaves at `now_ms`, and who earns it.
    fn month_end(
        &self,
        lot: &Lot,
        now_ms: u64,
    ) -> Result<(u128, Vec<RevenueLine>, data_dao_market::Settlement), Refusal> {
        let purchase = lot.purchase.clone();
        let account = purchase.account();
        let (balance, available) =
            (self.accounts.account(&account).balance(), self.accounts.available(&account, now_ms));
        // Calls in progress first: each is over within minutes.
        same("available", &balance, &available)?;
        let mut cause = privacy_identity::Writer::default();
        cause.text("month-end");
        cause.text(&account.to_string());
        let cause = Cause::of(&cause.into_bytes());
        let version = self.model_ref(&purchase.model)?.latest().version;
        let percent = self.dao().treasury_percent;
        let (_, terms) = self.revenue_terms(&purchase.model, version, percent)?;
        let end = MonthEnd { purchase, left: Amount(available), cause };
        let settlement = end.settle(&terms)?;
        Ok((available, lines_from_shares(&settlement.shares), settlement))
    }

    /// The entry that ends the earliest month that is over at `now_ms` and has something left; whoever runs the node appends
    /// it. Until then the calls are neither the buyer's nor anybody's: everybody can recompute that it is due.
    #[must_use]
    pub fn month_over(&self, now_ms: u64) -> Option<MonthEnded> {
        let over = self.months.iter().take_while(|(ends_at_ms, ..)| *ends_at_ms <= now_ms);
        over.into_iter().find_map(|(_, key_id, model, number)| {
            let lot = self.lot(key_id, model, *number).ok()?;
            let (amount, mut lines, _) = self.month_end(lot, now_ms).ok()?;
            if lines.len() > crate::LIST_MAX {
                lines.clear();
            }
            let (key_id, model) = (key_id.clone(), model.clone());
            (amount > 0).then_some(MonthEnded { key_id, model, lot: *number, amount, lines })
        })
    }

    pub(super) fn refund_calls(
        &mut self,
        body: &CallsRefunded,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (account, _) = self.spender(&body.key_id, Scope::Buy, now_ms)?;
        let lot = self.lot(account, &body.model, body.lot)?;
        if lot.ends_at_ms.is_some() {
            return Err(not_for_sale(&body.model, "refund of a month"));
        }
        let lot = lot.clone();
        let refund = Refund { purchase: lot.purchase.clone(), calls: body.calls };
        let cause = self.request_cause("refund", &body.key_id, &body.idempotency_key)?;
        self.accounts.apply(&refund.transfers(&cause)?, now_ms)?;
        let request = request_name(&body.key_id, &body.idempotency_key);
        self.requests.insert(request, self.entries);
        self.count_refund(&body.key_id, (&lot, body.calls), now_ms);
        self.pass_spent_lots(&lot.purchase.buyer, &lot.purchase.model);
        Ok(())
    }

    /// Counts calls of a purchase that were given back; those of an earlier month, which was billed by now, apart.
    pub(super) fn count_refund(&mut self, key_id: &Name, (lot, calls): (&Lot, u32), now_ms: u64) {
        let month = |at_ms: u64| Date::from_days(at_ms / DAY_MS).month_start();
        let is_of_before = month(lot.bought_ms) != month(now_ms);
        let price = lot.purchase.price.saturating_mul(u128::from(calls));
        self.count_usage(key_id, &lot.purchase.model, now_ms, |usage| {
            usage.refunded += u64::from(calls);
            usage.refunded_price += price;
            if is_of_before {
                usage.corrected += u64::from(calls);
                usage.corrected_price += price;
            }
        });
    }

    pub(super) fn withdraw(&mut self, body: &Withdrawn, now_ms: u64) -> Result<(), Refusal> {
        self.key_ref(&body.key_id)?;
        let cause = self.request_cause("withdrawal", &body.key_id, &body.idempotency_key)?;
        self.check_no_debt(&body.key_id)?;
        let withdrawal = Withdrawal {
            currency: self.dao().genesis.currency,
            buyer: self.account_of(&body.key_id).clone(),
            amount: Amount(body.amount),
        };
        self.accounts.apply(&withdrawal.transfers(&cause), now_ms)?;
        let request = request_name(&body.key_id, &body.idempotency_key);
        self.requests.insert(request, self.entries);
        Ok(())
    }

    pub(super) fn buy_licence(&mut self, body: &LicenceBought, now_ms: u64) -> Result<(), Refusal> {
        let (account, _) = self.spender(&body.key_id, Scope::Buy, now_ms)?;
        let (model, policy) = self.for_sale(&body.model)?;
        let price = policy.download.ok_or_else(|| not_for_sale(&body.model, "download"))?;
        same("price", &price, &body.price)?;
        let licence = (account.clone(), model.clone(), body.version);
        let agreed = self.model_ref(&body.model)?.licence(body.version);
        same_licence(agreed, body.licence.as_ref())?;
        let percent = self.dao().treasury_percent;
        let (_, terms) = self.revenue_terms(&body.model, body.version, percent)?;
        let request = self.request_cause("licence", &body.key_id, &body.idempotency_key)?;
        if self.licences.contains(&licence) {
            return Err(Refusal::exists("licence", &body.model));
        }
        self.check_limits(&body.key_id, price, now_ms)?;
        let (currency, cause) = (self.dao().genesis.currency, Cause::of(&request));
        let (buyer, model, price) = (licence.0.clone(), licence.1.clone(), Amount(price));
        let settlement =
            LicenceSale { currency, buyer, model: model.clone(), price, cause }.settle(&terms)?;
        same_list("lines", &lines_from_shares(&settlement.shares), &body.lines)?;
        self.accounts.apply(&settlement.transfers, now_ms)?;
        let request = request_name(&body.key_id, &body.idempotency_key);
        self.requests.insert(request, self.entries);
        self.licences.insert(licence);
        self.counts.revenue += price.0;
        self.count_spending(&body.key_id, now_ms / DAY_MS, price.0);
        self.count_usage(&body.key_id, &model, now_ms, |usage| {
            usage.licences += 1;
            usage.licences_price += price.0;
        });
        Ok(())
    }

    /// Whether the key whose money `key_id` spends has the licence of this version's parameters.
    #[must_use]
    pub fn is_licensed(&self, key_id: &Name, model: &Name, version: u32) -> bool {
        let account = self.account_of(key_id).clone();
        self.licences.contains(&(account, model.clone(), version))
    }

    /// A model that is on the market, and what it costs.
    pub(super) fn for_sale(&self, name: &Name) -> Result<(&Name, &PricePolicy), Refusal> {
        let (name, model) = self.named_model(name)?;
        if model.delisted {
            return Err(Refusal::Delisted { model: name.to_string() });
        }
        let policy = model.policy().ok_or_else(|| Refusal::NoPrice { model: name.to_string() })?;
        Ok((name, policy))
    }

    fn lot(&self, key_id: &Name, model: &Name, lot: u32) -> Result<&Lot, Refusal> {
        let (_, key) = self.key_ref(key_id)?;
        let place = usize::try_from(lot).map_err(|_source| Refusal::unknown("lot", lot))?;
        key.lots(model).get(place).ok_or_else(|| Refusal::unknown("lot", lot))
    }

    pub(super) fn count_usage(
        &mut self,
        key_id: &Name,
        model: &Name,
        now_ms: u64,
        change: impl FnOnce(&mut crate::Usage),
    ) {
        if let Some(key) = self.keys.get_mut(key_id) {
            key.count(now_ms, model, change);
        }
    }
}

/// Refuses a sale under another licence than that of the version.
fn same_licence(expected: Option<&Licence>, got: Option<&Licence>) -> Result<(), Refusal> {
    let words =
        |licence: Option<&Licence>| licence.map_or_else(|| "none".to_owned(), ToString::to_string);
    if expected == got { Ok(()) } else { same("licence", &words(expected), &words(got)) }
}

fn not_for_sale(model: &Name, what: &'static str) -> Refusal {
    Refusal::NotForSale { model: model.to_string(), what }
}
