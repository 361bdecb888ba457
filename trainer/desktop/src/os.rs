//! What surrounds the window: the notification area, notifications, the start with the session, and a second start.
//!
//! ```text
//!   desk ─► Glimpse (pure) ─► Tell ─► a thread ─► the session's bus: tray, notifications
//!   window ◄──────────────── Word ◄─── a menu, a click, a link that was opened
//! ```
//! On Linux by D-Bus; elsewhere none of it but the start with the session where that is a file. A bus that is not there, or
//! goes away, costs these things and nothing else.
//!
//! Threat: everybody on the session's bus can send what a click sends: they can pause, resume, open the window and hand it
//! an invitation to *look* at. None of it trains for anybody new: that takes the consent, given in the window.

mod attended;
mod autostart;
mod glimpse;
#[cfg(target_os = "linux")]
mod instance;
#[cfg(target_os = "linux")]
mod menu;
#[cfg(target_os = "linux")]
mod notifier;
mod surroundings;
mod system_settings;
#[cfg(target_os = "linux")]
mod tray;

pub use attended::Attended;
pub use autostart::Autostart;
pub use glimpse::{Glimpse, Said, Standing};
#[cfg(target_os = "linux")]
pub use instance::call_the_other;
pub use surroundings::{Shown, Surroundings, Tell, Word};
pub use system_settings::SystemSettings;

/// How long an answer on the session's bus may take: a person waits for the window.
#[cfg(target_os = "linux")]
const ANSWER_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// How to reach the bus of the session that this process is in. Whoever does not answer there is given up after two seconds.
///
/// # Errors
/// If the session names no bus.
#[cfg(target_os = "linux")]
pub fn session_bus() -> zbus::Result<zbus::blocking::connection::Builder<'static>> {
    Ok(zbus::blocking::connection::Builder::session()?.method_timeout(ANSWER_MAX))
}
