//! The window as a whole.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use eframe::egui::{self, CentralPanel, Frame, Margin, Panel, RichText, ScrollArea, Ui};

use super::{
    consent_ui::consent_ui, data_ui::data_ui, drafts::Drafts, earnings_ui::earnings_ui,
    leave_ui::leave_ui, notice_ui::notice_ui, seats_ui::seats_ui, sent_ui::sent_ui,
    settings_ui::settings_ui, start_ui::start_ui, style, training_ui::training_ui, view::View,
    votes_ui::votes_ui,
};
use crate::{
    command::Command,
    desk::{Desk, Offer, Table},
    effect::Effect,
    news::News,
    screen::Screen,
    seat::Seat,
    seats::{Seats, ToDo},
    settings::Settings,
    training::Running,
    words::Words,
};

/// A column that is wider is hard to read.
const COLUMN_WIDTH: f32 = 860.0;

/// Room for the line under the navigation that says whether it trains.
const STATUS_HEIGHT: f32 = 40.0;

/// The window: draws the desk, passes on what the person does and what the runner tells.
pub struct Window {
    seats: Seats,
    words: Words,
    drafts: Drafts,
    news: Receiver<(Seat, News)>,
    effects: SyncSender<(Seat, Effect)>,
}

impl Window {
    /// A window over the settings of each federation.
    ///
    /// * `ctx` — gets fonts and colours.
    /// * `news`, `effects` — to and from the runner.
    #[must_use]
    pub fn new(
        ctx: &egui::Context,
        settings: Vec<(Seat, Settings)>,
        news: Receiver<(Seat, News)>,
        effects: SyncSender<(Seat, Effect)>,
    ) -> Self {
        style::set_up(ctx);
        let (seats, first) = Seats::open(settings);
        let settings = &seats.desk().settings;
        let (words, drafts) = (Words::of(settings.language), Drafts::of(settings));
        let window = Self { seats, words, drafts, news, effects };
        window.perform(first);
        window
    }

    /// What the window knows of the federation that is looked at.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        self.seats.desk()
    }

    /// What it knows of all federations.
    #[must_use]
    pub const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Does what the person would do by hand: for the program's argument.
    pub fn act(&mut self, command: Command) {
        let at = self.seats.at();
        let to_do = self.seats.act(command);
        self.perform(to_do);
        if self.seats.at() != at {
            self.drafts = Drafts::of(&self.seats.desk().settings);
        }
    }

    fn perform(&self, to_do: ToDo) {
        for effect in to_do {
            match self.effects.try_send(effect) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                // The runner is behind by more than a person can click: this click is lost, and can be made again.
                Err(TrySendError::Full(_)) => {}
            }
        }
    }

    /// Its words, in the person's language.
    pub(crate) const fn words(&self) -> &Words {
        &self.words
    }

    /// Takes what the runner told since the last frame.
    pub(crate) fn hear(&mut self) {
        while let Ok((seat, news)) = self.news.try_recv() {
            let here = self.seats.at() == seat;
            if here && let Some(path) = path_of(&news, &self.drafts.path) {
                self.drafts.path = path;
            }
            let erased = here && matches!(news, News::Erased);
            let to_do = self.seats.apply(seat, news);
            if erased {
                self.drafts = Drafts::of(&self.seats.desk().settings);
            }
            self.perform(to_do);
        }
    }

    /// Draws one frame.
    pub fn show(&mut self, ui: &mut Ui) {
        self.hear();
        let Settings { look, language, .. } = self.desk().settings;
        style::apply(ui.ctx(), look);
        let view = View::new(&self.seats, &self.words);
        let side = Frame::side_top_panel(ui.style()).inner_margin(Margin::symmetric(14, 8));
        Panel::left("navigation").frame(side).resizable(false).exact_size(200.0).show(ui, |ui| {
            navigation_ui(ui, &view);
        });
        let frame = Frame::central_panel(ui.style()).inner_margin(Margin::symmetric(24, 18));
        CentralPanel::default().frame(frame).show(ui, |ui| {
            // A notice that comes or goes makes no other widgets of those below it, which the person may be using.
            ui.scope(|ui| notice_ui(ui, &view));
            screen_ui(ui, &view, &mut self.drafts);
        });
        for command in view.into_commands() {
            self.act(command);
        }
        let now = self.desk().settings.language;
        if now != language {
            self.words = Words::of(now);
        }
    }

    /// Remembers how large the window is.
    pub fn placed(&mut self, size: egui::Vec2) {
        self.seats.placed(size.x, size.y);
    }
}

impl eframe::App for Window {
    /// Also while the window is hidden, when nothing is drawn: else news would pile up until the trainer waited for them, and heard
    /// no word to pause.
    fn logic(&mut self, _ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.hear();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let size = ui.ctx().input(|input| input.viewport().inner_rect.map(|rect| rect.size()));
        if let Some(size) = size {
            // In points of the unscaled window, in which it is asked for at the next start.
            let zoom = ui.ctx().zoom_factor();
            self.placed(size * zoom);
        }
        self.show(ui);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.perform(self.seats.close());
    }
}

/// What the field of the data says from now on: the file that was picked, or that is looked at. What the person is typing stays,
/// whatever was read meanwhile.
fn path_of(news: &News, typed: &str) -> Option<String> {
    match news {
        News::Table(preview) if typed.is_empty() => Some(preview.path().display().to_string()),
        News::Picked(path) => Some(path.display().to_string()),
        _ => None,
    }
}

fn screen_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    // Each screen remembers how far it was scrolled, and none begins where another one was left.
    let scroll = ScrollArea::vertical().id_salt(view.desk.screen.key());
    scroll.auto_shrink([false, false]).show(ui, |ui| {
        ui.set_max_width(ui.available_width().min(COLUMN_WIDTH));
        match view.desk.screen {
            Screen::Start => start_ui(ui, view, drafts),
            Screen::Data => data_ui(ui, view, drafts),
            Screen::Consent => consent_ui(ui, view, drafts),
            Screen::Training => training_ui(ui, view),
            Screen::Sent => sent_ui(ui, view, drafts),
            Screen::Earnings => earnings_ui(ui, view, drafts),
            Screen::Votes => votes_ui(ui, view, drafts),
            Screen::Settings => settings_ui(ui, view, drafts),
            Screen::Leave => leave_ui(ui, view, drafts),
        }
    });
}

fn navigation_ui(ui: &mut Ui, view: &View<'_>) {
    ui.add_space(14.0);
    ui.label(RichText::new("Sahakar").size(22.0).strong().color(style::ACCENT));
    ui.label(RichText::new(view.t("tagline")).weak().small());
    seats_ui(ui, view);
    ui.add_space(10.0);
    // At 200 % not all of them fit on a small screen.
    let room = (ui.available_height() - STATUS_HEIGHT).max(STATUS_HEIGHT);
    ScrollArea::vertical().max_height(room).show(ui, |ui| {
        let left = egui::Layout::top_down_justified(egui::Align::LEFT);
        ui.with_layout(left, |ui| {
            for screen in Screen::ALL {
                screen_button_ui(ui, view, screen);
            }
        });
    });
    status_ui(ui, view);
}

fn screen_button_ui(ui: &mut Ui, view: &View<'_>, screen: Screen) {
    let here = view.desk.screen == screen;
    let name = view.words.text(screen.key());
    let text = if is_done(view.desk, screen) { format!("{name}  •") } else { name.to_owned() };
    if ui.add(egui::Button::selectable(here, RichText::new(text).size(15.5))).clicked() {
        view.send(Command::Show(screen));
    }
}

fn status_ui(ui: &mut Ui, view: &View<'_>) {
    ui.with_layout(egui::Layout::bottom_up(egui::Align::LEFT), |ui| {
        ui.add_space(10.0);
        let (text, colour) = match view.desk.training.running {
            Running::Off => (view.t("status_off"), ui.visuals().weak_text_color()),
            Running::Stopping => (view.t("status_stopping"), ui.visuals().weak_text_color()),
            Running::On
                if matches!(view.desk.training.pace, Some(trainer_conditions::Pace::Pause(_))) =>
            {
                (view.t("status_paused"), ui.visuals().text_color())
            }
            Running::On => (view.t("status_on"), style::good(ui.visuals().dark_mode)),
        };
        ui.label(RichText::new(text).color(colour));
    });
}

/// Whether the steps of the beginning are done.
fn is_done(desk: &Desk, screen: Screen) -> bool {
    match screen {
        Screen::Start => {
            matches!(desk.offer, Offer::Here(_))
                && matches!(desk.key, crate::desk::Key::Ready { .. })
        }
        Screen::Data => {
            matches!(&desk.table, Table::Read(preview) if preview.rows_that_fit().is_some())
        }
        Screen::Consent => desk.agreed() && desk.settings.changed.is_none(),
        _ => false,
    }
}
