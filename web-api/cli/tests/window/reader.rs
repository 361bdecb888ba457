//! Reads a window as screen readers do: by AT-SPI, over a bus of the test's own.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use zbus::{
    blocking::{Connection, Proxy, connection::Builder},
    zvariant::OwnedObjectPath,
};

use crate::display::{Display, Ended, start};

/// Longest wait for anything to be seen: far above what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(40);
/// Looks after which what was scrolled to has arrived: scrolling begins late, and is animated.
const STAYS: u32 = 10;
/// Looks after which what was typed has arrived, or is lost.
const READS_MAX: u32 = 100;
/// Heights on the screen at which nothing scrolls away, in pixels.
const IN_SIGHT: std::ops::Range<i16> = 8..640;
/// AT-SPI's role of a text that only tells.
const LABEL: u32 = 29;
/// AT-SPI's bit for what has the keyboard (`ATSPI_STATE_FOCUSED`).
const FOCUSED: u32 = 1 << 12;
/// AT-SPI's word for "anywhere in sight" (`ATSPI_SCROLL_ANYWHERE`).
const ANYWHERE: u32 = 6;

type Place = (String, OwnedObjectPath);
/// An object of `org.a11y.atspi.Cache`: itself, application, parent, index, children, interfaces, name, role, description,
/// states.
type CacheItem = (Place, Place, Place, i32, i32, Vec<String>, String, u32, String, Vec<u32>);

/// A bus on which programs tell screen readers what they show.
pub(crate) struct Bus {
    /// What `DBUS_SESSION_BUS_ADDRESS` is for programs on it.
    pub(crate) address: String,
    /// Where the accessible objects are.
    objects: Connection,
    _server: Ended,
}

impl Bus {
    /// Starts one; none where it is not installed.
    ///
    /// * `runtime` — a folder for its sockets.
    pub(crate) fn start(runtime: &Path) -> Option<Self> {
        let mut server = Command::new("dbus-daemon");
        server.args(["--session", "--nofork", "--print-address"]).env("XDG_RUNTIME_DIR", runtime);
        let (server, address) = start(server)?;
        let session = Builder::address(address.as_str()).unwrap().build().unwrap();
        // The bus starts what answers to this name, and ends it.
        let a11y =
            |of: &'static str| Proxy::new(&session, "org.a11y.Bus", "/org/a11y/bus", of).unwrap();
        let told = a11y("org.a11y.Status").set_property("IsEnabled", true);
        told.expect("at-spi2-core is installed where dbus-daemon is");
        let objects: String = a11y("org.a11y.Bus").call("GetAddress", &()).unwrap();
        let objects = Builder::address(objects.as_str()).unwrap().build().unwrap();
        Some(Self { address, objects, _server: server })
    }

    fn proxy<'a>(&self, place: &'a Place, of: &'a str) -> Proxy<'a> {
        Proxy::new(&self.objects, place.0.as_str(), place.1.as_str(), of).unwrap()
    }

    /// The newest program on the bus; none yet.
    fn program(&self) -> Option<String> {
        let root = OwnedObjectPath::try_from("/org/a11y/atspi/accessible/root").unwrap();
        let registry = ("org.a11y.atspi.Registry".to_owned(), root);
        let registry = self.proxy(&registry, "org.a11y.atspi.Accessible");
        let programs: Vec<Place> = registry.call("GetChildren", &()).ok()?;
        programs.into_iter().next_back().map(|(program, _)| program)
    }
}

/// Something in the window.
struct Item {
    place: Place,
    name: String,
    role: u32,
    focused: bool,
}

impl Item {
    fn is_control(&self, name: &str) -> bool {
        self.role != LABEL && self.name == name
    }
}

/// A person who reads a window by its labels, and has hands.
pub(crate) struct Reader {
    pub(crate) display: Display,
    pub(crate) bus: Bus,
}

impl Reader {
    /// Everything that the window says, in its order.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().into_iter().map(|item| item.name).filter(|name| !name.is_empty()).collect()
    }

    fn items(&self) -> Vec<Item> {
        let Some(program) = self.bus.program() else { return Vec::new() };
        let path = OwnedObjectPath::try_from("/org/a11y/atspi/cache").unwrap();
        let place = (program, path);
        let items = self.bus.proxy(&place, "org.a11y.atspi.Cache").call("GetItems", &());
        let items: Vec<CacheItem> = items.unwrap_or_default();
        let item = |(place, .., name, role, _, states): CacheItem| {
            let focused = states.first().is_some_and(|states| states & FOCUSED != 0);
            Item { place, name, role, focused }
        };
        items.into_iter().map(item).collect()
    }

    /// Waits until `look` finds something.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        #[expect(clippy::disallowed_methods, reason = "a test's own patience")]
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            let texts = || self.texts().join("\n  ");
            assert!(begun.elapsed() < PATIENCE, "never seen: {what}; but:\n  {}", texts());
            std::thread::park_timeout(LOOK);
        }
    }

    /// Waits until a text has `part` in it, and returns it.
    pub(crate) fn sees(&self, part: &str) -> String {
        self.until(part, || self.texts().into_iter().find(|text| text.contains(part)))
    }

    /// Waits until no text has `part` in it any more.
    pub(crate) fn goes(&self, part: &str) {
        self.until(&format!("nothing with {part:?}"), || (!self.shows(part)).then_some(()));
    }

    /// Whether a text has `part` in it now.
    pub(crate) fn shows(&self, part: &str) -> bool {
        self.texts().iter().any(|text| text.contains(part))
    }

    /// Waits until something that can be used is called `name` and lies in sight where it lay some looks before, and says
    /// where.
    fn finds(&self, name: &str) -> [i16; 2] {
        let (mut before, mut stays, mut sought) = (None, 0, false);
        self.until(&format!("a control called {name:?}"), || {
            let mut items = self.items().into_iter();
            let item = items.find(|item| item.is_control(name))?;
            let component = self.bus.proxy(&item.place, "org.a11y.atspi.Component");
            let (x, y, width, height): (i32, i32, i32, i32) =
                component.call("GetExtents", &(0_u32,)).ok()?;
            let at = [x + width / 2, y + height / 2].map(|at| i16::try_from(at).unwrap_or(-1));
            stays = if before.replace(at) == Some(at) { stays + 1 } else { 0 };
            if IN_SIGHT.contains(&at[1]) && !sought {
                return (stays > 0).then_some(at);
            }
            if !std::mem::replace(&mut sought, true) {
                // Below the edge, or on the screen and under the edge of a list.
                component.call::<_, _, bool>("ScrollTo", &(ANYWHERE,)).ok()?;
                stays = 0;
            }
            (stays >= STAYS).then_some(at)
        })
    }

    /// Clicks on what is called `name`.
    pub(crate) fn clicks(&self, name: &str) {
        self.display.click(self.finds(name));
    }

    /// Types over what is in the field called `name`; again, as a person would, where keys were lost on a machine that was busy.
    pub(crate) fn types(&self, name: &str, text: &str) {
        self.until(&format!("{} characters in {name:?}", text.len()), || {
            self.clicks(name);
            self.until(&format!("the keyboard in {name:?}"), || {
                self.items().into_iter().find(|item| item.is_control(name) && item.focused)
            });
            self.display.type_over(text);
            (0..READS_MAX).find(|_| {
                std::thread::park_timeout(LOOK);
                self.length_of(name) == Some(text.len())
            })
        });
    }

    /// Characters in the field called `name`; what they are, a field of a passphrase does not say.
    fn length_of(&self, name: &str) -> Option<usize> {
        let item = self.items().into_iter().find(|item| item.is_control(name))?;
        let count = self.bus.proxy(&item.place, "org.a11y.atspi.Text");
        let count: i32 = count.get_property("CharacterCount").ok()?;
        usize::try_from(count).ok()
    }
}
