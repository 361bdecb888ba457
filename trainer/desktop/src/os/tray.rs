//! The icon in the notification area.
//!
//! Source: Status Notifier Item specification (freedesktop.org), with the interface names that desktops use
//! (`org.kde.StatusNotifierItem`, `org.kde.StatusNotifierWatcher`).

use std::sync::{Arc, Mutex};

use zbus::blocking::{Connection, Proxy, connection::Builder, fdo::DBusProxy};

use super::{
    Standing, Word,
    menu::{self, Menu},
    surroundings::{Ears, Shown},
};

/// Where the icon is, and where it is announced.
const PATH: &str = "/StatusNotifierItem";
const INTERFACE: &str = "org.kde.StatusNotifierItem";
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";

/// Sides of the drawn icon, in pixels: what panels ask for, once and twice.
const SIDES: [i32; 2] = [22, 44];

/// Width, height, and ARGB in network order, row for row.
type Pixmap = (i32, i32, Vec<u8>);

/// An icon with a menu. It goes with its connection.
pub(super) struct Tray {
    bus: Connection,
    shown: Arc<Mutex<Shown>>,
    /// The watcher that it was announced to, by its unique name.
    announced: Option<String>,
}

impl Tray {
    /// Puts an icon on the connection that `bus` describes, one of its own.
    pub(super) fn new(bus: Builder<'_>, shown: Shown, ears: Ears) -> zbus::Result<Self> {
        let shown = Arc::new(Mutex::new(shown));
        let icon = Icon { shown: Arc::clone(&shown), ears: ears.clone() };
        let menu = Menu { shown: Arc::clone(&shown), ears };
        let bus = bus.serve_at(PATH, icon)?.serve_at(menu::PATH, menu)?.build()?;
        let mut tray = Self { bus, shown, announced: None };
        tray.announce();
        Ok(tray)
    }

    /// Announces it to a watcher that does not know it: at the start, and after the panel was restarted. Says whether somebody
    /// shows it.
    pub(super) fn announce(&mut self) -> bool {
        let owner = DBusProxy::new(&self.bus)
            .and_then(|bus| Ok(bus.get_name_owner(WATCHER.try_into()?)?.to_string()))
            .ok();
        let Some(owner) = owner else {
            self.announced = None;
            return false;
        };
        let Ok(watcher) = Proxy::new(&self.bus, WATCHER, WATCHER_PATH, WATCHER) else {
            return false;
        };
        if self.announced.as_ref() != Some(&owner) {
            let name = self.bus.unique_name().map(|name| name.to_string()).unwrap_or_default();
            if watcher.call_method("RegisterStatusNotifierItem", &(name,)).is_err() {
                return false;
            }
            self.announced = Some(owner);
        }
        watcher.get_property("IsStatusNotifierHostRegistered").unwrap_or(false)
    }

    /// Shows something else.
    pub(super) fn show(&self, mut now: Shown) {
        let changed = {
            let Ok(mut shown) = self.shown.lock() else { return };
            now.revision = shown.revision;
            let changed = *shown != now;
            if changed {
                now.revision = shown.revision.wrapping_add(1);
                *shown = now.clone();
            }
            changed
        };
        if !changed {
            return;
        }
        for signal in ["NewIcon", "NewToolTip"] {
            self.emit(PATH, INTERFACE, signal, &());
        }
        self.emit(PATH, INTERFACE, "NewStatus", &(status(now.standing),));
        self.emit(menu::PATH, menu::INTERFACE, "LayoutUpdated", &(now.revision, 0_i32));
    }

    fn emit<B>(&self, path: &str, interface: &str, signal: &str, body: &B)
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        // A bus that is gone shows nothing; the thread notices when it announces next.
        let _gone = self.bus.emit_signal(None::<&str>, path, interface, signal, body).is_err();
    }
}

/// As the specification calls it.
const fn status(standing: Standing) -> &'static str {
    match standing {
        Standing::Needed => "NeedsAttention",
        Standing::Off | Standing::On | Standing::Paused => "Active",
    }
}

/// The icon, drawn: a ring that is full while it trains, with a bar while it pauses, and a point where somebody is needed.
fn pixmap(standing: Standing, side: i32) -> Pixmap {
    let centre = f64::from(side) / 2.0;
    let mut bytes = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let (dx, dy) = (f64::from(x) + 0.5 - centre, f64::from(y) + 0.5 - centre);
            let radius = dx.hypot(dy) / centre;
            let bars = (0.15..0.4).contains(&(dx.abs() / centre)) && dy.abs() / centre < 0.45;
            let point = dx.abs() / centre < 0.16
                && dy.abs() / centre < 0.6
                && !(0.15..0.3).contains(&(dy / centre));
            let filled = match standing {
                Standing::Off => false,
                Standing::On => radius < 0.55,
                Standing::Paused => bars,
                Standing::Needed => point,
            };
            let ring = (0.7..0.95).contains(&radius);
            let colour: [u8; 4] = match (ring || filled, standing) {
                (false, _) => [0; 4],
                (true, Standing::Off) => [255, 0x80, 0x80, 0x80],
                (true, Standing::Needed) => [255, 0xf2, 0xa3, 0x3a],
                (true, _) => [255, 0x2a, 0x9d, 0x8f],
            };
            bytes.extend(colour);
        }
    }
    (side, side, bytes)
}

struct Icon {
    shown: Arc<Mutex<Shown>>,
    ears: Ears,
}

impl Icon {
    fn shown(&self) -> Shown {
        self.shown
            .lock()
            .map_or_else(|poisoned| poisoned.into_inner().clone(), |shown| shown.clone())
    }
}

#[zbus::interface(name = "org.kde.StatusNotifierItem")]
impl Icon {
    fn activate(&self, _x: i32, _y: i32) {
        self.ears.hear(Word::Open);
    }

    fn secondary_activate(&self, _x: i32, _y: i32) {
        self.ears.hear(Word::Open);
    }

    fn context_menu(&self, _x: i32, _y: i32) {}

    fn scroll(&self, _delta: i32, _orientation: &str) {}

    #[zbus(property)]
    fn category(&self) -> &str {
        "ApplicationStatus"
    }

    #[zbus(property)]
    fn id(&self) -> &str {
        "sahakar-desktop"
    }

    #[zbus(property)]
    fn title(&self) -> &str {
        "Sahakar"
    }

    #[zbus(property)]
    fn status(&self) -> &str {
        status(self.shown().standing)
    }

    #[zbus(property)]
    fn window_id(&self) -> i32 {
        0
    }

    /// None: a named icon would win over the drawn one, which says how training stands.
    #[zbus(property)]
    fn icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn icon_pixmap(&self) -> Vec<Pixmap> {
        let standing = self.shown().standing;
        SIDES.into_iter().map(|side| pixmap(standing, side)).collect()
    }

    #[zbus(property)]
    fn attention_icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn attention_icon_pixmap(&self) -> Vec<Pixmap> {
        SIDES.into_iter().map(|side| pixmap(Standing::Needed, side)).collect()
    }

    #[zbus(property)]
    fn tool_tip(&self) -> (String, Vec<Pixmap>, String, String) {
        (String::new(), Vec::new(), "Sahakar".to_owned(), self.shown().line)
    }

    #[zbus(property)]
    fn item_is_menu(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn menu(&self) -> zbus::zvariant::OwnedObjectPath {
        zbus::zvariant::ObjectPath::from_static_str_unchecked(menu::PATH).into()
    }
}
