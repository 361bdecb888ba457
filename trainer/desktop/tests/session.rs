//! The window's icon, notifications and second start, on a real session bus with services of the test's own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command as Process, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    time::{Duration, Instant},
};

use eframe::egui::{Context, ViewportCommand};
use serde_json::json;
use trainer_conditions::{Pace, Reason};
use trainer_desktop::{
    Attended, Autostart, Desk, Effect, Glimpse, Key, News, Said, Seat, Settings, Shown, Standing,
    Surroundings, SystemSettings, Tell, Window, Word, call_the_other,
};
use zbus::{
    blocking::{Connection, Proxy, connection::Builder},
    proxy::CacheProperties,
    zvariant::{OwnedValue, Structure},
};

/// How long anything may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ended with the test.
struct Bus {
    daemon: Child,
    address: String,
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Bus {
    /// A bus of its own; none where there is no `dbus-daemon`.
    #[expect(
        clippy::disallowed_methods,
        reason = "whether a test may be left out is its environment's to say"
    )]
    fn start() -> Option<Self> {
        let mut call = Process::new("dbus-daemon");
        call.args(["--session", "--nofork", "--print-address"]);
        let Ok(mut daemon) = call.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
            assert!(std::env::var("SAHAKAR_REQUIRE_XVFB").is_err(), "dbus-daemon is not installed");
            eprintln!("left out: dbus-daemon is not installed");
            return None;
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap().take(4096)).read_line(&mut address).unwrap();
        Some(Self { daemon, address: address.trim().to_owned() })
    }

    fn connect(&self) -> Connection {
        self.builder().build().unwrap()
    }

    fn builder(&self) -> Builder<'static> {
        described(&self.address).unwrap()
    }

    /// What surrounds a window on `home`.
    fn surroundings(&self, home: &str) -> Surroundings {
        let address = self.address.clone();
        Surroundings::on(move || described(&address), Path::new(home), || {}).unwrap()
    }
}

/// A connection on which an answer that never comes fails a test instead of holding it up.
fn described(address: &str) -> zbus::Result<Builder<'static>> {
    Ok(Builder::address(address)?.method_timeout(PATIENCE))
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a test's own patience")]
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// A desktop's service for notifications: title and text of each.
struct Notifications(Mutex<std::sync::mpsc::Sender<(String, String)>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        _replaces_id: u32,
        _app_icon: &str,
        summary: String,
        body: String,
        _actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expire_timeout: i32,
    ) -> u32 {
        assert_eq!((app_name, expire_timeout), ("Sahakar", -1));
        assert!(hints.contains_key("desktop-entry"));
        self.0.lock().unwrap().send((summary, body)).unwrap();
        1
    }
}

fn notifications(bus: &Bus) -> (Connection, Receiver<(String, String)>) {
    let (told, hears) = channel();
    let name = bus.builder().name("org.freedesktop.Notifications").unwrap();
    let at = "/org/freedesktop/Notifications";
    (name.serve_at(at, Notifications(Mutex::new(told))).unwrap().build().unwrap(), hears)
}

/// A panel: the items that were announced to it.
struct Watcher(Arc<Mutex<Vec<String>>>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String) {
        self.0.lock().unwrap().push(service);
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
}

fn panel(bus: &Bus) -> (Connection, Arc<Mutex<Vec<String>>>) {
    let items = Arc::new(Mutex::new(Vec::new()));
    let name = bus.builder().name("org.kde.StatusNotifierWatcher").unwrap();
    let watcher = Watcher(Arc::clone(&items));
    (name.serve_at("/StatusNotifierWatcher", watcher).unwrap().build().unwrap(), items)
}

fn shown(standing: Standing) -> Shown {
    let own = str::to_owned;
    Shown {
        standing,
        line: own("a_line"),
        open: own("Open"),
        pause: own("Pause"),
        resume: own("Go on"),
        quit: own("Quit"),
        pausable: standing == Standing::On,
        resumable: standing == Standing::Paused,
        revision: 0,
    }
}

type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// Number, label and whether it can be clicked, of each item.
fn items(menu: &Proxy<'_>) -> Vec<(i32, String, bool)> {
    let none: Vec<String> = Vec::new();
    let (_, (_, _, children)): (u32, Layout) =
        menu.call("GetLayout", &(0_i32, -1_i32, none)).unwrap();
    let item = |child: OwnedValue| {
        let mut fields = Structure::try_from(child).unwrap().into_fields().into_iter();
        let number = i32::try_from(fields.next().unwrap()).unwrap();
        let properties = OwnedValue::try_from(fields.next().unwrap()).unwrap();
        let mut properties = HashMap::<String, OwnedValue>::try_from(properties).unwrap();
        let mut property = |name: &str| properties.remove(name).unwrap();
        let label = String::try_from(property("label")).unwrap();
        (number, label, bool::try_from(property("enabled")).unwrap())
    };
    children.into_iter().map(item).collect()
}

#[test]
fn a_panel_shows_the_icon_and_its_menu_commands_the_window() {
    let Some(bus) = Bus::start() else { return };
    let surroundings = bus.surroundings("one");
    surroundings.tell(Tell::Show(shown(Standing::On)));
    assert!(!surroundings.tray_is_seen(), "there is no panel yet");
    // One that comes later, as after a restart of the desktop, gets to know it all the same.
    let (panel, announced) = panel(&bus);
    until("it is announced", || surroundings.tray_is_seen().then_some(()));
    let service = announced.lock().unwrap().last().unwrap().clone();

    let desktop = bus.connect();
    // Panels read anew when they are told to: nothing is cached.
    let item: Proxy<'_> = zbus::blocking::proxy::Builder::new(&desktop)
        .destination(service.clone())
        .and_then(|proxy| proxy.path("/StatusNotifierItem"))
        .and_then(|proxy| proxy.interface("org.kde.StatusNotifierItem"))
        .and_then(|proxy| proxy.cache_properties(CacheProperties::No).build())
        .unwrap();
    assert_eq!(item.get_property::<String>("Status").unwrap(), "Active");
    let pixmaps: Vec<(i32, i32, Vec<u8>)> = item.get_property("IconPixmap").unwrap();
    for (width, height, bytes) in &pixmaps {
        assert_eq!(bytes.len(), usize::try_from(4 * width * height).unwrap());
        assert!(bytes.chunks(4).any(|pixel| pixel[0] == 255) && bytes.chunks(4).any(|p| p[0] == 0));
    }
    let path: zbus::zvariant::OwnedObjectPath = item.get_property("Menu").unwrap();
    let menu = Proxy::new(&desktop, service, path, "com.canonical.dbusmenu").unwrap();
    let before = items(&menu);
    let labels: Vec<&str> = before.iter().map(|(_, label, _)| label.as_str()).collect();
    assert_eq!(labels, ["a__line", "Open", "Pause", "Go on", "Quit"]);
    assert_eq!(
        before.iter().map(|item| item.2).collect::<Vec<_>>(),
        [false, true, true, false, true]
    );

    let click = |label: &str| {
        let number = before.iter().find(|item| item.1 == label).unwrap().0;
        let data = OwnedValue::from(0_i32);
        menu.call::<_, _, ()>("Event", &(number, "clicked", data, 0_u32)).unwrap();
    };
    click("Go on");
    click("Pause");
    let word = until("a click is heard", || surroundings.word());
    assert_eq!(word, Word::Pause, "what cannot be clicked is not heard");

    let mut changed = menu.receive_signal("LayoutUpdated").unwrap();
    surroundings.tell(Tell::Show(shown(Standing::Paused)));
    let message = changed.next().unwrap();
    let (revision, parent): (u32, i32) = message.body().deserialize().unwrap();
    assert_eq!((revision, parent), (1, 0));
    assert_eq!(
        items(&menu).iter().map(|item| item.2).collect::<Vec<_>>(),
        [false, true, false, true, true]
    );
    let now: Vec<(i32, i32, Vec<u8>)> = item.get_property("IconPixmap").unwrap();
    assert!(now != pixmaps, "it is drawn anew");

    drop(panel);
    until("a panel that is gone shows nothing", || (!surroundings.tray_is_seen()).then_some(()));
}

#[test]
fn a_second_start_shows_the_first_and_hands_it_the_invitation() {
    let Some(bus) = Bus::start() else { return };
    let first = bus.surroundings("one");
    let other = bus.surroundings("another folder");
    let second = bus.connect();
    until("the first answers", || call_the_other(&second, Path::new("one"), None).then_some(()));
    assert_eq!(until("it is asked to show itself", || first.word()), Word::Open);
    let link = "sahakar://join?federation=ab&coordinator=cd&token=ef";
    assert!(call_the_other(&second, Path::new("one"), Some(link)));
    assert_eq!(until("and again", || first.word()), Word::Open);
    assert_eq!(until("with the invitation", || first.word()), Word::Invite(link.to_owned()));
    assert!(call_the_other(&second, Path::new("one"), Some("file:///etc/passwd")));
    assert_eq!(until("what is none is not handed on", || first.word()), Word::Open);
    assert_eq!((first.word(), other.word()), (None, None));
    assert!(!call_the_other(&second, Path::new("a third"), None), "nobody has it open");
}

struct Session {
    window: Attended,
    news: SyncSender<(Seat, News)>,
    effects: Receiver<(Seat, Effect)>,
}

fn session(bus: &Bus, system: SystemSettings) -> Session {
    let (news, hears) = sync_channel(64);
    let (effects, done) = sync_channel(64);
    let settings = Settings { system, ..Settings::default() };
    let window = Window::new(&Context::default(), vec![(Seat::FIRST, settings)], hears, effects);
    let window = Attended::new(window, bus.surroundings("home"), false);
    Session { window, news, effects: done }
}

#[test]
fn what_happens_is_told_once_and_only_if_it_is_wanted() {
    let Some(bus) = Bus::start() else { return };
    let (_service, heard) = notifications(&bus);
    let failed = |reason: &str| News::Failed {
        what: trainer_desktop::Failure::Trainer,
        reason: reason.to_owned(),
    };
    let quiet = SystemSettings { notify: false, ..SystemSettings::default() };
    let mut silent = session(&bus, quiet);
    silent.news.send((Seat::FIRST, failed("the <b>first</b>"))).unwrap();
    silent.window.attend(false);
    let mut session = session(&bus, SystemSettings::default());
    session.news.send((Seat::FIRST, failed("the <b>second</b>"))).unwrap();
    session.window.attend(false);
    session.window.attend(false);
    let counted = json!({"event": "counted", "round": 4, "value": 0.01, "participants": 8});
    session.news.send((Seat::FIRST, News::Trainer(counted))).unwrap();
    session.window.attend(false);
    let next = || heard.recv_timeout(PATIENCE).unwrap();
    let (title, body) = next();
    assert_eq!(
        (title.as_str(), body.as_str()),
        ("Training ended", "the &lt;b&gt;second&lt;/b&gt;")
    );
    let (title, body) = next();
    assert_eq!(title, "A round counted");
    assert_eq!(body, "Round 4 counted your update; its value is +0.0100.");
    assert!(heard.try_recv().is_err(), "nothing is told twice");
}

#[test]
fn closing_hides_only_where_something_can_bring_the_window_back() {
    let Some(bus) = Bus::start() else { return };
    let hide = SystemSettings { hide: true, ..SystemSettings::default() };
    let mut alone = session(&bus, hide);
    assert!(alone.window.attend(true).is_empty(), "no panel shows the icon: it closes");

    let (_panel, _announced) = panel(&bus);
    let mut session = session(&bus, hide);
    session.window.attend(false);
    until("a panel shows the icon", || session.window.can_hide().then_some(()));
    let hidden = session.window.attend(true);
    assert_eq!(hidden.first(), Some(&ViewportCommand::CancelClose));
    assert!(session.window.is_hidden());
    let second = bus.connect();
    until("the window answers", || call_the_other(&second, Path::new("home"), None).then_some(()));
    let opened = until("it is shown", || {
        Some(session.window.attend(false)).filter(|commands| !commands.is_empty())
    });
    assert_eq!(opened.first(), Some(&ViewportCommand::Visible(true)));
    assert!(!session.window.is_hidden());
    while session.effects.try_recv().is_ok() {}
}

fn desk(change: impl FnOnce(&mut Desk)) -> Glimpse {
    let mut desk = Desk::default();
    change(&mut desk);
    Glimpse::of(&desk)
}

fn paused(reason: Reason) -> Glimpse {
    desk(|desk| {
        desk.training.start();
        desk.training.pace = Some(Pace::Pause(reason));
    })
}

#[test]
fn only_pauses_that_may_last_are_told_and_a_countdown_is_no_news() {
    let on = desk(|desk| desk.training.start());
    assert_eq!((on.standing, on.is_pausable(), on.is_resumable()), (Standing::On, true, false));
    let heat = |temperature| Reason::Heat { temperature, until: 80.0 };
    let hot = paused(heat(95.0));
    assert_eq!(hot.since(&on), [Said::Paused(heat(95.0))]);
    for (now, before) in [(paused(heat(94.0)), &hot), (on.clone(), &hot)] {
        assert!(now.since(before).is_empty(), "{now:?}");
    }
    assert!(paused(Reason::Input { left_ms: 9 }).since(&on).is_empty());
    let owner = paused(Reason::Owner { left_ms: None });
    assert!(owner.since(&on).is_empty());
    assert_eq!((owner.standing, owner.is_pausable()), (Standing::Paused, false));
    assert!(owner.is_resumable());
    assert_eq!(desk(|_| {}).standing, Standing::Off);
    let locked = desk(|desk| desk.key = Key::Locked { wrong: false });
    assert_eq!(locked.standing, Standing::Needed);
    assert_eq!(locked.since(&desk(|_| {})), [Said::Locked]);
    let tried = desk(|desk| desk.key = Key::Locked { wrong: true });
    assert!(tried.since(&locked).is_empty(), "it is told once");
}

#[test]
fn the_entry_that_starts_it_with_the_session_is_written_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let odd = Path::new("/opt/a \"$b\" 100% \\c/sahakar-desktop");
    let autostart = Autostart::desktop_entry(dir.path(), odd, Path::new("/srv/kamala"));
    assert!(!autostart.is_on());
    autostart.set(true).unwrap();
    autostart.set(true).unwrap();
    assert!(autostart.is_on());
    let text =
        std::fs::read_to_string(dir.path().join("autostart/sahakar-desktop.desktop")).unwrap();
    let exec = text.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
    let program = r#""/opt/a \\"\\$b\\" 100%% \\\\c/sahakar-desktop""#;
    assert_eq!(exec, format!(r#"{program} "--hidden" "--home" "/srv/kamala""#));
    if let Ok(checked) = Process::new("desktop-file-validate").arg(autostart.file()).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    autostart.set(false).unwrap();
    autostart.set(false).unwrap();
    assert!(!autostart.is_on());
    let agent = Autostart::launch_agent(dir.path(), Path::new("/a&b"), Path::new("/c"));
    agent.set(true).unwrap();
    let text = std::fs::read_to_string(agent.file()).unwrap();
    assert!(text.contains("<string>/a&amp;b</string><string>--hidden</string>"), "{text}");
}
