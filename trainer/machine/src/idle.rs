//! How long nobody touched the machine.

#[cfg(target_os = "linux")]
mod bus;
#[cfg(target_os = "linux")]
mod x11;

#[cfg(target_os = "linux")]
pub(crate) use bus::connected;

/// Who tells how long nobody touched the machine.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Idle {
    session: Option<bus::Session>,
    x11: Option<x11::ScreenSaver>,
}

#[cfg(target_os = "linux")]
impl Idle {
    /// The session's bus, else the X server that the environment names.
    #[must_use]
    pub fn open() -> Self {
        Self::on(connected(zbus::blocking::connection::Builder::session()), None)
    }

    /// Who answers on `bus`, else the X server `display` (such as `:1`), or that of the environment.
    #[must_use]
    pub fn on(bus: Option<zbus::blocking::Connection>, display: Option<&str>) -> Self {
        let session = bus.and_then(bus::Session::find);
        let x11 = if session.is_none() { x11::ScreenSaver::open(display) } else { None };
        Self { session, x11 }
    }

    /// Milliseconds since the last input; none if nobody tells.
    #[must_use]
    pub fn idle_ms(&self) -> Option<u64> {
        match (&self.session, &self.x11) {
            (Some(session), _) => session.idle_ms(),
            (None, Some(x11)) => x11.idle_ms(),
            (None, None) => None,
        }
    }
}

/// The operating system.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Idle;

#[cfg(not(target_os = "linux"))]
impl Idle {
    /// The operating system, which tells.
    #[must_use]
    pub const fn open() -> Self {
        Self
    }

    /// Milliseconds since the last input; none if the system does not tell.
    #[must_use]
    pub fn idle_ms(&self) -> Option<u64> {
        let idle = user_idle2::UserIdle::get_time().ok()?;
        u64::try_from(idle.as_milliseconds()).ok()
    }
}
