//! What the person does, applied.

use std::path::{Path, PathBuf};

use datasets::Mapping;
use trainer_conditions::{Command as PaceCommand, Preferences, PreferencesForm};

use super::{Desk, ERASE_WORD, Key, Notice, Offer, Table};
use crate::{
    co_operative::Earned,
    command::{Backup, Command},
    devices::{DEVICES, Devices},
    effect::{Effect, Run},
    log_check::Claim,
    screen::Screen,
    secret::Secret,
    settings::HOLD_OUT_PERCENT_MAX,
    training::Running,
};

/// The longest public name, in bytes: what a request to join allows.
const LABEL_BYTES_MAX: usize = 64;

/// Most rounds that one look at the ledger checks: each is a question to the co-operative.
const CLAIMS_MAX: usize = 200;

impl Desk {
    /// Applies what the person does. Returns what has to be done for it.
    pub fn act(&mut self, command: Command) -> Vec<Effect> {
        match command {
            Command::Show(screen) => self.show(screen),
            Command::MakeKey(passphrase) => self.work_on_key(Effect::MakeKey(passphrase)),
            Command::RestoreKey(backup, passphrase) => self.restore(backup, passphrase),
            Command::Unlock(passphrase) => self.unlock(passphrase),
            Command::Protect { now, new } => self.protect(now, new),
            Command::BackUp(path, passphrase) => vec![Effect::BackUp(path, passphrase)],
            Command::WordsWritten => self.ask_words(true),
            Command::WordsAgain => self.ask_words(false),
            Command::ProveWords(answers) => self.prove(&answers),
            Command::Invite(text) => self.invite(text.trim().to_owned()),
            Command::ForgetInvitation => self.forget_invitation(),
            // These are for all desks.
            Command::Sit(_) | Command::JoinAnother | Command::GiveUpSeat => Vec::new(),
            Command::Browse(what) => vec![Effect::Browse(what)],
            Command::Preview(path) => self.preview(path),
            Command::Map(mapping) => self.map(*mapping),
            Command::HoldOut(percent) => {
                self.settings.hold_out_percent = percent.min(HOLD_OUT_PERCENT_MAX);
                self.save()
            }
            Command::Agree => self.agree(),
            Command::Withdraw => self.withdraw(),
            Command::AgreeToChange => self.agree_to_change(),
            Command::StayOut => self.stay_out(),
            Command::LookAgain => self.look_again(),
            Command::Start => self.start(),
            Command::Stop => self.stop(),
            Command::Pause(for_ms) => vec![Effect::Pace(PaceCommand::Pause { for_ms })],
            Command::Resume => vec![Effect::Pace(PaceCommand::Resume)],
            Command::Anyway => vec![Effect::Pace(PaceCommand::Anyway)],
            Command::Prefer(form) => self.prefer(*form),
            Command::System(system) => self.live_with(system),
            Command::Look(look) => {
                self.settings.look = look;
                self.save()
            }
            Command::Device(device) => self.compute_on(device),
            Command::CompareDevices => {
                self.devices = Devices::Comparing;
                vec![Effect::CompareDevices]
            }
            Command::Speak(language) => {
                self.settings.language = language;
                self.save()
            }
            Command::Name(name) => self.name(name),
            Command::Node(node) => {
                self.settings.node = node.trim().trim_end_matches('/').to_owned();
                [self.save(), self.refresh()].concat()
            }
            Command::Refresh => self.refresh(),
            Command::Export(path) => vec![Effect::Export(path)],
            Command::LookAtSealed(digest) => {
                self.sealed = None;
                digest.map(Effect::ReadSealed).into_iter().collect()
            }
            Command::ExportSealed(digest, path) => vec![Effect::ExportSealed(digest, path)],
            Command::Vote { proposal, choice } => {
                vec![Effect::Vote { node: self.settings.node.clone(), proposal, choice }]
            }
            Command::Delegate(to) => {
                vec![Effect::Delegate { node: self.settings.node.clone(), to }]
            }
            Command::Check => self.check(),
            Command::Erase { confirmed } => self.erase(&confirmed),
            Command::Dismiss => {
                self.notice = None;
                Vec::new()
            }
        }
    }

    /// What is none of the devices is not remembered: the trainer would not start.
    fn compute_on(&mut self, device: String) -> Vec<Effect> {
        if !DEVICES.contains(&&*device) {
            return Vec::new();
        }
        self.settings.device = device;
        self.save()
    }

    fn live_with(&mut self, system: crate::os::SystemSettings) -> Vec<Effect> {
        let autostart = system.autostart != self.settings.system.autostart;
        self.settings.system = system;
        let mut effects = self.save();
        effects.extend(autostart.then_some(Effect::Autostart(system.autostart)));
        effects
    }

    pub(super) fn save(&self) -> Vec<Effect> {
        vec![Effect::Save(Box::new(self.settings.clone()))]
    }

    fn show(&mut self, screen: Screen) -> Vec<Effect> {
        self.screen = screen;
        match screen {
            Screen::Sent => [vec![Effect::ReadSent], self.refresh()].concat(),
            Screen::Earnings | Screen::Votes => self.refresh(),
            _ => Vec::new(),
        }
    }

    fn work_on_key(&mut self, effect: Effect) -> Vec<Effect> {
        if !matches!(self.key, Key::Missing) {
            return Vec::new();
        }
        self.key = Key::Working;
        vec![effect]
    }

    /// A back-up takes the place of no key, or of one that nobody can unlock: never of one that is in use.
    fn restore(&mut self, backup: Backup, passphrase: Option<Secret>) -> Vec<Effect> {
        if !matches!(self.key, Key::Missing | Key::Locked { .. }) {
            return Vec::new();
        }
        self.notice = None;
        self.key = Key::Working;
        // In the place of a key that is there comes only the same.
        let member = self.settings.member.clone();
        vec![Effect::RestoreKey { backup, passphrase, member }]
    }

    fn unlock(&mut self, passphrase: Secret) -> Vec<Effect> {
        if !matches!(self.key, Key::Locked { .. }) {
            return Vec::new();
        }
        self.notice = None;
        self.key = Key::Working;
        vec![Effect::Unlock { passphrase, with_words: !self.settings.backed_up }]
    }

    /// The trainer holds the key's file while it runs.
    fn protect(&mut self, now: Option<Secret>, new: Option<Secret>) -> Vec<Effect> {
        if !matches!(self.key, Key::Ready { .. }) || self.training.running != Running::Off {
            return Vec::new();
        }
        self.notice = None;
        vec![Effect::Protect { now, new }]
    }

    fn ask_words(&mut self, ask: bool) -> Vec<Effect> {
        if let Key::Unsaved { asked, .. } = &mut self.key {
            *asked = ask;
        }
        Vec::new()
    }

    fn prove(&mut self, answers: &[String; 3]) -> Vec<Effect> {
        let positions = self.asked_words();
        let Key::Unsaved { member, words, asked: true } = &self.key else { return Vec::new() };
        let list: Vec<&str> = words.expose().split_whitespace().collect();
        let right = positions.iter().zip(answers).all(|(position, answer)| {
            list.get(*position).is_some_and(|word| *word == answer.trim().to_lowercase())
        });
        if !right {
            self.notice = Some(Notice::WordsWrong);
            return Vec::new();
        }
        self.notice = None;
        self.key = Key::Ready { member: member.clone() };
        self.settings.backed_up = true;
        self.save()
    }

    fn invite(&mut self, invitation: String) -> Vec<Effect> {
        if self.training.running != Running::Off {
            return Vec::new();
        }
        // Threat: a link on some page that puts its own federation in the place of the one that was joined.
        let known = self.settings.invitation.as_deref().filter(|_| self.settings.agreed.is_some());
        let same = federation_of(&invitation).is_some_and(|id| self.knows(id));
        if known.is_some() && !same {
            self.notice = Some(Notice::OtherFederation);
            return Vec::new();
        }
        self.notice = None;
        let offered = self.settings.changed.as_ref().map(|changed| changed.offered.as_str());
        if offered.is_some() && federation_of(&invitation) == offered {
            // What this federation has become: not joined, but agreed to or not.
            self.screen = Screen::Consent;
            return Vec::new();
        }
        self.settings.invitation = Some(invitation);
        self.ask_terms()
    }

    /// Asks what the invitation is to, as soon as there is a key: who asks has one, and would make it unseen.
    pub(super) fn ask_terms(&mut self) -> Vec<Effect> {
        let Some(invitation) = self.settings.invitation.clone() else { return Vec::new() };
        if self.member().is_none() {
            return Vec::new();
        }
        self.offer = Offer::Asking;
        vec![Effect::AskTerms(invitation)]
    }

    fn forget_invitation(&mut self) -> Vec<Effect> {
        self.offer = Offer::None;
        self.settings.invitation = None;
        self.settings.federation = None;
        self.settings.agreed = None;
        self.settings.changed = None;
        [self.stop(), self.save()].concat()
    }

    fn preview(&mut self, path: PathBuf) -> Vec<Effect> {
        if self.terms().is_none() {
            return Vec::new();
        }
        if self.settings.data.as_ref().is_some_and(|known| Path::new(known) != path) {
            // Other data have other columns.
            self.settings.mapping = Mapping::default();
        }
        let Some(terms) = self.terms() else { return Vec::new() };
        let (terms, mapping) = (Box::new(terms.clone()), self.settings.mapping.clone());
        let effect = Effect::Preview { path: path.clone(), terms, mapping };
        self.notice = None;
        self.table = Table::Reading(path);
        vec![effect]
    }

    fn map(&mut self, mapping: Mapping) -> Vec<Effect> {
        let Table::Read(preview) = &mut self.table else { return Vec::new() };
        **preview = preview.mapped(mapping.clone());
        self.settings.mapping = mapping;
        self.save()
    }

    fn agree(&mut self) -> Vec<Effect> {
        let Some(digest) = self.terms().map(|terms| terms.digest.clone()) else {
            return Vec::new();
        };
        self.settings.agreed = Some(digest);
        self.settings.joined = true;
        self.screen = Screen::Training;
        self.save()
    }

    fn withdraw(&mut self) -> Vec<Effect> {
        // Files of before had no word for it.
        self.settings.joined |= self.settings.agreed.is_some();
        self.settings.agreed = None;
        [self.stop(), self.save()].concat()
    }

    /// Threat: a consent to something that the person did not read. It is to the digest that came with what differs.
    fn agree_to_change(&mut self) -> Vec<Effect> {
        let (Some(invitation), Some(changed)) = (&self.settings.invitation, &self.settings.changed)
        else {
            return Vec::new();
        };
        let (invitation, terms) = (invitation.clone(), changed.offered.clone());
        let node = self.settings.node.clone();
        if node.is_empty() || self.consenting || self.training.running != Running::Off {
            return Vec::new();
        }
        self.notice = None;
        self.consenting = true;
        vec![Effect::Consent { invitation, node, terms }]
    }

    fn stay_out(&mut self) -> Vec<Effect> {
        if let Some(changed) = &mut self.settings.changed {
            changed.declined = true;
        }
        self.notice = None;
        self.save()
    }

    /// The trainer looks first: if other terms are still offered it says so and stops, and nothing is trained.
    fn look_again(&mut self) -> Vec<Effect> {
        let declined = self.settings.changed.take();
        self.screen = Screen::Training;
        let started = self.start();
        if started.is_empty() {
            // Something else lacks; what was decided is still decided.
            self.settings.changed = declined;
            return started;
        }
        [self.save(), started].concat()
    }

    fn start(&mut self) -> Vec<Effect> {
        if let Some(screen) = self.lacking() {
            self.screen = screen;
            return Vec::new();
        }
        let (Some(invitation), Table::Read(preview)) = (&self.settings.invitation, &self.table)
        else {
            return Vec::new();
        };
        if self.training.running != Running::Off {
            return Vec::new();
        }
        let run = Run {
            invitation: invitation.clone(),
            data: preview.path(),
            mapping: preview.mapping.clone(),
            hold_out_percent: self.settings.hold_out_percent,
            label: self.settings.label.clone(),
            device: self.settings.device.clone(),
        };
        self.notice = None;
        self.training.start();
        vec![Effect::Start(run)]
    }

    pub(super) fn stop(&mut self) -> Vec<Effect> {
        if self.training.running == Running::Off {
            return Vec::new();
        }
        self.training.running = Running::Stopping;
        vec![Effect::Stop]
    }

    fn prefer(&mut self, form: PreferencesForm) -> Vec<Effect> {
        match Preferences::new(form.clone()) {
            Ok(preferences) => {
                self.notice = None;
                self.settings.preferences = form;
                let mut effects = self.save();
                effects.push(Effect::Prefer(Box::new(preferences)));
                effects
            }
            Err(error) => {
                self.notice = Some(Notice::Preferences(error));
                Vec::new()
            }
        }
    }

    fn name(&mut self, name: String) -> Vec<Effect> {
        if name.len() > LABEL_BYTES_MAX {
            self.notice = Some(Notice::NameTooLong);
            return Vec::new();
        }
        self.settings.label = name;
        self.save()
    }

    pub(super) fn refresh(&self) -> Vec<Effect> {
        let (Some(terms), Some(member)) = (self.terms(), self.member()) else { return Vec::new() };
        let node = self.settings.node.clone();
        if node.is_empty() {
            return Vec::new();
        }
        vec![Effect::Ask { node, federation: terms.name.clone(), member: member.to_owned() }]
    }

    /// Checks what is on the screen, the newest rounds first.
    fn check(&self) -> Vec<Effect> {
        let (Some(said), Some(member)) = (&self.co_operative, self.member()) else {
            return Vec::new();
        };
        let claim = |earned: &Earned| Claim {
            index: earned.ledger_index,
            round: earned.round,
            member: member.to_owned(),
            credits: earned.credits.clone(),
        };
        let claims = said.rounds.iter().rev().take(CLAIMS_MAX).map(claim).collect();
        let (node, log_key) = (self.settings.node.clone(), self.settings.log_key.clone());
        vec![Effect::Check { node, log_key, claims }]
    }

    fn erase(&mut self, confirmed: &str) -> Vec<Effect> {
        if confirmed.trim() != ERASE_WORD {
            self.notice = Some(Notice::EraseUnconfirmed);
            return Vec::new();
        }
        let mut effects = self.stop();
        effects.push(Effect::Erase);
        effects
    }
}

/// What an invitation says of the federation; of one that is none, nothing.
pub(crate) fn federation_of(invitation: &str) -> Option<&str> {
    let (_, query) = invitation.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("federation="))
}
