//! What every long-running command shares: the clock, events as lines of JSON, and when to stop.

use std::{
    fs::File,
    io::{self, Write as _, stdout},
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use rand::CryptoRng;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

/// Milliseconds since the Unix epoch. Where the time of day is set back, they go on from where they were: the ledger's time
/// never decreases, and what falls due in it (pay, votes) would else wait for as long as the clock was set back.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the binary is the shell that reads the clock")]
pub fn now_ms() -> u64 {
    static AHEAD_MS: AtomicU64 = AtomicU64::new(0);
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let running_ms = running_ms();
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let ahead_ms = elapsed_ms.saturating_sub(running_ms);
    running_ms.saturating_add(AHEAD_MS.fetch_max(ahead_ms, Ordering::Relaxed).max(ahead_ms))
}

/// Milliseconds since this was asked first: for spans of time, which a clock that is set would falsify.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the binary is the shell that reads the clock")]
pub fn running_ms() -> u64 {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    let elapsed = STARTED.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// How this program was called, for hints that can be copied.
#[must_use]
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "sahakar".to_owned())
}

/// Where a command's events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// One line of JSON each on standard output, with `at_ms`.
    Json,
    /// One readable line each on standard error.
    Log,
}

impl Events {
    /// The choice that a `--json` flag makes.
    #[must_use]
    pub const fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Log }
    }

    /// Tells `event`.
    pub fn emit(self, mut event: Value) {
        match self {
            Self::Json => {
                tracing::debug!("{}", readable(&event));
                event["at_ms"] = now_ms().into();
                let mut out = stdout().lock();
                // A reader that went away is no reason to stop serving others.
                let _closed = writeln!(out, "{event}").and_then(|()| out.flush()).is_err();
            }
            Self::Log => tracing::info!("{}", readable(&event)),
        }
    }
}

/// `name key=value …`, for people.
fn readable(event: &Value) -> String {
    let name = event["event"].as_str().unwrap_or("event").to_owned();
    let fields = event.as_object().into_iter().flatten().filter(|(key, _)| *key != "event");
    fields.fold(name, |line, (key, value)| match value.as_str() {
        Some(text) => format!("{line} {key}={text}"),
        None => format!("{line} {key}={value}"),
    })
}

/// A secret of 128 bits in hexadecimal.
pub(crate) fn token(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// A new or emptied file that only its owner may read: for what holds secrets. Elsewhere than on Unix access lists rule, and
/// a file in the user's own folder is the user's.
///
/// # Errors
/// If it cannot be opened.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Resolves at SIGINT or SIGTERM, and with `with_parent` also when standard input closes: whoever
/// started this process has ended, however that came about.
pub async fn stop_signal(with_parent: bool) {
    let interrupt = tokio::signal::ctrl_c();
    let orphaned = async {
        if !with_parent {
            std::future::pending::<()>().await;
        }
        let mut buffer = [0; 64];
        let mut input = tokio::io::stdin();
        while input.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        _ = interrupt => {}
        () = terminated() => {}
        () = orphaned => {}
    }
}

/// Resolves at SIGTERM.
#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Resolves when the console closes, the person logs off, or the machine is shut down.
#[cfg(windows)]
async fn terminated() {
    use tokio::signal::windows::{ctrl_close, ctrl_logoff, ctrl_shutdown};
    match (ctrl_close(), ctrl_logoff(), ctrl_shutdown()) {
        (Ok(mut close), Ok(mut logoff), Ok(mut shutdown)) => tokio::select! {
            _ = close.recv() => {}
            _ = logoff.recv() => {}
            _ = shutdown.recv() => {}
        },
        _ => std::future::pending().await,
    }
}
