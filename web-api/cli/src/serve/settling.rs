//! What the DAO node does by itself as time passes: pay becomes final, and then the model is sold.
//!
//! ```text
//!  round settled ─► its challenge window ends ─► RoundPosted ─┐
//!  rounds are over: all settled, ε is spent, or nothing gets  │
//!  better any more (RoundsEnded) ─────────────────────────────┴─► ModelReleased, PriceSet
//! ```

use std::sync::atomic::Ordering;

use aggregator_protocol::{DaoReply, EndReason, FederationEnd};
use aggregator_round::round_loss_micro;
use anyhow::Context as _;
use data_dao_journal::{
    Body, Federation, LIST_MAX, ModelReleased, PricePolicySet, PriceSet, RoundPosted, RoundsEnded,
    ValidationRevealed,
};
use data_dao_ledger::Name;
use data_dao_store::AppendError;
use privacy_identity::{Digest, Signed, Tag};
use serde_json::json;

use super::round_service::RoundService;
use crate::process::now_ms;

/// How often the node looks whether something is due, in milliseconds.
pub(super) const ADVANCE_EVERY_MS: u64 = 100;

/// Where a federation stands between rounds.
struct Standstill {
    settled: usize,
    opened: u64,
    /// If early stopping ended it.
    best_round: Option<u64>,
    /// The one that is sold when no more rounds start.
    model: Digest,
    test_accuracy_ppm: Option<u32>,
    epsilon_left: Option<u64>,
}

impl RoundService {
    /// Posts the pay of rounds that nobody can challenge any more; when the last one is final and no
    /// more rounds start, puts the model into the catalogue. May be called at any time, any number
    /// of times.
    pub(super) async fn advance(&self) -> anyhow::Result<()> {
        self.reveal_due().await?;
        self.post_due().await?;
        if self.released.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.release().await
    }

    /// Appends, or returns false: what members decided fell due since this node looked, and the ledger refuses it. It is
    /// looked at again, as no decision of theirs may end the node.
    pub(super) async fn append_unless_refused(&self, bodies: Vec<Body>) -> anyhow::Result<bool> {
        match self.store.append(now_ms(), bodies).await {
            Ok(_) => Ok(true),
            Err(AppendError::Refused { refusal, .. }) => {
                tracing::warn!("the ledger refuses what was due before: {refusal}");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Names the place of the validation set when the ledger waits for it.
    async fn reveal_due(&self) -> anyhow::Result<()> {
        let Some(url) = &self.config.federation.reveal_url else { return Ok(()) };
        let commitment =
            |f: &Federation| f.is_reveal_overdue().then(|| f.opened().validation_commitment);
        let Some(digest) = self.federation(commitment)? else { return Ok(()) };
        let revealed =
            ValidationRevealed { federation: self.name.clone(), digest, url: url.clone() };
        if self.append_unless_refused(vec![Body::ValidationRevealed(revealed)]).await? {
            self.events.emit(json!({"event": "revealed", "url": url}));
        }
        Ok(())
    }

    async fn post_due(&self) -> anyhow::Result<()> {
        if self.payable()?.is_empty() {
            return Ok(());
        }
        // It may hold back what an objection no longer does.
        self.keep_time().await?;
        for (round, credits) in self.payable()? {
            let posted = RoundPosted { federation: self.name.clone(), round, credits };
            if !self.append_unless_refused(vec![Body::RoundPosted(posted)]).await? {
                return Ok(());
            }
            let credits = credits.to_string();
            self.events.emit(json!({"event": "posted", "round": round, "credits": credits}));
        }
        Ok(())
    }

    /// Rounds whose pay can be posted now, and how much it is.
    fn payable(&self) -> anyhow::Result<Vec<(u64, u128)>> {
        self.federation(|federation| {
            let due = federation.due(now_ms());
            due.map(|(round, challenge)| (round, challenge.credits())).collect()
        })
    }

    /// Lets what members decided until now happen, before this node looks at what it is to do.
    pub(super) async fn keep_time(&self) -> anyhow::Result<()> {
        let now_ms = now_ms();
        if self.store.view(|state| state.due(now_ms).is_some()) {
            self.store.append(now_ms, Vec::new()).await?;
        }
        Ok(())
    }

    /// Why no round starts any more; none if one may.
    pub(super) fn end(&self) -> anyhow::Result<Option<EndReason>> {
        let end = self.standstill()?.map_or(Ok(None), |standstill| self.ends_at(&standstill))?;
        let untaken = || self.tried.as_ref().map(|tried| tried.reason.clone());
        self.still.say(&self.name, end.map(|reason| reason.to_string()).or_else(untaken));
        Ok(end)
    }

    /// What is said to who asks for a round when there are no more.
    pub(super) fn finished(&self, reason: EndReason, settled: u64) -> DaoReply {
        let federation = self.terms.unverified_body().id();
        let end = FederationEnd { federation, settled, reason };
        DaoReply::Finished(Box::new(Signed::new(end, Tag::FederationEnd, &self.key)))
    }

    /// What goes into the ledger behind a round with which early stopping ends the federation.
    ///
    /// * `round` — its number and the model to which it led.
    pub(super) fn ended_by(
        &self,
        (round, model): (u64, Digest),
    ) -> anyhow::Result<Option<RoundsEnded>> {
        let Some(stopping) = self.vault.step(round, &model)?.stopping else { return Ok(None) };
        let Some(best_round) = stopping.best_round().filter(|_| stopping.is_exhausted()) else {
            return Ok(None);
        };
        let reason = EndReason::NoImprovement { best_round }.to_string();
        Ok(Some(RoundsEnded { federation: self.name.clone(), best_round, reason }))
    }

    /// Nothing while a round is open.
    fn standstill(&self) -> anyhow::Result<Option<Standstill>> {
        let found = self.store.view(|state| {
            let federation = state.federation(&self.name)?;
            let offered = federation.offered();
            let opened = federation.settled().len() as u64 + federation.aborted();
            Some(federation.open_round().is_none().then(|| Standstill {
                settled: federation.settled().len(),
                opened,
                best_round: federation.ending().map(|ending| ending.best_round),
                model: offered.map_or(Digest([0; Digest::LEN]), |round| round.model_after),
                test_accuracy_ppm: offered.and_then(|round| round.test_accuracy_ppm),
                epsilon_left: state.epsilon_micro_left(federation),
            }))
        });
        found.context("the federation is in the ledger since the node was founded")
    }

    fn ends_at(&self, standstill: &Standstill) -> anyhow::Result<Option<EndReason>> {
        if let Some(best_round) = standstill.best_round {
            return Ok(Some(EndReason::NoImprovement { best_round }));
        }
        if standstill.settled >= self.config.federation.rounds as usize {
            return Ok(Some(EndReason::AllRounds));
        }
        let Some(left) = standstill.epsilon_left else {
            return Ok(None);
        };
        // Promise 3: the ledger would refuse the round; nobody is invited to it.
        let next = round_loss_micro(self.terms.unverified_body(), standstill.opened)?;
        Ok(next.is_none_or(|next| next > left).then_some(EndReason::PrivacySpent))
    }

    async fn release(&self) -> anyhow::Result<()> {
        let Some(standstill) = self.standstill()? else {
            return Ok(());
        };
        let challenged = self.federation(|federation| !federation.challenges().is_empty())?;
        if standstill.settled == 0 || challenged || self.end()?.is_none() {
            return Ok(());
        }
        let model = Name::new(self.config.federation.model.clone())?;
        // Before the catalogue names it: whoever reads it there can ask it.
        (self.publish)(&self.vault.model(&standstill.model)?)?;
        let sold = self.store.view(|state| {
            let latest = state.model(&model)?.latest();
            Some((latest.version, latest.rounds))
        });
        // Rounds that came after a release, as ε was topped up, lead to another version.
        let is_new = sold.is_none_or(|(_, rounds)| rounds < standstill.settled as u64);
        let version = sold.map_or(1, |(version, _)| version.saturating_add(1));
        if is_new && !self.list_model(&standstill, (model, version)).await? {
            return Ok(());
        }
        self.released.store(true, Ordering::Relaxed);
        self.events.emit(json!({"event": "released", "model": self.config.federation.model}));
        Ok(())
    }

    /// Whether the ledger took it.
    async fn list_model(
        &self,
        standstill: &Standstill,
        (model, version): (Name, u32),
    ) -> anyhow::Result<bool> {
        let mut weights = self.store.view(|state| state.release_weights(&self.name))?;
        if weights.len() > LIST_MAX {
            // Everybody recomputes them; an entry has to fit a leaf.
            weights.clear();
        }
        let release = ModelReleased {
            model: model.clone(),
            version,
            digest: standstill.model,
            federation: self.name.clone(),
            rounds: standstill.settled as u64,
            test_accuracy_ppm: standstill.test_accuracy_ppm,
            weights,
        };
        let mut bodies = vec![Body::ModelReleased(release)];
        if version == 1 {
            // Afterwards the price is the members' to say.
            bodies.push(self.first_price(model)?);
        }
        self.append_unless_refused(bodies).await
    }

    /// The price that the configuration sets.
    fn first_price(&self, model: Name) -> anyhow::Result<Body> {
        let federation = &self.config.federation;
        Ok(match &federation.prices {
            None => Body::PriceSet(PriceSet { model, price: u128::from(federation.price) }),
            Some(prices) => {
                let policy = prices.policy(federation.price)?;
                Body::PricePolicySet(PricePolicySet { model, policy })
            }
        })
    }
}
