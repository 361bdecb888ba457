//! One window per folder, and how a second start finds the first.
//!
//! Source: D-Bus interface `org.freedesktop.Application` (Desktop Entry Specification 1.5, "D-Bus Activation").

use std::{collections::HashMap, path::Path};

use zbus::{blocking::Connection, zvariant::OwnedValue};

use super::{Word, surroundings::Ears};

/// Where the window answers.
pub(super) const PATH: &str = "/org/sahakar/desktop";

/// Longest text that is taken for an invitation, in bytes: as the trainer takes it.
const INVITATION_BYTES_MAX: usize = 16 << 10;

/// The name of the window on `home`: another folder is another person.
pub(super) fn name(home: &Path) -> String {
    // FNV-1a: no secret, only another name for another folder.
    let hash =
        home.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("org.sahakar.desktop.h{hash:016x}")
}

/// Asks the window that has `home` open to show itself, and the invitation if there is one. Says whether it did.
///
/// * `bus` — the session's.
#[must_use]
pub fn call_the_other(bus: &Connection, home: &Path, invitation: Option<&str>) -> bool {
    let name = name(home);
    let data: HashMap<&str, OwnedValue> = HashMap::new();
    let interface = Some("org.freedesktop.Application");
    match invitation {
        Some(text) => {
            bus.call_method(Some(name), PATH, interface, "Open", &(vec![text], data)).is_ok()
        }
        None => bus.call_method(Some(name), PATH, interface, "Activate", &(data,)).is_ok(),
    }
}

/// What a second start asks.
pub(super) struct Application(pub(super) Ears);

#[zbus::interface(name = "org.freedesktop.Application")]
impl Application {
    fn activate(&self, _platform_data: HashMap<String, OwnedValue>) {
        self.0.hear(Word::Open);
    }

    fn open(&self, uris: Vec<String>, _platform_data: HashMap<String, OwnedValue>) {
        self.0.hear(Word::Open);
        let invitation = uris.into_iter().find(|uri| uri.starts_with("sahakar://join?"));
        if let Some(text) = invitation.filter(|text| text.len() <= INVITATION_BYTES_MAX) {
            self.0.hear(Word::Invite(text));
        }
    }

    fn activate_action(
        &self,
        _name: String,
        _parameter: Vec<OwnedValue>,
        _platform_data: HashMap<String, OwnedValue>,
    ) {
        self.0.hear(Word::Open);
    }
}
