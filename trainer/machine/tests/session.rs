//! Idle time and metered networks from real servers: an X server, and a bus with a desktop on it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "test")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use trainer_machine::{Idle, Network};
use x11rb::{connection::Connection as _, protocol::xtest::ConnectionExt as _};
use zbus::blocking::connection::Builder;

/// Ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts a server that says on its standard output where it is; none where it is not installed.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a test may be left out is its environment's to say"
)]
fn start(program: &str, arguments: &[&str]) -> Option<(Server, String)> {
    let started =
        Command::new(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = started else {
        assert!(std::env::var("SAHAKAR_REQUIRE_XVFB").is_err(), "{program} is not installed");
        eprintln!("left out: {program} is not installed");
        return None;
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap().take(4096)).read_line(&mut line).unwrap();
    Some((Server(child), line.trim().to_owned()))
}

fn until(what: &str, holds: impl Fn() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test's own patience")]
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn an_x_server_tells_how_long_nobody_moved_the_pointer() {
    let arguments = ["-displayfd", "1", "-screen", "0", "320x240x24", "-nolisten", "tcp"];
    let Some((_server, number)) = start("Xvfb", &arguments) else { return };
    let display = format!(":{number}");
    let idle = Idle::on(None, Some(&display));
    until("it becomes idle", || idle.idle_ms().unwrap() > 300);

    let (person, screen) = x11rb::connect(Some(&display)).unwrap();
    let root = person.setup().roots[screen].root;
    person.xtest_fake_input(6, 0, 0, root, 20, 20, 0).unwrap().check().unwrap();
    until("input ends it", || idle.idle_ms().unwrap() < 300);
}

#[test]
fn without_a_server_nobody_tells() {
    let idle = Idle::on(None, Some(":32111"));
    assert_eq!(idle.idle_ms(), None);
    assert_eq!(Network::on(None).metered(), None);
}

struct Mutter;

#[zbus::interface(name = "org.gnome.Mutter.IdleMonitor")]
impl Mutter {
    #[zbus(name = "GetIdletime")]
    fn idle_time(&self) -> u64 {
        1_234
    }
}

struct Kde;

#[zbus::interface(name = "org.freedesktop.ScreenSaver")]
impl Kde {
    #[zbus(name = "GetSessionIdleTime")]
    fn idle_time(&self) -> u32 {
        7
    }
}

struct NetworkManager;

#[zbus::interface(name = "org.freedesktop.NetworkManager")]
impl NetworkManager {
    #[zbus(property)]
    fn metered(&self) -> u32 {
        3
    }
}

#[test]
fn desktops_and_the_network_manager_tell_by_the_bus() {
    let Some((_bus, address)) = start("dbus-daemon", &["--session", "--nofork", "--print-address"])
    else {
        return;
    };
    let builder = || Builder::address(address.as_str()).unwrap();
    let bus = || builder().build().ok();
    assert_eq!(Idle::on(bus(), Some(":32111")).idle_ms(), None, "no desktop yet");
    assert_eq!(Network::on(bus()).metered(), None);

    let kde = builder().name("org.freedesktop.ScreenSaver").unwrap();
    let kde = kde.serve_at("/org/freedesktop/ScreenSaver", Kde).unwrap().build().unwrap();
    assert_eq!(Idle::on(bus(), None).idle_ms(), Some(7_000));
    drop(kde);

    let gnome = builder().name("org.gnome.Mutter.IdleMonitor").unwrap();
    let gnome = gnome.serve_at("/org/gnome/Mutter/IdleMonitor/Core", Mutter).unwrap();
    let gnome = gnome.name("org.freedesktop.NetworkManager").unwrap();
    let gnome = gnome.serve_at("/org/freedesktop/NetworkManager", NetworkManager).unwrap();
    let _gnome = gnome.build().unwrap();
    assert_eq!(Idle::on(bus(), None).idle_ms(), Some(1_234));
    assert_eq!(Network::on(bus()).metered(), Some(true));
}
