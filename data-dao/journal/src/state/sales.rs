//! Prices, keys, deposits, purchases, predictions.

use data_dao_ledger::{Amount, Cause, Name};
use data_dao_market::{Deposit, PredictionSale, Purchase, RevenueShare, RevenueTerms};
use privacy_identity::{Digest, Encode as _, Writer};

use super::queries::request_name;
use super::{LABEL_BYTES_MAX, State};
use crate::refusal::{same, same_list, text_within, within};
use crate::{
    ApiKey, Deposited, KeyIssued, Lot, Model, Predicted, Prediction, PredictionReserved,
    PredictionResolution, PredictionVoided, PriceSet, Purchased, Refusal, Reservation,
    ResolvedPrediction, RevenueLine,
};

impl State {
    pub(super) fn set_first_price(&mut self, body: &PriceSet) -> Result<(), Refusal> {
        let model = self.model_mut(&body.model)?;
        if model.price.is_some() {
            return Err(Refusal::PriceNeedsVote { model: body.model.to_string() });
        }
        check_price(body.price)?;
        model.price = Some(body.price);
        Ok(())
    }

    pub(super) fn issue_key(&mut self, body: &KeyIssued) -> Result<(), Refusal> {
        text_within("buyer", &body.buyer, LABEL_BYTES_MAX)?;
        if self.keys.contains_key(&body.key_id) {
            return Err(Refusal::exists("key", &body.key_id));
        }
        if self.key_hashes.contains_key(&body.key_hash) {
            return Err(Refusal::exists("key hash", body.key_hash));
        }
        let key = ApiKey {
            key_hash: body.key_hash,
            buyer: body.buyer.clone(),
            index: self.entries,
            lots: std::collections::BTreeMap::new(),
        };
        self.keys.insert(body.key_id.clone(), key);
        self.key_hashes.insert(body.key_hash, body.key_id.clone());
        Ok(())
    }

    pub(super) fn deposit(&mut self, body: &Deposited, now_ms: u64) -> Result<(), Refusal> {
        self.key_ref(&body.key_id)?;
        let cause = self.request_cause("deposit", &body.key_id, &body.idempotency_key)?;
        let deposit = Deposit {
            currency: self.dao().genesis.currency,
            buyer: body.key_id.clone(),
            amount: Amount(body.amount),
        };
        self.accounts.apply(&deposit.transfers(&cause), now_ms)?;
        let request = request_name(&body.key_id, &body.idempotency_key);
        self.requests.insert(request, self.entries);
        Ok(())
    }

    pub(super) fn purchase(&mut self, body: &Purchased, now_ms: u64) -> Result<(), Refusal> {
        let (key_id, key) = self.key_ref(&body.key_id)?;
        let (model_name, model) = self.named_model(&body.model)?;
        if model.delisted {
            return Err(Refusal::Delisted { model: body.model.to_string() });
        }
        let price =
            model.price.ok_or_else(|| Refusal::NoPrice { model: body.model.to_string() })?;
        same("price", &price, &body.price)?;
        let lots = key.lots(&body.model).len();
        // The state's own names: each text is in memory once.
        let purchase = Purchase {
            currency: self.dao().genesis.currency,
            buyer: key_id.clone(),
            model: model_name.clone(),
            lot: u32::try_from(lots).map_err(|_source| Refusal::exists("lot", u32::MAX))?,
            calls: body.calls,
            price,
        };
        let cause = self.request_cause("purchase", &body.key_id, &body.idempotency_key)?;
        self.accounts.apply(&purchase.transfers(&cause)?, now_ms)?;
        let index = self.entries;
        self.requests.insert(request_name(&body.key_id, &body.idempotency_key), index);
        if let Some(key) = self.keys.get_mut(&body.key_id) {
            let lots = key.lots.entry(purchase.model.clone()).or_default();
            lots.all.push(Lot { purchase, index });
        }
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
        self.key_ref(&body.key_id)?;
        let Some(lot) = self.next_lot(&body.key_id, &body.model, now_ms) else {
            let (key_id, model) = (body.key_id.to_string(), body.model.to_string());
            return Err(Refusal::NoCallsLeft { key_id, model });
        };
        same("price", &lot.purchase.price, &body.price)?;
        let mut cause = Writer::default();
        cause.text("prediction");
        self.dao().id.encode(&mut cause);
        body.prediction.encode(&mut cause);
        let sale = PredictionSale {
            currency: lot.purchase.currency,
            buyer: lot.purchase.buyer.clone(),
            model: lot.purchase.model.clone(),
            lot: lot.purchase.lot,
            price: Amount(lot.purchase.price),
            cause: Cause::of(&cause.into_bytes()),
        };
        self.accounts.apply(&sale.reserve(body.expires_at_ms), now_ms)?;
        let (version, expires_at_ms) = (body.version, body.expires_at_ms);
        let (index, treasury_percent) = (self.entries, self.dao().treasury_percent);
        let reservation = Reservation { sale, version, expires_at_ms, index, treasury_percent };
        self.reservations.insert(body.prediction, reservation);
        Ok(())
    }

    pub(super) fn settle_prediction(
        &mut self,
        body: &Predicted,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let reservation = self.reservation(&body.prediction)?;
        let Reservation { sale, version, treasury_percent, .. } = reservation;
        let (buyer, model) = (sale.buyer.clone(), sale.model.clone());
        same("price", &sale.price.0, &body.price)?;
        let (digest, terms) = self.revenue_terms(&sale.model, *version, *treasury_percent)?;
        same("model_digest", &digest, &body.model_digest)?;
        let settlement = sale.settle(&terms)?;
        same_list("lines", &lines_from_shares(&settlement.shares), &body.lines)?;
        self.accounts.apply(&settlement.transfers, now_ms)?;
        self.counts.predictions += 1;
        // Revenue was deposited first, and deposits fit 128 bits together.
        self.counts.revenue += body.price;
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

    fn revenue_terms(
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
        };
        Err(Refusal::PredictionResolved { prediction: *id, state })
    }

    fn resolve_prediction(&mut self, id: &Digest, resolution: PredictionResolution) {
        let removed = self.reservations.remove(id);
        if let Some(Reservation { index: reserved, treasury_percent, .. }) = removed {
            let index = self.entries;
            let resolved = ResolvedPrediction { resolution, reserved, index, treasury_percent };
            self.resolved.insert(Cause::of(&id.0), resolved);
        }
    }

    /// Passes over purchases all of whose calls were made: none of them comes back.
    fn pass_spent_lots(&mut self, key_id: &Name, model: &Name) {
        let open = self.keys.get(key_id).map_or(&[][..], |key| key.open_lots(model));
        let spent = |lot: &&Lot| self.accounts.account(&lot.purchase.account()).is_settled();
        let passed = open.iter().take_while(spent).count();
        if passed == 0 {
            return;
        }
        if let Some(lots) = self.keys.get_mut(key_id).and_then(|key| key.lots.get_mut(model)) {
            lots.spent += passed;
        }
    }

    /// The encoding of a buyer's request, if it was not booked before.
    fn request_cause(
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

    fn key_ref(&self, key_id: &Name) -> Result<(&Name, &ApiKey), Refusal> {
        self.keys.get_key_value(key_id).ok_or_else(|| Refusal::unknown("key", key_id))
    }

    fn named_model(&self, name: &Name) -> Result<(&Name, &Model), Refusal> {
        self.models.get_key_value(name).ok_or_else(|| Refusal::unknown("model", name))
    }

    fn model_ref(&self, name: &Name) -> Result<&Model, Refusal> {
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

fn lines_from_shares(shares: &[RevenueShare]) -> Vec<RevenueLine> {
    let line =
        |share: &RevenueShare| RevenueLine { recipient: share.recipient, amount: share.amount.0 };
    shares.iter().map(line).collect()
}
