//! Prices, keys, deposits, purchases, predictions.

use data_dao_ledger::{Amount, Cause, Name};
use data_dao_market::{CallSource, PredictionSale, Purchase, RevenueShare, RevenueTerms};
use privacy_identity::{Digest, Encode as _, Writer};

use super::{LABEL_BYTES_MAX, State};
use crate::refusal::{same, same_list, text_within, within};
use crate::{
    DAY_MS, Lot, Model, Predicted, Prediction, PredictionReserved, PredictionResolution,
    PredictionVoided, PriceSet, Purchased, Refusal, Reservation, ResolvedPrediction, RevenueLine,
    Scope,
};

impl State {
    pub(super) fn set_first_price(&mut self, body: &PriceSet) -> Result<(), Refusal> {
        let model = self.model_mut(&body.model)?;
        if model.pricing.is_some() {
            return Err(Refusal::PriceNeedsVote { model: body.model.to_string() });
        }
        check_price(body.price)?;
        model.set_price(body.price);
        Ok(())
    }

    pub(super) fn purchase(&mut self, body: &Purchased, now_ms: u64) -> Result<(), Refusal> {
        let (account, key) = self.spender(&body.key_id, Scope::Buy, now_ms)?;
        let (model_name, _) = self.for_sale(&body.model)?;
        let price = self.model_ref(&body.model)?.price_at(now_ms);
        let price = price.ok_or_else(|| Refusal::NoPrice { model: body.model.to_string() })?;
        same("price", &price, &body.price)?;
        let lots = key.lots(&body.model).len();
        // The state's own names: each text is in memory once.
        let purchase = Purchase {
            currency: self.dao().genesis.currency,
            buyer: account.clone(),
            model: model_name.clone(),
            lot: u32::try_from(lots).map_err(|_source| Refusal::exists("lot", u32::MAX))?,
            calls: body.calls,
            price,
        };
        let cause = self.request_cause("purchase", &body.key_id, &body.idempotency_key)?;
        self.accounts.apply(&purchase.transfers(&cause)?, now_ms)?;
        let (model, calls) = (purchase.model.clone(), u64::from(body.calls));
        self.count_usage(&body.key_id, &model, now_ms, |usage| {
            usage.bought += calls;
            usage.bought_price += price.saturating_mul(u128::from(calls));
        });
        self.book_lot(&body.key_id, &body.idempotency_key, (purchase, None), now_ms);
        Ok(())
    }

    pub(super) fn reserve_prediction(
        &mut self,
        body: &PredictionReserved,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if self.prediction(&body.prediction).is_some() {
            return Err(Refusal::exists("prediction", body.prediction));
        }
        let model = self.model_ref(&body.model)?;
        if model.release(body.version).is_none() {
            return Err(Refusal::unknown("version of the model", body.version));
        }
        let (account, _) = self.spender(&body.key_id, Scope::Infer, now_ms)?;
        let Some(call) = self.next_call(&body.key_id, &body.model, now_ms) else {
            let (key_id, model) = (body.key_id.to_string(), body.model.to_string());
            return Err(Refusal::NoCallsLeft { key_id, model });
        };
        same("price", &call.price, &body.price)?;
        self.check_limits(&body.key_id, call.counted, now_ms)?;
        let (model, _) = self.named_model(&body.model)?;
        let mut cause = Writer::default();
        cause.text("prediction");
        self.dao().id.encode(&mut cause);
        body.prediction.encode(&mut cause);
        let sale = PredictionSale {
            currency: self.dao().genesis.currency,
            buyer: account.clone(),
            model: model.clone(),
            source: call.source,
            price: Amount(call.price),
            cause: Cause::of(&cause.into_bytes()),
        };
        self.accounts.apply(&sale.reserve(body.expires_at_ms), now_ms)?;
        let (version, expires_at_ms) = (body.version, body.expires_at_ms);
        let (key_id, counted) = (body.key_id.clone(), (now_ms / DAY_MS, call.counted));
        self.count_spending(&key_id, counted.0, counted.1);
        let (index, treasury_percent) = (self.entries, self.dao().treasury_percent);
        let reservation =
            Reservation { sale, key_id, counted, version, expires_at_ms, index, treasury_percent };
        self.reservations.insert(body.prediction, reservation);
        self.expiring.insert((expires_at_ms, body.prediction));
        Ok(())
    }

    pub(super) fn settle_prediction(
        &mut self,
        body: &Predicted,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let reservation = self.reservation(&body.prediction)?;
        let Reservation { sale, version, key_id, treasury_percent, .. } = reservation;
        let (buyer, model, key_id) = (sale.buyer.clone(), sale.model.clone(), key_id.clone());
        let direct = sale.source == CallSource::Balance;
        same("price", &sale.price.0, &body.price)?;
        let (digest, terms) = self.revenue_terms(&sale.model, *version, *treasury_percent)?;
        same("model_digest", &digest, &body.model_digest)?;
        let settlement = sale.settle(&terms)?;
        same_list("lines", &lines_from_shares(&settlement.shares), &body.lines)?;
        self.accounts.apply(&settlement.transfers, now_ms)?;
        self.counts.predictions += 1;
        // Revenue was deposited first, and deposits fit 128 bits together.
        self.counts.revenue += body.price;
        if let Some(pricing) = self.models.get_mut(&model).and_then(|m| m.pricing.as_mut()) {
            pricing.demand.count(now_ms);
        }
        self.count_usage(&key_id, &model, now_ms, |usage| {
            usage.calls += 1;
            usage.calls_price += body.price;
            usage.direct += u64::from(direct);
            usage.direct_price += if direct { body.price } else { 0 };
        });
        self.resolve_prediction(&body.prediction, PredictionResolution::Made);
        self.pass_spent_lots(&buyer, &model);
        Ok(())
    }

    pub(super) fn void_prediction(
        &mut self,
        body: &PredictionVoided,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        text_within("reason", &body.reason, LABEL_BYTES_MAX)?;
        let transfers = self.reservation(&body.prediction)?.sale.void();
        self.accounts.apply(&transfers, now_ms)?;
        self.resolve_prediction(&body.prediction, PredictionResolution::Voided);
        Ok(())
    }

    /// The lines that a prediction with this model version at `price` must carry; more than
    /// [`crate::LIST_MAX`] are left out of the entry.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] if there is no such model or version.
    pub fn revenue_lines(
        &self,
        model: &Name,
        version: u32,
        price: u128,
    ) -> Result<Vec<RevenueLine>, Refusal> {
        let percent = self.treasury_percent().unwrap_or(0);
        let (_, terms) = self.revenue_terms(model, version, percent)?;
        Ok(lines_from_shares(&terms.shares(Amount(price))?))
    }

    /// As [`State::revenue_lines`], of a sale whose part for the DAO was fixed when its call was set aside.
    ///
    /// Threat: a split that is executed between reservation and prediction takes from the contributors what the buyer was
    /// sold under the old one, or makes a prediction that was made impossible to book.
    ///
    /// # Errors
    /// As [`State::revenue_lines`], and [`Refusal::Unknown`] if there is no such prediction.
    pub fn prediction_lines(
        &self,
        prediction: &Digest,
        (model, version): (&Name, u32),
        price: u128,
    ) -> Result<Vec<RevenueLine>, Refusal> {
        let percent = match self.prediction(prediction) {
            Some(Prediction::Reserved(reserved)) => reserved.treasury_percent,
            Some(Prediction::Resolved(resolved)) => resolved.treasury_percent,
            None => return Err(Refusal::unknown("prediction", prediction)),
        };
        let (_, terms) = self.revenue_terms(model, version, percent)?;
        Ok(lines_from_shares(&terms.shares(Amount(price))?))
    }

    pub(super) fn revenue_terms(
        &self,
        model: &Name,
        version: u32,
        treasury_percent: u8,
    ) -> Result<(Digest, RevenueTerms), Refusal> {
        let release = self
            .model_ref(model)?
            .release(version)
            .ok_or_else(|| Refusal::unknown("version of the model", version))?;
        let weights = release.weights.iter().map(|w| (w.member, w.weight)).collect();
        Ok((release.digest, RevenueTerms { treasury_percent, weights }))
    }

    fn reservation(&self, id: &Digest) -> Result<&Reservation, Refusal> {
        let resolution = match self.prediction(id) {
            Some(Prediction::Reserved(reservation)) => return Ok(reservation),
            Some(Prediction::Resolved(resolved)) => resolved.resolution,
            None => return Err(Refusal::unknown("prediction", id)),
        };
        let state = match resolution {
            PredictionResolution::Made => "made",
            PredictionResolution::Voided => "voided",
            PredictionResolution::Expired => "expired",
        };
        Err(Refusal::PredictionResolved { prediction: *id, state })
    }

    fn resolve_prediction(&mut self, id: &Digest, resolution: PredictionResolution) {
        let Some(held) = self.reservations.remove(id) else { return };
        self.expiring.remove(&(held.expires_at_ms, *id));
        if resolution != PredictionResolution::Made {
            self.take_back_spending(&held.key_id, held.counted);
        }
        let Reservation { index: reserved, treasury_percent, .. } = held;
        let index = self.entries;
        let resolved = ResolvedPrediction { resolution, reserved, index, treasury_percent };
        self.resolved.insert(Cause::of(&id.0), resolved);
    }

    /// Voids reservations of which nobody said in time what became of them: what a process left that was stopped between
    /// reserving and paying. The ledger has released their money by itself at the same moment.
    pub(super) fn expire_reservations(&mut self) {
        let last = (self.time_ms, Digest([u8::MAX; Digest::LEN]));
        while let Some((_, id)) = self.expiring.range(..=last).next().copied() {
            self.resolve_prediction(&id, PredictionResolution::Expired);
        }
    }

    /// Passes over purchases all of whose calls were made: none of them comes back.
    pub(super) fn pass_spent_lots(&mut self, key_id: &Name, model: &Name) {
        let open = self.keys.get(key_id).map_or(&[][..], |key| key.open_lots(model));
        let spent = |lot: &&Lot| self.accounts.account(&lot.purchase.account()).is_settled();
        let passed = open.iter().take_while(spent).count();
        if passed == 0 {
            return;
        }
        // Nothing is left of them that could be split when they end.
        let months = open.iter().take(passed).filter_map(|lot| {
            let (ends_at_ms, Purchase { buyer, model, lot, .. }) = (lot.ends_at_ms?, &lot.purchase);
            Some((ends_at_ms, buyer.clone(), model.clone(), *lot))
        });
        for month in months.collect::<Vec<_>>() {
            self.months.remove(&month);
        }
        if let Some(lots) = self.keys.get_mut(key_id).and_then(|key| key.lots.get_mut(model)) {
            lots.spent += passed;
        }
    }

    /// The encoding of a buyer's request, if it was not booked before.
    pub(super) fn request_cause(
        &self,
        kind: &str,
        key_id: &Name,
        idempotency_key: &str,
    ) -> Result<Vec<u8>, Refusal> {
        text_within("idempotency_key", idempotency_key, LABEL_BYTES_MAX)?;
        if let Some(index) = self.booked(key_id, idempotency_key) {
            return Err(Refusal::AlreadyBooked {
                key_id: key_id.to_string(),
                idempotency_key: idempotency_key.to_owned(),
                index,
            });
        }
        let mut cause = Writer::default();
        cause.text(kind);
        self.dao().id.encode(&mut cause);
        cause.text(key_id.as_str());
        cause.text(idempotency_key);
        Ok(cause.into_bytes())
    }

    pub(super) fn named_model(&self, name: &Name) -> Result<(&Name, &Model), Refusal> {
        self.models.get_key_value(name).ok_or_else(|| Refusal::unknown("model", name))
    }

    pub(super) fn model_ref(&self, name: &Name) -> Result<&Model, Refusal> {
        self.named_model(name).map(|(_, model)| model)
    }

    pub(super) fn model_mut(&mut self, name: &Name) -> Result<&mut Model, Refusal> {
        self.models.get_mut(name).ok_or_else(|| Refusal::unknown("model", name))
    }
}

/// A price above zero: what costs nothing cannot be bought.
pub(super) fn check_price(price: u128) -> Result<(), Refusal> {
    let got = i128::try_from(price).unwrap_or(i128::MAX);
    within("price", got, 1, i128::MAX - 1)
}

pub(super) fn lines_from_shares(shares: &[RevenueShare]) -> Vec<RevenueLine> {
    let line =
        |share: &RevenueShare| RevenueLine { recipient: share.recipient, amount: share.amount.0 };
    shares.iter().map(line).collect()
}
