//! Every screen and every refusal, by the labels that a screen reader reads.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};
use serde_json::json;
use trainer_conditions::{Condition, Pace, Reason};
use trainer_desktop::{
    Account, CoOperative, Earned, Effect, Failure, Fit, Language, Look, News, Preview, Privacy,
    Proposal, Screen, Secret, SentLine, Settings, Shade, Terms, Window,
};

struct Tested {
    harness: Harness<'static, Option<Window>>,
    news: SyncSender<News>,
    effects: Receiver<Effect>,
}

impl Tested {
    fn open(settings: Settings) -> Self {
        let (news, hears) = sync_channel(64);
        let (does, effects) = sync_channel(64);
        let mut parts = Some((settings, hears, does));
        let harness = Harness::builder().with_size([1_040.0, 1_400.0]).build_ui_state(
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
    fn steps(&mut self) {
        self.harness.run_steps(4);
    }

    fn tell(&mut self, news: News) {
        self.news.send(news).unwrap();
        self.steps();
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.steps();
    }

    fn type_into(&mut self, label: &str, text: &str) {
        let field = self.harness.get_by_label(label);
        field.focus();
        self.harness.run_steps(2);
        self.harness.get_by_label(label).type_text(text);
        self.steps();
    }

    fn sees(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }

    fn assert_sees(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.sees(part), "nothing says {part:?}");
        }
    }

    /// The effects since the last call.
    fn effects(&self) -> Vec<Effect> {
        self.effects.try_iter().collect()
    }
}

fn terms() -> Terms {
    serde_json::from_str(include_str!("terms.json")).unwrap()
}

fn words() -> Secret {
    let words: Vec<String> = (1..=24).map(|number| format!("word{number}")).collect();
    Secret::new(words.join(" "))
}

fn preview(fit: Fit) -> News {
    let columns = ["alcohol", "quality"].map(str::to_owned).to_vec();
    let rows = vec![["9.4", "good"].map(str::to_owned).to_vec()];
    News::Table(Box::new(Preview { path: "wine.csv".into(), columns, rows, fit }))
}

fn fitting() -> News {
    let classes = vec![("ordinary".to_owned(), 60), ("good".to_owned(), 40)];
    preview(Fit::Fits { rows: 100, classes })
}

/// A window that lacks nothing.
fn ready() -> Tested {
    let settings = Settings {
        backed_up: true,
        invitation: Some("sahakar://join?x".to_owned()),
        data: Some("wine.csv".to_owned()),
        agreed: Some(terms().digest),
        ..Settings::default()
    };
    let mut tested = Tested::open(settings);
    tested.tell(News::Key { member: "ab12cd34ef56ab12".to_owned(), words: None });
    tested.tell(News::Terms(Box::new(terms())));
    tested.tell(fitting());
    tested.effects();
    tested
}

fn running() -> Tested {
    let mut tested = ready();
    tested.click("Training");
    tested.click("Start training");
    assert!(tested.effects().iter().any(|effect| matches!(effect, Effect::Start(_))));
    tested
}

#[test]
fn the_first_start_makes_a_key_and_makes_the_person_prove_the_back_up() {
    let mut tested = Tested::open(Settings::default());
    tested.tell(News::KeyMissing);
    tested.effects();
    tested.click("Make a key");
    assert!(matches!(tested.effects()[..], [Effect::MakeKey]));
    tested.tell(News::Key { member: "ab".to_owned(), words: Some(words()) });
    tested.assert_sees(&["word1", "24. word24", "Nobody from Sahakar will ever ask"]);
    tested.click("I have written them down");
    assert!(!tested.sees("word1"), "the words are hidden while they are asked for");
    let asked = tested.harness.state().as_ref().unwrap().desk().asked_words();
    for index in asked {
        tested.type_into(&format!("Word {}", index + 1), "wrong");
    }
    tested.click("Check");
    tested.assert_sees(&["These are not the words asked for"]);
    for index in asked {
        tested.type_into(&format!("Word {}", index + 1), &format!("word{}", index + 1));
    }
    tested.click("Check");
    tested.assert_sees(&["Your key is here and backed up."]);
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.backed_up));
}

#[test]
fn a_key_is_restored_only_from_24_words() {
    let mut tested = Tested::open(Settings::default());
    tested.tell(News::KeyMissing);
    tested.effects();
    tested.click("I have my 24 words");
    tested.type_into("The 24 words, in order", "one two three");
    tested.assert_sees(&["3 of 24 words"]);
    tested.click("Restore the key");
    assert!(tested.effects().is_empty(), "the button is off");
    tested.type_into("The 24 words, in order", &" more".repeat(21));
    tested.click("Restore the key");
    assert!(matches!(&tested.effects()[..], [Effect::RestoreKey(words)]
        if words.expose().starts_with("one two three more")));
    let reason = "these are not the words of a key".to_owned();
    tested.tell(News::Failed { what: Failure::Key, reason });
    tested.assert_sees(&["The key: these are not the words of a key", "Make a key"]);
}

#[test]
fn an_invitation_is_looked_at_before_anything_is_agreed_to() {
    let mut tested = Tested::open(Settings { backed_up: true, ..Settings::default() });
    tested.tell(News::Key { member: "ab".to_owned(), words: None });
    tested.effects();
    tested.type_into("Invitation", "sahakar://join?federation=x");
    tested.click("Look at it");
    assert!(matches!(&tested.effects()[..], [Effect::AskTerms(text)] if text.ends_with("=x")));
    let reason = "the invitation lacks token=…".to_owned();
    tested.tell(News::Failed { what: Failure::Terms, reason });
    tested.assert_sees(&["The invitation: the invitation lacks token=…"]);
    tested.click("Look at it");
    tested.tell(News::Terms(Box::new(terms())));
    tested.assert_sees(&["wine", "Tell good red wine from ordinary"]);
}

#[test]
fn data_that_do_not_fit_are_told_with_what_to_fix() {
    let mut tested = ready();
    tested.click("Data  •");
    tested.assert_sees(&["It fits: 100 rows.", "60 · 60 %", "9.4"]);
    tested.tell(preview(Fit::Unfit {
        missing: vec!["pH".to_owned()],
        unknown: vec!["colour".to_owned()],
        reason: "the header lacks the column \"pH\"".to_owned(),
    }));
    tested.assert_sees(&["It does not fit yet.", "Missing columns: pH", "does not use: colour"]);
    let reason = "the file cannot be read".to_owned();
    tested.tell(News::Failed { what: Failure::Table, reason });
    tested.assert_sees(&["The table: the file cannot be read"]);
    tested.click("Training");
    tested.assert_sees(&["Before training, something is missing:"]);
}

#[test]
fn consent_says_what_leaves_and_is_taken_back_at_once() {
    let mut tested = ready();
    tested.click("Consent  •");
    tested.assert_sees(&[
        "wine.csv (100 rows)",
        "after 15 rounds",
        "450 numbers",
        "2 shares",
        "at least 4 contributors",
        "Never: a row of your table",
        "add no noise",
        "You agreed to these terms",
    ]);
    tested.click("Take back my consent");
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.agreed.is_none()));
    tested.click("I agree");
    assert!(tested.effects().is_empty(), "it has to be read first");
    tested.click("I have read this");
    tested.click("I agree");
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.agreed.is_some()));
}

#[test]
fn training_shows_round_loss_speed_and_how_rounds_ended() {
    let mut tested = running();
    for event in [
        json!({"event": "ready", "samples": 100, "device": "CPU, 8 threads"}),
        json!({"event": "joined"}),
        json!({"event": "ordered", "round": 2}),
        json!({"event": "training", "round": 2, "step": 5, "steps": 20, "examples": 160, "loss": 0.9, "at_ms": 1_000}),
        json!({"event": "training", "round": 2, "step": 10, "steps": 20, "examples": 320, "loss": 0.8, "at_ms": 2_000}),
    ] {
        tested.tell(News::Trainer(event));
    }
    tested.assert_sees(&["3 of 15", "0.8000", "160 examples each second", "2 s", "CPU, 8 threads"]);
    for event in [
        json!({"event": "trained", "round": 2, "loss": 0.75, "seconds": 3.0, "steps": 20}),
        json!({"event": "counted", "round": 2, "value": 0.0125, "participants": 8}),
        json!({"event": "aborted", "round": 3, "reason": "too few contributors"}),
    ] {
        tested.tell(News::Trainer(event));
    }
    tested.assert_sees(&["counted: +0.01250 among 8", "given up: too few contributors"]);
    tested.click("Stop");
    assert!(matches!(tested.effects()[..], [Effect::Stop]));
    tested.tell(News::TrainerEnded { error: None });
    tested.assert_sees(&["Everything is ready.", "Not training"]);
}

#[test]
fn every_pause_has_one_reason_and_at_most_one_button() {
    let mut tested = running();
    let cases = [
        (Reason::Owner { left_ms: None }, "Paused by you", Some("Go on")),
        (Reason::Input { left_ms: 60_000 }, "while this computer is in use", Some("Train anyway")),
        (
            Reason::Battery { percent: Some(40), needed: None },
            "on battery (40 %)",
            Some("Train anyway"),
        ),
        (Reason::Heat { temperature: 95.0, until: 80.0 }, "hot: 95 °C", None),
        (Reason::Network, "paid for by volume", Some("Train anyway")),
    ];
    for (reason, sentence, button) in cases {
        tested.tell(News::Pace(Pace::Pause(reason)));
        tested.assert_sees(&[sentence]);
        for name in ["Go on", "Train anyway"] {
            let there = tested.harness.query_by_label(name).is_some();
            assert_eq!(there, button == Some(name), "{name} beside {sentence:?}");
        }
    }
    tested.click("Train anyway");
    assert!(matches!(tested.effects()[..], [Effect::Pace(trainer_conditions::Command::Anyway)]));
    tested.tell(News::Pace(Pace::Train));
    tested.click("Pause");
    assert!(matches!(
        tested.effects()[..],
        [Effect::Pace(trainer_conditions::Command::Pause { for_ms: None })]
    ));
    tested.tell(News::Unwatched(vec![Condition::Heat]));
    tested
        .assert_sees(&["Cannot be seen on this computer, and holds nothing back: the temperature"]);
}

#[test]
fn a_trainer_that_fails_says_why() {
    let mut tested = running();
    let error = Some("another contributor is running on the state directory".to_owned());
    tested.tell(News::TrainerEnded { error });
    tested.assert_sees(&["Training ended: another contributor is running"]);
    tested.click("Close");
    assert!(!tested.sees("Training ended:"));
}

#[test]
fn what_left_is_listed_and_exported() {
    let mut tested = ready();
    tested.click("What left");
    tested.assert_sees(&["Nothing has left this computer."]);
    let line = |sealed, round| SentLine {
        time_ms: 1_700_000_000_000,
        kind: if sealed { "submit" } else { "fetch" }.to_owned(),
        bytes: 2_048,
        digest: "feedc0ffee123456".to_owned(),
        sealed,
        round,
    };
    let lines = vec![line(true, Some(4)), line(false, None)];
    tested.tell(News::Sent { lines, messages: 2, bytes: 4_096 });
    tested.assert_sees(&[
        "2 messages, 4.0 KiB",
        "2023-11-14 22:13:20",
        "submit",
        "sealed, round 5",
        "none in it",
        "feedc0ffee12",
    ]);
    tested.effects();
    tested.click("Export");
    assert!(
        matches!(&tested.effects()[..], [Effect::Export(path)] if path.ends_with("sent.jsonl"))
    );
    let reason = "writing sent.jsonl: File exists".to_owned();
    tested.tell(News::Failed { what: Failure::Sent, reason });
    tested.assert_sees(&["What left: writing sent.jsonl: File exists"]);
}

fn co_operative() -> CoOperative {
    let earned = |round, value, credits: &str| Earned {
        round,
        value,
        value_so_far: value,
        value_low: Some(value - 0.01),
        value_high: Some(value + 0.01),
        credits: credits.to_owned(),
        sentence: format!("Paid for round {round}, as it helped."),
        ledger_index: 40 + round,
    };
    let proposal = |id: &str, state: &str, own: Option<&str>| Proposal {
        id: id.to_owned(),
        title: format!("Proposal {id}"),
        state: state.to_owned(),
        voting_ends_ms: 1_700_000_000_000,
        tally: ["30", "10", "5"].map(str::to_owned),
        own: own.map(str::to_owned),
        touches_privacy: own.is_none(),
    };
    CoOperative {
        account: Account {
            credits: "120".to_owned(),
            credits_pending: "33".to_owned(),
            earnings: "12500".to_owned(),
            currency: Some("EUR".to_owned()),
        },
        rounds: vec![earned(0, 0.02, "60"), earned(1, 0.03, "93")],
        privacy: Privacy { spent_micro: Some(1_000_000), limit_micro: Some(4_000_000) },
        proposals: vec![proposal("p1", "active", None), proposal("p2", "executed", Some("for"))],
    }
}

#[test]
fn earnings_have_their_interval_and_reason_and_the_meter_its_meaning() {
    let mut tested = ready();
    tested.click("Earnings");
    tested.assert_sees(&["has not been asked yet"]);
    tested.type_into("Address of the co-operative", "https://wine.example");
    tested.click("Ask");
    let effects = tested.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask { .. })));
    tested.tell(News::CoOperative(Box::new(co_operative())));
    tested.assert_sees(&[
        "120",
        "33",
        "1.2500 EUR",
        "ε 1.000 of 4.000",
        "At the limit no round starts",
        "Round 2: 93 credits",
        "Paid for round 1, as it helped.",
        "between +0.02000 and +0.04000",
        "Entry 41",
    ]);
    let reason = "https://wine.example does not answer".to_owned();
    tested.tell(News::Failed { what: Failure::CoOperative, reason });
    tested.assert_sees(&["The co-operative: https://wine.example does not answer"]);
}

#[test]
fn a_vote_is_cast_where_votes_are_taken() {
    let mut tested = ready();
    tested.click("Votes");
    tested.tell(News::CoOperative(Box::new(co_operative())));
    tested.assert_sees(&[
        "Proposal p1",
        "For 30, against 10",
        "touches what protects data",
        "Your vote: For",
    ]);
    tested.effects();
    tested.click("Against");
    assert!(matches!(&tested.effects()[..], [Effect::Vote { proposal, .. }] if proposal == "p1"));
    tested.tell(News::Voted { proposal: "p1".to_owned() });
    tested.assert_sees(&["Your vote was counted"]);
}

#[test]
fn settings_out_of_range_are_refused_with_the_range() {
    let mut tested = ready();
    tested.click("Settings");
    tested.type_into("Hours: always, or such as mon-fri 22:00-06:00", " sometimes");
    tested.click("Save");
    tested.assert_sees(&["names no hours"]);
    assert!(tested.effects().is_empty());
    tested.click("Defaults");
    tested.click("Train on battery");
    tested.click("Save");
    let effects = tested.effects();
    assert!(matches!(&effects[..], [Effect::Save(_), Effect::Prefer(preferences)]
        if preferences.form().on_battery));
}

#[test]
fn the_window_speaks_hindi_and_turns_dark_and_large() {
    let look = Look { shade: Shade::Dark, scale_percent: 200 };
    let settings = Settings { language: Language::Hindi, look, ..Settings::default() };
    let mut tested = Tested::open(settings);
    tested.tell(News::KeyMissing);
    tested.assert_sees(&["स्वागत है", "कुंजी बनाएँ", "सेटिंग"]);
    tested.click("सेटिंग");
    // At this size the card lies below the edge.
    tested.harness.get_by_label("English").scroll_to_me();
    tested.steps();
    tested.click("English");
    tested.assert_sees(&["When and how much this computer may train."]);
    assert!((tested.harness.ctx.zoom_factor() - 2.0).abs() < 0.01);
}

#[test]
fn leaving_says_what_cannot_be_undone_and_erases_only_by_its_word() {
    let mut tested = ready();
    tested.click("Leave");
    tested.assert_sees(&["cannot be taken out again", "Without your 24 words the key is lost"]);
    tested.type_into("Type ERASE to confirm", "erase");
    tested.click("Erase everything here");
    tested.assert_sees(&["Nothing was erased"]);
    assert!(tested.effects().is_empty());
    tested.type_into("Type ERASE to confirm", "ERASE");
    tested.click("Erase everything here");
    assert!(matches!(tested.effects()[..], [Effect::Erase]));
    tested.tell(News::Erased);
    tested.assert_sees(&["Everything was erased from this computer."]);
    tested.click("Start");
    tested.assert_sees(&["Make a key"]);
}

#[test]
fn every_screen_draws_before_there_is_anything_to_show() {
    let mut tested = Tested::open(Settings::default());
    for screen in Screen::ALL {
        let name = trainer_desktop::Words::of(Language::English).text(screen.key()).to_owned();
        tested.click(&name);
        assert_eq!(tested.harness.state().as_ref().unwrap().desk().screen, screen);
        let nodes = tested.harness.root().children_recursive().count();
        assert!(nodes > 15, "{name} draws {nodes} nodes");
    }
}
