//! Two federations of one window that train at once: two real co-operatives, one desk with two seats, and real trainers that
//! take turns within what the person allows this computer.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use sahakar::{demo::cooperative::Cooperative, serve::SealingMode};
use serde_json::Value;
use trainer_conditions::PreferencesForm;
use trainer_desktop::{
    Command, Effect, Home, Key, News, Notice, Offer, Runners, Running, Seat, Seats, Table, ToDo,
};
use world::Setup;

#[expect(dead_code, reason = "other test files use the rest of the world")]
#[path = "world/mod.rs"]
mod world;

/// Contributors of each co-operative that are started by the test; the person is one more in each.
const OTHERS: usize = 2;

/// More rounds than anybody waits for.
const ROUNDS: u32 = 2_000;

/// Rounds that have to count in each federation.
const COUNTED: usize = 2;

/// How long a round waits: longer than two that take turns need, so that nobody's round is missed for the other's.
const ROUND_DEADLINE_MS: u64 = 20_000;

/// Percent of the processor that training may use. On two cores that is a step for each nine of rest, so that rounds of two
/// federations fall into each other.
const PROCESSOR_PERCENT: u8 = 5;

/// Longest wait for anything: far above what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(240);

/// Words of a trainer that may be on their way when it is told to wait.
const ON_THE_WAY_MAX: usize = 1;

/// The window without its pixels: desks, and the runner that does what they want.
struct Window {
    seats: Seats,
    news: Receiver<(Seat, News)>,
    effects: Option<SyncSender<(Seat, Effect)>>,
    runner: Option<JoinHandle<()>>,
    /// What each seat waits for, and what its trainer said meanwhile.
    waits: BTreeMap<Seat, Option<(Seat, usize)>>,
    /// How often each seat waited for another one.
    waited: BTreeMap<Seat, usize>,
}

impl Window {
    fn open(folder: &Path) -> Self {
        let home = Home::open(folder).unwrap();
        let (seats, first) = Seats::open(home.all_settings().unwrap());
        let (does, effects) = sync_channel(256);
        let (tells, news) = sync_channel(256);
        let program = Some(env!("CARGO_BIN_EXE_sahakar").into());
        let runner = Runners::start(home, program, effects, tells, || {}).unwrap();
        let (effects, runner) = (Some(does), Some(runner));
        let (waits, waited) = (BTreeMap::new(), BTreeMap::new());
        let window = Self { seats, news, effects, runner, waits, waited };
        window.perform(first);
        window
    }

    fn perform(&self, to_do: ToDo) {
        to_do.into_iter().for_each(|effect| self.effects.as_ref().unwrap().send(effect).unwrap());
    }

    fn acts(&mut self, command: Command) {
        let to_do = self.seats.act(command);
        self.perform(to_do);
    }

    /// Hears what happens until `done`.
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&Self) -> Option<T>) -> T {
        #[expect(clippy::disallowed_methods, reason = "a test's own patience")]
        let begun = Instant::now();
        loop {
            if let Some(done) = done(self) {
                return done;
            }
            let notice = &self.seats.desk().notice;
            assert!(!matches!(notice, Some(Notice::Failed { .. })), "{what}: {notice:?}");
            assert!(begun.elapsed() < PATIENCE, "never came: {what}");
            if let Ok((seat, news)) = self.news.recv_timeout(Duration::from_millis(200)) {
                self.takes_note(seat, &news);
                let to_do = self.seats.apply(seat, news);
                self.perform(to_do);
            }
        }
    }

    /// Whoever waits for another one does not learn: its trainer says nothing of learning, but for what was on its way.
    fn takes_note(&mut self, seat: Seat, news: &News) {
        match news {
            News::Turn(other) => {
                self.waits.insert(seat, other.map(|other| (other, 0)));
                *self.waited.entry(seat).or_default() += usize::from(other.is_some());
            }
            News::Trainer(event) if event["event"] == "training" => {
                if let Some(Some((other, said))) = self.waits.get_mut(&seat) {
                    *said += 1;
                    assert!(
                        *said <= ON_THE_WAY_MAX,
                        "{seat:?} learns while {other:?} has the turn"
                    );
                }
            }
            _ => {}
        }
    }

    /// Makes a key, proves its words, reads the terms, shows the data and agrees.
    fn joins(&mut self, invitation: String, table: &Path) {
        self.until("no key", |own| matches!(own.seats.desk().key, Key::Missing).then_some(()));
        self.acts(Command::MakeKey(None));
        let words = self.until("a key", |own| match &own.seats.desk().key {
            Key::Unsaved { words, .. } => Some(words.expose().to_owned()),
            _ => None,
        });
        self.acts(Command::WordsWritten);
        let words: Vec<&str> = words.split_whitespace().collect();
        let answers = self.seats.desk().asked_words().map(|position| words[position].to_owned());
        self.acts(Command::ProveWords(answers));
        self.acts(Command::Invite(invitation));
        let here = |own: &Self| matches!(own.seats.desk().offer, Offer::Here(_)).then_some(());
        self.until("the terms", here);
        self.acts(Command::Preview(table.to_owned()));
        let fits = |own: &Self| match &own.seats.desk().table {
            Table::Read(preview) => preview.rows_that_fit(),
            _ => None,
        };
        self.until("data that fit", fits);
        self.acts(Command::Agree);
        assert_eq!(self.seats.desk().lacking(), None);
    }

    fn member(&self, seat: Seat) -> String {
        let (_, desk) = self.seats.all().find(|(at, _)| *at == seat).unwrap();
        desk.member().unwrap().to_owned()
    }

    /// Whether the trainers of all seats run.
    fn all_run(&self) -> bool {
        self.seats.all().all(|(_, desk)| desk.training.running == Running::On)
    }

    /// Stops all trainers, and waits for them.
    fn closes(mut self) {
        self.perform(self.seats.close());
        let off =
            |own: &Self| own.seats.all().all(|(_, desk)| desk.training.running == Running::Off);
        for seat in [Seat(1), Seat(2)] {
            self.acts(Command::Sit(seat));
            self.acts(Command::Stop);
        }
        self.until("all to stop", |own| off(own).then_some(()));
        drop(self.effects.take());
        self.runner.take().unwrap().join().unwrap();
    }
}

/// What a co-operative's REST interface says.
fn asks(node: &str, path: &str) -> Option<Value> {
    let answer = ureq::get(format!("{node}{path}")).call().ok()?;
    serde_json::from_str(&answer.into_body().read_to_string().ok()?).ok()
}

/// Rounds of `member` that counted, and whether it has credits.
fn earned(node: &str, member: &str) -> Option<(usize, bool)> {
    let rounds = asks(node, &format!("/v1/federations/wine/contributors/{member}/rounds"))?;
    let account = asks(node, &format!("/v1/members/{member}"))?;
    let of = |name: &str| account[name].as_str()?.parse::<u128>().ok();
    Some((rounds["rounds"].as_array()?.len(), of("credits")? + of("credits_pending")? > 0))
}

/// What the person allows: at any time, and little of the processor.
fn allowed() -> PreferencesForm {
    PreferencesForm {
        while_in_use: true,
        on_battery: true,
        battery_min_percent: 1,
        others_max_percent: 100,
        on_metered_network: true,
        temperature_max: 110.0,
        processor_percent: PROCESSOR_PERCENT,
        memory_percent: 100,
        ..PreferencesForm::default()
    }
}

/// Joins both, trains in both at once until both pay, and stops.
fn trains_in_both(folder: &Path, federations: [(String, String, std::path::PathBuf); 2]) {
    let mut window = Window::open(folder);
    for (number, (_, invitation, table)) in federations.iter().enumerate() {
        if number > 0 {
            window.acts(Command::JoinAnother);
        }
        window.joins(invitation.clone(), table);
    }
    let seats = [Seat(1), Seat(2)];
    let members = seats.map(|seat| window.member(seat));
    assert_ne!(members[0], members[1], "a key for each federation");
    window.acts(Command::Prefer(Box::new(allowed())));
    for seat in seats {
        window.acts(Command::Sit(seat));
        assert_eq!(window.seats.desk().settings.preferences, allowed(), "common to both");
        window.acts(Command::Start);
    }
    assert!(window.all_run());
    window.until("rounds and credits in both federations, and a turn", |own| {
        let nodes = federations.iter().map(|(node, ..)| node);
        let both = nodes.zip(&members).all(|(node, member)| {
            earned(node, member).is_some_and(|(rounds, paid)| rounds >= COUNTED && paid)
        });
        (both && own.waited.values().sum::<usize>() > 0).then_some(())
    });
    assert!(window.all_run());
    window.closes();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_federations_of_one_window_take_turns_and_both_pay() {
    let dir = tempfile::tempdir().unwrap();
    let mut running: Vec<(Cooperative, _)> = Vec::new();
    for name in ["north", "south"] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut setup = Setup::new(SealingMode::Mpc, &folder, OTHERS + 1, ROUNDS);
        setup.processes -= 1;
        setup.round_deadline_ms = ROUND_DEADLINE_MS;
        setup.adjust = |federation| {
            (federation.start_members, federation.minimum_cohort) = (3, 2);
        };
        let (cooperative, vintage) = setup.start().await;
        let invitation = cooperative.invitation().unwrap().to_string();
        let known =
            (cooperative.http().to_owned(), invitation, vintage.wineries[OTHERS].csv.clone());
        running.push((cooperative, known));
    }
    let [(mut north, of_north), (mut south, of_south)]: [_; 2] =
        running.try_into().unwrap_or_else(|_| panic!("two were started"));
    let home = dir.path().join("home");
    let person = tokio::task::spawn_blocking(move || trains_in_both(&home, [of_north, of_south]));
    tokio::pin!(person);
    // Whoever is not listened to waits.
    let done = loop {
        tokio::select! {
            done = &mut person => break done,
            event = north.next_event() => drop(event),
            event = south.next_event() => drop(event),
        }
    };
    north.end_all().await;
    south.end_all().await;
    done.unwrap();
}
