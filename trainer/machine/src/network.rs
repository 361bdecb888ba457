//! Whether the network is paid for by volume.

/// Who tells about the network.
#[derive(Debug)]
pub struct Network {
    #[cfg(target_os = "linux")]
    bus: Option<zbus::blocking::Connection>,
}

#[cfg(target_os = "linux")]
impl Network {
    /// `NetworkManager`, by the system's bus.
    #[must_use]
    pub fn open() -> Self {
        Self::on(crate::idle::connected(zbus::blocking::connection::Builder::system()))
    }

    /// Whoever answers as `NetworkManager` on `bus`.
    #[must_use]
    pub const fn on(bus: Option<zbus::blocking::Connection>) -> Self {
        Self { bus }
    }

    /// Whether it is paid for by volume; none if nobody tells.
    ///
    /// Source: `NetworkManager` D-Bus reference, `NMMetered`: 1 yes, 2 no, 3 and 4 the same as guesses.
    #[must_use]
    pub fn metered(&self) -> Option<bool> {
        let manager = zbus::blocking::Proxy::new(
            self.bus.as_ref()?,
            "org.freedesktop.NetworkManager",
            "/org/freedesktop/NetworkManager",
            "org.freedesktop.NetworkManager",
        );
        match manager.ok()?.get_property::<u32>("Metered").ok()? {
            1 | 3 => Some(true),
            2 | 4 => Some(false),
            _ => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Network {
    /// Nobody, on this system.
    #[must_use]
    pub const fn open() -> Self {
        Self {}
    }

    /// None: this system is not asked.
    #[must_use]
    pub const fn metered(&self) -> Option<bool> {
        None
    }
}
