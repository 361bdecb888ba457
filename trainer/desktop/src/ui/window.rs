//! The window as a whole.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use eframe::egui::{self, CentralPanel, Frame, Margin, Panel, RichText, ScrollArea, Ui};

use super::{
    consent_ui::consent_ui, data_ui::data_ui, drafts::Drafts, earnings_ui::earnings_ui,
    leave_ui::leave_ui, notice_ui::notice_ui, sent_ui::sent_ui, settings_ui::settings_ui,
    start_ui::start_ui, style, training_ui::training_ui, view::View, votes_ui::votes_ui,
};
use crate::{
    command::Command,
    desk::{Desk, Offer, Table},
    effect::Effect,
    news::News,
    screen::Screen,
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
    desk: Desk,
    words: Words,
    drafts: Drafts,
    news: Receiver<News>,
    effects: SyncSender<Effect>,
}

impl Window {
    /// A window over `settings`.
    ///
    /// * `ctx` — gets fonts and colours.
    /// * `news`, `effects` — to and from the runner.
    #[must_use]
    pub fn new(
        ctx: &egui::Context,
        settings: Settings,
        news: Receiver<News>,
        effects: SyncSender<Effect>,
    ) -> Self {
        style::set_up(ctx);
        let (words, drafts) = (Words::of(settings.language), Drafts::of(&settings));
        let (desk, first) = Desk::open(settings);
        let window = Self { desk, words, drafts, news, effects };
        window.perform(first);
        window
    }

    /// What the window knows.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Does what the person would do by hand: for the program's argument.
    pub fn act(&mut self, command: Command) {
        let effects = self.desk.act(command);
        self.perform(effects);
    }

    fn perform(&self, effects: Vec<Effect>) {
        for effect in effects {
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
        while let Ok(news) = self.news.try_recv() {
            if matches!(news, News::Table(_) | News::Picked(_)) {
                // The field shows the file that is looked at.
                self.drafts.path.clone_from(&path_of(&news));
            }
            let erased = matches!(news, News::Erased);
            let effects = self.desk.apply(news);
            if erased {
                self.drafts = Drafts::of(&self.desk.settings);
            }
            self.perform(effects);
        }
    }

    /// Draws one frame.
    pub fn show(&mut self, ui: &mut Ui) {
        self.hear();
        style::apply(ui.ctx(), self.desk.settings.look);
        let language = self.desk.settings.language;
        let view = View::new(&self.desk, &self.words);
        let side = Frame::side_top_panel(ui.style()).inner_margin(Margin::symmetric(14, 8));
        Panel::left("navigation").frame(side).resizable(false).exact_size(200.0).show(ui, |ui| {
            navigation_ui(ui, &view);
        });
        let frame = Frame::central_panel(ui.style()).inner_margin(Margin::symmetric(24, 18));
        CentralPanel::default().frame(frame).show(ui, |ui| {
            notice_ui(ui, &view);
            screen_ui(ui, &view, &mut self.drafts);
        });
        for command in view.into_commands() {
            self.act(command);
        }
        if self.desk.settings.language != language {
            self.words = Words::of(self.desk.settings.language);
        }
    }

    /// Remembers how large the window is.
    pub fn placed(&mut self, size: egui::Vec2) {
        let place = &mut self.desk.settings.place;
        (place.width, place.height) = (size.x, size.y);
    }

    /// What is to be written when the window closes.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.desk.settings
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
        self.perform(vec![Effect::Save(Box::new(self.desk.settings.clone())), Effect::Stop]);
    }
}

fn path_of(news: &News) -> String {
    match news {
        News::Table(preview) => preview.path().display().to_string(),
        News::Picked(path) => path.display().to_string(),
        _ => String::new(),
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
        Screen::Consent => desk.agreed(),
        _ => false,
    }
}
