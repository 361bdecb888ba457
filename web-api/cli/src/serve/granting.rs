//! Leave to run the next round: who, from which model, and what it costs of the privacy budget.
//!
//! A round is of everybody who may take part (or of whom the terms' rule draws) from the newest model; or, where the terms
//! have a buffer, of those who are done with training from one of the last models ([`super::buffer`]).

use std::sync::{MutexGuard, PoisonError};

use aggregator_protocol::{
    CohortEpoch, DaoReply, ModelOffer, ModelTrained, Refusal, RoundGrant, RoundId,
};
use aggregator_round::{control_digest, round_loss_micro, with_control};
use aggregator_strategy::{Draw, VrfPublicKey};
use anyhow::Context as _;
use data_dao_journal::{Body, Federation, RoundOpened};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};

use super::{
    buffer::{Buffer, Moment, Setting, Word},
    cohort::{self, Invited},
    control, custodians, draws,
    round_service::{GRANT_FILE, RoundService},
};
use crate::process::running_ms;

/// How soon the coordinator may ask again while the federation waits for members, in milliseconds.
const MEMBERS_RETRY_MS: u64 = 100;
const WAIT: DaoReply = DaoReply::Wait { retry_ms: MEMBERS_RETRY_MS };

/// From what a round starts.
struct Start {
    model: Digest,
    cohort: Vec<VerifyingKey>,
    draw_keys: Vec<VrfPublicKey>,
    control: Option<Digest>,
    cohort_epoch: Option<CohortEpoch>,
    /// The model as it travels; empty where members have it.
    payload: Vec<u8>,
}

impl RoundService {
    pub(super) async fn grant(&self) -> anyhow::Result<DaoReply> {
        if let Some(open) = self.federation(|f| f.open_round().copied())? {
            return self.granted_again(RoundId(open.round)).await;
        }
        let (settled, opened, next) = self.federation(|f| {
            let next = f.last_round().map_or(0, |last| last + 1);
            (f.settled().len(), f.opened_under_terms(), next)
        })?;
        self.keep_time().await?;
        if let Some(reason) = self.end()? {
            return Ok(self.finished(reason, settled as u64));
        }
        let terms = self.terms.unverified_body();
        let epsilon_micro = round_loss_micro(terms, opened)?;
        let Some(invited) = self.invited()? else { return Ok(WAIT) };
        let start = match terms.buffer {
            None => self.start_of_all(next, &invited)?,
            Some(_) => self.start_of_done(&invited)?,
        };
        let Some(start) = start else { return Ok(WAIT) };
        let of_before = self
            .federation_and_keys(|known| draws::admitted_before_the_model(known, &start.cohort))?;
        let (of_round, members) = ((next, &start.model), (&*start.cohort, &*of_before));
        let custodians = custodians::drawn(&self.vault, terms, of_round, members)?;
        let cohort_size = u32::try_from(start.cohort.len()).context("cohort")?;
        let grant = RoundGrant {
            dao: terms.dao,
            federation: terms.id(),
            round: RoundId(next),
            model: start.model,
            cohort: start.cohort,
            draw_keys: start.draw_keys,
            custodians,
            cohort_epoch: start.cohort_epoch,
            control: start.control,
        };
        let opened = RoundOpened {
            federation: self.name.clone(),
            round: next,
            model: grant.model,
            cohort_size,
            epsilon_micro,
        };
        let grant = Signed::new(grant, Tag::RoundGrant, &self.key);
        self.vault.keep(GRANT_FILE, &grant)?;
        if !self.append_unless_refused(vec![Body::RoundOpened(opened)]).await? {
            return Ok(WAIT);
        }
        // ε may have been topped up after the model was sold.
        self.released.store(false, std::sync::atomic::Ordering::Relaxed);
        Ok(DaoReply::Granted { grant: Box::new(grant), model: start.payload })
    }

    /// Who may take part now, and the key of their models; nothing while members are waited for.
    fn invited(&self) -> anyhow::Result<Option<Invited>> {
        let members = self.members();
        if members.len() < self.config.federation.start_members as usize
            || self.waits_for_members(members.len())?
        {
            return Ok(None);
        }
        let since_join_ms =
            running_ms().saturating_sub(self.joined_ms.load(std::sync::atomic::Ordering::Relaxed));
        let terms = self.terms.unverified_body();
        Invited::now(&self.vault, terms, members, &self.key, since_join_ms)
    }

    /// A round of all, or of whom the rule draws, from the newest model.
    fn start_of_all(&self, next: u64, invited: &Invited) -> anyhow::Result<Option<Start>> {
        let terms = self.terms.unverified_body();
        let wire = self.current_wire()?;
        let model = Digest::of(Tag::Model, &wire);
        let draw = Draw { federation: terms.id(), round: next, beacon: model };
        let eligible =
            self.federation_and_keys(|known| draws::eligible(terms, known, &invited.cohort))?;
        let (cohort, draw_keys) = draws::invited(&self.vault, terms, &draw, &eligible)?;
        if !self.is_enough(cohort.len())? {
            self.say_who_is_late((eligible.len(), invited.cohort.len()));
            return Ok(None);
        }
        let last = self.last_step()?;
        let place = (RoundId(next), last.as_ref());
        let admitted = self.federation(|f| f.members().len())?;
        let control = control::hand_out(&self.vault, terms, place, admitted)?;
        let payload = with_control(wire, control.as_deref());
        let context = (RoundId(next), model);
        let (cohort_epoch, payload) = invited.seal(&self.vault, context, payload)?;
        let control = control.as_deref().map(control_digest);
        Ok(Some(Start { model, cohort, draw_keys, control, cohort_epoch, payload }))
    }

    /// A round of those who trained from one version and are done.
    fn start_of_done(&self, invited: &Invited) -> anyhow::Result<Option<Start>> {
        let Some(setting) = self.setting()? else { return Ok(None) };
        let moment = self.moment()?;
        let group = self.buffer().next_group(&invited.cohort, &setting, moment);
        let Some(group) = group else { return Ok(None) };
        if !self.is_enough(group.members.len())? {
            return Ok(None);
        }
        Ok(Some(Start {
            model: group.model,
            cohort: group.members,
            draw_keys: Vec::new(),
            control: None,
            cohort_epoch: invited.epoch(),
            payload: Vec::new(),
        }))
    }

    /// Says why a federation with members enough stands still: a draw is from those who were there before its model, and there are
    /// too few of them until another round settles. That takes back who left, or a vote for terms without a draw.
    fn say_who_is_late(&self, (eligible, members): (usize, usize)) {
        let minimum = self.terms.unverified_body().contributions_min();
        if eligible < minimum && members >= minimum {
            let late = members - eligible;
            let reason = format!(
                "a round needs {minimum} contributors who were admitted before the newest model, there are {eligible}; \
                 {late} came later and can be drawn once a round has settled"
            );
            self.still.say(&self.name, Some(reason));
        }
    }

    fn is_enough(&self, cohort: usize) -> anyhow::Result<bool> {
        let minimum = self.terms.unverified_body().contributions_min();
        Ok(cohort >= minimum && !self.waits_for_members(cohort)?)
    }

    /// The newest model in its wire form.
    fn current_wire(&self) -> anyhow::Result<Vec<u8>> {
        let model = self.current_model()?;
        Ok(trainer_model::model_to_wire(self.evaluator.architecture(), &model))
    }

    /// The answer was lost: the same grant again. Without it on disk, nobody ever saw it.
    async fn granted_again(&self, round: RoundId) -> anyhow::Result<DaoReply> {
        let kept: Option<Signed<RoundGrant>> = self.vault.record(GRANT_FILE)?;
        let terms = self.terms.unverified_body().id();
        if let Some(grant) = kept
            && grant.unverified_body().round == round
            // Members voted for other terms meanwhile: nobody answers for a round of the former.
            && grant.unverified_body().federation == terms
            && let Some(model) = self.sealed_again(round)?
        {
            return Ok(DaoReply::Granted { grant: Box::new(grant), model });
        }
        self.abort(round, "its grant was lost, or is of former terms".to_owned()).await
    }

    /// What was sealed for the open round, or what travels as it is.
    fn sealed_again(&self, round: RoundId) -> anyhow::Result<Option<Vec<u8>>> {
        let terms = self.terms.unverified_body();
        if terms.buffer.is_some() {
            return Ok(Some(Vec::new()));
        }
        let control = control::handed_out(&self.vault, terms, round)?;
        let wire = self.current_wire()?;
        cohort::sealed_again(&self.vault, terms, with_control(wire, control.as_deref()))
    }

    /// The newest model, for a member that trains at its own pace.
    pub(super) fn offer(&self) -> anyhow::Result<DaoReply> {
        let terms = self.terms.unverified_body();
        if terms.buffer.is_none() {
            return Ok(DaoReply::Refused(Refusal::Unexpected));
        }
        let version = self.moment()?.newest;
        if let Some(reason) = self.end()? {
            return Ok(self.finished(reason, version));
        }
        let Some(invited) = self.invited()? else { return Ok(WAIT) };
        let newest = self.federation(Federation::model)?;
        let offer = ModelOffer {
            dao: terms.dao,
            federation: terms.id(),
            version,
            model: newest.unwrap_or_else(|| self.initial_digest()),
            cohort_epoch: invited.epoch(),
        };
        let mut buffer = self.buffer();
        let (offer, model) = match buffer.offered(&offer) {
            Some(offered) => offered,
            None => {
                let wire = self.current_wire()?;
                let model = invited.seal_offered((version, offer.model), wire)?;
                let offer = Signed::new(offer, Tag::ModelOffer, &self.key);
                buffer.offer(offer.clone(), model.clone());
                (offer, model)
            }
        };
        Ok(DaoReply::Model { offer: Box::new(offer), model })
    }

    /// Hears that a member waits with what it trained.
    pub(super) fn trained(&self, trained: Signed<ModelTrained>) -> anyhow::Result<DaoReply> {
        let terms = self.terms.unverified_body();
        let Some(setting) = self.setting()? else {
            return Ok(DaoReply::Refused(Refusal::Unexpected));
        };
        let Ok(verified) = trained.verify(Tag::ModelTrained) else {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        };
        let (member, body) = (*verified.signer(), verified.body());
        if body.federation != terms.id() {
            return Ok(DaoReply::Refused(Refusal::WrongFederation));
        }
        let moment = self.moment()?;
        if let Some(reason) = self.end()? {
            return Ok(self.finished(reason, moment.newest));
        }
        if self.members().binary_search(&member).is_err() {
            return Ok(DaoReply::Refused(Refusal::Stranger));
        }
        let initial = self.initial_digest();
        let named = self.federation(|f| model_of(f, initial, body.version))?;
        // Threat: a member that says a newer version than it trained from, to weigh more: it then takes part in the
        // round of that version's model, bound to it, and is worth what its update is worth there.
        if named != Some(body.model) {
            return Ok(DaoReply::Refused(Refusal::WrongModel));
        }
        if self.is_in_open_round(&member)? {
            return Ok(DaoReply::TrainedTaken);
        }
        let said = (body.version, body.model);
        Ok(match self.buffer().hear(member, said, &setting, moment) {
            Word::Taken => DaoReply::TrainedTaken,
            Word::Stale => DaoReply::Refused(Refusal::Stale),
        })
    }

    /// The digest of the model before all rounds.
    fn initial_digest(&self) -> Digest {
        trainer_model::model_digest(self.evaluator.architecture(), &self.initial)
    }

    /// Whether `member` is invited to the open round: then what it waits with is for that.
    fn is_in_open_round(&self, member: &VerifyingKey) -> anyhow::Result<bool> {
        let open = self.federation(|f| f.open_round().map(|open| open.round))?;
        let Some(open) = open else { return Ok(false) };
        let grant: Option<Signed<RoundGrant>> = self.vault.record(GRANT_FILE)?;
        Ok(grant.is_some_and(|grant| {
            let grant = grant.unverified_body();
            grant.round.0 == open && grant.cohort.binary_search(member).is_ok()
        }))
    }

    fn setting(&self) -> anyhow::Result<Option<Setting>> {
        let terms = self.terms.unverified_body();
        let voted = self.federation(|f| f.policy().minimum_cohort as usize)?;
        Ok(terms.buffer.map(|rule| Setting {
            rule,
            minimum: voted.max(terms.minimum_cohort as usize),
            patience_ms: terms.round_deadline_ms,
        }))
    }

    fn moment(&self) -> anyhow::Result<Moment> {
        let newest = self.federation(|f| f.settled().len() as u64)?;
        Ok(Moment { newest, now_ms: running_ms() })
    }

    /// Nothing is awaited while it is held.
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model that was the newest when so many rounds were settled.
fn model_of(federation: &Federation, initial: Digest, version: u64) -> Option<Digest> {
    match version.checked_sub(1) {
        None => Some(initial),
        Some(place) => {
            let settled = federation.settled().get(usize::try_from(place).ok()?)?;
            Some(settled.model_after)
        }
    }
}
