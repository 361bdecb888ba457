//! What the runner tells, applied.

use super::{Desk, Key, Notice, Offer, Table};
use crate::{
    changed_terms::ChangedTerms,
    devices::Devices,
    effect::Effect,
    news::{Failure, News},
    screen::Screen,
    secret::Secret,
    sent::Sent,
    terms::Terms,
    training::{Running, Training},
};

impl Desk {
    /// The co-operative took it: what it says is other now.
    fn counted(&mut self, notice: Notice) -> Vec<Effect> {
        self.notice = Some(notice);
        self.refresh()
    }

    /// Applies what happened. Returns what has to be done next.
    pub fn apply(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::KeyMissing
            | News::KeyLocked { .. }
            | News::Protection(_)
            | News::Protected(_)
            | News::Key { .. } => self.about_key(news),
            // Of another invitation, looked at before: what is agreed to must be what is joined.
            News::Terms { invitation, .. } | News::NoTerms { invitation, .. }
                if self.settings.invitation.as_ref() != Some(&invitation) =>
            {
                Vec::new()
            }
            News::Terms { terms, .. } => self.terms_are(*terms),
            News::NoTerms { reason, .. } => self.failed(Failure::Terms, reason),
            News::Consented(terms) => self.consented(*terms),
            News::Picked(path) => self.act(crate::command::Command::Preview(path)),
            News::Table(preview) => {
                self.settings.data = Some(preview.path().display().to_string());
                self.table = Table::Read(preview);
                self.save()
            }
            News::Unreadable(refusal) => {
                (self.table, self.screen) = (Table::None, Screen::Data);
                self.tell(Notice::Unreadable(refusal))
            }
            News::Trainer(event) if event["event"] == "terms-changed" => {
                self.training.apply(&event);
                self.terms_changed(&event)
            }
            News::Trainer(event) => {
                self.training.apply(&event);
                // Only while it is looked at: the co-operative has more members.
                let asked = event["event"] == "counted" && self.screen == Screen::Earnings;
                if asked { self.refresh() } else { Vec::new() }
            }
            News::TrainerEnded { error } => self.trainer_ended(error),
            News::Turn(_) | News::Pace(_) | News::Unwatched(_) => self.paced(news),
            News::Sent { lines, messages, bytes } => {
                self.sent = Sent { lines, messages, bytes };
                Vec::new()
            }
            News::Sealed(sealed) => {
                self.sealed = Some(*sealed);
                Vec::new()
            }
            News::Devices(compared) => {
                self.devices = Devices::Compared(compared);
                Vec::new()
            }
            News::Exported(path) => self.tell(Notice::Exported(path)),
            News::CoOperative(said) => {
                self.co_operative = Some(*said);
                Vec::new()
            }
            News::Voted { .. } => self.counted(Notice::Voted),
            News::Delegated => self.counted(Notice::Delegated),
            News::Checked(checked) => {
                // From now on this log, and no other that the address may lead to.
                self.settings.log_key = Some(checked.seen.log.clone());
                self.checked = Some(*checked);
                self.save()
            }
            News::Erased => {
                let kept = (self.settings.look, self.settings.language);
                *self = Self { key: Key::Missing, ..Self::default() };
                (self.settings.look, self.settings.language) = kept;
                self.tell(Notice::Erased)
            }
            News::Failed { what, reason } => self.failed(what, reason),
        }
    }

    fn paced(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::Turn(waits_for) => self.training.waits_for = waits_for,
            News::Pace(pace) => self.training.pace = Some(pace),
            News::Unwatched(conditions) => self.training.unwatched = conditions,
            // Everything else is applied elsewhere.
            _ => {}
        }
        Vec::new()
    }

    fn about_key(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::KeyMissing => {
                self.key = Key::Missing;
                self.settings.backed_up = false;
                Vec::new()
            }
            News::KeyLocked { wrong } => {
                (self.key, self.protected) = (Key::Locked { wrong }, true);
                self.screen = Screen::Start;
                Vec::new()
            }
            News::Protection(protected) => {
                self.protected = protected;
                Vec::new()
            }
            News::Protected(protected) => {
                self.protected = protected;
                self.tell(Notice::Protected(protected))
            }
            News::Key { member, words } => self.key_is(member, words),
            // Everything else is about something else.
            _ => Vec::new(),
        }
    }

    fn tell(&mut self, notice: Notice) -> Vec<Effect> {
        self.notice = Some(notice);
        Vec::new()
    }

    fn key_is(&mut self, member: String, words: Option<Secret>) -> Vec<Effect> {
        self.settings.member = Some(member.clone());
        self.key = match words {
            Some(words) if !self.settings.backed_up => Key::Unsaved { member, words, asked: false },
            _ => Key::Ready { member },
        };
        self.ask_terms()
    }

    fn terms_are(&mut self, terms: Terms) -> Vec<Effect> {
        let changed = self.settings.agreed.as_ref().is_some_and(|agreed| *agreed != terms.digest);
        if changed {
            // Nothing carries over: other terms are another consent.
            self.settings.agreed = None;
        }
        self.settings.federation = Some(terms.name.clone());
        self.offer = Offer::Here(Box::new(terms));
        let mut effects = self.save();
        if let Some(path) = self.settings.data.clone() {
            effects.extend(self.act(crate::command::Command::Preview(path.into())));
        }
        effects.extend(self.refresh());
        if changed {
            self.notice = Some(Notice::TermsChanged);
        }
        effects
    }

    /// The trainer stops by itself; what it would do next waits for the person.
    fn terms_changed(&mut self, event: &serde_json::Value) -> Vec<Effect> {
        let Some(changed) = ChangedTerms::from_event(event) else { return Vec::new() };
        self.settings.changed = Some(changed);
        self.save()
    }

    fn consented(&mut self, terms: Terms) -> Vec<Effect> {
        self.consenting = false;
        let offered = self.settings.changed.take().map(|changed| changed.offered);
        if offered.as_ref() == Some(&terms.digest) {
            self.settings.agreed = Some(terms.digest.clone());
        }
        let effects = self.terms_are(terms);
        self.screen = Screen::Training;
        if self.agreed() {
            self.notice = Some(Notice::Consented);
        }
        effects
    }

    fn trainer_ended(&mut self, error: Option<String>) -> Vec<Effect> {
        let told = self.training.running == Running::Stopping;
        self.training.running = Running::Off;
        (self.training.pace, self.training.waits_for) = (None, None);
        self.notice = match error.filter(|_| !told) {
            // Not an error: it waits for the person, who is told what differs.
            Some(_) if self.settings.changed.is_some() => Some(Notice::TermsOffered),
            Some(reason) => Some(Notice::Failed { what: Failure::Trainer, reason }),
            None => self.notice.take(),
        };
        vec![Effect::ReadSent]
    }

    fn failed(&mut self, what: Failure, reason: String) -> Vec<Effect> {
        match what {
            // One that was there could not be looked at: it is there still.
            Failure::Key if self.settings.member.is_some() => self.key = Key::Unknown,
            Failure::Key => self.key = Key::Missing,
            // What was there is there still.
            Failure::Passphrase if matches!(self.key, Key::Working) => {
                self.key = Key::Locked { wrong: false };
            }
            Failure::Passphrase => {}
            Failure::Terms => {
                // It stays among the settings: a coordinator that does not answer now may later.
                self.offer = Offer::None;
                self.screen = Screen::Start;
            }
            Failure::Table => {
                self.table = Table::None;
                self.screen = Screen::Data;
            }
            Failure::Trainer => self.training = Training::default(),
            Failure::Consent => self.consenting = false,
            Failure::Check => self.checked = None,
            Failure::Devices => self.devices = Devices::Unknown,
            Failure::Settings
            | Failure::Sent
            | Failure::Vote
            | Failure::Delegation
            | Failure::Erase => {}
            Failure::CoOperative => self.co_operative = None,
        }
        self.notice = Some(Notice::Failed { what, reason });
        Vec::new()
    }
}
