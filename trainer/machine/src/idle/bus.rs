//! Idle time by a desktop's bus.

use std::time::Duration;

use zbus::blocking::{Connection, Proxy, connection::Builder};

/// How long an answer may take: it is asked ten times a second.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Where a desktop answers, and the factor to milliseconds.
const DESKTOPS: [(&str, &str, &str, &str, u64); 2] = [
    // GNOME.
    (
        "org.gnome.Mutter.IdleMonitor",
        "/org/gnome/Mutter/IdleMonitor/Core",
        "org.gnome.Mutter.IdleMonitor",
        "GetIdletime",
        1,
    ),
    // KDE: seconds, by what KIdleTime knows.
    (
        "org.freedesktop.ScreenSaver",
        "/org/freedesktop/ScreenSaver",
        "org.freedesktop.ScreenSaver",
        "GetSessionIdleTime",
        1_000,
    ),
];

/// A connection, if there is a bus.
pub(crate) fn connected(builder: zbus::Result<Builder<'_>>) -> Option<Connection> {
    builder.ok()?.method_timeout(ANSWER_MAX).build().ok()
}

/// A desktop that tells.
#[derive(Debug)]
pub(super) struct Session {
    desktop: Proxy<'static>,
    method: &'static str,
    factor: u64,
}

impl Session {
    /// The first desktop that answers.
    pub(super) fn find(bus: Connection) -> Option<Self> {
        DESKTOPS.iter().find_map(|&(name, path, interface, method, factor)| {
            let desktop = Proxy::new(&bus, name, path, interface).ok()?;
            let session = Self { desktop, method, factor };
            session.idle_ms().is_some().then_some(session)
        })
    }

    pub(super) fn idle_ms(&self) -> Option<u64> {
        let answer = self.desktop.call_method(self.method, &()).ok()?;
        let body = answer.body();
        // Mutter answers in 64 bits, KDE in 32.
        let time = body.deserialize::<u64>().or_else(|_| body.deserialize::<u32>().map(u64::from));
        time.ok()?.checked_mul(self.factor)
    }
}
