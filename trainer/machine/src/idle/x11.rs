//! Idle time by X11's screen saver extension.

use x11rb::{
    connection::{Connection as _, RequestConnection as _},
    protocol::screensaver::{self, ConnectionExt as _},
    rust_connection::RustConnection,
};

/// The extension by which a server says that it stands in for a Wayland session.
const STAND_IN: &str = "XWAYLAND";

/// An X server that tells.
#[derive(Debug)]
pub(super) struct ScreenSaver {
    server: RustConnection,
    root: u32,
}

impl ScreenSaver {
    pub(super) fn open(display: Option<&str>) -> Option<Self> {
        let (server, screen) = RustConnection::connect(display).ok()?;
        let stand_in = server.extension_information(STAND_IN).ok()?.is_some();
        let tells = server.extension_information(screensaver::X11_EXTENSION_NAME).ok()?.is_some();
        let root = server.setup().roots.get(screen)?.root;
        (tells && !stand_in).then_some(Self { server, root })
    }

    pub(super) fn idle_ms(&self) -> Option<u64> {
        let told = self.server.screensaver_query_info(self.root).ok()?.reply().ok()?;
        Some(u64::from(told.ms_since_user_input))
    }
}
