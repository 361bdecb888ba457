//! Notifications by the desktop's service.
//!
//! Source: Desktop Notifications Specification 1.2, `org.freedesktop.Notifications`.

use std::collections::HashMap;

use zbus::{blocking::Connection, zvariant::Value};

/// Where the service is.
const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Longest text, in letters: services cut longer ones anyhow.
const TEXT_LETTERS_MAX: usize = 300;

/// Shows a notification. Says whether the service took it.
pub(super) fn notify(bus: &Connection, summary: &str, body: &str) -> bool {
    let hints = HashMap::from([
        ("desktop-entry", Value::from("sahakar-desktop")),
        ("category", Value::from("transfer")),
    ]);
    let actions: &[&str] = &[];
    // Nothing is replaced (0), and it stays for as long as the service thinks right (-1).
    let body = plain(body);
    let call = ("Sahakar", 0_u32, "sahakar-desktop", plain(summary), body, actions, hints, -1_i32);
    bus.call_method(Some(NAME), PATH, Some(NAME), "Notify", &call).is_ok()
}

/// As much as fits, and no markup: services read a few tags, and reasons come from other machines, too.
fn plain(text: &str) -> String {
    let cut: String = text.chars().take(TEXT_LETTERS_MAX).collect();
    cut.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
