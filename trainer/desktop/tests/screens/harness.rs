//! A window without a screen, and what a person sees and does in it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use datasets::Mapping;
use egui_kittest::{Harness, kittest::Queryable as _};
use trainer_desktop::{Effect, News, Preview, Seat, Seats, Secret, Settings, Terms, Window};

pub(crate) struct Tested {
    pub(crate) harness: Harness<'static, Option<Window>>,
    news: SyncSender<(Seat, News)>,
    effects: Receiver<(Seat, Effect)>,
}

impl Tested {
    pub(crate) fn open(settings: Settings) -> Self {
        Self::open_all(vec![(Seat::FIRST, settings)])
    }

    pub(crate) fn open_all(settings: Vec<(Seat, Settings)>) -> Self {
        let (news, hears) = sync_channel(64);
        let (does, effects) = sync_channel(64);
        let mut parts = Some((settings, hears, does));
        let harness = Harness::builder().with_size([1_040.0, 1_800.0]).build_ui_state(
            move |ui, window: &mut Option<Window>| {
                let window = window.get_or_insert_with(|| {
                    let (settings, hears, does) = parts.take().unwrap();
                    Window::new(ui.ctx(), settings, hears, does)
                });
                window.show(ui);
            },
            None,
        );
        let mut tested = Self { harness, news, effects };
        tested.steps();
        tested
    }

    /// Spinners never settle: a few frames, not until nothing moves.
    pub(crate) fn steps(&mut self) {
        self.harness.run_steps(4);
    }

    /// Tells what happened at the federation that is looked at.
    pub(crate) fn tell(&mut self, news: News) {
        self.tell_at(self.seats().at(), news);
    }

    pub(crate) fn tell_at(&mut self, seat: Seat, news: News) {
        self.news.send((seat, news)).unwrap();
        self.steps();
    }

    pub(crate) fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.steps();
    }

    /// The first of several with this label.
    pub(crate) fn click_first(&mut self, label: &str) {
        self.harness.query_all_by_label(label).next().unwrap().click();
        self.steps();
    }

    pub(crate) fn type_into(&mut self, label: &str, text: &str) {
        let field = self.harness.get_by_label(label);
        field.focus();
        self.harness.run_steps(2);
        self.harness.get_by_label(label).type_text(text);
        self.steps();
    }

    pub(crate) fn sees(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }

    pub(crate) fn assert_sees(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.sees(part), "nothing says {part:?}");
        }
    }

    pub(crate) fn desk(&self) -> &trainer_desktop::Desk {
        self.harness.state().as_ref().unwrap().desk()
    }

    /// The effects since the last call.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.effects.try_iter().map(|(_, effect)| effect).collect()
    }

    /// The effects since the last call, and for which federation each is.
    pub(crate) fn to_do(&self) -> Vec<(Seat, Effect)> {
        self.effects.try_iter().collect()
    }

    pub(crate) fn seats(&self) -> &Seats {
        self.harness.state().as_ref().unwrap().seats()
    }
}

pub(crate) fn terms() -> Terms {
    serde_json::from_str(include_str!("../terms.json")).unwrap()
}

pub(crate) fn words() -> Secret {
    let words: Vec<String> = (1..=24).map(|number| format!("word{number}")).collect();
    Secret::new(words.join(" "))
}

/// What is said about a file of this name and text.
pub(crate) fn preview(name: &str, text: &str, mapping: Mapping) -> News {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    News::Table(Box::new(Preview::read(&path, &terms(), mapping).unwrap()))
}

/// A hundred rows under this header; `quality` is good in forty of them.
pub(crate) fn table(header: &str, good: &str) -> String {
    let columns = header.split(',').count() - 1;
    let row = |row: usize| {
        let label = if row < 60 { "ordinary" } else { good };
        format!("{}{label}\n", format!("9.4{row:02},").repeat(columns))
    };
    format!("{header}\n{}", (0..100).map(row).collect::<String>())
}

pub(crate) fn header() -> String {
    format!("{},quality", terms().features.join(","))
}

pub(crate) fn fitting() -> News {
    preview("wine.csv", &table(&header(), "good"), Mapping::default())
}

/// A window that lacks nothing.
pub(crate) fn ready() -> Tested {
    let settings = Settings {
        backed_up: true,
        invitation: Some("sahakar://join?x".to_owned()),
        data: Some("wine.csv".to_owned()),
        agreed: Some(terms().digest),
        ..Settings::default()
    };
    let mut tested = Tested::open(settings);
    tested.tell(News::Key { member: "ab12cd34ef56ab12".to_owned(), words: None });
    tested
        .tell(News::Terms { invitation: "sahakar://join?x".to_owned(), terms: Box::new(terms()) });
    tested.tell(fitting());
    tested.effects();
    tested
}

pub(crate) fn running() -> Tested {
    let mut tested = ready();
    tested.click("Training");
    tested.click("Start training");
    assert!(tested.effects().iter().any(|effect| matches!(effect, Effect::Start(_))));
    tested
}
