//! The window with the session around it.

use std::collections::BTreeMap;

use eframe::egui::{self, ViewportCommand};

use super::{Glimpse, Said, Shown, Surroundings, Tell, Word};
use crate::{command::Command, seat::Seat, seats::Seats, ui::Window, words::Words};

/// A window that the session knows: its icon, its notifications, closing that hides.
pub struct Attended {
    window: Window,
    surroundings: Surroundings,
    seen: BTreeMap<Seat, Glimpse>,
    shown: Option<Shown>,
    hidden: bool,
    leaving: bool,
    /// Frames since the start, as far as they matter.
    frames: u8,
}

/// In which frames a window that starts hidden is hidden: eframe shows it after the first, whatever it was asked for.
const HIDING_FRAMES: std::ops::RangeInclusive<u8> = 1..=2;

impl Attended {
    /// A window and the session around it.
    ///
    /// * `hidden` — it was started hidden, with the session.
    #[must_use]
    pub fn new(window: Window, surroundings: Surroundings, hidden: bool) -> Self {
        let seen = glimpses(window.seats());
        Self { window, surroundings, seen, shown: None, hidden, leaving: false, frames: 0 }
    }

    /// The window.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// Takes news and words, tells the session what changed, and says what the window is to do.
    pub fn attend(&mut self, close_requested: bool) -> Vec<ViewportCommand> {
        self.window.hear();
        // While it is hidden, what is known of its events is from the last frame that was shown.
        let close_requested = close_requested && !self.hidden;
        let mut commands = Vec::new();
        while let Some(word) = self.surroundings.word() {
            commands.extend(self.obey(word));
        }
        if close_requested && !self.leaving {
            if self.can_hide() {
                self.hidden = true;
                // Where a window cannot be hidden (Wayland), it is at least out of the way.
                commands.extend([
                    ViewportCommand::CancelClose,
                    ViewportCommand::Minimized(true),
                    ViewportCommand::Visible(false),
                ]);
            } else {
                self.leaving = true;
            }
        }
        self.tell();
        commands
    }

    fn obey(&mut self, word: Word) -> Vec<ViewportCommand> {
        match word {
            Word::Open => self.open(),
            Word::Pause => {
                self.window.act(Command::Pause(None));
                Vec::new()
            }
            Word::Resume => {
                self.window.act(Command::Resume);
                Vec::new()
            }
            Word::Quit => {
                self.leaving = true;
                vec![ViewportCommand::Close]
            }
            Word::Invite(text) => {
                self.window.act(Command::Invite(text));
                self.window.act(Command::Show(crate::screen::Screen::Start));
                self.open()
            }
        }
    }

    fn open(&mut self) -> Vec<ViewportCommand> {
        self.hidden = false;
        vec![
            ViewportCommand::Visible(true),
            ViewportCommand::Minimized(false),
            ViewportCommand::Focus,
        ]
    }

    /// Whether closing hides: it is wanted, and something shows the icon that brings the window back.
    #[must_use]
    pub fn can_hide(&self) -> bool {
        let system = self.window.desk().settings.system;
        system.hide && system.tray && self.surroundings.tray_is_seen()
    }

    /// Whether it is hidden.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.hidden
    }

    fn tell(&mut self) {
        let (seats, words) = (self.window.seats(), self.window.words());
        let (now, system) = (glimpses(seats), seats.desk().settings.system);
        for (seat, glimpse) in now.iter().filter(|_| system.notify) {
            // What a federation that was joined just now has is no news.
            let Some(before) = self.seen.get(seat) else { continue };
            for said in glimpse.since(before) {
                let (summary, body) = text(&said, words);
                let name = seats.name(*seat).filter(|_| seats.count() > 1);
                let summary = name.map_or(summary.clone(), |name| format!("{name}: {summary}"));
                self.surroundings.tell(Tell::Notify { summary, body });
            }
        }
        let shown = system.tray.then(|| shown(&Glimpse::of_all(now.values()), words));
        if shown != self.shown {
            self.surroundings.tell(shown.clone().map_or(Tell::Hide, Tell::Show));
            self.shown = shown;
        }
        self.seen = now;
    }
}

fn glimpses(seats: &Seats) -> BTreeMap<Seat, Glimpse> {
    seats.all().map(|(seat, desk)| (seat, Glimpse::of(desk))).collect()
}

impl eframe::App for Attended {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if self.frames <= *HIDING_FRAMES.end() {
            if self.hidden && HIDING_FRAMES.contains(&self.frames) {
                ctx.send_viewport_cmd(ViewportCommand::Visible(false));
            }
            self.frames += 1;
            ctx.request_repaint();
        }
        let close_requested = ctx.input(|input| input.viewport().close_requested());
        for command in self.attend(close_requested) {
            ctx.send_viewport_cmd(command);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        eframe::App::ui(&mut self.window, ui, frame);
    }

    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        eframe::App::on_exit(&mut self.window, gl);
    }
}

fn shown(now: &Glimpse, words: &Words) -> Shown {
    let own = |key: &str| words.text(key).to_owned();
    // The condition and not its countdown: an icon that changes each second is a nuisance.
    let line = match now.pause {
        Some(reason) => {
            let condition = words.text(condition_key(reason.condition()));
            words.fill("tray_paused", &[("condition", condition)])
        }
        None => own(now.standing.key()),
    };
    Shown {
        standing: now.standing,
        line,
        open: own("tray_open"),
        pause: own("tray_pause"),
        resume: own("tray_resume"),
        quit: own("tray_quit"),
        pausable: now.is_pausable(),
        resumable: now.is_resumable(),
        revision: 0,
    }
}

fn text(said: &Said, words: &Words) -> (String, String) {
    let own = |key: &str| words.text(key).to_owned();
    match said {
        Said::Counted { round, value } => {
            let (round, value) = (round.to_string(), format!("{value:+.4}"));
            let holes = [("round", round.as_str()), ("value", value.as_str())];
            (own("said_counted_title"), words.fill("said_counted", &holes))
        }
        Said::Paid { credits } => {
            (own("said_paid_title"), words.fill("said_paid", &[("credits", credits)]))
        }
        Said::Paused(reason) => {
            let condition = words.text(condition_key(reason.condition()));
            (own("status_paused"), words.fill("tray_paused", &[("condition", condition)]))
        }
        Said::Locked => (own("unlock_title"), own("unlock_text")),
        Said::ConsentNeeded => (own("said_consent_title"), own("said_consent")),
        Said::Failed { reason } => (own("failed_trainer"), reason.clone()),
    }
}

const fn condition_key(condition: trainer_conditions::Condition) -> &'static str {
    use trainer_conditions::Condition as C;
    match condition {
        C::Owner => "condition_owner",
        C::Hours => "condition_hours",
        C::Disk => "condition_disk",
        C::Heat => "condition_heat",
        C::Battery => "condition_battery",
        C::Input => "condition_input",
        C::Load => "condition_load",
        C::Memory => "condition_memory",
        C::Network => "condition_network",
    }
}
