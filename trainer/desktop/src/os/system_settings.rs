//! What the person wants of the system around the window.

use serde::{Deserialize, Serialize};

/// What the person wants of the system around the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each of which stands alone")]
pub struct SystemSettings {
    /// Start with the session, hidden if `hide` is on.
    pub autostart: bool,
    /// Tell of pay, of pauses that last, and of consent that is asked for.
    pub notify: bool,
    /// An icon in the notification area.
    pub tray: bool,
    /// Closing the window hides it, as long as the icon is there to bring it back.
    pub hide: bool,
}

impl Default for SystemSettings {
    /// Nothing starts or stays by itself unless it is asked for.
    fn default() -> Self {
        Self { autostart: false, notify: true, tray: true, hide: false }
    }
}
